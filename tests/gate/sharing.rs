//! Sharing by edits: what cases judge as one action is ruled on as operations of a header here, and
//! the naive model answers both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidegate::crdt::Record;
use tidegate::gate::{Court, LookedUp, Roster, Ruling, Standing, rule};
use tidegate::limits::SHARES_MAX;
use tidegate::model::{
    ActorId, Column, ColumnPermissions, ColumnType, DeviceNumber, Edit, EditId, Op, Ownership,
    Principal, RecordId, RecordState, Right, Rights, Schema, Table, TableFacts, TableName,
    Timestamp, Value,
};
use tidegate::policy::{Format, read_policy_as};

use crate::compare::setting;
use crate::naive::{Naive, text};
use crate::random::{Random, World};
use crate::twins::{case, order, policy, with};

struct Stage<'a> {
    policy: &'a Json,
    roster: Roster,
    schema: Schema,
}

/// A table of a policy with its secured columns, and `title`.
fn declare(facts: &TableFacts) -> Table {
    let column = |id: &str, secured| Column {
        secured,
        ..Column::new(id.parse().unwrap(), ColumnType::Text)
    };
    let secured = facts.secured.iter().map(|id| column(id.as_str(), true));
    let ownership =
        if facts.is_user_owned() { Ownership::UserOwned } else { Ownership::OrganizationOwned };
    let columns = secured.chain([column("title", false)]).collect();
    Table::new(facts.id.clone(), ownership, columns)
}

fn permissions(of: &Json) -> ColumnPermissions {
    let is = |key: &str| of[key] == true;
    ColumnPermissions { read: is("read"), update: is("update"), create: false }
}

fn rights(of: &Json) -> Rights {
    let names = of.as_array().unwrap().iter();
    names.map(|name| Right::from_name(text(name)).unwrap()).collect()
}

fn to(of: &Json) -> Principal {
    text(&of["to"]).parse().unwrap()
}

/// The operations after which a header says what a case does. Several shares of one principal
/// count together there, and replace each other here.
fn header_ops(record: &Json) -> Vec<Op> {
    let begin = match text(&record["owner"]) {
        "" => Op::State(RecordState::Active),
        owner => Op::Own {
            owner: owner.parse().unwrap(),
            business_unit: text(&record["business_unit"]).parse().unwrap(),
        },
    };
    let mut shares: BTreeMap<Principal, Rights> = BTreeMap::new();
    for share in record["shares"].as_array().into_iter().flatten() {
        let known = shares.entry(to(share)).or_default();
        *known = known.union(rights(&share["rights"]));
    }
    let mut columns: BTreeMap<(String, Principal), ColumnPermissions> = BTreeMap::new();
    for share in record["column_shares"].as_array().into_iter().flatten() {
        let known = columns.entry((text(&share["column"]).to_owned(), to(share))).or_default();
        *known = known.union(permissions(share));
    }
    let shares = shares.into_iter().map(|(to, rights)| Op::Share { to, rights });
    let columns = columns.into_iter().map(|((column, to), permissions)| Op::ShareColumn {
        column: column.parse().unwrap(),
        to,
        permissions,
    });
    std::iter::once(begin).chain(shares).chain(columns).collect()
}

/// What the edit of a case does to the record; `None`: a case that is no such edit.
fn edit_ops(case: &Json, schema: &Schema) -> Option<Vec<Op>> {
    Some(match text(&case["op"]) {
        "share" => vec![Op::Share { to: to(case), rights: rights(&case["rights"]) }],
        "share_column" => vec![Op::ShareColumn {
            column: text(&case["column"]).parse().unwrap(),
            to: to(case),
            permissions: permissions(case),
        }],
        "delete" => vec![Op::State(RecordState::Deleted)],
        "write" => {
            let table = schema.table(text(&case["table"])).unwrap();
            let columns = case["columns"].as_array().into_iter().flatten().map(text);
            let columns: BTreeSet<_> = columns.filter(|it| table.column(it).is_some()).collect();
            let put = |column: &str| Op::Put {
                column: column.parse().unwrap(),
                value: Value::Text("new".into()),
            };
            columns.into_iter().map(put).collect()
        }
        _ => return None,
    })
}

/// An answer as a case gives it, with denied columns as a set.
#[derive(Debug, PartialEq)]
enum Answer {
    Allowed,
    Denied(String),
    Columns(BTreeSet<String>),
}

impl<'a> Stage<'a> {
    fn new(policy: &'a Json) -> Self {
        let document =
            read_policy_as(Format::Json, &policy.to_string(), "p.json", None, None).unwrap();
        let organization = Arc::new(document.organization.unwrap());
        let tables = document.tables.values().map(|facts| (facts.id.clone(), declare(facts)));
        let schema = Schema { tables: tables.collect(), ..Schema::default() };
        Self { policy, roster: Roster::new(Arc::new(document.policy), organization), schema }
    }

    fn table(&self, name: &str) -> &Table {
        self.schema.table(name).unwrap()
    }

