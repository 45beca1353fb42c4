//! From bytes of a device to the log: verify, rebuild, rule, one commit.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::answered::Refused;
use super::generation::Changed;
use super::past::{Fetch, Pasts};
use super::stems::meant;
use super::{ConnectionId, Output, Resolved, Rules, ServerMachine};
use crate::codec::{ChangeSet, ChangeSetError, HashesDigest, Refusal, SignedChangeSet, ToDevice};
use crate::crdt::{CrdtError, Document, Documents};
use crate::gate::{
    Admissible, Confirmed, Court, LookedUp, RecordFacts, Ruling, apply, can_read_column, rule,
};
use crate::limits::{GENERATION_CHANGES, REPLAYED_CHANGES_MAX};
use crate::model::{
    Asked, Denial, DeviceNumber, Edit, EditId, PolicyEpoch, RecordId, Section, Sequence, TableName,
    Timestamp, UserId, Verdict,
};
use crate::sync::{EntryKind, LogEntry, Operation, ServerMeta, ServerStore, StoreError};

/// What a change set costs beside its edits, and an edit beside its changes, where a change that is
/// carried out costs one: some 5 us.
const SET_WORK: u64 = 10;
const EDIT_WORK: u64 = 10;

impl ServerMachine {
    /// How much work the change sets of each connection were that were judged last, compared with
    /// each other: whoever runs the machine tells by it who takes its time. Empties itself.
    pub fn take_work(&mut self) -> Vec<(ConnectionId, u64)> {
        std::mem::take(&mut self.work)
    }

    /// Judges all change sets that arrived and writes what came of them in one durable commit,
    /// then tells every device. Nothing is acknowledged before it is written.
    ///
    /// # Errors
    /// The store cannot be read or written. Nothing was acknowledged: the devices send again.
    pub fn rule<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.queue.is_empty() && self.waiting.is_empty() {
            return Ok(());
        }
        let queue = std::mem::take(&mut self.queue);
        let (pasts, fetches) = self.waiting.take();
        // What was written after all is known by its edit ids, or has no past any more.
        let answers = self.until_certain(store, |machine, store| {
            machine.note_rules(store, now)?;
            machine.rule_once(store, now, &queue, &pasts)
        })?;
        self.tell_all(store, answers, fetches)
    }

    fn tell_all<S: ServerStore>(
        &mut self,
        store: &S,
        answers: Vec<(ConnectionId, Answer)>,
        fetches: Vec<Fetch>,
    ) -> Result<(), StoreError> {
        for (id, answer) in answers {
            match answer {
                Answer::Judged(verdicts) if verdicts.is_empty() => {}
                Answer::Judged(verdicts) => self.send(id, ToDevice::Verdicts(verdicts)),
                Answer::Unclear => self.send(id, ToDevice::NameWhole),
                Answer::Refused(refusal) => self.refuse(id, refusal),
            }
        }
        for fetch in fetches {
            self.reading(store, |machine, reading| machine.fetch_from(reading, fetch))?;
        }
        self.reading(store, |machine, reading| {
            let ids: Vec<_> = machine.connections.keys().copied().collect();
            ids.into_iter().try_for_each(|id| machine.tell(reading, id))
        })?;
        // There is more to begin anew: in the next round, when others had their turn. Nothing is sent to
        // who waits before that is there: it would be a second page on its way when its turn comes.
        if let Some(id) = self.waiting.next()
            && let Some(connection) = self.connections.get_mut(&id)
            && std::mem::replace(&mut connection.writable, false)
        {
            self.outputs.push_back(Output::LookOn(id));
        }
        Ok(())
    }

    fn rule_once<S: ServerStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        queue: &[(ConnectionId, SignedChangeSet)],
        pasts: &Pasts,
    ) -> Result<Vec<(ConnectionId, Answer)>, StoreError> {
        let epoch = self.epoch()?;
        let rules = Arc::clone(&self.rules);
        // Gone where an error ends this: they may know of what was never written.
        let documents = std::mem::take(&mut self.documents);
        let mut session = Session::new(&*store, rules, now, (epoch, &self.meta), documents);
        let mut answers: Vec<(ConnectionId, Answer)> = Vec::new();
        let mut as_sent = Vec::new();
        self.work.clear();
        for (id, signed) in queue {
            let before = session.work;
            let mut author = None;
            let answer = match self.open_set(&*store, signed)? {
                Ok((set, user)) => {
                    author = Some(set.device);
                    let resolved = self.resolve(&user, None)?;
                    let (device, user, resolved) = (set.device, &user, &*resolved);
                    session.change_set(&set, &Author { device, user, resolved })?
                }
                Err(answer) => answer,
            };
            self.work.push((*id, SET_WORK + session.work - before));
            answers.push((*id, answer));
            as_sent.push((*id, author, std::mem::take(&mut session.as_sent)));
        }
        for (record, sections) in pasts.iter() {
            session.open(record, sections)?;
        }
        session.renew(self.meta.epoch, self.history_bounds)?;
        let Session { operations, head, documents, .. } = session;
        if !operations.is_empty() {
            let meta = ServerMeta { head, ..self.meta.clone() };
            self.commit(store, meta, operations)?;
        }
        self.documents = documents;
        for (id, author, sequences) in as_sent {
            if let Some(device) = self.device_mut(id).filter(|it| Some(it.number) == author) {
                device.as_sent.extend(sequences);
            }
        }
        Ok(answers)
    }

    /// Verifies who wrote a change set. Who carried it does not matter.
    fn open_set<S: ServerStore>(
        &mut self,
        store: &S,
        signed: &SignedChangeSet,
    ) -> Result<Result<(ChangeSet, UserId), Answer>, StoreError> {
        let protocol = |text: String| Ok(Err(Answer::Refused(Refusal::Protocol(text))));
        let author = match signed.claimed_device() {
            Ok(number) => store.device(number)?,
            Err(error) => return protocol(error.to_string()),
        };
        let Some(author) = author else {
            return protocol("a change set of a device that nobody enrolled".into());
        };
        if author.revoked {
            return Ok(Err(Answer::Refused(Refusal::RevokedDevice)));
        }
        let trouble = RefCell::new(None);
        let resolved = self.resolve(&author.user, None)?;
        let find = |edit: &Edit, stem| {
            meant(store, resolved.standing.as_ref().ok(), &edit.table, stem).unwrap_or_else(
                |error| {
                    trouble.replace(Some(error));
                    None
                },
            )
        };
        let (key, organization) = (&author.key, &self.identity.organization);
        let names = |mark| self.lexicons.of(&resolved, self.rules.schema(), mark);
        let opened = signed.open_in_short(key, organization, names, find);
        match (trouble.into_inner(), opened) {
            (Some(error), _) => Err(error),
            (None, Ok(set)) => Ok(Ok((set, author.user))),
            (None, Err(ChangeSetError::Unclear)) => Ok(Err(Answer::Unclear)),
            (None, Err(error)) => protocol(error.to_string()),
        }
    }
}

