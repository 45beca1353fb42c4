//! As whom a device writes: one actor for all sections, and another for those in which changes of
//! that one are no longer seen. So what happens to a section is told to nobody who may not read it,
//! not even by the actor of what the device writes elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ActorId, Edit, Section};

/// The actors of a device.
#[derive(Debug, Clone)]
pub(super) struct Actors {
    common: ActorId,
    own: BTreeMap<Section, ActorId>,
}

/// Where changes of this device are no longer in the history that it sees: their numbers would be
/// given again.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    everywhere: bool,
    sections: BTreeSet<Section>,
}

impl Actors {
    pub(super) fn new(common: ActorId) -> Self {
        Self { common, own: BTreeMap::new() }
    }

    /// Who writes a section.
    pub(super) fn of(&self, section: &Section) -> ActorId {
        self.own.get(section).copied().unwrap_or(self.common)
    }

    /// Others write from now on where that is needed.
    pub(super) fn renew(&mut self, unwritten: Unwritten, mut fresh: impl FnMut() -> ActorId) {
        if unwritten.everywhere {
            *self = Self::new(fresh());
        } else {
            self.own.extend(unwritten.sections.into_iter().map(|section| (section, fresh())));
        }
    }
}

impl Unwritten {
    pub(super) fn note_all(&mut self) {
        self.everywhere = true;
    }

    pub(super) fn note(&mut self, section: &Section) {
        self.sections.insert(section.clone());
    }

    pub(super) fn note_edit(&mut self, edit: &Edit) {
        self.sections.extend(edit.changes.iter().map(|change| change.section.clone()));
    }

    pub(super) fn join(&mut self, other: Self) {
        self.everywhere |= other.everywhere;
        self.sections.extend(other.sections);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DeviceNumber;

    #[test]
    fn other_sections_are_written_by_whom_they_were() {
        let mut numbers = 1_u64..;
        let mut fresh =
            || ActorId { device: DeviceNumber(1), incarnation: numbers.next().unwrap() };
        let pay = Section::Secured("pay".parse().unwrap());
        let mut actors = Actors::new(fresh());
        let (main, before) = (actors.of(&Section::Main), actors.of(&pay));
        assert_eq!(main, before);

        let mut unwritten = Unwritten::default();
        unwritten.note(&pay);
        actors.renew(unwritten, &mut fresh);
        assert_eq!(actors.of(&Section::Main), main);
        assert_ne!(actors.of(&pay), before);

        let (mut all, pay_before) = (Unwritten::default(), actors.of(&pay));
        all.note_all();
        actors.renew(all, &mut fresh);
        assert_ne!(actors.of(&Section::Main), main);
        assert!(![before, pay_before].contains(&actors.of(&pay)));
    }
}
