//! System tables: the gate lets nobody write them, tells nobody thereby who is in them, and admits of
//! the server only what the organization says.

use std::sync::Arc;

use tidegate::crdt::Record;
use tidegate::gate::{
    Court, LookedUp, Pen, Roster, Ruling, Standing, SystemRow, check, keep_row, rule,
};
use tidegate::model::{
    ActorId, ColumnName, DeviceNumber, Edit, EditId, Op, Organization, Owner, RecordId,
    RecordState, Rule, Schema, SystemTable, Table, TableName, Timestamp, Value,
};
use tidegate::policy::{check_organization, read_policy, read_schema};

const SCHEMA: &str = r#"
[[system_table]]
id = "user"
secured = ["position"]
[[system_table]]
id = "team"
[[table]]
id = "users"
ownership = "user_owned"
columns = [{ id = "name", type = "text" }]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[business_unit]]
id = "north"
parent = "root"
[[position]]
id = "chief"
[[user]]
id = "boss"
business_unit = "root"
position = "chief"
roles = ["system_administrator"]
[[user]]
id = "ann"
business_unit = "north"
roles = ["eager"]
[[team]]
id = "guests"
kind = "access"
members = ["ann"]
[[role]]
id = "eager"
rights.users = { create = "organization", read = "organization", write = "organization" }
rights.user = { create = "user", read = "user", write = "organization", delete = "organization" }
"#;

fn people() -> (Schema, Roster) {
    let schema = read_schema(SCHEMA, "schema.toml").unwrap();
    let read = read_policy(POLICY, "policy.toml", Some(&schema), None).unwrap();
    (schema, Roster::new(Arc::new(read.policy), Arc::new(read.organization.unwrap())))
}

fn pen(number: u64) -> Pen {
    let actor = ActorId { device: DeviceNumber::SERVER, incarnation: number };
    let id = EditId { device: DeviceNumber::SERVER, counter: number, part: 0 };
    Pen { id, actor, at: Timestamp::default() }
}

/// The record of a row as the server has written it.
fn written(organization: &Organization, table: &Table, id: &str) -> Record {
    let system = SystemTable::of(&table.id).unwrap();
    let edit =
        SystemRow::find(organization, system, id).unwrap().edit(table, None, pen(1)).unwrap();
    assert!(keep_row(organization, table, None, &edit).is_some());
    let mut record = Record::new(table.id.clone(), edit.record);
    record.merge(&edit).unwrap();
    record
}

fn by_hand(table: &Table, record: &Record, ops: Vec<Op>) -> Edit {
    let device = DeviceNumber(1);
    let id = EditId { device, counter: 1, part: 0 };
    record.author(table, id, ActorId { device, incarnation: 9 }, Timestamp::default(), ops)
}

fn denied(ruling: Ruling) -> Rule {
    match ruling {
        Ruling::Denied(denial) => denial.rule,
        other => panic!("{other:?}"),
    }
}

fn put(column: &str, value: &str) -> Op {
    Op::Put { column: column.parse().unwrap(), value: Value::Text(value.into()) }
}

fn owned(user: &str, unit: &str) -> Op {
    Op::Own { owner: Owner::User(user.parse().unwrap()), business_unit: unit.parse().unwrap() }
}

