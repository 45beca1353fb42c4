//! What goes wrong with disks and clocks.

use crate::disk::{CommitFault, DiskFaults};
use crate::world::{Check, World};

const HOUR: i64 = 3_600_000;

impl World {
    /// The faults of the server's disk, or a device's.
    fn some_disk(&mut self, device: usize) -> &mut DiskFaults {
        self.figures.store_faults += 1;
        if self.rng.chance(50) {
            &mut self.devices[device].disk.faults
        } else {
            &mut self.disk.faults
        }
    }

    pub(crate) fn arm_io_error(&mut self, device: usize) -> Check {
        let reads = u32::try_from(1 + self.rng.below(20)).unwrap();
        let reads = if self.rng.chance(50) { Some(reads) } else { None };
        let disk = self.some_disk(device);
        match reads {
            Some(reads) => disk.read.set(reads),
            None => disk.commit = Some(CommitFault::Io),
        }
        Ok(())
    }

    pub(crate) fn arm_ambiguous(&mut self, device: usize) -> Check {
        let made = self.rng.chance(50);
        let fault = if made { CommitFault::AmbiguousMade } else { CommitFault::AmbiguousLost };
        self.some_disk(device).commit = Some(fault);
        Ok(())
    }

    pub(crate) fn arm_conflict(&mut self) -> Check {
        self.figures.store_faults += 1;
        self.disk.faults.commit = Some(CommitFault::Conflict);
        Ok(())
    }

    pub(crate) fn arm_power_cut(&mut self, device: usize) -> Check {
        let operations = u32::try_from(1 + self.rng.below(30)).unwrap();
        let keeps_last = self.rng.chance(50);
        let disk = self.some_disk(device);
        disk.power.set(operations);
        disk.keeps_last = keeps_last;
        Ok(())
    }

    /// There is no room any more, or there is again.
    pub(crate) fn fill_disk(&mut self, device: usize) -> Check {
        let disk = self.some_disk(device);
        disk.is_full = !disk.is_full;
        Ok(())
    }

    pub(crate) fn disarm_faults(&mut self) {
        self.skew = 0;
        self.disk.faults = DiskFaults::default();
        for device in &mut self.devices {
            device.disk.faults = DiskFaults::default();
        }
    }

    /// A clock is set: a little wrong, very wrong, or right again.
    pub(crate) fn set_clock(&mut self, device: usize) -> Check {
        self.figures.clock_jumps += 1;
        let away = [HOUR, 24 * 40 * HOUR, 24 * 366 * 30 * HOUR, i64::MAX / 4][self.rng.below(4)];
        let skew = [-away, away, 0][self.rng.below(3)];
        if self.rng.chance(30) {
            self.skew = skew;
        } else {
            self.devices[device].skew = skew;
        }
        Ok(())
    }
}
