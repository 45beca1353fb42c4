//! Looking up what a case's record names.

use std::collections::BTreeMap;

use crate::gate::RecordFacts;
use crate::model::{
    BusinessUnitId, ColumnName, ColumnPermissions, ColumnShares, Organization, Owner, Principal,
    Right, Rights, TableFacts,
};

use super::raw::{Object, RawColumnShare, RawRecord, RawShare, Text};

/// What makes a case `malformed`, for people.
pub(super) type Malformed = &'static str;

/// A record of a case, with everything that it names found.
#[derive(Debug, Default)]
pub(super) struct CaseRecord {
    pub(super) owner: Option<(Owner, BusinessUnitId)>,
    shares: BTreeMap<Principal, Rights>,
    column_shares: ColumnShares,
}

impl CaseRecord {
    pub(super) fn read(
        raw: &RawRecord<'_>,
        table: &TableFacts,
        organization: &Organization,
    ) -> Result<Self, Malformed> {
        let mut record = Self::default();
        if table.is_user_owned() {
            let owner = raw.owner.as_deref().ok_or("the record has no owner")?;
            let unit = raw.business_unit.as_deref().ok_or("the record has no business unit")?;
            let owner = find_owner(owner, organization)?;
            let unit = organization.business_units.get_key_value(unit);
            let (unit, _) = unit.ok_or("unknown business unit")?;
            record.owner = Some((owner, unit.clone()));
        } else if raw.owner.is_some() || raw.business_unit.is_some() || raw.shares.is_some() {
            return Err("a record of an organization-owned table has no owner, unit or shares");
        }
        for Object(share) in raw.shares.as_deref().unwrap_or_default() {
            record.add_share(share, organization)?;
        }
        for Object(share) in raw.column_shares.as_deref().unwrap_or_default() {
            record.add_column_share(share, table, organization)?;
        }
        Ok(record)
    }

    /// Several entries for one principal count together.
    fn add_share(
        &mut self,
        share: &RawShare<'_>,
        organization: &Organization,
    ) -> Result<(), Malformed> {
        let to = find_principal(&share.to, organization)?;
        let rights = find_rights(&share.rights)?;
        let known = self.shares.entry(to).or_default();
        *known = known.union(rights);
        Ok(())
    }

    fn add_column_share(
        &mut self,
        share: &RawColumnShare<'_>,
        table: &TableFacts,
        organization: &Organization,
    ) -> Result<(), Malformed> {
        let to = find_principal(&share.to, organization)?;
        let column = find_secured(&share.column, table)?.clone();
        let given =
            ColumnPermissions { read: share.read, update: share.update, ..Default::default() };
        let known = self.column_shares.entry((column, to)).or_default();
        *known = known.union(given);
        Ok(())
    }

    pub(super) fn facts(&self) -> RecordFacts<'_> {
        RecordFacts {
            owner: self.owner.as_ref().map(|(owner, unit)| (owner, unit)),
            shares: &self.shares,
            column_shares: &self.column_shares,
        }
    }
}

/// A user, or a team that can own records.
pub(super) fn find_owner(text: &str, organization: &Organization) -> Result<Owner, Malformed> {
    let owner = match find_principal(text, organization)? {
        Principal::User(user) => Owner::User(user),
        Principal::Team(team) => Owner::Team(team),
        Principal::Organization => return Err("the organization cannot own a record"),
    };
    match organization.business_unit_of(&owner) {
        Some(_) => Ok(owner),
        None => Err("an access team cannot own a record"),
    }
}

pub(super) fn find_principal(
    text: &str,
    organization: &Organization,
) -> Result<Principal, Malformed> {
    if text == "organization" {
        Ok(Principal::Organization)
    } else if let Some(user) = text.strip_prefix("user:") {
        let (user, _) = organization.users.get_key_value(user).ok_or("unknown user")?;
        Ok(Principal::User(user.clone()))
    } else if let Some(team) = text.strip_prefix("team:") {
        let (team, _) = organization.teams.get_key_value(team).ok_or("unknown team")?;
        Ok(Principal::Team(team.clone()))
    } else {
        Err("a principal is `user:ID`, `team:ID` or `organization`")
    }
}

/// Rights that can be shared.
pub(super) fn find_rights(texts: &[Text<'_>]) -> Result<Rights, Malformed> {
    let right = |text: &Text<'_>| match Right::from_name(text) {
        None => Err("unknown right"),
        Some(Right::Create) => Err("`create` cannot be shared"),
        Some(right) => Ok(right),
    };
    texts.iter().map(right).collect()
}

pub(super) fn find_secured<'a>(
    text: &str,
    table: &'a TableFacts,
) -> Result<&'a ColumnName, Malformed> {
    table.secured.get(text).ok_or("a column share is of a secured column")
}
