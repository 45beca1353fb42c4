//! System tables: users, teams and business units as rows, which the server keeps.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tidegate::gate::Roster;
use tidegate::model::{
    Columns, Depth, DisplayName, Organization, Policy, RecordId, Right, Rule, SystemTable,
    TeamKind, Value,
};
use tidegate::replica::{Ability, EditError, Replica, Wish};
use tidegate::sync::server::Rules;
use tidegate::{Direction, Secured};

use super::office::{Office, columns, table, text};

const SCHEMA: &str = r#"
[[system_table]]
id = "user"
secured = ["position"]
[[system_table]]
id = "team"
[[system_table]]
id = "business_unit"
[[table]]
id = "visit"
ownership = "user_owned"
columns = [
  { id = "place", type = "text" },
  { id = "guide", type = "lookup", table = "user" },
]
[[view]]
id = "visits"
table = "visit"
columns = ["place", "owner.name as owner", "business_unit.name as unit", "guide.name as guide"]
order = "place"
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
name = "Acme"
[[business_unit]]
id = "north"
name = "Acme North"
parent = "root"
[[business_unit]]
id = "south"
parent = "root"
[[position]]
id = "chief"
[[user]]
id = "boss"
business_unit = "root"
roles = ["system_administrator"]
position = "chief"
[[user]]
id = "ann"
name = "Ann Arbor"
business_unit = "north"
manager = "boss"
roles = ["clerk"]
[[user]]
id = "ben"
name = "Ben Bolt"
business_unit = "south"
roles = ["clerk"]
[[team]]
id = "crew"
name = "The crew"
kind = "owner"
business_unit = "north"
members = ["ann"]
roles = ["crew"]
[[team]]
id = "guests"
kind = "access"
members = ["ben"]
[[role]]
id = "crew"
[role.rights.visit]
read = "user"
[[role]]
id = "clerk"
[role.rights.visit]
create = "user"
read = "organization"
write = "user"
append = "user"
assign = "user"
[role.rights.user]
read = "business_unit"
append_to = "business_unit"
[role.rights.team]
read = "user"
[role.rights.business_unit]
read = "business_unit"
[[column_security]]
id = "positions"
users = ["boss"]
[column_security.columns."user.position"]
read = true
"#;

/// What somebody sees of a system table, by name.
fn names(replica: &Replica, system: SystemTable) -> Vec<String> {
    let rows = replica.query(&system.name()).order_by("name", Direction::Asc).rows().unwrap();
    rows.iter().map(|row| row.get("name").to_string()).collect()
}

fn users(replica: &Replica) -> Vec<String> {
    names(replica, SystemTable::User)
}

async fn sync(replicas: &[&Replica]) {
    for replica in replicas {
        replica.sync().await.unwrap();
    }
}

async fn change(office: &Office, change: impl FnOnce(&mut Policy, &mut Organization)) -> u64 {
    let before = office.server.status().await.unwrap().meta.head.0;
    office.change_policy(change).await;
    office.server.status().await.unwrap().meta.head.0 - before
}

fn reads(policy: &mut Policy, system: SystemTable, depth: Depth) {
    let rights = &mut policy.roles.get_mut("clerk").unwrap().rights;
    rights.entry(system.name()).or_default().insert(Right::Read, depth);
}

#[derive(Debug, PartialEq, Deserialize)]
struct Visit {
    place: String,
    owner: Secured<Option<String>>,
    unit: Secured<Option<String>>,
    guide: Secured<Option<String>>,
}

fn known(name: &str) -> Secured<Option<String>> {
    Secured::Known(Some(name.to_owned()))
}

