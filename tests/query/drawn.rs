//! Random schemas, rows and queries, each for Tidegate and for SQLite.
//!
//! SQLite has fewer types: numbers are held and compared as hundredths there, times as milliseconds, ids
//! and bytes as blobs. `docs/queries.md` lists where the dialects differ.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use tidegate::model::{Column, ColumnType, Columns, RecordId, Schema, Table, Timestamp, Value};

use super::rng::Rng;

pub(crate) const NOW: i64 = 1_763_631_000_000;
const DAY: i64 = 86_400_000;
const TEXTS: [&str; 14] =
    ["", "a", "A", "ab", "aB", "a%b", "a_b", "b", "ba", "é", "aé", "it's", "zz", "🐟"];
const PATTERNS: [&str; 10] = ["%", "a%", "%b", "a_b", "_", "", "%a%b%", "A%", "é", "_%_"];
const CHOICES: [&str; 3] = ["done", "late", "open"];
const TYPES: [&str; 12] = [
    "text",
    "integer",
    "decimal",
    "float",
    "boolean",
    "timestamp",
    "date",
    "choice",
    "lookup",
    "bytes",
    "rich_text",
    "counter",
];

/// A schema of a table, and of two that it looks up in a row; and the same with indexes.
pub(crate) fn schemas(rng: &mut Rng) -> (Schema, Schema) {
    let text = document(rng);
    let plain = tidegate::read_schema(&text, "schema.toml").unwrap();
    let mut text = text.as_str();
    let mut with_indexes = String::new();
    while let Some((before, behind)) = text.split_once("columns = [") {
        let table = plain.tables.values().nth(with_indexes.matches("[[table]]").count()).unwrap();
        let indexes: Vec<_> = (0..rng.below(5)).map(|_| index(rng, &plain, table)).collect();
        let indexes: std::collections::BTreeSet<_> = indexes.into_iter().collect();
        let indexes = indexes.into_iter().collect::<Vec<_>>().join(", ");
        write!(with_indexes, "{before}indexes = [{indexes}]\ncolumns = [").unwrap();
        text = behind;
    }
    with_indexes.push_str(text);
    (plain, tidegate::read_schema(&with_indexes, "schema.toml").unwrap())
}

/// An index of up to three columns, also of looked-up records.
fn index(rng: &mut Rng, schema: &Schema, table: &Table) -> String {
    let mut columns = Vec::new();
    for _ in 0..=rng.below(3) {
        let (mut path, mut of) = (String::new(), table);
        for _ in 0..rng.below(7).saturating_sub(4) {
            path.push_str("up.");
            of = schema.table(of.column("up").unwrap().lookup.as_ref().unwrap().as_str()).unwrap();
        }
        let names: Vec<_> =
            of.columns.iter().map(|column| column.id.as_str()).chain(["id"]).collect();
        path.push_str(rng.pick(&names).unwrap());
        if !columns.contains(&path) {
            columns.push(path);
        }
    }
    format!("{columns:?}")
}

/// What SQLite can have of an index: columns of the table.
pub(crate) fn index_of_sqlite(table: &Table) -> Vec<String> {
    let own = |index: &tidegate::model::Index| {
        let own = index.columns.iter().all(|column| column.names().len() == 1);
        own.then(|| index.to_string())
    };
    let columns = table.indexes.iter().filter_map(own).enumerate();
    let create =
        |(number, columns)| format!("create index {0}_{number} on {0} ({columns})", table.id);
    columns.map(create).collect()
}

