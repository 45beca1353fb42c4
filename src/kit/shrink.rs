//! Leaves out of a run that fails what it fails without.

use super::failure::Trouble;
use super::step::{Deed, Step};
use crate::limits::KIT_SHRINK_RUNS_MAX;

/// The fewest steps that were found with which the run fails in the same way. `play` plays a run.
pub(super) fn shrink(
    mut steps: Vec<Step>,
    trouble: &Trouble,
    play: impl Fn(&[Step]) -> Option<Trouble>,
) -> Vec<Step> {
    let mut runs = 0;
    let mut fails = |steps: &[Step]| {
        runs += 1;
        // Where there is no more time, nothing is left out any more.
        runs <= KIT_SHRINK_RUNS_MAX && play(steps).is_some_and(|it| it.is_as(trouble))
    };
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let (mut at, before) = (0, steps.len());
        while at < steps.len() {
            let end = (at + size).min(steps.len());
            let fewer: Vec<_> =
                steps.iter().take(at).chain(steps.iter().skip(end)).cloned().collect();
            if fails(&fewer) {
                steps = fewer;
            } else {
                at = end;
            }
        }
        // One by one until none can go.
        if size > 1 || steps.len() == before {
            size /= 2;
        }
    }
    for at in 0..steps.len() {
        let mut simpler = steps.clone();
        let Some(step) = simpler.get_mut(at) else { break };
        match &mut step.deed {
            Deed::Act { ends_after: it @ Some(_), .. }
            | Deed::Sync { messages: it @ Some(_), .. } => {
                *it = None;
            }
            _ => continue,
        }
        if fails(&simpler) {
            steps = simpler;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::kit::Problem;

    fn steps(count: u64) -> Vec<Step> {
        let deed = Deed::Sync { device: 0, messages: Some(3) };
        (0..count).map(|seed| Step { seed, deed: deed.clone() }).collect()
    }

    fn trouble(problem: Problem) -> Trouble {
        Trouble { problem, device: 0 }
    }

    #[test]
    fn what_it_fails_without_is_left_out_and_the_rest_is_made_simpler() {
        let play = |steps: &[Step]| {
            let has = |seed| steps.iter().any(|step| step.seed == seed);
            (has(3) && has(17)).then(|| trouble(Problem::Restless))
        };
        let left = shrink(steps(40), &trouble(Problem::Restless), play);
        assert_eq!(left.iter().map(|step| step.seed).collect::<Vec<_>>(), [3, 17]);
        let simple = Deed::Sync { device: 0, messages: None };
        assert!(left.iter().all(|step| step.deed == simple));
    }

    #[test]
    fn another_failure_is_not_taken_for_it() {
        let play = |_: &[Step]| Some(trouble(Problem::Library("of the disk".into())));
        assert_eq!(shrink(steps(8), &trouble(Problem::Restless), play), steps(8));
    }

    #[test]
    fn it_ends_after_so_many_runs() {
        let runs = Cell::new(0);
        let play = |_: &[Step]| {
            runs.set(runs.get() + 1);
            None
        };
        let many = steps(2 * u64::try_from(KIT_SHRINK_RUNS_MAX).unwrap());
        assert_eq!(shrink(many.clone(), &trouble(Problem::Restless), play), many);
        assert_eq!(runs.get(), KIT_SHRINK_RUNS_MAX);
    }
}
