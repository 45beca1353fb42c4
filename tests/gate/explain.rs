//! An explanation says what the judge says, and what it offers would do.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidegate::gate::{CaseExplanation, Finding, Judgement, Remedy, Requirement, Step};
use tidegate::model::{Depth, Owner, Rule};

use crate::compare::{judge_of, setting};
use crate::random::{Random, World};
use crate::twins::{case, order, policy, shared, with};

#[test]
fn an_explanation_answers_as_the_judge_does() {
    let judgments = setting("TIDEGATE_JUDGMENTS", 100_000);
    let seed = setting("TIDEGATE_SEED", 20_261_121);
    let cases_per_policy = 500;
    let mut ways: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..judgments.div_ceil(cases_per_policy) {
        let seed = seed.wrapping_add(round);
        let mut random = Random(seed);
        let world = World::new(&mut random);
        let mut judge = judge_of(&world.policy);
        for _ in 0..cases_per_policy {
            let line = if random.percent(4) {
                world.broken_case(&mut random)
            } else {
                world.case(&mut random).to_string()
            };
            let answer = judge.answer(line.as_bytes());
            let explained = judge.explain(line.as_bytes());
            let at = || {
                format!("TIDEGATE_SEED={seed} TIDEGATE_JUDGMENTS=1\ncase: {line}\n{}", world.policy)
            };
            // The whole answer: rule, right, table, column, depth and denied columns.
            assert_eq!(explained.answer, answer, "{}", at());
            let Some(explanation) = explained.explanation else { continue };
            assert_eq!(explanation.judgement == Judgement::Allowed, answer.rule().is_none());
            for step in explanation.steps {
                let way = way_of(&step);
                if matches!(step.requirement, Requirement::Right { .. }) {
                    assert!(way.is_some() || !is_met(&step), "a right without a way: {}", at());
                }
                *ways.entry(way.unwrap_or_else(|| "none".into())).or_default() += 1;
            }
        }
    }
    println!("explained by way: {ways:?}");
    if judgments >= 100_000 {
        for way in [
            "administrator",
            "ownership",
            "depth",
            "share",
            "hierarchy",
            "column_security",
            "column_share",
        ] {
            let count = ways.get(way).copied().unwrap_or(0);
            assert!(count >= judgments / 1_000, "only {count} times {way}: {ways:?}");
        }
    }
}

fn is_met(step: &Step) -> bool {
    matches!(step.finding, Finding::Met { .. })
}

/// The name of the way that a requirement was met by.
fn way_of(step: &Step) -> Option<String> {
    let step = serde_json::to_value(step).unwrap();
    step["way"]["way"].as_str().map(str::to_owned)
}

/// A policy and a case, in which things are changed.
#[derive(Clone)]
struct Scene {
    policy: Value,
    case: Value,
}

impl Scene {
    fn explain(&self) -> CaseExplanation {
        judge_of(&self.policy).explain(self.case.to_string().as_bytes())
    }

