//! Stores in memory, with the faults of real ones: a commit happens as a whole or not at all, may
//! fail, and may leave open whether it happened. What was acknowledged is durable; what a power cut
//! met in the middle is there or not.

mod device;
mod server;

use std::cell::Cell;

use tidegate::model::{RecordId, TableName};
use tidegate::sync::StoreError;

pub(crate) use device::{ReplicaDisk, ReplicaFile};
pub(crate) use server::{Deed, ServerDisk, ServerFile};

pub(crate) type Key = (TableName, RecordId);

/// What a commit may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFault {
    /// Nothing is written.
    Io,
    /// It is written, and nobody can say so.
    AmbiguousMade,
    /// It is not written, and nobody can say so.
    AmbiguousLost,
    /// Another writer was faster, or so it seems.
    Conflict,
}

impl CommitFault {
    fn error(self) -> StoreError {
        match self {
            Self::Io => StoreError::Io("injected".into()),
            Self::AmbiguousMade | Self::AmbiguousLost => StoreError::Ambiguous("injected".into()),
            Self::Conflict => StoreError::Conflict,
        }
    }
}

/// What is to go wrong next.
#[derive(Debug, Clone, Default)]
pub(crate) struct DiskFaults {
    /// The next commit.
    pub(crate) commit: Option<CommitFault>,
    /// This many reads from now; 0: none.
    pub(crate) read: Cell<u32>,
    /// There is no room, until somebody makes some.
    pub(crate) is_full: bool,
    /// The power is cut this many operations from now; 0: not so soon.
    pub(crate) power: Cell<u32>,
    /// Whether a commit that the power cut meets is there afterwards.
    pub(crate) keeps_last: bool,
    /// The power is off: whoever uses the disk is gone.
    pub(crate) is_off: Cell<bool>,
}

impl DiskFaults {
    fn read(&self) -> Result<(), StoreError> {
        self.step();
        if self.is_off.get() {
            return Err(StoreError::Io("the power is off".into()));
        }
        let left = self.read.get();
        self.read.set(left.saturating_sub(1));
        if left == 1 { Err(CommitFault::Io.error()) } else { Ok(()) }
    }

    /// Whether a commit is written, and what is said of it.
    fn commit(&mut self) -> (bool, Result<(), StoreError>) {
        let was_off = self.is_off.get();
        self.step();
        if self.is_off.get() {
            let written = !was_off && self.keeps_last;
            return (written, Err(StoreError::Io("the power is off".into())));
        }
        if self.is_full {
            return (false, Err(StoreError::Io("no space left on device".into())));
        }
        match self.commit.take() {
            None => (true, Ok(())),
            Some(fault) => (fault == CommitFault::AmbiguousMade, Err(fault.error())),
        }
    }

    fn step(&self) {
        let left = self.power.get();
        self.power.set(left.saturating_sub(1));
        if left == 1 {
            self.is_off.set(true);
        }
    }

    /// Whoever used the disk is gone, and the power is back. What else is wrong stays so.
    pub(crate) fn restart(&mut self) {
        self.power.set(0);
        self.is_off.set(false);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where `map_err` passes by value")]
fn damaged(error: impl ToString) -> StoreError {
    StoreError::Damaged(error.to_string())
}
