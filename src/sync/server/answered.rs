//! What the server has said of an edit already, and stands by when the edit comes again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ingress::{Author, Session};
use crate::codec::Inquiry;
use crate::model::{ColumnName, Denial, Edit, EditId, Op, PolicyEpoch, Sequence, UserId, Verdict};
use crate::sync::{EntryKind, Operation, RefusedEdit, ServerStore, StoreError};

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

/// Whether an edit says something of a column.
fn touches(edit: &Edit, column: &ColumnName) -> bool {
    edit.ops().any(|op| op.column() == Some(column))
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

/// What a device is told that asks what became of an edit; `None`: it does not count (yet), or not as the
/// device has it.
pub(super) fn became<S: ServerStore>(
    store: &S,
    inquiry: &Inquiry,
) -> Result<Option<Verdict>, StoreError> {
    let Some(sequence) = store.admitted(inquiry.edit)? else { return Ok(None) };
    let refusals = refusals(store, inquiry.edit)?;
    let is_refused =
        |column: &ColumnName| refusals.iter().any(|it| it.denial.column.as_ref() == Some(column));
    let mut columns = inquiry.columns.iter().filter(|column| !is_refused(column)).peekable();
    if columns.peek().is_some()
        && let Some(counts) = in_log(store, inquiry.edit, sequence)?
        && columns.any(|column| !touches(&counts, column))
    {
        return Ok(None);
    }
    Ok(Some(admitted_before(sequence, &refusals)))
}

/// An admitted edit as the log has it; `None`: that was dropped, or is of an erased record.
fn in_log<S: ServerStore>(
    store: &S,
    edit: EditId,
    sequence: Sequence,
) -> Result<Option<Edit>, StoreError> {
    let before = Sequence(sequence.0.saturating_sub(1));
    let entry = store.log_after(before, 1)?.pop();
    let counts = entry.and_then(|entry| match entry.kind {
        EntryKind::Edit { edit: counts, .. } => Some(counts),
        EntryKind::Move(_) => None,
    });
    Ok(counts.filter(|counts| counts.id == edit && !counts.changes.is_empty()))
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
        &mut self,
        author: &Author<'_>,
        group: &[Edit],
    ) -> Result<Option<Vec<(EditId, Verdict)>>, StoreError> {
        for edit in group {
            self.refuse_what_counts_without(author, edit)?;
        }
        let answers = group.iter().map(|edit| {
            let answer = self.answer(edit)?;
            Ok(answer.map(|verdict| (edit.id, verdict)))
        });
        answers.collect()
    }

    /// An edit counts once. What was refused of it stands, and so does that all of it was, whoever brings
    /// it again and whatever the rules are by then: its author tries it again as another edit, or has
    /// thrown it away. So a copy of the author's file, or an author whose answer was lost, hears the same.
    fn answer(&self, edit: &Edit) -> Result<Option<Verdict>, StoreError> {
        let mut refusals = self.refusals(edit.id)?;
        let touched = |denial: &Denial| denial.column.as_ref().is_some_and(|it| touches(edit, it));
        refusals.retain(|it| !it.is_part || touched(&it.denial));
        if let Some(sequence) = self.admitted(edit.id)? {
            return Ok(Some(admitted_before(sequence, &refusals)));
        }
        if let Some((columns, epoch)) = columns(&refusals) {
            return Ok(Some(Verdict::Split { columns, epoch }));
        }
        Ok(refusals.pop().map(|Refusal { denial, epoch, .. }| Verdict::Denied { denial, epoch }))
    }

    fn refusals(&self, edit: EditId) -> Result<Vec<Refusal>, StoreError> {
        let mut refusals = refusals(self.store, edit)?;
        let new = self.refused.get(&edit).into_iter().flatten();
        refusals.extend(new.map(|it| Refusal { denial: it.denial.clone(), ..*it }));
        Ok(refusals)
    }

    /// Refuses the columns of an edit that counts without them, though nothing is kept of why: a copy of
    /// the device's file sent it so, when a backup was put back that does not know that they were
    /// refused.
    fn refuse_what_counts_without(
        &mut self,
        author: &Author<'_>,
        edit: &Edit,
    ) -> Result<(), StoreError> {
        let Some(sequence) = self.admitted(edit.id)? else { return Ok(()) };
        let Some(counts) = self.in_log(edit.id, sequence)? else { return Ok(()) };
        let columns: BTreeSet<_> = edit.ops().filter_map(Op::column).collect();
        let refusals = self.refusals(edit.id)?;
        for column in columns.into_iter().filter(|column| !touches(&counts, column)) {
            if refusals.iter().any(|it| it.denial.column.as_ref() == Some(column)) {
                continue;
            }
            let denial = Denial::counts_without(column.clone());
            self.keep_part_refused(edit, author.user, &denial)?;
        }
        Ok(())
    }

    /// An admitted edit as the log has it, or will have it after this round.
    fn in_log(&self, edit: EditId, sequence: Sequence) -> Result<Option<Edit>, StoreError> {
        let new = self.operations.iter().rev().find_map(|operation| match operation {
            Operation::Append { entry, .. } => match &entry.kind {
                EntryKind::Edit { edit: counts, .. } if counts.id == edit => Some(counts),
                _ => None,
            },
            _ => None,
        });
        match new {
            Some(counts) => Ok(Some(counts.clone())),
            None => in_log(self.store, edit, sequence),
        }
    }

    /// Keeps what an edit says of the column that is refused.
    pub(super) fn keep_part_refused(
        &mut self,
        edit: &Edit,
        user: &UserId,
        denial: &Denial,
    ) -> Result<(), StoreError> {
        let mut part = edit.clone();
        for change in &mut part.changes {
            let is_refused =
                |op: &Op| op.column().is_some() && op.column() == denial.column.as_ref();
            Arc::make_mut(change).ops.retain(is_refused);
        }
        part.changes.retain(|change| !change.ops.is_empty());
        self.keep_refused(part, true, user, denial)
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
