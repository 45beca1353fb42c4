//! What a profile takes, said once more and as plainly as can be: over texts and numbers, with rules of
//! its own for privileges, unknown conditions and rounds, and no frontier.

use std::collections::{BTreeMap, BTreeSet};

use tidegate::model::RecordId;

pub(crate) const MINUTE: i64 = 60_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    Null,
    Number(i64),
    Text(String),
    Id(RecordId),
}

#[derive(Debug, Clone)]
pub(crate) struct Rec {
    pub(crate) table: String,
    pub(crate) id: RecordId,
    /// `user:ID` or `team:ID`, and the unit.
    pub(crate) owner: Option<(String, String)>,
    /// Principals who may read it.
    pub(crate) shares: BTreeSet<String>,
    pub(crate) is_deleted: bool,
    pub(crate) cells: BTreeMap<String, Held>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) id: String,
    pub(crate) is_owned: bool,
    pub(crate) is_system: bool,
    /// Column and table.
    pub(crate) lookups: Vec<(String, String)>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Role {
    pub(crate) is_team_only: bool,
    /// Depth of reading, by table.
    pub(crate) reads: BTreeMap<String, &'static str>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Team {
    /// Of an owner team.
    pub(crate) unit: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) members: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Filter {
    Always(bool),
    /// Path, comparison, number.
    Number(Vec<String>, &'static str, i64),
    /// Path, comparison, milliseconds behind the minute of now.
    Now(Vec<String>, &'static str, i64),
    Text(Vec<String>, String),
    IsNull(Vec<String>),
    IsMe,
    InMyTeams,
    InMyUnits,
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) rows: Vec<&'static str>,
    pub(crate) filter: Option<Filter>,
    pub(crate) related: Vec<String>,
    pub(crate) is_all: bool,
}

/// Everything, for one user.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) user: String,
    pub(crate) now: i64,
    /// Each unit and the one above.
    pub(crate) units: BTreeMap<String, Option<String>>,
    /// Each user's unit and roles.
    pub(crate) users: BTreeMap<String, (String, Vec<String>)>,
    pub(crate) teams: BTreeMap<String, Team>,
    pub(crate) roles: BTreeMap<String, Role>,
    /// Tables whose `pay` the user may read.
    pub(crate) pays: BTreeSet<String>,
    pub(crate) tables: Vec<Table>,
    pub(crate) records: Vec<Rec>,
    pub(crate) entries: BTreeMap<String, Entry>,
    pub(crate) depth: u32,
}

/// What a column says.
pub(crate) enum Says {
    Hidden,
    Holds(Held),
}

impl World {
    fn is_below(&self, unit: &str, above: &str) -> bool {
        unit == above
            || self.units[unit].as_ref().is_some_and(|parent| self.is_below(parent, above))
    }

    pub(crate) fn is_admin(&self) -> bool {
        let is_it = |roles: &Vec<String>| roles.iter().any(|it| it == "system_administrator");
        is_it(&self.users[&self.user].1)
            || self.my_owner_teams().any(|(_, team)| is_it(&team.roles))
    }

    fn my_teams(&self) -> impl Iterator<Item = (&String, &Team)> {
        self.teams.iter().filter(|(_, team)| team.members.contains(&self.user))
    }

    fn my_owner_teams(&self) -> impl Iterator<Item = (&String, &Team)> {
        self.my_teams().filter(|(_, team)| team.unit.is_some())
    }

    /// Whether the user may read it.
    pub(crate) fn reads(&self, record: &Rec) -> bool {
        if record.is_deleted {
            return false;
        }
        if self.is_admin() {
            return true;
        }
        let me = format!("user:{}", self.user);
        let (unit, roles) = &self.users[&self.user];
        let mut holders = vec![(me.clone(), unit, roles)];
        for (id, team) in self.my_owner_teams() {
            holders.push((format!("team:{id}"), team.unit.as_ref().unwrap(), &team.roles));
        }
        let mine = |owner: &str| holders.iter().any(|(holder, ..)| holder == owner);
        let mut holds_any = false;
        for (holder, unit, roles) in &holders {
            for role in roles.iter().filter_map(|role| self.roles.get(role)) {
                let Some(depth) = role.reads.get(&record.table) else { continue };
                holds_any = true;
                let let_in = match &record.owner {
                    None => *depth == "organization",
                    Some((owner, of)) => {
                        let is_direct = *holder == me || !role.is_team_only;
                        (mine(owner) && (is_direct || owner == holder))
                            || match *depth {
                                "organization" => true,
                                "business_unit" => of == *unit,
                                "parent_child" => self.is_below(of, unit),
                                _ => false,
                            }
                    }
                };
                if let_in {
                    return true;
                }
            }
        }
        let mut given = record.shares.iter();
        holds_any
            && record.owner.is_some()
            && given.any(|to| {
                *to == "organization"
                    || *to == me
                    || self.my_teams().any(|(id, _)| *to == format!("team:{id}"))
            })
    }

    fn find(&self, table: &str, id: RecordId) -> Option<&Rec> {
        self.records.iter().find(|it| it.table == table && it.id == id)
    }

    /// The table and id that a lookup leads to.
    fn points(&self, record: &Rec, by: &str) -> Option<(String, RecordId)> {
        let row = |table: &str, key: &str| {
            let system = tidegate::model::SystemTable::of(&table.parse().unwrap()).unwrap();
            Some((table.to_owned(), system.record(key)))
        };
        match by {
            "owner" => {
                let (owner, _) = record.owner.as_ref()?;
                let (kind, key) = owner.split_once(':').unwrap();
                row(kind, key)
            }
            "business_unit" => row("business_unit", &record.owner.as_ref()?.1),
            _ => {
                let table = self.tables.iter().find(|it| it.id == record.table).unwrap();
                let (_, target) = table.lookups.iter().find(|(column, _)| column == by)?;
                match record.cells.get(by)? {
                    Held::Id(id) => Some((target.clone(), *id)),
                    _ => None,
                }
            }
        }
    }

