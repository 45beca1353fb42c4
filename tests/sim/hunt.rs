//! Runs seeds, and finds out what a failure needs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fault::Faults;
use crate::figures::Figures;
use crate::world::{Plan, World};

/// What came of a seed.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) problem: Option<String>,
    pub(crate) figures: Figures,
    /// A digest of all that was said.
    pub(crate) trace: String,
    /// What could go wrong in it.
    pub(crate) faults: Faults,
}

/// Runs one world. A panic is a problem as well.
pub(crate) fn run(plan: Plan) -> Found {
    let mut found = Found::default();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(plan)?;
        found.faults = world.faults;
        let result = world.run();
        found.figures = world.figures;
        found.trace = world.trace();
        result
    }));
    found.problem = match result {
        Ok(result) => result.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Some(format!("panic: {}", text.unwrap_or_default()))
        }
    };
    found
}

/// The kinds of faults without which a seed does not fail: each is switched off in turn, and stays
/// so where the seed fails all the same.
pub(crate) fn minimized(plan: Plan, faults: Faults) -> Faults {
    let fails = |faults| run(Plan { faults: Some(faults), ..plan }).problem.is_some();
    let mut left = faults;
    for fault in faults.iter() {
        if fails(left.without(fault)) {
            left = left.without(fault);
        }
    }
    left
}

/// Runs seeds on as many threads as there are cores. `each` is told of every one, in no order.
pub(crate) fn run_all(from: u64, count: u64, plan: Plan, each: &(dyn Fn(u64, &Found) + Sync)) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count {
                        return;
                    }
                    each(seed, &run(Plan { seed, ..plan }));
                }
            });
        }
    });
}
