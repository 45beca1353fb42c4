//! Each planted bug is found.

use crate::fault::Fault;
use crate::hunt::{minimized, run};
use crate::planted::Planted;
use crate::world::Plan;

/// The planted bug is found within so many seeds, by an oracle that says `symptom`.
#[track_caller]
fn assert_found(planted: Planted, seeds_max: u64, symptom: &str) {
    let mut others = Vec::new();
    for seed in 1..=seeds_max {
        let plan = Plan { planted: Some(planted), ..Plan::of(seed) };
        match run(plan).problem {
            Some(problem) if problem.contains(symptom) => return,
            other => others.extend(other),
        }
    }
    panic!("{planted:?} is not found within {seeds_max} seeds: {others:#?}");
}

#[test]
fn a_store_that_acknowledges_before_it_writes_is_found() {
    assert_found(Planted::AcknowledgesBeforeCommit, 60, "was acknowledged at");
}

#[test]
fn a_server_that_skips_the_gate_is_found() {
    assert_found(Planted::SkipsTheGate, 60, "not allowed");
}

#[test]
fn a_server_that_skips_the_gate_is_found_by_what_it_sends() {
    assert_found(Planted::SkipsTheGate, 20, "is sent");
}

#[test]
fn a_store_that_keeps_what_was_deleted_is_found() {
    assert_found(Planted::KeepsDeletedBytes, 60, "has bytes of");
}

#[test]
fn a_store_that_keeps_what_was_erased_is_found() {
    assert_found(Planted::KeepsErased, 60, "of the log is");
}

#[test]
fn a_device_that_reuses_its_actor_is_found() {
    assert_found(Planted::ReusesActors, 240, "one actor and number");
}

#[test]
fn a_server_that_sends_what_is_secured_is_found() {
    assert_found(Planted::LeaksSections, 20, "is sent");
}

#[test]
fn a_server_that_admits_an_edit_twice_is_found() {
    assert_found(Planted::AdmitsTwice, 60, "it is in the log already");
}

#[test]
fn a_device_that_loses_what_is_refused_is_found() {
    assert_found(Planted::LosesRefused, 20, "left quarantine");
}

#[test]
fn a_device_that_loses_what_was_built_on_a_refused_edit_is_found() {
    assert_found(Planted::DropsDependents, 60, "is lost");
}

#[test]
fn a_device_that_tries_again_and_keeps_what_it_tried_is_found() {
    assert_found(Planted::KeepsRetried, 20, "is in quarantine still");
}

#[test]
fn a_generation_that_lacks_a_value_is_found() {
    assert_found(Planted::LosesValues, 20, "a new generation has other values");
}

#[test]
fn a_failure_is_told_with_the_faults_that_it_needs() {
    let planted = Some(Planted::AcknowledgesBeforeCommit);
    let fails = |seed: &u64| run(Plan { planted, ..Plan::of(*seed) }).problem.is_some();
    let seed = (1..60).find(fails).unwrap();
    let plan = Plan { planted, ..Plan::of(seed) };
    let least = minimized(plan, run(plan).faults);
    let crashes = [Fault::ServerCrashes, Fault::PowerCuts, Fault::NewLives, Fault::KeyChanges];
    assert!(crashes.into_iter().any(|fault| least.has(fault)), "{least}");
    assert!(least.iter().count() <= 3, "{least}");
}
