//! What offline profiles ask of records, beside their headers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ColumnName, Columns, SYSTEM_KEY, SystemTable, TableName, Value};

/// The columns that decide what profiles take: those that their filters read, and the lookups that they
/// follow; of each table that they take or ask. The log keeps what these were before an edit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Asked(BTreeMap<TableName, BTreeSet<ColumnName>>);

impl Asked {
    /// Whether nothing is asked of any table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this column is asked.
    #[must_use]
    pub fn asks(&self, table: &TableName, column: &ColumnName) -> bool {
        self.0.get(table).is_some_and(|columns| columns.contains(column))
    }

    /// Asks something of a table, be it of its headers only.
    pub fn table(&mut self, table: &TableName) -> &mut BTreeSet<ColumnName> {
        self.0.entry(table.clone()).or_default()
    }

    /// Asks all that another asks, too. Whether that is more than before.
    pub fn add(&mut self, other: &Self) -> bool {
        let mut is_more = false;
        for (table, columns) in &other.0 {
            is_more |= !self.0.contains_key(table);
            let known = self.table(table);
            for column in columns {
                is_more |= known.insert(column.clone());
            }
        }
        is_more
    }

    /// What is asked of a record with these columns; `None`: nothing of its table. Of a row of a system table
    /// that is its key, too: by that it is looked up as an owner or a unit.
    #[must_use]
    pub fn of(&self, table: &TableName, columns: &Columns) -> Option<Columns> {
        let asked = self.0.get(table)?;
        let is_system = SystemTable::of(table).is_some();
        let is_key = |column: &ColumnName| is_system && column.as_str() == SYSTEM_KEY;
        let pairs = columns.iter().filter(|(column, value)| {
            (asked.contains(column.as_str()) || is_key(column)) && **value != Value::Null
        });
        Some(pairs.map(|(column, value)| (column.clone(), value.clone())).collect())
    }
}
