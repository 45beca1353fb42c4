//! Devices with their machines and stores, and a server, in random schemas with random policies and profiles:
//! they edit, owners move, privileges, teams, shares, profiles and the clock change. After each sync a device
//! holds exactly the rows and sections that the plain model of `naive.rs` says, of what the server has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tidegate::model::{Audience, Owner, RecordId, Right, Rights, Section, TableName};
use tidegate::sync::replica::{Draft, EditError, Intent};
use tidegate::sync::{ReplicaStore as _, Turn};

use super::machines::{Device, ROOT, Server};
use super::memory::id;
use super::naive::{Held, MINUTE, Rec, World};
use super::planted::Planted;
use super::rng::Rng;
use super::{drawn, machines};

/// `TIDEGATE_DEVICES` asks for more, `TIDEGATE_DEVICES_FROM` begins at a seed.
const CASES: u64 = 200;
const STEPS: usize = 24;
/// So many pass at the end.
const MINUTES: usize = 2;
const COLUMNS: [&str; 4] = ["n", "pay", "due", "note"];

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

struct Case {
    rng: Rng,
    planted: Option<Planted>,
    /// What is in force, and the profile.
    world: World,
    /// Whose column groups the profile leaves out; `None`: nothing is published yet.
    groupless: Option<Vec<String>>,
    server: Server,
    devices: Vec<Device>,
    records: u64,
    met: BTreeMap<&'static str, u64>,
}

impl Case {
    fn new(seed: u64, planted: Option<Planted>) -> Self {
        let mut rng = Rng::new(seed);
        let mut world = drawn::world(&mut rng);
        world.records.clear();
        let unit = world.units.keys().next().unwrap().clone();
        world.users.insert(ROOT.into(), (unit, vec!["system_administrator".into()]));
        let server = Server::new(&world);
        let mut users: Vec<_> = world.users.keys().cloned().collect();
        // Somebody has two.
        users.push(users[rng.below(users.len())].clone());
        let devices = users.iter().zip(1..).map(|(user, key)| Device::new(user, key, &server));
        let (devices, met) = (devices.collect(), BTreeMap::new());
        Self { rng, planted, world, groupless: None, server, devices, records: 0, met }
    }

