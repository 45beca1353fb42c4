//! Single records that users fetch, there or not and readable or not, and release; and tables that they want
//! before all others.

use tidegate::sync::StoreError;
use tidegate::sync::replica::PinError;

use crate::disk::Key;
use crate::people::{TABLES, name};
use crate::world::{Check, World};

impl World {
    pub(crate) fn app_fetches(&mut self, at: usize) -> Check {
        let pinned: Vec<Key> = self.devices[at].disk.file.meta.pins.iter().cloned().collect();
        if self.devices[at].machine.is_none() || !self.devices[at].disk.file.is_at_home() {
            return Ok(());
        }
        if self.rng.chance(20) {
            let table = name(self.rng.pick(&TABLES).unwrap());
            self.note(|| format!("device {at} wants {table} first"));
            self.devices[at].machine.as_mut().unwrap().ask_first(table);
            return self.drain_device(at);
        }
        let releases = self.rng.chance(40);
        let places = self.disk.file.records.keys();
        let known: Vec<Key> = places.map(|it| (it.table.clone(), it.record)).collect();
        let Some((mut table, record)) =
            self.rng.pick(if releases { &pinned } else { &known }).cloned()
        else {
            return Ok(());
        };
        if !releases && self.rng.chance(5) {
            // There is no such record in this table.
            table = name(self.rng.pick(&TABLES).unwrap());
        }
        let device = &mut self.devices[at];
        device.fetched.insert(record);
        let (machine, disk) = (device.machine.as_mut().unwrap(), &mut device.disk);
        let result = if releases {
            machine.release(disk, &table, record).map(drop)
        } else {
            match machine.pin(disk, &table, record) {
                Ok(()) | Err(PinError::TooMany) => Ok(()),
                Err(PinError::Store(error)) => Err(error),
                Err(error) => return Err(format!("device {at} cannot fetch: {error}")),
            }
        };
        self.figures.fetches += 1;
        self.note(|| format!("device {at} fetches {table} {record} ({releases}): {result:?}"));
        match result {
            Ok(()) => {
                let is_pinned = self.devices[at].disk.file.meta.pins.contains(&(table, record));
                if is_pinned == releases {
                    return Err(format!("device {at} forgets at once what it is to keep"));
                }
                self.drain_device(at)
            }
            Err(StoreError::Damaged(text)) => Err(format!("device {at}: damaged: {text}")),
            Err(_) if self.devices[at].disk.faults.is_off.get() => self.lost_power(at).map(drop),
            Err(_) => self.after_store_error(at),
        }
    }
}
