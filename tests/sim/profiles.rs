//! Offline profiles, drawn at random; published to all or to some, promoted and rolled back.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use tidegate::gate::{Roster, Standing};
use tidegate::model::{
    AppName, Audience, DocumentText, Lens, RecordId, Schema, TableName, Timestamp, UserId,
};
use tidegate::policy::read_profiles;
use tidegate::scope::{Candidate, CheckedProfile, Records, Taken, is_among, profile_of};
use tidegate::sync::server::RulesError;

use crate::fault::FETCHES_SINCE;
use crate::people::{SYSTEM, TABLES, USERS, name};
use crate::rng::Rng;
use crate::server::of_store;
use crate::world::{Check, World};

/// Relationships: the table in whose entry it stands, what it is called, and the table at its other end.
const RELATED: [(&str, &str, &str); 14] = [
    ("order", "customer", "customer"),
    ("customer", "order.customer", "order"),
    ("order", "clerk", "user"),
    ("user", "order.clerk", "order"),
    ("order", "owner", "user"),
    ("user", "order.owner", "order"),
    ("user", "customer.owner", "customer"),
    ("team", "order.owner", "order"),
    ("customer", "owner", "team"),
    ("user", "manager", "user"),
    ("user", "user.manager", "user"),
    ("business_unit", "order.business_unit", "order"),
    ("business_unit", "business_unit.parent", "business_unit"),
    ("sheet", "business_unit", "business_unit"),
];

const FILTERS: [(&str, &str); 12] = [
    ("order", "title > 'v3'"),
    ("order", "title = 'same' or note is null"),
    ("order", "cost is null"),
    ("order", "customer.note is null"),
    ("order", "customer.code < 'c3'"),
    ("order", "clerk.name = 'Ada' or customer is not null"),
    ("order", "owner.name = 'Bo'"),
    ("order", "size > '2'"),
    ("customer", "note > 'v5'"),
    ("customer", "note is null and owner = me()"),
    ("place", "note = 'same'"),
    ("user", "disabled = false"),
];

const ROWS: [&str; 5] = ["all", "mine", "my_teams", "my_business_unit", "my_business_units"];

/// Apps, of which profiles know one.
pub(crate) const APPS: [&str; 2] = ["field", "office"];

fn draw(rng: &mut Rng, seed: u64) -> String {
    let mut text = String::new();
    for (number, audience) in ["user:ann", "role:lead", "organization"].into_iter().enumerate() {
        if rng.chance(40) && audience != "organization" {
            continue;
        }
        let depth = rng.below(4);
        let _ = writeln!(text, "[[profile]]\nid = \"p{number}\"\nfor = [\"{audience}\"]");
        let _ = writeln!(text, "depth = {depth}");
        if seed >= FETCHES_SINCE && rng.chance(30) {
            let _ = writeln!(text, "app = \"{}\"", APPS[0]);
        }
        let all = TABLES.iter().chain(&SYSTEM).copied();
        let mut tables: Vec<_> = all.filter(|_| rng.chance(60)).collect();
        if tables.is_empty() {
            tables.push("order");
        }
        for table in &tables {
            let _ = writeln!(text, "[[profile.table]]\nid = \"{table}\"");
            entry(rng, table, &tables, &mut text);
        }
    }
    text
}

fn entry(rng: &mut Rng, table: &str, tables: &[&str], text: &mut String) {
    let is_owned = table != "place";
    let rules = ROWS.iter().filter(|rule| is_owned || **rule == "all");
    let rows: Vec<_> = rules.filter(|_| rng.chance(30)).collect();
    let of_table = RELATED.iter().filter(|(of, _, end)| *of == table && tables.contains(end));
    let related: Vec<_> = of_table.filter(|_| rng.chance(60)).map(|(_, how, _)| how).collect();
    if !rows.is_empty() {
        let _ = writeln!(text, "rows = {rows:?}");
        let filters: Vec<_> = FILTERS.iter().filter(|(of, _)| *of == table).collect();
        if let Some((_, filter)) = rng.pick(&filters).filter(|_| rng.chance(60)) {
            let _ = writeln!(text, "filter = \"{filter}\"");
        }
    }
    if !related.is_empty() {
        let _ = writeln!(text, "related = {related:?}");
    }
    if !rows.is_empty() && !related.is_empty() {
        let both = if rng.chance(30) { "all" } else { "any" };
        let _ = writeln!(text, "match = \"{both}\"");
    }
    if rng.chance(30) {
        let _ = writeln!(text, "priority = {}", rng.below(300));
    }
    if table == "order" && rng.chance(20) {
        let _ = writeln!(text, "groups = []");
    }
}