    fn count(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    fn run(&mut self) -> Result<(), String> {
        if self.rng.chance(70) {
            self.publish();
        }
        for at in 0..self.devices.len() {
            self.sync(at)?;
        }
        for _ in 0..STEPS {
            match self.rng.below(20) {
                0..2 => self.publish(),
                2..4 => self.change_people(),
                4..8 => {
                    self.server.now += [1, 40_000, MINUTE, 5 * MINUTE][self.rng.below(4)];
                    self.count("minutes");
                }
                8..15 => self.edit(),
                _ => {
                    let at = self.rng.below(self.devices.len());
                    self.sync(at)?;
                }
            }
        }
        // What the first ones bring concerns the others.
        for at in (0..self.devices.len()).chain(0..self.devices.len()) {
            self.sync(at)?;
        }
        // Rows that only time moves, with nothing else that would have all looked at anew.
        for _ in 0..MINUTES {
            self.server.now += MINUTE;
            for at in 0..self.devices.len() {
                self.sync(at)?;
            }
        }
        Ok(())
    }

    fn sync(&mut self, at: usize) -> Result<(), String> {
        println!("device {at} syncs");
        self.devices[at].sync(&mut self.server, self.planted);
        self.count("syncs");
        self.check(at).map_err(|error| format!("device {at} of {}: {error}", self.devices[at].user))
    }

    fn publish(&mut self) {
        let text = drawn::profile(&mut self.rng, &mut self.world);
        let (mut whole, mut with_groups, mut groupless) =
            (String::new(), String::new(), Vec::new());
        for table in &self.world.tables {
            writeln!(whole, "[[profile.table]]\nid = \"{}\"\nrows = [\"all\"]", table.id).unwrap();
        }
        for part in text.split_inclusive("[[profile.table]]\n") {
            with_groups += part;
            // The next part is this table's.
            if part.ends_with("[[profile.table]]\n") && self.rng.chance(20) {
                with_groups += "groups = []\n";
            }
        }
        for entry in with_groups.split("[[profile.table]]\n").skip(1) {
            let name = entry.split('"').nth(1).unwrap();
            let is_system = self.world.tables.iter().any(|it| it.id == name && it.is_system);
            if entry.starts_with("groups") && !is_system {
                groupless.push(name.to_owned());
            }
        }
        let text = format!(
            "[[profile]]\nid = \"whole\"\nfor = [\"{}\"]\n{whole}{with_groups}",
            Audience::User(ROOT.parse().unwrap())
        );
        println!("{text}");
        self.server.publish(&text);
        self.groupless = Some(groupless);
        self.count("profiles");
    }

    fn change_people(&mut self) {
        let Self { rng, world, .. } = self;
        let units: Vec<_> = world.units.keys().cloned().collect();
        let roles: Vec<_> = world.roles.keys().cloned().collect();
        let users: Vec<_> = world.users.keys().filter(|it| *it != ROOT).cloned().collect();
        let teams: Vec<_> = world.teams.keys().cloned().collect();
        let tables: Vec<_> = world.tables.iter().map(|it| it.id.clone()).collect();
        let user = rng.pick(&users).unwrap().clone();
        let what = match rng.below(6) {
            0 => {
                let unit = &mut world.users.get_mut(&user).unwrap().0;
                unit.clone_from(rng.pick(&units).unwrap());
                "moves"
            }
            1 => {
                let held = roles.iter().filter(|_| rng.chance(60)).cloned().collect();
                world.users.get_mut(&user).unwrap().1 = held;
                "roles"
            }
            2 if !teams.is_empty() => {
                let team = world.teams.get_mut(rng.pick(&teams).unwrap()).unwrap();
                let was = team.members.len();
                team.members.retain(|member| *member != user);
                if team.members.len() == was {
                    team.members.push(user);
                }
                "members"
            }
            3 if !teams.is_empty() => {
                let team = world.teams.get_mut(rng.pick(&teams).unwrap()).unwrap();
                if team.unit.is_some() {
                    team.unit = rng.pick(&units).cloned();
                    team.roles = roles.iter().filter(|_| rng.chance(40)).cloned().collect();
                }
                "teams"
            }
            4 => {
                let table = rng.pick(&tables).unwrap().clone();
                if !world.pays.remove(&table)
                    && !world.tables.iter().any(|it| it.id == table && it.is_system)
                {
                    world.pays.insert(table);
                }
                "columns"
            }
            _ => {
                let role = world.roles.get_mut(rng.pick(&roles).unwrap()).unwrap();
                let depth = rng.pick(&drawn::DEPTHS).unwrap();
                role.reads.insert(rng.pick(&tables).unwrap().clone(), depth);
                "depths"
            }
        };
        println!("{what}: {:?} {:?} {:?}", self.world.users, self.world.teams, self.world.roles);
        self.server.set_rules(&self.world);
        self.count(what);
    }

    fn edit(&mut self) {
        let at = self.rng.below(self.devices.len());
        let own: Vec<_> = self.world.tables.iter().filter(|it| !it.is_system).cloned().collect();
        let table = self.rng.pick(&own).unwrap().clone();
        let name: TableName = table.id.parse().unwrap();
        let held = self.devices[at].store.confirmed_ids().unwrap();
        let held: Vec<_> = held.into_iter().filter(|(of, _)| *of == name).collect();
        let there = self.rng.pick(&held).map(|(_, record)| *record);
        let (record, intent) = if let Some(record) = there.filter(|_| self.rng.chance(70)) {
            (record, self.change(&table))
        } else {
            self.records += 1;
            let owner = if table.is_owned && self.rng.chance(50) { self.owner() } else { None };
            (id(self.records), Intent::Create { owner, columns: self.columns(&table) })
        };
        let draft = Draft { table: name, record, intent };
        let Device { store, machine, .. } = &mut self.devices[at];
        println!("device {at}: {draft:?}");
        let made = machine.commit(store, machines::time(self.server.now), vec![draft], false);
        match made {
            Ok(_) => self.count("edits"),
            Err(EditError::Store(error)) => panic!("{error}"),
            Err(EditError::Damaged(error)) => panic!("{error}"),
            Err(_) => self.count("refused"),
        }
    }

    fn change(&mut self, table: &super::naive::Table) -> Intent {
        match self.rng.below(10) {
            0 => Intent::Delete,
            1 if table.is_owned => self.owner().map_or(Intent::Delete, Intent::Assign),
            2 if table.is_owned => {
                let teams = self.world.teams.keys().map(|it| format!("team:{it}"));
                let users = self.world.users.keys().map(|it| format!("user:{it}"));
                let all: Vec<_> = teams.chain(users).collect();
                let to = self.rng.pick(&all).unwrap().parse().unwrap();
                let read = Rights::from_iter([Right::Read]);
                let rights = if self.rng.chance(70) { read } else { Rights::NONE };
                Intent::Share { to, rights }
            }
            _ => Intent::Set(self.columns(table)),
        }
    }

    fn owner(&mut self) -> Option<Owner> {
        let teams = self.world.teams.iter().filter(|(_, team)| team.unit.is_some());
        let teams = teams.map(|(team, _)| format!("team:{team}"));
        let users = self.world.users.keys().map(|user| format!("user:{user}"));
        let all: Vec<_> = users.chain(teams).collect();
        self.rng.pick(&all).map(|owner| owner.parse().unwrap())
    }

    /// Some columns with values, lookups mostly of what there is.
    fn columns(&mut self, table: &super::naive::Table) -> tidegate::model::Columns {
        let minute = self.server.now - self.server.now.rem_euclid(MINUTE);
        let mut cells = BTreeMap::new();
        for column in COLUMNS {
            if self.rng.chance(60) {
                let number = i64::try_from(self.rng.below(4)).unwrap();
                let held = match column {
                    "due" => Held::Number(minute + (number - 1) * MINUTE),
                    "note" => Held::Text(format!("note {number}")),
                    _ => Held::Number(number),
                };
                cells
                    .insert(column.to_owned(), if self.rng.chance(10) { Held::Null } else { held });
            }
        }
        for (column, target) in &table.lookups {
            if self.rng.chance(60) {
                let there = self.server.ids(target);
                let held = self.rng.pick(&there).map_or(Held::Null, |id| Held::Id(*id));
                cells.insert(column.clone(), held);
            }
        }
        drawn::columns(&cells)
    }

    /// A device holds what its user's profile takes of what there is, and nothing else.
    fn check(&mut self, at: usize) -> Result<(), String> {
        let device = &self.devices[at];
        let mut world = self.world.clone();
        let is_paid = device.user == world.user;
        world.user.clone_from(&device.user);
        world.now = self.server.now;
        if !is_paid {
            world.pays.clear();
        }
        world.records = self.server.records();
        let takes_all = self.groupless.is_none() || device.user == ROOT;
        let wanted: Vec<_> = if takes_all {
            // Without a profile a deleted record stays, so that who may can bring it back.
            let stays = |it: &&Rec| {
                let is_deleted = it.is_deleted && self.groupless.is_some();
                world.reads(&Rec { is_deleted, ..Rec::clone(it) })
            };
            let read = world.records.iter().filter(stays);
            read.map(|it| (it.table.clone(), it.id)).collect()
        } else {
            world.taken().into_keys().collect()
        };
        let mut held = device.store.confirmed_ids().unwrap();
        let mut expected: Vec<_> =
            wanted.iter().map(|(table, id)| (table.parse().unwrap(), *id)).collect();
        held.sort();
        expected.sort();
        let other = held.iter().filter(|it| !expected.contains(it));
        let other = other.chain(expected.iter().filter(|it| !held.contains(it)));
        for (_, id) in other {
            let found = world.records.iter().find(|it| it.id == *id);
            println!("other: {found:?}, is read: {:?}", found.map(|it| world.reads(it)));
        }
        if held != expected {
            return Err(format!("holds {held:?}, not {expected:?}"));
        }
        let pending = device.store.pending_after(Turn::default(), 10).unwrap();
        if !pending.is_empty() {
            return Err(format!("has pending {pending:?}"));
        }
        let groupless = self.groupless.iter().flatten().filter(|_| !takes_all);
        let groupless: BTreeSet<_> = groupless.cloned().collect();
        for (table, id) in &held {
            self.check_sections(at, &world, &groupless, (table, *id))
                .map_err(|error| format!("{table} {id}: {error}"))?;
        }
        let rows = held.len() as u64;
        let left_out = world
            .records
            .iter()
            .filter(|it| world.reads(it) && !wanted.iter().any(|(_, id)| *id == it.id));
        *self.met.entry("rows that profiles leave out").or_default() += left_out.count() as u64;
        *self.met.entry("rows").or_default() += rows;
        Ok(())
    }

    /// Of a record it holds the sections that its user may read and the profile takes, whole, and no others.
    fn check_sections(
        &self,
        at: usize,
        world: &World,
        groupless: &BTreeSet<String>,
        (table, id): (&TableName, RecordId),
    ) -> Result<(), String> {
        let device = &self.devices[at];
        let ours = device.store.confirmed(table, id).unwrap().unwrap();
        let theirs = self.server.record(id);
        let (ours, theirs) = (ours.record(), theirs.record());
        if ours.header() != theirs.header() {
            return Err(format!("{:?}, not {:?}", ours.header(), theirs.header()));
        }
        let has = |section: &Section| match section {
            Section::Secured(_) => world.is_admin() || world.pays.contains(table.as_str()),
            Section::Group(_) => !groupless.contains(table.as_str()),
            Section::Header | Section::Main => true,
        };
        for (section, history) in theirs.sections().filter(|(section, _)| has(section)) {
            let mine = ours.section(section);
            if !mine.map_or(history.is_empty(), |it| it.changes() == history.changes()) {
                return Err(format!("{section:?} is another"));
            }
        }
        let number = device.machine.meta().enrolment.as_ref().unwrap().device;
        for (section, history) in ours.sections().filter(|(section, _)| !has(section)) {
            // What was written here of a column group that is left out is here.
            let mut changes = history.changes().iter();
            let is_own = changes.all(|change| change.id.actor.device == number);
            if !is_own || matches!(section, Section::Secured(_)) {
                return Err(format!("{section:?} is here"));
            }
        }
        Ok(())
    }
}

/// Runs a world, with a bug in it.
pub(crate) fn run(
    seed: u64,
    planted: Option<Planted>,
) -> Result<BTreeMap<&'static str, u64>, String> {
    println!("seed {seed}");
    let mut case = Case::new(seed, planted);
    case.run()?;
    Ok(case.met)
}

#[test]
fn after_each_sync_a_device_holds_exactly_what_a_plain_evaluation_takes() {
    let from = number("TIDEGATE_DEVICES_FROM", 0);
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in from..from + number("TIDEGATE_DEVICES", CASES) {
        let of_case = run(seed, None).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for (what, often) in of_case {
            *met.entry(what).or_default() += often;
        }
    }
    println!("{met:?}");
    for what in ["moves", "roles", "members", "teams", "columns", "depths", "minutes", "profiles"] {
        assert!(met[what] > 0, "{what}: {met:?}");
    }
    assert!(met["rows"] > 0 && met["rows that profiles leave out"] > 0, "{met:?}");
}
