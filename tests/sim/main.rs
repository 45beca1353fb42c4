//! One server and several devices in one thread under a seeded loop that owns clock, network and
//! disks; oracles that share no code with what they judge say whether all went well.
//!
//! `TIDEGATE_SIM_FROM` and `TIDEGATE_SIM_COUNT` choose other seeds; `TIDEGATE_SIM_TRACE` prints
//! what happens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::similar_names,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "a test fails by panicking, and speaks of an owner who is owned"
)]

mod app;
mod byzantine;
mod device;
mod disk;
mod fault;
mod fetches;
mod figures;
mod findings;
mod hunt;
mod judge;
mod links;
mod merge;
mod network;
mod oracle;
mod people;
mod planted;
mod privileges;
mod profiles;
mod rng;
mod rot;
mod sabotage;
mod server;
mod tamper;
mod trouble;
mod wire;
mod world;

use std::sync::Mutex;

use fault::{FETCHES_SINCE, FORMS_SINCE, Fault, PROFILES_SINCE, ROT_SINCE};
use hunt::{run, run_all};
use world::Plan;

const SEEDS: u64 = 500;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn all_seeds_hold() {
    let from = number("TIDEGATE_SIM_FROM", 1);
    let count = number("TIDEGATE_SIM_COUNT", SEEDS);
    let sum = Mutex::new((figures::Figures::default(), Vec::new()));
    run_all(from, count, Plan::of(from), &|seed, found| {
        let (all, failed) = &mut *sum.lock().unwrap();
        all.add(&found.figures);
        if let Some(problem) = &found.problem {
            println!("seed {seed}, {}: {problem}", found.faults);
            failed.push(seed);
        }
    });
    let (all, failed) = sum.into_inner().unwrap();
    let (hours, minutes) = (all.device_hours(), all.simulated().as_secs() / 60);
    println!("{count} seeds, {hours} device-hours, {minutes} minutes: {:?}", all.counts());
    assert!(failed.is_empty(), "{} seeds fail: {failed:?}", failed.len());
}

/// Worlds in which little else goes wrong: devices work on by schemas of before.
#[test]
fn schemas_that_change_again_and_again_lose_nothing() {
    let few = [Fault::SchemaChanges, Fault::Cuts, Fault::DeviceCrashes, Fault::ServerCrashes];
    let plan = Plan { faults: Some(few.into_iter().collect()), ..Plan::of(1) };
    let sum = Mutex::new((figures::Figures::default(), Vec::new()));
    run_all(10_000, 100, plan, &|seed, found| {
        let (all, failed) = &mut *sum.lock().unwrap();
        all.add(&found.figures);
        failed.extend(found.problem.as_ref().map(|problem| format!("seed {seed}: {problem}")));
    });
    let (all, failed) = sum.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(all.schema_refusals > 0 && all.schema_changes > 500, "{:?}", all.counts());
}

/// What devices hold is what an evaluation over all records says, in worlds with everything else.
#[test]
fn devices_have_what_their_profiles_take_and_their_users_may_read() {
    let sum = Mutex::new((figures::Figures::default(), Vec::new()));
    let count = number("TIDEGATE_SIM_COUNT", SEEDS) / 4;
    run_all(PROFILES_SINCE, count, Plan::of(PROFILES_SINCE), &|seed, found| {
        let (all, failed) = &mut *sum.lock().unwrap();
        all.add(&found.figures);
        failed.extend(found.problem.as_ref().map(|problem| format!("seed {seed}: {problem}")));
    });
    let (all, failed) = sum.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(all.profile_changes > count, "{:?}", all.counts());
}

/// Devices whose files lost, altered or doubled what they held are right after a recheck, while others go on.
#[test]
fn devices_whose_files_rot_are_mended_by_a_recheck() {
    let sum = Mutex::new((figures::Figures::default(), Vec::new()));
    let count = number("TIDEGATE_SIM_COUNT", SEEDS) / 4;
    run_all(ROT_SINCE, count, Plan::of(ROT_SINCE), &|seed, found| {
        let (all, failed) = &mut *sum.lock().unwrap();
        all.add(&found.figures);
        failed.extend(found.problem.as_ref().map(|problem| format!("seed {seed}: {problem}")));
    });
    let (all, failed) = sum.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    // Some of these worlds do not know rot.
    assert!(
        all.rotten > count / 2 && all.rechecks > count / 2 && all.mended > count / 4,
        "{:?}",
        all.counts()
    );
}

/// Edits of what was seen some time ago count once and merge, in worlds with everything else.
#[test]
fn edits_of_what_was_seen_before_hold() {
    let sum = Mutex::new((figures::Figures::default(), Vec::new()));
    let count = number("TIDEGATE_SIM_COUNT", SEEDS) / 4;
    run_all(FORMS_SINCE, count, Plan::of(FORMS_SINCE), &|seed, found| {
        let (all, failed) = &mut *sum.lock().unwrap();
        all.add(&found.figures);
        failed.extend(found.problem.as_ref().map(|problem| format!("seed {seed}: {problem}")));
    });
    let (all, failed) = sum.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    // It takes two looks at the same sheet.
    assert!(all.forms > count / 20, "{:?}", all.counts());
}

/// And what their users fetched by hand.
#[test]
fn devices_have_what_was_fetched_besides_until_it_is_released() {
    let sum = Mutex::new((figures::Figures::default(), Vec::new()));
    let count = number("TIDEGATE_SIM_COUNT", SEEDS) / 4;
    run_all(FETCHES_SINCE, count, Plan::of(FETCHES_SINCE), &|seed, found| {
        let (all, failed) = &mut *sum.lock().unwrap();
        all.add(&found.figures);
        failed.extend(found.problem.as_ref().map(|problem| format!("seed {seed}: {problem}")));
    });
    let (all, failed) = sum.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(all.fetches > count / 2 && all.profile_changes > count, "{:?}", all.counts());
}

#[test]
fn same_seed_same_trace() {
    for seed in [1, 2, 3, 4, 5, 6] {
        let (first, second) = (run(Plan::of(seed)), run(Plan::of(seed)));
        assert_eq!((&first.problem, &first.trace), (&second.problem, &second.trace), "seed {seed}");
        assert!(!first.trace.is_empty());
    }
}
