use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::CommitOptions;
use automerge::{Automerge, ROOT, ReadDoc as _, ScalarValue};
use serde::{Deserialize, Serialize};

use super::container::{self, Container};
use super::forks::Forks;
use super::write::{self, OWNER, SHARE, SHARE_COLUMN, STATE};
use super::{CrdtError, scalar};
use crate::model::{
    ActorId, Change, ChangeRef, ColumnName, ColumnType, Columns, Header, Op, Section, Value,
    check_extent,
};

/// Automerge's hash of a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ChangeHash(pub [u8; 32]);

/// What it costs to write a change again, beside its operations.
const CHANGE_WEIGHT: usize = 1 << 8;
/// What it costs to merge a change that was written side by side with others.
const MERGE_WEIGHT: usize = 1 << 10;

/// A section's Automerge document, rebuilt from changes by meaning.
#[derive(Debug, Clone)]
pub struct Document {
    section: Section,
    doc: Automerge,
    hashes: BTreeMap<ChangeRef, automerge::ChangeHash>,
    /// The containers that are in it.
    born: BTreeSet<Container>,
    forks: Forks,
    /// What it costs to make it again, roughly, in bytes of operations.
    weight: usize,
}

impl Document {
    /// An empty document of a section.
    #[must_use]
    pub fn new(section: Section) -> Self {
        let encoding = automerge::TextEncoding::UnicodeCodePoint;
        let doc = Automerge::new_with_encoding(encoding);
        let (hashes, born, forks) = Default::default();
        Self { section, doc, hashes, born, forks, weight: 0 }
    }

    /// The document that these changes make, each after those it builds on.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn replay<'a>(
        section: Section,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> Result<Self, CrdtError> {
        let mut document = Self::new(section);
        for change in changes {
            document.apply(change)?;
        }
        Ok(document)
    }

    pub(super) fn section(&self) -> &Section {
        &self.section
    }