/// All records as they are on the server, for an evaluation over everything.
struct All(BTreeMap<TableName, BTreeMap<RecordId, Rc<Candidate>>>);

impl Records for All {
    type Error = Infallible;

    fn find(&self, table: &TableName, id: RecordId) -> Result<Option<Rc<Candidate>>, Infallible> {
        Ok(self.0.get(table).and_then(|of_table| of_table.get(&id)).cloned())
    }

    fn ids(&self, table: &TableName) -> Result<Vec<RecordId>, Infallible> {
        Ok(self.0.get(table).into_iter().flat_map(BTreeMap::keys).copied().collect())
    }
}

/// What a user's devices take: the profile, and what it takes of the records that there are.
pub(crate) struct Share {
    profile: Arc<CheckedProfile>,
    taken: Taken,
}

impl Share {
    pub(crate) fn has(&self, table: &TableName, record: RecordId) -> bool {
        self.taken.get(table).is_some_and(|of_table| of_table.contains_key(&record))
    }

    pub(crate) fn has_section(
        &self,
        table: &TableName,
        section: &tidegate::model::Section,
    ) -> bool {
        self.profile.takes_section(table, section)
    }
}

impl World {
    /// Profiles are drafted and published, tried with some, promoted or rolled back.
    pub(crate) fn change_profiles(&mut self) -> Check {
        let time = self.time();
        let text = draw(&mut self.rng, self.seed);
        let which = self.rng.weighted(&[60, 20, 10, 10]);
        let group = Audience::User(name(self.rng.pick(&USERS).unwrap()));
        let Some(server) = &mut self.server else { return Ok(()) };
        let mut profiles = server.rules().profiles().clone();
        if which < 2 {
            let schema = Arc::new(server.rules().schema().clone());
            // A column or table that it names may not be there at the moment.
            let Ok(read) = read_profiles(&text, "profiles.toml", &schema, None, None) else {
                return Ok(());
            };
            let document = DocumentText { file: "profiles.toml".into(), text: text.clone() };
            profiles.draft(document, read, None, time);
        }
        let done = match which {
            0 => profiles.publish(None).map(Some),
            1 => profiles.publish(Some(BTreeSet::from([group]))).map(Some),
            2 => profiles.promote().map(Some),
            _ => profiles.roll_back(),
        };
        let Ok(version) = done else { return Ok(()) };
        let result = server.set_profiles(&mut self.disk, time, profiles);
        self.note(|| format!("profiles: {version:?} ({which}): {result:?}\n{text}"));
        match result {
            Ok(()) => {
                self.figures.profile_changes += 1;
                self.drain_server()
            }
            // An earlier version need not fit the schema of now.
            Err(RulesError::Profile { .. }) if which == 3 => Ok(()),
            Err(error) => self.server_result(Err(of_store(error))),
        }
    }

    /// What a user's devices take of what there is in an app; `None`: all that the user may read.
    pub(crate) fn share_of(&self, user: &UserId, app: Option<&AppName>) -> Option<Share> {
        let people = &self.people;
        let roster =
            Roster::new(Arc::new(people.policy.clone()), Arc::new(people.organization.clone()));
        let published = &self.disk.file.profiles;
        let version = published.of(|group| is_among(group, &roster, user))?;
        let schema = Arc::new(people.schema.clone());
        let Ok(standing) = Standing::resolve(&roster, user) else { return None };
        let standing = Arc::new(standing.within(&schema));
        let profile = profile_of(&version.profiles, &roster, user, app);
        let profile = profile.map(|profile| CheckedProfile::new(&schema, profile).unwrap());
        let profile = Arc::new(profile.unwrap_or_else(|| CheckedProfile::nothing(&schema)));
        let bound = profile.bind(&standing, Timestamp::default()).unwrap();
        let taken = bound.taken(&self.all_records(&schema)).unwrap();
        Some(Share { profile, taken })
    }

    fn all_records(&self, schema: &Schema) -> All {
        let mut all = All(BTreeMap::new());
        for confirmed in self.disk.file.confirmed() {
            let record = confirmed.record();
            let lens = schema.table(record.table().as_str()).map(Lens::from).unwrap_or_default();
            let (id, header) = (record.id(), record.header().clone());
            let columns = lens.show(record.columns().clone());
            let candidate = Rc::new(Candidate { id, header, columns });
            all.0.entry(record.table().clone()).or_default().insert(id, candidate);
        }
        all
    }
}
