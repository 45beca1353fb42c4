//! Tables and their columns.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ColumnEdit, ColumnName, ColumnType, Columns, DisplayName, GroupName, Index, MisfitOpError, Op,
    Section, TableName, Value, View, ViewName,
};

/// Whether records of a table belong to someone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// Each record has an owner (a user or an owner team) and that owner's business unit.
    UserOwned,
    /// Records belong to the organization: no owner, no business unit.
    OrganizationOwned,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its id, which never changes: what programs, filters, policies, files and messages say.
    pub id: ColumnName,
    /// What people call it, where that is not its id; it may change at any time.
    pub name: Option<DisplayName>,
    /// What values it holds.
    pub column_type: ColumnType,
    /// Whether a record must have a value in it.
    pub required: bool,
    /// What it reads as where a record has no value in it. Only a required column has one, so that
    /// records from before it was, or from devices that do not know it yet, have a value all the same.
    pub default: Option<Value>,
    /// Whether only those with a column permission may read or write it.
    pub secured: bool,
    /// The group that it belongs to. A secured column belongs to none.
    pub group: Option<GroupName>,
    /// The values of a [`ColumnType::Choice`], in the order declared; empty for other types.
    pub choices: Vec<String>,
    /// The table that a [`ColumnType::Lookup`] points at.
    pub lookup: Option<TableName>,
}

/// Why a value does not fit a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MisfitError {
    /// The value has another type than the column.
    #[error("column `{column}` holds {expected}, not {found}")]
    Type {
        /// The column.
        column: ColumnName,
        /// The column's type.
        expected: ColumnType,
        /// The value's type.
        found: ColumnType,
    },
    /// A required column would be empty.
    #[error("column `{0}` is required")]
    Required(ColumnName),
    /// Not one of the declared choices.
    #[error("`{value}` is not a choice of column `{column}`; it has: {choices}")]
    Choice {
        /// The column.
        column: ColumnName,
        /// The value given.
        value: String,
        /// The choices, for people.
        choices: String,
    },
    /// The text is longer than [`crate::limits::TEXT_BYTES_MAX`].
    #[error("the text for column `{column}` has {bytes} bytes, at most {max} are allowed", max = crate::limits::TEXT_BYTES_MAX)]
    TextTooLong {
        /// The column.
        column: ColumnName,
        /// The text's length.
        bytes: usize,
    },
    /// A float that is not a number.
    #[error("column `{0}` cannot hold NaN")]
    NotANumber(ColumnName),
    /// A value of another type says nothing as a value of the column's.
    #[error("column `{column}` holds {expected}, and the {found} `{value}` is none without loss")]
    Loss {
        /// The column.
        column: ColumnName,
        /// The column's type.
        expected: ColumnType,
        /// The value's type.
        found: ColumnType,
        /// The value, cut if it is long.
        value: String,
    },
    /// A part of the value does not fit, or there are too many.
    #[error(transparent)]
    Part(#[from] MisfitOpError),
}

/// Characters of a value that a message shows.
const SHOWN_CHARS: usize = 60;