    fn named<'a>(&'a mut self, kind: &str, id: &str) -> &'a mut Value {
        let all = self.policy[kind].as_array_mut().unwrap();
        all.iter_mut().find(|it| it["id"] == id).unwrap()
    }

    fn push(list: &mut Value, item: Value) {
        match list.as_array_mut() {
            Some(list) => list.push(item),
            None => *list = json!([item]),
        }
    }

    fn give_role(&mut self, role: &str, to: &Owner) {
        let (kind, id) = match to {
            Owner::User(user) => ("user", user.as_str()),
            Owner::Team(team) => ("team", team.as_str()),
        };
        Self::push(&mut self.named(kind, id)["roles"], json!(role));
    }

    /// The record that a requirement is about: that of the case, or those of a lookup.
    fn records(&mut self, requirement: &Requirement) -> Vec<&mut Value> {
        let Requirement::Right { lookup: Some(lookup), owner, .. } = requirement else {
            return vec![&mut self.case["record"]];
        };
        let owner = owner.as_ref().map(ToString::to_string);
        let case = self.case.as_object_mut().unwrap();
        let lookups = case.iter_mut().filter(|(key, _)| key.ends_with("lookups"));
        let records = lookups.filter_map(|(_, of)| of.get_mut(lookup.as_str())?.get_mut("record"));
        records.filter(|it| it.get("owner").and_then(Value::as_str) == owner.as_deref()).collect()
    }

    /// Changes the world as the remedy says.
    fn apply(&mut self, requirement: &Requirement, remedy: &Remedy) {
        match remedy {
            Remedy::Deepen { role: Some(role), right, table, depth, .. } => {
                let rights = &mut self.named("role", role.as_str())["rights"];
                rights[table.as_str()][right.as_str()] = json!(depth.as_str());
            }
            Remedy::Deepen { role: None, holder, right, table, depth, .. } => {
                let rights = json!({table.as_str(): {right.as_str(): depth.as_str()}});
                let id = format!("new{}", self.policy["role"].as_array().unwrap().len());
                Self::push(&mut self.policy["role"], json!({"id": id, "rights": rights}));
                self.give_role(&id, holder);
            }
            Remedy::GiveRole { role, to, .. } => self.give_role(role.as_str(), to),
            Remedy::Share { to, right, .. } => {
                let share = json!({"to": format!("user:{to}"), "rights": [right.as_str()]});
                for record in self.records(requirement) {
                    Self::push(&mut record["shares"], share.clone());
                }
            }
            Remedy::HierarchyDepth { depth, .. } => {
                self.policy["hierarchy"]["depth"] = json!(depth);
            }
            Remedy::HierarchyTable { table } => {
                let exclude = self.policy["hierarchy"]["exclude"].as_array_mut().unwrap();
                exclude.retain(|excluded| excluded != table.as_str());
            }
            Remedy::ColumnSecurity { id: Some(id), user, .. } => {
                let security = self.named("column_security", id.as_str());
                Self::push(&mut security["users"], json!(user.as_str()));
            }
            Remedy::ColumnSecurity { id: None, user, column, permission } => {
                let key = format!("{}.{column}", self.case["table"].as_str().unwrap());
                let permission = serde_json::to_value(permission).unwrap();
                let columns = json!({key: {permission.as_str().unwrap(): true}});
                let id = format!("new{}", self.policy["column_security"].as_array().unwrap().len());
                let security = json!({"id": id, "users": [user.as_str()], "columns": columns});
                Self::push(&mut self.policy["column_security"], security);
            }
            Remedy::ColumnShare { to, column, .. } => {
                let share = json!({
                    "to": format!("user:{to}"), "column": column.as_str(),
                    "read": true, "update": true,
                });
                Self::push(&mut self.case["record"]["column_shares"], share);
            }
            Remedy::BusinessUnit { business_unit } => {
                self.case["record"]["business_unit"] = json!(business_unit.as_str());
            }
            Remedy::OtherOwner { owner } => {
                let (owner, is_create) = (owner.to_string(), self.case["op"] == "create");
                let key = if is_create {
                    &mut self.case["record"]["owner"]
                } else {
                    &mut self.case["to"]
                };
                *key = json!(owner);
            }
            Remedy::Enable { user } => self.named("user", user.as_str())["disabled"] = json!(false),
            other => panic!("a remedy that nobody can apply: {other:?}"),
        }
    }
}

fn broken(explained: &CaseExplanation) -> Vec<(usize, Requirement, Vec<Remedy>)> {
    let steps = explained.explanation.iter().flat_map(|it| &it.steps).enumerate();
    steps
        .filter_map(|(at, step)| match &step.finding {
            Finding::Broken { nearest, .. } => {
                Some((at, step.requirement.clone(), nearest.clone()))
            }
            _ => None,
        })
        .collect()
}

/// The kind of a remedy.
fn kind(remedy: &Remedy) -> String {
    serde_json::to_value(remedy).unwrap()["would_do"].as_str().unwrap().to_owned()
}

#[test]
fn what_would_do_does() {
    let seed = setting("TIDEGATE_SEED", 7);
    let (mut applied, mut flipped) = (BTreeMap::<String, u32>::new(), 0);
    for round in 0..120 {
        let seed = seed + round;
        let mut random = Random(seed);
        let world = World::new(&mut random);
        let mut judge = judge_of(&world.policy);
        for _ in 0..25 {
            let case = world.case(&mut random);
            let rule = judge.answer(case.to_string().as_bytes()).rule();
            if rule.is_none_or(|rule| rule == Rule::Malformed) {
                continue;
            }
            let scene = Scene { policy: world.policy.clone(), case };
            if each_meets_its_requirement(&scene, seed, &mut applied) {
                flipped += u32::from(the_nearest_lead_to_yes(scene, seed));
            }
        }
    }
    for scene in [hierarchy_off_here(), hierarchy_too_short()] {
        assert!(each_meets_its_requirement(&scene, 0, &mut applied));
    }
    println!("{flipped} cases turned to allowed; applied: {applied:?}");
    assert!(flipped > 500, "{flipped}");
    for kind in [
        "deepen",
        "give_role",
        "share",
        "hierarchy_depth",
        "hierarchy_table",
        "column_security",
        "column_share",
        "business_unit",
        "other_owner",
        "enable",
    ] {
        assert!(applied.contains_key(kind), "never tried: {kind}, only {applied:?}");
    }
}

/// `bea` is the manager of `carl`, on a table where that does not count.
fn hierarchy_off_here() -> Scene {
    let mut policy = policy();
    policy["hierarchy"]["exclude"] = json!(["order", "log"]);
    Scene { policy, case: case("bea", "write", order("user:carl", "north-1")) }
}

/// `ann` is two levels above `carl`, and one counts.
fn hierarchy_too_short() -> Scene {
    let mut policy = policy();
    policy["hierarchy"]["depth"] = json!(1);
    Scene { policy, case: case("ann", "read", order("user:carl", "north-1")) }
}

