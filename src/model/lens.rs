//! What the values of a record read as under the schema of now.

use std::borrow::Cow;

use super::{Column, ColumnName, Columns, Table, Value};

/// Through which a table's values are read: what was written when a column had another type reads as
/// the type of now, where a required column has none it is its default, and what no column declares is
/// not there. Nothing is written for that, so a column that comes back has its values again.
#[derive(Debug, Clone, Default)]
pub struct Lens {
    /// Sorted by id.
    columns: Vec<Column>,
    /// How many of them have a default.
    defaults: usize,
}

impl From<&Table> for Lens {
    fn from(table: &Table) -> Self {
        let mut columns = table.columns.clone();
        columns.sort_by(|a, b| a.id.cmp(&b.id));
        let defaults = columns.iter().filter(|column| column.default.is_some()).count();
        Self { columns, defaults }
    }
}

impl Lens {
    /// The values of a record as they read now.
    #[must_use]
    pub fn show(&self, columns: Columns) -> Columns {
        // Mostly.
        if self.shows_all(&columns) {
            return columns;
        }
        let value = |column: &Column| {
            let value = self::read(column, columns.get(&column.id)).into_owned();
            let was_set = columns.contains_key(&column.id) || !value.is_null();
            was_set.then(|| (column.id.clone(), value))
        };
        self.columns.iter().filter_map(value).collect()
    }

    /// One value of a record as it reads now; null where the column is not declared.
    #[must_use]
    pub fn read<'v>(&'v self, column: &ColumnName, value: Option<&'v Value>) -> Cow<'v, Value> {
        match self.columns.binary_search_by(|declared| declared.id.cmp(column)) {
            Ok(at) => {
                self.columns.get(at).map_or(Cow::Borrowed(&Value::Null), |it| read(it, value))
            }
            Err(_) => Cow::Borrowed(&Value::Null),
        }
    }

    /// Whether all values read as they are.
    fn shows_all(&self, columns: &Columns) -> bool {
        let mut declared = self.columns.iter();
        let mut defaults = 0;
        for (id, value) in columns {
            let found = declared.by_ref().find(|column| column.id == *id);
            let is_as_declared = |column: &Column| match value.column_type() {
                Some(column_type) => column_type == column.column_type,
                None => column.default.is_none(),
            };
            let Some(column) = found.filter(|column| is_as_declared(column)) else { return false };
            defaults += usize::from(column.default.is_some());
        }
        defaults == self.defaults
    }
}

fn read<'v>(column: &'v Column, value: Option<&'v Value>) -> Cow<'v, Value> {
    let value = value.unwrap_or(&Value::Null);
    if value.column_type() == Some(column.column_type) {
        return Cow::Borrowed(value);
    }
    // What does not convert was never admitted under this schema: the app's own edit, which is not
    // judged yet. It is kept as it is.
    column.read(value).unwrap_or(Cow::Borrowed(&Value::Null))
}

#[cfg(test)]
mod tests {
    use super::super::{ColumnType, Ownership};
    use super::*;

    fn column(id: &str, column_type: ColumnType) -> Column {
        Column::new(id.parse().unwrap(), column_type)
    }

    fn lens(columns: Vec<Column>) -> Lens {
        Lens::from(&Table::new("t".parse().unwrap(), Ownership::UserOwned, columns))
    }

    fn columns(pairs: &[(&str, Value)]) -> Columns {
        pairs.iter().map(|(id, value)| (id.parse().unwrap(), value.clone())).collect()
    }

    #[test]
    fn values_read_as_the_columns_of_now() {
        let five = Value::Integer(5);
        let stored = columns(&[("a", five.clone()), ("b", Value::Null), ("old", five.clone())]);
        let default = Some(Value::Text("none".into()));
        let required = Column { required: true, default, ..column("c", ColumnType::Text) };
        let lens =
            lens(vec![required, column("b", ColumnType::Date), column("a", ColumnType::Text)]);
        let text = |text: &str| Value::Text(text.into());
        let shown = columns(&[("a", text("5")), ("b", Value::Null), ("c", text("none"))]);
        assert_eq!(lens.show(stored.clone()), shown);
        for (id, value) in &shown {
            assert_eq!(lens.read(id, stored.get(id)).as_ref(), value);
        }
        assert_eq!(lens.read(&"old".parse().unwrap(), Some(&five)).as_ref(), &Value::Null);
        assert_eq!(lens.show(shown.clone()), shown);
    }

    #[test]
    fn what_is_none_of_the_type_of_now_reads_as_nothing() {
        let lens = lens(vec![column("a", ColumnType::Integer), column("b", ColumnType::Integer)]);
        let stored = columns(&[("a", Value::Text("five".into()))]);
        assert_eq!(lens.show(stored), columns(&[("a", Value::Null)]));
        let stored = columns(&[("b", Value::Integer(1))]);
        assert_eq!(lens.show(stored.clone()), stored);
    }
}