impl Column {
    /// An optional column that nothing more is said of.
    #[must_use]
    pub fn new(id: ColumnName, column_type: ColumnType) -> Self {
        Self {
            id,
            name: None,
            column_type,
            required: false,
            default: None,
            secured: false,
            group: None,
            choices: Vec::new(),
            lookup: None,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_ref().map_or(self.id.as_str(), DisplayName::as_str)
    }

    /// What a value reads as in this column: itself, or what it says as the column's type where it is
    /// from a time when that was another, or where there is none the default.
    ///
    /// # Errors
    /// It is none for the column.
    pub fn read<'v>(&'v self, value: &'v Value) -> Result<Cow<'v, Value>, MisfitError> {
        let Some(found) = value.column_type() else {
            return match &self.default {
                Some(default) => Ok(Cow::Borrowed(default)),
                None => self.accepts(value).map(|()| Cow::Borrowed(value)),
            };
        };
        let expected = self.column_type;
        if found == expected || !found.converts() || !expected.converts() {
            return self.accepts(value).map(|()| Cow::Borrowed(value));
        }
        let Some(converted) = value.converted(expected) else {
            let value = value.to_string().chars().take(SHOWN_CHARS).collect();
            return Err(MisfitError::Loss { column: self.id.clone(), expected, found, value });
        };
        self.accepts(&converted).map(|()| Cow::Owned(converted))
    }

    /// The section that holds it.
    #[must_use]
    pub fn section(&self) -> Section {
        match &self.group {
            _ if self.secured => Section::Secured(self.id.clone()),
            Some(group) => Section::Group(group.clone()),
            None => Section::Main,
        }
    }

    /// Checks that the column can hold `value`.
    ///
    /// # Errors
    /// Says what about the value does not fit.
    pub fn accepts(&self, value: &Value) -> Result<(), MisfitError> {
        let Some(found) = value.column_type() else {
            return if self.required && self.default.is_none() {
                Err(MisfitError::Required(self.id.clone()))
            } else {
                Ok(())
            };
        };
        if found != self.column_type {
            let (column, expected) = (self.id.clone(), self.column_type);
            return Err(MisfitError::Type { column, expected, found });
        }
        match value {
            Value::Choice(value) if !self.choices.iter().any(|it| *value == **it) => {
                Err(MisfitError::Choice {
                    column: self.id.clone(),
                    value: value.to_string(),
                    choices: self.choices.join(", "),
                })
            }
            Value::Text(text) if text.len() > crate::limits::TEXT_BYTES_MAX => {
                Err(MisfitError::TextTooLong { column: self.id.clone(), bytes: text.len() })
            }
            Value::Float(number) if number.is_nan() => {
                Err(MisfitError::NotANumber(self.id.clone()))
            }
            Value::Bytes(bytes) => {
                let (id, found) = (&self.id, bytes.len());
                Ok(MisfitOpError::bound(id, "bytes", found, crate::limits::BYTES_MAX)?)
            }
            Value::RichText(_)
            | Value::Counter(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Json(_) => {
                let nothing = Columns::new();
                let mut edit = ColumnEdit::new(&nothing);
                let ops = Op::difference(&self.id, &Value::Null, value);
                Ok(ops.iter().try_for_each(|op| edit.apply(op))?)
            }
            _ => Ok(()),
        }
    }
}

/// The column of an open table that holds what no other column declares; no other table has one of
/// this name.
pub const OPEN_COLUMN: &str = "open_fields";

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its id, which never changes.
    pub id: TableName,
    /// What people call it, where that is not its id; it may change at any time.
    pub name: Option<DisplayName>,
    /// Whether its records belong to someone.
    pub ownership: Ownership,
    /// Its columns, in the order declared.
    pub columns: Vec<Column>,
    /// Whether its records may hold what no column declares: the table has a column
    /// [`OPEN_COLUMN`] then, an object whose entries are read and written like columns.
    pub open: bool,
    /// The columns whose values make a record's id, so that importing again updates; empty: ids
    /// are random or given.
    pub key: Vec<ColumnName>,
    /// By which columns devices find its rows without going through all of them.
    pub indexes: Vec<Index>,
}

impl Table {
    /// A table that nothing more is said of.
    #[must_use]
    pub fn new(id: TableName, ownership: Ownership, columns: Vec<Column>) -> Self {
        let (key, indexes) = (Vec::new(), Vec::new());
        Self { id, name: None, ownership, columns, open: false, key, indexes }
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_ref().map_or(self.id.as_str(), DisplayName::as_str)
    }

    /// The place among the columns of the one with this id, or else of the one that people call so.
    #[must_use]
    pub fn find_column(&self, id_or_name: &str) -> Option<usize> {
        let by_id = self.columns.iter().position(|column| column.id.as_str() == id_or_name);
        by_id.or_else(|| self.columns.iter().position(|column| column.label() == id_or_name))
    }

    /// The column of this id.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.id.as_str() == name)
    }

    /// The column that holds what no other declares, where the table is open.
    #[must_use]
    pub fn open_column(&self) -> Option<&Column> {
        self.column(OPEN_COLUMN).filter(|_| self.open)
    }

    /// Whether its records have an owner.
    #[must_use]
    pub fn is_user_owned(&self) -> bool {
        self.ownership == Ownership::UserOwned
    }
}

/// The tables that an app works with, and what it shows of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Schema {
    /// The tables, by id.
    pub tables: BTreeMap<TableName, Table>,
    /// The views, by name.
    pub views: BTreeMap<ViewName, View>,
}

impl Schema {
    /// What of the schema concerns someone who may do anything with these tables alone: the tables, and
    /// of each other that they look up what it takes to name a record of it, which is its key. Views are
    /// all there.
    #[must_use]
    pub fn part(&self, is_own: impl Fn(&TableName) -> bool) -> Self {
        let own: Vec<_> = self.tables.values().filter(|table| is_own(&table.id)).collect();
        let looked_up = own.iter().flat_map(|table| &table.columns);
        let looked_up = looked_up.filter_map(|column| self.tables.get(column.lookup.as_ref()?));
        let keyed = |table: &Table| Table {
            columns: table
                .columns
                .iter()
                .filter(|it| table.key.contains(&it.id))
                .cloned()
                .collect(),
            open: false,
            indexes: Vec::new(),
            ..table.clone()
        };
        let mut tables: BTreeMap<_, _> =
            looked_up.map(|table| (table.id.clone(), keyed(table))).collect();
        tables.extend(own.into_iter().map(|table| (table.id.clone(), table.clone())));
        Self { tables, views: self.views.clone() }
    }

    /// The table of this id.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The view of this name.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<&View> {
        self.views.get(name)
    }
}