    fn record(&self, case: &Json) -> Record {
        let table = self.table(text(&case["table"]));
        let mut record = Record::new(table.id.clone(), RecordId::from_bytes([7; 16]));
        record.merge(&write(&record, table, 1, header_ops(&case["record"]))).unwrap();
        record
    }

    fn rule(&self, user: &str, record: &Record, edit: &Edit) -> Ruling {
        let standing = Standing::resolve(&self.roster, &user.parse().unwrap());
        let find = |_: &TableName, _| LookedUp::Missing;
        let court = Court {
            schema: &self.schema,
            standing: standing.as_ref(),
            directory: &self.roster,
            find: &find,
        };
        rule(&court, Some(record), edit)
    }

    fn answer(&self, case: &Json, ops: Vec<Op>) -> Answer {
        let record = self.record(case);
        let table = self.table(text(&case["table"]));
        let edit = write(&record, table, 2, ops);
        match self.rule(text(&case["user"]), &record, &edit) {
            Ruling::Admissible(admissible) => {
                assert!(admissible.is_certain());
                Answer::Allowed
            }
            Ruling::Denied(denial) => Answer::Denied(denial.rule.as_str().to_owned()),
            Ruling::Split(denied) => {
                let column = |denial: tidegate::model::Denial| denial.column.unwrap().to_string();
                Answer::Columns(denied.into_iter().map(column).collect())
            }
            Ruling::Reauthor => panic!("it builds on what is there"),
        }
    }

    /// What the naive model answers, as a ruling says it.
    fn expected(&self, case: &Json, columns: usize) -> Answer {
        let naive = Naive { policy: self.policy };
        let answer = naive.answer(&case.to_string());
        if answer["allowed"] == true {
            return Answer::Allowed;
        }
        let denied = answer["denied_columns"].as_array().into_iter().flatten();
        let denied: BTreeSet<_> = denied.map(|column| text(column).to_owned()).collect();
        // Where all are denied there is nothing to split.
        if !denied.is_empty() && denied.len() < columns {
            return Answer::Columns(denied);
        }
        // Who may not read the record is told as little as if there were none.
        let mut read = case.clone();
        let of_read = ["user", "table", "record"];
        read.as_object_mut().unwrap().retain(|key, _| of_read.contains(&key.as_str()));
        read["op"] = json!("read");
        let is_hidden = naive.answer(&read.to_string())["allowed"] == false;
        let rule = if is_hidden { "malformed" } else { text(&answer["rule"]) };
        Answer::Denied(rule.to_owned())
    }
}

fn write(record: &Record, table: &Table, counter: u64, ops: Vec<Op>) -> Edit {
    let id = EditId { device: DeviceNumber(1), counter, part: 0 };
    let actor = ActorId { device: DeviceNumber(1), incarnation: 9 };
    record.author(table, id, actor, Timestamp::default(), ops)
}

#[test]
fn edits_that_share_are_ruled_on_as_cases_are() {
    let edits = setting("TIDEGATE_JUDGMENTS", 40_000) / 2;
    let seed = setting("TIDEGATE_SEED", 20_261_120);
    let per_policy = 400;
    let mut answers: BTreeMap<String, u64> = BTreeMap::new();
    let mut compared = 0;
    for round in 0.. {
        if compared >= edits {
            break;
        }
        let round = seed.wrapping_add(round);
        let mut random = Random(round);
        let world = World::new(&mut random);
        let stage = Stage::new(&world.policy);
        for _ in 0..per_policy {
            let mut case = world.case(&mut random);
            // Lookups are compared by cases.
            for key in ["lookups", "old_lookups"] {
                case.as_object_mut().unwrap().remove(key);
            }
            let Some(ops) = edit_ops(&case, &stage.schema).filter(|ops| !ops.is_empty()) else {
                continue;
            };
            if text(&case["op"]) == "write" {
                let columns: Vec<_> = ops.iter().filter_map(Op::column).collect();
                case["columns"] = json!(columns);
            }
            let expected = stage.expected(&case, ops.len());
            let found = stage.answer(&case, ops);
            assert_eq!(
                found, expected,
                "gate (left) and model (right) differ; TIDEGATE_SEED={round}\ncase: {case}\npolicy: {}",
                world.policy
            );
            let answer = match expected {
                Answer::Allowed => "allowed".to_owned(),
                Answer::Denied(rule) => rule,
                Answer::Columns(_) => "split".to_owned(),
            };
            *answers.entry(format!("{} {answer}", text(&case["op"]))).or_default() += 1;
            compared += 1;
        }
    }
    println!("compared by answer: {answers:?}");
    for answer in [
        "share allowed",
        "share cannot_give_right",
        "share_column allowed",
        "share_column cannot_give_right",
        "share_column malformed",
        "write split",
    ] {
        let count = answers.get(answer).copied().unwrap_or(0);
        assert!(count >= compared / 200, "only {count} answers are {answer}: {answers:?}");
    }
}