/// What a device is told of its change set.
#[derive(Debug)]
enum Answer {
    /// Beside the log, by which it hears what was admitted.
    Judged(Vec<(EditId, Verdict)>),
    /// It names records by stems that are not of one record here.
    Unclear,
    Refused(Refusal),
}

/// Whether these are all parts of an atomic commit, in order.
fn is_complete(parts: &[Edit]) -> bool {
    let expected = parts.len();
    (0..).zip(parts).all(|(number, part)| {
        part.id.part == number && usize::try_from(part.atomic) == Ok(expected)
    })
}

/// Who made a change set.
pub(super) struct Author<'a> {
    device: DeviceNumber,
    pub(super) user: &'a UserId,
    resolved: &'a Resolved,
}

/// One round of judging: each edit on the state that the admitted ones before it left.
pub(super) struct Session<'a, S> {
    pub(super) store: &'a S,
    pub(super) rules: Arc<Rules>,
    pub(super) now: Timestamp,
    pub(super) epoch: PolicyEpoch,
    /// What profiles ask.
    pub(super) asked: Asked,
    pub(super) head: Sequence,
    pub(super) records: BTreeMap<RecordId, Option<Confirmed>>,
    admitted: BTreeMap<EditId, Sequence>,
    pub(super) refused: Refused,
    /// The records of which something was admitted.
    pub(super) changed: BTreeMap<RecordId, Changed>,
    pub(super) operations: Vec<Operation>,
    /// Of what is confirmed, and nothing else.
    documents: Documents,
    /// See [`ServerMachine::take_work`].
    work: u64,
    /// Where in the log edits are that were admitted as they came, of the change set that is judged.
    as_sent: BTreeMap<Sequence, RecordId>,
}