/// Each remedy alone, applied to the documents and judged anew, meets the requirement that it is for.
fn each_meets_its_requirement(
    scene: &Scene,
    seed: u64,
    applied: &mut BTreeMap<String, u32>,
) -> bool {
    let before = scene.explain();
    let steps = before.explanation.as_ref().unwrap().steps.len();
    for (at, requirement, remedies) in broken(&before) {
        for remedy in remedies {
            let mut after = scene.clone();
            after.apply(&requirement, &remedy);
            let explained = after.explain();
            let explanation = explained.explanation.clone().unwrap();
            *applied.entry(kind(&remedy)).or_default() += 1;
            let met = match &requirement {
                // The user's own requirement stands alone: now the others are asked.
                Requirement::User => explanation.steps[0].requirement != Requirement::User,
                // Another owner may need no `assign`, and its own requirements.
                Requirement::OwnerCanRead { .. } => broken(&explained)
                    .iter()
                    .all(|(_, it, _)| !matches!(it, Requirement::OwnerCanRead { .. })),
                _ if explanation.steps.len() == steps => is_met(&explanation.steps[at]),
                // What someone has by a share need not be given to them any more.
                _ => broken(&explained).iter().all(|(_, it, _)| *it != requirement),
            };
            assert!(
                met,
                "seed {seed}: {remedy:?} does not help\nbefore: {before}\nafter: {explained}\n\
                 case: {}\npolicy: {}",
                scene.case, scene.policy
            );
        }
    }
    before.answer.rule() != Some(Rule::UnknownUser)
}

/// The nearest things, one after the other, turn the answer.
fn the_nearest_lead_to_yes(mut scene: Scene, seed: u64) -> bool {
    let start = scene.clone();
    for _ in 0..24 {
        let explained = scene.explain();
        let Some((_, requirement, remedies)) = broken(&explained).into_iter().next() else {
            assert_eq!(explained.answer.rule(), None);
            return true;
        };
        let Some(remedy) = remedies.first() else {
            // A disabled owner to be who would lack a role too: no one thing would do.
            let is_owner = matches!(requirement, Requirement::OwnerCanRead { .. });
            assert!(is_owner, "seed {seed}: {explained}");
            return false;
        };
        scene.apply(&requirement, remedy);
    }
    panic!("seed {seed}: no end: {}\n{}", start.case, start.policy);
}

#[test]
fn a_role_is_deepened_no_more_than_needed() {
    // One step less deep, and the answer stays no.
    let mut tried = 0;
    for seed in 0..60 {
        let mut random = Random(seed);
        let world = World::new(&mut random);
        for _ in 0..25 {
            let scene = Scene { policy: world.policy.clone(), case: world.case(&mut random) };
            for (at, requirement, remedies) in broken(&scene.explain()) {
                for remedy in remedies {
                    let Remedy::Deepen { depth, had, .. } = &remedy else { continue };
                    let less = match depth {
                        Depth::Organization => Depth::ParentChild,
                        Depth::ParentChild => Depth::BusinessUnit,
                        Depth::BusinessUnit => Depth::User,
                        _ => continue,
                    };
                    if less <= *had || matches!(requirement, Requirement::OwnerCanRead { .. }) {
                        continue;
                    }
                    let mut shallow = remedy.clone();
                    let Remedy::Deepen { depth, .. } = &mut shallow else { unreachable!() };
                    *depth = less;
                    let mut after = scene.clone();
                    after.apply(&requirement, &shallow);
                    let after = after.explain().explanation.unwrap();
                    assert!(!is_met(&after.steps[at]), "seed {seed}: {remedy:?} {}", scene.case);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

/// Of the twins' policy.
fn explained(case: &Value) -> String {
    judge_of(&policy()).explain(case.to_string().as_bytes()).to_string()
}

#[test]
fn each_way_and_each_nearest_thing_has_its_words() {
    let of = |user: &str, op: &str, owner: &str, unit: &str| case(user, op, order(owner, unit));
    let rows = [
        of("bea", "write", "user:emil", "north"),
        of("ann", "read", "user:carl", "north-1"),
        of("crewman", "read", "team:crew", "south"),
        of("admin", "read", "user:bea", "north"),
        of("deputy", "delete", "user:bea", "north"),
        of("fay", "read", "user:carl", "north-1"),
        of("none", "read", "user:bea", "north"),
        of("off", "read", "user:bea", "north"),
        of("zoe", "read", "user:bea", "north"),
        case("reader", "read", shared("user:bea", "north", "team:group", &["read"])),
        with(of("maker", "create", "user:carl", "north"), "columns", json!(["cost"])),
        with(of("emil", "assign", "user:bea", "north"), "to", json!("user:carl")),
        with(of("hr", "write", "user:bea", "north"), "columns", json!(["cost", "born"])),
        json!({"user": "emil"}),
    ];
    let scenes = [hierarchy_off_here(), hierarchy_too_short()];
    let scenes = scenes.iter().map(|scene| scene.explain().to_string());
    let all = rows.iter().map(explained).chain(scenes);
    let text = all.map(|it| it + "\n").collect::<String>();
    assert!(text == include_str!("explained.txt"), "tests/gate/explained.txt would be:\n{text}");
}
