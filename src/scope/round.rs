//! In which round one record is taken, told from its neighbours.

use std::collections::BTreeSet;

use super::{BoundProfile, Linked, Related};
use crate::model::{RecordId, TableName};

/// A record by its table and id.
pub(super) type Place = (TableName, RecordId);

impl BoundProfile {
    /// The round in which a record is taken; `None`: it is not. The same as [`BoundProfile::taken`] says,
    /// found by going back from the record, so that it costs what leads to it and not what there is.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn round<R: Linked>(
        &self,
        table: &TableName,
        id: RecordId,
        records: &R,
    ) -> Result<Option<u32>, R::Error> {
        let depth = self.checked().profile().depth;
        let mut level = vec![(table.clone(), id)];
        let mut met: BTreeSet<Place> = level.iter().cloned().collect();
        for round in 0..=depth {
            let mut before = Vec::new();
            for (table, id) in level {
                let Some(candidate) = records.find(&table, id)? else { continue };
                if self.starts(&table, &candidate, records)? {
                    return Ok(Some(round));
                }
                if round == depth || !self.follows(&table, &candidate, records)? {
                    continue;
                }
                for related in self.comes_from(&table, &candidate) {
                    let places = related.places(records)?;
                    before.extend(places.into_iter().filter(|place| met.insert(place.clone())));
                }
            }
            level = before;
        }
        Ok(None)
    }
}

impl Related {
    /// The records that it names, there or not.
    pub(super) fn places<R: Linked>(&self, records: &R) -> Result<Vec<Place>, R::Error> {
        Ok(match self {
            Self::Record(table, id) => vec![(table.clone(), *id)],
            Self::LookingUp { table, by, record } => {
                let ids = records.looking_up(table, by, *record)?;
                ids.into_iter().map(|id| (table.clone(), id)).collect()
            }
        })
    }
}
