//! Records as plain values: what an app reads, and what the gate asks about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BusinessUnitId, ColumnName, Owner, Principal, RecordState, Rights, Value};

/// What the header section says of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Header {
    /// The owner and its business unit; `None` where the table is organization-owned.
    pub owner: Option<(Owner, BusinessUnitId)>,
    /// Whether the record is there.
    pub state: RecordState,
    /// Who else may do what.
    pub shares: BTreeMap<Principal, Rights>,
}

/// The values of a record's columns. A column that was never set is absent.
pub type Columns = BTreeMap<ColumnName, Value>;
