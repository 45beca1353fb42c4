//! What profiles take of random worlds, beside the plain model of `naive.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use tidegate::gate::{Roster, Standing};
use tidegate::model::{Profiles, RecordId, Schema, SystemTable, TableName, Timestamp, Value};
use tidegate::policy::{read_policy, read_profiles};
use tidegate::query::Field;
use tidegate::scope::{
    BoundProfile, Candidate, CheckedProfile, Link, Membership, Reached, Records, Related, Taken,
};

use super::drawn;
use super::memory::Memory;
use super::naive::{MINUTE, World};
use super::rng::Rng;

/// `TIDEGATE_PROFILES` asks for more, `TIDEGATE_PROFILES_FROM` begins at a seed.
const CASES: u64 = 2_000;
const PROFILES_OF_A_WORLD: usize = 3;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// How often what is worth looking at was met.
#[derive(Debug, Default)]
struct Met {
    profiles: u64,
    /// By round.
    taken: BTreeMap<u32, u64>,
    /// Taken if everything could be read, and not as it is.
    kept_from: u64,
    /// Taken with `match = "all"`.
    by_both: u64,
    pairs: u64,
    links: u64,
    /// Taken by another relationship than the first of its table.
    by_second: u64,
    /// Tables that are taken as a whole.
    wholes: u64,
    /// Records that came or went after changes, of these other ones than those that changed.
    moved: u64,
    moved_by_others: u64,
}

struct Case {
    schema: Arc<Schema>,
    standing: Arc<Standing>,
    memory: Memory,
}

impl Case {
    fn of(world: &World) -> Self {
        let schema = Arc::new(tidegate::read_schema(&world.schema(), "schema.toml").unwrap());
        let rules = read_policy(&world.policy(), "policy.json", Some(&schema), None).unwrap();
        let roster = Roster::new(Arc::new(rules.policy), Arc::new(rules.organization.unwrap()));
        let standing = Standing::resolve(&roster, &world.user.parse().unwrap()).unwrap();
        Self { schema, standing: Arc::new(standing), memory: world.memory() }
    }

    fn bind(&self, profiles: &Profiles, now: i64) -> BoundProfile {
        let profile = CheckedProfile::new(&self.schema, &profiles.list[0]).unwrap();
        Arc::new(profile).bind(&self.standing, Timestamp::from_millis(now).unwrap()).unwrap()
    }
}

#[test]
fn what_is_taken_and_in_which_round_is_as_the_plain_model_says() {
    let from = number("TIDEGATE_PROFILES_FROM", 0);
    let mut met = Met::default();
    for seed in from..from + number("TIDEGATE_PROFILES", CASES) {
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let mut world = drawn::world(&mut rng);
        let case = Case::of(&world);
        for _ in 0..PROFILES_OF_A_WORLD {
            let text = drawn::profile(&mut rng, &mut world);
            println!("{text}");
            let profiles = read_profiles(&text, "profiles.toml", &case.schema, None, None).unwrap();
            let bound = case.bind(&profiles, world.now);
            agrees(&world, &case, &bound, &mut met);
            let minute = world.now - world.now.rem_euclid(MINUTE);
            for now in [minute, minute + MINUTE - 1] {
                let same = case.bind(&profiles, now).taken(&case.memory);
                assert_eq!(same, bound.taken(&case.memory), "within a minute nothing changes");
            }
            steps(&world, &case, &bound, &mut met);
            differs(&mut rng, &case.memory, &bound, &mut met);
        }
    }
    println!("{met:?}");
    let rounds = [0, 1, 2, 3].map(|round| met.taken.get(&round).copied().unwrap_or_default());
    assert!(rounds.iter().all(|taken| *taken > 0), "{met:?}");
    assert!(met.by_second > 0 && met.wholes > 0, "{met:?}");
    assert!(met.kept_from > 0 && met.by_both > 0 && met.links > 0, "{met:?}");
    assert!(met.moved > 0 && met.moved_by_others > 0, "{met:?}");
}

fn agrees(world: &World, case: &Case, bound: &BoundProfile, met: &mut Met) {
    let taken = bound.taken(&case.memory).unwrap();
    let flat: BTreeMap<_, _> = taken
        .iter()
        .flat_map(|(table, ids)| {
            ids.iter().map(move |(id, round)| ((table.to_string(), *id), *round))
        })
        .collect();
    let wanted = world.taken();
    assert_eq!(flat, wanted);
    by_what(case, bound, met);
    met.profiles += 1;
    for ((table, _), round) in &wanted {
        *met.taken.entry(*round).or_default() += 1;
        met.by_both += u64::from(world.entries[table].is_all);
    }
    let mut open = world.clone();
    open.users.get_mut(&world.user).unwrap().1.push("system_administrator".into());
    let open = open.taken();
    met.kept_from += open.keys().filter(|key| !wanted.contains_key(*key)).count() as u64;
}

