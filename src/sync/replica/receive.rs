use std::collections::BTreeSet;

use super::desk::{Desk, Folder, Prepared};
use super::quarantine::{parked, quarantined};
use super::session::SessionError;
use super::split::take_columns;
use super::{Event, Output, ReplicaMachine};
use crate::codec::{
    Admitted, Check, Entry, Inquiry, MovedLeg, Page, PublicKey, ToDevice, ToServer,
};
use crate::gate::{Attestation, Follow, RecordFacts, apply, can_read_column};
use crate::limits::{PAGE_LOOKS_MAX, SESSION_RETRIES_MAX};
use crate::model::{
    ActorId, Denial, Edit, EditId, Intake, LogEpoch, PolicyEpoch, RecordId, Schema, Section,
    Sequence, Size, TableName, Timestamp, Verdict,
};
use crate::sync::grant::schema_digest;
use crate::sync::{Grant, GrantError, Pending, ReplicaBatch, ReplicaStore, StoreError};

#[expect(clippy::needless_pass_by_value, reason = "it stands where `map_err` passes by value")]
fn damaged(error: impl ToString) -> StoreError {
    StoreError::Damaged(error.to_string())
}

impl ReplicaMachine {
    pub(super) fn open_session<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        server: &PublicKey,
        word: &Attestation,
        message: ToDevice,
    ) -> Result<(), SessionError> {
        match message {
            ToDevice::Schema(schema) => Ok(self.schema(store, *schema)?),
            ToDevice::Grant(bytes) => self.grant(store, now, server, bytes),
            ToDevice::First { table } => {
                let asked = self.first.take_if(|first| *first == table);
                Ok(asked.map_or(Ok(()), |table| self.note_table_synced(store, table, now))?)
            }
            ToDevice::Intake(intake) => Ok(self.take_intake(store, intake)?),
            ToDevice::Owners(owners) => {
                self.meta.owners = owners;
                Ok(self.save(store)?)
            }
            ToDevice::Verdicts(verdicts) => Ok(self.verdicts(store, now, verdicts)?),
            ToDevice::Page(page) => {
                let page = self.named_whole(store, page)?;
                Ok(self.page(store, now, word, page)?)
            }
            ToDevice::NameWhole => {
                self.name_whole();
                Ok(())
            }
            ToDevice::Coming { records, bytes } => {
                Ok(self.note_coming(store, Size { records, bytes })?)
            }
            ToDevice::BackedUp(backed_up) => Ok(self.state_backed_up(store, backed_up)?),
            ToDevice::Admin { number, answer } => {
                self.outputs.push_back(Output::Answer(number, answer));
                Ok(())
            }
            ToDevice::Compared { number, watermark, ranges } => {
                self.compared(store, now, (number, watermark), ranges)
            }
            ToDevice::Flushed { number, watermark } => {
                Ok(self.flushed(store, now, number, watermark)?)
            }
            ToDevice::Greeting { .. } | ToDevice::Welcome { .. } | ToDevice::Refused(_) => {
                Err(SessionError::Protocol(format!("out of turn: {message:.60?}")))
            }
        }
    }

    pub(super) fn save<S: ReplicaStore>(&mut self, store: &mut S) -> Result<(), StoreError> {
        self.keep(store, ReplicaBatch { meta: Some(self.meta.clone()), ..Default::default() })
    }

    fn take_intake<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        intake: Option<Intake>,
    ) -> Result<(), StoreError> {
        if self.meta.intake != intake {
            self.meta.intake = intake;
            self.save(store)?;
            self.tell(Event::ProfileChanged);
        }
        self.tell_if_spent();
        Ok(())
    }

    fn schema<S: ReplicaStore>(&mut self, store: &mut S, schema: Schema) -> Result<(), StoreError> {
        self.meta.schema_digest = Some(schema_digest(&schema)?);
        let before = std::mem::replace(&mut self.meta.schema, schema);
        let holds = |id: &TableName| self.standing.as_ref().is_some_and(|it| it.holds_any(id));
        let held = before.tables.into_iter().filter(|(id, _)| holds(id));
        self.meta.former.tables.extend(held);
        self.meta.former.views.extend(before.views);
        self.save(store)?;
        self.tell(Event::SchemaChanged);
        Ok(())
    }

    fn grant<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        server: &PublicKey,
        bytes: Vec<u8>,
    ) -> Result<(), SessionError> {
        let grant = Grant::open(&bytes, server)?;
        let device = self.meta.enrolment.as_ref().map(|it| it.device);
        if Some(grant.device) != device || grant.key != self.key.public() {
            return Err(GrantError::Form("it is bound to another device".into()).into());
        }
        self.meta.grant_digest = Some(grant.digest()?);
        self.meta.grant = Some(bytes);
        (self.standing, self.epoch) = (grant.standing, grant.epoch);
        self.note_news();
        // In one step: what was made before enrolment must never be on its way, or built on, as
        // nobody's.
        self.adopt(store, now)?;
        self.tell(Event::GrantChanged);
        Ok(())
    }

    /// Forgets all confirmed state, and keeps what is pending: the server cannot go on from here.
    /// The log is the one that the device knows up to `common`: own edits behind that are pending
    /// again.
    pub(super) fn start_anew<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        epoch: LogEpoch,
        common: Sequence,
    ) -> Result<(), StoreError> {
        let is_other_life = self.note_epoch(epoch);
        self.meta.forget_confirmed();
        let mut desk = Desk::new(&*store);
        for (table, record) in store.confirmed_ids()? {
            let folder = desk.folder(&table, record)?;
            if !folder.pending.is_empty() {
                self.forgotten.insert(record, folder.base(&table, record));
            }
            folder.forget();
        }
        self.take_back_kept(&*store, &mut desk, common, is_other_life)?;
        let prepared = desk.finish(&self.meta.schema)?;
        self.write(store, prepared)
    }

    pub(super) fn verdicts<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        verdicts: Vec<(EditId, Verdict)>,
    ) -> Result<(), StoreError> {
        let mut desk = Desk::new(&*store);
        let wanted = self.meta.wanted.clone();
        for (id, verdict) in verdicts {
            let Some(pending) = store.pending(id)? else {
                self.of_refused(&*store, &mut desk, now, id, verdict)?;
                continue;
            };
            let (table, record) = (pending.edit.table, pending.edit.record);
            let folder = desk.folder(&table, record)?;
            match verdict {
                Verdict::Admitted(sequence) if sequence <= self.meta.watermark => {
                    // Its notice passed before this device held the edit (again).
                    self.counts_elsewhere(&mut desk, (&table, record), id, sequence)?;
                }
                Verdict::Admitted(sequence) => self.note_admitted(id, sequence),
                Verdict::Partly { sequence, columns, epoch } => {
                    let (place, actor) = ((&table, record), self.fresh_actor());
                    take_columns(&mut desk, now, id, place, (columns, epoch), actor)?;
                    self.counts_elsewhere(&mut desk, (&table, record), id, sequence)?;
                }
                Verdict::Reauthor => self.write_later(id),
                Verdict::Erased => self.erase(&*store, &mut desk, now, &table, record)?,
                Verdict::Denied { denial, epoch } => {
                    if let Some(edit) = folder.withdraw(id) {
                        desk.batch.settled.push(id);
                        let entry =
                            quarantined(&edit, edit.ops().cloned().collect(), denial, epoch, now);
                        desk.batch.quarantine.push(entry);
                    }
                }
                Verdict::Split { columns, epoch } => {
                    self.split(&mut desk, now, id, (&table, record), columns, epoch)?;
                }
            }
        }
        self.mend_touched(&mut desk, now)?;
        let prepared = desk.finish(&self.meta.schema)?;
        self.write(store, prepared)?;
        self.fetch_new(&wanted);
        Ok(())
    }

    /// Notes that an edit is to be written anew when all is here that it may lack.
    pub(super) fn write_later(&mut self, id: EditId) {
        if let Some(session) = &mut self.session
            && !session.again.contains(&id)
        {
            session.later.insert(id);
        }
    }

    /// Writes, then tells what came of it.
    pub(super) fn write<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        prepared: Prepared,
    ) -> Result<(), StoreError> {
        let Prepared {
            mut batch,
            changed,
            admitted,
            reconsidered,
            remain,
            erased,
            unwritten,
            left,
            past,
            sizes,
        } = prepared;
        if left {
            self.note_left();
        }
        self.note_sizes(sizes);
        batch.meta = Some(self.meta.clone());
        let mut refused = batch.quarantine.clone();
        refused.extend(erased);
        batch.quarantine.extend(remain);
        self.keep(store, batch)?;
        for (record, past) in past {
            match past {
                Some(past) if past.is_empty() => {}
                Some(past) => self.past.entry(record).or_default().extend(past),
                None => {
                    self.past.remove(&record);
                    self.forgotten.remove(&record);
                }
            }
        }
        let device = self.device();
        let fresh = || ActorId { device, incarnation: self.entropy.next_u64() };
        self.actors.renew(unwritten, fresh);
        for (edit, sequence) in admitted {
            self.tell(Event::Admitted { edit, sequence });
        }
        for entry in refused {
            self.note_refused(entry.edit);
            self.tell(Event::Denied(entry));
        }
        for (edit, again) in reconsidered {
            self.tell(Event::Reconsidered { edit, again });
        }
        self.tell_changed(changed);
        Ok(())
    }

    /// Writes anew what does not stand any more of what is pending on a record, and what the
    /// server asked for. Where something of it has no meaning any more, what counts together with
    /// that goes to quarantine too, and its records are next.
    pub(super) fn rebase<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
        table: &TableName,
        record: RecordId,
        asked: &BTreeSet<EditId>,
    ) -> Result<(), StoreError> {
        let mut records = vec![(table.clone(), record)];
        while let Some((table, record)) = records.pop() {
            let actor = self.fresh_actor();
            let answered = !self.must_wait(&table, record, false);
            let folder = desk.folder(&table, record)?;
            folder.past.extend(self.past.remove(&record).unwrap_or_default());
            folder.came_back(self.forgotten.remove(&record));
            let schema = &self.meta.schema;
            let rebased = folder.rebase((&table, record), schema, actor, asked, answered);
            let again = |pending: &&Pending| rebased.again.contains(&pending.edit.id);
            let pending: Vec<_> = folder.pending.iter().filter(again).cloned().collect();
            desk.batch.pending.extend(pending);
            desk.batch.settled.extend(rebased.void);
            for (edit, ops, denial) in rebased.parts {
                let entry = quarantined(&edit, ops, denial, self.epoch, now);
                desk.batch.quarantine.push(entry);
            }
            for (edit, denial) in rebased.impossible {
                let parked = park(desk, &edit, &denial, self.epoch, now)?;
                if let Some(session) = &mut self.session {
                    session.parked.extend(parked.iter().map(Inquiry::of));
                }
                let bound = parked.into_iter().filter(|it| it.id != edit.id);
                records.extend(bound.map(|bound| (bound.table, bound.record)));
            }
            if let Some(session) = &mut self.session {
                session.later.retain(|id| !rebased.again.contains(id));
            }
            self.send_again(rebased.again);
            self.send_again(rebased.open);
        }
        Ok(())
    }

    /// Looks after the pending edits of all records touched.
    pub(super) fn mend_touched<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (table, record) in desk.touched() {
            let folder = desk.folder(&table, record)?;
            if !folder.is_stale(&table, record) {
                if folder.exists() {
                    self.forgotten.remove(&record);
                }
                continue;
            }
            if !folder.exists() || self.must_wait(&table, record, true) {
                // Sending looks after it, when all is answered.
                let pending: Vec<_> = folder.pending.iter().map(|it| it.edit.id).collect();
                self.send_again(pending);
            } else {
                self.rebase(desk, now, &table, record, &BTreeSet::new())?;
            }
        }
        Ok(())
    }

    fn page<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        word: &Attestation,
        page: Page,
    ) -> Result<(), StoreError> {
        let mut desk = Desk::new(&*store);
        let wanted = self.meta.wanted.clone();
        desk.fetch(page.entries.iter().filter_map(Entry::place))?;
        let mut bytes = 0_u64;
        for entry in page.entries {
            bytes = bytes.saturating_add(entry.record_bytes());
            if let Entry::Whole { .. } | Entry::Gone { .. } | Entry::Erased { .. } = &entry
                && let Some((table, record)) = entry.place()
            {
                self.note_told(&table, record);
            }
            self.entry(&*store, &mut desk, now, word, entry)?;
        }
        self.meta.watermark = page.watermark;
        // All while one is under way, and what begins and ends one.
        let before = page.scope.map(|scope| std::mem::replace(&mut self.meta.scope, scope));
        let is_scan = before.is_some() || self.meta.scope.target.is_some();
        self.meta.authors.extend(page.authors);
        self.mend_touched(&mut desk, now)?;
        if desk.brings_records() {
            self.note_news();
        }
        let prepared = desk.finish(&self.meta.schema)?;
        self.write(store, prepared)?;
        if is_scan {
            let held = self.meta.size().bytes;
            self.outputs.push_back(Output::Send(ToServer::Stored { bytes: held }));
            self.note_arrived(store, bytes)?;
        }
        self.tell_if_spent();
        self.bound_kept(store)?;
        self.fetch_new(&wanted);
        self.settle_passed(store, now)
    }

    /// Asks for whole records.
    pub(super) fn fetch(&mut self, records: Vec<(TableName, RecordId)>) {
        for place in records {
            let pinned = self.meta.pins.contains(&place);
            let (table, record) = place;
            self.outputs.push_back(Output::Send(ToServer::Fetch { table, record, pinned }));
        }
    }

    pub(super) fn fetch_new(&mut self, before: &[(TableName, RecordId)]) {
        let new = self.meta.wanted.iter().filter(|wanted| !before.contains(wanted));
        self.fetch(new.cloned().collect());
    }

    fn entry<S: ReplicaStore>(
        &mut self,
        store: &S,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
        word: &Attestation,
        entry: Entry,
    ) -> Result<(), StoreError> {
        match entry {
            Entry::Edit { sequence, edit, .. } => {
                let (table, record) = (edit.table.clone(), edit.record);
                self.confirm(desk, word, (&table, record), edit, sequence)
            }
            Entry::Own { sequence, id, admitted: Some(admitted) } => {
                let Admitted { table, record, check } = admitted;
                self.own(desk, word, (&table, record), id, sequence, check)
            }
            // It was completed before.
            Entry::Own { admitted: None, .. } => Ok(()),
            Entry::Split { id, table, record, columns, epoch } => {
                let actor = self.fresh_actor();
                take_columns(desk, now, id, (&table, record), (columns, epoch), actor)
            }
            Entry::Whole { version, record: changes } => {
                let (table, record) = (changes.table.clone(), changes.record);
                // There may be less to see than before: then its version is lower. It is newer all
                // the same, since all comes in one stream.
                self.note_fetched(changes.size());
                let folder = desk.folder(&table, record)?;
                folder.replace(word.whole(&changes, version).map_err(damaged)?);
                self.meta.wanted.retain(|wanted| *wanted != (table.clone(), record));
                Ok(())
            }
            Entry::Erased { table, record, .. } => self.erase(store, desk, now, &table, record),
            Entry::Moved { sequence, actor, at, legs } => {
                for leg in legs {
                    self.moved(desk, word, sequence, (actor, at), leg)?;
                }
                Ok(())
            }
            Entry::Gone { sequence, table, record } => {
                let folder = desk.folder(&table, record)?;
                self.meta.wanted.retain(|wanted| *wanted != (table.clone(), record));
                if folder.version().is_some_and(|held| held <= sequence) {
                    folder.forget();
                }
                Ok(())
            }
        }
    }

    fn own<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        word: &Attestation,
        (table, record): (&TableName, RecordId),
        id: EditId,
        sequence: Sequence,
        check: Check,
    ) -> Result<(), StoreError> {
        let folder = desk.folder(table, record)?;
        let Some(pending) = folder.find(id) else {
            self.note_counted(id);
            return self.want_since(desk, (table, record), sequence);
        };
        let edit = self.readable(folder, pending.edit.clone());
        let own = Check::of(&pending.edit, &edit).map_err(damaged)?;
        let answered = self.session.as_ref().is_some_and(|it| it.admitted.contains_key(&id));
        // A copy of this device sent it otherwise. The server says which columns do not count, when it
        // is sent again, or asked about.
        if own.columns != check.columns && !answered {
            self.send_again([id]);
            return self.want_since(desk, (table, record), sequence);
        }
        folder.settle(id);
        self.keep_admitted(desk, Some(pending), sequence);
        desk.batch.settled.push(id);
        desk.admitted.push((id, sequence));
        // What was admitted is not what is here (any more).
        if own.readable != check.readable {
            desk.folder(table, record)?.unwritten.note_edit(&edit);
            return self.want_since(desk, (table, record), sequence);
        }
        if edit.changes.is_empty() {
            return Ok(());
        }
        self.confirm(desk, word, (table, record), edit, sequence)
    }

    /// Wants a record whole, if what is here of it is older.
    fn want_since<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        (table, record): (&TableName, RecordId),
        sequence: Sequence,
    ) -> Result<(), StoreError> {
        if desk.folder(table, record)?.version().is_none_or(|held| held < sequence) {
            self.want(table, record);
        }
        Ok(())
    }

    /// What of an own edit its user may read: the rest counts on what is not here, and does not stay.
    fn readable(&self, folder: &mut Folder, mut edit: Edit) -> Edit {
        let is_secured = |section| matches!(section, &Section::Secured(_));
        let touches_secured = edit.changes.iter().any(|change| is_secured(&change.section));
        let Some(standing) = self.standing.as_ref().filter(|_| touches_secured) else {
            return edit;
        };
        let mut record = folder.base(&edit.table, edit.record);
        // A new record's header is in the edit; any other edit of columns leaves it as it is.
        if !record.exists() && record.merge(&edit).is_err() {
            // It is wanted whole in any case.
            return edit;
        }
        let facts = RecordFacts::of_header(record.header());
        edit.changes.retain(|change| match &change.section {
            Section::Secured(column) => {
                let is_readable = can_read_column(standing, &edit.table, column, &facts);
                if !is_readable {
                    folder.unwritten.note(&change.section);
                }
                is_readable
            }
            Section::Header | Section::Main | Section::Group(_) => true,
        });
        edit
    }

    /// Merges an edit that the server admitted.
    fn confirm<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        word: &Attestation,
        (table, record): (&TableName, RecordId),
        edit: Edit,
        sequence: Sequence,
    ) -> Result<(), StoreError> {
        let folder = desk.folder(table, record)?;
        if folder.version().is_some_and(|held| held >= sequence) {
            return Ok(());
        }
        if self.is_wanted(table, record) {
            // What the user saw of an own edit stays, where it fits, until the whole record is here.
            let own = self.meta.enrolment.as_ref().is_some_and(|it| it.device == edit.id.device);
            let applied =
                own.then(|| apply(folder.confirmed.clone(), &word.admits(edit, sequence)));
            if let Some(Ok(applied)) = applied {
                folder.confirm(applied);
            }
            return Ok(());
        }
        if !folder.exists() && !edit.is_create() {
            // A first value of a secured column builds on nothing, and yet is no record.
            self.want(table, record);
            return Ok(());
        }
        match apply(folder.confirmed.clone(), &word.admits(edit, sequence)) {
            Ok(applied) => folder.confirm(applied),
            // Something is missing here: the whole record mends it.
            Err(error) => {
                tracing::warn!(%record, %error, "an admitted edit does not fit; asking for the whole record");
                self.want(table, record);
                self.suspect();
            }
        }
        Ok(())
    }

    /// Lets records follow their owner, who moved.
    fn moved<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        word: &Attestation,
        sequence: Sequence,
        (actor, at): (ActorId, Timestamp),
        leg: MovedLeg,
    ) -> Result<(), StoreError> {
        let MovedLeg { owner, business_unit, table, records } = leg;
        desk.fetch(records.iter().map(|record| (table.clone(), *record)))?;
        let follow = Follow { owner, business_unit, actor, at };
        for record in records {
            let folder = desk.folder(&table, record)?;
            if folder.version().is_some_and(|held| held >= sequence) {
                // It came whole, and has followed.
                continue;
            }
            let edit = folder.confirmed.as_ref().and_then(|held| follow.edit(held.record()));
            if let Some(edit) = edit {
                self.confirm(desk, word, (&table, record), edit, sequence)?;
            } else {
                // It is not what it was on the server.
                self.want(&table, record);
                self.suspect();
            }
        }
        Ok(())
    }

    pub(super) fn is_wanted(&self, table: &TableName, record: RecordId) -> bool {
        self.meta.wanted.iter().any(|wanted| wanted.0 == *table && wanted.1 == record)
    }

    pub(super) fn want(&mut self, table: &TableName, record: RecordId) {
        if !self.is_wanted(table, record) {
            self.meta.wanted.push((table.clone(), record));
        }
    }

    fn flushed<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        number: u32,
        watermark: Option<Sequence>,
    ) -> Result<(), StoreError> {
        let watermark = watermark.unwrap_or(self.meta.watermark);
        let far = self.meta.watermark.0.saturating_add(PAGE_LOOKS_MAX as u64) < watermark.0;
        self.meta.watermark = self.meta.watermark.max(watermark);
        if far {
            // What there was nothing in for this device is not to be looked through again.
            self.save(store)?;
        }
        self.settle_passed(store, now)?;
        let Some(session) = &mut self.session else { return Ok(()) };
        session.flush.1 = number;
        if session.flush.0 == number {
            session.pushed.unanswered.clear();
        }
        self.end_pinning(store, number)?;
        let Some(session) = &mut self.session else { return Ok(()) };
        let later = std::mem::take(&mut session.later);
        session.retries = if later.is_empty() { 0 } else { session.retries + 1 };
        if session.retries > SESSION_RETRIES_MAX {
            tracing::warn!(
                edits = later.len(),
                "left for the next session: the record is too busy"
            );
        } else if !later.is_empty() {
            self.write_anew(store, now, &later)?;
        }
        self.all_is_told(store)
    }

    /// Writes anew what the server asked for, once all is here that it may lack.
    fn write_anew<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        asked: &BTreeSet<EditId>,
    ) -> Result<(), StoreError> {
        let mut desk = Desk::new(&*store);
        let mut records = BTreeSet::new();
        for id in asked {
            let Some(Pending { edit, .. }) = store.pending(*id)? else { continue };
            if !self.is_wanted(&edit.table, edit.record) {
                records.insert((edit.table, edit.record));
            } else if let Some(session) = &mut self.session {
                session.later.insert(*id);
            }
        }
        for (table, record) in records {
            let folder = desk.folder(&table, record)?;
            // A new record needs nothing that is not here: its columns may belong elsewhere by now.
            let is_new = |it: &Pending| asked.contains(&it.edit.id) && it.edit.is_create();
            let can_be = folder.exists() || folder.pending.iter().any(is_new);
            let pending: Vec<_> = folder.pending.iter().map(|it| it.edit.id).collect();
            // Where all has come that is taken along, the record will not.
            if can_be || !self.must_wait(&table, record, false) {
                self.rebase(&mut desk, now, &table, record, asked)?;
            } else {
                self.send_again(pending);
            }
        }
        // This much is certain of what the server wants anew: it is not admitted.
        if let Some(session) = &mut self.session {
            session.asked.extend(asked);
        }
        let prepared = desk.finish(&self.meta.schema)?;
        self.write(store, prepared)
    }
}

/// Puts a pending edit into quarantine, and all that counts together with it. Returns them.
fn park<S: ReplicaStore>(
    desk: &mut Desk<'_, S>,
    edit: &Edit,
    denial: &Denial,
    epoch: PolicyEpoch,
    now: Timestamp,
) -> Result<Vec<Edit>, StoreError> {
    let mut all = vec![edit.clone()];
    for part in (0..edit.atomic).filter(|part| *part != edit.id.part) {
        all.extend(desk.take_pending(EditId { part, ..edit.id })?);
    }
    let entries = all.iter().map(|edit| parked(edit, denial.clone(), epoch, now));
    desk.batch.quarantine.extend(entries);
    desk.batch.settled.push(edit.id);
    Ok(all)
}
