use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::actors::Unwritten;
use crate::crdt::{CrdtError, Record};
use crate::gate::{Applied, Confirmed, absent};
use crate::model::{
    ActorId, Change, ChangeRef, Denial, Edit, EditId, EditKind, Header, Op, RecordId, Schema,
    Section, Seen, Sequence, Size, TableName, Value,
};
use crate::sync::{Held, Pending, Quarantined, ReplicaBatch, ReplicaStore, StoreError, StoredRow};

/// Where a step of a replica is prepared: the records that it touches, read once, and changed in
/// memory until all of it is written as one batch.
pub(super) struct Desk<'a, S> {
    store: &'a S,
    /// Ids first, which tell records apart sooner than their tables.
    folders: BTreeMap<(RecordId, TableName), Folder>,
    pub(super) batch: ReplicaBatch,
    /// The edits in the folders that this step made, and that are to be written.
    pub(super) made: Option<Made>,
    /// Edits that the server admitted: told once this is written.
    pub(super) admitted: Vec<(EditId, Sequence)>,
    /// Refused edits that are pending again by themselves, and as what: told as well.
    pub(super) reconsidered: Vec<(EditId, EditId)>,
    /// Entries of released edits that stay in quarantine.
    pub(super) remain: Vec<Quarantined>,
    /// What was pending on erased records, without what it did: told, and not kept.
    pub(super) erased: Vec<Quarantined>,
}

/// A folder as it was before edits were added to it.
pub(super) struct Mark {
    pending: usize,
    dirty: bool,
}

/// Edits that the app made in one commit.
pub(super) struct Made {
    /// Their number.
    pub(super) counter: u64,
    /// Of how many parts it consists that count together; 0: each counts for itself.
    pub(super) atomic: u32,
}

impl Made {
    fn take(&self, pending: Vec<Pending>) -> impl Iterator<Item = Pending> {
        let made = pending.into_iter().filter(|it| it.turn.counter == self.counter);
        made.map(|Pending { turn, edit }| Pending {
            turn,
            edit: Edit { atomic: self.atomic, ..edit },
        })
    }
}

/// One record: its confirmed state, and what is pending on it, in order.
#[expect(clippy::struct_excessive_bools, reason = "marks that have nothing to do with each other")]
pub(super) struct Folder {
    pub(super) confirmed: Option<Confirmed>,
    pub(super) pending: Vec<Pending>,
    /// What was pending and is not any more, or not as it was: what later edits were written on.
    pub(super) past: Vec<Edit>,
    /// States that others took the place of, each with that other one: what is pending may build
    /// on the first.
    pub(super) replaced: Vec<(Record, Record)>,
    /// New confirmed state, to be written.
    applied: Option<Applied>,
    /// How much was confirmed, once something else is.
    before: Option<Size>,
    pub(super) visible: Option<Record>,
    had_row: bool,
    /// Nothing confirmed was here before this step.
    is_new: bool,
    dirty: bool,
    /// The confirmed state that the store has is to be removed.
    gone: bool,
    /// Sections that were confirmed are not here any more.
    left: bool,
    pub(super) unwritten: Unwritten,
}

/// What a desk prepared.
pub(super) struct Prepared {
    /// What is to be written.
    pub(super) batch: ReplicaBatch,
    /// The rows whose values may have changed.
    pub(super) changed: Vec<(TableName, RecordId)>,
    /// Edits that the server admitted.
    pub(super) admitted: Vec<(EditId, Sequence)>,
    /// Refused edits that are pending again, and as what.
    pub(super) reconsidered: Vec<(EditId, EditId)>,
    /// Entries of released edits that stay in quarantine.
    pub(super) remain: Vec<Quarantined>,
    /// What was pending on erased records.
    pub(super) erased: Vec<Quarantined>,
    /// Of each record touched: what its pending edits were written on and is not there any more;
    /// `None`: nothing is pending.
    pub(super) past: Vec<(RecordId, Option<Vec<Edit>>)>,
    /// How much was confirmed of records, and is.
    pub(super) sizes: Vec<(TableName, Size, Size)>,
    /// Where changes of this device left the history that it sees.
    pub(super) unwritten: Unwritten,
    /// Whether records or sections are not here any more.
    pub(super) left: bool,
}

/// Why an edit cannot be written anew where its record is gone.
pub(super) fn not_there() -> Denial {
    Denial::malformed("the record that it changes is not there (any more)")
}

