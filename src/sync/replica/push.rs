use std::collections::BTreeMap;

use super::{Output, ReplicaMachine};
use crate::codec::{ChangeSet, HashesDigest, SignedChangeSet, ToServer};
use crate::crdt::{ChangeHash, Document};
use crate::limits::{CHANGE_SET_BYTES_MAX, CHANGE_SET_EDITS_MAX, PUSH_WINDOW_EDITS};
use crate::model::{Edit, EditId, RecordId, Section};
use crate::sync::{Pending, ReplicaStore, StoreError};

use super::session::Stage;

/// Leaves room in a change set for its envelope.
const EDITS_BYTES_TARGET: usize = CHANGE_SET_BYTES_MAX / 2;

impl ReplicaMachine {
    /// Sends what is pending and was not sent, if the session is open and the server has answered
    /// what was sent before: a window of edits, and the question whether all is answered.
    pub(super) fn push<S: ReplicaStore>(&mut self, store: &S) -> Result<(), StoreError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if !matches!(session.stage, Stage::Open { .. }) || session.flush.0 != session.flush.1 {
            return Ok(());
        }
        let mut edits = Vec::new();
        let again = std::mem::take(&mut session.again);
        for id in &again {
            edits.extend(store.pending(*id)?);
        }
        edits.sort_by_key(|pending| pending.turn);
        let fresh = store.pending_after(session.sent, PUSH_WINDOW_EDITS)?;
        if let Some(last) = fresh.last() {
            session.sent = last.turn;
        }
        edits.extend(fresh.into_iter().filter(|pending| !again.contains(&pending.edit.id)));
        let nothing_to_ask = edits.is_empty() && session.flush.0 > 0 && session.later.is_empty();
        if nothing_to_ask {
            return Ok(());
        }
        session.flush.0 += 1;
        let number = session.flush.0;
        for set in self.sign(store, edits)? {
            self.outputs.push_back(Output::Send(ToServer::Push(set)));
        }
        self.outputs.push_back(Output::Send(ToServer::Flush { number }));
        Ok(())
    }

    fn sign<S: ReplicaStore>(
        &self,
        store: &S,
        edits: Vec<Pending>,
    ) -> Result<Vec<SignedChangeSet>, StoreError> {
        let Some(enrolment) = &self.meta.enrolment else { return Ok(Vec::new()) };
        let mut sets = Vec::new();
        let mut rebuild = Rebuild::new(store);
        for edits in in_sets(edits) {
            let mut hashes = Vec::new();
            for edit in &edits {
                hashes.extend(rebuild.hashes(edit)?);
            }
            let set = ChangeSet {
                organization: enrolment.organization,
                device: enrolment.device,
                edits,
                hashes: HashesDigest::of(hashes),
            };
            let signed = set.sign(&self.key);
            sets.push(signed.map_err(|error| StoreError::Damaged(error.to_string()))?);
        }
        Ok(sets)
    }
}

/// Cuts edits into change sets that keep to their bounds.
fn in_sets(edits: Vec<Pending>) -> Vec<Vec<Edit>> {
    let mut sets: Vec<Vec<Edit>> = Vec::new();
    let mut bytes = usize::MAX;
    for Pending { edit, .. } in edits {
        let size = edit_bytes(&edit);
        match sets.last_mut() {
            Some(set)
                if set.len() < CHANGE_SET_EDITS_MAX
                    && bytes.saturating_add(size) <= EDITS_BYTES_TARGET =>
            {
                bytes += size;
                set.push(edit);
            }
            _ => {
                bytes = size;
                sets.push(vec![edit]);
            }
        }
    }
    sets
}

/// What an edit takes at the most, roughly.
fn edit_bytes(edit: &Edit) -> usize {
    64 + 64 * edit.changes.len() + edit.ops().map(|op| 48 + op.size()).sum::<usize>()
}

/// Rebuilds changes as the server will, so that a mismatch is found here, where it was made.
struct Rebuild<'a, S> {
    store: &'a S,
    documents: BTreeMap<(RecordId, Section), Document>,
}

impl<'a, S: ReplicaStore> Rebuild<'a, S> {
    fn new(store: &'a S) -> Self {
        Self { store, documents: BTreeMap::new() }
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
    fn before(&self, edit: &Edit, section: &Section) -> Result<Document, StoreError> {
        let damaged = |error: crate::crdt::CrdtError| StoreError::Damaged(error.to_string());
        let confirmed = self.store.confirmed(&edit.table, edit.record)?;
        let mut document = match confirmed {
            Some(confirmed) => confirmed.record().document(section).map_err(damaged)?,
            None => Document::new(section.clone()),
        };
        for Pending { edit: earlier, .. } in self.store.pending_on(edit.record)? {
            if earlier.id == edit.id {
                break;
            }
            if let Some(change) = earlier.change(section) {
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
