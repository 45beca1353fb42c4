//! Operations as people read them.

use std::fmt;

use super::{ColumnPermissions, Op, Right, Rights, Value};

/// Names, with commas between them.
fn listed<'a>(f: &mut fmt::Formatter<'_>, names: impl Iterator<Item = &'a str>) -> fmt::Result {
    let names: Vec<_> = names.collect();
    f.write_str(&if names.is_empty() { "nothing".to_owned() } else { names.join(", ") })
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        listed(f, self.iter().map(Right::as_str))
    }
}

impl fmt::Display for ColumnPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [(self.read, "read"), (self.create, "create"), (self.update, "update")];
        listed(f, named.into_iter().filter_map(|(is_given, name)| is_given.then_some(name)))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { column, value } => write!(f, "{column} = {value}"),
            Self::Own { owner, business_unit } => write!(f, "owner = {owner} in {business_unit}"),
            Self::State(state) => f.write_str(&format!("state = {state:?}").to_lowercase()),
            Self::Share { to, rights } => write!(f, "shared with {to}: {rights}"),
            Self::ShareColumn { column, to, permissions } => {
                write!(f, "{column} shared with {to}: {permissions}")
            }
            Self::Splice { column, at, delete, insert } => {
                write!(f, "{column}: {insert:?} in place of {delete} characters at {at}")
            }
            Self::Increment { column, by } => write!(f, "{column}: {by:+}"),
            Self::ListInsert { column, at, values } => {
                write!(f, "{column}: {} put in at {at}", Value::List(values.clone()))
            }
            Self::ListSet { column, at, value } => write!(f, "{column}[{at}] = {value}"),
            Self::ListRemove { column, at, count } => {
                write!(f, "{column}: {count} taken out at {at}")
            }
            Self::MapPut { column, key, value } => write!(f, "{column}[{key:?}] = {value}"),
            Self::MapRemove { column, key } => write!(f, "{column}[{key:?}] taken out"),
            Self::JsonPut { column, path, leaf } => write!(f, "{column}{path} = {leaf}"),
            Self::JsonRemove { column, path } => write!(f, "{column}{path} taken out"),
        }
    }
}
