//! The gate against the naive model.

use serde_json::Value;
use tidegate::gate::{CaseJudge, Roster};
use tidegate::policy::{Format, read_policy_as};

use crate::naive::Naive;
use crate::random::{Random, World};
use crate::steps;

/// The first step is the policy, each other one a case.
pub fn gate(bytes: &[u8]) {
    let mut steps = steps(bytes);
    let Some(seed) = steps.next() else { return };
    let world = World::new(&mut Random(seed));
    let mut judge = judge_of(&world.policy);
    let naive = Naive { policy: &world.policy };
    for seed in steps {
        let mut random = Random(seed);
        let line = if random.percent(12) {
            world.broken_case(&mut random)
        } else {
            world.case(&mut random).to_string()
        };
        let found = serde_json::to_value(judge.answer(line.as_bytes())).unwrap();
        assert_eq!(found, naive.answer(&line), "case: {line}\npolicy: {}", world.policy);
    }
}

fn judge_of(policy: &Value) -> CaseJudge {
    let document = read_policy_as(Format::Json, &policy.to_string(), "p.json", None, None);
    let document = document.unwrap();
    let roster = Roster::new(document.policy.into(), document.organization.unwrap().into());
    CaseJudge::new(roster, document.tables)
}
