//! Records with secured columns: generated ones, and the people of AdventureWorks.

use std::path::{Path, PathBuf};

use tidegate::model::{RecordId, Schema, TableName};
use tidegate::server::OrganizationFiles;
use tidegate::sync::replica::{Draft, Intent};

use crate::needles::Needles;
use crate::net::{Net, columns, text};

pub(crate) const SCHEMA: &str = r#"
[[table]]
id = "person"
ownership = "user_owned"
indexes = [["pay"], ["name", "bonus"], ["diary"]]
columns = [
  { id = "name", type = "text", required = true },
  { id = "note", type = "text" },
  { id = "grade", type = "text" },
  { id = "story", type = "rich_text" },
  { id = "pay", type = "text", secured = true },
  { id = "bonus", type = "text", secured = true },
  { id = "diary", type = "rich_text", secured = true },
]
"#;

pub(crate) const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "boss"
business_unit = "root"
roles = ["system_administrator"]
[[user]]
id = "hannah"
business_unit = "root"
roles = ["clerk"]
[[user]]
id = "ben"
business_unit = "root"
roles = ["clerk"]
[[role]]
id = "clerk"
[role.rights.person]
create = "user"
read = "organization"
write = "organization"
share = "organization"
[[column_security]]
id = "personnel"
users = ["hannah"]
[column_security.columns."person.pay"]
read = true
create = true
update = true
[column_security.columns."person.bonus"]
read = true
create = true
update = true
[column_security.columns."person.diary"]
read = true
create = true
update = true
[[column_security]]
id = "writers"
users = []
[column_security.columns."person.pay"]
update = true
[column_security.columns."person.diary"]
update = true
"#;

/// Records on a server, and three devices: of who brought them in, of one who may read the secured
/// columns, and of one who may not.
pub(crate) struct Case {
    pub(crate) net: Net,
    pub(crate) table: TableName,
    pub(crate) records: Vec<RecordId>,
    /// What the secured columns hold.
    pub(crate) needles: Needles,
    pub(crate) writer: usize,
    pub(crate) reader: usize,
    pub(crate) other: usize,
    /// The user without the columns, and the profile that would give them.
    pub(crate) other_user: &'static str,
    pub(crate) profile: &'static str,
}

pub(crate) fn person() -> TableName {
    "person".parse().unwrap()
}

pub(crate) fn record(number: usize) -> RecordId {
    let mut bytes = [1; 16];
    bytes[8..].copy_from_slice(&(number as u64).to_be_bytes());
    RecordId::from_bytes(bytes)
}

/// A text that is nowhere else.
pub(crate) fn secret(number: usize) -> String {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("secret-{number:04}-{mixed:016x}")
}

/// So many generated people.
pub(crate) fn generated(count: usize) -> Case {
    let mut net = Net::new(SCHEMA, POLICY, None, None);
    let writer = net.enroll("boss");
    let mut needles = Needles::default();
    let draft = |number: usize| {
        let values = columns([
            ("name", text(&format!("person {number}"))),
            ("note", text("what everybody reads")),
            ("pay", text(&secret(2 * number))),
            ("bonus", text(&secret(2 * number + 1))),
        ]);
        let intent = Intent::Create { owner: None, columns: values };
        Draft { table: person(), record: record(number), intent }
    };
    (0..2 * count).for_each(|number| needles.add_text(&secret(number)));
    net.commit(writer, (0..count).map(draft).collect(), false);
    net.settle();
    let reader = net.enroll("hannah");
    let other = net.enroll("ben");
    let records = (0..count).map(record).collect();
    let (other_user, profile) = ("ben", "personnel");
    Case { net, table: person(), records, needles, writer, reader, other, other_user, profile }
}

/// The folder of the real records; `None`, with a word about it, where it is not there.
fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/adventureworks");
    if data.is_dir() {
        return Some(data);
    }
    println!("skipped: no shared data");
    None
}

/// The employees of AdventureWorks, their pay with digits behind it that are nowhere else.
pub(crate) fn adventure_works() -> Option<Case> {
    let data = data()?;
    let schema = include_str!("../../src/cli/demo/adventureworks.toml");
    let policy = std::fs::read_to_string(data.join("policy.toml")).unwrap();
    let organization = OrganizationFiles {
        business_units: data.join("business_unit.csv"),
        users: data.join("user.csv"),
    };
    let mut net = Net::new(schema, &policy, Some(organization), Some("importer"));
    let writer = net.enroll("importer");
    let parsed: Schema = tidegate::read_schema(schema, "adventureworks.toml").unwrap();
    let table = &parsed.tables["employee"];
    let (mut needles, mut records, mut drafts) = (Needles::default(), Vec::new(), Vec::new());
    let mut reader = csv::Reader::from_path(data.join("employee.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    for (number, row) in reader.records().enumerate() {
        let row = row.unwrap();
        let mut values = tidegate::Columns::new();
        for (name, cell) in header.iter().zip(&row) {
            let Some(column) = table.column(name).filter(|_| !cell.is_empty()) else { continue };
            let mut cell = cell.to_owned();
            if name == "pay_rate_usd_per_hour" {
                let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4;
                let (whole, rest) = cell.split_once('.').unwrap_or((&cell, ""));
                cell = format!("{whole}.{rest:0<4}{mixed:019}");
                needles.add_decimal(&cell);
            }
            values.insert(column.id.clone(), column.parse(&parsed, &cell).unwrap());
        }
        let record: RecordId = row[0].parse().unwrap();
        records.push(record);
        let intent = Intent::Create { owner: None, columns: values };
        drafts.push(Draft { table: table.id.clone(), record, intent });
    }
    net.commit(writer, drafts, false);
    net.settle();
    let reader = net.enroll("paula0");
    let other = net.enroll("ken0");
    let (other_user, table) = ("ken0", table.id.clone());
    let profile = "payroll";
    Some(Case { net, table, records, needles, writer, reader, other, other_user, profile })
}
