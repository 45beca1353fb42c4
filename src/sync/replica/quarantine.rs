//! Refused edits on the device: kept with what they are, tried again, or thrown away.

use std::collections::{BTreeMap, BTreeSet};

use super::ReplicaMachine;
use super::column_ops;
use super::commit::EditError;
use super::desk::{Desk, not_there};
use crate::crdt::Record;
use crate::limits::REFUSED_KNOWN_MAX;
use crate::model::{
    ColumnEdit, ColumnName, Columns, Denial, Edit, EditId, EditKind, Op, Owner, PolicyEpoch, Table,
    Timestamp,
};
use crate::sync::{Pending, Quarantined, ReplicaStore, StoreError, Turn};

/// What of a refused edit shall be otherwise when it is sent again.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Amendment {
    /// Columns that shall hold these values, whatever the edit did to them.
    pub set: Columns,
    /// Columns that are left out.
    pub without: BTreeSet<ColumnName>,
    /// To whom a create or an assign shall give the record.
    pub owner: Option<Owner>,
}

impl Amendment {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn touches(&self, column: &ColumnName) -> bool {
        self.without.contains(column) || self.set.contains_key(column)
    }

    fn amend(&self, mut columns: Columns) -> Columns {
        for column in &self.without {
            columns.remove(column);
        }
        for (column, value) in &self.set {
            columns.insert(column.clone(), value.clone());
        }
        columns
    }
}

/// Refused edits that count together, each with its entries; one that counts for itself is alone.
pub(super) type Group = BTreeMap<EditId, Vec<Quarantined>>;

/// Whether edits that are tried again are the same ones still: no server has refused any of them. Under
/// other ids they would count twice where somebody brings what was sent of them.
pub(super) fn goes_on(group: &Group) -> bool {
    let is_whole =
        |entry: &Quarantined| entry.atomic == 0 || usize::try_from(entry.atomic) == Ok(group.len());
    group.values().flatten().all(|entry| entry.parked && is_whole(entry))
}

impl ReplicaMachine {
    /// Whether an edit, or a part of it, was refused since this machine was opened, as far as it
    /// remembers: it may have left quarantine.
    #[must_use]
    pub fn was_refused(&self, edit: EditId) -> bool {
        self.refused.contains(&edit)
    }

    pub(super) fn note_refused(&mut self, edit: EditId) {
        if self.refused.len() >= REFUSED_KNOWN_MAX {
            self.refused.pop_front();
        }
        self.refused.push_back(edit);
    }

    /// The edit that is made in a turn.
    pub(super) fn edit_in(&self, Turn { counter, part }: Turn) -> EditId {
        EditId { device: self.device(), counter, part }
    }

    /// Notes what is about to be tried again: it is not refused any more, and what it was is not what
    /// it is written on.
    pub(super) fn note_tried(&mut self, tried: &[Pending]) {
        for Edit { id, record, .. } in tried.iter().map(|pending| &pending.edit) {
            self.refused.retain(|refused| refused != id);
            if let Some(past) = self.past.get_mut(record) {
                past.retain(|edit| edit.id != *id);
            }
        }
    }

