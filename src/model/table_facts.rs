//! What the gate must know of a table.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ColumnName, Ownership, Schema, Table, TableName};

/// The part of a table's declaration that privileges depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFacts {
    /// Its name.
    pub id: TableName,
    /// Whether its records belong to someone.
    pub ownership: Ownership,
    /// The columns that need a column permission.
    pub secured: BTreeSet<ColumnName>,
    /// The lookup columns, each with the table it points at.
    pub lookups: BTreeMap<ColumnName, TableName>,
}

impl TableFacts {
    /// Whether its records have an owner.
    #[must_use]
    pub fn is_user_owned(&self) -> bool {
        self.ownership == Ownership::UserOwned
    }
}

impl From<&Table> for TableFacts {
    fn from(table: &Table) -> Self {
        let secured = table.columns.iter().filter(|column| column.secured);
        let lookups = table.columns.iter();
        Self {
            id: table.id.clone(),
            ownership: table.ownership,
            secured: secured.map(|column| column.id.clone()).collect(),
            lookups: lookups
                .filter_map(|column| Some((column.id.clone(), column.lookup.clone()?)))
                .collect(),
        }
    }
}

impl Schema {
    /// What the gate must know of each table.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<TableName, TableFacts> {
        self.tables.iter().map(|(id, table)| (id.clone(), table.into())).collect()
    }
}
