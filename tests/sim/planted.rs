//! Bugs put into worlds from outside (the stores, the rules, the entropy): an oracle that finds
//! nothing here would prove nothing elsewhere.

use std::sync::Arc;

use tidegate::model::Edit;
use tidegate::sync::{Commit, Operation, ReplicaBatch};

use crate::disk::ReplicaFile;
use crate::fault::Fault;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The server's store says that it wrote, and loses the last commit in a crash.
    AcknowledgesBeforeCommit,
    /// The server's store does not find edits that it admitted.
    AdmitsTwice,
    /// Devices' stores lose what was built on an edit that is refused.
    DropsDependents,
    /// Devices' stores say that they were written anew, and were not.
    KeepsDeletedBytes,
    /// The server's store leaves what was erased in the log.
    KeepsErased,
    /// Devices' stores keep in quarantine what is tried again.
    KeepsRetried,
    /// The server lets everyone read all columns.
    LeaksSections,
    /// Devices' stores lose what is refused.
    LosesRefused,
    /// New generations lack a value.
    LosesValues,
    /// A device is put back to a copy of its file, and draws the same entropy again.
    ReusesActors,
    /// The server lets everyone do everything.
    SkipsTheGate,
}

impl Planted {
    pub(crate) const ALL: &[Self] = &[
        Self::AcknowledgesBeforeCommit,
        Self::AdmitsTwice,
        Self::DropsDependents,
        Self::KeepsDeletedBytes,
        Self::KeepsErased,
        Self::KeepsRetried,
        Self::LeaksSections,
        Self::LosesRefused,
        Self::LosesValues,
        Self::ReusesActors,
        Self::SkipsTheGate,
    ];

    /// What must happen for it to show.
    pub(crate) fn needs(self) -> &'static [Fault] {
        match self {
            Self::AcknowledgesBeforeCommit => &[Fault::ServerCrashes],
            Self::AdmitsTwice => &[Fault::Cuts, Fault::DeviceCrashes],
            Self::DropsDependents => &[Fault::PolicyChanges],
            Self::KeepsDeletedBytes => &[Fault::PolicyChanges, Fault::OrganizationChanges],
            Self::KeepsErased => &[Fault::Erasures],
            Self::KeepsRetried | Self::LosesRefused => &[Fault::PolicyChanges],
            Self::LeaksSections | Self::LosesValues | Self::SkipsTheGate => &[],
            Self::ReusesActors => &[Fault::DeviceCrashes],
        }
    }

    /// What a device's store writes of a batch.
    pub(crate) fn spoil_batch(self, file: &ReplicaFile, mut batch: ReplicaBatch) -> ReplicaBatch {
        match self {
            Self::DropsDependents => {
                let refused: Vec<_> = batch.quarantine.iter().map(|entry| entry.record).collect();
                batch.pending.retain(|it| !refused.contains(&it.edit.record));
                let held = file.pending.values().filter(|it| refused.contains(&it.record));
                batch.settled.extend(held.map(|edit| edit.id));
            }
            Self::KeepsRetried => batch.released.clear(),
            Self::LosesRefused => batch.quarantine.clear(),
            _ => {}
        }
        batch
    }

    /// What the server's store writes of a commit.
    pub(crate) fn spoil_commit(self, mut commit: Commit) -> Commit {
        if self == Self::LosesValues {
            for operation in &mut commit.operations {
                if let Operation::Append { entry, .. } = operation {
                    lose_a_value(&mut entry.edit);
                }
            }
        }
        commit
    }
}

fn lose_a_value(edit: &mut Edit) {
    for change in &mut edit.changes {
        if change.begins_generation() {
            Arc::make_mut(change).ops.pop();
        }
    }
}

impl std::str::FromStr for Planted {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|it| format!("{it:?}") == text);
        found.ok_or_else(|| format!("`{text}` is no planted bug"))
    }
}
