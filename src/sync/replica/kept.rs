//! Own edits that count, kept until the server has stated a backup that holds them: where a server
//! is restored from an older one, the device sends again what that lacks.

use super::desk::Desk;
use super::{Event, ReplicaMachine};
use crate::limits::{KEPT_BYTES_MAX, KEPT_EDITS_MAX};
use crate::model::{LogEpoch, Sequence};
use crate::sync::{Kept, KeptPlace, KeptSize, Pending, ReplicaBatch, ReplicaStore, StoreError};

/// Edits read at a time.
const CHUNK: usize = 1_024;

impl ReplicaMachine {
    /// Up to where a backup of the server holds the log, as it stated last; `None`: it makes none.
    pub(super) fn state_backed_up<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        backed_up: Option<Sequence>,
    ) -> Result<(), StoreError> {
        if let Some(session) = &mut self.session {
            session.backed_up = backed_up;
        }
        let up_to = backed_up.unwrap_or(Sequence(u64::MAX));
        let held = self.meta.kept.edits > 0;
        let first = if held { store.kept_after(KeptPlace::default(), 1)? } else { Vec::new() };
        if first.first().is_some_and(|kept| kept.sequence <= up_to) {
            self.forget_kept(store, |sequence, _| sequence <= up_to)?;
        }
        Ok(())
    }

    /// Forgets kept edits from the oldest on as long as `is_over` says so of the place of one and
    /// what is left; returns how many.
    fn forget_kept<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        is_over: impl Fn(Sequence, KeptSize) -> bool,
    ) -> Result<u64, StoreError> {
        let before = self.meta.kept.edits;
        let (mut last, mut previous): (Option<KeptPlace>, Option<Kept>) = (None, None);
        let mut left = self.meta.kept;
        'all: loop {
            let chunk = store.kept_after(last.unwrap_or_default(), CHUNK)?;
            if chunk.is_empty() {
                // What was counted and is not there is not missed.
                left = KeptSize::default();
                break;
            }
            for kept in chunk {
                // What counts together goes together.
                let bound = previous
                    .as_ref()
                    .is_some_and(|it| it.pending.edit.is_bound_to(&kept.pending.edit));
                if !bound && !is_over(kept.sequence, left) {
                    break 'all;
                }
                left = left.without(&kept);
                last = Some(kept.place());
                previous = Some(kept);
            }
        }
        self.meta.kept = left;
        if let Some(forgotten) = last {
            let (meta, forgotten) = (Some(self.meta.clone()), Some(forgotten));
            self.keep(store, ReplicaBatch { meta, forgotten, ..ReplicaBatch::default() })?;
        }
        Ok(before.saturating_sub(left.edits))
    }

    /// Keeps an edit of this device that counts now, if the server's backups do not hold it yet.
    pub(super) fn keep_admitted<S>(
        &mut self,
        desk: &mut Desk<'_, S>,
        pending: Option<Pending>,
        sequence: Sequence,
    ) {
        let backed_up = self.session.as_ref().and_then(|session| session.backed_up);
        let (Some(pending), Some(backed_up)) = (pending, backed_up) else { return };
        if sequence > backed_up {
            let kept = Kept { sequence, pending };
            self.meta.kept = self.meta.kept.with(&kept);
            desk.batch.kept.push(kept);
        }
    }

    /// Forgets the oldest kept edits where there are too many: a server that never states a backup
    /// does not fill devices.
    pub(super) fn bound_kept<S: ReplicaStore>(&mut self, store: &mut S) -> Result<(), StoreError> {
        if !self.meta.kept.is_over() {
            return Ok(());
        }
        // Some more, so that not each edit from now on writes twice.
        let edits = self.forget_kept(store, |_, left| left.is_over_most())?;
        tracing::warn!(
            edits,
            "the server states no backup that holds these edits; they are not kept any longer"
        );
        self.tell(Event::NotKept { edits });
        Ok(())
    }

    /// What was kept and is not in the server's log any more is pending again, as it was made.
    pub(super) fn take_back_kept<S: ReplicaStore>(
        &mut self,
        store: &S,
        desk: &mut Desk<'_, S>,
        common: Sequence,
        is_other_life: bool,
    ) -> Result<(), StoreError> {
        if !is_other_life && self.meta.kept.edits == 0 {
            return Ok(());
        }
        let all = store.kept_after(KeptPlace::default(), usize::MAX)?;
        // In another life of the log their places mean nothing. What is left of them is in a backup.
        desk.batch.forgotten = Some(KeptPlace::LAST);
        self.meta.kept = KeptSize::default();
        for kept in all {
            let (sequence, pending) = (kept.sequence, &kept.pending);
            if sequence <= common && !is_other_life {
                self.meta.kept = self.meta.kept.with(&kept);
                desk.batch.kept.push(kept);
            } else if sequence > common && store.pending(pending.edit.id)?.is_none() {
                let (table, record) = (pending.edit.table.clone(), pending.edit.record);
                desk.folder(&table, record)?.take_back(pending.clone());
                desk.batch.pending.push(kept.pending);
            }
        }
        Ok(())
    }

    /// Notes in which life of the log the server is. A new one that begins where an older backup
    /// ends may lack what others made, too, until they have sent it again. Returns whether it is
    /// another life than the device knows.
    pub(super) fn note_epoch(&mut self, epoch: LogEpoch) -> bool {
        let before = std::mem::replace(&mut self.meta.epoch, epoch);
        let is_other = before != epoch && before != LogEpoch(0);
        if is_other {
            self.meta.restored = self.meta.counter;
        }
        is_other
    }
}

impl KeptSize {
    fn with(self, kept: &Kept) -> Self {
        let bytes = super::push::edit_bytes(&kept.pending.edit) as u64;
        Self { edits: self.edits + 1, bytes: self.bytes.saturating_add(bytes) }
    }

    pub(super) fn without(self, kept: &Kept) -> Self {
        let bytes = super::push::edit_bytes(&kept.pending.edit) as u64;
        Self { edits: self.edits.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) }
    }

    fn is_over(self) -> bool {
        self.edits > KEPT_EDITS_MAX || self.bytes > KEPT_BYTES_MAX
    }

    /// Over three quarters of what there may be.
    fn is_over_most(self) -> bool {
        self.edits > KEPT_EDITS_MAX / 4 * 3 || self.bytes > KEPT_BYTES_MAX / 4 * 3
    }
}
