use crate::gate::{Directory, Knowledge, Standing};
use crate::model::{BusinessUnitId, Owner, Principal, TableName};

/// What a device knows of others: its own user and teams, and the owners that the server listed.
#[derive(Debug, Clone, Copy)]
pub struct DeviceDirectory<'a> {
    /// The privileges of its user, by the newest grant.
    pub standing: &'a Standing,
    /// The owners that the server listed.
    pub owners: &'a [(Owner, BusinessUnitId)],
}

impl Directory for DeviceDirectory<'_> {
    fn business_unit(&self, owner: &Owner) -> Knowledge<&BusinessUnitId> {
        let listed = || self.owners.iter().find(|(listed, _)| listed == owner);
        match Directory::business_unit(self.standing, owner) {
            Knowledge::Unknown => {
                listed().map_or(Knowledge::Unknown, |(_, unit)| Knowledge::Known(unit))
            }
            known => known,
        }
    }

    fn owner_can_read(&self, owner: &Owner, table: &TableName) -> Knowledge<bool> {
        Directory::owner_can_read(self.standing, owner, table)
    }

    fn principal(&self, to: &Principal) -> Knowledge<()> {
        let is_listed = |(owner, _): &(Owner, _)| Principal::from(owner.clone()) == *to;
        match Directory::principal(self.standing, to) {
            Knowledge::Unknown if self.owners.iter().any(is_listed) => Knowledge::Known(()),
            known => known,
        }
    }
}
