//! By what the records are found that one may read.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{BusinessUnitId, Header, NameError, Owner, Principal, PrincipalError};

/// A unit of read scope: the records that one owner or business unit has, or that are shared with one
/// principal. (All records of a table are found by the table.)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Bucket {
    /// What this user or team owns.
    Owner(Owner),
    /// What its owner has in this business unit.
    Unit(BusinessUnitId),
    /// What is shared with this principal.
    Shared(Principal),
}

impl Bucket {
    /// The buckets of a record with this header.
    #[must_use]
    pub fn of(header: &Header) -> BTreeSet<Self> {
        let belongs = header.owner.iter().cloned();
        let belongs = belongs.flat_map(|(owner, unit)| [Self::Owner(owner), Self::Unit(unit)]);
        belongs.chain(header.shares.keys().cloned().map(Self::Shared)).collect()
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "owner {owner}"),
            Self::Unit(unit) => write!(f, "unit {unit}"),
            Self::Shared(principal) => write!(f, "shared {principal}"),
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
    #[error("`{0}`: expected `owner`, `unit` or `shared`, a space and a name")]
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
        for text in texts {
            assert_eq!(text.parse::<Bucket>().unwrap().to_string(), text);
        }
        for text in ["", "owner", "unit ", "owner organization", "shared with all", "all x"] {
            assert!(text.parse::<Bucket>().is_err(), "{text}");
        }
    }
}