fn document(rng: &mut Rng) -> String {
    let mut text = String::new();
    for (table, looked_up) in [("base", "one"), ("one", "two"), ("two", "base")] {
        write!(
            text,
            "[[table]]\nid = \"{table}\"\nownership = \"organization_owned\"\ncolumns = [\n\
             {{ id = \"up\", type = \"lookup\", table = \"{looked_up}\" }},\n"
        )
        .unwrap();
        for number in 0..3 + rng.below(6) {
            let kind = rng.pick(&TYPES).unwrap();
            let more = match *kind {
                "choice" => format!(", choices = {CHOICES:?}"),
                "lookup" => ", table = \"one\"".to_owned(),
                _ => String::new(),
            };
            writeln!(text, "{{ id = \"c{number}\", type = \"{kind}\"{more} }},").unwrap();
        }
        text.push_str("]\n");
    }
    text
}

/// An id of one of the tables. Few, so that lookups lead somewhere and keys collide.
pub(crate) fn id(rng: &mut Rng, table: &str) -> RecordId {
    let [table, ..] = table.as_bytes() else { panic!("a table has a name") };
    let number = u8::try_from(rng.below(90)).unwrap();
    RecordId::from_bytes([
        number.reverse_bits(),
        *table,
        2,
        3,
        4,
        5,
        0x70,
        7,
        0x80,
        9,
        1,
        2,
        3,
        4,
        5,
        number,
    ])
}

pub(crate) fn row(rng: &mut Rng, table: &Table) -> Columns {
    let columns = table.columns.iter();
    let set = columns.filter_map(|column| {
        let value = if rng.chance(20) { Value::Null } else { value(rng, column) };
        (!rng.chance(10)).then(|| (column.id.clone(), value))
    });
    set.collect()
}

fn hundredths(rng: &mut Rng) -> i64 {
    25 * (i64::try_from(rng.below(40)).unwrap() - 20)
}

fn bytes(rng: &mut Rng) -> Vec<u8> {
    (0..rng.below(3)).map(|_| [0, 1, 0x80, 0xff][rng.below(4)]).collect()
}

fn value(rng: &mut Rng, column: &Column) -> Value {
    let number = hundredths(rng);
    let text = *rng.pick(&TEXTS).unwrap();
    match column.column_type {
        ColumnType::Text => Value::Text(text.into()),
        ColumnType::RichText => Value::RichText(text.to_owned()),
        ColumnType::Choice => Value::Choice((*rng.pick(&CHOICES).unwrap()).into()),
        ColumnType::Integer => Value::Integer(number / 100),
        ColumnType::Counter => Value::Counter(number / 100),
        ColumnType::Decimal => Value::Decimal(decimal(number).parse().unwrap()),
        ColumnType::Float => Value::Float(decimal(number).parse().unwrap()),
        ColumnType::Boolean => Value::Boolean(rng.chance(50)),
        ColumnType::Timestamp => Value::Timestamp(Timestamp::from_millis(millis(rng)).unwrap()),
        ColumnType::Date => {
            let days = i32::try_from(millis(rng).div_euclid(DAY)).unwrap();
            Value::Date(tidegate::model::Date::from_days(days).unwrap())
        }
        ColumnType::Lookup => Value::Lookup(id(rng, column.lookup.as_ref().unwrap().as_str())),
        ColumnType::Bytes => Value::Bytes(bytes(rng)),
        other => panic!("no column is drawn of type {other}"),
    }
}

fn millis(rng: &mut Rng) -> i64 {
    let day = i64::try_from(rng.below(8)).unwrap() - 4;
    let part = *rng.pick(&[0, 0, 1, DAY / 2]).unwrap();
    (NOW.div_euclid(DAY) + day) * DAY + part
}

fn decimal(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
}

pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What SQLite holds of a value.
pub(crate) fn held(value: &Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as Held;
    match value {
        Value::Text(text) | Value::Choice(text) => Held::Text(text.to_string()),
        Value::RichText(text) => Held::Text(text.clone()),
        Value::Integer(number) | Value::Counter(number) => Held::Integer(*number * 100),
        Value::Decimal(number) => {
            // It has two digits behind the point.
            Held::Integer(number.to_string().replace('.', "").parse().unwrap())
        }
        Value::Float(number) => Held::Real(number * 100.0),
        Value::Boolean(truth) => Held::Integer(i64::from(*truth)),
        Value::Timestamp(time) => Held::Integer(time.as_millis()),
        Value::Date(date) => Held::Integer(i64::from(date.as_days()) * DAY),
        Value::Lookup(id) => Held::Blob(id.as_bytes().to_vec()),
        Value::Bytes(bytes) => Held::Blob(bytes.clone()),
        _ => Held::Null,
    }
}

