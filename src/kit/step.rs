//! What happens in a run, one step after the other: drawn from the seed beforehand, so that steps can
//! be left out, and the rest stays what it is.

use super::{Chance, Kit};

/// A step, and what its chances are drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) seed: u64,
    pub(super) deed: Deed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// The app does something; its process may end after so many durable steps of that.
    Act { device: usize, action: usize, ends_after: Option<usize> },
    /// The device connects, if it is not connected, and so many messages arrive, one way or the
    /// other; `None`: until there are none.
    Sync { device: usize, messages: Option<usize> },
    /// The connection is cut, and what was on its way is lost.
    Cut { device: usize },
    /// The app's process ends, and another one begins.
    Restart { device: usize },
    /// The server's does.
    RestartServer,
    /// The server judges by other rules.
    Change { rules: usize },
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Cuts,
    Crashes,
    Interruptions,
    Partitions,
    Changes,
    Skew,
}

const FAULTS: [Fault; 6] = [
    Fault::Cuts,
    Fault::Crashes,
    Fault::Interruptions,
    Fault::Partitions,
    Fault::Changes,
    Fault::Skew,
];

/// What goes wrong in a run: each seed draws its own, since faults hide each other.
#[derive(Debug, Clone)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        Self(FAULTS.into_iter().filter(|_| chance.percent(60)).collect())
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

/// So long a device is away at the most, in steps.
const AWAY_STEPS_MAX: usize = 30;
/// So many messages arrive at once at the most, unless all do.
const MESSAGES_MAX: usize = 12;
/// So many durable steps an action makes at the most before its process ends.
const ENDS_AFTER_MAX: usize = 3;

impl Kit {
    /// The steps of a run.
    pub(super) fn draw(&self, chance: &mut Chance, faults: &Faults) -> Vec<Step> {
        let mut away = vec![0; self.devices.len()];
        let draw = |at| {
            let device = chance.below(self.devices.len());
            let is_away = away.get(device).is_some_and(|until| at < *until);
            let weighed = [
                40,
                if is_away { 0 } else { 40 },
                if faults.has(Fault::Cuts) { 8 } else { 0 },
                if faults.has(Fault::Crashes) { 4 } else { 0 },
                if faults.has(Fault::Crashes) { 2 } else { 0 },
                if faults.has(Fault::Changes) && self.rules.len() > 1 { 8 } else { 0 },
            ];
            let mut deed = match chance.weighted(weighed.into_iter()) {
                0 => self.draw_action(chance, faults, device),
                1 => {
                    let some = 1 + chance.below(MESSAGES_MAX);
                    Deed::Sync { device, messages: chance.percent(60).then_some(some) }
                }
                2 => Deed::Cut { device },
                3 => Deed::Restart { device },
                4 => Deed::RestartServer,
                _ => Deed::Change { rules: chance.below(self.rules.len()) },
            };
            if faults.has(Fault::Partitions)
                && chance.percent(5)
                && let Some(until) = away.get_mut(device)
            {
                *until = at + chance.below(AWAY_STEPS_MAX);
                deed = Deed::Cut { device };
            }
            Step { seed: chance.number(), deed }
        };
        (0..self.steps).map(draw).collect()
    }

    /// Something that the app does for the device's user.
    fn draw_action(&self, chance: &mut Chance, faults: &Faults, device: usize) -> Deed {
        let user = self.devices.get(device);
        let weights = self.actions.iter().map(|it| {
            let is_theirs = it.only.as_ref().is_none_or(|only| Some(only) == user);
            if is_theirs { it.weight } else { 0 }
        });
        if weights.clone().all(|weight| weight == 0) {
            return Deed::Sync { device, messages: None };
        }
        let action = chance.weighted(weights);
        let ends = faults.has(Fault::Interruptions) && chance.percent(20);
        let ends_after = ends.then(|| 1 + chance.below(ENDS_AFTER_MAX));
        Deed::Act { device, action, ends_after }
    }
}
