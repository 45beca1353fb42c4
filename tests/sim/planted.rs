//! Bugs put into worlds from outside (the store, the rules, the entropy): an oracle that finds
//! nothing here would prove nothing elsewhere.

use crate::run;
use crate::world::Planted;

/// The planted bug is found within so many seeds, by an oracle that says `symptom`.
#[track_caller]
fn assert_found(planted: Planted, seeds_max: u64, symptom: &str) {
    let problems: Vec<_> =
        (1..=seeds_max).filter_map(|seed| run(seed, Some(planted)).0.err()).collect();
    let found = problems.iter().any(|problem| problem.contains(symptom));
    assert!(found, "{planted:?} is not found within {seeds_max} seeds: {problems:#?}");
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
    assert_found(Planted::KeepsDeletedBytes, 20, "has bytes of");
}

#[test]
fn a_store_that_keeps_what_was_erased_is_found() {
    assert_found(Planted::KeepsErased, 60, "of the log is");
}

#[test]
fn a_device_that_reuses_its_actor_is_found() {
    assert_found(Planted::ReusesActors, 240, "one actor and number");
}
