//! What the server has said of an edit already, and stands by when the edit comes again.

use std::collections::BTreeMap;

use super::ingress::{Author, Session};
use crate::model::{Denial, Edit, EditId, PolicyEpoch, Sequence, UserId, Verdict};
use crate::sync::{Operation, RefusedEdit, ServerStore, StoreError};

/// What was refused in this round, by edit id: the store does not have it yet.
pub(super) type Refused = BTreeMap<EditId, Vec<Refusal>>;

/// That an edit was refused, or a part of it.
pub(super) struct Refusal {
    denial: Denial,
    is_part: bool,
    epoch: PolicyEpoch,
}

impl From<&RefusedEdit> for Refusal {
    fn from(refused: &RefusedEdit) -> Self {
        let RefusedEdit { denial, is_part, epoch, .. } = refused;
        Self { denial: denial.clone(), is_part: *is_part, epoch: *epoch }
    }
}

/// Whether an edit says something of the column that was refused.
fn touches(edit: &Edit, denial: &Denial) -> bool {
    let mut ops = edit.changes.iter().flat_map(|change| &change.ops);
    ops.any(|op| op.column().is_some() && op.column() == denial.column.as_ref())
}

/// The refused columns, each once, and the newest policy by which one was.
fn columns(refusals: &[Refusal]) -> Option<(Vec<Denial>, PolicyEpoch)> {
    let parts = refusals.iter().filter(|refusal| refusal.is_part);
    let epoch = parts.clone().map(|part| part.epoch).max()?;
    let columns: BTreeMap<_, _> = parts.map(|it| (&it.denial.column, &it.denial)).collect();
    Some((columns.into_values().cloned().collect(), epoch))
}

/// What the device of an edit is told that counts already.
fn admitted_before(sequence: Sequence, refusals: &[Refusal]) -> Verdict {
    match columns(refusals) {
        Some((columns, epoch)) => Verdict::Partly { sequence, columns, epoch },
        None => Verdict::Admitted(sequence),
    }
}

/// What a device is told that asks what became of an edit; `None`: it does not count (yet).
pub(super) fn became<S: ServerStore>(
    store: &S,
    edit: EditId,
) -> Result<Option<Verdict>, StoreError> {
    let Some(sequence) = store.admitted(edit)? else { return Ok(None) };
    Ok(Some(admitted_before(sequence, &refusals(store, edit)?)))
}

/// The columns that were refused of an edit before the rest of it counted.
pub(super) fn refused_of<S: ServerStore>(
    store: &S,
    edit: EditId,
) -> Result<Option<(Vec<Denial>, PolicyEpoch)>, StoreError> {
    Ok(columns(&refusals(store, edit)?))
}

fn refusals<S: ServerStore>(store: &S, edit: EditId) -> Result<Vec<Refusal>, StoreError> {
    Ok(store.refusals(edit)?.iter().map(Refusal::from).collect())
}

impl<S: ServerStore> Session<'_, S> {
    /// What was said of edits that count together; `None`: there is something to be judged.
    pub(super) fn answered(
        &self,
        author: &Author<'_>,
        group: &[Edit],
    ) -> Result<Option<Vec<(EditId, Verdict)>>, StoreError> {
        let answers = group.iter().map(|edit| {
            let answer = self.answer(author, edit)?;
            Ok(answer.map(|verdict| (edit.id, verdict)))
        });
        answers.collect()
    }

    /// An edit counts once. What was refused of it stands, whenever the rest counts: its author tries
    /// it again as another edit. So a copy of the author's file, or an author whose answer was lost,
    /// hears the same. Nor does an edit that was refused count because somebody else brings it again
    /// when the rules have changed: its author may have dealt with it otherwise. The author itself may
    /// ask as often as it likes.
    fn answer(&self, author: &Author<'_>, edit: &Edit) -> Result<Option<Verdict>, StoreError> {
        let mut refusals = self.refusals(edit.id)?;
        refusals.retain(|it| !it.is_part || touches(edit, &it.denial));
        if let Some(sequence) = self.admitted(edit.id)? {
            return Ok(Some(admitted_before(sequence, &refusals)));
        }
        if let Some((columns, epoch)) = columns(&refusals) {
            return Ok(Some(Verdict::Split { columns, epoch }));
        }
        let whole = refusals.into_iter().rfind(|_| !author.is_here);
        Ok(whole.map(|Refusal { denial, epoch, .. }| Verdict::Denied { denial, epoch }))
    }

    fn refusals(&self, edit: EditId) -> Result<Vec<Refusal>, StoreError> {
        let mut refusals = refusals(self.store, edit)?;
        let new = self.refused.get(&edit).into_iter().flatten();
        refusals.extend(new.map(|it| Refusal { denial: it.denial.clone(), ..*it }));
        Ok(refusals)
    }

    /// Keeps an edit, or a part of it, that is refused, unless this was said of it already.
    pub(super) fn keep_refused(
        &mut self,
        mut edit: Edit,
        is_part: bool,
        user: &UserId,
        denial: &Denial,
    ) -> Result<(), StoreError> {
        let epoch = self.epoch;
        let is_same = |it: &Refusal| (&it.denial, it.is_part, it.epoch) == (denial, is_part, epoch);
        if self.refusals(edit.id)?.iter().any(is_same) {
            return Ok(());
        }
        if self.is_erased(edit.record)? {
            edit.changes.clear();
        }
        let (user, denial, at) = (user.clone(), denial.clone(), self.now);
        let refused = RefusedEdit { edit, is_part, user, denial, epoch, at };
        self.refused.entry(refused.edit.id).or_default().push(Refusal::from(&refused));
        self.operations.push(Operation::Refuse(Box::new(refused)));
        Ok(())
    }
}
