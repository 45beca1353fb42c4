//! The lookups of a schema: what relationships can go by.

use crate::model::{Schema, SystemTable, TableName};

/// A lookup from one table to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lookup {
    /// The table that has it.
    pub(super) of: TableName,
    /// Its column; or the owner, or the owner's unit.
    pub(super) by: String,
    /// The table that it leads to.
    pub(super) to: TableName,
    /// Whether each record must have one.
    pub(super) is_required: bool,
}

impl Lookup {
    /// From which table it leads to which, and how that is called in the entry of the second.
    pub(super) fn ways(&self) -> [(&TableName, &TableName, String); 2] {
        let up = format!("{}.{}", self.of, self.by);
        [(&self.of, &self.to, up), (&self.to, &self.of, self.by.clone())]
    }
}

/// All lookups between these tables, in the order of the schema.
pub(super) fn lookups(schema: &Schema, of: impl Fn(&TableName) -> bool) -> Vec<Lookup> {
    let mut found = Vec::new();
    for table in schema.tables.values().filter(|table| of(&table.id)) {
        let mut add = |by: &str, to: &TableName, is_required| {
            if of(to) {
                let (of, by, to) = (table.id.clone(), by.to_owned(), to.clone());
                found.push(Lookup { of, by, to, is_required });
            }
        };
        for column in &table.columns {
            if let Some(to) = &column.lookup {
                add(column.id.as_str(), to, column.required);
            }
        }
        if table.is_user_owned() {
            add("owner", &SystemTable::User.name(), false);
            add("owner", &SystemTable::Team.name(), false);
            add("business_unit", &SystemTable::BusinessUnit.name(), false);
        }
    }
    found
}
