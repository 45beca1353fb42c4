//! Whose profile is which.

use std::sync::Arc;

use tidegate::gate::Roster;
use tidegate::policy::{read_policy, read_profiles};
use tidegate::scope::{profile_of, unreached};

use super::documents::schema;

pub(crate) const RULES: &str = r#"
[[business_unit]]
id = "north"
[[user]]
id = "ann"
business_unit = "north"
roles = ["seller"]
[[user]]
id = "ben"
business_unit = "north"
[[user]]
id = "cora"
business_unit = "north"
[[user]]
id = "dan"
business_unit = "north"
[[team]]
id = "crew"
kind = "owner"
business_unit = "north"
roles = ["seller"]
members = ["ben"]
[[team]]
id = "pilot"
kind = "access"
members = ["cora", "ann"]
[[role]]
id = "seller"
inheritance = "team_only"
"#;

fn profile(id: &str, more: &str) -> String {
    format!("[[profile]]\nid = \"{id}\"\n{more}\n[[profile.table]]\nid = \"product\"\n")
}

#[track_caller]
fn gives(document: &str, app: Option<&str>, wanted: [Option<&str>; 4]) {
    let rules = read_policy(RULES, "policy.toml", Some(&schema()), None).unwrap();
    let profiles = read_profiles(document, "profiles.toml", &schema(), None, None).unwrap();
    let roster = Roster::new(Arc::new(rules.policy), Arc::new(rules.organization.unwrap()));
    let app = app.map(|app| app.parse().unwrap());
    let of = |user: &str| {
        profile_of(&profiles, &roster, &user.parse().unwrap(), app.as_ref())
            .map(|profile| profile.id.as_str())
    };
    assert_eq!(["ann", "ben", "cora", "dan"].map(of), wanted);
    assert_eq!(of("nobody"), None);
}

#[test]
fn a_role_counts_by_oneself_or_through_a_team_and_teams_of_either_kind_count() {
    let sellers = profile("s", "for = [\"role:seller\"]");
    gives(&sellers, None, [Some("s"), Some("s"), None, None]);
    let pilots = profile("p", "for = [\"team:pilot\", \"user:dan\"]");
    gives(&pilots, None, [Some("p"), None, Some("p"), Some("p")]);
    let crew = profile("c", "for = [\"team:crew\"]");
    gives(&crew, None, [None, Some("c"), None, None]);
}

#[test]
fn the_first_that_fits_counts() {
    let (pilots, sellers, all) = (
        profile("p", "for = [\"team:pilot\"]"),
        profile("s", "for = [\"role:seller\"]"),
        profile("a", "for = [\"organization\"]"),
    );
    let wanted = [Some("p"), Some("s"), Some("p"), Some("a")];
    gives(&[&*pilots, &*sellers, &*all].concat(), None, wanted);
    let wanted = [Some("s"), Some("s"), Some("p"), Some("a")];
    gives(&[&*sellers, &*pilots, &*all].concat(), None, wanted);
    gives(&[&*all, &*sellers].concat(), None, [Some("a"); 4]);
}

#[test]
fn a_profile_of_an_app_is_for_that_app() {
    let (field, all) = (
        profile("f", "app = \"field\"\nfor = [\"role:seller\"]"),
        profile("a", "for = [\"team:pilot\", \"role:seller\"]"),
    );
    let both = [&*field, &*all].concat();
    gives(&both, Some("field"), [Some("f"), Some("f"), Some("a"), None]);
    for app in [Some("office"), None] {
        gives(&both, app, [Some("a"), Some("a"), Some("a"), None]);
    }
}

#[test]
fn a_profile_behind_one_for_the_same_people_is_never_reached() {
    let all = |id| profile(id, "for = [\"organization\"]");
    let some = |id, app: &str| profile(id, &format!("{app}for = [\"team:pilot\"]"));
    let found = |documents: &[String]| {
        let text = documents.concat();
        let profiles = read_profiles(&text, "profiles.toml", &schema(), None, None).unwrap();
        let found = unreached(&profiles).map(|(profile, by)| format!("{} {}", profile.id, by.id));
        found.collect::<Vec<_>>()
    };
    assert_eq!(found(&[all("a"), some("p", ""), some("f", "app = \"field\"\n")]), ["p a", "f a"]);
    assert_eq!(found(&[some("p", ""), some("q", ""), all("a")]), ["q p"]);
    let of_app = || some("f", "app = \"field\"\n");
    assert!(found(&[of_app(), some("p", ""), all("a")]).is_empty());
    assert_eq!(found(&[some("p", ""), of_app()]), ["f p"]);
}
