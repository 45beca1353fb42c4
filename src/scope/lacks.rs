//! What a profile leaves out that views, forms and its own filters go by.

use serde::Serialize;

use super::CheckedProfile;
use crate::model::{GroupName, Profile, Section, TableName, View, ViewName};
use crate::query::{CheckedView, Field, Query, Used};

/// Something that a profile lacks: with it some view or form would not show on a device what it shows
/// elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[serde(tag = "lack", rename_all = "snake_case")]
pub enum Lack {
    /// A view that the app shows is of a table that is not taken.
    #[error("view `{view}`: its table `{table}` is not in the profile")]
    ViewOf {
        /// The view.
        view: ViewName,
        /// Its table.
        table: TableName,
    },
    /// A view uses a column of a looked-up table that is not taken.
    #[error("view `{view}`: `{column}` is of the table `{table}`, which is not in the profile")]
    ViewTable {
        /// The view.
        view: ViewName,
        /// The column with the lookups before it.
        column: String,
        /// The table that has it.
        table: TableName,
    },
    /// A view uses a column whose group is left out.
    #[error(
        "view `{view}`: `{column}` is in the column group `{group}` of `{table}`, which the profile \
         leaves out"
    )]
    ViewGroup {
        /// The view.
        view: ViewName,
        /// The column with the lookups before it.
        column: String,
        /// The table that has it.
        table: TableName,
        /// Its group.
        group: GroupName,
    },
    /// A table that forms of another one cannot do without is not taken.
    #[error("table `{table}` needs the table `{needed}`, which is not in the profile")]
    Needed {
        /// The table with the forms.
        table: TableName,
        /// What they need.
        needed: TableName,
    },
    /// A filter asks for a column of a looked-up table that is not taken.
    #[error(
        "the filter of `{table}`: `{column}` is of the table `{looked_up}`, which is not in the \
         profile"
    )]
    FilterTable {
        /// The table with the filter.
        table: TableName,
        /// The column with the lookups before it.
        column: String,
        /// The table that has it.
        looked_up: TableName,
    },
}

impl CheckedProfile {
    /// What it leaves out that its views, forms and filters go by; sorted.
    #[must_use]
    pub fn lacks(&self) -> Vec<Lack> {
        let profile = self.profile();
        let mut lacks = Vec::new();
        for view in self.schema().views.values().filter(|view| is_shown(profile, view)) {
            self.add_view(view, &mut lacks);
        }
        for entry in &profile.tables {
            let table = &entry.table;
            let needed = entry.needs.iter().filter(|it| !self.tables().contains_key(*it));
            lacks.extend(
                needed.map(|needed| Lack::Needed { table: table.clone(), needed: needed.clone() }),
            );
        }
        for (table, entry) in self.tables() {
            let used = entry.filter.iter().flat_map(Query::uses);
            let absent =
                used.filter(|it| it.is_looked_up && !self.tables().contains_key(&it.table));
            lacks.extend(absent.map(|it| Lack::FilterTable {
                table: table.clone(),
                column: it.path,
                looked_up: it.table,
            }));
        }
        lacks.sort();
        lacks
    }

    fn add_view(&self, view: &View, lacks: &mut Vec<Lack>) {
        if !self.tables().contains_key(&view.table) {
            let table = view.table.clone();
            return lacks.push(Lack::ViewOf { view: view.id.clone(), table });
        }
        // A view that does not fit its schema is no mistake of the profile's: it is named when the
        // schema is read.
        let Ok(checked) = CheckedView::new(self.schema(), view) else { return };
        for Used { path: column, table, field, .. } in checked.uses() {
            let view = view.id.clone();
            if !self.tables().contains_key(&table) {
                lacks.push(Lack::ViewTable { view, column, table });
            } else if let Some(group) = self.left_out(&table, &field) {
                lacks.push(Lack::ViewGroup { view, column, table, group });
            }
        }
    }

    /// The group of a column, if it is left out.
    fn left_out(&self, table: &TableName, field: &Field) -> Option<GroupName> {
        let Field::Column(column) = field else { return None };
        let section = self.schema().table(table.as_str())?.column(column.as_str())?.section();
        match &section {
            Section::Group(group) if !self.takes_section(table, &section) => Some(group.clone()),
            _ => None,
        }
    }
}

/// Whether the app shows a view: one of those that the profile names or, where it names none, each of a
/// table that is taken.
fn is_shown(profile: &Profile, view: &View) -> bool {
    match &profile.views {
        Some(views) => views.contains(&view.id),
        None => profile.table(&view.table).is_some(),
    }
}
