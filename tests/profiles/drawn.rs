//! Random organizations, schemas, records and profiles, as documents and for the plain model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use tidegate::model::{Columns, Header, RecordState, Right, Rights, SystemTable, Timestamp, Value};
use tidegate::scope::Candidate;

use super::memory::{Memory, id};
use super::naive::{Entry, Filter, Held, MINUTE, Rec, Role, Table, Team, World};
use super::rng::Rng;

const NOW: i64 = 1_763_631_012_345;
pub(crate) const DEPTHS: [&str; 4] = ["user", "business_unit", "parent_child", "organization"];
const ROWS: [&str; 5] = ["all", "mine", "my_teams", "my_business_unit", "my_business_units"];

fn some<T: Clone>(rng: &mut Rng, of: &[T], percent: usize) -> Vec<T> {
    of.iter().filter(|_| rng.chance(percent)).cloned().collect()
}

fn one<T: Clone>(rng: &mut Rng, of: &[T]) -> T {
    rng.pick(of).unwrap().clone()
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}{at}")).collect()
}

/// A world without a profile.
pub(crate) fn world(rng: &mut Rng) -> World {
    let mut world = World { now: NOW, ..World::default() };
    people(rng, &mut world);
    tables(rng, &mut world);
    privileges(rng, &mut world);
    records(rng, &mut world);
    world
}

fn people(rng: &mut Rng, world: &mut World) {
    let units = names("b", 1 + rng.below(4));
    for (at, unit) in units.iter().enumerate() {
        world.units.insert(unit.clone(), (at > 0).then(|| units[rng.below(at)].clone()));
    }
    let mut roles = names("r", 1 + rng.below(3));
    for user in names("u", 1 + rng.below(3)) {
        let mut held = some(rng, &roles, 60);
        if rng.chance(5) {
            held.push("system_administrator".into());
        }
        world.users.insert(user, (one(rng, &units), held));
    }
    let users: Vec<_> = world.users.keys().cloned().collect();
    for team in names("m", rng.below(4)) {
        let unit = rng.chance(70).then(|| one(rng, &units));
        let held = if unit.is_some() { some(rng, &roles, 40) } else { Vec::new() };
        let members = some(rng, &users, 60);
        world.teams.insert(team, Team { unit, roles: held, members });
    }
    roles.drain(..).for_each(|role| drop(world.roles.insert(role, Role::default())));
    world.user = one(rng, &users);
}

fn tables(rng: &mut Rng, world: &mut World) {
    let own = names("t", 1 + rng.below(4));
    let system = some(rng, &["user", "team", "business_unit"].map(str::to_owned), 35);
    for table in &own {
        // One with two lookups can stand between two others.
        let all: Vec<_> = own.iter().chain(&system).cloned().collect();
        let lookups = names("l", rng.below(3)).into_iter().map(|it| (it, one(rng, &all)));
        let lookups = lookups.collect();
        let (id, is_owned) = (table.clone(), rng.chance(70));
        world.tables.push(Table { id, is_owned, is_system: false, lookups });
    }
    for table in system {
        let lookups = match table.as_str() {
            "user" => vec![("manager".to_owned(), table.clone())],
            "business_unit" => vec![("parent".to_owned(), table.clone())],
            _ => Vec::new(),
        };
        world.tables.push(Table { id: table, is_owned: true, is_system: true, lookups });
    }
}

fn privileges(rng: &mut Rng, world: &mut World) {
    for role in world.roles.values_mut() {
        role.is_team_only = rng.chance(30);
        for table in &world.tables {
            if rng.chance(80) {
                // Mostly much may be read: otherwise little is taken.
                let depth = if rng.chance(50) { "organization" } else { one(rng, &DEPTHS) };
                role.reads.insert(table.id.clone(), depth);
            }
        }
    }
    let own = world.tables.iter().filter(|table| !table.is_system);
    world.pays = own.filter(|_| rng.chance(50)).map(|table| table.id.clone()).collect();
}

