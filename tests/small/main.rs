//! A small world, exhaustively: one server, two devices, three edits, one revocation and one fault, in
//! every interleaving of messages and whatever happens. From each state that can be reached, the
//! world is let settle, and what came of it is compared with what must.
//!
//! `cargo test` goes through some hundreds of states of each world; `TIDEGATE_SMALL_STATES=0` through
//! all of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

mod device;
#[path = "../store/memory.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod memory;
mod oracle;
mod rules;
mod shared;
mod world;

use std::collections::BTreeSet;

use rules::Loss;
use world::{Action, Begin, Fails, World};

/// How many states `cargo test` goes through in each world.
const STATES: usize = 250;

/// After so many states it is told how far a search is.
const TOLD_EVERY: usize = 100_000;

/// What a search went through.
#[derive(Debug, Default)]
struct Explored {
    states: usize,
    steps: usize,
    /// States in which nothing is on its way: from these the world is let settle.
    quiet: usize,
    deepest: usize,
    /// States in which nothing more can happen.
    ends: usize,
    is_complete: bool,
}

fn states_max() -> usize {
    let asked = std::env::var("TIDEGATE_SMALL_STATES");
    match asked.map(|text| text.parse().unwrap()) {
        Ok(0) => usize::MAX,
        Ok(states) => states,
        Err(_) => STATES,
    }
}

/// Where a search has been, and how.
struct Reached {
    world: World,
    path: Vec<Action>,
}

/// Depth first: what is open are the turnings of one way and no more, however many states there are.
fn explore(loss: Loss, begin: Begin, fails: Fails, states_max: usize) -> Explored {
    let mut explored = Explored::default();
    let world = World::new(loss, begin, fails);
    let mut seen = BTreeSet::from([world.digest()]);
    let mut open = vec![Reached { world, path: Vec::new() }];
    while let Some(Reached { world, path }) = open.pop() {
        explored.states += 1;
        explored.deepest = explored.deepest.max(path.len());
        if world.is_quiet() {
            explored.quiet += 1;
            if let Err(problem) = oracle::settles(world.clone()) {
                panic!("{loss:?}, {begin:?}, {fails:?}, after {path:?}: {problem}");
            }
        }
        if explored.states == states_max {
            return explored;
        }
        if explored.states.is_multiple_of(TOLD_EVERY) {
            eprintln!("{loss:?}, {begin:?}, {fails:?}: {explored:?}, {} open", open.len());
        }
        let actions = world.actions();
        explored.steps += actions.len();
        explored.ends += usize::from(actions.is_empty());
        for action in actions {
            let mut world = world.clone();
            world.act(action);
            if seen.insert(world.digest()) {
                open.push(Reached { world, path: [path.as_slice(), &[action]].concat() });
            }
        }
    }
    Explored { is_complete: true, ..explored }
}

fn assert_holds(loss: Loss, begin: Begin) {
    for fails in Fails::ALL {
        let explored = explore(loss, begin, fails, states_max());
        println!("{loss:?}, {begin:?}, {fails:?}: {explored:?}");
        let enough = if explored.is_complete { 10_000 } else { states_max() };
        assert!(explored.states >= enough, "the world is too small to say anything");
    }
}

#[test]
fn a_device_that_may_not_write_any_more_settles_from_every_state() {
    assert_holds(Loss::Write, Begin::Connected);
}

#[test]
fn a_device_that_was_away_when_it_might_not_write_any_more_settles_from_every_state() {
    assert_holds(Loss::Write, Begin::Apart);
}

#[test]
fn a_device_that_may_not_read_any_more_settles_from_every_state() {
    assert_holds(Loss::Read, Begin::Connected);
}

#[test]
fn a_device_that_was_away_when_it_might_not_read_any_more_settles_from_every_state() {
    assert_holds(Loss::Read, Begin::Apart);
}

#[test]
fn the_same_actions_lead_to_the_same_state_in_a_copy_too() {
    let (mut world, mut other) = (
        World::new(Loss::Write, Begin::Apart, Fails::Server),
        World::new(Loss::Write, Begin::Apart, Fails::Server),
    );
    let mut copy = world.clone();
    for _ in 0..12 {
        let Some(action) = world.actions().first().copied() else { break };
        world.act(action);
        copy = copy.clone();
        copy.act(action);
        other.act(action);
    }
    assert_eq!(world.digest(), other.digest());
    assert_eq!(world.digest(), copy.digest());
    assert_ne!(world.digest(), World::new(Loss::Write, Begin::Apart, Fails::Server).digest());
}
