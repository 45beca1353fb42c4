//! What the server does to records, beside what people do.

use std::sync::Arc;

use super::ruling::Admissible;
use super::{Directory, Knowledge};
use crate::crdt::Record;
use crate::model::{
    ActorId, BusinessUnitId, Change, ChangeRef, DeviceNumber, Edit, EditId, Op, Owner, Section,
    Timestamp,
};

/// How records follow an owner who moved to another business unit. With a record's header it says all
/// of the edit by which that one follows, so that the edit itself need not be kept or sent: who has
/// the same header makes the same, to the bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    /// Who moved.
    pub owner: Owner,
    /// Where to.
    pub business_unit: BusinessUnitId,
    /// Who writes the change. It writes one of each record, and nothing else.
    pub actor: ActorId,
    /// When, by the server's clock.
    pub at: Timestamp,
}

impl Follow {
    /// The edit by which a record follows. `None`: it is not the owner's, or it is there already.
    #[must_use]
    pub fn edit(&self, record: &Record) -> Option<Edit> {
        let Self { owner, business_unit, actor, at } = self;
        let (held, unit) = record.header().owner.as_ref()?;
        if held != owner || unit == business_unit {
            return None;
        }
        let change = Change {
            section: Section::Header,
            id: ChangeRef { actor: *actor, seq: 1 },
            time: *at,
            deps: record.heads(&Section::Header).to_vec(),
            ops: vec![Op::Own { owner: owner.clone(), business_unit: business_unit.clone() }],
        };
        // What is not sent needs no name.
        let id = EditId { device: DeviceNumber::SERVER, counter: 0, part: 0 };
        let (table, record) = (record.table().clone(), record.id());
        Some(Edit { id, table, record, atomic: 0, changes: vec![Arc::new(change)] })
    }
}

/// Admits that a record follows its owner, who moved to another business unit: nobody's edit, and
/// so nobody's privileges are asked. `None`: the edit does anything else, or builds on another
/// header than the record's.
#[must_use]
pub fn follow_owner(directory: &dyn Directory, record: &Record, edit: &Edit) -> Option<Admissible> {
    let [change] = edit.changes.as_slice() else { return None };
    let [Op::Own { owner, business_unit }] = change.ops.as_slice() else { return None };
    let header = record.section(&Section::Header)?;
    let is_of_record = edit.table == *record.table()
        && edit.record == record.id()
        && change.section == Section::Header
        && change.deps == header.heads();
    let (held, old) = record.header().owner.as_ref()?;
    let follows = held == owner
        && old != business_unit
        && directory.business_unit(owner) == Knowledge::Known(business_unit);
    (is_of_record && follows).then(|| Admissible::certain(edit.clone()))
}

/// Admits that the server writes sections of a record anew, each as one change from nothing: nobody's
/// edit, since it changes no value. `None`: it does, or does anything else.
#[must_use]
pub fn renew(record: &Record, edit: &Edit) -> Option<Admissible> {
    let is_new = |change: &Arc<Change>| change.begins_generation();
    if edit.changes.is_empty() || !edit.changes.iter().all(is_new) {
        return None;
    }
    let mut renewed = record.clone();
    renewed.merge(edit).ok()?;
    let is_same = renewed.columns() == record.columns() && renewed.header() == record.header();
    is_same.then(|| Admissible::certain(edit.clone()))
}