    /// How many changes were replayed so far to make the states that concurrent changes were
    /// written on: the work that such changes cost beyond their own.
    #[must_use]
    pub fn replayed(&self) -> usize {
        self.forks.replayed()
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// The changes that it holds.
    pub fn changes(&self) -> impl Iterator<Item = ChangeRef> {
        self.hashes.keys().copied()
    }

    /// Whether the document holds this change.
    #[must_use]
    pub fn holds(&self, change: ChangeRef) -> bool {
        self.hashes.contains_key(&change)
    }

    /// Rebuilds the Automerge change that `change` stands for and merges it.
    ///
    /// It is executed on exactly the state that its author saw (a fork at its dependencies), so
    /// predecessors, counters and the hash come out as they did there.
    ///
    /// # Errors
    /// A dependency is missing, the change's number is not the next of its actor, or an operation
    /// does not fit the section. The document is then as it was.
    pub fn apply(&mut self, change: &Change) -> Result<ChangeHash, CrdtError> {
        let deps = self.resolve(change)?;
        check_extent(&change.ops)?;
        let containers: BTreeSet<_> = change.ops.iter().filter_map(Container::of).collect();
        let unborn = containers.iter().any(|it| !self.born.contains(it));
        let heads: BTreeSet<_> = self.doc.get_heads().into_iter().collect();
        let hash = if deps != heads {
            self.merge(change, &deps, &containers)?
        } else if unborn {
            let mut doc = self.doc.clone();
            bear(&mut doc, &containers)?;
            let hash = write_change(&mut doc, &self.section, change)?;
            self.doc = doc;
            hash
        } else {
            write_change(&mut self.doc, &self.section, change)?
        };
        self.born.extend(containers);
        self.hashes.insert(change.id, hash);
        self.weight += CHANGE_WEIGHT + change.ops.iter().map(Op::size).sum::<usize>();
        Ok(ChangeHash(hash.0))
    }

    /// Executes a change on a fork at what it builds on, and merges it.
    fn merge(
        &mut self,
        change: &Change,
        deps: &BTreeSet<automerge::ChangeHash>,
        containers: &BTreeSet<Container>,
    ) -> Result<automerge::ChangeHash, CrdtError> {
        let mut fork = self.forks.at(&self.doc, deps)?;
        bear(&mut fork, containers)?;
        let hash = write_change(&mut fork, &self.section, change)?;
        let built = fork.get_change_by_hash(&hash).ok_or_else(|| {
            CrdtError::Automerge("a change just made is not in its document".into())
        })?;
        bear(&mut self.doc, containers)?;
        self.doc.apply_changes([built])?;
        self.forks.keep(fork);
        self.weight += MERGE_WEIGHT;
        Ok(hash)
    }

    /// The texts, lists and maps that are in it.
    pub(super) fn containers(&self) -> Vec<Container> {
        self.born.iter().cloned().collect()
    }

    pub(super) fn automerge(&self) -> &Automerge {
        &self.doc
    }

    /// The state at these changes.
    pub(super) fn state_at(&mut self, changes: &[ChangeRef]) -> Result<Automerge, CrdtError> {
        let hashes: BTreeSet<_> =
            changes.iter().filter_map(|change| self.hashes.get(change)).copied().collect();
        if hashes == self.doc.get_heads().into_iter().collect() {
            return Ok(self.doc.clone());
        }
        let fork = self.forks.at(&self.doc, &hashes)?;
        self.forks.keep(fork.clone());
        Ok(fork)
    }

    fn resolve(&self, change: &Change) -> Result<BTreeSet<automerge::ChangeHash>, CrdtError> {
        let expected = 1 + self.last_seq(change.id.actor);
        if change.id.seq != expected {
            return Err(CrdtError::WrongSeq { change: change.id, expected });
        }
        if expected > 1 && !self.builds_on_own(change) {
            let dep = ChangeRef { actor: change.id.actor, seq: expected - 1 };
            return Err(CrdtError::MissingDependency { change: change.id, dep });
        }
        let found = |dep: &ChangeRef| {
            let missing = CrdtError::MissingDependency { change: change.id, dep: *dep };
            self.hashes.get(dep).copied().ok_or(missing)
        };
        change.deps.iter().map(found).collect()
    }

    /// Whether what `change` builds on holds its actor's previous change: an actor is one line of
    /// history, never two.
    fn builds_on_own(&self, change: &Change) -> bool {
        let own = ChangeRef { actor: change.id.actor, seq: change.id.seq - 1 };
        // Mostly its author typed on.
        if change.deps.contains(&own) {
            return true;
        }
        let Some(own) = self.hashes.get(&own) else { return false };
        let max_op = |hash| self.doc.get_change_meta_by_hash(hash).map(|meta| meta.max_op);
        let own_op = max_op(own);
        let mut next: Vec<_> =
            change.deps.iter().filter_map(|dep| self.hashes.get(dep)).copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(hash) = next.pop() {
            if hash == *own {
                return true;
            }
            // What builds on it has later operations.
            if seen.insert(hash)
                && let Some(meta) = self.doc.get_change_meta_by_hash(&hash)
                && own_op.is_none_or(|own_op| meta.max_op >= own_op)
            {
                next.extend(meta.deps);
            }
        }
        false
    }

    /// The number of the actor's last change; 0 if it has none.
    #[must_use]
    pub fn last_seq(&self, actor: ActorId) -> u64 {
        let all = ChangeRef { actor, seq: 0 }..=ChangeRef { actor, seq: u64::MAX };
        self.hashes.range(all).next_back().map_or(0, |(change, _)| change.seq)
    }

    /// Automerge's hash of a change that the document holds.
    #[must_use]
    pub fn hash(&self, change: ChangeRef) -> Option<ChangeHash> {
        self.hashes.get(&change).map(|hash| ChangeHash(hash.0))
    }

    /// The heads: equal documents have equal heads. Sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        let mut heads: Vec<_> =
            self.doc.get_heads().iter().map(|hash| ChangeHash(hash.0)).collect();
        heads.sort_unstable();
        heads
    }

