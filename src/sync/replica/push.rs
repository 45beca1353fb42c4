use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::desk::Desk;
use super::{Output, ReplicaMachine};
use crate::codec::{
    Admitted, ChangeSet, Check, HashesDigest, Inquiry, Lexicon, SchemaMark, SignedChangeSet,
    ToServer,
};
use crate::crdt::{ChangeHash, Document, Documents};
use crate::limits::{
    ATOMIC_PARTS_MAX, CHANGE_SET_BYTES_MAX, CHANGE_SET_EDITS_MAX, STEMS_FROM_EDITS,
};
use crate::model::{Edit, EditId, RecordId, Section, TableName, Timestamp};
use crate::sync::{Pending, ReplicaStore, StoreError, Turn};

use super::session::Stage;
use super::stems::sent_bits;

/// Leaves room in a change set for its envelope.
const EDITS_BYTES_TARGET: usize = CHANGE_SET_BYTES_MAX / 2;

impl ReplicaMachine {
    /// Sends what is pending and was not sent, if the session is open and the server has answered
    /// what was sent before: a window of edits, and the question whether all is answered.
    pub(super) fn push<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ready = self.session.as_ref().is_some_and(|session| {
            matches!(session.stage, Stage::Open { .. }) && session.flush.0 == session.flush.1
        });
        // Before the first grant, edits may still be nobody's.
        if !ready || self.meta.grant.is_none() {
            return Ok(());
        }
        // What is pending is rebuilt on what is held: that is to be right first.
        if self.goes_on_rechecking(store)? {
            return Ok(());
        }
        self.purge(store, now)?;
        let Waiting { edits: mut waiting, mut ask } = self.mend(store, now)?;
        if let Some(session) = &self.session {
            // To be written anew when their records are here; what was made later comes behind them.
            waiting.extend(with_followers(store, session.later.clone())?);
        }
        let mut edits = self.unsent(store)?;
        ask.extend(self.ask_of_refused(store)?);
        let (receipt, waits) = (self.receipt(now)?, self.waits_to_purge());
        let Some(session) = &mut self.session else { return Ok(()) };
        // Nor has it judged what could not be written anew here.
        ask.append(&mut session.parked);
        session.sent = edits.last().map_or(session.sent, |last| last.turn.max(session.sent));
        edits.retain(|pending| !waiting.contains(&pending.edit.id));
        session.again = waiting;
        let nothing_to_ask = edits.is_empty()
            && ask.is_empty()
            && receipt.is_none()
            && !waits
            && session.flush.0 > 0
            && session.later.is_empty()
            && self.meta.wanted.is_empty()
            && self.meta.pinning.is_empty();
        if nothing_to_ask {
            return Ok(());
        }
        session.asked.extend(ask.iter().map(|inquiry| inquiry.edit));
        self.ask_for_pinned();
        let Some(session) = &mut self.session else { return Ok(()) };
        session.flush.0 += 1;
        let number = session.flush.0;
        self.outputs.extend(receipt);
        for ask in ask.chunks(CHANGE_SET_EDITS_MAX) {
            self.outputs.push_back(Output::Send(ToServer::Ask(ask.to_vec())));
        }
        self.fetch(self.meta.wanted.clone());
        for set in self.sign(&*store, edits)? {
            self.outputs.push_back(Output::Send(ToServer::Push(set)));
        }
        self.outputs.push_back(Output::Send(ToServer::Flush { number }));
        Ok(())
    }

    /// As [`Self::push`], for a step that is done whatever becomes of the session.
    pub(super) fn push_or_end<S: ReplicaStore>(&mut self, store: &mut S, now: Timestamp) {
        if let Err(error) = self.push(store, now) {
            self.end(store, error.into());
        }
    }

    /// The pending edits that are to be sent next, in order.
    fn unsent<S: ReplicaStore>(&self, store: &S) -> Result<Vec<Pending>, StoreError> {
        let Some(session) = &self.session else { return Ok(Vec::new()) };
        let mut edits = Vec::new();
        for id in with_bound(store, &session.again)? {
            // A later one is found below, in its turn.
            edits.extend(store.pending(id)?.filter(|pending| pending.turn <= session.sent));
        }
        edits.sort_by_key(|pending| pending.turn);
        edits.extend(window(store, session.sent, self.push_window)?);
        Ok(edits)
    }

    /// Writes anew what is to be sent and no longer stands on what is confirmed. Returns the edits
    /// that cannot be sent yet.
    fn mend<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Waiting, StoreError> {
        loop {
            let mut desk = Desk::new(&*store);
            let mut waiting = Waiting::default();
            let edits = self.unsent(store)?.into_iter().map(|pending| pending.edit);
            let records: BTreeSet<_> = edits.map(|edit| (edit.table, edit.record)).collect();
            for (table, record) in records {
                let folder = desk.folder(&table, record)?;
                if !folder.is_stale(&table, record) {
                    continue;
                }
                let ids = folder.pending.iter().map(|pending| pending.edit.id);
                let here = folder.exists()
                    && !folder.builds_on_hidden(&table, record)
                    && self.meta.schema.table(table.as_str()).is_some();
                let must_wait = self.must_wait(&table, record, here);
                let ask = if here { Vec::new() } else { self.unasked(&folder.pending) };
                if must_wait || !ask.is_empty() {
                    waiting.edits.extend(ids);
                    waiting.ask.extend(ask.into_iter().filter(|_| !must_wait));
                } else {
                    self.rebase(&mut desk, now, &table, record, &BTreeSet::new())?;
                }
            }
            if desk.touched().is_empty() {
                waiting.edits = with_followers(store, waiting.edits)?;
                return Ok(waiting);
            }
            // What could not be written anew makes room for others.
            let prepared = desk.finish(&self.meta.schema)?;
            self.write(store, prepared)?;
        }
    }

    /// Edits of a record out of reach that may have been admitted in a session before, for all
    /// that this device knows: after starting anew no notice tells. Where the one that makes the record
    /// was, nothing is to be written anew on it.
    fn unasked(&self, pending: &[Pending]) -> Vec<Inquiry> {
        let Some(session) = &self.session else { return Vec::new() };
        if pending.iter().all(|pending| pending.edit.is_create()) {
            return Vec::new();
        }
        let edits = pending.iter().map(|pending| &pending.edit);
        edits.filter(|edit| !session.asked.contains(&edit.id)).map(Inquiry::of).collect()
    }

    /// Whether what pending edits of a record build on may be on its way still. On what is not here
    /// they may even be admitted already: nobody knows before the server has answered everything,
    /// and sent all that there is.
    pub(super) fn must_wait(&self, table: &TableName, record: RecordId, here: bool) -> bool {
        let caught_up = self
            .session
            .as_ref()
            .is_some_and(|session| session.flush.1 > 0 && session.flush.0 == session.flush.1);
        // Where there is no room, no more comes.
        let complete = (self.meta.scope.target.is_none() && self.meta.scope.complete)
            || self.meta.spent_budget().is_some();
        self.is_wanted(table, record) || !(here || (caught_up && complete))
    }

    fn sign<S: ReplicaStore>(
        &mut self,
        store: &S,
        edits: Vec<Pending>,
    ) -> Result<Vec<SignedChangeSet>, StoreError> {
        let Some(enrolment) = self.meta.enrolment.clone() else { return Ok(Vec::new()) };
        let whole_ids = self.session.as_ref().is_some_and(|session| session.pushed.whole_ids);
        let lexicon = if whole_ids { Arc::default() } else { self.lexicon() };
        let (mut sets, mut pushed) = (Vec::new(), Vec::new());
        let mut rebuild = Rebuild::new(store, std::mem::take(&mut self.documents));
        for edits in in_sets(edits) {
            let mut hashes = Vec::new();
            for edit in &edits {
                hashes.extend(rebuild.hashes(edit)?);
            }
            let may_stem = !whole_ids && edits.len() >= STEMS_FROM_EDITS;
            let has = |record| may_stem && rebuild.confirmed.contains(&record);
            let bits = sent_bits(store, &edits, has, self.meta.stem_more)?;
            for edit in &edits {
                pushed.push((edit.id, as_sent(edit)?));
            }
            let set =
                ChangeSet { device: enrolment.device, edits, hashes: HashesDigest::of(hashes) };
            let signed = set.sign_in_short(&self.key, &enrolment.organization, &bits, &lexicon);
            sets.push(signed.map_err(|error| StoreError::Damaged(error.to_string()))?);
        }
        self.documents = rebuild.finish();
        if let Some(session) = &mut self.session {
            session.pushed.unanswered.extend(pushed);
        }
        Ok(sets)
    }

    /// The names that the server has, too: those of the schema that it has sent.
    fn lexicon(&mut self) -> Arc<Lexicon> {
        let Some(digest) = self.meta.schema_digest else { return Arc::default() };
        if self.lexicon.mark() != Some(SchemaMark::of(digest)) {
            self.lexicon = Arc::new(Lexicon::of(&self.meta.schema, digest));
        }
        Arc::clone(&self.lexicon)
    }

    /// The server does not find records that were named by stems, or names that were told by numbers: all that it
    /// has not answered is sent again, and names them whole.
    pub(super) fn name_whole(&mut self) {
        let Some(session) = &mut self.session else { return };
        // Of others that were on their way it is said again.
        if !std::mem::replace(&mut session.pushed.whole_ids, true) {
            self.meta.stem_more.grow();
            let unanswered: Vec<_> = session.pushed.unanswered.keys().copied().collect();
            self.send_again(unanswered);
        }
    }
}