    /// Takes an entry out of quarantine for good. What [this device alone gave up](Quarantined::parked) may
    /// count all the same, if somebody brings a copy of what was sent. Its bytes go with the next purge: at the end of the
    /// next session, or when the store is opened.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn discard<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        edit: EditId,
    ) -> Result<(), StoreError> {
        self.recover(store)?;
        self.note_left();
        let (meta, released) = (Some(self.meta.clone()), vec![edit]);
        self.keep(store, crate::sync::ReplicaBatch { meta, released, ..Default::default() })
    }

    /// Tries a refused edit again: judged anew here and then on the server. What a server has refused is
    /// an edit of its own now, whose id is returned: where only a part was refused, the rest may have
    /// been admitted under the old one. What [this device alone gave up](Quarantined::parked) keeps its
    /// id: it may count already, by a copy of what was sent. The parts of an atomic one are tried
    /// together.
    ///
    /// What was refused is tried as what it was: a create of a record that someone else made
    /// meanwhile sets its values there; any other edit of a record that is not here stays refused.
    ///
    /// # Errors
    /// It is refused again (or is not in quarantine), or changes nothing; then it stays there.
    pub fn retry<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        id: EditId,
    ) -> Result<Vec<EditId>, EditError> {
        self.resubmit(store, now, id, &Amendment::default())
    }

    /// As [`Self::retry`], with something otherwise: the refused edit leaves quarantine in the same
    /// step in which the amended one is pending. What it leaves out is gone with it. Of an atomic
    /// commit the other parts stay as they were.
    ///
    /// # Errors
    /// As [`Self::retry`].
    pub fn resubmit<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        id: EditId,
        amendment: &Amendment,
    ) -> Result<Vec<EditId>, EditError> {
        self.recover(store)?;
        let quarantine = store.quarantine()?;
        let groups = parts_of(&quarantine, id, amendment.is_empty());
        if groups.is_empty() {
            let detail = format!("edit {id} is not in quarantine");
            return Err(EditError::Denied(Denial::malformed(detail)));
        }
        let mut desk = Desk::new(&*store);
        let (mut again, mut counter) = (Vec::new(), self.meta.counter);
        for group in &groups {
            counter += 1;
            again.extend(self.submit(&mut desk, &*store, now, counter, (group, id, amendment))?);
        }
        self.note_tried(&desk.batch.pending);
        self.meta.counter = counter;
        if !amendment.is_empty() {
            self.note_left();
        }
        let prepared = desk.finish(&self.meta.schema)?;
        let written = self.write(store, prepared);
        self.push_or_end(store, now);
        written?;
        Ok(again)
    }

    /// Writes what counts together of refused edits again, with something otherwise in one of them.
    fn submit<S: ReplicaStore>(
        &self,
        desk: &mut Desk<'_, S>,
        store: &S,
        now: Timestamp,
        counter: u64,
        (group, amended, amendment): (&Group, EditId, &Amendment),
    ) -> Result<Vec<EditId>, EditError> {
        let atomic = if group.len() > 1 { u32::try_from(group.len()).unwrap_or(0) } else { 0 };
        let goes_on = amendment.is_empty() && goes_on(group);
        let (mut again, as_it_was) = (Vec::new(), Amendment::default());
        for (part, (old, entries)) in (0..).zip(group) {
            let amendment = if *old == amended { amendment } else { &as_it_was };
            let turn = Turn { counter, part };
            let id = if goes_on { *old } else { self.edit_in(turn) };
            let (edit, _) = self.again(desk, store, now, (id, turn), (entries, amendment))?;
            desk.batch.pending.push(Pending { turn, edit: Edit { atomic, ..edit } });
            desk.batch.released.push(*old);
            again.push(id);
        }
        Ok(again)
    }

    /// Writes a refused edit (or what of it was refused) as another, on what is visible now, and
    /// says whether this device is certain that it is allowed.
    pub(super) fn again<S: ReplicaStore>(
        &self,
        desk: &mut Desk<'_, S>,
        store: &S,
        now: Timestamp,
        (id, turn): (EditId, Turn),
        (entries, amendment): (&[Quarantined], &Amendment),
    ) -> Result<(Edit, bool), EditError> {
        let Some(first) = entries.first() else {
            return Err(EditError::Denied(Denial::malformed("there is nothing to retry")));
        };
        let (name, record) = (first.table.clone(), first.record);
        let Some(table) = self.meta.schema.table(name.as_str()) else {
            return Err(EditError::NoSuchTable(name));
        };
        let (shared, visible) = Self::visible(desk, &name, record)?;
        let ops = self.ops_again(table, visible, entries, amendment)?;
        if ops.is_empty() {
            return Err(EditError::Denied(Denial::malformed("nothing is left of it to try")));
        }
        let edit = visible.author_by(table, id, |it| self.actors.of(it), now.to_second(), ops);
        let certain = self.preview(shared, store, visible, &edit)?;
        desk.folder(&name, record)?.add(Pending { turn, edit: edit.clone() })?;
        Ok((edit, certain))
    }

    /// What was refused, as operations on the record as it is now.
    fn ops_again(
        &self,
        table: &Table,
        record: &Record,
        entries: &[Quarantined],
        amendment: &Amendment,
    ) -> Result<Vec<Op>, EditError> {
        let creates = entries.iter().any(|entry| entry.kind == EditKind::Create);
        let mut ops: Vec<_> = entries.iter().flat_map(|entry| &entry.ops).cloned().collect();
        if !creates && !record.exists() {
            return Err(EditError::Denied(not_there()));
        }
        if creates && record.exists() {
            // Someone else made the record of this key: what was set here is set there.
            let columns = amendment.amend(values_of(&ops)?);
            let ops = column_ops::set(table, record.columns(), columns);
            let exists = || EditError::Exists(table.id.clone(), record.id());
            return if ops.is_empty() { Err(exists()) } else { Ok(ops) };
        }
        for op in &mut ops {
            if let Op::Own { owner, business_unit } = op {
                if let Some(other) = &amendment.owner {
                    *owner = other.clone();
                    *business_unit = self.business_unit_of(owner)?;
                } else if let Ok(unit) = self.business_unit_of(owner) {
                    // The one of now, as far as this device knows it.
                    *business_unit = unit;
                }
            }
        }
        if amendment.is_empty() {
            return Ok(ops);
        }
        let (of_columns, mut ops): (Vec<_>, Vec<_>) =
            ops.into_iter().partition(|op| op.column().is_some());
        if creates {
            let columns = amendment.amend(values_of(&of_columns)?);
            ops.extend(column_ops::set(table, &Columns::new(), columns));
        } else {
            let stays = |op: &Op| !op.column().is_some_and(|column| amendment.touches(column));
            ops.extend(of_columns.into_iter().filter(stays));
            ops.extend(column_ops::set(table, record.columns(), amendment.set.clone()));
        }
        Ok(ops)
    }
}

