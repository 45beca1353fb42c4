use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{Automerge, ROOT, ReadDoc as _, ScalarValue};
use serde::{Deserialize, Serialize};

use super::{CrdtError, scalar};
use crate::model::{ActorId, Change, ChangeRef, Columns, Header, Op, Section};

const OWNER: &str = "owner";
const STATE: &str = "state";
const SHARE: &str = "share:";

/// Automerge's hash of a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ChangeHash(pub [u8; 32]);

/// A section's Automerge document, rebuilt from changes by meaning.
#[derive(Debug, Clone)]
pub struct Document {
    section: Section,
    doc: Automerge,
    hashes: BTreeMap<ChangeRef, automerge::ChangeHash>,
}

impl Document {
    /// An empty document of a section.
    #[must_use]
    pub fn new(section: Section) -> Self {
        let encoding = automerge::TextEncoding::UnicodeCodePoint;
        Self { section, doc: Automerge::new_with_encoding(encoding), hashes: BTreeMap::new() }
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
        let heads: BTreeSet<_> = self.doc.get_heads().into_iter().collect();
        let hash = if deps == heads {
            write(&mut self.doc, &self.section, change)?
        } else {
            let heads: Vec<_> = deps.into_iter().collect();
            let mut fork = self.doc.fork_at(&heads)?;
            let hash = write(&mut fork, &self.section, change)?;
            let built = fork.get_change_by_hash(&hash).ok_or_else(|| {
                CrdtError::Automerge("a change just made is not in its document".into())
            })?;
            self.doc.apply_changes([built])?;
            hash
        };
        self.hashes.insert(change.id, hash);
        Ok(ChangeHash(hash.0))
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
        let Some(own) = self.hashes.get(&own) else { return false };
        let mut next: Vec<_> =
            change.deps.iter().filter_map(|dep| self.hashes.get(dep)).copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(hash) = next.pop() {
            if hash == *own {
                return true;
            }
            if seen.insert(hash)
                && let Some(meta) = self.doc.get_change_meta_by_hash(&hash)
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
        self.entries(|key, scalar| Some((key.parse().ok()?, scalar::to_value(scalar)?)))
    }

    /// What the header says.
    ///
    /// # Errors
    /// The document holds something that Tidegate never writes.
    pub fn header(&self) -> Result<Header, CrdtError> {
        let mut header = Header::default();
        let entries: Vec<()> = self.entries(|key, value| {
            if let Some(principal) = key.strip_prefix(SHARE) {
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
        })?;
        drop(entries);
        Ok(header)
    }

    fn entries<T, C: FromIterator<T>>(
        &self,
        mut read: impl FnMut(&str, &ScalarValue) -> Option<T>,
    ) -> Result<C, CrdtError> {
        let entry = |key: String| {
            let found = self.doc.get(ROOT, key.as_str())?;
            let value = found.as_ref().and_then(|(value, _)| value.as_scalar());
            let read = value.and_then(|value| read(&key, value));
            read.ok_or(CrdtError::ForeignValue { key })
        };
        self.doc.keys(ROOT).map(entry).collect()
    }
}

fn write(
    doc: &mut Automerge,
    section: &Section,
    change: &Change,
) -> Result<automerge::ChangeHash, CrdtError> {
    doc.set_actor(automerge::ActorId::from(change.id.actor.to_bytes().as_slice()));
    let options = || CommitOptions::default().with_time(change.time.as_millis());
    let mut tx = doc.transaction();
    for op in &change.ops {
        if let Err(error) = put(&mut tx, section, op) {
            tx.rollback();
            return Err(error);
        }
    }
    // Automerge leaves out what changes nothing; a change with nothing left is still a change.
    let (hash, _) = tx.commit_with(options());
    Ok(hash.unwrap_or_else(|| doc.empty_commit(options())))
}

fn put(
    tx: &mut automerge::transaction::Transaction<'_>,
    section: &Section,
    op: &Op,
) -> Result<(), CrdtError> {
    let foreign = |op| Err(CrdtError::ForeignOp { section: section.clone(), op });
    match (section, op) {
        (Section::Header, Op::Own { owner, business_unit }) => {
            tx.put(ROOT, OWNER, scalar::from_owner(owner, business_unit))?;
        }
        (Section::Header, Op::State(state)) => tx.put(ROOT, STATE, scalar::from_state(*state))?,
        (Section::Header, Op::Share { to, rights }) => {
            tx.put(ROOT, format!("{SHARE}{to}"), scalar::from_rights(*rights))?;
        }
        (Section::Secured(own), Op::Put { column, .. }) if own != column => return foreign("put"),
        (Section::Main | Section::Secured(_), Op::Put { column, value }) => {
            tx.put(ROOT, column.as_str(), scalar::from_value(value))?;
        }
        (_, Op::Put { .. }) => return foreign("put"),
        (_, Op::Own { .. }) => return foreign("own"),
        (_, Op::State(_)) => return foreign("state"),
        (_, Op::Share { .. }) => return foreign("share"),
    }
    Ok(())
}
