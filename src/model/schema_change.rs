//! How one schema differs from another, and what that means to records and devices.

use std::fmt;

use serde::Serialize;

use super::{Column, ColumnName, ColumnType, Schema, Table, TableName};

/// One difference between two schemas.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SchemaChange {
    /// The table.
    pub table: TableName,
    /// The column; `None`: it is of the table as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<ColumnName>,
    /// What is otherwise.
    #[serde(flatten)]
    pub what: SchemaChangeKind,
}

/// What is otherwise of a table or column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SchemaChangeKind {
    /// It is new, or comes back.
    Added,
    /// It goes.
    Removed,
    /// People call it otherwise.
    Renamed {
        /// What they called it.
        from: String,
        /// What they call it now.
        to: String,
    },
    /// A column holds values of another type.
    Retyped {
        /// The type before.
        from: ColumnType,
        /// The type now.
        to: ColumnType,
    },
    /// A record must have a value in the column.
    Required {
        /// What it reads as where there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        default: Option<String>,
    },
    /// A record need not have a value in the column any more.
    Optional,
    /// The column reads as something else where there is no value.
    DefaultChanged {
        /// As what.
        #[serde(skip_serializing_if = "Option::is_none")]
        default: Option<String>,
    },
    /// A choice can be made.
    ChoiceAdded {
        /// Which.
        choice: String,
    },
    /// A choice cannot be made any more.
    ChoiceRemoved {
        /// Which.
        choice: String,
    },
    /// The column looks up another table.
    LooksUp {
        /// Which.
        target: String,
    },
    /// Only those with a column permission may read or write the column.
    Secured,
    /// The column needs no permission any more.
    Unsecured,
    /// The column is in another column group.
    Grouped {
        /// Which; `None`: in none.
        group: Option<String>,
    },
    /// Records of the table belong to someone, or do not any more.
    OwnershipChanged,
    /// Other columns make the ids of records.
    KeyChanged,
    /// Records may hold what no column declares.
    Opened,
    /// Records may hold declared columns alone.
    Closed,
    /// Devices find rows of the table by other columns.
    Reindexed,
    /// A view of the table is new.
    ViewAdded {
        /// Which.
        view: String,
    },
    /// A view of the table goes.
    ViewRemoved {
        /// Which.
        view: String,
    },
    /// A view of the table shows something else.
    ViewChanged {
        /// Which.
        view: String,
    },
}

impl SchemaChangeKind {
    /// What it means to records and devices.
    #[must_use]
    pub fn means(&self) -> &'static str {
        match self {
            Self::Added => {
                "records that held values there, from before it was removed, have them again"
            }
            Self::Removed => {
                "not shown any more; the server keeps the values for when it comes back; edits of \
                 it that devices made offline go to their quarantine"
            }
            Self::Renamed { .. } => "only what people see: its id stays",
            Self::Retyped { .. } => {
                "values that are there, and edits made offline, read as the new type; refused if a \
                 record holds a value that is none without loss"
            }
            Self::Required { default: None } => {
                "refused if a record has no value there; a record made offline without one goes to \
                 its device's quarantine"
            }
            Self::Required { default: Some(_) } | Self::DefaultChanged { .. } => {
                "records without a value read as the default"
            }
            Self::Optional => "records without a value are admitted",
            Self::ChoiceAdded { .. } => "values that are there stay",
            Self::ChoiceRemoved { .. } => {
                "refused if a record holds it; edits made offline that choose it go to quarantine"
            }
            Self::LooksUp { .. } => "refused if a record points into another table",
            Self::Secured => "values leave the devices of users who may not read it",
            Self::Unsecured => "values arrive on the devices of all who may read the record",
            Self::Grouped { .. } => "values move to another section of the record",
            Self::OwnershipChanged => "refused if the table has records",
            Self::KeyChanged => "refused if a record's id does not follow from the new key",
            Self::Opened => "records may hold what no column declares",
            Self::Closed => "what no column declares is not shown any more, and kept",
            Self::Reindexed => "devices build what is new from the rows that they have",
            Self::ViewAdded { .. } | Self::ViewRemoved { .. } | Self::ViewChanged { .. } => {
                "what apps show; records stay as they are"
            }
        }
    }
}

