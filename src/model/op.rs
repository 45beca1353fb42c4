//! What one operation of a change does.

use serde::{Deserialize, Serialize};

use super::{
    BusinessUnitId, Column, ColumnName, ColumnPermissions, ColumnType, Owner, Principal,
    RecordState, Rights, Section, Table, Value,
};

/// One operation of a change. Positions count Unicode scalar values of a text and items of a list,
/// on the state that the operations before it left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// Header: the owner and that owner's business unit, together one value.
    Own {
        /// The new owner.
        owner: Owner,
        /// The owner's business unit.
        business_unit: BusinessUnitId,
    },
    /// Header: the record is there, or deleted.
    State(RecordState),
    /// Header: what a principal may do with the record, replacing what it could; none ends it.
    Share {
        /// To whom.
        to: Principal,
        /// The rights given.
        rights: Rights,
    },
    /// Columns: the column's value. Not for rich text, lists and maps, whose parts are edited.
    Put {
        /// Which column.
        column: ColumnName,
        /// Its new value.
        value: Value,
    },
    /// Rich text: takes characters out and puts others in their place.
    Splice {
        /// Which column.
        column: ColumnName,
        /// Where.
        at: u32,
        /// How many characters go.
        delete: u32,
        /// What comes instead.
        insert: String,
    },
    /// Counters: adds to it (or takes from it).
    Increment {
        /// Which column.
        column: ColumnName,
        /// How much.
        by: i64,
    },
    /// Lists: puts items in.
    ListInsert {
        /// Which column.
        column: ColumnName,
        /// The place that the first of them will have.
        at: u32,
        /// The items.
        values: Vec<Value>,
    },
    /// Lists: replaces an item.
    ListSet {
        /// Which column.
        column: ColumnName,
        /// Its place.
        at: u32,
        /// The new item.
        value: Value,
    },
    /// Lists: takes items out.
    ListRemove {
        /// Which column.
        column: ColumnName,
        /// The place of the first.
        at: u32,
        /// How many.
        count: u32,
    },
    /// Maps: the value of a key.
    MapPut {
        /// Which column.
        column: ColumnName,
        /// The key.
        key: String,
        /// Its value.
        value: Value,
    },
    /// Maps: takes a key away; nothing where it is not there.
    MapRemove {
        /// Which column.
        column: ColumnName,
        /// The key.
        key: String,
    },
    /// JSON: a leaf. What an app asks for may be any value: it becomes leaves.
    JsonPut {
        /// Which column.
        column: ColumnName,
        /// Its JSON pointer.
        path: String,
        /// Its text.
        leaf: String,
    },
    /// JSON: takes a leaf away; nothing where it is not there. What an app asks for may be an
    /// object: it goes with all that is in it.
    JsonRemove {
        /// Which column.
        column: ColumnName,
        /// Its JSON pointer.
        path: String,
    },
    /// Header: what a principal may do with a secured column of the record, replacing what it
    /// could; none ends it.
    ShareColumn {
        /// Which column.
        column: ColumnName,
        /// To whom.
        to: Principal,
        /// Read, update or both; `create` cannot be given.
        permissions: ColumnPermissions,
    },
}

impl Op {
    /// The section of a record of `table` that the operation belongs into.
    #[must_use]
    pub fn section(&self, table: &Table) -> Section {
        match self.column() {
            None => Section::Header,
            Some(column) => table.column(column.as_str()).map_or(Section::Main, Column::section),
        }
    }

    /// The column that the operation changes; `None`: it is one of the header's.
    #[must_use]
    pub fn column(&self) -> Option<&ColumnName> {
        match self {
            Self::Own { .. } | Self::State(_) | Self::Share { .. } | Self::ShareColumn { .. } => {
                None
            }
            Self::Put { column, .. }
            | Self::Splice { column, .. }
            | Self::Increment { column, .. }
            | Self::ListInsert { column, .. }
            | Self::ListSet { column, .. }
            | Self::ListRemove { column, .. }
            | Self::MapPut { column, .. }
            | Self::MapRemove { column, .. }
            | Self::JsonPut { column, .. }
            | Self::JsonRemove { column, .. } => Some(column),
        }
    }

    /// The type of column whose parts the operation changes; `None` for those that replace a
    /// plain value, and for the header's.
    #[must_use]
    pub fn merging_type(&self) -> Option<ColumnType> {
        match self {
            Self::Splice { .. } => Some(ColumnType::RichText),
            Self::Increment { .. } | Self::Put { value: Value::Counter(_), .. } => {
                Some(ColumnType::Counter)
            }
            Self::ListInsert { .. } | Self::ListSet { .. } | Self::ListRemove { .. } => {
                Some(ColumnType::List)
            }
            Self::MapPut { .. } | Self::MapRemove { .. } => Some(ColumnType::Map),
            Self::JsonPut { .. } | Self::JsonRemove { .. } => Some(ColumnType::Json),
            Self::Put { .. }
            | Self::Own { .. }
            | Self::State(_)
            | Self::Share { .. }
            | Self::ShareColumn { .. } => None,
        }
    }

    /// Whether it names places in a text or list, which move when others edit it.
    #[must_use]
    pub fn is_positional(&self) -> bool {
        matches!(self.merging_type(), Some(ColumnType::RichText | ColumnType::List))
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Own { .. } => "own",
            Self::State(_) => "state",
            Self::Share { .. } => "share",
            Self::ShareColumn { .. } => "share column",
            Self::Put { .. } => "put",
            Self::Splice { .. } => "splice",
            Self::Increment { .. } => "increment",
            Self::ListInsert { .. } => "list insert",
            Self::ListSet { .. } => "list set",
            Self::ListRemove { .. } => "list remove",
            Self::MapPut { .. } => "map put",
            Self::MapRemove { .. } => "map remove",
            Self::JsonPut { .. } => "json put",
            Self::JsonRemove { .. } => "json remove",
        }
    }

    /// How many values it brings beyond one: each is an operation when it is carried out.
    #[must_use]
    pub fn held(&self) -> usize {
        let within = |value: &Value| match value {
            Value::List(items) => items.len(),
            Value::Map(entries) => entries.len(),
            _ => 0,
        };
        match self {
            Self::Put { value, .. } | Self::ListSet { value, .. } | Self::MapPut { value, .. } => {
                within(value)
            }
            Self::ListInsert { values, .. } => {
                values.len() + values.iter().map(within).sum::<usize>()
            }
            _ => 0,
        }
    }

    /// What it takes in memory and on the wire, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        16 + match self {
            Self::Put { value, .. } | Self::ListSet { value, .. } => value.size(),
            Self::Splice { insert, .. } => insert.len(),
            Self::ListInsert { values, .. } => values.iter().map(Value::size).sum(),
            Self::MapPut { key, value, .. } => key.len() + value.size(),
            Self::MapRemove { key, .. } => key.len(),
            Self::JsonPut { path, leaf, .. } => path.len() + leaf.len(),
            Self::JsonRemove { path, .. } => path.len(),
            Self::Own { .. }
            | Self::State(_)
            | Self::Share { .. }
            | Self::ShareColumn { .. }
            | Self::Increment { .. }
            | Self::ListRemove { .. } => 0,
        }
    }
}
