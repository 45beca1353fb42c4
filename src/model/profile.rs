//! Offline profiles: what a group of users takes offline in an app.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    AppName, GroupName, PrincipalError, ProfileName, RoleId, TableName, TeamId, UserId, ViewName,
};

/// Offline profiles in the order of their document: a user has the first that fits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Profiles {
    /// The profiles.
    pub list: Vec<Profile>,
}

/// What a group of users takes offline in an app. Beside it counts what each of them may read: a device
/// gets both. The texts in it fit a schema, which is checked when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub id: ProfileName,
    /// In which app; `None`: in every one.
    pub app: Option<AppName>,
    /// For whom it is: whoever is in one of these.
    pub audiences: Vec<Audience>,
    /// How many bytes a device may hold; `None`: any.
    pub budget: Option<u64>,
    /// How many rounds relationships are followed.
    pub depth: u32,
    /// The views that the app shows; `None`: those of tables that are taken.
    pub views: Option<BTreeSet<ViewName>>,
    /// What is taken of each table; of another table nothing is.
    pub tables: Vec<ProfileTable>,
}

/// A group of users.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Audience {
    /// Everyone.
    Organization,
    /// Those who hold a role, themselves or through an owner team.
    Role(RoleId),
    /// The members of a team, of either kind.
    Team(TeamId),
    /// One user.
    User(UserId),
}

/// What a profile takes of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileTable {
    /// The table.
    pub table: TableName,
    /// Which rows are taken for their owner: those of any of these. None: no row for itself.
    pub rows: BTreeSet<RowRule>,
    /// Which of these, in the language of queries; `None`: all of them.
    pub filter: Option<String>,
    /// Relationships by which a row is taken with others, any of which suffices. A column of the table
    /// itself, such as `customer`: rows whose looked-up row is taken. A column of a table, such as
    /// `work_order.customer`: rows that a taken row of that table looks up.
    pub related: Vec<String>,
    /// How `rows` and `related` go together; said where both are.
    pub matching: Option<Match>,
    /// The column groups that are taken; `None`: all.
    pub groups: Option<BTreeSet<GroupName>>,
    /// Minutes between syncs; `None`: as soon as there is something.
    pub interval: Option<u32>,
    /// Which tables come first when all is new: those with lower numbers.
    pub priority: u32,
    /// Tables that the forms of this one cannot do without.
    pub needs: BTreeSet<TableName>,
}

/// Rows of a table, by whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowRule {
    /// Everybody's and nobody's.
    All,
    /// The user's.
    Mine,
    /// Those of the user's teams.
    MyTeams,
    /// Those in the user's business unit.
    MyBusinessUnit,
    /// Those in that and in all below it.
    MyBusinessUnits,
}

/// How two conditions go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// One of them suffices.
    Any,
    /// Both must hold.
    All,
}

impl RowRule {
    /// Its name in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Mine => "mine",
            Self::MyTeams => "my_teams",
            Self::MyBusinessUnit => "my_business_unit",
            Self::MyBusinessUnits => "my_business_units",
        }
    }

    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 5] = [
        (Self::All.as_str(), Self::All),
        (Self::Mine.as_str(), Self::Mine),
        (Self::MyTeams.as_str(), Self::MyTeams),
        (Self::MyBusinessUnit.as_str(), Self::MyBusinessUnit),
        (Self::MyBusinessUnits.as_str(), Self::MyBusinessUnits),
    ];
}

impl Profile {
    /// Rounds of relationships, where none are said.
    pub const DEPTH: u32 = 3;

    /// What of it decides what is taken, and in which order: two that agree in this take the same.
    #[must_use]
    pub fn taking(&self) -> Self {
        let table = |entry: &ProfileTable| ProfileTable {
            interval: None,
            needs: BTreeSet::new(),
            ..entry.clone()
        };
        Self {
            id: self.id.clone(),
            app: None,
            // Somebody's it is.
            audiences: vec![Audience::Organization],
            budget: None,
            depth: self.depth,
            views: None,
            tables: self.tables.iter().map(table).collect(),
        }
    }

    /// What it takes of a table; `None`: nothing.
    #[must_use]
    pub fn table(&self, table: &TableName) -> Option<&ProfileTable> {
        self.tables.iter().find(|it| it.table == *table)
    }
}

impl ProfileTable {
    /// The priority, where none is said.
    pub const PRIORITY: u32 = 100;

    /// A table of which no row is taken.
    #[must_use]
    pub fn new(table: TableName) -> Self {
        Self {
            table,
            rows: BTreeSet::new(),
            filter: None,
            related: Vec::new(),
            matching: None,
            groups: None,
            interval: None,
            priority: Self::PRIORITY,
            needs: BTreeSet::new(),
        }
    }

    /// Whether this column group is taken.
    #[must_use]
    pub fn takes_group(&self, group: &GroupName) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.contains(group))
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization => f.write_str("organization"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Team(team) => write!(f, "team:{team}"),
            Self::User(user) => write!(f, "user:{user}"),
        }
    }
}

impl FromStr for Audience {
    type Err = PrincipalError;
    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        let (kind, id) = text.split_once(':').unwrap_or((text, ""));
        let audience = match kind {
            "organization" if kind == text => return Ok(Self::Organization),
            "role" => RoleId::new(id).map(Self::Role),
            "team" => TeamId::new(id).map(Self::Team),
            "user" => UserId::new(id).map(Self::User),
            _ => {
                let expected = "role:ID, team:ID, user:ID or organization";
                return Err(PrincipalError::Form(text.to_owned(), expected));
            }
        };
        audience.map_err(|error| PrincipalError::Name(text.to_owned(), error))
    }
}

impl TryFrom<String> for Audience {
    type Error = PrincipalError;
    fn try_from(text: String) -> Result<Self, PrincipalError> {
        text.parse()
    }
}

impl From<Audience> for String {
    fn from(audience: Audience) -> String {
        audience.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_read_back_as_what_they_are() {
        for text in ["organization", "role:seller", "team:pilot", "user:ann"] {
            assert_eq!(text.parse::<Audience>().unwrap().to_string(), text);
        }
        for text in ["", "ann", "role:", "organization:", "unit:north", "user"] {
            assert!(text.parse::<Audience>().is_err(), "{text}");
        }
    }
}
