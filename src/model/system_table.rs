//! System tables: the people of the organization as rows, which the server keeps and nobody else
//! writes.

use std::collections::BTreeSet;

use super::{Column, ColumnName, ColumnType, Ownership, RecordId, Table, TableName, TeamId, Value};

/// A table whose rows the server keeps, from the organization. A schema has it or not; its name is no
/// other table's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemTable {
    /// The users.
    User,
    /// The teams, of either kind.
    Team,
    /// The business units.
    BusinessUnit,
}

/// The column that holds the id that the organization gave.
pub const SYSTEM_KEY: &str = "key";

impl SystemTable {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::Team, Self::BusinessUnit];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Team => "team",
            Self::BusinessUnit => "business_unit",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> TableName {
        TableName::known(self.as_str())
    }

    /// The one of this name.
    #[must_use]
    pub fn of(table: &TableName) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == table.as_str())
    }

    /// The record of the user, team or unit of this id.
    #[must_use]
    pub fn record(self, id: &str) -> RecordId {
        RecordId::from_key(&self.name(), &[Value::Text(id.into())])
    }

    /// Who owns the rows of units, in their unit: nobody is a member, and no organization has a team
    /// of this name.
    #[must_use]
    pub fn owner_of_units() -> TeamId {
        TeamId::known(Self::BusinessUnit.as_str())
    }

    /// The table, with these columns secured.
    #[must_use]
    pub fn table(self, secured: &BTreeSet<ColumnName>) -> Table {
        let column = |id: &'static str, column_type, required| Column {
            required,
            secured: secured.contains(id),
            ..Column::new(ColumnName::known(id), column_type)
        };
        let lookup =
            |id| Column { lookup: Some(self.name()), ..column(id, ColumnType::Lookup, false) };
        let kinds = ["owner", "access"].map(str::to_owned).to_vec();
        let own = match self {
            Self::User => vec![
                lookup("manager"),
                column("position", ColumnType::Text, false),
                column("disabled", ColumnType::Boolean, false),
            ],
            Self::Team => {
                vec![Column { choices: kinds, ..column("kind", ColumnType::Choice, false) }]
            }
            Self::BusinessUnit => vec![lookup("parent")],
        };
        let text = |id| column(id, ColumnType::Text, true);
        let mut columns = vec![text(SYSTEM_KEY), text("name")];
        columns.extend(own);
        let key = vec![ColumnName::known(SYSTEM_KEY)];
        Table { key, ..Table::new(self.name(), Ownership::UserOwned, columns) }
    }
}

impl Table {
    /// Whether the server keeps its rows, and nobody else writes them.
    #[must_use]
    pub fn is_system(&self) -> bool {
        SystemTable::of(&self.id).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_of_system_tables_have_ids_of_their_form() {
        for table in SystemTable::ALL {
            assert_eq!(SystemTable::of(&table.name()), Some(table));
            assert!(table.record("ann").is_system());
            assert_ne!(table.record("ann"), table.record("ben"));
            let declared = table.table(&BTreeSet::new());
            assert!(declared.is_system() && declared.column(SYSTEM_KEY).is_some());
        }
        let key = [Value::Text("ann".into())];
        assert!(!RecordId::from_key(&"users".parse().unwrap(), &key).is_system());
        assert!(!RecordId::new(crate::model::Timestamp::default(), [0xff; 10]).is_system());
    }
}
