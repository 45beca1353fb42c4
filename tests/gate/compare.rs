//! The gate against the naive model, over random policies, records and edits.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tidegate::gate::{CaseJudge, Roster};
use tidegate::policy::{Format, read_policy_as};

use crate::naive::Naive;
use crate::random::{Random, World};

/// The judge for a policy given as JSON.
pub(crate) fn judge_of(policy: &Value) -> CaseJudge {
    let document = read_policy_as(Format::Json, &policy.to_string(), "p.json", None, None)
        .unwrap_or_else(|error| panic!("{error}\n{policy:#}"));
    let organization = document.organization.unwrap();
    let roster = Roster::new(Arc::new(document.policy), Arc::new(organization));
    CaseJudge::new(roster, document.tables)
}

/// Whole number in an environment variable.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

#[test]
fn the_gate_answers_as_the_naive_model_does() {
    let judgments = setting("TIDEGATE_JUDGMENTS", 100_000);
    let seed = setting("TIDEGATE_SEED", 20_261_120);
    let cases_per_policy = 500;
    let mut answers: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..judgments.div_ceil(cases_per_policy) {
        let mut random = Random(seed.wrapping_add(round));
        let world = World::new(&mut random);
        let mut judge = judge_of(&world.policy);
        let naive = Naive { policy: &world.policy };
        for _ in 0..cases_per_policy {
            let line = if random.percent(12) {
                world.broken_case(&mut random)
            } else {
                world.case(&mut random).to_string()
            };
            let expected = naive.answer(&line);
            let found = serde_json::to_value(judge.answer(line.as_bytes())).unwrap();
            assert_eq!(
                found,
                expected,
                "gate (left) and model (right) differ; TIDEGATE_SEED={} TIDEGATE_JUDGMENTS=1\n\
                 case: {line}\npolicy: {}",
                seed.wrapping_add(round),
                world.policy
            );
            let rule = expected["rule"].as_str().unwrap_or("allowed").to_owned();
            *answers.entry(rule).or_default() += 1;
        }
    }
    println!("compared by answer: {answers:?}");
    // The comparison says something only where every answer comes up.
    if judgments >= 100_000 {
        for rule in [
            "allowed",
            "malformed",
            "unknown_user",
            "disabled_user",
            "no_privilege",
            "out_of_depth",
            "no_column_permission",
            "wrong_business_unit",
            "owner_cannot_read",
            "cannot_give_right",
        ] {
            let count = answers.get(rule).copied().unwrap_or(0);
            assert!(count >= judgments / 2_000, "only {count} answers are {rule}: {answers:?}");
        }
    }
}
