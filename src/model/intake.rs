//! What a device is told of its user's offline profile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Profile, ProfileName, TableName};

/// What a device goes by of its user's offline profile: how many bytes it may hold, and how old its
/// rows may get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// The profile's name.
    pub profile: ProfileName,
    /// How many bytes the device may hold; `None`: any.
    pub budget: Option<u64>,
    /// The tables that are taken of those that the user may read, each with the minutes between two
    /// syncs; `None`: as soon as there is something.
    pub tables: BTreeMap<TableName, Option<u32>>,
}

impl Intake {
    /// What a device of someone who knows these tables is told of a profile.
    #[must_use]
    pub fn of(profile: &Profile, knows: impl Fn(&TableName) -> bool) -> Self {
        let tables = profile.tables.iter().filter(|entry| knows(&entry.table));
        Self {
            profile: profile.id.clone(),
            budget: profile.budget,
            tables: tables.map(|entry| (entry.table.clone(), entry.interval)).collect(),
        }
    }

    /// After how many minutes some table is to be synced again; `None`: one of them is to be synced as
    /// soon as there is something, so that the device stays connected.
    #[must_use]
    pub fn interval(&self) -> Option<u32> {
        let intervals: Option<Vec<u32>> = self.tables.values().copied().collect();
        intervals?.into_iter().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_stays_connected_unless_all_tables_have_an_interval() {
        let intake = |intervals: &[Option<u32>]| {
            let tables = intervals.iter().enumerate();
            let tables = tables.map(|(at, it)| (format!("t{at}").parse().unwrap(), *it));
            let profile = "p".parse().unwrap();
            Intake { profile, budget: None, tables: tables.collect() }.interval()
        };
        assert_eq!(intake(&[Some(30), Some(5), Some(1_440)]), Some(5));
        assert_eq!(intake(&[Some(30), None]), None);
        assert_eq!(intake(&[]), None);
    }
}