/// What is found by looking at each record once, and only where some can be, is the same; and each record
/// is taken by the first relationship that leads to it from the round before.
fn by_what(case: &Case, bound: &BoundProfile, met: &mut Met) {
    let taken = bound.taken(&case.memory).unwrap();
    let within = Within { memory: &case.memory, bound };
    let reached = bound.reached(&within, &BTreeSet::new()).unwrap();
    let rounds = |of_table: &BTreeMap<RecordId, Reached>| -> BTreeMap<RecordId, u32> {
        of_table.iter().map(|(id, reached)| (*id, reached.round)).collect()
    };
    let flat: Taken = reached.iter().map(|(table, it)| (table.clone(), rounds(it))).collect();
    let mut wanted = taken.clone();
    wanted.retain(|_, of_table| !of_table.is_empty());
    assert_eq!(flat, wanted);
    for (table, of_table) in &reached {
        let links = bound.checked().links(table);
        for (id, Reached { round, by }) in of_table {
            let it = case.memory.find(table, *id).unwrap().unwrap();
            let leads = |link: &Link| {
                case.memory.all().any(|(of, from)| {
                    let is_before = taken.get(of).and_then(|it| it.get(&from.id)).copied()
                        == round.checked_sub(1);
                    let one = match link {
                        Link::Children { by, to } => {
                            it.lookup(by, &to[0]) == Some((of.clone(), from.id))
                        }
                        Link::Parents { of: wanted, by } => {
                            of == wanted && from.lookup(by, table) == Some((table.clone(), *id))
                        }
                    };
                    *round > 0 && is_before && one
                })
            };
            assert_eq!(*by, links.iter().position(leads), "{table} {id}");
            met.by_second += u64::from(by.is_some_and(|by| by > 0));
        }
    }
    // A table that leads nowhere and is taken whole can be left out.
    let wholes = case.schema.tables.keys().filter(|table| bound.takes_whole(table));
    let wholes: BTreeSet<_> = wholes.cloned().collect();
    met.wholes += wholes.len() as u64;
    let mut rest = flat;
    for table in &wholes {
        let of_table = case.memory.0.get(table).into_iter().flatten();
        let read = of_table.filter(|(_, it)| bound.reads(table, it)).map(|(id, _)| *id);
        assert!(read.eq(rest.remove(table).unwrap_or_default().into_keys()), "{table}");
    }
    let without = bound.reached(&within, &wholes).unwrap();
    let without = without.iter().map(|(table, it)| (table.clone(), rounds(it)));
    assert_eq!(without.collect::<Taken>(), rest);
}

/// Records of which those alone are shown that a profile has to look at.
struct Within<'a> {
    memory: &'a Memory,
    bound: &'a BoundProfile,
}

impl Records for Within<'_> {
    type Error = Infallible;

    fn find(&self, table: &TableName, id: RecordId) -> Result<Option<Rc<Candidate>>, Infallible> {
        self.memory.find(table, id)
    }

    fn ids(&self, table: &TableName) -> Result<Vec<RecordId>, Infallible> {
        let of_table = self.memory.0.get(table).into_iter().flatten();
        let reach = self.bound.reach(table);
        Ok(of_table.filter(|(_, it)| reach.takes(&it.header)).map(|(id, _)| *id).collect())
    }
}

/// Other records than these: some gone, some with the header or with columns of others.
fn changed(rng: &mut Rng, from: &Memory) -> Memory {
    let mut memory = from.clone();
    for of_table in memory.0.values_mut() {
        let before: Vec<_> = of_table.values().cloned().collect();
        for it in &before {
            match rng.below(10) {
                0 => drop(of_table.remove(&it.id)),
                1 => {
                    let header = rng.pick(&before).unwrap().header.clone();
                    let other = Candidate { header, ..Candidate::clone(it) };
                    of_table.insert(it.id, Rc::new(other));
                }
                2 => {
                    let columns = rng.pick(&before).unwrap().columns.clone();
                    let other = Candidate { columns, ..Candidate::clone(it) };
                    of_table.insert(it.id, Rc::new(other));
                }
                _ => {}
            }
        }
    }
    memory
}