fn records(rng: &mut Rng, world: &mut World) {
    let mut keys: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let mut number = 0;
    for table in &world.tables {
        let ids: Vec<_> = match SystemTable::of(&table.id.parse().unwrap()) {
            None => (0..rng.below(7))
                .map(|_| {
                    number += 1;
                    (id(number), None)
                })
                .collect(),
            Some(system) => {
                let of: Vec<_> = match system {
                    SystemTable::User => world.users.keys().cloned().collect(),
                    SystemTable::Team => world.teams.keys().cloned().collect(),
                    SystemTable::BusinessUnit => world.units.keys().cloned().collect(),
                };
                of.into_iter().map(|key| (system.record(&key), Some(key))).collect()
            }
        };
        keys.insert(table.id.clone(), ids);
    }
    let users: Vec<_> = world.users.keys().map(|it| format!("user:{it}")).collect();
    let teams = world.teams.iter();
    let teams: Vec<_> = teams.map(|(id, team)| (format!("team:{id}"), team.unit.clone())).collect();
    let units: Vec<_> = world.units.keys().cloned().collect();
    for table in world.tables.clone() {
        for (id, key) in keys[&table.id].clone() {
            let owners: Vec<_> = users.iter().map(|it| (it.clone(), one(rng, &units))).collect();
            let of_teams = teams.iter().filter_map(|(id, unit)| Some((id.clone(), unit.clone()?)));
            let owners: Vec<_> = owners.into_iter().chain(of_teams).collect();
            let to: Vec<_> = users.iter().chain(teams.iter().map(|(id, _)| id)).cloned().collect();
            let mut cells = BTreeMap::new();
            if let Some(key) = key {
                cells.insert("key".to_owned(), Held::Text(key));
            } else {
                for (column, range) in [("n", 4), ("pay", 3)] {
                    let held = rng.chance(80).then(|| i64::try_from(rng.below(range)).unwrap());
                    cells.insert(column.to_owned(), held.map_or(Held::Null, Held::Number));
                }
                let minute = NOW - NOW.rem_euclid(MINUTE);
                let due = one(rng, &[minute - 1, minute, minute + 1, NOW, minute + MINUTE]);
                cells.insert("due".to_owned(), Held::Number(due));
            }
            for (column, target) in &table.lookups {
                let there: Vec<_> = keys[target].iter().map(|(id, _)| *id).collect();
                let held = match rng.below(10) {
                    0 => Held::Null,
                    1 => Held::Id(super::memory::id(60_000)),
                    _ => rng.pick(&there).map_or(Held::Null, |id| Held::Id(*id)),
                };
                cells.insert(column.clone(), held);
            }
            world.records.push(Rec {
                table: table.id.clone(),
                id,
                owner: table.is_owned.then(|| one(rng, &owners)),
                shares: if table.is_owned {
                    some(rng, &to, 10).into_iter().collect()
                } else {
                    BTreeSet::new()
                },
                is_deleted: rng.chance(8),
                cells,
            });
        }
    }
}

/// A filter of a table, and its text.
pub(crate) fn filter(
    rng: &mut Rng,
    world: &World,
    table: &Table,
    depth: usize,
) -> (Filter, String) {
    let inner = |rng: &mut Rng| filter(rng, world, table, depth + 1);
    match rng.below(if depth < 3 { 10 } else { 7 }) {
        7 => {
            let (of, text) = inner(rng);
            (Filter::Not(Box::new(of)), format!("not ({text})"))
        }
        which @ 8..10 => {
            let (parts, texts): (Vec<_>, Vec<_>) =
                (0..2 + rng.below(2)).map(|_| inner(rng)).unzip();
            let texts: Vec<_> = texts.iter().map(|text| format!("({text})")).collect();
            if which == 8 {
                (Filter::And(parts), texts.join(" and "))
            } else {
                (Filter::Or(parts), texts.join(" or "))
            }
        }
        _ => condition(rng, world, table),
    }
}