impl fmt::Display for SchemaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, column, what } = self;
        match column {
            Some(column) => write!(f, "column `{table}.{column}` ")?,
            None => write!(f, "table `{table}` ")?,
        }
        match what {
            SchemaChangeKind::Added => f.write_str("is added"),
            SchemaChangeKind::Removed => f.write_str("is removed"),
            SchemaChangeKind::Renamed { from, to } => {
                write!(f, "is called `{to}`, no more `{from}`")
            }
            SchemaChangeKind::Retyped { from, to } => write!(f, "becomes {to}, was {from}"),
            SchemaChangeKind::Required { default: None } => f.write_str("is required"),
            SchemaChangeKind::Required { default: Some(default) } => {
                write!(f, "is required, by default `{default}`")
            }
            SchemaChangeKind::Optional => f.write_str("is not required any more"),
            SchemaChangeKind::DefaultChanged { default: Some(default) } => {
                write!(f, "is `{default}` by default")
            }
            SchemaChangeKind::DefaultChanged { default: None } => {
                f.write_str("has no default any more")
            }
            SchemaChangeKind::ChoiceAdded { choice } => write!(f, "has the choice `{choice}`"),
            SchemaChangeKind::ChoiceRemoved { choice } => {
                write!(f, "has the choice `{choice}` no more")
            }
            SchemaChangeKind::LooksUp { target } => write!(f, "looks up `{target}`"),
            SchemaChangeKind::Secured => f.write_str("is secured"),
            SchemaChangeKind::Unsecured => f.write_str("is not secured any more"),
            SchemaChangeKind::Grouped { group: Some(group) } => write!(f, "is in group `{group}`"),
            SchemaChangeKind::Grouped { group: None } => f.write_str("is in no group any more"),
            SchemaChangeKind::OwnershipChanged => f.write_str("has another ownership"),
            SchemaChangeKind::KeyChanged => f.write_str("has another key"),
            SchemaChangeKind::Opened => f.write_str("is open"),
            SchemaChangeKind::Closed => f.write_str("is not open any more"),
            SchemaChangeKind::Reindexed => f.write_str("has other indexes"),
            SchemaChangeKind::ViewAdded { view } => write!(f, "has the view `{view}`"),
            SchemaChangeKind::ViewRemoved { view } => write!(f, "has the view `{view}` no more"),
            SchemaChangeKind::ViewChanged { view } => write!(f, "has another view `{view}`"),
        }
    }
}

impl Schema {
    /// What is otherwise in `next`: by table, of each first what is of the whole, then its columns.
    #[must_use]
    pub fn changes_to(&self, next: &Self) -> Vec<SchemaChange> {
        let mut changes = Vec::new();
        let ids = self.tables.keys().chain(next.tables.keys());
        for id in ids.collect::<std::collections::BTreeSet<_>>() {
            let mut note = |what| {
                changes.push(SchemaChange { table: id.clone(), column: None, what });
            };
            match (self.tables.get(id), next.tables.get(id)) {
                (None, Some(_)) => note(SchemaChangeKind::Added),
                (Some(_), None) => note(SchemaChangeKind::Removed),
                (Some(old), Some(new)) => {
                    table_changes(old, new).into_iter().for_each(&mut note);
                    changes.extend(column_changes(old, new));
                }
                (None, None) => {}
            }
        }
        changes.extend(self.view_changes(next));
        changes
    }

    fn view_changes(&self, next: &Self) -> Vec<SchemaChange> {
        let mut changes = Vec::new();
        let mut note = |table: &TableName, what| {
            changes.push(SchemaChange { table: table.clone(), column: None, what });
        };
        for (id, old) in &self.views {
            let view = id.to_string();
            match next.views.get(id) {
                None => note(&old.table, SchemaChangeKind::ViewRemoved { view }),
                Some(new) if new != old => note(&new.table, SchemaChangeKind::ViewChanged { view }),
                Some(_) => {}
            }
        }
        for (id, new) in next.views.iter().filter(|(id, _)| !self.views.contains_key(*id)) {
            note(&new.table, SchemaChangeKind::ViewAdded { view: id.to_string() });
        }
        changes
    }
}

fn table_changes(old: &Table, new: &Table) -> Vec<SchemaChangeKind> {
    let mut all = Vec::new();
    if old.label() != new.label() {
        all.push(renamed(old.label(), new.label()));
    }
    if old.ownership != new.ownership {
        all.push(SchemaChangeKind::OwnershipChanged);
    }
    if old.key != new.key {
        all.push(SchemaChangeKind::KeyChanged);
    }
    if old.indexes != new.indexes {
        all.push(SchemaChangeKind::Reindexed);
    }
    match (old.open, new.open) {
        (false, true) => all.push(SchemaChangeKind::Opened),
        (true, false) => all.push(SchemaChangeKind::Closed),
        _ => {}
    }
    all
}

fn column_changes(old: &Table, new: &Table) -> Vec<SchemaChange> {
    let declared = |table: &Table, id: &ColumnName| table.column(id.as_str()).is_some();
    let mut all = Vec::new();
    let mut note = |id: &ColumnName, what| {
        // That a table is open is said as such.
        if id.as_str() != super::OPEN_COLUMN {
            all.push(SchemaChange { table: new.id.clone(), column: Some(id.clone()), what });
        }
    };
    for before in old.columns.iter().filter(|column| !declared(new, &column.id)) {
        note(&before.id, SchemaChangeKind::Removed);
    }
    for now in &new.columns {
        match old.column(now.id.as_str()) {
            None => note(&now.id, SchemaChangeKind::Added),
            Some(before) => {
                for what in changes_of(before, now) {
                    note(&now.id, what);
                }
            }
        }
    }
    all
}