#[tokio::test]
async fn an_app_shows_names_beside_records() {
    let office = Office::with(SCHEMA, POLICY);
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let boss = office.device("boss", "boss").await;
    let visits = table("visit");
    let row = columns([
        ("place", text("a quay")),
        ("guide", Value::Lookup(SystemTable::User.record("ann"))),
    ]);
    let (quay, _) = ann.insert(&visits, row).await.unwrap();
    ann.insert(&visits, columns([("place", text("b yard"))])).await.unwrap();
    let shown = |replica: &Replica| -> Vec<Visit> {
        let rows = replica.view("visits").unwrap().rows_as().unwrap();
        rows.into_iter().map(|(_, row)| row).collect()
    };
    let visit = |place: &str, owner, unit, guide| Visit { place: place.into(), owner, unit, guide };
    let ann_north = || (known("Ann Arbor"), known("Acme North"));
    let none = || Secured::Known(None);
    let by_ann = |ann_has: Visit| {
        let (owner, unit) = ann_north();
        [ann_has, visit("b yard", owner, unit, none())]
    };
    let (owner, unit) = ann_north();
    let all = by_ann(visit("a quay", owner, unit, known("Ann Arbor")));
    // At once, without the server.
    assert_eq!(shown(&ann), all);
    let crew = "team:crew".parse().unwrap();
    ann.assign(&visits, quay, crew).await.unwrap();
    sync(&[&ann, &ben, &boss]).await;
    let of_crew = || visit("a quay", known("The crew"), known("Acme North"), known("Ann Arbor"));
    assert_eq!(shown(&ann), by_ann(of_crew()));
    assert_eq!(shown(&boss), by_ann(of_crew()));
    // Ben reads the visits, and not the people of the north.
    let hidden = || Secured::Hidden;
    let nobody = [
        visit("a quay", hidden(), hidden(), hidden()),
        visit("b yard", hidden(), hidden(), none()),
    ];
    assert_eq!(shown(&ben), nobody);
    let count =
        |replica: &Replica, filter: &str| replica.query(&visits).filter(filter).count().unwrap();
    assert_eq!(count(&ann, "owner.name = 'Ann Arbor'"), 1);
    assert_eq!(count(&ben, "owner.name = 'Ann Arbor'"), 0);
    assert_eq!(count(&ben, "owner.name is null"), 0);
    // A team has no manager: that is null, and not hidden.
    assert_eq!(count(&ann, "owner.manager is null"), 1);
    assert_eq!(count(&boss, "owner.manager.name = 'boss'"), 1);
    assert_eq!(count(&boss, "business_unit.parent.name = 'Acme'"), 2);
    for filter in ["guide = me()", "guide = 'ann'", "guide in ('ann', 'ben')", "guide.key = 'ann'"]
    {
        assert_eq!(count(&ann, filter), 1, "{filter}");
    }
    assert_eq!(count(&boss, "guide = me()"), 0);
    let own = |replica: &Replica, system: SystemTable, filter: &str| -> Vec<String> {
        let rows = replica.query(&system.name()).filter(filter).rows().unwrap();
        rows.iter().map(|row| row.get("key").to_string()).collect()
    };
    assert_eq!(own(&boss, SystemTable::User, "id = me()"), ["boss"]);
    assert_eq!(own(&ann, SystemTable::Team, "id in my_teams()"), ["crew"]);
    assert_eq!(own(&ann, SystemTable::BusinessUnit, "id = my_business_unit()"), ["north"]);
    // Who may do nothing with people has the view all the same, and nobody in it.
    office
        .change_policy(|policy, _| {
            let rights = &mut policy.roles.get_mut("clerk").unwrap().rights;
            rights.retain(|table, _| SystemTable::of(table).is_none());
        })
        .await;
    sync(&[&ann]).await;
    assert_eq!(shown(&ann), nobody);
    let schema = ann.known_schema();
    let read = tidegate::query::CheckedView::new(&schema, schema.view("visits").unwrap());
    let read = read.unwrap();
    let read: Vec<_> = read.tables().map(tidegate::TableName::as_str).collect();
    assert_eq!(read, ["visit", "user", "business_unit", "user"]);
}

