//! Where the records are that a user may read: what a scan has to look at, and not more.

use std::collections::BTreeSet;

use super::standing::{Holding, Standing, TableStanding};
use crate::model::{Bucket, Depth, Header, Owner, Principal, Right, TableName};

/// Records of one table. It takes all that a user may read and can take more: whoever looks at a
/// record asks whether it may be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// None.
    #[default]
    Nothing,
    /// Those of these buckets.
    Buckets(BTreeSet<Bucket>),
    /// All.
    All,
}

impl Reach {
    /// What either takes.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Nothing, other) => other,
            (this, Self::Nothing) => this,
            (Self::Buckets(mut buckets), Self::Buckets(other)) => {
                buckets.extend(other);
                Self::Buckets(buckets)
            }
        }
    }

    /// Whether it takes a record with this header.
    #[must_use]
    pub fn takes(&self, header: &Header) -> bool {
        match self {
            Self::Nothing => false,
            Self::Buckets(buckets) => !buckets.is_disjoint(&Bucket::of(header)),
            Self::All => true,
        }
    }
}

impl Standing {
    /// Where the records of a table are that the user may read.
    #[must_use]
    pub fn reach(&self, table: &TableName) -> Reach {
        if self.administrator {
            return Reach::All;
        }
        let Some(known) = self.tables.get(table) else { return Reach::Nothing };
        let holdings = known.holdings(Right::Read);
        if holdings.is_empty() {
            return Reach::Nothing;
        }
        if holdings.iter().any(|holding| holding.depth == Depth::Organization) {
            return Reach::All;
        }
        let mut buckets = BTreeSet::new();
        for holding in holdings {
            self.add_held(*holding, &mut buckets);
        }
        self.add_shared(&mut buckets);
        self.add_below(known, &mut buckets);
        Reach::Buckets(buckets)
    }

    /// Ways 1 and 2 of the access check.
    fn add_held(&self, holding: Holding, buckets: &mut BTreeSet<Bucket>) {
        let holder = self.holders.get(holding.holder as usize);
        let own = self.holders.iter().filter(|_| holding.direct).chain(holder);
        buckets.extend(own.map(|own| Bucket::Owner(own.owner.clone())));
        let Some(holder) = holder else { return };
        match holding.depth {
            Depth::BusinessUnit => {
                buckets.insert(Bucket::Unit(holder.business_unit.clone()));
            }
            Depth::ParentChild => {
                let units = self.subtrees.get(holder.subtree as usize).into_iter().flatten();
                buckets.extend(units.cloned().map(Bucket::Unit));
            }
            Depth::None | Depth::User | Depth::Organization => {}
        }
    }

    /// Way 3.
    fn add_shared(&self, buckets: &mut BTreeSet<Bucket>) {
        let holders = self.holders.iter().map(|holder| holder.owner.clone().into());
        let access = self.access_teams.iter().cloned().map(Principal::Team);
        let all = holders.chain(access).chain([Principal::Organization]);
        buckets.extend(all.map(Bucket::Shared));
    }

    /// Way 4.
    fn add_below(&self, table: &TableStanding, buckets: &mut BTreeSet<Bucket>) {
        if !table.hierarchy {
            return;
        }
        let users = self.people_below.keys().cloned().map(Owner::User);
        for below in users.chain(self.teams_below.keys().cloned().map(Owner::Team)) {
            buckets.insert(Bucket::Owner(below.clone()));
            buckets.insert(Bucket::Shared(below.into()));
        }
    }
}
