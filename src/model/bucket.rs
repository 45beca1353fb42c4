//! By what records are found: who has them, who may read them, and what they look up.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    BusinessUnitId, ColumnName, Columns, Header, NameError, Owner, Principal, PrincipalError,
    RecordId, Value,
};

/// The characters of a record id as text.
const RECORD_ID_CHARS: usize = 36;

/// A unit of read scope: the records that one owner or business unit has, that are shared with one
/// principal, or that look up one record. (All records of a table are found by the table.)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Bucket {
    /// What this user or team owns.
    Owner(Owner),
    /// What its owner has in this business unit.
    Unit(BusinessUnitId),
    /// What is shared with this principal.
    Shared(Principal),
    /// What looks up this record by this column.
    LookingUp(RecordId, ColumnName),
}

impl Bucket {
    /// The buckets of a record with this header, whatever it looks up.
    #[must_use]
    pub fn of(header: &Header) -> BTreeSet<Self> {
        let belongs = header.owner.iter().cloned();
        let belongs = belongs.flat_map(|(owner, unit)| [Self::Owner(owner), Self::Unit(unit)]);
        belongs.chain(header.shares.keys().cloned().map(Self::Shared)).collect()
    }

    /// All buckets of a record with this header and these columns.
    #[must_use]
    pub fn of_record(header: &Header, columns: &Columns) -> BTreeSet<Self> {
        let mut buckets = Self::of(header);
        buckets.extend(Self::of_lookups(columns));
        buckets
    }

    /// The buckets of a record with these columns for what it looks up.
    pub fn of_lookups(columns: &Columns) -> impl Iterator<Item = Self> {
        columns.iter().filter_map(|(column, value)| {
            let record = match value {
                Value::Lookup(record) => *record,
                // The column may become a lookup by another schema, and its values are not written anew.
                Value::Text(text) if text.len() == RECORD_ID_CHARS => text.parse().ok()?,
                _ => return None,
            };
            Some(Self::LookingUp(record, column.clone()))
        })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "owner {owner}"),
            Self::Unit(unit) => write!(f, "unit {unit}"),
            Self::Shared(principal) => write!(f, "shared {principal}"),
            Self::LookingUp(record, column) => write!(f, "lookup {record} {column}"),
        }
    }
}

impl From<Bucket> for String {
    fn from(bucket: Bucket) -> Self {
        bucket.to_string()
    }
}

/// Why a text names no bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// It begins with none of the words.
    #[error("`{0}`: expected `owner`, `unit`, `shared` or `lookup`, a space and a name")]
    Form(String),
    /// What follows is no owner and no principal.
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    /// What follows is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for Bucket {
    type Err = BucketError;

    fn from_str(text: &str) -> Result<Self, BucketError> {
        Ok(match text.split_once(' ') {
            Some(("owner", owner)) => Self::Owner(owner.parse()?),
            Some(("unit", unit)) => Self::Unit(unit.parse()?),
            Some(("shared", principal)) => Self::Shared(principal.parse()?),
            Some(("lookup", rest)) => {
                let form = || BucketError::Form(text.to_owned());
                let (record, column) = rest.split_once(' ').ok_or_else(form)?;
                Self::LookingUp(record.parse().map_err(|_| form())?, column.parse()?)
            }
            _ => return Err(BucketError::Form(text.to_owned())),
        })
    }
}

impl TryFrom<String> for Bucket {
    type Error = BucketError;

    fn try_from(text: String) -> Result<Self, BucketError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Op, Right, Rights};

    #[test]
    fn a_record_is_found_by_its_owner_its_unit_and_those_it_is_shared_with() {
        let mut header = Header::default();
        assert_eq!(Bucket::of(&header), BTreeSet::new());
        let owner = Op::Own {
            owner: "team:crew".parse().unwrap(),
            business_unit: "north".parse().unwrap(),
        };
        header.apply(&owner).unwrap();
        let to = "user:ann".parse().unwrap();
        header.apply(&Op::Share { to, rights: Rights::from_iter([Right::Read]) }).unwrap();
        let texts: Vec<_> = Bucket::of(&header).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["owner team:crew", "unit north", "shared user:ann"]);
        let crew = RecordId::from_bytes([7; 16]);
        let columns = Columns::from_iter([
            ("crew".parse().unwrap(), Value::Lookup(crew)),
            ("name".parse().unwrap(), Value::Text("a".into())),
        ]);
        let lookups: Vec<_> = Bucket::of_lookups(&columns).map(|it| it.to_string()).collect();
        assert_eq!(lookups, [format!("lookup {crew} crew")]);
        let texts = texts.into_iter().chain(lookups);
        for text in texts {
            assert_eq!(text.parse::<Bucket>().unwrap().to_string(), text);
        }
        for text in
            ["", "owner", "unit ", "owner organization", "shared with all", "all x", "lookup x y"]
        {
            assert!(text.parse::<Bucket>().is_err(), "{text}");
        }
    }
}
