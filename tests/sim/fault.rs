//! What may go wrong in a world, and what is done in it that others must follow. Each seed lets
//! some kinds happen and others not (swarm testing): faults that hide each other all come out.

use std::fmt;
use std::str::FromStr;

use crate::rng::Rng;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident $weight:literal)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// How often it happens, where messages delivered have some 18,000. 0: it is a state
            /// of the whole world.
            pub(crate) const fn weight(self) -> usize {
                match self {
                    $(Self::$name => $weight,)*
                }
            }
        }
    };
}

faults! {
    /// A connection ends, and what was on its way is lost from some message on. (Within a
    /// connection nothing is lost, doubled or out of order: its streams see to that.)
    Cuts 600
    /// One direction falls silent for a while, then the connection ends.
    OneWayCuts 200
    /// What is on its way is held up.
    Delays 300
    /// A device has a new connection while the server takes the old one for alive.
    AddressChanges 250
    /// All that a device said in an old session arrives once more, on a connection of its own.
    Replays 150
    /// The program on a device ends without notice.
    DeviceCrashes 350
    /// The server's does.
    ServerCrashes 250
    /// The power of a device or the server goes at one of the next operations of its disk.
    PowerCuts 300
    /// Nothing can be written for a while.
    FullDisks 150
    /// A read or a commit fails.
    IoErrors 400
    /// A commit may have been made.
    AmbiguousCommits 250
    /// Another writer is faster than the server, or so it seems.
    Conflicts 200
    /// Devices' clocks are off by up to an hour.
    SkewedClocks 0
    /// A clock is set to another hour, month, or thousand years.
    ClockJumps 200
    /// The server goes on from a copy of its file that is up to date: a new life of the log.
    NewLives 100
    /// The server is restored from a backup, and what came after that is gone.
    ServerRestores 250
    /// A device's file is put back from a copy.
    DeviceRestores 120
    /// A copy of a device's file is used beside it, with the same key.
    DeviceClones 80
    /// Depths, roles and column security change.
    PolicyChanges 350
    /// People move, come into teams and roles, are disabled and enabled.
    OrganizationChanges 350
    /// People and teams move to other business units, and what they own with them.
    Relocations 800
    /// Columns and tables come and go, and columns are otherwise in all ways.
    SchemaChanges 900
    /// The server's keys are replaced. Whoever has the old ones waits for devices.
    KeyChanges 100
    /// The server drops old entries of its log.
    Trims 500
    /// An administrator erases records.
    Erasures 100
    /// An administrator revokes a device.
    Revocations 30
    /// An enrolled device speaks for another one, or for the server.
    ForgedAuthors 250
    /// It makes two changes with one actor and number.
    Equivocation 250
    /// It gives an edit id to something else.
    ReusedEditIds 250
    /// It says that it wrote long ago, or in the far future.
    BackDating 150
    /// It keeps back what its changes build on.
    WithheldChanges 250
    /// Its user may not do what it does.
    Overreach 400
    /// It signs change sets that somebody mutated, or mutates signed ones.
    MutatedChangeSets 250
    /// It sends what is as large as can be.
    HugeInputs 30
    /// It sends what is no message, or one that makes no sense where it comes.
    UnknownMessages 200
    /// It carries change sets that others signed.
    ForeignCarriers 250
    /// Rules are as they were a while ago.
    Reversals 250
    /// Offline profiles are published, tried, promoted and rolled back.
    ProfileChanges 900
    /// Users fetch single records, whatever their profiles take, and release them.
    Fetches 900
    /// Files of devices lose, alter or double what they hold, once when all has settled.
    Rot 0
}

/// Worlds before this one have no offline profiles, and nothing is drawn for them.
pub(crate) const PROFILES_SINCE: u64 = 300_000;

/// In worlds before this one no file rots.
pub(crate) const ROT_SINCE: u64 = 500_000;
/// In worlds before this one nobody fetches single records.
pub(crate) const FETCHES_SINCE: u64 = 400_000;
/// In worlds before this one all edits are of what is there.
pub(crate) const FORMS_SINCE: u64 = 700_000;

impl Fault {
    /// Whether it is drawn in a world, if only to be left out. Those that are not are the last ones.
    pub(crate) fn is_drawn(self, seed: u64) -> bool {
        !matches!(self, Self::ProfileChanges | Self::Fetches | Self::Rot) || self.since() <= seed
    }

    /// The first seed that may let it happen: what earlier ones mean does not change when the world
    /// learns something.
    pub(crate) const fn since(self) -> u64 {
        match self {
            Self::Reversals => 100_000,
            Self::ProfileChanges => PROFILES_SINCE,
            Self::Rot => ROT_SINCE,
            Self::Fetches => FETCHES_SINCE,
            _ => 0,
        }
    }
}

/// The kinds that only a device does that means harm.
pub(crate) const BYZANTINE: &[Fault] = &[
    Fault::ForgedAuthors,
    Fault::Equivocation,
    Fault::ReusedEditIds,
    Fault::BackDating,
    Fault::WithheldChanges,
    Fault::Overreach,
    Fault::MutatedChangeSets,
    Fault::HugeInputs,
    Fault::UnknownMessages,
    Fault::ForeignCarriers,
];

/// The kinds that may happen in a world.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Faults(u64);

impl Faults {
    /// None of them, all of them, or some.
    pub(crate) fn draw(seed: u64, rng: &mut Rng) -> Self {
        let percent = [0, 15, 30, 30, 50, 50, 75, 100][rng.below(8)];
        let known = Fault::ALL.iter().copied().filter(|fault| fault.since() <= seed);
        known.filter(|_| rng.chance(percent)).collect()
    }

    pub(crate) fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u64) != 0
    }

    pub(crate) fn with(self, fault: Fault) -> Self {
        Self(self.0 | (1 << fault as u64))
    }

    pub(crate) fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u64))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |fault| self.has(*fault))
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        faults.into_iter().fold(Self::default(), Self::with)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(|fault| format!("{fault:?}")).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names with commas between them; `none` and `all`.
impl FromStr for Faults {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let find = |name: &str| {
            let found = Fault::ALL.iter().copied().find(|it| format!("{it:?}") == name);
            found.ok_or_else(|| format!("`{name}` is no kind of fault"))
        };
        match text {
            "none" => Ok(Self::default()),
            "all" => Ok(Fault::ALL.iter().copied().collect()),
            _ => text.split(',').map(find).collect(),
        }
    }
}