/// Why an edit cannot be written anew where the server has a record that is not here, although all is here
/// that is taken along.
pub(super) fn outside() -> Denial {
    Denial::malformed(
        "there is such a record already, and the offline profile does not take it along",
    )
}

/// Adds what of an edit the record does not hold yet. It may hold some: an edit whose answer was
/// lost comes with the whole record as well.
fn lay(record: &mut Record, edit: &Edit) -> Result<(), CrdtError> {
    if edit.changes.iter().any(|change| record.holds(&change.section, change.id)) {
        let mut rest = edit.clone();
        rest.changes.retain(|change| !record.holds(&change.section, change.id));
        record.merge(&rest)
    } else {
        record.merge(edit)
    }
}

/// Adds an edit as it is, if the server would take it so on this record.
pub(super) fn stands(record: &mut Record, edit: &Edit) -> bool {
    let header = edit.change(&Section::Header);
    let moved = header.is_some_and(|change| {
        change.deps != record.heads(&Section::Header) && !record.holds(&Section::Header, change.id)
    });
    !moved && lay(record, edit).is_ok()
}

/// How much a device holds of a record: what its user may not read is not here.
pub(super) fn size_of(confirmed: Option<&Confirmed>) -> Size {
    confirmed.map_or(Size::NOTHING, |it| it.size_of(|_| true))
}

impl Folder {
    fn new(confirmed: Option<Confirmed>, pending: Vec<Pending>, had_row: bool) -> Self {
        Self {
            is_new: confirmed.is_none(),
            confirmed,
            pending,
            past: Vec::new(),
            replaced: Vec::new(),
            applied: None,
            before: None,
            visible: None,
            had_row,
            dirty: false,
            gone: false,
            left: false,
            unwritten: Unwritten::default(),
        }
    }

    /// The record with what is pending on it.
    pub(super) fn visible(
        &mut self,
        table: &TableName,
        id: RecordId,
    ) -> Result<&Record, CrdtError> {
        if self.visible.is_none() {
            let mut record = self.base(table, id);
            for pending in &self.pending {
                lay(&mut record, &pending.edit)?;
            }
            self.visible = Some(record);
        }
        // Just filled.
        self.visible.as_ref().ok_or_else(|| CrdtError::Automerge("no record".into()))
    }

    pub(super) fn base(&self, table: &TableName, id: RecordId) -> Record {
        self.confirmed
            .as_ref()
            .map_or_else(|| Record::new(table.clone(), id), |it| it.record().clone())
    }

    /// Adds a new edit, written on what is visible.
    pub(super) fn add(&mut self, pending: Pending) -> Result<(), CrdtError> {
        if let Some(visible) = &mut self.visible {
            visible.merge(&pending.edit)?;
        }
        // Mostly it is the only one.
        self.pending.reserve_exact(1);
        self.pending.push(pending);
        self.dirty = true;
        Ok(())
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { pending: self.pending.len(), dirty: self.dirty }
    }

    /// Takes away again what was added since.
    fn undo(&mut self, mark: &Mark) {
        self.pending.truncate(mark.pending);
        self.visible = None;
        self.dirty = mark.dirty;
    }

    /// Takes over new confirmed state, in which one more edit counts.
    pub(super) fn confirm(&mut self, applied: Applied) {
        self.note_size();
        let held = self.confirmed.as_ref().map(Confirmed::record);
        let new = applied.confirmed().record();
        if let Some(old) = held.filter(|held| new.broken_off(held).next().is_some()) {
            for section in new.broken_off(old) {
                self.unwritten.note(section);
            }
            let stays = |column| new.columns().iter().any(|(new, _)| new == column);
            self.left |= !old.columns().iter().all(|(column, _)| stays(column));
            if !self.pending.is_empty() {
                self.replaced.push((old.clone(), new.clone()));
            }
        }
        self.confirmed = Some(applied.confirmed().clone());
        self.applied = Some(applied);
        self.touch();
    }

    /// Takes over new confirmed state in place of what was there.
    pub(super) fn replace(&mut self, applied: Applied) {
        self.unwritten.note_all();
        let sections = applied.confirmed().record().sections();
        let stay: BTreeSet<_> = sections.map(|(section, _)| section).collect();
        self.left |= self.confirmed.as_ref().is_some_and(|held| {
            held.record().sections().any(|(section, _)| !stay.contains(section))
        });
        self.confirm(applied);
    }

    /// The record is out of reach.
    pub(super) fn forget(&mut self) {
        self.note_size();
        self.gone |= self.confirmed.take().is_some();
        self.applied = None;
        self.unwritten.note_all();
        self.touch();
    }

