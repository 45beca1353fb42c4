//! Any text as a filter and as an order: an error with a place, or what can be asked of rows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use tidegate::model::{Schema, Value};
use tidegate::query::{BoundQuery, Cell, Environment, Query, Reference, Row};

const SCHEMA: &str = r#"
[[table]]
id = "t"
ownership = "user_owned"
columns = [
  { id = "a", type = "integer" },
  { id = "b", type = "text" },
  { id = "c", type = "boolean" },
  { id = "d", type = "timestamp" },
  { id = "up", type = "lookup", table = "t" },
]
"#;

/// Every column says the same.
struct Alike(Cell<'static>);

impl Row for Alike {
    type Error = Infallible;

    fn cell(&mut self, _: &Reference) -> Result<Cell<'_>, Infallible> {
        Ok(self.0.clone())
    }
}

pub(crate) fn filter(text: &str) {
    let schema = Arc::new(tidegate::read_schema(SCHEMA, "schema.toml").unwrap());
    if let Ok(order) = Query::order(text) {
        let order: Vec<_> = order.iter().map(|(by, way)| (by.as_str(), *way)).collect();
        let _ = query(&schema, None, &order);
    }
    let Some(filter) = query(&schema, Some(text), &[]) else { return };
    // A comment ends with its line.
    let denied = query(&schema, Some(&format!("not (\n{text}\n)")), &[]);
    for cell in [Cell::Hidden, Cell::Known(Cow::Owned(Value::Null)), number()] {
        let Ok(truth) = filter.test(&mut Alike(cell.clone()));
        let Some(denied) = &denied else { continue };
        let Ok(untruth) = denied.test(&mut Alike(cell));
        assert_eq!(untruth, truth.map(|truth| !truth), "{text}");
    }
}

/// What is read of a filter without parameters.
fn query(
    schema: &Arc<Schema>,
    filter: Option<&str>,
    order: &[(&str, tidegate::Direction)],
) -> Option<BoundQuery> {
    let query = Query::new(schema, schema.table("t").unwrap(), filter, order).ok()?;
    query.bind(&BTreeMap::new(), &Environment::default()).ok()
}

fn number() -> Cell<'static> {
    Cell::Known(Cow::Owned(Value::Integer(1)))
}
