//! Real records, people and privileges: who ends up with which rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::naive::Naive;
use crate::world::World;

/// The tables in an order in which what is looked up comes first. Of the long ones only the
/// beginning is taken, unless `TIDEGATE_ALL_ROWS` is set: all rows take a minute more.
pub(crate) const TABLES: [(&str, usize); 11] = [
    ("territory", usize::MAX),
    ("store", usize::MAX),
    ("product", usize::MAX),
    ("vendor", usize::MAX),
    ("product_photo", usize::MAX),
    ("product_review", usize::MAX),
    ("employee", usize::MAX),
    ("customer", 3_000),
    ("address", 3_000),
    ("purchase_order", usize::MAX),
    ("purchase_order_line", 2_500),
];

const SECURED: [&str; 2] = ["pay_rate_usd_per_hour", "birth_date"];
/// A pay that no byte string holds by chance: 28 digits.
const PAY_DIGITS: i128 = 7_162_534_958_671_203_948_576_102_938;
const PAY: &str = "7162534958671203948.576102938";

/// The folder of the real records; `None`, with a word about it, where it is not there.
pub(crate) fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/adventureworks");
    if data.is_dir() {
        return Some(data);
    }
    println!("skipped: no shared data");
    None
}

pub(crate) type Record = BTreeMap<String, String>;

fn records(path: &Path) -> Vec<Record> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// Writes the beginning of a table's file into the world, and returns its records.
pub(crate) fn take(world: &World, data: &Path, table: &str, rows: usize) -> Vec<Record> {
    let rows = if std::env::var_os("TIDEGATE_ALL_ROWS").is_some() { usize::MAX } else { rows };
    let name = format!("{table}.csv");
    let mut reader = csv::Reader::from_path(data.join(&name)).unwrap();
    let mut writer = csv::Writer::from_path(world.path(&name)).unwrap();
    writer.write_record(reader.headers().unwrap()).unwrap();
    for row in reader.records().take(rows) {
        writer.write_record(&row.unwrap()).unwrap();
    }
    if table == "employee" {
        let id = "0190aaaa-0000-7000-8000-000000000001";
        let row = [id, "planted0", "", "1901-02-03", "", "", "", "", "", PAY, "", "paula0"];
        writer.write_record(row).unwrap();
    }
    writer.flush().unwrap();
    records(&world.path(&name))
}

/// The policy with its people, as the naive model reads it.
fn document(data: &Path) -> Value {
    let policy = fs::read_to_string(data.join("policy.toml")).unwrap();
    let mut document: Value = toml::from_str(&policy).unwrap();
    let some = |text: &String| if text.is_empty() { Value::Null } else { json!(text) };
    let unit = |it: &Record| json!({ "id": it["id"], "parent": some(&it["parent"]) });
    let units: Vec<_> = records(&data.join("business_unit.csv")).iter().map(unit).collect();
    let user = |it: &Record| {
        json!({
            "id": it["login"],
            "business_unit": it["business_unit"],
            "manager": some(&it["manager"]),
            "roles": it["roles"].split_whitespace().collect::<Vec<_>>(),
        })
    };
    let users: Vec<_> = records(&data.join("user.csv")).iter().map(user).collect();
    document["business_unit"] = json!(units);
    document["user"] = json!(users);
    document
}

/// How many of these records the model lets the user read.
fn readable(naive: &Naive<'_>, user: &str, table: &str, records: &[Record]) -> u64 {
    let mut answers: BTreeMap<Option<&String>, bool> = BTreeMap::new();
    let mut count = 0;
    for record in records {
        let owner = record.get("owner");
        let may = *answers.entry(owner).or_insert_with(|| {
            let record = match owner {
                Some(owner) => {
                    let unit = &naive.find("user", owner).unwrap()["business_unit"];
                    json!({ "owner": format!("user:{owner}"), "business_unit": unit })
                }
                None => json!({}),
            };
            let case = json!({ "user": user, "op": "read", "table": table, "record": record });
            let answer = naive.answer(&case.to_string());
            assert_ne!(answer["rule"], "malformed", "{case}");
            answer["allowed"] == true
        });
        count += u64::from(may);
    }
    count
}

fn has(bytes: &[u8], needle: &[u8]) -> bool {
    let first = needle[0];
    bytes.iter().enumerate().any(|(at, byte)| *byte == first && bytes[at..].starts_with(needle))
}

