//! Each planted bug is found.

use std::ops::RangeInclusive;

use crate::fault::{FETCHES_SINCE, Fault, PROFILES_SINCE, ROT_SINCE};
use crate::hunt::{minimized, run};
use crate::planted::Planted;
use crate::world::Plan;

/// The planted bug is found within so many seeds, by an oracle that says `symptom`.
#[track_caller]
fn assert_found(planted: Planted, seeds_max: u64, symptom: &str) {
    assert_found_in(1..=seeds_max, None, planted, symptom);
}

/// As [`assert_found`], in these seeds, with these faults.
#[track_caller]
fn assert_found_in(
    seeds: RangeInclusive<u64>,
    faults: Option<&[Fault]>,
    planted: Planted,
    symptom: &str,
) {
    let mut others = Vec::new();
    for seed in seeds.clone() {
        let mut plan = Plan { planted: Some(planted), ..Plan::of(seed) };
        plan.faults = faults.map(|faults| faults.iter().copied().collect());
        match run(plan).problem {
            Some(problem) if problem.contains(symptom) => return,
            other => others.extend(other),
        }
    }
    panic!("{planted:?} is not found in seeds {seeds:?}: {others:#?}");
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
fn a_server_that_writes_people_otherwise_than_they_are_is_found() {
    assert_found(Planted::ForgetsNames, 20, "people: ");
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
    assert_found(Planted::KeepsRetried, 60, "is in quarantine still");
}

#[test]
fn a_generation_that_lacks_a_value_is_found() {
    assert_found(Planted::LosesValues, 20, "a new generation has other values");
}

#[test]
fn a_device_that_does_what_is_tried_again_twice_is_found() {
    assert_found(Planted::DoublesRetried, 120, "was not refused");
}

#[test]
fn a_move_that_forgets_a_record_is_found() {
    assert_found(Planted::ForgetsAFollower, 240, ", not of ");
}

#[test]
fn a_server_that_forgets_what_was_hidden_for_a_while_is_found() {
    // Rules must come and go while a device is away.
    let faults = [Fault::PolicyChanges, Fault::Reversals, Fault::Cuts, Fault::OneWayCuts];
    let seeds = 100_401..=100_600;
    assert_found_in(seeds, Some(&faults), Planted::ForgetsLapses, "hidden when it was done");
}

/// Worlds in which profiles take by relationships, and little else goes wrong.
const OF_PROFILES: [Fault; 3] = [Fault::ProfileChanges, Fault::OrganizationChanges, Fault::Cuts];

#[test]
fn a_server_that_does_not_find_what_looks_a_record_up_is_found() {
    let seeds = PROFILES_SINCE..=PROFILES_SINCE + 100;
    assert_found_in(seeds, Some(&OF_PROFILES), Planted::ForgetsLookups, "device ");
}

#[test]
fn a_server_that_forgets_what_profiles_asked_before_is_found() {
    let seeds = PROFILES_SINCE..=PROFILES_SINCE + 100;
    assert_found_in(seeds, Some(&OF_PROFILES), Planted::ForgetsWhatWas, "device ");
}

#[test]
fn a_recheck_that_overlooks_what_is_secured_is_found() {
    let seeds = ROT_SINCE..=ROT_SINCE + 100;
    assert_found_in(seeds, Some(&[Fault::Rot]), Planted::OverlooksSecured, "columns ");
}

#[test]
fn a_server_that_does_not_hear_what_is_pinned_is_found() {
    let faults = [Fault::ProfileChanges, Fault::Fetches, Fault::OrganizationChanges, Fault::Cuts];
    let seeds = FETCHES_SINCE..=FETCHES_SINCE + 100;
    assert_found_in(seeds, Some(&faults), Planted::ForgetsPins, "device ");
}

#[test]
fn a_device_that_forgets_a_purge_is_found() {
    assert_found(Planted::ForgetsPurges, 240, "has bytes of");
}

#[test]
fn a_server_that_forgets_what_it_refused_is_found() {
    assert_found(Planted::ForgetsRefusals, 20, "which is not kept");
}

#[test]
fn a_server_that_forgets_what_was_refused_of_an_edit_is_found() {
    assert_found(Planted::ForgetsSplits, 240, "is lost");
}

#[test]
fn a_server_that_forgets_what_it_dropped_from_the_log_is_found() {
    assert_found(Planted::ForgetsDropped, 60, "is in the log already");
}

#[test]
fn a_device_that_forgets_certificates_is_found() {
    assert_found(Planted::ForgetsSerials, 60, "speaks to one who has the old keys");
}

#[test]
fn a_server_that_ignores_a_change_of_rules_is_found() {
    assert_found(Planted::IgnoresRuleChanges, 20, "is sent");
}

#[test]
fn a_device_that_keeps_what_is_out_of_reach_is_found() {
    assert_found(Planted::KeepsGone, 60, "shows");
}

#[test]
fn a_device_that_keeps_nothing_for_a_restored_server_is_found() {
    assert_found(Planted::LosesKept, 60, "is lost");
}

#[test]
fn a_device_that_acknowledges_before_it_writes_is_found() {
    assert_found(Planted::LosesLastCommit, 60, "is lost");
}

#[test]
fn a_device_that_merges_past_the_gate_is_found() {
    assert_found(Planted::MergesRefused, 60, "takes for confirmed what never counted");
}

#[test]
fn a_restored_server_that_begins_no_new_life_is_found() {
    assert_found(Planted::RestoresOldLives, 300, "another change of one actor and number");
}

#[test]
fn a_device_that_shows_old_rows_is_found() {
    assert_found(Planted::ShowsOldRows, 20, "shows");
}

#[test]
fn a_server_that_leaves_out_entries_is_found() {
    assert_found(Planted::SkipsLogEntries, 60, "stays pending");
}

#[test]
fn a_server_that_does_not_look_who_signed_is_found() {
    assert_found(Planted::SkipsSignatures, 400, "was made by nobody");
}

#[test]
fn a_grant_of_a_while_ago_is_found() {
    assert_found(Planted::StaleGrants, 60, "takes it that");
}

#[test]
fn a_server_that_trusts_what_a_device_claims_is_found() {
    assert_found(Planted::TrustsWatermarks, 120, "lacks");
}

#[test]
fn a_server_that_forgets_a_revocation_is_found() {
    assert_found(Planted::WelcomesRevoked, 120, "is welcome");
}

#[test]
fn a_failure_is_told_with_the_faults_that_it_needs() {
    let planted = Some(Planted::AcknowledgesBeforeCommit);
    let fails = |seed: &u64| run(Plan { planted, ..Plan::of(*seed) }).problem.is_some();
    // In some worlds it takes many kinds to come to the same: the draws of each move the others.
    let least_of = |seed| {
        let plan = Plan { planted, ..Plan::of(seed) };
        (plan, minimized(plan, run(plan).faults))
    };
    let all = (1..60).filter(fails).take(3).map(least_of);
    let (plan, least) = all.min_by_key(|(_, least)| least.iter().count()).unwrap();
    // All kinds after which another process takes up the server's file.
    let crashes = [
        Fault::ServerCrashes,
        Fault::PowerCuts,
        Fault::NewLives,
        Fault::ServerRestores,
        Fault::KeyChanges,
    ];
    let why = run(Plan { faults: Some(least), ..plan }).problem;
    assert!(crashes.into_iter().any(|fault| least.has(fault)), "{}, {least}: {why:?}", plan.seed);
    assert!(least.iter().count() <= 8, "{least}");
}
