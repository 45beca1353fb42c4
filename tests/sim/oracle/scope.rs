//! What devices hold when all has settled: what their users may read, and nothing else.

use std::collections::BTreeMap;

use tidegate::gate::Confirmed;
use tidegate::model::{Columns, Right, Section, Size, TableName};
use tidegate::sync::Purge;

use crate::privileges::Facts;
use crate::profiles::Share;
use crate::world::{Check, World};

impl World {
    /// The device holds exactly what its user may read, as it is on the server.
    pub(super) fn check_convergence(&self, at: usize) -> Check {
        let device = &self.devices[at];
        if device.disk.file.meta.enrolment.is_none() {
            return Ok(());
        }
        let (people, user) = (&self.people, &device.user);
        let meta = &device.disk.file.meta;
        let share = self.share_of(user, meta.app.as_ref());
        let mut held: BTreeMap<_, _> = device.disk.file.confirmed.clone();
        let mut sizes: BTreeMap<TableName, Size> = BTreeMap::new();
        for theirs in self.disk.file.confirmed() {
            let record = theirs.record();
            let (table, facts) = (record.table().as_str(), Facts::from(record.header()));
            let key = (record.table().clone(), record.id());
            let reads = people.reads(user, table, &facts);
            let is_pinned = meta.pins.contains(&key);
            let is_taken = |share: &Share| is_pinned || share.has(&key.0, key.1);
            let readable = reads && share.as_ref().is_none_or(is_taken);
            let Some((version, edit)) = held.remove(&key) else {
                if readable {
                    return Err(format!("device {at} of {user} lacks {key:?}"));
                }
                continue;
            };
            if !readable {
                let why = if reads { "takes no more" } else { "may not read" };
                return Err(format!("device {at} holds {key:?}, which {user} {why}"));
            }
            let ours = Confirmed::from_stored(version, &edit).map_err(|e| e.to_string())?;
            let size = sizes.entry(key.0.clone()).or_default();
            *size = size.plus(ours.size_of(|_| true));
            let reads = |column: &str| {
                !people.is_secured(table, column)
                    || people.reads_column(user, table, column, &facts)
            };
            let takes =
                |section: &Section| share.as_ref().is_none_or(|it| it.has_section(&key.0, section));
            let group_of = |column: &str| people.schema.table(table)?.column(column)?.group.clone();
            let reads = |column: &str| {
                reads(column) && group_of(column).is_none_or(|group| takes(&Section::Group(group)))
            };
            let seen = theirs.versions().for_reader(|column| reads(column.as_str()));
            // Of edits of a column group that is left out the device does not hear.
            let is_whole = theirs.record().sections().all(|(section, _)| takes(section));
            let known = seen..=seen.max(meta.watermark);
            if !known.contains(&version) && is_whole {
                return Err(format!("device {at}: {key:?} is of {version}, not of {known:?}"));
            }
            same_for_reader(&ours, &theirs, reads, takes)
                .map_err(|e| format!("device {at} of {user}, {key:?}: {e}"))?;
        }
        if let Some(key) = held.keys().next() {
            return Err(format!("device {at} holds {key:?}, which is nowhere"));
        }
        if sizes != meta.sizes {
            return Err(format!("device {at} counts {:?}, and holds {sizes:?}", meta.sizes));
        }
        Ok(())
    }

    /// The device judges by what its user may do now.
    pub(super) fn check_grant(&self, at: usize) -> Check {
        let device = &self.devices[at];
        let Some(machine) = &device.machine else { return Ok(()) };
        if device.disk.file.meta.enrolment.is_none() {
            return Ok(());
        }
        for right in Right::ALL {
            let granted = machine.standing().is_some_and(|it| it.holds_anywhere(right));
            let holds = self.people.holds_anywhere(&device.user, right);
            if granted != holds {
                let user = &device.user;
                return Err(format!("device {at} takes it that {user} holds {right:?}: {granted}"));
            }
        }
        Ok(())
    }

    /// No file holds a byte of what its user may not read, and the server knows of all that left.
    pub(crate) fn check_purged(&mut self) -> Check {
        for (at, device) in self.devices.iter().enumerate() {
            let file = &device.disk.file;
            if file.meta.enrolment.is_none() || !self.may_connect(at) {
                continue;
            }
            let user = &device.user;
            if file.meta.purge != Purge::Nothing {
                return Err(format!("device {at}: {:?} to purge", file.meta.purge));
            }
            for ((table, record), section) in &file.bytes {
                let held = self.disk.file.confirmed().find(|it| it.record().id() == *record);
                let held = held.ok_or("bytes of a record that is nowhere")?;
                let facts = Facts::from(held.record().header());
                let readable = self.people.reads(user, table.as_str(), &facts)
                    && match section {
                        Section::Secured(column) => {
                            let (table, column) = (table.as_str(), column.as_str());
                            self.people.reads_column(user, table, column, &facts)
                        }
                        _ => true,
                    };
                if !readable {
                    let what = format!("{section:?} of {table} {record}");
                    return Err(format!("the file of device {at} has bytes of {what}"));
                }
            }
        }
        let receipts = self.disk.file.devices.values().filter(|device| device.purged.is_some());
        self.figures.purges = receipts.count() as u64;
        Ok(())
    }
}

fn same_for_reader(
    ours: &Confirmed,
    theirs: &Confirmed,
    reads: impl Fn(&str) -> bool,
    takes: impl Fn(&Section) -> bool,
) -> Check {
    if ours.record().header() != theirs.record().header() {
        let (ours, theirs) = (ours.record().header(), theirs.record().header());
        return Err(format!("header {ours:?}, not {theirs:?}"));
    }
    let seen = |confirmed: &Confirmed| -> Columns {
        let columns = confirmed.record().columns().iter();
        let columns = columns.filter(|(column, _)| reads(column.as_str()));
        columns.map(|(column, value)| (column.clone(), value.clone())).collect()
    };
    if seen(ours) != seen(theirs) {
        return Err(format!("columns {:?}, not {:?}", seen(ours), seen(theirs)));
    }
    let heads = |confirmed: &Confirmed| {
        let mut heads = confirmed.record().document_heads().map_err(|e| e.to_string())?;
        heads.retain(|section, _| match section {
            Section::Secured(column) => reads(column.as_str()),
            other => takes(other),
        });
        Ok::<_, String>(heads)
    };
    if heads(ours)? != heads(theirs)? {
        return Err("other heads".into());
    }
    Ok(())
}
