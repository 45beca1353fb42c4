//! Refused edits of which no server had heard when this device refused them, and that count all the same:
//! somebody had a copy of what was sent, and brought it later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ReplicaMachine;
use super::desk::Desk;
use crate::codec::Inquiry;
use crate::model::{
    Change, ChangeRef, Denial, Edit, EditId, Op, PolicyEpoch, Section, Sequence, Timestamp, Verdict,
};
use crate::sync::{Pending, Quarantined, ReplicaStore, StoreError, Turn};

/// What the server is asked about refused edits: whether their records were erased, and whether what it never
/// judged counts by now.
fn inquiries(refused: Vec<Quarantined>) -> Vec<Inquiry> {
    let mut asked: BTreeMap<EditId, (_, BTreeSet<_>)> = BTreeMap::new();
    for entry in refused {
        let (_, columns) = asked.entry(entry.edit).or_insert((entry.record, BTreeSet::new()));
        if entry.parked {
            columns.extend(entry.ops.iter().filter_map(Op::column).cloned());
        }
    }
    let inquiry = |(edit, (record, columns)): (EditId, (_, BTreeSet<_>))| Inquiry {
        columns: columns.into_iter().collect(),
        ..Inquiry::of_record(edit, record)
    };
    asked.into_iter().map(inquiry).collect()
}

impl ReplicaMachine {
    /// Notes that an edit of this device counts of which nothing is pending here.
    pub(super) fn note_counted(&mut self, id: EditId) {
        if let Some(session) = &mut self.session {
            session.counted.insert(id);
        }
    }

    /// What the server is to be asked about refused edits: about all at first, then about those of which it
    /// says that they count.
    pub(super) fn ask_of_refused<S: ReplicaStore>(
        &mut self,
        store: &S,
    ) -> Result<Vec<Inquiry>, StoreError> {
        let Some(session) = &mut self.session else { return Ok(Vec::new()) };
        let (is_first, counted) = (session.flush.0 == 0, std::mem::take(&mut session.counted));
        if !is_first && counted.is_empty() {
            return Ok(Vec::new());
        }
        let mut refused = store.quarantine()?;
        refused.retain(|entry| is_first || counted.contains(&entry.edit));
        Ok(inquiries(refused))
    }

    /// The server says what became of a refused edit.
    pub(super) fn of_refused<S: ReplicaStore>(
        &mut self,
        store: &S,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
        id: EditId,
        verdict: Verdict,
    ) -> Result<(), StoreError> {
        match verdict {
            Verdict::Erased => self.erase_refused(store, desk, now, id),
            Verdict::Admitted(sequence) => {
                self.counts_after_all(store, desk, now, (id, sequence), (&[], self.epoch))
            }
            Verdict::Partly { sequence, columns, epoch } => {
                self.counts_after_all(store, desk, now, (id, sequence), (&columns, epoch))
            }
            Verdict::Reauthor | Verdict::Denied { .. } | Verdict::Split { .. } => Ok(()),
        }
    }

    /// A refused edit counts, but for these columns: what no server had judged of it leaves quarantine, or
    /// stays there by the server's word.
    fn counts_after_all<S: ReplicaStore>(
        &mut self,
        store: &S,
        desk: &mut Desk<'_, S>,
        now: Timestamp,
        (id, sequence): (EditId, Sequence),
        (columns, epoch): (&[Denial], PolicyEpoch),
    ) -> Result<(), StoreError> {
        let (mut unjudged, judged): (Vec<_>, Vec<_>) =
            store.quarantine()?.into_iter().filter(|it| it.edit == id).partition(|it| it.parked);
        if unjudged.is_empty() {
            return Ok(());
        }
        for entry in &mut unjudged {
            for denial in columns {
                let is_refused =
                    |op: &mut Op| op.column().is_some() && op.column() == denial.column.as_ref();
                let ops: Vec<_> = entry.ops.extract_if(.., is_refused).collect();
                if !ops.is_empty() {
                    let entry = Quarantined {
                        ops,
                        denial: denial.clone(),
                        epoch,
                        parked: false,
                        at: now,
                        ..entry.clone()
                    };
                    desk.batch.quarantine.push(entry);
                }
            }
        }
        let pending = self.as_pending(id, &unjudged);
        self.keep_admitted(desk, pending, sequence);
        desk.batch.released.push(id);
        desk.remain.extend(judged);
        desk.admitted.push((id, sequence));
        self.note_left();
        Ok(())
    }

    /// What was refused of an edit as it would be sent again, if a server is restored that lacks it.
    fn as_pending(&mut self, id: EditId, refused: &[Quarantined]) -> Option<Pending> {
        let Quarantined { table, record, atomic, at, .. } = refused.first()?.clone();
        let declared = self.meta.schema.table(table.as_str())?;
        let mut sections: BTreeMap<Section, Vec<Op>> = BTreeMap::new();
        for op in refused.iter().flat_map(|entry| &entry.ops) {
            sections.entry(op.section(declared)).or_default().push(op.clone());
        }
        let change = |(section, ops)| {
            let id = ChangeRef { actor: self.fresh_actor(), seq: 1 };
            Arc::new(Change { section, id, time: at, deps: Vec::new(), ops })
        };
        let changes = sections.into_iter().map(change).collect();
        // Its parts count together again: who brought it may send the others.
        let edit = Edit { id, table, record, atomic, changes };
        Some(Pending { turn: Turn { counter: id.counter, part: id.part }, edit })
    }
}
