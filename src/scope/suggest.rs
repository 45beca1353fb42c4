//! A profile to begin with, from a schema, from what people may read and from what is known of use.
//!
//! It takes each table that somebody of the group may read: the rows that the depth of their privilege
//! means, or fewer where these are many; of a large table without owners those alone that relationships
//! lead to. What is taken brings what it looks up. It is a draft for people: each part says why it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::links::{Lookup, lookups};
use super::{CheckedProfile, Lack};
use crate::gate::Standing;
use crate::limits::{PROFILE_DEPTH_MAX, PROFILE_RELATED_MAX, SUGGEST_ROWS_MAX};
use crate::model::{
    Audience, Depth, Match, Profile, ProfileName, ProfileTable, Right, RowRule, Schema, Table,
    TableName, ViewName,
};

/// What is known of records, beside the schema.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// How many records a rule means for whom of the group it means most; absent: that is not known.
    pub records: BTreeMap<(TableName, RowRule), u64>,
    /// How often devices of the group edited a table lately.
    pub edits: BTreeMap<TableName, u64>,
}

/// A profile, and why it is as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The profile.
    pub profile: Profile,
    /// Why a key of a table has its value.
    pub why: BTreeMap<(TableName, &'static str), String>,
    /// Tables that the group may read and that are not taken, and why.
    pub left_out: BTreeMap<TableName, String>,
    /// Views that cannot be shown, and why.
    pub not_shown: BTreeMap<ViewName, String>,
}

/// Tables come first where they are edited, then where views show them.
const EDITED: u32 = 10;
const SHOWN: u32 = 50;

/// Suggests a profile for users with these standings. `None`: they may read nothing.
#[must_use]
pub fn suggest(
    schema: &Arc<Schema>,
    id: ProfileName,
    audiences: Vec<Audience>,
    standings: &[Standing],
    known: &Known,
) -> Option<Suggestion> {
    let mut draft = Draft::new(schema, standings, known);
    draft.choose_rows();
    if draft.tables.is_empty() {
        return None;
    }
    draft.lead();
    draft.take_what_nothing_leads_to();
    draft.need();
    draft.order();
    // Where there are no relationships yet, the first that is added is to count.
    let depth = Some(draft.depth()).filter(|depth| *depth > 0).unwrap_or(Profile::DEPTH);
    let Draft { tables, why, left_out, .. } = draft;
    let mut tables: Vec<_> = tables.into_values().collect();
    tables.sort_by_key(|entry| entry.priority);
    let profile = Profile { id, app: None, audiences, budget: None, depth, views: None, tables };
    let mut suggestion = Suggestion { profile, why, left_out, not_shown: BTreeMap::new() };
    suggestion.choose_views(schema);
    Some(suggestion)
}

struct Draft<'a> {
    schema: &'a Arc<Schema>,
    standings: &'a [Standing],
    known: &'a Known,
    /// Between tables that may be read.
    lookups: Vec<Lookup>,
    tables: BTreeMap<TableName, ProfileTable>,
    why: BTreeMap<(TableName, &'static str), String>,
    left_out: BTreeMap<TableName, String>,
}

impl<'a> Draft<'a> {
    fn new(schema: &'a Arc<Schema>, standings: &'a [Standing], known: &'a Known) -> Self {
        let (tables, why, left_out) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { schema, standings, known, lookups: Vec::new(), tables, why, left_out }
    }

    fn say(&mut self, table: &TableName, key: &'static str, why: String) {
        self.why.insert((table.clone(), key), why);
    }

    /// The deepest that somebody of the group reads.
    fn reads(&self, table: &Table) -> Depth {
        let depths = self.standings.iter().map(|standing| standing.depth(&table.id, Right::Read));
        let deepest = depths.max().unwrap_or_default();
        // Who owns nothing is read by all or by nobody.
        if table.is_user_owned() || deepest == Depth::Organization { deepest } else { Depth::None }
    }

    fn choose_rows(&mut self) {
        let schema = self.schema;
        for table in schema.tables.values() {
            let depth = self.reads(table);
            if depth == Depth::None {
                continue;
            }
            let (rule, why) = self.rule(table, depth);
            let mut entry = ProfileTable::new(table.id.clone());
            entry.rows.extend(rule);
            let has_teams = self.standings.iter().any(|it| it.owner_teams().next().is_some());
            if has_teams && rule.is_some_and(|rule| rule != RowRule::All) {
                entry.rows.insert(RowRule::MyTeams);
            }
            self.say(&table.id, "rows", why);
            self.tables.insert(table.id.clone(), entry);
        }
        self.lookups = lookups(schema, |table| self.tables.contains_key(table));
    }