fn condition(rng: &mut Rng, world: &World, table: &Table) -> (Filter, String) {
    let (mut path, mut of) = (Vec::new(), table);
    while rng.chance(40)
        && let Some((lookup, target)) = rng.pick(&of.lookups)
        && path.len() < 3
    {
        path.push(lookup.clone());
        of = world.tables.iter().find(|it| it.id == *target).unwrap();
    }
    if of.is_owned && rng.chance(10) && world.tables.iter().any(|it| it.id == "user") {
        path.push("owner".into());
        of = world.tables.iter().find(|it| it.id == "user").unwrap();
    }
    if path.is_empty() && of.is_owned && rng.chance(25) {
        return match rng.below(3) {
            0 => (Filter::IsMe, "owner = me()".into()),
            1 => (Filter::InMyTeams, "owner in my_teams()".into()),
            _ => (Filter::InMyUnits, "business_unit in my_business_units()".into()),
        };
    }
    if of.is_system {
        path.push("key".into());
        let key = one(rng, &["u0", "u1", "m0", "b1"]).to_owned();
        let text = format!("{} = '{key}'", path.join("."));
        return (Filter::Text(path, key), text);
    }
    let how = one(rng, &["<", "=", "<>", ">="]);
    let is_null = |path: Vec<String>| {
        let text = format!("{} is null", path.join("."));
        (Filter::IsNull(path), text)
    };
    match rng.below(9) {
        0 => {
            let truth = rng.chance(50);
            (Filter::Always(truth), truth.to_string())
        }
        1 | 8 => {
            path.push("due".into());
            let plus = one(rng, &[-1, 0, 1]);
            let ago = ["now() - interval '1 minute'", "now()", "now() + interval '1 minute'"];
            let ago = ago[usize::try_from(plus + 1).unwrap()];
            let text = format!("{} {how} {ago}", path.join("."));
            (Filter::Now(path, how, plus * MINUTE), text)
        }
        2 => {
            path.push(one(rng, &["n", "pay"]).into());
            is_null(path)
        }
        3 if !of.lookups.is_empty() => {
            path.push(one(rng, &of.lookups).0);
            is_null(path)
        }
        _ => {
            path.push(one(rng, &["n", "n", "pay"]).into());
            let with = i64::try_from(rng.below(4)).unwrap();
            let text = format!("{} {how} {with}", path.join("."));
            (Filter::Number(path, how, with), text)
        }
    }
}

/// Gives the world a profile, and its document.
pub(crate) fn profile(rng: &mut Rng, world: &mut World) -> String {
    world.depth = u32::try_from(rng.below(6)).unwrap();
    let mut text =
        format!("[[profile]]\nid = \"p\"\nfor = [\"organization\"]\ndepth = {}\n", world.depth);
    let mut taken = some(rng, &world.tables, 80);
    if taken.is_empty() {
        taken.push(one(rng, &world.tables));
    }
    world.entries.clear();
    for table in &taken {
        let related = relationships(&taken, table);
        let related = some(rng, &related, 50);
        let rows = if table.is_owned { &ROWS[..] } else { &ROWS[..1] };
        let mut rows = some(rng, rows, if related.is_empty() { 45 } else { 25 });
        if !table.is_owned && rng.chance(40) {
            rows = Vec::new();
        }
        let filter = (!rows.is_empty() && rng.chance(50)).then(|| filter(rng, world, table, 0));
        let is_all = !rows.is_empty() && !related.is_empty() && rng.chance(40);
        writeln!(text, "[[profile.table]]\nid = \"{}\"\nrows = {rows:?}", table.id).unwrap();
        writeln!(text, "related = {related:?}").unwrap();
        if let Some((_, filter)) = &filter {
            writeln!(text, "filter = \"{filter}\"").unwrap();
        }
        if !rows.is_empty() && !related.is_empty() {
            writeln!(text, "match = \"{}\"", if is_all { "all" } else { "any" }).unwrap();
        }
        let filter = filter.map(|(filter, _)| filter);
        world.entries.insert(table.id.clone(), Entry { rows, filter, related, is_all });
    }
    text
}

/// All relationships that lead to a table from one that is taken.
fn relationships(taken: &[Table], table: &Table) -> Vec<String> {
    let is_taken = |id: &str| taken.iter().any(|it| it.id == id);
    let of_owner = is_taken("user") || is_taken("team");
    let own = table.lookups.iter().filter(|(_, target)| is_taken(target));
    let mut all: Vec<_> = own.map(|(column, _)| column.clone()).collect();
    if table.is_owned && of_owner {
        all.push("owner".into());
    }
    if table.is_owned && is_taken("business_unit") {
        all.push("business_unit".into());
    }
    for other in taken {
        let to_here = other.lookups.iter().filter(|(_, target)| *target == table.id);
        all.extend(to_here.map(|(column, _)| format!("{}.{column}", other.id)));
        if other.is_owned && ["user", "team"].contains(&table.id.as_str()) {
            all.push(format!("{}.owner", other.id));
        }
        if other.is_owned && table.id == "business_unit" {
            all.push(format!("{}.business_unit", other.id));
        }
    }
    all
}