#[tokio::test]
async fn depth_reaches_people_as_it_reaches_what_they_own() {
    let office = Office::with(SCHEMA, POLICY);
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let tell = |depths: [Depth; 3]| {
        change(&office, move |policy, _| {
            for (system, depth) in SystemTable::ALL.into_iter().zip(depths) {
                reads(policy, system, depth);
            }
            policy
                .roles
                .get_mut("clerk")
                .unwrap()
                .rights
                .get_mut("user")
                .unwrap()
                .remove(&Right::AppendTo);
        })
    };
    let all = ["Ann Arbor", "Ben Bolt", "boss"];
    let rows = |replica: &Replica| SystemTable::ALL.map(|system| names(replica, system));
    let none = || Vec::<String>::new();
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    // By default of this test: the people of one's unit, one's own teams, one's unit.
    assert_eq!(rows(&ann), [owned(&["Ann Arbor"]), owned(&["The crew"]), owned(&["Acme North"])]);
    assert_eq!(rows(&ben), [owned(&["Ben Bolt"]), owned(&["guests"]), owned(&["south"])]);
    for (depth, of_ann, of_ben) in [
        (Depth::None, [none(), none(), none()], [none(), none(), none()]),
        (
            Depth::User,
            [owned(&["Ann Arbor"]), owned(&["The crew"]), none()],
            [owned(&["Ben Bolt"]), owned(&["guests"]), none()],
        ),
        (
            Depth::Organization,
            [owned(&all), owned(&["The crew", "guests"]), owned(&["Acme", "Acme North", "south"])],
            [owned(&all), owned(&["The crew", "guests"]), owned(&["Acme", "Acme North", "south"])],
        ),
        (
            Depth::ParentChild,
            [owned(&["Ann Arbor"]), owned(&["The crew"]), owned(&["Acme North"])],
            [owned(&["Ben Bolt"]), owned(&["guests"]), owned(&["south"])],
        ),
    ] {
        tell([depth; 3]).await;
        sync(&[&ann, &ben]).await;
        assert_eq!((rows(&ann), rows(&ben)), (of_ann, of_ben), "{depth:?}");
    }
}

#[tokio::test]
async fn rows_follow_the_organization_in_the_step_that_changes_it() {
    let office = Office::with(SCHEMA, POLICY);
    // Three units, three users, two teams.
    assert_eq!(office.server.status().await.unwrap().meta.head.0, 8);
    let boss = office.device("boss", "boss").await;
    let ann = office.device("ann", "ann").await;
    let called = |name: &str| Some(name.parse::<DisplayName>().unwrap());
    // Nothing of it concerns a row.
    assert_eq!(change(&office, |policy, _| reads(policy, SystemTable::Team, Depth::User)).await, 0);
    // Each change is made on the files, and takes the one before back.
    let renamed = change(&office, |_, people| {
        people.users.get_mut("ann").unwrap().name = called("Ann Brown");
        people.users.get_mut("ann").unwrap().roles.insert("crew".parse().unwrap());
    });
    assert_eq!(renamed.await, 1);
    sync(&[&boss, &ann]).await;
    assert_eq!(users(&boss), ["Ann Brown", "Ben Bolt", "boss"]);
    assert_eq!(users(&ann), ["Ann Brown"]);
    // Ben comes to the north, and his row with him: and Ann's old name.
    let moved = change(&office, |_, people| {
        people.users.get_mut("ben").unwrap().business_unit = "north".parse().unwrap();
    });
    assert_eq!(moved.await, 2);
    sync(&[&boss, &ann]).await;
    assert_eq!(users(&ann), ["Ann Arbor", "Ben Bolt"]);
    // He goes, somebody is hired, and the guests become a team that owns.
    let hired = change(&office, |_, people| {
        let mut cora = people.users["ben"].clone();
        cora.name = called("Cora Cay");
        cora.business_unit = "north".parse().unwrap();
        cora.disabled = true;
        people.users.insert("cora".parse().unwrap(), cora);
        people.users.remove("ben");
        let guests = people.teams.get_mut("guests").unwrap();
        guests.members.clear();
        let business_unit = "south".parse().unwrap();
        guests.kind = TeamKind::Owner { business_unit, roles: BTreeSet::new() };
    });
    assert_eq!(hired.await, 3);
    sync(&[&boss, &ann]).await;
    assert_eq!(users(&ann), ["Ann Arbor", "Cora Cay"]);
    assert_eq!(users(&boss), ["Ann Arbor", "Cora Cay", "boss"]);
    let cora = boss.get(&table("user"), SystemTable::User.record("cora")).unwrap().unwrap();
    assert_eq!(cora.get("disabled"), &Value::Boolean(true));
    let guests = boss.get(&table("team"), SystemTable::Team.record("guests")).unwrap().unwrap();
    let (owner, unit) = guests.header.owner.clone().unwrap();
    assert_eq!((owner.to_string(), unit.to_string()), ("team:guests".into(), "south".into()));
    assert!(guests.header.shares.is_empty());
    assert_eq!(guests.get("kind"), &Value::Choice("owner".into()));
    // Back to the files: Ben is the one he was.
    assert_eq!(change(&office, |_, _| {}).await, 3);
    sync(&[&boss]).await;
    assert_eq!(users(&boss), ["Ann Arbor", "Ben Bolt", "boss"]);
    assert!(boss.verify().unwrap().is_sound());
    let Office { home, server, dir: _dir } = office;
    server.stop().await;
    let found = tidegate::replica::verify(home.data_file(), &mut |_, _| {}).unwrap();
    assert!(found.is_sound(), "{found:?}");
}

