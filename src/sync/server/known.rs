//! What a store knows of records without looking at them, for who suggests a profile.

use std::collections::BTreeSet;

use crate::gate::Standing;
use crate::limits::{PAGE_LOOKS_MAX, SUGGEST_ENTRIES_MAX};
use crate::model::{Bucket, Owner, RowRule, Schema, Sequence, TableName, UserId};
use crate::scope::Known;
use crate::sync::{EntryKind, ServerStore, StoreError, Strand};

/// How many records the rules of profiles mean for these users, and what their devices edited, as far as
/// the log has it.
///
/// # Errors
/// The store cannot be read.
pub fn known<S: ServerStore>(
    store: &S,
    schema: &Schema,
    standings: &[Standing],
) -> Result<Known, StoreError> {
    let mut known = Known::default();
    for table in schema.tables.keys() {
        for (_, rule) in RowRule::ALL {
            let mut most = 0;
            for standing in standings {
                most = most.max(records(store, table, rule, standing)?);
            }
            known.records.insert((table.clone(), rule), most);
        }
    }
    let users: BTreeSet<&UserId> = standings.iter().map(Standing::user).collect();
    let devices = store.devices()?.into_iter().filter(|device| users.contains(&device.user));
    let strands: BTreeSet<_> = devices.map(|device| Strand::Author(device.number)).collect();
    let mut after = Sequence(store.meta()?.head.0.saturating_sub(SUGGEST_ENTRIES_MAX));
    while !strands.is_empty() {
        let entries = store.log_along(&strands, after, PAGE_LOOKS_MAX)?;
        let Some(last) = entries.last() else { break };
        after = last.sequence;
        for entry in entries {
            if let EntryKind::Edit { edit, .. } = entry.kind {
                *known.edits.entry(edit.table).or_default() += 1;
            }
        }
    }
    Ok(known)
}

/// How many records a rule means for a user, from maintained counts.
fn records<S: ServerStore>(
    store: &S,
    table: &TableName,
    rule: RowRule,
    standing: &Standing,
) -> Result<u64, StoreError> {
    let own = || Bucket::Owner(Owner::User(standing.user().clone()));
    let teams = || standing.owner_teams().map(|(team, _)| Bucket::Owner(Owner::Team(team.clone())));
    let buckets: Vec<_> = match rule {
        RowRule::All => return Ok(store.size(table, None)?.active.records),
        RowRule::Mine => vec![own()],
        RowRule::MyTeams => teams().collect(),
        RowRule::MyBusinessUnit => {
            standing.business_unit().cloned().map(Bucket::Unit).into_iter().collect()
        }
        RowRule::MyBusinessUnits => {
            standing.business_units().iter().cloned().map(Bucket::Unit).collect()
        }
    };
    let mut records = 0_u64;
    for bucket in buckets {
        records = records.saturating_add(store.size(table, Some(&bucket))?.active.records);
    }
    Ok(records)
}