    /// The widest rule within the depth that does not mean too many records. `None`: no row for itself.
    fn rule(&self, table: &Table, depth: Depth) -> (Option<RowRule>, String) {
        let rules: &[RowRule] = match depth {
            Depth::None => &[],
            Depth::User => &[RowRule::Mine],
            Depth::BusinessUnit => &[RowRule::MyBusinessUnit, RowRule::Mine],
            Depth::ParentChild => {
                &[RowRule::MyBusinessUnits, RowRule::MyBusinessUnit, RowRule::Mine]
            }
            Depth::Organization if !table.is_user_owned() => &[RowRule::All],
            Depth::Organization => {
                &[RowRule::All, RowRule::MyBusinessUnits, RowRule::MyBusinessUnit, RowRule::Mine]
            }
        };
        let count = |rule: RowRule| self.known.records.get(&(table.id.clone(), rule)).copied();
        let fits = |rule: &&RowRule| count(**rule).is_none_or(|count| count <= SUGGEST_ROWS_MAX);
        let mut why = format!("may be read to the depth `{}`", depth.as_str());
        let widest = rules.first().copied();
        if let Some((rule, records)) = widest.and_then(|rule| Some((rule, count(rule)?))) {
            why = format!("{why}: `{}` means up to {records} records", rule.as_str());
        }
        let chosen = rules.iter().find(fits).copied();
        // Owners are known without a relationship; else these are too many.
        let chosen = chosen.or(rules.last().copied().filter(|_| table.is_user_owned()));
        match chosen {
            Some(rule) if Some(rule) == widest => {}
            Some(rule) => {
                let records = count(rule).unwrap_or_default();
                why = format!("{why}, which is much; `{}` means up to {records}", rule.as_str());
            }
            None => why = format!("{why}, which is much: only what others lead to"),
        }
        (chosen, why)
    }

    fn is_whole(&self, table: &TableName) -> bool {
        self.tables.get(table).is_some_and(|entry| entry.rows.contains(&RowRule::All))
    }

    fn has_rows(&self, table: &TableName) -> bool {
        self.tables.get(table).is_some_and(|entry| !entry.rows.is_empty())
    }

    /// What is looked up is taken along; and what looks up a row, where nothing else says which rows.
    fn lead(&mut self) {
        let mut reached: BTreeSet<_> = self.tables.keys().cloned().collect();
        reached.retain(|table| self.has_rows(table));
        let mut used = BTreeSet::new();
        loop {
            let mut news = Vec::new();
            for (at, it) in self.lookups.iter().enumerate() {
                let down = reached.contains(&it.to) && !self.is_whole(&it.to);
                if reached.contains(&it.of) && !self.is_whole(&it.to) {
                    news.push((at, true, it.to.clone()));
                } else if down && !self.has_rows(&it.of) {
                    news.push((at, false, it.of.clone()));
                }
            }
            news.retain(|(at, ..)| used.insert(*at));
            if news.is_empty() {
                break;
            }
            for (at, is_up, table) in news {
                let Some(it) = self.lookups.get(at) else { continue };
                let text = if is_up { format!("{}.{}", it.of, it.by) } else { it.by.clone() };
                if let Some(entry) = self.tables.get_mut(&table)
                    && entry.related.len() < PROFILE_RELATED_MAX
                {
                    entry.related.push(text);
                }
                reached.insert(table);
            }
        }
        for (table, entry) in &mut self.tables {
            if !entry.related.is_empty() {
                entry.matching = (!entry.rows.is_empty()).then_some(Match::Any);
                let why = "what is taken of others leads to these".to_owned();
                self.why.insert((table.clone(), "related"), why);
            }
        }
    }