/// Pending edits that cannot be sent.
#[derive(Default)]
struct Waiting {
    edits: BTreeSet<EditId>,
    /// What the server is to be asked about them.
    ask: Vec<Inquiry>,
}

/// These edits, and those that count together with one of them.
fn with_bound<S: ReplicaStore>(
    store: &S,
    edits: &BTreeSet<EditId>,
) -> Result<BTreeSet<EditId>, StoreError> {
    let mut all = edits.clone();
    for id in edits {
        let atomic = store.pending(*id)?.map_or(0, |pending| pending.edit.atomic);
        all.extend((0..atomic).map(|part| EditId { part, ..*id }));
    }
    Ok(all)
}

/// These edits, and all that cannot go before them: those that count together with one of them,
/// and later ones on the same records.
fn with_followers<S: ReplicaStore>(
    store: &S,
    edits: BTreeSet<EditId>,
) -> Result<BTreeSet<EditId>, StoreError> {
    let mut all = BTreeSet::new();
    let mut open: Vec<_> = edits.into_iter().collect();
    while let Some(id) = open.pop() {
        let Some(Pending { turn, edit }) = store.pending(id)?.filter(|_| all.insert(id)) else {
            continue;
        };
        open.extend((0..edit.atomic).map(|part| EditId { part, ..id }));
        let later = store.pending_on(edit.record)?.into_iter().filter(|it| it.turn > turn);
        open.extend(later.map(|later| later.edit.id));
    }
    Ok(all)
}