#[tokio::test]
async fn nobody_but_the_server_writes_people() {
    let office = Office::with(SCHEMA, POLICY);
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    let user = table("user");
    let own = SystemTable::User.record("boss");
    let denied = |result: Result<_, EditError>| match result.map(|_: tidegate::Receipt| ()) {
        Err(EditError::Denied(denial)) => denial.rule,
        other => panic!("{other:?}"),
    };
    let name = || [("name".parse().unwrap(), text("The boss"))];
    assert_eq!(denied(boss.update(&user, own, name()).await), Rule::SystemTable);
    assert_eq!(denied(boss.delete(&user, own).await), Rule::SystemTable);
    assert_eq!(
        denied(boss.assign(&user, own, "user:ann".parse().unwrap()).await),
        Rule::SystemTable
    );
    let row = columns([("name", text("Zoe")), ("key", text("zoe"))]);
    let made = boss.insert(&user, row).await.map(|(_, receipt)| receipt);
    assert_eq!(denied(made), Rule::SystemTable);
    // Nor does anyone take the place of who will come.
    let visits = table("visit");
    let taken = SystemTable::User.record("zoe");
    let intent = tidegate::replica::Intent::Create { owner: None, columns: Columns::new() };
    let draft = tidegate::replica::Draft { table: visits.clone(), record: taken, intent };
    assert_eq!(denied(boss.commit(vec![draft]).await), Rule::Malformed);
    // An app greys out what would be refused, and not what is allowed.
    for wish in [Wish::Write(Vec::new()), Wish::Delete, Wish::Append] {
        assert_eq!(
            boss.can(&user, own, &wish).unwrap().rule(),
            Some(Rule::SystemTable),
            "{wish:?}"
        );
    }
    assert_eq!(boss.can_create(&user, None, &[]).unwrap().rule(), Some(Rule::SystemTable));
    for wish in [Wish::AppendTo, Wish::ReadColumn("position".parse().unwrap())] {
        assert!(boss.can(&user, own, &wish).unwrap().is_allowed(), "{wish:?}");
    }
    // To point at somebody is a right like any other.
    let visit = |guide: &str| json!({ "place": "quay", "guide": guide });
    let typed = ann.table::<serde_json::Value>("visit").unwrap();
    let receipt = typed.insert(&visit("ann")).await.unwrap();
    ann.sync().await.unwrap();
    assert!(boss.sync().await.is_ok() && boss.get(&visits, receipt.id()).unwrap().is_some());
    // Ann cannot read Ben's row, and the server says no more of it than of one that is not there.
    for absent in ["ben", "nobody"] {
        let receipt = typed.insert(&visit(absent)).await.unwrap();
        ann.sync().await.unwrap();
        let refused = ann.quarantined(receipt.id()).unwrap();
        assert_eq!(refused[0].denial.rule, Rule::OutOfDepth, "{absent}");
    }
}

#[tokio::test]
async fn a_secured_column_of_people_is_hidden_and_keys_are_not() {
    let office = Office::with(SCHEMA, POLICY);
    office.change_policy(|policy, _| reads(policy, SystemTable::User, Depth::Organization)).await;
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    let position = |replica: &Replica| {
        let id = SystemTable::User.record("boss");
        let row = replica.get(&table("user"), id).unwrap().unwrap();
        (row.read("position").known().cloned(), row.get("key").clone())
    };
    assert_eq!(position(&boss), (Some(text("chief")), text("boss")));
    assert_eq!(position(&ann), (None, text("boss")));
    let found = ann.query(&table("user")).filter("position = 'chief' or position is null");
    assert_eq!(found.count().unwrap(), 0);
}

