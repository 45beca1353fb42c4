//! Runs, one a seed, until one fails.

use std::ops::Range;

use super::failure::Trouble;
use super::shrink::shrink;
use super::step::{Faults, Step};
use super::story::Story;
use super::world::World;
use super::{Chance, Failure, Kit, KitError, Report};
use crate::limits::{KIT_DEVICES_MAX, KIT_STEPS_MAX};

/// What a seed stands for.
struct Plan {
    /// What devices and server begin with.
    seed: u64,
    faults: Faults,
    steps: Vec<Step>,
}

impl Kit {
    /// Makes a run of each seed, one after the other, until one fails; that one is then made as short
    /// as possible. The same seed is the same run, as long as nothing of the kit and of the app
    /// changes.
    ///
    /// # Errors
    /// A run failed: [`KitError::failure`] tells it. Or the kit cannot run as it is.
    pub fn run(&self, seeds: Range<u64>) -> Result<Report, KitError> {
        self.check().map_err(KitError::Setup)?;
        let mut report = Report::default();
        for seed in seeds {
            let plan = self.plan(seed);
            match self.play(&plan, &plan.steps) {
                Ok(of_run) => report.add(of_run),
                Err(trouble) => {
                    let failure = self.explain(seed, &plan, &trouble);
                    return Err(KitError::Failed(Box::new(failure)));
                }
            }
        }
        Ok(report)
    }

    /// What is missing, or does not fit together.
    fn check(&self) -> Result<(), String> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        if self.devices.is_empty() || self.devices.len() > KIT_DEVICES_MAX {
            return Err(format!(
                "it has {} devices, and wants 1 to {KIT_DEVICES_MAX}",
                self.devices.len()
            ));
        }
        if self.steps > KIT_STEPS_MAX {
            return Err(format!("{} steps are more than {KIT_STEPS_MAX}", self.steps));
        }
        if self.actions.iter().all(|action| action.weight == 0) {
            return Err("the app does nothing: no action has a weight".into());
        }
        let users = self.rules.first().map(|first| &first.organization.users);
        let users_named = self.first.iter().map(|(user, _)| user).chain(&self.devices);
        for user in users_named.chain(self.actions.iter().filter_map(|it| it.only.as_ref())) {
            if !users.is_some_and(|users| users.contains_key(user)) {
                return Err(format!("the organization has no user `{user}`"));
            }
            if !self.devices.contains(user) {
                return Err(format!("`{user}` has no device"));
            }
        }
        Ok(())
    }

    fn plan(&self, seed: u64) -> Plan {
        let mut chance = Chance::new(seed);
        let faults = Faults::draw(&mut chance);
        let steps = self.draw(&mut chance, &faults);
        Plan { seed: chance.number(), faults, steps }
    }

    /// Makes a run of these steps.
    fn play(&self, plan: &Plan, steps: &[Step]) -> Result<Report, Trouble> {
        let mut world = World::new(self, plan.seed, &plan.faults)?;
        world.run(steps)?;
        Ok(world.report())
    }

    /// The run, made short and told.
    fn explain(&self, seed: u64, plan: &Plan, trouble: &Trouble) -> Failure {
        let steps = shrink(plan.steps.clone(), trouble, |steps| self.play(plan, steps).err());
        let Told { trouble, steps, rows } = self.tell(plan, &steps, trouble);
        let Trouble { problem, device } = trouble;
        let user = self.devices.get(device).map(ToString::to_string).unwrap_or_default();
        Failure { seed, problem, device, user, drawn: plan.steps.len(), steps, rows }
    }

    /// Makes the run once more, and notes what happens.
    fn tell(&self, plan: &Plan, steps: &[Step], trouble: &Trouble) -> Told {
        let mut told = Told { trouble: trouble.clone(), steps: Vec::new(), rows: Vec::new() };
        // Where it fails before the first step, there is nothing to tell.
        let Ok(mut world) = World::new(self, plan.seed, &plan.faults) else { return told };
        world.story = Some(Story::default());
        if let Err(trouble) = world.run(steps) {
            (told.steps, told.rows, told.trouble) = world.end(trouble);
        }
        told
    }
}

/// What a run says that is made once more.
struct Told {
    trouble: Trouble,
    steps: Vec<String>,
    rows: Vec<String>,
}