    fn note_size(&mut self) {
        if self.before.is_none() {
            self.before = Some(size_of(self.confirmed.as_ref()));
        }
    }

    /// The record is here again: what is pending was written on what it was before.
    pub(super) fn came_back(&mut self, before: Option<Record>) {
        if let (Some(before), Some(now)) = (before, &self.confirmed) {
            self.replaced.insert(0, (before, now.record().clone()));
        }
    }

    /// Takes back an edit that was confirmed, among the pending ones, in its turn.
    pub(super) fn take_back(&mut self, pending: Pending) {
        let at = self.pending.partition_point(|it| it.turn < pending.turn);
        self.pending.insert(at, pending);
        self.unwritten.note_all();
        self.touch();
    }

    /// A pending edit.
    pub(super) fn find(&self, edit: EditId) -> Option<Pending> {
        self.pending.iter().find(|pending| pending.edit.id == edit).cloned()
    }

    /// Takes away a pending edit that is confirmed now.
    pub(super) fn settle(&mut self, edit: EditId) -> Option<Edit> {
        let at = self.pending.iter().position(|pending| pending.edit.id == edit)?;
        self.touch();
        let edit = self.pending.remove(at).edit;
        self.past.push(edit.clone());
        Some(edit)
    }

    /// Takes a refused column out of a pending edit. What is left is another change, of another `actor`.
    pub(super) fn take_column(
        &mut self,
        id: EditId,
        denial: &Denial,
        actor: ActorId,
    ) -> Option<(Edit, Vec<Op>)> {
        let refused = denial.column.as_ref()?;
        let edit = &mut self.pending.iter_mut().find(|pending| pending.edit.id == id)?.edit;
        let is_refused = |op: &Op| op.column() == Some(refused);
        if !edit.ops().any(is_refused) {
            return None;
        }
        self.past.push(edit.clone());
        let mut taken = Vec::new();
        for change in edit.changes.iter_mut().filter(|it| it.ops.iter().any(is_refused)) {
            let change = Arc::make_mut(change);
            taken.extend(change.ops.extract_if(.., |op| is_refused(op)));
            change.id = ChangeRef { actor, seq: 1 };
        }
        Some((edit.clone(), taken))
    }

    /// What later pending edits were written on, and is neither pending nor confirmed any more.
    fn take_past(&mut self) -> Option<Vec<Edit>> {
        let mut past = std::mem::take(&mut self.past);
        if self.pending.is_empty() {
            return None;
        }
        let confirmed = self.confirmed.as_ref().map(Confirmed::record);
        let is_confirmed = |change: &Arc<Change>| {
            confirmed.is_some_and(|record| record.holds(&change.section, change.id))
        };
        past.retain(|edit| !edit.changes.iter().all(is_confirmed));
        Some(past)
    }

    /// Takes away a pending edit that will never be.
    pub(super) fn withdraw(&mut self, edit: EditId) -> Option<Edit> {
        let withdrawn = self.settle(edit)?;
        self.unwritten.note_edit(&withdrawn);
        Some(withdrawn)
    }

    /// The row is to be written again, whatever is there.
    pub(super) fn write_row(&mut self) {
        self.had_row = true;
        self.touch();
    }

    pub(super) fn touch(&mut self) {
        self.visible = None;
        self.dirty = true;
    }

    /// Whether the record is there as confirmed, deleted or not.
    pub(super) fn exists(&self) -> bool {
        self.confirmed.as_ref().is_some_and(|confirmed| confirmed.record().exists())
    }

    /// The place in the log of what is confirmed.
    pub(super) fn version(&self) -> Option<Sequence> {
        self.confirmed.as_ref().map(Confirmed::version)
    }