#[derive(Debug, Serialize, Deserialize)]
struct Person {
    key: String,
    name: String,
    manager: Option<RecordId>,
}

/// A schema gets the tables later, and they come to devices that are there.
#[tokio::test]
async fn a_schema_gets_system_tables_while_the_server_runs() {
    let bare = SCHEMA.split_once("[[table]]").unwrap().1.split_once("[[view]]").unwrap().0;
    let bare = format!("[[table]]{bare}")
        .replace(r#"{ id = "guide", type = "lookup", table = "user" },"#, "");
    let policy: String = POLICY
        .split("\n[")
        .filter(|part| {
            !part.starts_with("role.rights.user")
                && !part.starts_with("role.rights.team")
                && !part.starts_with("role.rights.business_unit")
                && !part.contains("column_security")
        })
        .collect::<Vec<_>>()
        .join("\n[");
    let office = Office::with(&bare, &policy);
    let boss = office.device("boss", "boss").await;
    assert_eq!(office.server.status().await.unwrap().meta.head.0, 0);
    assert!(boss.table::<Person>("user").is_err());
    let refused = boss.query(&table("visit")).filter("owner.name = 'x'").rows().unwrap_err();
    assert!(refused.to_string().contains("system table `user`"), "{refused}");
    let rules = |schema: &str| {
        let now = office.home.rules().unwrap();
        Rules::new(tidegate::read_schema(schema, "schema.toml").unwrap(), now.roster().clone())
            .unwrap()
    };
    office.server.set_rules(rules(SCHEMA)).await.unwrap();
    boss.sync().await.unwrap();
    let people = boss.table::<Person>("user").unwrap().query().order_by("key", Direction::Asc);
    let people: Vec<_> = people.rows().unwrap().into_iter().map(|(_, person)| person).collect();
    assert_eq!(
        people.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
        ["Ann Arbor", "Ben Bolt", "boss"]
    );
    assert_eq!(people[0].manager, Some(SystemTable::User.record("boss")));
    // Away for a while, and back: what changed meanwhile is made up for.
    office.server.set_rules(rules(&bare)).await.unwrap();
    boss.sync().await.unwrap();
    assert!(boss.schema().table("user").is_none());
    assert_eq!(change(&office, |_, people| drop(people.users.remove("ben"))).await, 0);
    let now = rules(SCHEMA);
    let mut people = now.roster().organization().clone();
    people.users.remove("ben");
    people.users.get_mut("ann").unwrap().name = Some("Ann Brown".parse().unwrap());
    let roster = Roster::new(Arc::new(now.roster().policy().clone()), Arc::new(people));
    office.server.set_rules(Rules::new(now.schema().clone(), roster).unwrap()).await.unwrap();
    boss.sync().await.unwrap();
    assert_eq!(users(&boss), ["Ann Brown", "boss"]);
}

/// What a device shows before it is enrolled: nobody, and no row can be made.
#[tokio::test]
async fn before_enrolment_there_are_no_people() {
    let dir = tempfile::tempdir().unwrap();
    let schema = tidegate::read_schema(SCHEMA, "schema.toml").unwrap();
    let replica = Replica::builder(dir.path().join("own.redb")).schema(schema).open().unwrap();
    let row = columns([("key", text("me")), ("name", text("Me"))]);
    let refused = replica.insert(&table("user"), row).await;
    assert!(matches!(refused, Err(EditError::Denied(denial)) if denial.rule == Rule::SystemTable));
    replica.insert(&table("visit"), columns([("place", text("quay"))])).await.unwrap();
    let shown = replica.view("visits").unwrap().rows().unwrap();
    assert_eq!(shown[0].read("owner"), Secured::Hidden);
    assert!(matches!(replica.can_create(&table("user"), None, &[]), Ok(Ability::Denied(_))));
}