impl<'a, S: ServerStore> Session<'a, S> {
    fn new(
        store: &'a S,
        rules: Arc<Rules>,
        now: Timestamp,
        (epoch, meta): (PolicyEpoch, &ServerMeta),
        documents: Documents,
    ) -> Self {
        let (head, asked) = (meta.head, meta.asked.clone());
        let (records, admitted, refused) = Default::default();
        let (changed, operations) = Default::default();
        let (work, as_sent) = Default::default();
        Self {
            store,
            rules,
            now,
            epoch,
            asked,
            head,
            records,
            admitted,
            refused,
            changed,
            operations,
            documents,
            work,
            as_sent,
        }
    }

    /// Judges a change set. Returns what its device must know beside the log.
    fn change_set(&mut self, set: &ChangeSet, author: &Author<'_>) -> Result<Answer, StoreError> {
        let mut documents = BTreeMap::new();
        if let Err(refusal) = self.check_rebuilt(set, author.resolved, &mut documents)? {
            return Ok(Answer::Refused(refusal));
        }
        let verdicts = self.judge_all(set, author)?;
        self.keep_documents(documents);
        Ok(Answer::Judged(verdicts))
    }

    /// Keeps the documents in which everything was admitted.
    fn keep_documents(&mut self, documents: BTreeMap<(RecordId, &Section), Document>) {
        for ((id, section), document) in documents {
            let record = self.records.get(&id).and_then(Option::as_ref);
            let admitted = |change| record.is_some_and(|it| it.record().holds(section, change));
            if document.changes().all(admitted) {
                self.documents.keep(id, document);
            }
        }
    }

    fn judge_all(
        &mut self,
        set: &ChangeSet,
        author: &Author<'_>,
    ) -> Result<Vec<(EditId, Verdict)>, StoreError> {
        let mut verdicts = Vec::new();
        // What comes behind an edit that is to be written anew would come before it.
        let mut open = BTreeSet::new();
        for group in set.edits.chunk_by(Edit::is_bound_to) {
            if let Some(answered) = self.answered(author, group)? {
                verdicts.extend(answered);
                continue;
            }
            let judged = match group {
                _ if self.waits_for(&open, group)? => {
                    group.iter().map(|edit| (edit.id, Verdict::Reauthor)).collect()
                }
                [edit] if edit.atomic == 0 => {
                    let verdict = self.judge(author, edit)?;
                    verdict.map(|verdict| (edit.id, verdict)).into_iter().collect()
                }
                parts => self.whole(author, parts)?,
            };
            let anew = judged.iter().filter(|(_, verdict)| *verdict == Verdict::Reauthor);
            let records = anew.filter_map(|(id, _)| group.iter().find(|edit| edit.id == *id));
            open.extend(records.map(|edit| edit.record));
            verdicts.extend(judged);
        }
        Ok(verdicts)
    }