    /// Whether pending edits no longer stand on what is confirmed: the header moved under them, or
    /// something that they build on is not there.
    pub(super) fn is_stale(&self, table: &TableName, id: RecordId) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let mut record = self.base(table, id);
        !self.pending.iter().all(|pending| stands(&mut record, &pending.edit))
    }

    /// The record as the app reads it. It takes the visible record with it.
    fn take_shown(&mut self, table: &TableName, id: RecordId) -> Record {
        // What does not fit (yet) is not shown; the confirmed state still is.
        let fits = self.visible(table, id).is_ok();
        let visible = self.visible.take().filter(|_| fits);
        visible.unwrap_or_else(|| self.base(table, id))
    }

    /// The row as the app reads it. It takes the visible record with it.
    fn take_row(&mut self, table: &TableName, id: RecordId) -> Option<StoredRow> {
        // Nearly all of a page: the rest of the record is not needed.
        if let (true, Some(confirmed)) = (self.pending.is_empty(), &self.confirmed) {
            let record = confirmed.record();
            return record.is_active().then(|| StoredRow {
                header: record.header().clone(),
                columns: record.columns().clone(),
                pending: false,
                version: confirmed.version(),
            });
        }
        let record = self.take_shown(table, id);
        let (pending, version) = (!self.pending.is_empty(), self.version().unwrap_or_default());
        record.is_active().then(|| {
            let (header, columns) = record.into_values();
            StoredRow { header, columns, pending, version }
        })
    }
}

/// The row that confirmed state and pending edits make: for checking what a store holds.
#[must_use]
pub fn replay(
    table: &TableName,
    id: RecordId,
    confirmed: Option<&Confirmed>,
    pending: &[Pending],
) -> Option<StoredRow> {
    let (confirmed, pending) = (confirmed.cloned(), pending.to_vec());
    let mut folder = Folder::new(confirmed, pending, false);
    folder.take_row(table, id)
}

/// What is seen where confirmed state and pending edits are shown as a row.
#[must_use]
pub fn seen(
    table: &TableName,
    id: RecordId,
    confirmed: Option<Confirmed>,
    pending: Vec<Pending>,
) -> Seen {
    Folder::new(confirmed, pending, false).take_shown(table, id).seen()
}

fn open_folder<S: ReplicaStore>(
    store: &S,
    table: &TableName,
    id: RecordId,
    held: Held,
) -> Result<Folder, StoreError> {
    let Held { confirmed, pending } = held;
    let had_row = if pending.is_empty() {
        confirmed.as_ref().is_some_and(|confirmed| confirmed.record().is_active())
    } else {
        store.row(table, id)?.is_some()
    };
    Ok(Folder::new(confirmed, pending, had_row))
}