/// What the changed records tell of what is taken is what two evaluations over everything tell; and of
/// each record its round.
fn differs(rng: &mut Rng, first: &Memory, bound: &BoundProfile, met: &mut Met) {
    let second = changed(rng, first);
    for (before, after) in [(first, &second), (&second, first)] {
        let places = before.all().chain(after.all()).map(|(table, it)| (table.clone(), it.id));
        let places: BTreeSet<_> = places.collect();
        let other = |(table, id): &&(TableName, RecordId)| {
            before.find(table, *id).unwrap() != after.find(table, *id).unwrap()
        };
        let changed: Vec<_> = places.iter().filter(other).cloned().collect();
        let known = bound.difference(before, after, &changed).unwrap();
        let (was, is) = (bound.taken(before).unwrap(), bound.taken(after).unwrap());
        for (table, id) in places {
            let round = |taken: &Taken| taken.get(&table).and_then(|it| it.get(&id)).copied();
            let (was, is) = (round(&was), round(&is));
            assert_eq!(bound.round(&table, id, after).unwrap(), is, "{table} {id}");
            let wanted = Membership { before: was.is_some(), after: is.is_some() };
            let place = (table, id);
            match known.get(&place) {
                Some(told) => assert_eq!(*told, wanted, "{place:?}"),
                None => assert_eq!(wanted.before, wanted.after, "{place:?}"),
            }
            if wanted.before != wanted.after {
                met.moved += 1;
                met.moved_by_others += u64::from(!changed.contains(&place));
            }
        }
    }
}

/// Whether a step leads to a record, told without the library's own lookups.
fn covers(related: &Related, table: &TableName, it: &Candidate) -> bool {
    let (of, by, record) = match related {
        Related::Record(of, id) => return of == table && *id == it.id,
        Related::LookingUp { table, by, record } => (table, by, *record),
    };
    let owner = it.header.owner.as_ref().map(|(owner, unit)| (owner.to_string(), unit.to_string()));
    let row = |table: &str, key: &str| {
        SystemTable::of(&table.parse().unwrap()).is_some_and(|table| table.record(key) == record)
    };
    of == table
        && match (by, &owner) {
            (Field::Column(column), _) => it.columns.get(column) == Some(&Value::Lookup(record)),
            (Field::Owner, Some((owner, _))) => {
                owner.split_once(':').is_some_and(|(kind, key)| row(kind, key))
            }
            (Field::BusinessUnit, Some((_, unit))) => row("business_unit", unit),
            _ => false,
        }
}

/// Each record leads to those that it should, and those come from it; and what starts and follows by
/// these steps is what is taken.
fn steps(world: &World, case: &Case, bound: &BoundProfile, met: &mut Met) {
    let plain = |table: &TableName, it: &Candidate| {
        let is_it = |record: &&super::naive::Rec| *table == *record.table && record.id == it.id;
        world.records.iter().find(is_it).unwrap()
    };
    for (from_table, from) in case.memory.all() {
        assert_eq!(bound.reads(from_table, from), world.reads(plain(from_table, from)));
        let leads = bound.leads_to(from_table, from);
        for (to_table, to) in case.memory.all() {
            let wanted = world.leads(plain(from_table, from), plain(to_table, to));
            let leads = leads.iter().any(|it| covers(it, to_table, to));
            assert_eq!(leads, wanted, "{from_table} {} to {to_table} {}", from.id, to.id);
            let comes = bound.comes_from(to_table, to);
            let comes = comes.iter().any(|it| covers(it, from_table, from));
            assert_eq!(comes, wanted, "{to_table} {} from {from_table} {}", to.id, from.id);
            met.pairs += 1;
            met.links += u64::from(wanted);
        }
    }
    let taken = bound.taken(&case.memory).unwrap();
    let round = |table: &TableName, it: &Candidate| taken.get(table)?.get(&it.id).copied();
    let depth = bound.checked().profile().depth;
    for (table, it) in case.memory.all() {
        let comes = bound.comes_from(table, it);
        let before =
            case.memory.all().filter(|(of, from)| comes.iter().any(|step| covers(step, of, from)));
        let nearest = before.filter_map(|(of, from)| round(of, from)).min();
        let nearest = nearest.map(|round| round + 1).filter(|round| *round <= depth);
        let wanted = if bound.starts(table, it, &case.memory).unwrap() {
            Some(0)
        } else {
            nearest.filter(|_| bound.follows(table, it, &case.memory).unwrap())
        };
        assert_eq!(round(table, it), wanted, "{table} {}", it.id);
    }
}