/// The same, said to Tidegate and to SQLite.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

fn said(ours: impl Into<String>, theirs: impl Into<String>) -> Said {
    Said { ours: ours.into(), theirs: theirs.into() }
}

/// A column of a query, maybe of a looked-up record.
#[derive(Debug, Clone)]
struct Picked {
    said: Said,
    column_type: ColumnType,
    /// True in SQLite where the looked-up record is not there.
    absent: String,
}

/// A query that is being drawn.
pub(crate) struct Draw<'a> {
    pub(crate) rng: &'a mut Rng,
    pub(crate) schema: &'a Schema,
    pub(crate) parameters: Vec<(String, Json)>,
}

impl Draw<'_> {
    /// A column of the base table, or of one that is looked up from it.
    fn column(&mut self, is_wanted: impl Fn(ColumnType) -> bool) -> Option<Picked> {
        let (alias, path, table, absent) = match self.rng.below(10) {
            0..=6 => ("base", "", "base", "false"),
            7..=8 => ("one", "up.", "one", "(base.up is not null and one.id is null)"),
            _ => (
                "two",
                "up.up.",
                "two",
                "((base.up is not null and one.id is null) or (one.up is not null and two.id is null))",
            ),
        };
        let declared = self.schema.table(table).unwrap();
        let columns: Vec<&Column> =
            declared.columns.iter().filter(|column| is_wanted(column.column_type)).collect();
        let (name, column_type) = if is_wanted(ColumnType::Lookup) && self.rng.chance(8) {
            ("id".to_owned(), ColumnType::Lookup)
        } else {
            let column = self.rng.pick(&columns)?;
            (column.id.to_string(), column.column_type)
        };
        let said = said(format!("{path}{name}"), format!("{alias}.{name}"));
        Some(Picked { said, column_type, absent: absent.to_owned() })
    }

    /// A value to compare with: a literal or a parameter.
    fn constant(&mut self, column_type: ColumnType) -> Said {
        let number = hundredths(self.rng);
        let text = *self.rng.pick(&TEXTS).unwrap();
        let (literal, json, theirs) = match column_type {
            ColumnType::Text | ColumnType::RichText => (quoted(text), json!(text), quoted(text)),
            ColumnType::Choice => {
                let choice = *self.rng.pick(&CHOICES).unwrap();
                (quoted(choice), json!(choice), quoted(choice))
            }
            ColumnType::Integer | ColumnType::Counter | ColumnType::Decimal | ColumnType::Float => {
                let digits = decimal(number);
                let json = if self.rng.chance(50) { json!(digits) } else { json!(number / 100) };
                let theirs = if json.is_string() { number } else { number / 100 * 100 };
                let literal = if json.is_string() { digits } else { (number / 100).to_string() };
                (literal, json, theirs.to_string())
            }
            ColumnType::Boolean => {
                let truth = self.rng.chance(50);
                (truth.to_string(), json!(truth), truth.to_string())
            }
            ColumnType::Timestamp | ColumnType::Date => return self.time(),
            ColumnType::Lookup => {
                let table = *self.rng.pick(&["base", "one", "two"]).unwrap();
                let id = id(self.rng, table);
                (format!("'{id}'"), json!(id.to_string()), blob(id.as_bytes()))
            }
            _ => {
                let bytes = bytes(self.rng);
                let text = data_encoding::BASE64.encode(&bytes);
                (format!("'{text}'"), json!(text), blob(&bytes))
            }
        };
        self.maybe_bound(literal, json, theirs)
    }

    fn time(&mut self) -> Said {
        if self.rng.chance(40) {
            let hours = i64::try_from(self.rng.below(100)).unwrap();
            let (sign, millis) = if self.rng.chance(50) { ("+", hours) } else { ("-", -hours) };
            let ours = format!("now() {sign} interval '{hours} hours'");
            return said(ours, (NOW + millis * DAY / 24).to_string());
        }
        let millis = millis(self.rng);
        let time = Timestamp::from_millis(millis).unwrap().to_string();
        if millis % DAY == 0 && self.rng.chance(50) {
            let date = time.split('T').next().unwrap().to_owned();
            return said(format!("date '{date}'"), millis.to_string());
        }
        self.maybe_bound(quoted(&time), json!(time), millis.to_string())
    }

    fn maybe_bound(&mut self, literal: String, json: Json, theirs: String) -> Said {
        if self.rng.chance(70) {
            return said(literal, theirs);
        }
        let name = format!("p{}", self.parameters.len());
        self.parameters.push((name.clone(), json));
        said(format!("${name}"), theirs)
    }

    fn joined(&mut self, depth: usize, word: &str) -> Said {
        let parts: Vec<_> = (0..2 + self.rng.below(2)).map(|_| self.filter(depth - 1)).collect();
        let join = |each: fn(&Said) -> &str| {
            parts.iter().map(each).collect::<Vec<_>>().join(&format!(" {word} "))
        };
        said(format!("({})", join(|it| &it.ours)), format!("({})", join(|it| &it.theirs)))
    }

    pub(crate) fn filter(&mut self, depth: usize) -> Said {
        match self.rng.below(10) {
            0..=2 if depth > 0 => self.joined(depth, "and"),
            3..=5 if depth > 0 => self.joined(depth, "or"),
            6 if depth > 0 => {
                let part = self.filter(depth - 1);
                said(format!("not ({})", part.ours), format!("not ({})", part.theirs))
            }
            _ => self.condition(),
        }
    }

    fn condition(&mut self) -> Said {
        match self.rng.below(16) {
            0..=5 => self.comparison(),
            6..=7 => self.two_columns(),
            8..=9 => self.null_test(),
            10..=11 => self.list(),
            12 => self.between(),
            13..=14 => self.search(),
            _ => match self.column(|it| it == ColumnType::Boolean) {
                Some(column) => column.said,
                None => said("true", "true"),
            },
        }
    }

    fn comparison(&mut self) -> Said {
        let Some(column) = self.column(|_| true) else { return said("true", "true") };
        let op = *self.rng.pick(&["=", "<>", "<", "<=", ">", ">="]).unwrap();
        let with = self.constant(column.column_type);
        if self.rng.chance(20) {
            return said(
                format!("{} {op} {}", with.ours, column.said.ours),
                format!("{} {op} {}", with.theirs, column.said.theirs),
            );
        }
        infix(&column.said, op, &with)
    }

    fn two_columns(&mut self) -> Said {
        let Some(left) = self.column(|_| true) else { return said("true", "true") };
        let kind = kind(left.column_type);
        let Some(right) = self.column(|it| self::kind(it) == kind) else {
            return self.comparison();
        };
        let op = *self.rng.pick(&["=", "<>", "<", ">="]).unwrap();
        infix(&left.said, op, &right.said)
    }

    /// Of a column of a record that is not there it is unknown whether it is null.
    fn null_test(&mut self) -> Said {
        let Some(column) = self.column(|_| true) else { return said("true", "true") };
        let test = *self.rng.pick(&["is null", "is not null"]).unwrap();
        let Picked { said: Said { ours, theirs }, absent, .. } = column;
        said(
            format!("{ours} {test}"),
            format!("(case when {absent} then null else {theirs} {test} end)"),
        )
    }

    fn list(&mut self) -> Said {
        let Some(column) = self.column(|_| true) else { return said("true", "true") };
        let mut items: Vec<_> =
            (0..=self.rng.below(4)).map(|_| self.constant(column.column_type)).collect();
        if self.rng.chance(15) {
            items.push(said("null", "null"));
        }
        let not = if self.rng.chance(40) { "not " } else { "" };
        let list = |each: fn(&Said) -> &str| items.iter().map(each).collect::<Vec<_>>().join(", ");
        said(
            format!("{} {not}in ({})", column.said.ours, list(|it| &it.ours)),
            format!("{} {not}in ({})", column.said.theirs, list(|it| &it.theirs)),
        )
    }

    fn between(&mut self) -> Said {
        let Some(column) = self.column(|_| true) else { return said("true", "true") };
        let (low, high) = (self.constant(column.column_type), self.constant(column.column_type));
        let not = if self.rng.chance(40) { "not " } else { "" };
        let Said { ours, theirs } = column.said;
        said(
            format!("{ours} {not}between {} and {}", low.ours, high.ours),
            format!("{theirs} {not}between {} and {}", low.theirs, high.theirs),
        )
    }

    fn search(&mut self) -> Said {
        let Some(column) = self.column(|it| kind(it) == "text") else { return self.comparison() };
        let Said { ours, theirs } = column.said;
        let pattern = *self.rng.pick(&PATTERNS).unwrap();
        let start = *self.rng.pick(&TEXTS).unwrap();
        let not = if self.rng.chance(30) { "not " } else { "" };
        match self.rng.below(4) {
            0 => said(
                format!("{ours} {not}ilike {}", quoted(pattern)),
                format!("lower({theirs}) {not}like lower({})", quoted(pattern)),
            ),
            1 => {
                let said_start = self.maybe_bound(quoted(start), json!(start), quoted(start));
                said(
                    format!("begins_with({ours}, {})", said_start.ours),
                    format!("substr({theirs}, 1, length({0})) = {0}", said_start.theirs),
                )
            }
            2 => {
                let escaped = start.replace('%', "!%").replace('_', "!_") + "%";
                let escaped = quoted(&escaped);
                said(
                    format!("{ours} {not}like {escaped} escape '!'"),
                    format!("{theirs} {not}like {escaped} escape '!'"),
                )
            }
            _ => {
                let bound = self.maybe_bound(quoted(pattern), json!(pattern), quoted(pattern));
                said(
                    format!("{ours} {not}like {}", bound.ours),
                    format!("{theirs} {not}like {}", bound.theirs),
                )
            }
        }
    }

    /// Columns to order by, each with whether it goes down; for SQLite all of it.
    pub(crate) fn order(&mut self) -> (Vec<(String, bool)>, String) {
        let (mut ours, mut theirs) = (Vec::new(), String::new());
        for _ in 0..self.rng.below(4) {
            let Some(column) = self.column(|_| true) else { continue };
            let is_desc = self.rng.chance(50);
            let direction = if is_desc { "desc" } else { "asc" };
            let Picked { said, absent, .. } = column;
            let theirs_column = said.theirs;
            write!(theirs, "not {absent} {direction}, {theirs_column} {direction}, ").unwrap();
            ours.push((said.ours, is_desc));
        }
        (ours, theirs + "base.id")
    }
}

fn infix(left: &Said, op: &str, right: &Said) -> Said {
    said(
        format!("{} {op} {}", left.ours, right.ours),
        format!("{} {op} {}", left.theirs, right.theirs),
    )
}

fn blob(bytes: &[u8]) -> String {
    format!("x'{}'", data_encoding::HEXLOWER.encode(bytes))
}

/// What compares.
fn kind(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Text | ColumnType::RichText | ColumnType::Choice => "text",
        ColumnType::Integer | ColumnType::Counter | ColumnType::Decimal | ColumnType::Float => {
            "number"
        }
        ColumnType::Timestamp | ColumnType::Date => "time",
        other => other.as_str(),
    }
}