    /// Whether an earlier edit of one of these records is to be written anew first.
    fn waits_for(&self, open: &BTreeSet<RecordId>, group: &[Edit]) -> Result<bool, StoreError> {
        for edit in group.iter().filter(|edit| open.contains(&edit.record)) {
            if self.admitted(edit.id)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Judges edits that count together: where one does not, none does, and all is as before.
    fn whole(
        &mut self,
        author: &Author<'_>,
        parts: &[Edit],
    ) -> Result<Vec<(EditId, Verdict)>, StoreError> {
        let (head, operations) = (self.head, self.operations.len());
        let records: BTreeMap<_, _> = parts
            .iter()
            .map(|part| Ok((part.record, self.record(part.record)?.cloned())))
            .collect::<Result<_, StoreError>>()?;
        let mut verdicts = Vec::new();
        for part in parts {
            let verdict = match self.admitted(part.id)? {
                Some(sequence) => Some(Verdict::Admitted(sequence)),
                None => self.judge(author, part)?,
            };
            verdicts.extend(verdict.map(|verdict| (part.id, verdict)));
        }
        let broken = |verdict: &Verdict| !matches!(verdict, Verdict::Admitted(_));
        let first = verdicts.iter().map(|(_, verdict)| verdict).find(|it| broken(it)).cloned();
        // Of parts that are all admitted already the device may know some, and ask for the rest.
        let known = first.is_none() && verdicts.len() == parts.len();
        let first = if known || is_complete(parts) {
            first
        } else {
            let denial = Denial::malformed("parts of an atomic commit are missing");
            Some(Verdict::Denied { denial, epoch: self.epoch })
        };
        let Some(first) = first else { return Ok(verdicts) };
        self.head = head;
        self.as_sent.retain(|sequence, _| *sequence <= head);
        self.operations.truncate(operations);
        self.records.extend(records);
        for part in parts {
            self.admitted.remove(&part.id);
            self.refused.remove(&part.id);
        }
        let verdict = match first {
            Verdict::Split { columns, epoch } => {
                let denial = columns.into_iter().next();
                let denial = denial.unwrap_or_else(|| Denial::malformed("a part is refused"));
                Verdict::Denied { denial, epoch }
            }
            Verdict::Erased => Verdict::Denied { denial: Denial::erased(), epoch: self.epoch },
            other => other,
        };
        let mut verdicts = Vec::new();
        for part in parts {
            if let Verdict::Denied { denial, .. } = &verdict {
                self.keep_refused(part.clone(), false, author.user, denial)?;
            }
            let is_erased = self.is_erased(part.record)?;
            verdicts.push((part.id, if is_erased { Verdict::Erased } else { verdict.clone() }));
        }
        Ok(verdicts)
    }

    /// Rebuilds all changes, admitted or not, and checks that they come out as at their author's.
    /// Where one builds on something that is not here, nothing can be said: the ruling on it is
    /// to write it anew. Nor where one was written without seeing what it replaces: it counts on
    /// what was there, and so do those behind it.
    fn check_rebuilt<'s>(
        &mut self,
        set: &'s ChangeSet,
        resolved: &Resolved,
        documents: &mut BTreeMap<(RecordId, &'s Section), Document>,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let mut blind = false;
        let mut replayed = 0;
        let mut hashes = Vec::new();
        for edit in &set.edits {
            self.work += EDIT_WORK;
            for change in &edit.changes {
                blind |= self.is_hidden(resolved, edit, &change.section)?;
                let key = (edit.record, &change.section);
                let document = match documents.entry(key) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        entry.insert(self.document(edit.record, &change.section)?)
                    }
                };
                let before = document.replayed();
                let applied = document.hash(change.id).map_or_else(|| document.apply(change), Ok);
                let again = document.replayed() - before;
                replayed += again;
                self.work += (again + change.ops.len()) as u64;
                if replayed > REPLAYED_CHANGES_MAX {
                    let why = "its changes build on too many different states of long histories";
                    return Ok(Err(Refusal::Protocol(why.into())));
                }
                match applied {
                    Ok(hash) => hashes.push(hash),
                    // What does not fit its values cannot be rebuilt by anyone: it is judged so.
                    Err(
                        CrdtError::MissingDependency { .. }
                        | CrdtError::WrongSeq { .. }
                        | CrdtError::Misfit(_),
                    ) => return Ok(Ok(())),
                    Err(error) => return Ok(Err(Refusal::Protocol(error.to_string()))),
                }
            }
        }
        if blind {
            // They hold changes as their author saw them.
            documents.clear();
        }
        Ok(if blind || HashesDigest::of(hashes) == set.hashes {
            Ok(())
        } else {
            Err(Refusal::Protocol(
                "the changes do not come out as their author's digest says".into(),
            ))
        })
    }

    /// Whether the section is one that the author may not read.
    fn is_hidden(
        &mut self,
        resolved: &Resolved,
        edit: &Edit,
        section: &Section,
    ) -> Result<bool, StoreError> {
        let (Section::Secured(column), Ok(standing)) = (section, &resolved.standing) else {
            return Ok(false);
        };
        let Some(confirmed) = self.record(edit.record)? else { return Ok(false) };
        let facts = RecordFacts::of_header(confirmed.record().header());
        Ok(!can_read_column(standing, &edit.table, column, &facts))
    }