#[test]
fn nobody_writes_people_and_nobody_learns_by_trying_who_is_there() {
    let (schema, roster) = people();
    let user = schema.table("user").unwrap();
    let find = |_: &TableName, _: RecordId| LookedUp::Missing;
    for author in ["boss", "ann"] {
        let standing = Standing::resolve(&roster, &author.parse().unwrap());
        let (standing, directory) = (standing.as_ref(), &roster);
        let court = Court { schema: &schema, standing, directory, find: &find };
        // Her own row, one that she cannot read, and one that is not there: all the same.
        let [own, hidden] = ["ann", "boss"].map(|id| written(roster.organization(), user, id));
        let absent = Record::new(user.id.clone(), SystemTable::User.record("zoe"));
        for (record, known) in [(&own, Some(&own)), (&hidden, Some(&hidden)), (&absent, None)] {
            for op in [put("name", "Zoe"), Op::State(RecordState::Deleted), owned("ann", "north")] {
                let ruling = rule(&court, known, &by_hand(user, record, vec![op]));
                assert_eq!(denied(ruling), Rule::SystemTable, "{author}");
            }
        }
        let create = by_hand(user, &absent, vec![owned(author, "north"), put("name", "Zoe")]);
        assert_eq!(denied(rule(&court, None, &create)), Rule::SystemTable);
        assert_eq!(check(&schema, None, &create).unwrap_err().rule, Rule::SystemTable);
    }
    // Elsewhere she may, but not in the place of a row that is there, or may be some day.
    let standing = Standing::resolve(&roster, &"ann".parse().unwrap());
    let (standing, directory) = (standing.as_ref(), &roster);
    let court = Court { schema: &schema, standing, directory, find: &find };
    let users = schema.table("users").unwrap();
    let create = |id| {
        let record = Record::new(users.id.clone(), id);
        by_hand(users, &record, vec![owned("ann", "north"), put("name", "Zoe")])
    };
    let free = create(RecordId::new(Timestamp::default(), [7; 10]));
    assert!(matches!(rule(&court, None, &free), Ruling::Admissible(_)));
    let hidden = written(roster.organization(), user, "boss");
    let said = [(None, "zoe"), (Some(&hidden), "boss")].map(|(known, id)| {
        match rule(&court, known, &create(SystemTable::User.record(id))) {
            Ruling::Denied(denial) => denial,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(said[0].rule, Rule::Malformed);
    assert_eq!(said[0], said[1]);
}

/// The gate does not take the server's word for what it writes.
#[test]
fn only_what_the_organization_says_is_admitted() {
    let (schema, roster) = people();
    let organization = roster.organization();
    let (user, team) = (schema.table("user").unwrap(), schema.table("team").unwrap());
    let row = SystemRow::find(organization, SystemTable::User, "ann").unwrap();
    let record = written(organization, user, "ann");
    assert_eq!(row.edit(user, Some(&record), pen(2)), None);
    assert_eq!(record.columns().get("name"), Some(&Value::Text("ann".into())));
    // As it is said of somebody who is called otherwise.
    let mut other = organization.clone();
    other.users.get_mut("ann").unwrap().name = Some("Ann Arbor".parse().unwrap());
    let renamed = SystemRow::find(&other, SystemTable::User, "ann").unwrap();
    let edit = renamed.edit(user, Some(&record), pen(2)).unwrap();
    assert!(keep_row(organization, user, Some(&record), &edit).is_none());
    assert!(keep_row(&other, user, Some(&record), &edit).is_some());
    assert!(keep_row(&other, team, Some(&record), &edit).is_none());
    // Nothing is left of what she was called before.
    let mut after = record.clone();
    after.merge(&edit).unwrap();
    assert_eq!(after.columns().get("name"), Some(&Value::Text("Ann Arbor".into())));
    assert!(after.with_past().is_empty());
    // She goes only when she is no more, and comes back as the one she was.
    let removal = pen(3).removal(user, &after).unwrap();
    assert!(keep_row(&other, user, Some(&after), &removal).is_none());
    let mut without = other.clone();
    without.users.remove("ann");
    assert!(keep_row(&without, user, Some(&after), &removal).is_some());
    after.merge(&removal).unwrap();
    assert_eq!(pen(4).removal(user, &after), None);
    let again = renamed.edit(user, Some(&after), pen(4)).unwrap();
    assert!(keep_row(&other, user, Some(&after), &again).is_some());
    after.merge(&again).unwrap();
    assert_eq!(renamed.edit(user, Some(&after), pen(5)), None);
    // A position that is given up leaves its section.
    let boss = written(organization, user, "boss");
    let chief: ColumnName = "position".parse().unwrap();
    assert_eq!(boss.columns().get(&chief), Some(&Value::Text("chief".into())));
    other.users.get_mut("boss").unwrap().position = None;
    let edit = SystemRow::find(&other, SystemTable::User, "boss").unwrap();
    let edit = edit.edit(user, Some(&boss), pen(6)).unwrap();
    let mut after = boss.clone();
    after.merge(&edit).unwrap();
    assert_eq!(after.columns().get(&chief), None);
    assert!(keep_row(&other, user, Some(&boss), &edit).is_some());
}

#[test]
fn no_organization_has_the_team_that_owns_the_rows_of_units() {
    let (_, roster) = people();
    let mut organization = roster.organization().clone();
    assert!(check_organization(&organization, None).is_ok());
    let guests = organization.teams["guests"].clone();
    organization.teams.insert(SystemTable::owner_of_units(), guests);
    let mistake = check_organization(&organization, None).unwrap_err().to_string();
    assert!(
        mistake.contains("team `business_unit`") && mistake.contains("choose another name"),
        "{mistake}"
    );
}