/// Each edit that no record can have, beside its twin that it can.
#[test]
fn an_edit_that_shares_what_cannot_be_shared_is_malformed() {
    let policy = policy();
    let stage = Stage::new(&policy);
    let share = |to: &str, rights: &[Right]| Op::Share {
        to: to.parse().unwrap(),
        rights: rights.iter().copied().collect(),
    };
    let column = |column: &str, to: &str, permissions| Op::ShareColumn {
        column: column.parse().unwrap(),
        to: to.parse().unwrap(),
        permissions,
    };
    let (read, update) = (ColumnPermissions::READ, ColumnPermissions::UPDATE);
    let create = ColumnPermissions { create: true, ..read };
    let order = || case("admin", "share", order("user:bea", "north"));
    let country = || json!({"user": "admin", "table": "country", "record": {}});
    let gone = || {
        let with_shares = with(
            self::order("user:bea", "north"),
            "shares",
            json!([{"to": "user:gone", "rights": ["read"]}]),
        );
        let share = json!([{"to": "team:gone", "column": "cost", "read": true, "update": false}]);
        case("admin", "share", with(with_shares, "column_shares", share))
    };
    let rows = [
        ("a right", order(), share("user:dora", &[Right::Read]), true),
        ("the right to create", order(), share("user:dora", &[Right::Read, Right::Create]), false),
        ("with a team", order(), share("team:group", &[Right::Read]), true),
        ("with the organization", order(), share("organization", &[Right::Read]), true),
        ("with nobody", order(), share("user:gone", &[Right::Read]), false),
        ("with no team", order(), share("team:gone", &[Right::Read]), false),
        ("taken from one who is gone", gone(), share("user:gone", &[]), true),
        ("more for one who is gone", gone(), share("user:gone", &[Right::Write]), false),
        ("of the organization's", country(), share("user:dora", &[Right::Read]), false),
        ("a column of the organization's", country(), column("rank", "user:dora", read), true),
        ("a secured column", order(), column("cost", "user:dora", update), true),
        ("a column that is not secured", order(), column("title", "user:dora", read), false),
        ("a column that is not there", order(), column("colour", "user:dora", read), false),
        ("create of a column", order(), column("cost", "user:dora", create), false),
        ("a column, with nobody", order(), column("cost", "user:gone", read), false),
        (
            "a column, from one who is gone",
            gone(),
            column("cost", "team:gone", ColumnPermissions::NONE),
            true,
        ),
    ];
    for (what, case, op, allowed) in rows {
        let expected =
            if allowed { Answer::Allowed } else { Answer::Denied("malformed".to_owned()) };
        assert_eq!(stage.answer(&case, vec![op]), expected, "{what}");
    }
}

#[test]
fn a_record_has_a_bound_on_its_shares() {
    let policy = policy();
    let stage = Stage::new(&policy);
    let op = |n: usize| match n {
        0 => Op::Share { to: Principal::Organization, rights: Rights::NONE.with(Right::Read) },
        n => Op::Share {
            to: format!("user:u{n}").parse().unwrap(),
            rights: Rights::NONE.with(Right::Read),
        },
    };
    let case = case("admin", "share", order("user:bea", "north"));
    let table = stage.table("order");
    let mut record = stage.record(&case);
    let many = (1..SHARES_MAX).map(op).collect();
    record.merge(&write(&record, table, 2, many)).unwrap();
    let ruled =
        |record: &Record, op: Op| stage.rule("admin", record, &write(record, table, 3, vec![op]));
    assert!(matches!(ruled(&record, op(0)), Ruling::Admissible(_)));
    record.merge(&write(&record, table, 3, vec![op(0)])).unwrap();
    assert_eq!(record.header().shares_len(), SHARES_MAX);
    let cost = |permissions| Op::ShareColumn {
        column: "cost".parse().unwrap(),
        to: Principal::Organization,
        permissions,
    };
    let Ruling::Denied(denial) = ruled(&record, cost(ColumnPermissions::READ)) else {
        panic!("one too many");
    };
    assert!(denial.to_string().contains("at most 1000 shares"), "{denial}");
    // What is there may be changed, and taken away.
    let none = Op::Share { to: Principal::Organization, rights: Rights::NONE };
    assert!(matches!(ruled(&record, none), Ruling::Admissible(_)));
}

/// Each operation is judged on what those before it left.
#[test]
fn what_was_given_in_one_edit_counts_for_what_follows_in_it() {
    let policy = policy();
    let stage = Stage::new(&policy);
    let share =
        |to: &str, right| Op::Share { to: to.parse().unwrap(), rights: Rights::NONE.with(right) };
    let shared = with(
        order("user:bea", "north"),
        "shares",
        json!([{"to": "user:sharer", "rights": ["write"]}]),
    );
    let case = case("sharer", "share", shared);
    let give = || share("user:dora", Right::Write);
    let lose = || Op::Share { to: "user:sharer".parse().unwrap(), rights: Rights::NONE };
    assert_eq!(stage.answer(&case, vec![give(), lose()]), Answer::Allowed);
    let late = stage.answer(&case, vec![lose(), give()]);
    assert_eq!(late, Answer::Denied("cannot_give_right".into()));
}
