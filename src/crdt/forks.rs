//! Earlier states of a document, kept while changes build on them.

use std::collections::BTreeSet;

use automerge::{Automerge, ChangeHash, ReadDoc as _};

use super::CrdtError;

/// So many authors can write side by side before a fork is made from nothing again.
const FORKS_KEPT_MAX: usize = 4;
/// A fork that lacks more changes than this is not brought up to date but made anew.
const CATCH_UP_CHANGES_MAX: usize = 1_024;

/// The states on which the latest concurrent changes were executed, newest last.
///
/// Making a fork replays its whole history. Concurrent changes come in runs, one author building on
/// their own last change, so a fork is kept and brought up to date with what that author merged in
/// between: a run costs what its changes cost.
#[derive(Debug, Default)]
pub(super) struct Forks {
    kept: Vec<Automerge>,
    /// How many changes were replayed to make them.
    replayed: usize,
}

/// A copy of a document has no use for them yet.
impl Clone for Forks {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Forks {
    /// The state of `doc` at these changes.
    pub(super) fn at(
        &mut self,
        doc: &Automerge,
        deps: &BTreeSet<ChangeHash>,
    ) -> Result<Automerge, CrdtError> {
        let found = (0..self.kept.len())
            .rev()
            .find_map(|at| Some((at, lacking(doc, self.kept.get(at)?, deps)?)));
        if let Some((at, lacking)) = found {
            let mut fork = self.kept.remove(at);
            let changes = lacking.iter().rev().filter_map(|hash| doc.get_change_by_hash(hash));
            fork.apply_changes(changes)?;
            return Ok(fork);
        }
        let deps: Vec<_> = deps.iter().copied().collect();
        let fork = doc.fork_at(&deps)?;
        self.replayed += fork.get_changes_meta(&[]).len();
        Ok(fork)
    }

    /// Keeps a fork for the next change.
    pub(super) fn keep(&mut self, fork: Automerge) {
        if self.kept.len() == FORKS_KEPT_MAX {
            self.kept.remove(0);
        }
        self.kept.push(fork);
    }

    pub(super) fn replayed(&self) -> usize {
        self.replayed
    }
}

/// What `fork` lacks of the state at `deps`; `None` where it holds something beside that state, or
/// lacks too much.
fn lacking(
    doc: &Automerge,
    fork: &Automerge,
    deps: &BTreeSet<ChangeHash>,
) -> Option<Vec<ChangeHash>> {
    let mut beyond: BTreeSet<_> = fork.get_heads().into_iter().collect();
    let mut lacking = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next: Vec<_> = deps.iter().copied().collect();
    while let Some(hash) = next.pop() {
        beyond.remove(&hash);
        if fork.get_change_meta_by_hash(&hash).is_some() || !seen.insert(hash) {
            continue;
        }
        if lacking.len() == CATCH_UP_CHANGES_MAX {
            return None;
        }
        lacking.push(hash);
        next.extend(doc.get_change_meta_by_hash(&hash)?.deps);
    }
    beyond.is_empty().then_some(lacking)
}