/// The next edits that were not sent, and all that count together with the last.
fn window<S: ReplicaStore>(
    store: &S,
    sent: Turn,
    limit: usize,
) -> Result<Vec<Pending>, StoreError> {
    let mut fresh = store.pending_after(sent, limit)?;
    if fresh.len() == limit
        && let Some(last) = fresh.last().cloned()
    {
        let next = store.pending_after(last.turn, ATOMIC_PARTS_MAX)?;
        fresh.extend(next.into_iter().take_while(|next| next.edit.is_bound_to(&last.edit)));
    }
    Ok(fresh)
}

/// Cuts edits into change sets that keep to their bounds; what counts together stays together.
fn in_sets(edits: Vec<Pending>) -> Vec<Vec<Edit>> {
    let edits: Vec<_> = edits.into_iter().map(|pending| pending.edit).collect();
    let mut sets: Vec<Vec<Edit>> = Vec::new();
    let mut bytes = usize::MAX;
    for group in edits.chunk_by(Edit::is_bound_to) {
        let size: usize = group.iter().map(edit_bytes).sum();
        match sets.last_mut() {
            Some(set)
                if set.len() + group.len() <= CHANGE_SET_EDITS_MAX
                    && bytes.saturating_add(size) <= EDITS_BYTES_TARGET =>
            {
                bytes += size;
                set.extend_from_slice(group);
            }
            _ => {
                bytes = size;
                sets.push(group.to_vec());
            }
        }
    }
    sets
}