    /// The document of a section as it is confirmed.
    fn document(&mut self, id: RecordId, section: &Section) -> Result<Document, StoreError> {
        self.record(id)?;
        let record = self.records.get(&id).and_then(Option::as_ref);
        let history = record.and_then(|it| it.record().section(section));
        // Also where it is kept: that is for long texts, which cost as much otherwise.
        self.work += history.map_or(0, |it| it.changes().len().min(GENERATION_CHANGES)) as u64;
        let document = self.documents.take(id, section, history, |_| false);
        document.map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Judges an edit that is not admitted yet. Of one that is now, the log tells its device.
    fn judge(&mut self, author: &Author<'_>, edit: &Edit) -> Result<Option<Verdict>, StoreError> {
        let Author { device, user, resolved, .. } = *author;
        if self.is_erased(edit.record)? {
            // Its id is never used again: what is left of it on some device does not bring it back.
            self.keep_refused(edit.clone(), false, user, &Denial::erased())?;
            return Ok(Some(Verdict::Erased));
        }
        let epoch = self.epoch;
        let forged = edit.id.device != device
            || edit.changes.iter().any(|change| change.id.actor.device != device);
        let ruling = if forged {
            Ruling::Denied(Denial::malformed("it speaks for another device"))
        } else {
            self.ruling(edit, resolved)?
        };
        Ok(match ruling {
            Ruling::Admissible(admissible) => self.admit(edit, admissible, user)?,
            Ruling::Denied(denial) => {
                self.keep_refused(edit.clone(), false, user, &denial)?;
                Some(Verdict::Denied { denial, epoch })
            }
            Ruling::Split(columns) => {
                for denial in &columns {
                    self.keep_part_refused(edit, user, denial)?;
                }
                Some(Verdict::Split { columns, epoch })
            }
            Ruling::Reauthor => Some(Verdict::Reauthor),
        })
    }

    fn ruling(&mut self, edit: &Edit, resolved: &Resolved) -> Result<Ruling, StoreError> {
        self.record(edit.record)?;
        let trouble = RefCell::new(None);
        let find = |table: &TableName, id: RecordId| {
            let found = match self.records.get(&id) {
                Some(known) => Ok(known.clone()),
                None => self.store.record(id),
            };
            match found {
                Ok(Some(found))
                    if found.record().table() == table && found.record().is_active() =>
                {
                    LookedUp::Record(found.record().header().clone())
                }
                Ok(_) => LookedUp::Missing,
                Err(error) => {
                    trouble.replace(Some(error));
                    LookedUp::Unknown
                }
            }
        };
        let court = Court {
            schema: self.rules.schema(),
            standing: resolved.standing.as_ref(),
            directory: self.rules.roster(),
            find: &find,
        };
        let record = self.records.get(&edit.record).and_then(Option::as_ref);
        let ruling = rule(&court, record.map(Confirmed::record), edit);
        match trouble.into_inner() {
            Some(error) => Err(error),
            None => Ok(ruling),
        }
    }

    fn admit(
        &mut self,
        edit: &Edit,
        admissible: Admissible,
        user: &UserId,
    ) -> Result<Option<Verdict>, StoreError> {
        let sequence = Sequence(self.head.0 + 1);
        let confirmed = self.record(edit.record)?.cloned();
        let before = confirmed.as_ref().map(|confirmed| confirmed.record().clone());
        let admitted = admissible.at(sequence);
        match apply(confirmed, &admitted) {
            Ok(applied) => {
                self.head = sequence;
                let (made, after) = (admitted.edit().clone(), applied.confirmed().record());
                if made == *edit {
                    self.as_sent.insert(sequence, edit.record);
                }
                let kind = EntryKind::edit(made, before.as_ref(), after, &self.asked);
                let entry = LogEntry { sequence, kind, at: self.now, epoch: self.epoch };
                self.records.insert(edit.record, Some(applied.confirmed().clone()));
                self.admitted.insert(edit.id, sequence);
                self.note_changed(edit);
                let (entry, records) = (Box::new(entry), vec![applied]);
                self.operations.push(Operation::Append { entry, records });
                Ok(None)
            }
            Err(error) => {
                let denial = Denial::malformed(error.to_string());
                self.keep_refused(edit.clone(), false, user, &denial)?;
                Ok(Some(Verdict::Denied { denial, epoch: self.epoch }))
            }
        }
    }

    pub(super) fn is_erased(&mut self, record: RecordId) -> Result<bool, StoreError> {
        Ok(self.record(record)?.is_none() && self.store.erased(record)?.is_some())
    }

    pub(super) fn record(&mut self, id: RecordId) -> Result<Option<&Confirmed>, StoreError> {
        Ok(match self.records.entry(id) {
            Entry::Occupied(entry) => entry.into_mut().as_ref(),
            Entry::Vacant(entry) => entry.insert(self.store.record(id)?).as_ref(),
        })
    }

    pub(super) fn admitted(&self, edit: EditId) -> Result<Option<Sequence>, StoreError> {
        match self.admitted.get(&edit) {
            Some(sequence) => Ok(Some(*sequence)),
            None => self.store.admitted(edit),
        }
    }
}
