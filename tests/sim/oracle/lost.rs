//! Nothing that an app made is lost, and nothing counts twice.

use tidegate::model::{Edit, Op};

use crate::app::{quarantined_ops, without_unit};
use crate::device::Once;
use crate::world::{Check, World};

impl World {
    /// Each operation that was made is in the log, in quarantine, or was thrown away.
    pub(crate) fn check_nothing_lost(&self, at: usize) -> Check {
        let (is_out, is_unknown) = (!self.may_connect(at), self.is_unknown(at));
        let device = &self.devices[at];
        for (id, made) in &device.made {
            let mut log = self.disk.file.deeds.iter();
            // Its number may be another's by now.
            let logged = log.find(|entry| entry.edit.id == *id && !is_unknown);
            let quarantined = quarantined_ops(&device.disk.file.quarantine, *id);
            // An owner that is tried again brings its business unit of then.
            let is_again = self.tried_again.contains(id);
            let said = |op: &Op| if is_again { without_unit(op) } else { op.clone() };
            let is_same = |op: &Op, other: &Op| is_same(&said(op), &said(other));
            let mut left = made.ops.clone();
            let logged = logged.into_iter().flat_map(|entry| entry.edit.ops());
            // A device that could not enrol keeps what it has.
            let pending = device.disk.file.pending.values().filter(|edit| edit.id == *id);
            // One that is not let in any more keeps what a backup may lack.
            let kept = device.disk.file.kept.values().map(|kept| &kept.edit);
            let kept = kept.filter(|edit| edit.id == *id && is_out);
            let found = logged.chain(pending.chain(kept).flat_map(Edit::ops));
            let once = if is_out { made.once.max(Once::AtLeast) } else { made.once };
            for op in found.chain(&quarantined).chain(&made.dealt_with) {
                match left.iter().position(|it| is_same(it, op)) {
                    Some(at) => drop(left.remove(at)),
                    None if once > Once::Exactly && made.ops.iter().any(|it| is_same(it, op)) => {}
                    None => return Err(format!("{id}: {op:?} appears from nowhere, or twice")),
                }
            }
            // Of a record that others created under the same key the header is theirs.
            left.retain(|op| !made.creates || op.column().is_some());
            if self.ever.erased.contains(&made.record) || once == Once::Perhaps {
                left.clear();
            }
            if !left.is_empty() {
                return Err(format!("{id}: {left:?} is lost"));
            }
        }
        Ok(())
    }
}

/// Whether an operation is this one, wherever in a text or list it is now.
fn is_same(op: &Op, other: &Op) -> bool {
    let somewhere = |op: &Op| {
        let mut op = op.clone();
        if let Op::Splice { at, .. } | Op::ListInsert { at, .. } = &mut op {
            *at = 0;
        }
        op
    };
    somewhere(op) == somewhere(other)
}
