//! What the gate asks about a record.

use std::collections::BTreeMap;

use crate::model::{BusinessUnitId, ColumnShares, Header, Owner, Principal, Rights};

static NO_SHARES: BTreeMap<Principal, Rights> = BTreeMap::new();
static NO_COLUMN_SHARES: ColumnShares = BTreeMap::new();

/// What privileges on one record depend on.
#[derive(Debug, Clone, Copy)]
pub struct RecordFacts<'a> {
    /// The owner and the record's business unit; `None` on an organization-owned table, where
    /// shares do not count either.
    pub owner: Option<(&'a Owner, &'a BusinessUnitId)>,
    /// The shares; several for one principal are already one.
    pub shares: &'a BTreeMap<Principal, Rights>,
    /// The column shares.
    pub column_shares: &'a ColumnShares,
}

impl<'a> RecordFacts<'a> {
    /// A record that belongs to the organization.
    pub const ORGANIZATION_OWNED: RecordFacts<'static> =
        RecordFacts { owner: None, shares: &NO_SHARES, column_shares: &NO_COLUMN_SHARES };

    /// A record with this owner and business unit, shared with nobody.
    #[must_use]
    pub fn owned(owner: &'a Owner, business_unit: &'a BusinessUnitId) -> Self {
        Self { owner: Some((owner, business_unit)), ..RecordFacts::ORGANIZATION_OWNED }
    }

    /// A record with this header.
    #[must_use]
    pub fn of_header(header: &'a Header) -> Self {
        Self {
            owner: header.owner.as_ref().map(|(owner, unit)| (owner, unit)),
            shares: &header.shares,
            column_shares: &header.column_shares,
        }
    }

    /// The same record with these column shares.
    #[must_use]
    pub fn with_column_shares(self, column_shares: &'a ColumnShares) -> Self {
        Self { column_shares, ..self }
    }
}

impl<'a> From<&'a Header> for RecordFacts<'a> {
    fn from(header: &'a Header) -> Self {
        Self::of_header(header)
    }
}
