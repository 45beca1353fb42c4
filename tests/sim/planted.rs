//! Bugs put into worlds from outside (the stores, the rules, the entropy, the messages on their way):
//! an oracle that finds nothing here would prove nothing elsewhere.

use std::str::FromStr;
use std::sync::Arc;

use tidegate::model::Edit;
use tidegate::sync::{Commit, EntryKind, LogEntry, Operation, Purge, ReplicaBatch};

use crate::app::is_system;
use crate::disk::ReplicaFile;
use crate::fault::Fault;

macro_rules! planted {
    ($($(#[$doc:meta])* $name:ident [$($needs:ident),*])*) => {
        /// A bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Planted {
            $($(#[$doc])* $name,)*
        }

        impl Planted {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// What must happen for it to show.
            pub(crate) fn needs(self) -> &'static [Fault] {
                match self {
                    $(Self::$name => &[$(Fault::$needs),*],)*
                }
            }
        }
    };
}

planted! {
    /// The server's store says that it wrote, and loses the last commit in a crash.
    AcknowledgesBeforeCommit [ServerCrashes]
    /// The server's store does not find edits that it admitted.
    AdmitsTwice [Cuts, DeviceCrashes]
    /// Devices' stores make each operation of what is tried again twice.
    DoublesRetried [PolicyChanges, OrganizationChanges]
    /// Devices' stores lose what was built on an edit that is refused.
    DropsDependents [PolicyChanges]
    /// The server's store leaves a record out of what a move took along.
    ForgetsAFollower [Relocations]
    /// The server's store does not find edits whose entries were dropped.
    ForgetsDropped [Trims, Cuts, DeviceCrashes, DeviceRestores]
    /// The server's store forgets what users could not read for a while.
    ForgetsLapses [PolicyChanges, Reversals, Cuts]
    /// The server's store does not find records by what they look up.
    ForgetsLookups [ProfileChanges]
    /// The server does not hear what people are called.
    ForgetsNames [OrganizationChanges]
    /// The server does not hear in greetings what is pinned.
    ForgetsPins [ProfileChanges, Fetches, Cuts]
    /// Devices' stores forget that bytes are to be purged.
    ForgetsPurges [PolicyChanges, OrganizationChanges, DeviceCrashes]
    /// The server's store keeps no refused edit.
    ForgetsRefusals [PolicyChanges]
    /// Devices' stores forget which certificates they have seen.
    ForgetsSerials [KeyChanges]
    /// The server does not say what was refused of an edit that counts.
    ForgetsSplits [DeviceRestores, DeviceClones, PolicyChanges, Cuts]
    /// The server's log does not say what profiles asked of a record before it changed.
    ForgetsWhatWas [ProfileChanges]
    /// The server goes on by the rules before each change.
    IgnoresRuleChanges [PolicyChanges, OrganizationChanges]
    /// Devices' stores say that they were written anew, and were not.
    KeepsDeletedBytes [PolicyChanges, OrganizationChanges]
    /// The server's store leaves what was erased in the log.
    KeepsErased [Erasures]
    /// Devices' stores keep what their users may not read any more.
    KeepsGone [PolicyChanges, OrganizationChanges]
    /// Devices' stores keep in quarantine what is tried again.
    KeepsRetried [PolicyChanges]
    /// The server lets everyone read all columns.
    LeaksSections []
    /// Devices' stores keep no edit for a server that is restored.
    LosesKept [ServerRestores]
    /// Devices' stores say that they wrote, and lose the last commit in a crash.
    LosesLastCommit [DeviceCrashes]
    /// Devices' stores lose what is refused.
    LosesRefused [PolicyChanges]
    /// New generations lack a value.
    LosesValues []
    /// Devices take what was refused for admitted, past the gate.
    MergesRefused [PolicyChanges, OrganizationChanges]
    /// Rechecks overlook what is secured.
    OverlooksSecured [Rot]
    /// A server is restored from a backup and takes itself for the one that it was.
    RestoresOldLives [ServerRestores]
    /// A device is put back to a copy of its file, and draws the same entropy again.
    ReusesActors [DeviceCrashes]
    /// Devices' stores do not write all rows anew.
    ShowsOldRows []
    /// The server lets everyone do everything.
    SkipsTheGate []
    /// The server's store leaves out entries when the log is read.
    SkipsLogEntries []
    /// The server does not look who signed.
    SkipsSignatures [ForgedAuthors]
    /// Devices are given privileges of a while ago.
    StaleGrants [PolicyChanges, OrganizationChanges]
    /// The server believes a device that it has seen more of the log than it has.
    TrustsWatermarks [Cuts]
    /// The server's store forgets that a device was revoked.
    WelcomesRevoked [Revocations, Cuts]
}

impl Planted {
    /// Whether the server is given other rules than the true ones.
    pub(crate) fn changes_rules(self) -> bool {
        self.changes_people() || matches!(self, Self::ForgetsNames | Self::LeaksSections)
    }

    /// Whether what it is told of people is another thing, and that is not what is looked for.
    pub(crate) fn changes_people(self) -> bool {
        matches!(self, Self::SkipsTheGate | Self::IgnoresRuleChanges)
    }

    /// What a device's store writes of a batch.
    pub(crate) fn spoil_batch(self, file: &ReplicaFile, mut batch: ReplicaBatch) -> ReplicaBatch {
        match self {
            Self::DoublesRetried if !batch.released.is_empty() => {
                for change in batch.pending.iter_mut().flat_map(|it| &mut it.edit.changes) {
                    let ops = change.ops.clone();
                    Arc::make_mut(change).ops.extend(ops);
                }
            }
            Self::DropsDependents => {
                let refused: Vec<_> = batch.quarantine.iter().map(|entry| entry.record).collect();
                batch.pending.retain(|it| !refused.contains(&it.edit.record));
                let held = file.pending.values().filter(|it| refused.contains(&it.record));
                batch.settled.extend(held.map(|edit| edit.id));
            }
            Self::ForgetsPurges => {
                if let Some(meta) = &mut batch.meta {
                    meta.purge = Purge::Nothing;
                }
            }
            Self::ForgetsSerials => {
                if let Some(meta) = &mut batch.meta {
                    meta.serial = 0;
                }
            }
            Self::KeepsGone => batch.gone.clear(),
            Self::KeepsRetried => batch.released.clear(),
            Self::LosesKept => batch.kept.clear(),
            Self::LosesRefused => batch.quarantine.clear(),
            // Of what arrives, not of what the user does.
            Self::ShowsOldRows if batch.pending.is_empty() => drop(batch.rows.pop()),
            _ => {}
        }
        batch
    }

    /// What the server's store writes of a commit.
    pub(crate) fn spoil_commit(self, mut commit: Commit) -> Commit {
        match self {
            Self::ForgetsRefusals => {
                commit.operations.retain(|operation| !matches!(operation, Operation::Refuse(_)));
            }
            Self::LosesValues => {
                for entry in appended(&mut commit) {
                    // Of people it would be found before anything is edited.
                    if let EntryKind::Edit { edit, .. } = &mut entry.kind
                        && !is_system(&edit.table)
                    {
                        lose_a_value(edit);
                    }
                }
            }
            Self::ForgetsWhatWas => {
                for entry in appended(&mut commit) {
                    if let EntryKind::Edit { asked, .. } = &mut entry.kind {
                        *asked = None;
                    }
                }
            }
            Self::ForgetsAFollower => {
                for entry in appended(&mut commit) {
                    if let EntryKind::Move(moved) = &mut entry.kind {
                        moved.legs.last_mut().unwrap().followers.pop();
                    }
                }
            }
            _ => {}
        }
        commit
    }
}

fn appended(commit: &mut Commit) -> impl Iterator<Item = &mut LogEntry> {
    commit.operations.iter_mut().filter_map(|operation| match operation {
        Operation::Append { entry, .. } => Some(entry.as_mut()),
        _ => None,
    })
}

fn lose_a_value(edit: &mut Edit) {
    for change in &mut edit.changes {
        if change.begins_generation() {
            Arc::make_mut(change).ops.pop();
        }
    }
}

impl FromStr for Planted {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|it| format!("{it:?}") == text);
        found.ok_or_else(|| format!("`{text}` is no planted bug"))
    }
}
