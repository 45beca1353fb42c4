//! Profiles that are suggested for random schemas, policies and numbers of records.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use tidegate::gate::{Roster, Standing};
use tidegate::model::{
    Audience, Depth, ProfileName, Profiles, Right, RowRule, Schema, TableName, UserId,
};
use tidegate::policy::{read_policy, read_profiles, write_suggestion};
use tidegate::scope::{CheckedProfile, Known, Suggestion, is_among, suggest, unreached};

use super::drawn;
use super::naive::World;
use super::rng::Rng;

const CASES: u64 = 1_000;

/// Views of tables and of what they look up, some of which may not be read.
fn views(rng: &mut Rng, world: &World) -> String {
    let mut text = String::new();
    for (at, table) in world.tables.iter().filter(|table| !table.is_system).enumerate() {
        if rng.chance(40) {
            continue;
        }
        let id = &table.id;
        let mut columns = vec!["n".to_owned(), "pay".to_owned()];
        for (lookup, target) in &table.lookups {
            let target = world.tables.iter().find(|it| it.id == *target).unwrap();
            let column = if target.is_system { "key" } else { "n" };
            columns.push(format!("{lookup}.{column} as {lookup}"));
        }
        columns.retain(|_| rng.chance(70));
        if columns.is_empty() {
            columns.push("due".into());
        }
        writeln!(text, "[[view]]\nid = \"v{at}\"\ntable = \"{id}\"\ncolumns = {columns:?}")
            .unwrap();
    }
    text
}

/// Numbers of records, some of them large; some are not known.
fn known(rng: &mut Rng, schema: &Schema) -> Known {
    let mut known = Known::default();
    for table in schema.tables.keys() {
        if rng.chance(20) {
            continue;
        }
        let mut records = [0, 10, 2_000, 2_001, 60_000][rng.below(5)];
        for rule in [
            RowRule::All,
            RowRule::MyBusinessUnits,
            RowRule::MyBusinessUnit,
            RowRule::MyTeams,
            RowRule::Mine,
        ] {
            known.records.insert((table.clone(), rule), records);
            if rng.chance(50) {
                records /= 10;
            }
        }
        if rng.chance(30) {
            known.edits.insert(table.clone(), 7);
        }
    }
    known
}

struct Case {
    schema: Arc<Schema>,
    roster: Roster,
    audience: Audience,
    known: Known,
}

impl Case {
    fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let world = drawn::world(&mut rng);
        let mut text = world.schema() + &views(&mut rng, &world);
        if rng.chance(30) {
            text = text.replacen("type = \"lookup\"", "type = \"lookup\", required = true", 2);
        }
        let schema = Arc::new(tidegate::read_schema(&text, "schema.toml").unwrap());
        let read = read_policy(&world.policy(), "policy.json", Some(&schema), None).unwrap();
        let roster = Roster::new(Arc::new(read.policy), Arc::new(read.organization.unwrap()));
        let known = known(&mut rng, &schema);
        let user = format!("user:{}", world.user);
        let audience = if rng.chance(50) { "organization" } else { &user };
        Self { roster, audience: audience.parse().unwrap(), known, schema }
    }

    fn standings(&self) -> Vec<Standing> {
        let groups = [self.audience.clone()].into();
        let users = self.roster.organization().users.keys();
        let users = users.filter(|user: &&UserId| is_among(&groups, &self.roster, user));
        let standing = |user| Standing::resolve(&self.roster, user).unwrap().within(&self.schema);
        users.map(standing).collect()
    }

    fn suggest(&self) -> Option<Suggestion> {
        let (id, audiences) = (ProfileName::new("new").unwrap(), vec![self.audience.clone()]);
        suggest(&self.schema, id, audiences, &self.standings(), &self.known)
    }

    fn reads(&self, table: &TableName) -> bool {
        let depth = |it: &Standing| it.depth(table, Right::Read);
        let deepest = self.standings().iter().map(depth).max().unwrap_or_default();
        let is_owned = self.schema.table(table.as_str()).unwrap().is_user_owned();
        deepest == Depth::Organization || (is_owned && deepest > Depth::None)
    }
}

#[test]
fn what_is_suggested_checks_clean_and_is_the_same_each_time() {
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..CASES {
        println!("seed {seed}");
        let case = Case::draw(seed);
        let suggestion = case.suggest();
        assert_eq!(suggestion, case.suggest());
        let readable = case.schema.tables.keys().filter(|table| case.reads(table));
        let Some(suggestion) = suggestion else {
            assert_eq!(readable.count(), 0);
            *met.entry("nothing").or_default() += 1;
            continue;
        };
        let text = write_suggestion(&suggestion, None);
        println!("{text}");
        let (policy, people) = (case.roster.policy(), case.roster.organization());
        let read = read_profiles(&text, "new.toml", &case.schema, Some(policy), Some(people));
        let read = read.unwrap();
        assert_eq!(read, Profiles { list: vec![suggestion.profile.clone()] });
        let checked = CheckedProfile::new(&case.schema, &read.list[0]).unwrap();
        assert_eq!(checked.lacks(), [], "seed {seed}");
        assert_eq!(unreached(&read).count(), 0);
        // Nothing is left out without a word, and nothing is taken that nobody may read.
        for table in case.schema.tables.keys() {
            let is_there = suggestion.profile.table(table).is_some();
            let is_told = suggestion.left_out.contains_key(table);
            assert_eq!(is_there || is_told, case.reads(table), "seed {seed}: {table}");
            assert!(!is_there || !is_told);
        }
        for entry in &suggestion.profile.tables {
            assert!(!entry.rows.is_empty() || !entry.related.is_empty(), "seed {seed}");
            *met.entry("related").or_default() += u64::from(!entry.related.is_empty());
            *met.entry("needs").or_default() += u64::from(!entry.needs.is_empty());
        }
        for (what, is_so) in [
            ("left out", !suggestion.left_out.is_empty()),
            ("not shown", !suggestion.not_shown.is_empty()),
            ("two rounds", suggestion.profile.depth > 1),
        ] {
            *met.entry(what).or_default() += u64::from(is_so);
        }
    }
    println!("{met:?}");
    for what in ["nothing", "related", "needs", "left out", "not shown", "two rounds"] {
        assert!(met[what] > 0, "{what}: {met:?}");
    }
}
