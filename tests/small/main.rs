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

#[path = "../store/memory.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod memory;
mod oracle;
mod world;

use std::collections::BTreeSet;

use world::{Action, Loss, World};

/// How many states `cargo test` goes through in each world.
const STATES: usize = 250;

/// After so many states it is told how far a search is.
const TOLD_EVERY: usize = 10_000;

/// What a search went through.
#[derive(Debug, Default)]
struct Explored {
    states: usize,
    steps: usize,
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

fn replay(loss: Loss, path: &[Action]) -> World {
    let mut world = World::new(loss);
    for action in path {
        world.act(*action);
    }
    world
}

/// Depth first. A machine cannot be copied, so that a way not gone yet is kept as the actions that
/// lead there, and is gone from the beginning.
fn explore(loss: Loss, states_max: usize) -> Explored {
    let mut explored = Explored::default();
    let mut seen = BTreeSet::new();
    let mut open = vec![Vec::new()];
    while let Some(mut path) = open.pop() {
        let mut world = replay(loss, &path);
        while seen.insert(*world.digest().as_bytes()) {
            explored.states += 1;
            explored.deepest = explored.deepest.max(path.len());
            if let Err(problem) = oracle::settles(replay(loss, &path)) {
                panic!("{loss:?}, after {path:?}: {problem}");
            }
            if explored.states == states_max {
                return explored;
            }
            if explored.states.is_multiple_of(TOLD_EVERY) {
                eprintln!("{loss:?}: {} states, {} ways to go", explored.states, open.len());
            }
            let mut actions = world.actions();
            let Some(next) = actions.pop() else {
                explored.ends += 1;
                break;
            };
            explored.steps += actions.len() + 1;
            open.extend(actions.into_iter().map(|other| [path.as_slice(), &[other]].concat()));
            world.act(next);
            path.push(next);
        }
    }
    Explored { is_complete: true, ..explored }
}

fn assert_holds(loss: Loss) {
    let explored = explore(loss, states_max());
    println!("{loss:?}: {explored:?}");
    let enough = if explored.is_complete { 10_000 } else { states_max() };
    assert!(explored.states >= enough, "the world is too small to say anything");
}

#[test]
fn a_device_that_may_not_write_any_more_settles_from_every_state() {
    assert_holds(Loss::Write);
}

#[test]
fn a_device_that_may_not_read_any_more_settles_from_every_state() {
    assert_holds(Loss::Read);
}

#[test]
fn the_same_actions_lead_to_the_same_state() {
    let mut path = Vec::new();
    let mut world = World::new(Loss::Write);
    while let Some(action) = world.actions().first().copied() {
        world.act(action);
        path.push(action);
        if path.len() == 12 {
            break;
        }
    }
    assert_eq!(world.digest(), replay(Loss::Write, &path).digest());
}
