use super::desk::{Desk, Prepared};
use super::session::SessionError;
use super::{Event, Output, ReplicaMachine};
use crate::codec::{Digest, Entry, Page, PublicKey, Scope, ToDevice, ToServer, edit_digest};
use crate::gate::{Attestation, apply};
use crate::limits::SESSION_RETRIES_MAX;
use crate::model::{
    Denial, Edit, EditId, Op, PolicyEpoch, RecordId, Right, Rule, Schema, Sequence, TableName,
    Timestamp, Verdict,
};
use crate::sync::grant::schema_digest;
use crate::sync::{Grant, GrantError, Quarantined, ReplicaBatch, ReplicaStore, StoreError};

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
            ToDevice::Grant(bytes) => self.grant(store, server, bytes),
            ToDevice::Owners(owners) => {
                self.meta.owners = owners;
                Ok(self.save(store)?)
            }
            ToDevice::Verdicts(verdicts) => Ok(self.verdicts(store, now, verdicts)?),
            ToDevice::Page(page) => Ok(self.page(store, now, word, page)?),
            ToDevice::Flushed { number } => Ok(self.flushed(store, now, number)?),
            ToDevice::Greeting { .. } | ToDevice::Welcome { .. } | ToDevice::Refused(_) => {
                Err(SessionError::Protocol(format!("out of turn: {message:.60?}")))
            }
        }
    }

    fn save<S: ReplicaStore>(&mut self, store: &mut S) -> Result<(), StoreError> {
        store.commit(ReplicaBatch { meta: Some(self.meta.clone()), ..Default::default() })
    }

    fn schema<S: ReplicaStore>(&mut self, store: &mut S, schema: Schema) -> Result<(), StoreError> {
        self.meta.schema_digest = Some(schema_digest(&schema)?);
        self.meta.schema = schema;
        self.save(store)?;
        self.tell(Event::SchemaChanged);
        Ok(())
    }

    fn grant<S: ReplicaStore>(
        &mut self,
        store: &mut S,
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
        self.standing = grant.standing;
        self.save(store)?;
        self.tell(Event::GrantChanged);
        Ok(())
    }

    /// Forgets all confirmed state, and keeps what is pending: the server cannot go on from here.
    pub(super) fn start_anew<S: ReplicaStore>(&mut self, store: &mut S) -> Result<(), StoreError> {
        self.meta.watermark = Sequence(0);
        self.meta.scope = Scope::default();
        self.meta.wanted.clear();
        let mut desk = Desk::new(&*store);
        for (table, record) in store.confirmed_ids()? {
            desk.folder(&table, record)?.forget();
            desk.batch.gone.push((table, record));
        }
        desk.batch.meta = Some(self.meta.clone());
        let (batch, changed) = desk.finish();
        store.commit(batch)?;
        self.tell_changed(changed);
        Ok(())
    }

    fn verdicts<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        verdicts: Vec<(EditId, Verdict)>,
    ) -> Result<(), StoreError> {
        let mut desk = Desk::new(&*store);
        let mut refused = Vec::new();
        let mut rebase = Vec::new();
        for (id, verdict) in verdicts {
            let Some(pending) = store.pending(id)? else { continue };
            let (table, record) = (pending.edit.table, pending.edit.record);
            let folder = desk.folder(&table, record)?;
            match verdict {
                Verdict::Admitted(sequence) if sequence <= self.meta.watermark => {
                    // Its notice passed before this device held the edit (again).
                    folder.settle(id);
                    desk.batch.settled.push(id);
                    self.want(&table, record);
                    self.tell(Event::Admitted { edit: id, sequence });
                }
                Verdict::Admitted(_) => {}
                Verdict::Reauthor => {
                    if let Some(session) = &mut self.session {
                        session.later.insert(id);
                    }
                }
                Verdict::Denied { denial, epoch } => {
                    if let Some(edit) = folder.settle(id) {
                        desk.batch.settled.push(id);
                        refused.push(quarantined(&edit, edit.ops().cloned(), denial, epoch, now));
                        rebase.push((table, record));
                    }
                }
                Verdict::Split { columns, epoch } => {
                    for denial in columns {
                        let ops = folder.take_column(id, &denial);
                        refused.extend(ops.map(|(edit, ops)| {
                            quarantined(&edit, ops.into_iter(), denial, epoch, now)
                        }));
                    }
                    rebase.push((table, record));
                }
            }
        }
        for (table, record) in rebase {
            self.rebase(&mut desk, now, &table, record, &mut refused)?;
        }
        self.write(store, desk.finish(), refused)
    }

    fn write<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        (mut batch, changed): Prepared,
        refused: Vec<Quarantined>,
    ) -> Result<(), StoreError> {
        batch.meta = Some(self.meta.clone());
        batch.quarantine.clone_from(&refused);
        store.commit(batch)?;
        for entry in refused {
            self.tell(Event::Denied(entry));
        }
        self.tell_changed(changed);
        Ok(())
    }

    /// Writes what is pending on a record anew.
    fn rebase<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
        table: &TableName,
        record: RecordId,
        refused: &mut Vec<Quarantined>,
    ) -> Result<(), StoreError> {
        let actor = self.fresh_actor();
        let folder = desk.folder(table, record)?;
        let rebased = folder.rebase((table, record), &self.meta.schema, actor).map_err(damaged)?;
        let pending = folder.pending.clone();
        desk.batch.pending.extend(pending);
        desk.batch.settled.extend(rebased.void);
        for (edit, ops, denial) in rebased.parts {
            let epoch = PolicyEpoch::default();
            refused.push(quarantined(&edit, ops.into_iter(), denial, epoch, now));
        }
        for (edit, denial) in rebased.impossible {
            desk.batch.settled.push(edit.id);
            let epoch = PolicyEpoch::default();
            refused.push(quarantined(&edit, edit.ops().cloned(), denial, epoch, now));
        }
        self.send_again(rebased.again);
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
        let mut refused = Vec::new();
        let wanted_before = self.meta.wanted.len();
        for entry in page.entries {
            self.entry(&mut desk, now, word, entry, &mut refused)?;
        }
        for (table, record) in desk.touched() {
            if desk.folder(&table, record)?.is_stale(&table, record) {
                self.rebase(&mut desk, now, &table, record, &mut refused)?;
            }
        }
        self.meta.watermark = page.watermark;
        self.meta.scope = page.scope;
        self.write(store, desk.finish(), refused)?;
        for (table, record) in self.meta.wanted.iter().skip(wanted_before).cloned() {
            self.outputs.push_back(Output::Send(ToServer::Fetch { table, record }));
        }
        Ok(())
    }

    fn entry<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
        word: &Attestation,
        entry: Entry,
        refused: &mut Vec<Quarantined>,
    ) -> Result<(), StoreError> {
        match entry {
            Entry::Edit { sequence, edit } => {
                let (table, record) = (edit.table.clone(), edit.record);
                self.confirm(desk, word, (&table, record), edit, sequence)
            }
            Entry::Own { sequence, id, table, record, check } => {
                self.own(desk, word, (&table, record), id, sequence, check)
            }
            Entry::Whole { version, record: changes } => {
                let (table, record) = (changes.table.clone(), changes.record);
                let folder = desk.folder(&table, record)?;
                let held = folder.confirmed.as_ref().map(crate::gate::Confirmed::version);
                if self.is_wanted(&table, record) || held.is_none_or(|held| held < version) {
                    folder.confirm(word.whole(&changes, version).map_err(damaged)?);
                    self.meta.wanted.retain(|wanted| *wanted != (table.clone(), record));
                }
                Ok(())
            }
            Entry::Gone { sequence, table, record } => {
                let folder = desk.folder(&table, record)?;
                let held = folder.confirmed.as_ref().map(crate::gate::Confirmed::version);
                self.meta.wanted.retain(|wanted| *wanted != (table.clone(), record));
                if held.is_some_and(|held| held <= sequence) {
                    folder.forget();
                    let parked = std::mem::take(&mut folder.pending);
                    desk.batch.gone.push((table.clone(), record));
                    for edit in parked.into_iter().map(|pending| pending.edit) {
                        desk.batch.settled.push(edit.id);
                        let denial = out_of_reach(&table);
                        let epoch = PolicyEpoch::default();
                        refused.push(quarantined(&edit, edit.ops().cloned(), denial, epoch, now));
                    }
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
        check: Digest,
    ) -> Result<(), StoreError> {
        let own = desk.folder(table, record)?.settle(id);
        if own.is_some() {
            desk.batch.settled.push(id);
            self.tell(Event::Admitted { edit: id, sequence });
        }
        match own {
            Some(edit) if edit_digest(&edit).map_err(damaged)? == check => {
                self.confirm(desk, word, (table, record), edit, sequence)
            }
            // What was admitted is not what is here (any more).
            _ => {
                let folder = desk.folder(table, record)?;
                let held = folder.confirmed.as_ref().map(crate::gate::Confirmed::version);
                if held.is_none_or(|held| held < sequence) {
                    self.want(table, record);
                }
                Ok(())
            }
        }
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
        let held = folder.confirmed.as_ref().map(crate::gate::Confirmed::version);
        if held.is_some_and(|held| held >= sequence) || self.is_wanted(table, record) {
            return Ok(());
        }
        match apply(folder.confirmed.clone(), &word.admits(edit, sequence)) {
            Ok(applied) => folder.confirm(applied),
            // Something is missing here: the whole record mends it.
            Err(error) => {
                tracing::warn!(%record, %error, "an admitted edit does not fit; asking for the whole record");
                self.want(table, record);
            }
        }
        Ok(())
    }

    fn is_wanted(&self, table: &TableName, record: RecordId) -> bool {
        self.meta.wanted.iter().any(|wanted| wanted.0 == *table && wanted.1 == record)
    }

    fn want(&mut self, table: &TableName, record: RecordId) {
        if !self.is_wanted(table, record) {
            self.meta.wanted.push((table.clone(), record));
        }
    }

    fn flushed<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        number: u32,
    ) -> Result<(), StoreError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        session.flush.1 = number;
        let later = std::mem::take(&mut session.later);
        session.retries = if later.is_empty() { 0 } else { session.retries + 1 };
        if session.retries > SESSION_RETRIES_MAX {
            tracing::warn!(
                edits = later.len(),
                "left for the next session: the record is too busy"
            );
        } else if !later.is_empty() {
            let mut desk = Desk::new(&*store);
            let mut refused = Vec::new();
            let mut records = std::collections::BTreeSet::new();
            for id in later {
                let found = store.pending(id)?;
                records.extend(found.map(|pending| (pending.edit.table, pending.edit.record)));
            }
            for (table, record) in records {
                self.rebase(&mut desk, now, &table, record, &mut refused)?;
            }
            self.write(store, desk.finish(), refused)?;
        }
        for (table, record) in self.meta.wanted.clone() {
            self.outputs.push_back(Output::Send(ToServer::Fetch { table, record }));
        }
        self.push(store)?;
        if self.is_up_to_date() {
            self.tell(Event::UpToDate);
        }
        Ok(())
    }
}

fn quarantined(
    edit: &Edit,
    ops: impl Iterator<Item = Op>,
    denial: Denial,
    epoch: PolicyEpoch,
    at: Timestamp,
) -> Quarantined {
    let (table, record) = (edit.table.clone(), edit.record);
    Quarantined { edit: edit.id, table, record, ops: ops.collect(), denial, epoch, at }
}

fn out_of_reach(table: &TableName) -> Denial {
    Denial {
        right: Some(Right::Read),
        table: Some(table.clone()),
        detail: Some("the record may not be read any more".into()),
        ..Denial::of(Rule::OutOfDepth)
    }
}
