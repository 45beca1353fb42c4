//! Records as plain values: what an app reads, and what the gate asks about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BusinessUnitId, ColumnShares, Op, Owner, Principal, RecordState, Rights};

/// What the header section says of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Header {
    /// The owner and its business unit; `None` where the table is organization-owned.
    pub owner: Option<(Owner, BusinessUnitId)>,
    /// Whether the record is there.
    pub state: RecordState,
    /// Who else may do what.
    pub shares: BTreeMap<Principal, Rights>,
    /// Who else may do what with a secured column of it.
    pub column_shares: ColumnShares,
}

impl Header {
    /// How many shares there are, those of columns among them.
    #[must_use]
    pub fn shares_len(&self) -> usize {
        self.shares.len() + self.column_shares.len()
    }

    /// What the header says after `op`, where nothing happened beside it.
    ///
    /// # Errors
    /// `op` is none of the header's; its name is returned.
    pub fn apply(&mut self, op: &Op) -> Result<(), &'static str> {
        match op {
            Op::Own { owner, business_unit } => {
                self.owner = Some((owner.clone(), business_unit.clone()));
            }
            Op::State(state) => self.state = *state,
            Op::Share { to, rights } if rights.is_empty() => {
                self.shares.remove(to);
            }
            Op::Share { to, rights } => {
                self.shares.insert(to.clone(), *rights);
            }
            Op::ShareColumn { column, to, permissions } => {
                let key = (column.clone(), to.clone());
                if permissions.is_empty() {
                    self.column_shares.remove(&key);
                } else {
                    self.column_shares.insert(key, *permissions);
                }
            }
            other => return Err(other.name()),
        }
        Ok(())
    }
}