/// The forms in which a file may hold the planted pay.
fn forms() -> Vec<Vec<u8>> {
    let (big, little) = (PAY_DIGITS.to_be_bytes(), PAY_DIGITS.to_le_bytes());
    let mut forms = vec![big[4..].to_vec(), little[..12].to_vec(), PAY.as_bytes().to_vec()];
    let digits = PAY_DIGITS.unsigned_abs();
    // Postcard's numbers, signed and not: seven bits a byte, the lowest first.
    for mut rest in [digits, digits << 1] {
        let mut bytes = Vec::new();
        while rest > 0 {
            let low = u8::try_from(rest & 0x7f).unwrap();
            rest >>= 7;
            bytes.push(if rest > 0 { low | 0x80 } else { low });
        }
        forms.push(bytes);
    }
    forms
}

/// The importer's device brings in all tables and syncs.
pub(crate) fn bring_in(world: &World, data: &Path, tables: &BTreeMap<&str, Vec<Record>>) {
    let path = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let schema = format!("{}/src/cli/demo/adventureworks.toml", env!("CARGO_MANIFEST_DIR"));
    let (policy, units) = (path("policy.toml"), path("business_unit.csv"));
    let users = path("user.csv");
    let mut more = vec!["--schema", &schema, "--policy", &policy, "--business-units", &units];
    more.extend(["--users", &users, "--admin", "importer"]);
    let made = world.init("aw", &more);
    assert_eq!(made["administrator"], "importer");
    let code = made["code"].as_str().unwrap();
    let server = world.serve("aw");
    world.device("importer", &["enroll", code]).done();
    for (table, _) in TABLES {
        let file = format!("{table}.csv");
        let mut args = vec!["import", table, &file, "--json"];
        if table == "territory" {
            args.extend(["--rename", "id=number"]);
        }
        let report = world.device("importer", &args).json();
        assert_eq!(report["changed"], tables[table].len(), "{table}: {report}");
    }
    let all: usize = tables.values().map(Vec::len).sum();
    let synced = world.sync("importer");
    assert_eq!((&synced["admitted"], &synced["denied"]), (&json!(all), &json!(0)));
    println!("{all} rows: {synced}");
    drop(server);
}

#[test]
fn people_get_the_rows_that_the_policy_says() {
    let Some(data) = data() else { return };
    let world = World::new();
    let tables: BTreeMap<_, _> =
        TABLES.iter().map(|(table, rows)| (*table, take(&world, &data, table, *rows))).collect();
    bring_in(&world, &data, &tables);
    let _server = world.serve("aw");
    let document = document(&data);
    let naive = Naive { policy: &document };
    for user in ["ken0", "stephen0", "david8", "paula0"] {
        let enrolled = world.enroll("aw", user, user);
        let status = world.status(user);
        let rows = |table: &str| status["rows"][table].as_u64().unwrap_or(0);
        for (table, records) in &tables {
            let expected = readable(&naive, user, table, records);
            assert_eq!(rows(table), expected, "{user}: {table}: {status}");
        }
        println!("{user}: {enrolled}");
    }

    // Secured columns: the head of personnel has them, the head of all does not.
    let columns = |user: &str| -> BTreeSet<String> {
        let rows = world.rows(user, "employee");
        assert_eq!(rows.len(), tables["employee"].len(), "{user}");
        let columns = rows.values().flat_map(|row| row["columns"].as_object().unwrap().keys());
        columns.cloned().collect()
    };
    let (paula, ken) = (columns("paula0"), columns("ken0"));
    for column in SECURED {
        assert!(paula.contains(column) && !ken.contains(column), "{column}");
    }
    assert!(ken.contains("job_title"));
    let file = |user: &str| fs::read(world.path(&format!("{user}.redb"))).unwrap();
    let (paula, ken) = (file("paula0"), file("ken0"));
    let forms = forms();
    assert!(forms.iter().any(|form| has(&paula, form)), "the pay is in none of these forms");
    assert!(!forms.iter().any(|form| has(&ken, form)), "the pay is in the bytes of ken0's file");
    // The schema names the column; no row does.
    let named = |bytes: &[u8]| {
        let name = SECURED[0].as_bytes();
        bytes.windows(name.len()).filter(|window| *window == name).count()
    };
    println!("files that name {}: {} and {} times", SECURED[0], named(&paula), named(&ken));
    assert!(named(&ken) < 5 && named(&paula) > 290, "{} {}", named(&ken), named(&paula));
}
