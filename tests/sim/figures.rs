//! What worlds went through, counted.

use std::time::Duration;

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// Sums of one world or many.
        #[derive(Debug, Clone, Copy, Default)]
        pub(crate) struct Figures {
            $($(#[$doc])* pub(crate) $name: u64,)*
        }

        impl Figures {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Each with its name, but for times.
            pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
                let all = vec![$((stringify!($name), self.$name)),*];
                all.into_iter().filter(|(name, _)| !name.ends_with("_millis")).collect()
            }
        }
    };
}

figures! {
    /// Things that happened.
    steps
    /// Messages that arrived.
    messages
    /// Sessions that the server opened.
    welcomes
    /// Sessions in which the device spoke first, as it was greeted before.
    spoke_first
    /// Edits that devices were told of by the first bits of their records' ids, and their own by nothing but
    /// their names.
    stems
    own_as_sent
    /// Change sets whose records the server did not find by such bits, and sessions that ended as a device did
    /// not.
    named_whole
    unfound
    edits
    /// Of these, such of what was seen some time ago.
    forms
    /// Edits that the device itself did not make.
    refused_here
    admitted
    denied
    retried
    /// Refused edits that were pending again by themselves, as new ones.
    reconsidered
    /// Shares of records and columns, and ends of such, that were admitted.
    shares
    /// What was put into texts and lists and onto counters, and admitted.
    parts
    /// Connections that ended in the middle, or were replaced.
    cuts
    one_way_cuts
    delays
    /// Old sessions that came once more.
    replays
    crashes
    power_cuts
    /// Reads and commits that failed, and times without room.
    store_faults
    clock_jumps
    profile_changes
    /// Single records that were pinned, and released.
    fetches
    backups
    /// The server and devices put back from copies, and copies used beside the original.
    restores
    log_epochs
    rule_changes
    schema_changes
    /// Schemas that records did not fit.
    schema_refusals
    key_changes
    revocations
    erased
    /// Times that entries of the log were dropped, or had been.
    trims
    /// Records and rows that rotted, rechecks, and what these mended.
    rotten
    rechecks
    mended
    /// Receipts that the server holds.
    purges
    /// Messages of a device that means harm.
    byzantine_acts
    /// Of these, such that ended its session.
    byzantine_refused
    /// Its edits that counted: its user may do something, too.
    byzantine_admitted
    simulated_millis
    /// The same, for each device.
    device_millis
}

impl Figures {
    pub(crate) fn simulated(&self) -> Duration {
        Duration::from_millis(self.simulated_millis)
    }

    pub(crate) fn device_hours(&self) -> u64 {
        self.device_millis / 3_600_000
    }
}