/// The values that these operations make on a new record.
fn values_of(ops: &[Op]) -> Result<Columns, EditError> {
    let nothing = Columns::new();
    let mut edit = ColumnEdit::new(&nothing);
    let of_columns = || ops.iter().filter_map(|op| Some((op, op.column()?)));
    for (op, _) in of_columns() {
        let misfit = edit.apply(op).map_err(|misfit| Denial::malformed(misfit.to_string()));
        misfit.map_err(EditError::Denied)?;
    }
    let value = |column: &ColumnName| (column.clone(), edit.value(column));
    Ok(of_columns().map(|(_, column)| value(column)).collect())
}

/// The quarantine's entries of an edit, and of those that count together with it. If asked for, what no
/// server has judged of an edit is apart from what one has refused of it.
fn parts_of(quarantine: &[Quarantined], id: EditId, apart: bool) -> Vec<Group> {
    let (mut refused, mut parked) = (Group::new(), Group::new());
    for entry in quarantine {
        let same = (entry.edit.device, entry.edit.counter) == (id.device, id.counter);
        if entry.edit == id || (entry.atomic > 0 && same) {
            let goes_apart = apart && entry.atomic == 0 && entry.parked;
            let group = if goes_apart { &mut parked } else { &mut refused };
            group.entry(entry.edit).or_default().push(entry.clone());
        }
    }
    let is_there = refused.contains_key(&id) || parked.contains_key(&id);
    [parked, refused].into_iter().filter(|group| is_there && !group.is_empty()).collect()
}

/// An edit, or what was taken out of it, as it goes to quarantine. What it lacks is noted when the
/// step is prepared.
pub(super) fn quarantined(
    edit: &Edit,
    ops: Vec<Op>,
    denial: Denial,
    epoch: PolicyEpoch,
    at: Timestamp,
) -> Quarantined {
    let (table, record) = (edit.table.clone(), edit.record);
    let (id, atomic, kind) = (edit.id, edit.atomic, EditKind::of(edit, &ops));
    let (lacking, parked) = (false, false);
    Quarantined { edit: id, table, record, kind, atomic, ops, denial, epoch, lacking, parked, at }
}

/// An edit, or what no server refused of it, that this device gives up.
pub(super) fn parked(
    edit: &Edit,
    denial: Denial,
    epoch: PolicyEpoch,
    at: Timestamp,
) -> Quarantined {
    let ops = edit.ops().cloned().collect();
    Quarantined { parked: true, ..quarantined(edit, ops, denial, epoch, at) }
}