    /// The values of a section of columns.
    ///
    /// # Errors
    /// The document holds something that Tidegate never writes.
    pub fn columns(&self) -> Result<Columns, CrdtError> {
        self.doc.keys(ROOT).map(|key| container::read(&self.doc, &key)).collect()
    }

    /// All values that a column holds that no other has replaced, with the changes that wrote
    /// them; the one that counts comes first. More than one: a conflict.
    ///
    /// # Errors
    /// The document holds something that Tidegate never writes.
    pub fn values(
        &self,
        column: &ColumnName,
        column_type: ColumnType,
    ) -> Result<Vec<(Value, ChangeRef)>, CrdtError> {
        let key = container::key(column, column_type);
        let foreign = || CrdtError::ForeignValue { key: key.clone() };
        let mut values = Vec::new();
        // The last one is what reading gives.
        for (value, id) in self.doc.get_all(ROOT, key.as_str())?.into_iter().rev() {
            let value = value.as_scalar().and_then(scalar::to_value).ok_or_else(foreign)?;
            // A counter that nobody set was born with its column.
            if let Some(change) = self.author_of(&id) {
                values.push((value, change));
            }
        }
        Ok(values)
    }

    /// The change that wrote an operation.
    fn author_of(&self, id: &automerge::ObjId) -> Option<ChangeRef> {
        let automerge::ObjId::Id(number, author, _) = id else { return None };
        let own = self.hashes.iter().filter(|(change, _)| actor(change.actor) == *author);
        let wrote = |hash: &automerge::ChangeHash| {
            let meta = self.doc.get_change_meta_by_hash(hash);
            meta.is_some_and(|meta| (meta.start_op..=meta.max_op).contains(number))
        };
        own.into_iter().find(|(_, hash)| wrote(hash)).map(|(change, _)| *change)
    }

    /// What the header says.
    ///
    /// # Errors
    /// The document holds something that Tidegate never writes.
    pub fn header(&self) -> Result<Header, CrdtError> {
        let mut header = Header::default();
        let mut read = |key: &str, value: &ScalarValue| {
            if let Some(shared) = key.strip_prefix(SHARE_COLUMN) {
                let (column, principal) = shared.split_once('\n')?;
                let shared = (column.parse().ok()?, principal.parse().ok()?);
                let permissions = scalar::to_permissions(value)?;
                if !permissions.is_empty() {
                    header.column_shares.insert(shared, permissions);
                }
            } else if let Some(principal) = key.strip_prefix(SHARE) {
                let (principal, rights) = (principal.parse().ok()?, scalar::to_rights(value)?);
                if !rights.is_empty() {
                    header.shares.insert(principal, rights);
                }
            } else {
                match key {
                    OWNER => header.owner = Some(scalar::to_owner(value)?),
                    STATE => header.state = scalar::to_state(value)?,
                    _ => return None,
                }
            }
            Some(())
        };
        for key in self.doc.keys(ROOT) {
            let found = self.doc.get(ROOT, key.as_str())?;
            let value = found.as_ref().and_then(|(value, _)| value.as_scalar());
            value.and_then(|value| read(&key, value)).ok_or(CrdtError::ForeignValue { key })?;
        }
        Ok(header)
    }
}

fn actor(id: ActorId) -> automerge::ActorId {
    automerge::ActorId::from(id.to_bytes().as_slice())
}

fn bear(doc: &mut Automerge, containers: &BTreeSet<Container>) -> Result<(), CrdtError> {
    containers.iter().try_for_each(|container| container.bear(doc))
}

fn write_change(
    doc: &mut Automerge,
    section: &Section,
    change: &Change,
) -> Result<automerge::ChangeHash, CrdtError> {
    doc.set_actor(actor(change.id.actor));
    let options = || CommitOptions::default().with_time(change.time.as_millis());
    let mut tx = doc.transaction();
    for op in &change.ops {
        if let Err(error) = write::write(&mut tx, section, op) {
            tx.rollback();
            return Err(error);
        }
    }
    // Automerge leaves out what changes nothing; a change with nothing left is still a change.
    let (hash, _) = tx.commit_with(options());
    Ok(hash.unwrap_or_else(|| doc.empty_commit(options())))
}
