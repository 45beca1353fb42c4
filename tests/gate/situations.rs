//! Ten situations of an administrator, explained: by a small policy, and the same by the real one.
//! Section 7 of `docs/privileges.md` shows them, word for word.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate::codec::Refusal;
use tidegate::gate::{CaseJudge, Roster};
use tidegate::model::{Organization, Policy, Right, Team, TeamKind};
use tidegate::policy::{PolicyDocument, read_policy};

use crate::organization::adventure_works_document;

/// What is different from everyday, the cases with the rules that deny them ("": allowed), and what
/// comes after.
struct Situation {
    title: &'static str,
    change: fn(&mut Policy, &mut Organization),
    cases: Vec<(Value, &'static str)>,
    after: String,
}

fn situation(
    title: &'static str,
    change: fn(&mut Policy, &mut Organization),
    cases: Vec<(Value, &'static str)>,
) -> Situation {
    Situation { title, change, cases, after: String::new() }
}

fn no_change(_: &mut Policy, _: &mut Organization) {}

fn order_of(owner: &str) -> Value {
    json!({"owner": owner, "business_unit": "purchasing"})
}

fn case(user: &str, op: &str, record: &Value) -> Value {
    json!({"user": user, "op": op, "table": "purchase_order", "record": record})
}

fn with(mut case: Value, key: &str, value: Value) -> Value {
    case[key] = value;
    case
}

fn everyday() -> Vec<Situation> {
    let (hers, another) = (order_of("user:erin0"), order_of("user:eric2"));
    let of_david = json!({"owner": "user:david8", "business_unit": "sales"});
    let pay = |user: &str| {
        json!({"user": user, "op": "read_column", "table": "employee",
            "column": "pay_rate_usd_per_hour", "record": of_david})
    };
    let to_erin = json!([{"to": "user:erin0", "rights": ["write"]}]);
    let shared = with(another.clone(), "shares", to_erin);
    vec![
        situation(
            "A buyer",
            no_change,
            vec![
                (case("erin0", "write", &hers), ""),
                (case("erin0", "write", &another), "out_of_depth"),
            ],
        ),
        situation(
            "A manager",
            |_, organization| {
                let sheela = organization.users.get_mut("sheela0").unwrap();
                sheela.roles = ["employee", "buyer"].map(|role| role.parse().unwrap()).into();
            },
            vec![
                (case("sheela0", "write", &hers), ""),
                (case("sheela0", "delete", &hers), "out_of_depth"),
            ],
        ),
        situation(
            "Human resources",
            no_change,
            vec![(pay("paula0"), ""), (pay("grant0"), "no_column_permission")],
        ),
        situation(
            "A share",
            no_change,
            vec![
                (case("erin0", "write", &shared), ""),
                (case("erin0", "delete", &shared), "out_of_depth"),
            ],
        ),
        situation(
            "A team",
            |_, organization| {
                let kind = TeamKind::Owner {
                    business_unit: "purchasing".parse().unwrap(),
                    roles: ["buyer".parse().unwrap()].into(),
                };
                let members = ["david8".parse().unwrap()].into();
                organization
                    .teams
                    .insert("contracts".parse().unwrap(), Team { name: None, kind, members });
            },
            vec![
                (case("david8", "write", &order_of("team:contracts")), ""),
                (case("david8", "read", &hers), ""),
                (case("david8", "write", &hers), "out_of_depth"),
            ],
        ),
    ]
}

fn changes_and_mistakes() -> Vec<Situation> {
    let (hers, another) = (order_of("user:erin0"), order_of("user:eric2"));
    let of_ben = order_of("user:ben0");
    // The server moves the records of an owner who moves.
    let followed = json!({"owner": "user:erin0", "business_unit": "sales"});
    let vendor = json!({"vendor": {"table": "vendor", "record": {}}});
    let revoked =
        situation("A revoked device", no_change, vec![(case("ben0", "write", &of_ben), "")]);
    vec![
        situation(
            "A move to another business unit",
            |_, organization| {
                let erin = organization.users.get_mut("erin0").unwrap();
                erin.business_unit = "sales".parse().unwrap();
            },
            vec![
                (case("erin0", "write", &followed), ""),
                (case("eric2", "read", &followed), "out_of_depth"),
                (case("erin0", "read", &another), "out_of_depth"),
            ],
        ),
        Situation {
            after: format!("The server refuses the device: {}", Refusal::RevokedDevice),
            ..revoked
        },
        situation(
            "A disabled user",
            |_, organization| {
                organization.users.get_mut("ben0").unwrap().disabled = true;
            },
            vec![(case("ben0", "write", &of_ben), "disabled_user")],
        ),
        situation(
            "A lookup without `append_to`",
            |policy, _| {
                let employee = policy.roles.get_mut("employee").unwrap();
                employee.rights.get_mut("vendor").unwrap().remove(&Right::AppendTo);
            },
            vec![(with(case("erin0", "create", &hers), "lookups", vendor), "no_privilege")],
        ),
        situation(
            "An assignment to one who cannot read",
            no_change,
            vec![(
                with(case("sheela0", "assign", &hers), "to", json!("user:david8")),
                "owner_cannot_read",
            )],
        ),
    ]
}

/// What is said of a situation, each answer checked.
fn told(situation: &Situation, document: &PolicyDocument) -> String {
    let mut policy = document.policy.clone();
    let mut organization = document.organization.clone().unwrap();
    (situation.change)(&mut policy, &mut organization);
    let roster = Roster::new(Arc::new(policy), Arc::new(organization));
    let mut judge = CaseJudge::new(roster, document.tables.clone());
    let mut told = Vec::new();
    for (case, rule) in &situation.cases {
        let explained = judge.explain(case.to_string().as_bytes());
        let found = explained.answer.rule().map_or("", |rule| rule.as_str());
        assert_eq!(found, *rule, "{}: {case}", situation.title);
        told.push(explained.to_string());
    }
    told.extend(Some(situation.after.clone()).filter(|after| !after.is_empty()));
    told.join("\n\n") + "\n"
}

/// The headings of section 7 of the document, each with the block below it.
fn documented() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/privileges.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("\n## 7. Ten situations\n").unwrap();
    let parts = section.split("\n### ").skip(1).map(|part| {
        let (title, rest) = part.split_once('\n').unwrap();
        let (_, block) = rest.split_once("```text\n").unwrap_or(("", ""));
        (title.to_owned(), block.split("```").next().unwrap().to_owned())
    });
    parts.collect()
}

#[test]
fn ten_situations_are_explained_as_the_document_shows_them() {
    let twin = include_str!("adventure_works.toml");
    let twin = read_policy(twin, "adventure_works.toml", None, None).unwrap();
    let real = adventure_works_document();
    let situations = everyday().into_iter().chain(changes_and_mistakes());
    let mut expected = Vec::new();
    for (number, situation) in (1..).zip(situations) {
        let told_by_twin = told(&situation, &twin);
        if let Some(real) = &real {
            assert_eq!(told(&situation, real), told_by_twin, "of the real people");
        }
        expected.push((format!("{number}. {}", situation.title), told_by_twin));
    }
    assert_eq!(expected.len(), 10);
    let found = documented();
    let show = |all: &[(String, String)]| {
        let blocks = all.iter().map(|(title, text)| format!("### {title}\n```text\n{text}```\n"));
        blocks.collect::<Vec<_>>().join("\n")
    };
    assert!(
        found == expected,
        "docs/privileges.md should show\n{}\nbut shows\n{}",
        show(&expected),
        show(&found)
    );
}
