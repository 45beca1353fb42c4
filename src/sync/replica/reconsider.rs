//! Refused edits that are judged anew by themselves: when the user's privileges have changed since,
//! and when a record has arrived that was lacking.
//!
//! It ends: an entry is tried once for each policy epoch, and once when what it lacked is here. What
//! is refused again is another entry, of the epoch by which that was done.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::ReplicaMachine;
use super::commit::EditError;
use super::desk::{Desk, Mark, not_there};
use super::quarantine::{Amendment, Group, goes_on};
use crate::codec::Terms;
use crate::limits::{RECONSIDERED_AT_ONCE_MAX, SESSION_RETRIES_MAX};
use crate::model::{Edit, EditId, EditKind, Op, RecordId, TableName, Timestamp};
use crate::sync::grant::standing_digest;
use crate::sync::{Pending, Quarantined, ReplicaStore, StoreError, Turn};

/// The records to which a try has added edits, as they were before.
type Marks = BTreeMap<(TableName, RecordId), Mark>;

impl ReplicaMachine {
    /// Notes that refused edits may be judged otherwise now.
    pub(super) fn note_news(&mut self) {
        if let Some(session) = &mut self.session {
            session.news = true;
            session.rounds = 0;
        }
    }

    /// Makes refused edits pending again that may be allowed now: those of which this device is
    /// certain, and those of which only this device said that their record is not there.
    /// It waits until everything has arrived, so that it holds up nothing and judges by all that
    /// there is to know. Returns whether there are any.
    pub(super) fn reconsider<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if !self.is_up_to_date() || !self.rows_answer_to_grant()? {
            return Ok(false);
        }
        let news = self.session.as_mut().map(|session| std::mem::take(&mut session.news));
        if news != Some(true) {
            return Ok(false);
        }
        let mut desk = Desk::new(&*store);
        let (first, mut tried) = (self.meta.counter + 1, 0);
        let mut counter = first;
        let refused = store.quarantine()?;
        let mut again = Vec::new();
        for group in groups(&refused) {
            if tried >= RECONSIDERED_AT_ONCE_MAX {
                // The others when these are judged.
                if let Some(session) = &mut self.session {
                    session.rounds += 1;
                    session.news = session.rounds <= SESSION_RETRIES_MAX;
                }
                break;
            }
            let (entries, edits) = self.try_again(&mut desk, &*store, now, counter, group)?;
            counter += u64::from(edits > 0);
            tried += edits;
            again.extend(entries);
        }
        if tried == 0 {
            return Ok(false);
        }
        self.meta.counter = counter - 1;
        desk.leave_in_quarantine(refused, &again);
        self.note_tried(&desk.batch.pending);
        let prepared = desk.finish(&self.meta.schema)?;
        self.write(store, prepared)?;
        Ok(true)
    }

    /// Whether what is here is what the user may read by the grant that is here, and all of it.
    fn rows_answer_to_grant(&self) -> Result<bool, StoreError> {
        let Some(standing) = &self.standing else { return Ok(false) };
        let digest = standing_digest(Some(standing));
        let (digest, _) = digest.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let scope = &self.meta.scope;
        let is_so = |terms: &Terms| terms.standing == digest;
        let answers = scope.complete && scope.held.len() == 1 && scope.held.iter().all(is_so);
        Ok(scope.target.is_none() && answers)
    }

    /// Makes what is allowed of a group pending again. Returns it, and how many edits it is.
    fn try_again<S: ReplicaStore>(
        &self,
        desk: &mut Desk<'_, S>,
        store: &S,
        now: Timestamp,
        counter: u64,
        mut group: Group,
    ) -> Result<(Vec<Quarantined>, usize), StoreError> {
        if let Some(entries) = separable(&mut group) {
            for entry in std::mem::take(entries) {
                let alone = Group::from([(entry.edit, vec![entry.clone()])]);
                let allowed = self.written_again(desk, store, now, counter, &alone)?;
                let allowed = allowed.map(|(_, marks)| desk.undo(marks)).transpose()?.is_some();
                entries.extend(allowed.then_some(entry));
            }
        }
        let Some((edits, _)) = self.written_again(desk, store, now, counter, &group)? else {
            return Ok((Vec::new(), 0));
        };
        let atomic = if edits.len() > 1 { u32::try_from(edits.len()).unwrap_or(0) } else { 0 };
        let tried = edits.len();
        for ((part, old), edit) in (0..).zip(group.keys()).zip(edits) {
            let turn = Turn { counter, part };
            desk.reconsidered.push((*old, edit.id));
            desk.batch.released.push(*old);
            desk.batch.pending.push(Pending { turn, edit: Edit { atomic, ..edit } });
        }
        Ok((group.into_values().flatten().collect(), tried))
    }

    /// Writes the edits of a group again, and adds them to their records, if all of them are
    /// certain to be allowed here.
    fn written_again<S: ReplicaStore>(
        &self,
        desk: &mut Desk<'_, S>,
        store: &S,
        now: Timestamp,
        counter: u64,
        group: &Group,
    ) -> Result<Option<(Vec<Edit>, Marks)>, StoreError> {
        if !self.is_worth_it(desk, group)? {
            return Ok(None);
        }
        let mut marks = Marks::new();
        let (mut edits, as_it_was) = (Vec::new(), Amendment::default());
        // What no server has judged yet is left to it, as what is pending.
        let goes_on = goes_on(group);
        for (part, (old, entries)) in (0..).zip(group) {
            let Some(first) = entries.first() else { break };
            let place = (first.table.clone(), first.record);
            if let Entry::Vacant(entry) = marks.entry(place) {
                let mark = desk.folder(&first.table, first.record)?.mark();
                entry.insert(mark);
            }
            let turn = Turn { counter, part };
            let id = if goes_on { *old } else { self.edit_in(turn) };
            match self.again(desk, store, now, (id, turn), (entries, &as_it_was)) {
                Ok((edit, certain)) if certain || goes_on => edits.push(edit),
                Err(EditError::Store(error)) => return Err(error),
                Ok(_) | Err(_) => break,
            }
        }
        if edits.is_empty() || edits.len() < group.len() {
            desk.undo(marks)?;
            return Ok(None);
        }
        Ok(Some((edits, marks)))
    }

    /// Whether the group may be judged otherwise than when it was refused. What only the device's
    /// user can say is not: which places of a text or list an edit meant, after others came between,
    /// and what is to become of the parts of a commit of which some were thrown away.
    fn is_worth_it<S: ReplicaStore>(
        &self,
        desk: &mut Desk<'_, S>,
        group: &Group,
    ) -> Result<bool, StoreError> {
        let is_whole = |entry: &Quarantined| {
            entry.atomic == 0 || usize::try_from(entry.atomic) == Ok(group.len())
        };
        // After a restore a record comes back as the user left it.
        let is_lost = |entry: &Quarantined| self.is_restored(entry) && entry.denial == not_there();
        let means_places = |entry: &Quarantined| {
            let is_new = entry.kind == EditKind::Create || is_lost(entry);
            !is_new && entry.ops.iter().any(Op::is_positional)
        };
        let mut has_news = false;
        for entry in group.values().flatten() {
            if !is_whole(entry) || means_places(entry) {
                return Ok(false);
            }
            if entry.lacking && !desk.has_all_for(&self.meta.schema, entry)? {
                return Ok(false);
            }
            has_news |= entry.lacking || self.is_of_older_rules(entry);
        }
        Ok(has_news)
    }

    /// Whether it was refused by other rules than those of the grant. Before the server was
    /// restored, or by another one, epochs were counted otherwise.
    fn is_of_older_rules(&self, entry: &Quarantined) -> bool {
        entry.epoch < self.epoch || self.is_restored(entry) || entry.edit.device != self.device()
    }

    /// Whether it was made before the server was restored.
    fn is_restored(&self, entry: &Quarantined) -> bool {
        entry.edit.counter <= self.meta.restored
    }
}

/// The entries of a change of columns, each of which may count without the others.
fn separable(group: &mut Group) -> Option<&mut Vec<Quarantined>> {
    let mut all = group.values_mut();
    let (entries, rest) = (all.next()?, all.next());
    let is_one = entries.len() > 1 && rest.is_none();
    let each = |entry: &Quarantined| entry.atomic == 0 && entry.kind == EditKind::Change;
    (is_one && entries.iter().all(each)).then_some(entries)
}

/// The refused edits in the order in which they came, with all that counts together. What no server has
/// judged of an edit is apart from what one has refused of it.
fn groups(quarantine: &[Quarantined]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places = BTreeMap::new();
    for entry in quarantine {
        let EditId { device, counter, part } = entry.edit;
        let part = (entry.atomic == 0).then_some((part, entry.parked));
        let at = *places.entry((device, counter, part)).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group::new());
        }
        if let Some(group) = groups.get_mut(at) {
            group.entry(entry.edit).or_default().push(entry.clone());
        }
    }
    groups
}
