//! Microsoft's AdventureWorks sample, from a folder of CSV files.

use std::fs;
use std::path::Path;

use super::cast::{Cast, Change, Rows, Source, documents};
use crate::cli::CliError;
use crate::model::{RecordId, TableName, UserId, Value};
use crate::server::OrganizationFiles;

const SCHEMA: &str = include_str!("adventureworks.toml");

/// In an order in which what is looked up comes first.
const TABLES: [&str; 11] = [
    "territory",
    "store",
    "product",
    "vendor",
    "product_photo",
    "product_review",
    "employee",
    "customer",
    "address",
    "purchase_order",
    "purchase_order_line",
];

pub(super) fn cast(dir: &Path) -> Result<Cast, CliError> {
    let read = |name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path).map_err(|e| CliError::Input(format!("{}: {e}", path.display())))
    };
    let (documents, mut init) = documents(SCHEMA, &read("policy.toml")?)?;
    let (business_units, users) = (dir.join("business_unit.csv"), dir.join("user.csv"));
    init.organization = Some(OrganizationFiles { business_units, users });
    let importer: UserId = "importer".parse().map_err(CliError::run)?;
    init.administrator = Some(importer.clone());
    let table: TableName = "purchase_order".parse().map_err(CliError::run)?;
    let orders = read("purchase_order.csv")?;
    let (worker, other) = ("erin0", "fukiko0");
    let decimal = |number| Value::Decimal(rust_decimal::Decimal::new(number, 2));
    let name = |name: &str| name.parse().map_err(CliError::run);
    Ok(Cast {
        title: "AdventureWorks: orders of buyers, customers of salespeople, and the rest".into(),
        sources: sources(dir)?,
        importer,
        worker: name(worker)?,
        other: name(other)?,
        shared: order_of(&orders, worker)?,
        concurrent: [
            Change::new("status", Value::Choice("approved".into()))?,
            Change::new("status", Value::Choice("rejected".into()))?,
            Change::new("freight_usd", decimal(1_250))?,
        ],
        own: order_of(&orders, other)?,
        lookup: Change::new("vendor", Value::Lookup(first_vendor(&read("vendor.csv")?)?))?,
        after: Change::new("tax_usd", decimal(9_999))?,
        lost: "buyers may no longer point purchase orders at another vendor (`append`)",
        table,
        init,
        documents,
    })
}

fn sources(dir: &Path) -> Result<Vec<Source>, CliError> {
    let source = |name: &&str| {
        let is_key = *name == "territory";
        let rename = if is_key { vec![("id".into(), "number".into())] } else { Vec::new() };
        let table: TableName = name.parse().map_err(CliError::run)?;
        Ok(Source { table, rows: Rows::File(dir.join(format!("{name}.csv"))), rename })
    };
    TABLES.iter().map(source).collect()
}

/// The first order in the file that belongs to `owner`.
fn order_of(orders: &str, owner: &str) -> Result<RecordId, CliError> {
    first_id(orders, |row| row.ends_with(&format!(",{owner}")), "purchase_order.csv")
}

/// A vendor that neither of the orders has.
fn first_vendor(vendors: &str) -> Result<RecordId, CliError> {
    first_id(vendors, |_| true, "vendor.csv")
}

fn first_id(csv: &str, is_it: impl Fn(&str) -> bool, file: &str) -> Result<RecordId, CliError> {
    let row = csv.lines().skip(1).map(str::trim_end).find(|row| is_it(row));
    let id = row.and_then(|row| row.split(',').next()).and_then(|id| id.parse().ok());
    id.ok_or_else(|| CliError::Input(format!("{file}: the row that the story needs is not there")))
}