fn renamed(from: &str, to: &str) -> SchemaChangeKind {
    SchemaChangeKind::Renamed { from: from.to_owned(), to: to.to_owned() }
}

fn changes_of(old: &Column, new: &Column) -> Vec<SchemaChangeKind> {
    let mut all = Vec::new();
    let default = || new.default.as_ref().map(ToString::to_string);
    if old.label() != new.label() {
        all.push(renamed(old.label(), new.label()));
    }
    if old.column_type != new.column_type {
        all.push(SchemaChangeKind::Retyped { from: old.column_type, to: new.column_type });
    }
    match (old.required, new.required) {
        (false, true) => all.push(SchemaChangeKind::Required { default: default() }),
        (true, false) => all.push(SchemaChangeKind::Optional),
        _ if old.default != new.default => {
            all.push(SchemaChangeKind::DefaultChanged { default: default() });
        }
        _ => {}
    }
    let missing = |from: &Column, of: &Column| {
        let missing = of.choices.iter().filter(|choice| !from.choices.contains(choice));
        missing.cloned().collect::<Vec<_>>()
    };
    let added = missing(old, new).into_iter();
    all.extend(added.map(|choice| SchemaChangeKind::ChoiceAdded { choice }));
    let removed = missing(new, old).into_iter();
    all.extend(removed.map(|choice| SchemaChangeKind::ChoiceRemoved { choice }));
    if let Some(target) = new.lookup.as_ref().filter(|target| old.lookup.as_ref() != Some(target)) {
        all.push(SchemaChangeKind::LooksUp { target: target.to_string() });
    }
    match (old.secured, new.secured) {
        (false, true) => all.push(SchemaChangeKind::Secured),
        (true, false) => all.push(SchemaChangeKind::Unsecured),
        _ => {}
    }
    if old.group != new.group {
        let group = new.group.as_ref().map(ToString::to_string);
        all.push(SchemaChangeKind::Grouped { group });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::Ownership;
    use super::*;

    fn schema(columns: Vec<Column>) -> Schema {
        let id: TableName = "t".parse().unwrap();
        let table = Table::new(id.clone(), Ownership::UserOwned, columns);
        Schema { tables: [(id, table)].into(), ..Schema::default() }
    }

    fn column(id: &str, column_type: ColumnType) -> Column {
        Column::new(id.parse().unwrap(), column_type)
    }

    #[test]
    fn every_difference_is_named_once() {
        let choices = |choices: &[&str]| choices.iter().map(|it| (*it).to_owned()).collect();
        let before = schema(vec![
            column("a", ColumnType::Integer),
            column("gone", ColumnType::Text),
            Column { choices: choices(&["x", "y"]), ..column("c", ColumnType::Choice) },
            column("same", ColumnType::Text),
        ]);
        let (required, default) = (true, Some(Value::Text("none".into())));
        let after = schema(vec![
            Column {
                name: Some("First".parse().unwrap()),
                required,
                default,
                ..column("a", ColumnType::Text)
            },
            Column {
                choices: choices(&["y", "z"]),
                secured: true,
                ..column("c", ColumnType::Choice)
            },
            column("same", ColumnType::Text),
            column("new", ColumnType::Text),
        ]);
        let told: Vec<_> = before.changes_to(&after).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "column `t.gone` is removed",
                "column `t.a` is called `First`, no more `a`",
                "column `t.a` becomes text, was integer",
                "column `t.a` is required, by default `none`",
                "column `t.c` has the choice `z`",
                "column `t.c` has the choice `x` no more",
                "column `t.c` is secured",
                "column `t.new` is added",
            ]
        );
        assert_eq!(after.changes_to(&after), []);
        let told = Schema::default().changes_to(&after);
        assert_eq!(
            told.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["table `t` is added"]
        );
        assert_eq!(after.changes_to(&Schema::default())[0].what, SchemaChangeKind::Removed);
    }

    use super::super::Value;

    #[test]
    fn a_change_is_json_of_one_level() {
        let after = schema(vec![column("a", ColumnType::Decimal)]);
        let change = &schema(vec![column("a", ColumnType::Integer)]).changes_to(&after)[0];
        assert_eq!(
            serde_json::to_value(change).unwrap(),
            serde_json::json!({
                "table": "t", "column": "a", "change": "retyped", "from": "integer", "to": "decimal"
            })
        );
    }
}