    /// A large table that nothing leads to is taken where it is edited, a view is of it, or there is nothing
    /// else.
    fn take_what_nothing_leads_to(&mut self) {
        let alone = |entry: &ProfileTable| entry.rows.is_empty() && entry.related.is_empty();
        let alone: Vec<_> =
            self.tables.values().filter(|it| alone(it)).map(|it| it.table.clone()).collect();
        let is_all = alone.len() == self.tables.len();
        for table in alone {
            let rows = self.why.remove(&(table.clone(), "rows")).unwrap_or_default();
            let view = self.schema.views.values().find(|view| view.table == table);
            let reason = match (view, self.known.edits.get(&table)) {
                (Some(view), _) => {
                    format!("nothing leads to it, and the view `{}` shows it", view.id)
                }
                (None, Some(_)) => "nothing leads to it, and it is edited".to_owned(),
                (None, None) if is_all => "nothing else would be taken".to_owned(),
                (None, None) => {
                    self.tables.remove(&table);
                    self.left_out.insert(table, format!("{rows}, and nothing leads to it"));
                    continue;
                }
            };
            if let Some(entry) = self.tables.get_mut(&table) {
                entry.rows.insert(RowRule::All);
            }
            self.say(&table, "rows", format!("{rows}; {reason}"));
        }
        let (tables, lookups) = (&self.tables, &mut self.lookups);
        lookups.retain(|it| tables.contains_key(&it.of) && tables.contains_key(&it.to));
    }

    /// A form cannot do without what a record must look up.
    fn need(&mut self) {
        for it in self.lookups.iter().filter(|it| it.is_required && it.of != it.to) {
            let Some(entry) = self.tables.get_mut(&it.of) else { continue };
            entry.needs.insert(it.to.clone());
            let why = "its forms ask for these: the lookups are required".to_owned();
            self.why.insert((it.of.clone(), "needs"), why);
        }
    }

    fn order(&mut self) {
        let edits = self.known.edits.iter().filter(|(table, _)| self.tables.contains_key(*table));
        let edited: Vec<_> = edits.map(|(table, edits)| (table.clone(), *edits)).collect();
        let shown: Vec<_> = self.schema.views.values().map(|it| (&it.table, &it.id)).collect();
        for (table, view) in shown {
            if let Some(entry) = self.tables.get_mut(table) {
                entry.priority = SHOWN;
                self.why.insert((table.clone(), "priority"), format!("the view `{view}` shows it"));
            }
        }
        for (table, edits) in edited {
            if let Some(entry) = self.tables.get_mut(&table) {
                entry.priority = EDITED;
                self.say(
                    &table,
                    "priority",
                    format!("the group's devices edited it {edits} times lately"),
                );
            }
        }
    }

    /// As many rounds as the longest way needs that begins at a row that is taken for itself.
    fn depth(&self) -> u32 {
        let rows = |table: &TableName| self.has_rows(table).then_some((table.clone(), 0));
        let mut rounds: BTreeMap<TableName, u32> = self.tables.keys().filter_map(rows).collect();
        let mut depth = 0;
        loop {
            let mut news = Vec::new();
            for it in &self.lookups {
                for (from, to, text) in it.ways() {
                    let entry = self.tables.get(to);
                    if entry.is_some_and(|entry| entry.related.contains(&text))
                        && let Some(round) = rounds.get(from)
                    {
                        depth = depth.max(round + 1);
                        if !rounds.contains_key(to) {
                            news.push((to.clone(), round + 1));
                        }
                    }
                }
            }
            if news.is_empty() || depth >= PROFILE_DEPTH_MAX {
                return depth.min(PROFILE_DEPTH_MAX);
            }
            for (table, round) in news {
                let known = rounds.entry(table).or_insert(round);
                *known = round.min(*known);
            }
        }
    }
}

impl Suggestion {
    /// All views whose tables are taken, but those that show what may not be read.
    fn choose_views(&mut self, schema: &Arc<Schema>) {
        let Ok(checked) = CheckedProfile::new(schema, &self.profile) else { return };
        for lack in checked.lacks() {
            let (Lack::ViewOf { view, .. }
            | Lack::ViewTable { view, .. }
            | Lack::ViewGroup { view, .. }) = &lack
            else {
                continue;
            };
            self.not_shown.entry(view.clone()).or_insert_with(|| lack.to_string());
        }
        if !self.not_shown.is_empty() {
            let of_taken =
                schema.views.values().filter(|it| self.profile.table(&it.table).is_some());
            let shown = of_taken.map(|it| it.id.clone());
            let shown = shown.filter(|view| !self.not_shown.contains_key(view)).collect();
            self.profile.views = Some(shown);
        }
    }
}
