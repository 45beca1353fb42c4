//! What apps read.

use tidegate::model::{Columns, Edit};
use tidegate::sync::StoredRow;

use crate::disk::Key;
use crate::merge::{Naive, parts};
use crate::privileges::Facts;
use crate::world::{Check, World};

impl World {
    /// What the last commit touched shows confirmed and pending.
    pub(crate) fn check_touched(&mut self, at: usize) -> Check {
        let device = &mut self.devices[at];
        let touched = std::mem::take(&mut device.disk.touched);
        for key in touched.difference(&device.rotten).cloned().collect::<Vec<_>>() {
            self.check_row(at, &key)?;
            self.check_confirmed(at, &key)?;
        }
        Ok(())
    }

    pub(super) fn check_row(&self, at: usize, key: &Key) -> Check {
        let file = &self.devices[at].disk.file;
        let confirmed = file.confirmed.get(key);
        let pending: Vec<&Edit> =
            file.pending.values().filter(|edit| edit.record == key.1).collect();
        let mut base = Naive::new(key.0.clone());
        if let Some((_, edit)) = confirmed {
            base.add(edit);
        }
        let mut shown = base.clone();
        for edit in &pending {
            if !shown.fits(edit) {
                // What does not fit (yet) is not shown.
                shown = base;
                break;
            }
            shown.add(edit);
        }
        // Where a column is in two sections it is about to move, and the app may see either.
        let moving = shown.in_two_sections();
        let settled = |columns: Columns| -> Columns {
            columns.into_iter().filter(|(column, _)| !moving.contains(column)).collect()
        };
        let is_pending = !pending.is_empty();
        let version = confirmed.map(|(version, _)| *version).unwrap_or_default();
        let row = file.rows.get(key);
        let fits = match row {
            None => !shown.is_active(),
            Some(StoredRow { header, columns, pending, version: own }) => {
                shown.is_active()
                    && Facts::from(header) == shown.facts()
                    && header.state == shown.state()
                    && settled(parts(columns)) == settled(shown.columns())
                    && *pending == is_pending
                    && *own == version
            }
        };
        if fits {
            return Ok(());
        }
        Err(format!(
            "device {at} shows {row:?} of {key:?}, not {:?} with {:?} ({is_pending}, {version})",
            shown.facts(),
            shown.columns()
        ))
    }
}