impl<'a, S: ReplicaStore> Desk<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        let (folders, batch, made, admitted) = Default::default();
        let (reconsidered, remain, erased) = Default::default();
        Self { store, folders, batch, made, admitted, reconsidered, remain, erased }
    }

    /// The record's folder, read on first use.
    pub(super) fn folder(
        &mut self,
        table: &TableName,
        id: RecordId,
    ) -> Result<&mut Folder, StoreError> {
        use std::collections::btree_map::Entry;
        Ok(match self.folders.entry((id, table.clone())) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let held = Held {
                    confirmed: self.store.confirmed(table, id)?,
                    pending: self.store.pending_on(id)?,
                };
                entry.insert(open_folder(self.store, table, id, held)?)
            }
        })
    }

    /// Reads the folders of many records at one moment.
    pub(super) fn fetch(
        &mut self,
        places: impl IntoIterator<Item = (TableName, RecordId)>,
    ) -> Result<(), StoreError> {
        let mut places: Vec<_> = places.into_iter().collect();
        places.sort_unstable_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        places.dedup();
        places.retain(|(table, id)| !self.folders.contains_key(&(*id, table.clone())));
        let held = self.store.held(&places)?;
        for ((table, id), held) in places.into_iter().zip(held) {
            let folder = open_folder(self.store, &table, id, held)?;
            self.folders.insert((id, table), folder);
        }
        Ok(())
    }

    /// The record as it is visible, where its folder was read and what is pending on it fits.
    pub(super) fn shown(&self, table: &TableName, id: RecordId) -> Option<&Record> {
        self.folders.get(&(id, table.clone()))?.visible.as_ref()
    }

    /// Takes a pending edit away, wherever it is.
    pub(super) fn take_pending(&mut self, id: EditId) -> Result<Option<Edit>, StoreError> {
        let Some(Pending { edit, .. }) = self.store.pending(id)? else { return Ok(None) };
        let taken = self.folder(&edit.table, edit.record)?.withdraw(id);
        if taken.is_some() {
            self.batch.settled.push(id);
        }
        Ok(taken)
    }

    /// The header of a record as this step has changed it so far; `None` where it has not.
    pub(super) fn header(&self, table: &TableName, id: RecordId) -> Option<Header> {
        let visible = self.shown(table, id).filter(|record| record.is_active())?;
        Some(visible.header().clone())
    }

    /// Whether a record came, or came back, in this step.
    pub(super) fn brings_records(&self) -> bool {
        self.folders.values().any(|folder| folder.is_new && folder.exists())
    }

    /// The records touched.
    pub(super) fn touched(&self) -> Vec<(TableName, RecordId)> {
        let touched = self.folders.iter().filter(|(_, it)| it.dirty);
        touched.map(|((id, table), _)| (table.clone(), *id)).collect()
    }

    /// Takes away again what was added to these records.
    pub(super) fn undo(
        &mut self,
        marks: BTreeMap<(TableName, RecordId), Mark>,
    ) -> Result<(), StoreError> {
        for ((table, record), mark) in marks {
            self.folder(&table, record)?.undo(&mark);
        }
        Ok(())
    }

    /// Whether the records are here that a refused edit needs: the one that it changes, and those
    /// that it looks up.
    pub(super) fn has_all_for(
        &mut self,
        schema: &Schema,
        entry: &Quarantined,
    ) -> Result<bool, StoreError> {
        // The server has a record of this id, which its author may not read.
        let is_hidden = entry.denial == absent();
        if entry.kind != EditKind::Create || is_hidden {
            let folder = self.folder(&entry.table, entry.record)?;
            if !folder.visible(&entry.table, entry.record).is_ok_and(Record::exists) {
                return Ok(false);
            }
        }
        let table = schema.table(entry.table.as_str());
        for op in &entry.ops {
            let Op::Put { column, value: Value::Lookup(id) } = op else { continue };
            let declared = table.and_then(|table| table.column(column.as_str()));
            let Some(looked_up) = declared.and_then(|column| column.lookup.as_ref()) else {
                continue;
            };
            if !self.is_shown(looked_up, *id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_shown(&mut self, table: &TableName, id: RecordId) -> Result<bool, StoreError> {
        match self.folders.get_mut(&(id, table.clone())) {
            Some(folder) => Ok(folder.visible(table, id).is_ok_and(Record::is_active)),
            None => Ok(self.store.row(table, id)?.is_some()),
        }
    }

    /// What is not tried `again` stays, of refused edits that leave quarantine otherwise.
    pub(super) fn leave_in_quarantine(&mut self, refused: Vec<Quarantined>, again: &[Quarantined]) {
        let stays =
            |it: &Quarantined| self.batch.released.contains(&it.edit) && !again.contains(it);
        let stay: Vec<_> = refused.into_iter().filter(stays).collect();
        self.remain.extend(stay);
    }

    /// Notes of newly refused edits what they lack, as all is after this step.
    fn note_lacking(&mut self, schema: &Schema) -> Result<(), StoreError> {
        let mut entries = std::mem::take(&mut self.batch.quarantine);
        for entry in &mut entries {
            entry.lacking = entry.denial == absent() || !self.has_all_for(schema, entry)?;
        }
        self.batch.quarantine = entries;
        Ok(())
    }

    /// The batch that writes it all, and what is to be told afterwards.
    pub(super) fn finish(mut self, schema: &Schema) -> Result<Prepared, StoreError> {
        self.note_lacking(schema)?;
        let mut changed = Vec::new();
        let (mut past, mut sizes) = (Vec::new(), Vec::new());
        let (mut unwritten, mut left) = (Unwritten::default(), false);
        for ((id, table), mut folder) in std::mem::take(&mut self.folders) {
            if !folder.dirty {
                continue;
            }
            past.push((id, folder.take_past()));
            unwritten.join(std::mem::take(&mut folder.unwritten));
            left |= folder.gone || folder.left;
            if let Some(before) = folder.before {
                sizes.push((table.clone(), before, size_of(folder.confirmed.as_ref())));
            }
            match folder.applied.take() {
                Some(applied) => self.batch.confirmed.push(applied),
                None if folder.gone => self.batch.gone.push((table.clone(), id)),
                None => {}
            }
            let row = folder.take_row(&table, id);
            if let Some(made) = &self.made {
                self.batch.pending.extend(made.take(folder.pending));
            }
            if row.is_some() || folder.had_row {
                self.batch.rows.push((table.clone(), id, row));
                changed.push((table, id));
            }
        }
        if self.made.is_some() {
            self.batch.pending.sort_by_key(|pending| pending.turn);
        }
        let Self { batch, admitted, reconsidered, remain, erased, .. } = self;
        let left = left || !batch.erased.is_empty();
        Ok(Prepared {
            batch,
            changed,
            admitted,
            reconsidered,
            remain,
            erased,
            past,
            sizes,
            unwritten,
            left,
        })
    }
}