    pub(crate) fn says(&self, record: &Rec, path: &[String]) -> Says {
        let (name, behind) = path.split_first().unwrap();
        if !behind.is_empty() {
            let Some((table, id)) = self.points(record, name) else {
                return Says::Holds(Held::Null);
            };
            let found = self.find(&table, id).filter(|it| self.reads(it));
            return found.map_or(Says::Hidden, |found| self.says(found, behind));
        }
        if name == "pay" && !self.is_admin() && !self.pays.contains(&record.table) {
            return Says::Hidden;
        }
        Says::Holds(record.cells.get(name).cloned().unwrap_or(Held::Null))
    }

    fn compare(&self, record: &Rec, path: &[String], how: &str, with: &Held) -> Option<bool> {
        match (self.says(record, path), with) {
            (Says::Holds(Held::Number(left)), Held::Number(right)) => Some(match how {
                "<" => left < *right,
                "=" => left == *right,
                "<>" => left != *right,
                _ => left >= *right,
            }),
            (Says::Holds(Held::Text(left)), Held::Text(right)) => Some(left == *right),
            _ => None,
        }
    }

    pub(crate) fn holds(&self, filter: &Filter, record: &Rec) -> Option<bool> {
        let number = |it| Held::Number(it);
        match filter {
            Filter::Always(truth) => Some(*truth),
            Filter::Number(path, how, with) => self.compare(record, path, how, &number(*with)),
            Filter::Now(path, how, plus) => {
                let minute = self.now - self.now.rem_euclid(MINUTE);
                self.compare(record, path, how, &number(minute + plus))
            }
            Filter::Text(path, with) => self.compare(record, path, "=", &Held::Text(with.clone())),
            Filter::IsNull(path) => match self.says(record, path) {
                Says::Hidden => None,
                Says::Holds(held) => Some(held == Held::Null),
            },
            Filter::IsMe => Some(record.owner.as_ref()?.0 == format!("user:{}", self.user)),
            Filter::InMyTeams => {
                let (owner, _) = record.owner.as_ref()?;
                Some(self.my_teams().any(|(id, _)| *owner == format!("team:{id}")))
            }
            Filter::InMyUnits => {
                let (_, unit) = record.owner.as_ref()?;
                Some(self.is_below(unit, &self.users[&self.user].0))
            }
            Filter::Not(inner) => self.holds(inner, record).map(|truth| !truth),
            Filter::And(parts) => {
                let all: Vec<_> = parts.iter().map(|part| self.holds(part, record)).collect();
                if all.contains(&Some(false)) {
                    return Some(false);
                }
                if all.contains(&None) { None } else { Some(true) }
            }
            Filter::Or(parts) => {
                let all: Vec<_> = parts.iter().map(|part| self.holds(part, record)).collect();
                if all.contains(&Some(true)) {
                    return Some(true);
                }
                if all.contains(&None) { None } else { Some(false) }
            }
        }
    }

    /// Whether rows and filter of its entry hold of it, whoever may read it.
    fn is_meant(&self, entry: &Entry, record: &Rec) -> bool {
        let unit = &self.users[&self.user].0;
        let by_rows = entry.rows.iter().any(|rule| match (*rule, &record.owner) {
            ("all", _) => true,
            ("mine", Some((owner, _))) => *owner == format!("user:{}", self.user),
            ("my_teams", Some((owner, _))) => {
                self.my_teams().any(|(id, _)| *owner == format!("team:{id}"))
            }
            ("my_business_unit", Some((_, of))) => of == unit,
            ("my_business_units", Some((_, of))) => self.is_below(of, unit),
            _ => false,
        });
        let filter = entry.filter.as_ref();
        by_rows && filter.is_none_or(|filter| self.holds(filter, record) == Some(true))
    }

    /// Whether one record leads to another, by the relationships of the other's table.
    pub(crate) fn leads(&self, from: &Rec, to: &Rec) -> bool {
        let Some(entry) = self.entries.get(&to.table) else { return false };
        entry.related.iter().any(|text| match text.split_once('.') {
            None => self.points(to, text) == Some((from.table.clone(), from.id)),
            Some((table, by)) => {
                table == from.table && self.points(from, by) == Some((to.table.clone(), to.id))
            }
        })
    }

    /// The round of each record that is taken: after how many steps it can be said that it is.
    pub(crate) fn taken(&self) -> BTreeMap<(String, RecordId), u32> {
        let mut rounds: Vec<Option<u32>> = vec![None; self.records.len()];
        for round in 0..=self.depth {
            let before = rounds.clone();
            for (at, record) in self.records.iter().enumerate() {
                let Some(entry) = self.entries.get(&record.table) else { continue };
                if before[at].is_some() || !self.reads(record) {
                    continue;
                }
                let is_meant = self.is_meant(entry, record);
                let is_led_to = self
                    .records
                    .iter()
                    .zip(&before)
                    .any(|(from, taken)| taken.is_some() && self.leads(from, record));
                let is_taken = match (round, entry.is_all) {
                    (0, false) => is_meant,
                    (0, true) => false,
                    (_, false) => is_led_to,
                    (_, true) => is_led_to && is_meant,
                };
                if is_taken {
                    rounds[at] = Some(round);
                }
            }
        }
        let all = self.records.iter().zip(rounds);
        all.filter_map(|(it, round)| Some(((it.table.clone(), it.id), round?))).collect()
    }
}
