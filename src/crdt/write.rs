//! Operations by meaning, carried out on an Automerge transaction.

use automerge::transaction::{Transactable, Transaction};
use automerge::{ObjId, ROOT, ReadDoc as _, ScalarValue};

use super::container::Container;
use super::{CrdtError, scalar};
use crate::model::{
    CHARS, ColumnName, ENTRIES, ITEMS, MisfitOpError, Op, Section, Value, check_splice, index,
};

pub(super) const OWNER: &str = "owner";
pub(super) const STATE: &str = "state";
pub(super) const SHARE: &str = "share:";
pub(super) const SHARE_COLUMN: &str = "share-column:";

/// Carries out one operation. The containers that it needs are there.
pub(super) fn write(tx: &mut Transaction<'_>, section: &Section, op: &Op) -> Result<(), CrdtError> {
    let fits = match (section, op.column()) {
        (Section::Header, None) | (Section::Main | Section::Group(_), Some(_)) => true,
        (Section::Secured(own), Some(column)) => own == column,
        (Section::Header, Some(_))
        | (Section::Main | Section::Group(_) | Section::Secured(_), None) => false,
    };
    if !fits {
        return Err(CrdtError::ForeignOp { section: section.clone(), op: op.name() });
    }
    op.check()?;
    match (op, Container::of(op)) {
        (Op::Own { owner, business_unit }, _) => {
            tx.put(ROOT, OWNER, scalar::from_owner(owner, business_unit))?;
        }
        (Op::State(state), _) => tx.put(ROOT, STATE, scalar::from_state(*state))?,
        (Op::Share { to, rights }, _) => {
            tx.put(ROOT, format!("{SHARE}{to}"), scalar::from_rights(*rights))?;
        }
        (Op::ShareColumn { column, to, permissions }, _) => {
            // No name holds a control character.
            let key = format!("{SHARE_COLUMN}{column}\n{to}");
            tx.put(ROOT, key, scalar::from_permissions(*permissions))?;
        }
        (Op::Put { column, value }, None) => put(tx, column.as_str(), column, value)?,
        (Op::Put { column, value }, Some(container)) => put(tx, container.key(), column, value)?,
        (Op::Increment { by, .. }, Some(container)) => tx.increment(ROOT, container.key(), *by)?,
        (parts, Some(container)) => {
            let object = container.object(tx)?;
            write_part(tx, &object, parts)?;
        }
        (_, None) => {
            return Err(CrdtError::ForeignOp { section: section.clone(), op: op.name() });
        }
    }
    Ok(())
}

fn put(
    tx: &mut Transaction<'_>,
    key: &str,
    column: &ColumnName,
    value: &Value,
) -> Result<(), CrdtError> {
    let Some(scalar) = scalar::from_value(value) else {
        let (column, op) = (column.clone(), "put");
        return Err(MisfitOpError::OtherKind { column, op }.into());
    };
    Ok(tx.put(ROOT, key, scalar)?)
}

/// What a list or map holds.
fn item(column: &ColumnName, value: &Value) -> Result<ScalarValue, CrdtError> {
    scalar::from_value(value).ok_or_else(|| {
        let (column, op) = (column.clone(), "item");
        MisfitOpError::OtherKind { column, op }.into()
    })
}

fn write_part(tx: &mut Transaction<'_>, object: &ObjId, op: &Op) -> Result<(), CrdtError> {
    match op {
        Op::Splice { column, at, delete, insert } => {
            let splice = (*at, *delete, insert.chars().count());
            check_splice(column, tx.length(object), splice, CHARS)?;
            tx.splice_text(object, index(*at), (*delete).try_into().unwrap_or(0), insert)?;
        }
        Op::ListInsert { column, at, values } => {
            check_splice(column, tx.length(object), (*at, 0, values.len()), ITEMS)?;
            let values: Vec<_> =
                values.iter().map(|value| item(column, value)).collect::<Result<_, _>>()?;
            tx.splice(object, index(*at), 0, values)?;
        }
        Op::ListSet { column, at, value } => {
            check_splice(column, tx.length(object), (*at, 1, 0), ITEMS)?;
            tx.put(object, index(*at), item(column, value)?)?;
        }
        Op::ListRemove { column, at, count } => {
            check_splice(column, tx.length(object), (*at, *count, 0), ITEMS)?;
            let none: [ScalarValue; 0] = [];
            tx.splice(object, index(*at), (*count).try_into().unwrap_or(0), none)?;
        }
        Op::MapPut { column, key, value } => {
            if tx.get(object, key.as_str())?.is_none() {
                check_splice(column, tx.length(object), (0, 0, 1), ENTRIES)?;
            }
            tx.put(object, key.as_str(), item(column, value)?)?;
        }
        Op::JsonPut { column, path, leaf } => {
            if tx.get(object, path.as_str())?.is_none() {
                check_splice(column, tx.length(object), (0, 0, 1), ENTRIES)?;
            }
            tx.put(object, path.as_str(), leaf.as_str())?;
        }
        Op::MapRemove { key, .. } | Op::JsonRemove { path: key, .. } => {
            if tx.get(object, key.as_str())?.is_some() {
                tx.delete(object, key.as_str())?;
            }
        }
        other => {
            return Err(CrdtError::ForeignOp { section: Section::Main, op: other.name() });
        }
    }
    Ok(())
}
