//! A field service with records made up on the spot.

use serde_json::json;

use super::cast::{Cast, Change, Rows, Source, documents};
use crate::cli::CliError;
use crate::model::{RecordId, TableName, Value};

const CUSTOMERS: u64 = 200;
const ORDERS: u64 = 1_000;

const SCHEMA: &str = r#"
[[table]]
id = "customer"
ownership = "organization_owned"
key = ["number"]
columns = [
  { id = "number", type = "integer", required = true },
  { id = "name", type = "text", required = true },
  { id = "city", type = "text" },
]
[[table]]
id = "work_order"
ownership = "user_owned"
key = ["number"]
columns = [
  { id = "number", type = "integer", required = true },
  { id = "title", type = "text", required = true },
  { id = "status", type = "choice", choices = ["open", "in_progress", "done"] },
  { id = "due", type = "date" },
  { id = "hours", type = "decimal" },
  { id = "customer", type = "lookup", table = "customer" },
]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[business_unit]]
id = "north"
parent = "root"
[[user]]
id = "dana"
business_unit = "north"
roles = ["system_administrator"]
[[user]]
id = "alice"
business_unit = "north"
roles = ["technician"]
[[user]]
id = "bob"
business_unit = "north"
roles = ["technician"]
[[role]]
id = "technician"
[role.rights.customer]
read = "organization"
append_to = "organization"
[role.rights.work_order]
create = "user"
read = "business_unit"
write = "user"
append = "user"
"#;

pub(super) fn cast() -> Result<Cast, CliError> {
    let (documents, init) = documents(SCHEMA, POLICY)?;
    let table: TableName = "work_order".parse().map_err(CliError::run)?;
    let customers: TableName = "customer".parse().map_err(CliError::run)?;
    let key = |table: &TableName, number| RecordId::from_key(table, &[Value::Integer(number)]);
    let name = |name: &str| name.parse().map_err(CliError::run);
    let hours = |tenths| Value::Decimal(rust_decimal::Decimal::new(tenths, 1));
    Ok(Cast {
        title: format!("a field service: {CUSTOMERS} customers, {ORDERS} work orders"),
        sources: vec![
            Source {
                table: customers.clone(),
                rows: Rows::JsonLines(customer_rows()),
                rename: vec![],
            },
            Source { table: table.clone(), rows: Rows::JsonLines(order_rows()), rename: vec![] },
        ],
        importer: name("dana")?,
        worker: name("alice")?,
        other: name("bob")?,
        shared: key(&table, 2),
        concurrent: [
            Change::new("status", Value::Choice("in_progress".into()))?,
            Change::new("status", Value::Choice("done".into()))?,
            Change::new("title", Value::Text("Replace pump (urgent)".into()))?,
        ],
        own: key(&table, 1),
        lookup: Change::new("customer", Value::Lookup(key(&customers, 17)))?,
        after: Change::new("hours", hours(35))?,
        lost: "technicians may no longer point work orders at another customer (`append`)",
        table,
        init,
        documents,
    })
}

fn customer_rows() -> Vec<u8> {
    const CITIES: [&str; 5] = ["Bothell", "Cambridge", "Graz", "Lyon", "Oslo"];
    let row = |number: u64| {
        let city = CITIES.iter().cycle().nth(usize::try_from(number).unwrap_or_default());
        json!({ "number": number, "name": format!("Customer {number}"), "city": city })
    };
    lines((1..=CUSTOMERS).map(row))
}

fn order_rows() -> Vec<u8> {
    const TITLES: [&str; 4] = ["Replace pump", "Inspect boiler", "Read meter", "Clean filter"];
    let row = |number: u64| {
        let title = TITLES.iter().cycle().nth(usize::try_from(number).unwrap_or_default());
        json!({
            "number": number,
            "title": title,
            "status": "open",
            "due": format!("2026-12-{:02}", 1 + number % 28),
            "customer": (1 + number % CUSTOMERS).to_string(),
            "owner": if number.is_multiple_of(2) { "alice" } else { "bob" },
        })
    };
    lines((1..=ORDERS).map(row))
}

fn lines(rows: impl Iterator<Item = serde_json::Value>) -> Vec<u8> {
    rows.map(|row| row.to_string() + "\n").collect::<String>().into_bytes()
}