/// What an edit takes at the most, roughly.
pub(super) fn edit_bytes(edit: &Edit) -> usize {
    64 + 64 * edit.changes.len() + edit.ops().map(|op| 48 + op.size()).sum::<usize>()
}

/// What of an edit the server confirms, if it admits it as it is.
fn as_sent(edit: &Edit) -> Result<Admitted, StoreError> {
    let check = Check::of(edit, edit).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Admitted { table: edit.table.clone(), record: edit.record, check })
}

/// Rebuilds changes as the server will, so that a mismatch is found here, where it was made.
struct Rebuild<'a, S> {
    store: &'a S,
    documents: BTreeMap<(RecordId, Section), Document>,
    /// From pushes before.
    kept: Documents,
    /// The records that are confirmed, of those that were rebuilt: the server has them.
    confirmed: BTreeSet<RecordId>,
}

impl<'a, S: ReplicaStore> Rebuild<'a, S> {
    fn new(store: &'a S, kept: Documents) -> Self {
        Self { store, documents: BTreeMap::new(), kept, confirmed: BTreeSet::new() }
    }

    /// What to keep for the next push.
    fn finish(mut self) -> Documents {
        for ((record, _), document) in self.documents {
            self.kept.keep(record, document);
        }
        self.kept
    }

    fn hashes(&mut self, edit: &Edit) -> Result<Vec<ChangeHash>, StoreError> {
        let damaged = |error: crate::crdt::CrdtError| StoreError::Damaged(error.to_string());
        let mut hashes = Vec::new();
        for change in &edit.changes {
            let key = (edit.record, change.section.clone());
            if !self.documents.contains_key(&key) {
                let document = self.before(edit, &change.section)?;
                self.documents.insert(key.clone(), document);
            }
            let Some(document) = self.documents.get_mut(&key) else { continue };
            // It may have been sent in this window already, as a base of another.
            let hash = match document.hash(change.id) {
                Some(hash) => hash,
                None => document.apply(change).map_err(damaged)?,
            };
            hashes.push(hash);
        }
        Ok(hashes)
    }

    /// The section with all that is pending on it before the edit.
    fn before(&mut self, edit: &Edit, section: &Section) -> Result<Document, StoreError> {
        let damaged = |error: crate::crdt::CrdtError| StoreError::Damaged(error.to_string());
        let confirmed = self.store.confirmed(&edit.table, edit.record)?;
        self.confirmed.extend(confirmed.as_ref().map(|it| it.record().id()));
        let history = confirmed.as_ref().and_then(|it| it.record().section(section));
        let pending = self.store.pending_on(edit.record)?;
        let is_pending = |id| {
            pending.iter().any(|it| it.edit.change(section).is_some_and(|change| change.id == id))
        };
        let document = self.kept.take(edit.record, section, history, is_pending);
        let mut document = document.map_err(damaged)?;
        for Pending { edit: earlier, .. } in pending {
            if earlier.id == edit.id {
                break;
            }
            // An edit whose answer was lost may be confirmed already.
            if let Some(change) = earlier.change(section).filter(|it| !document.holds(it.id)) {
                document.apply(change).map_err(damaged)?;
            }
        }
        Ok(document)
    }
}

impl ReplicaMachine {
    /// Notes that these edits were written anew and must be sent (again).
    pub(super) fn send_again(&mut self, edits: impl IntoIterator<Item = EditId>) {
        if let Some(session) = &mut self.session {
            session.again.extend(edits);
        }
    }
}
