//! What views of random worlds show with a profile and without, beside the plain model of `naive.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use tidegate::gate::{Roster, Standing};
use tidegate::model::{RecordId, Timestamp};
use tidegate::policy::{read_policy, read_profiles};
use tidegate::query::Parameters;
use tidegate::scope::{CheckedProfile, Differs};

use super::drawn;
use super::naive::{Filter, Held, Rec, Says, World};
use super::rng::Rng;

const CASES: u64 = 1_000;

/// A view of a table: paths that it shows, and a filter.
struct View {
    table: String,
    paths: Vec<Vec<String>>,
    filter: Option<Filter>,
}

/// Views, and their documents.
fn views(rng: &mut Rng, world: &World) -> (BTreeMap<String, View>, String) {
    let (mut views, mut text) = (BTreeMap::new(), String::new());
    for (at, table) in world.tables.iter().filter(|table| !table.is_system).enumerate() {
        let mut paths = vec![vec!["n".to_owned()], vec!["pay".to_owned()]];
        for (lookup, target) in &table.lookups {
            let target = world.tables.iter().find(|it| it.id == *target).unwrap();
            let column = if target.is_system { "key" } else { "n" };
            paths.push(vec![lookup.clone(), column.to_owned()]);
        }
        let columns: Vec<_> = paths
            .iter()
            .enumerate()
            .map(|(at, path)| format!("{} as c{at}", path.join(".")))
            .collect();
        let id = &table.id;
        writeln!(text, "[[view]]\nid = \"v{at}\"\ntable = \"{id}\"\ncolumns = {columns:?}")
            .unwrap();
        let filter = rng.chance(60).then(|| drawn::filter(rng, world, table, 1));
        if let Some((_, filter)) = &filter {
            writeln!(text, "filter = \"{filter}\"").unwrap();
        }
        let filter = filter.map(|(filter, _)| filter);
        views.insert(format!("v{at}"), View { table: id.clone(), paths, filter });
    }
    (views, text)
}

/// What a view shows of a record, where only what the world has is there.
fn shows(world: &World, view: &View, record: &Rec) -> Option<Vec<Option<Held>>> {
    let holds = |filter| world.holds(filter, record) == Some(true);
    let is_shown = world.reads(record) && view.filter.as_ref().is_none_or(holds);
    let value = |path: &Vec<String>| match world.says(record, path) {
        Says::Hidden => None,
        Says::Holds(held) => Some(held),
    };
    is_shown.then(|| view.paths.iter().map(value).collect())
}

#[test]
fn what_differs_is_what_the_plain_model_finds() {
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..CASES {
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let mut world = drawn::world(&mut rng);
        let (views, text) = views(&mut rng, &world);
        let schema = world.schema() + &text;
        let schema = Arc::new(tidegate::read_schema(&schema, "schema.toml").unwrap());
        let read = read_policy(&world.policy(), "policy.json", Some(&schema), None).unwrap();
        let roster = Roster::new(Arc::new(read.policy), Arc::new(read.organization.unwrap()));
        let standing = Standing::resolve(&roster, &world.user.parse().unwrap()).unwrap();
        let text = drawn::profile(&mut rng, &mut world);
        let profiles = read_profiles(&text, "profiles.toml", &schema, None, None).unwrap();
        let checked = Arc::new(CheckedProfile::new(&schema, &profiles.list[0]).unwrap());
        let now = Timestamp::from_millis(world.now).unwrap();
        let bound = checked.bind(&Arc::new(standing), now).unwrap();
        let memory = world.memory();
        let taken = bound.reached(&memory, &BTreeSet::new()).unwrap();
        let compared = bound.compare(&memory, &taken, &Parameters::new(), usize::MAX).unwrap();
        assert_eq!(compared.skipped.len(), 0);

        let mut device = world.clone();
        let on_device = world.taken();
        device.records.retain(|it| on_device.contains_key(&(it.table.clone(), it.id)));
        let mut expected: BTreeMap<(String, RecordId), &str> = BTreeMap::new();
        for (id, view) in &views {
            for record in world.records.iter().filter(|it| it.table == view.table) {
                let there = shows(&world, view, record);
                let is_here = device.records.iter().any(|it| it.id == record.id);
                let here = if is_here { shows(&device, view, record) } else { None };
                let how = match (there, here) {
                    (None, None) => continue,
                    (Some(_), None) => "missing",
                    (None, Some(_)) => "extra",
                    (Some(there), Some(here)) if there == here => continue,
                    (Some(_), Some(_)) => "values",
                };
                expected.insert((id.clone(), record.id), how);
            }
        }
        let mut found = BTreeMap::new();
        for it in &compared.differences {
            assert!(!it.why.is_empty(), "seed {seed}: {it:?}");
            let how = match &it.how {
                Differs::Missing => "missing",
                Differs::Extra => "extra",
                Differs::Values(_) => "values",
                Differs::Needed => "needed",
            };
            *met.entry(how).or_default() += 1;
            found.insert((it.view.as_ref().unwrap().to_string(), it.record), how);
        }
        assert_eq!(found, expected, "seed {seed}\n{text}");
    }
    println!("{met:?}");
    for how in ["missing", "values"] {
        assert!(met[how] > 0, "{met:?}");
    }
}