/// What a record holds, as the library has it.
pub(crate) fn columns(cells: &BTreeMap<String, Held>) -> Columns {
    let value = |column: &str, held: &Held| match held {
        Held::Null => Value::Null,
        Held::Number(millis) if column == "due" => {
            Value::Timestamp(Timestamp::from_millis(*millis).unwrap())
        }
        Held::Number(number) => Value::Integer(*number),
        Held::Text(text) => Value::Text(text.as_str().into()),
        Held::Id(id) => Value::Lookup(*id),
    };
    cells.iter().map(|(column, held)| (column.parse().unwrap(), value(column, held))).collect()
}

impl World {
    /// The schema document.
    pub(crate) fn schema(&self) -> String {
        let mut text = String::new();
        for table in &self.tables {
            if table.is_system {
                writeln!(text, "[[system_table]]\nid = \"{}\"", table.id).unwrap();
                continue;
            }
            let owned = if table.is_owned { "user_owned" } else { "organization_owned" };
            let (id, mut columns) = (&table.id, String::new());
            for (column, target) in &table.lookups {
                write!(
                    columns,
                    ", {{ id = \"{column}\", type = \"lookup\", table = \"{target}\" }}"
                )
                .unwrap();
            }
            writeln!(
                text,
                "[[table]]\nid = \"{id}\"\nownership = \"{owned}\"\ncolumns = [{{ id = \"n\", type = \
                 \"integer\" }}, {{ id = \"pay\", type = \"integer\", secured = true }}, {{ id = \
                 \"due\", type = \"timestamp\" }}{columns}]"
            )
            .unwrap();
        }
        text
    }

    /// The policy document, in JSON.
    pub(crate) fn policy(&self) -> String {
        let units = self.units.iter().map(|(id, parent)| json!({ "id": id, "parent": parent }));
        let users = self
            .users
            .iter()
            .map(|(id, (unit, roles))| json!({ "id": id, "business_unit": unit, "roles": roles }));
        let teams = self.teams.iter().map(|(id, team)| {
            let mut json = json!({ "id": id, "members": team.members });
            json["kind"] = if team.unit.is_some() { json!("owner") } else { json!("access") };
            if team.unit.is_some() {
                json["business_unit"] = json!(team.unit);
                json["roles"] = json!(team.roles);
            }
            json
        });
        let roles = self.roles.iter().map(|(id, role)| {
            let rights = role.reads.iter().map(|(table, depth)| (table, json!({ "read": depth })));
            let rights: BTreeMap<_, _> = rights.collect();
            let inheritance = if role.is_team_only { "team_only" } else { "direct" };
            json!({ "id": id, "inheritance": inheritance, "rights": rights })
        });
        let pays = self.pays.iter().map(|table| (format!("{table}.pay"), json!({ "read": true })));
        let pays: BTreeMap<_, _> = pays.collect();
        let security = json!([{ "id": "pays", "users": [self.user], "columns": pays }]);
        json!({
            "business_unit": units.collect::<Vec<Json>>(),
            "user": users.collect::<Vec<Json>>(),
            "team": teams.collect::<Vec<Json>>(),
            "role": roles.collect::<Vec<Json>>(),
            "column_security": security,
        })
        .to_string()
    }

    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for record in &self.records {
            let owner = record.owner.as_ref();
            let owner = owner.map(|(owner, unit)| (owner.parse().unwrap(), unit.parse().unwrap()));
            let shares = record.shares.iter();
            let read = Rights::from_iter([Right::Read]);
            let shares = shares.map(|to| (to.parse().unwrap(), read)).collect();
            let state = if record.is_deleted { RecordState::Deleted } else { RecordState::Active };
            let header = Header { owner, state, shares, ..Header::default() };
            let columns = columns(&record.cells);
            memory.add(&record.table, Candidate { id: record.id, header, columns });
        }
        memory
    }
}
