//! Power cuts at every operation on the files of a whole session.
//!
//! The story behind: each batch survives a cut by itself; what machines make of a store that lost
//! the last one, or kept it against all they were told, shows only when the session goes on.

use std::sync::atomic::{AtomicUsize, Ordering};

use tidegate::store::{RedbReplica, RedbServer};

use crate::disk::Disk;
use crate::session::{SERVER, Step, World, script};

/// After every so many cuts the whole rest of the script is played, after the others the step of
/// the cut; then all settles.
const WHOLE_EVERY: usize = 8;

/// A power cut: before which step the world was copied, whose power goes, and at which operation.
struct Cut<'a> {
    world: &'a World,
    steps: &'a [Step],
    part: usize,
    operation: usize,
}

/// Files of a device and a server that hold nothing yet.
fn world() -> World {
    let (replica, server) = (Disk::default(), Disk::default());
    let (one, other) = (replica.clone(), server.clone());
    drop(RedbReplica::on_backend(move || Ok(one.clone())).unwrap());
    drop(RedbServer::on_backend(move || Ok(other.clone())).unwrap());
    World::new(&replica.bytes(), &server.bytes())
}

/// Opens a copy of the world, in which the power of a part goes at an operation, counted from
/// when all are open, and makes the next step.
fn start(cut: &Cut<'_>) -> World {
    let mut world = cut.world.copy();
    world.open_all();
    let disk = world.disk(cut.part).clone();
    disk.cut_at(disk.operations() + cut.operation);
    world.step(&cut.steps[0]);
    world
}

/// All cuts at what the next step writes.
fn cuts_in<'a>(world: &'a World, steps: &'a [Step]) -> Vec<Cut<'a>> {
    let mut cuts = Vec::new();
    for part in 0..=SERVER {
        let mut whole = world.copy();
        whole.open_all();
        let disk = whole.disk(part).clone();
        let before = disk.operations();
        whole.step(&steps[0]);
        let operations = disk.operations() - before;
        cuts.extend((0..operations).map(|operation| Cut { world, steps, part, operation }));
    }
    cuts
}

/// Plays on after a cut. Returns how many files were looked at.
fn play(number: usize, cut: &Cut<'_>) -> usize {
    let mut world = start(cut);
    if number.is_multiple_of(WHOLE_EVERY) {
        cut.steps[1..].iter().for_each(|step| world.step(step));
    }
    world.settle();
    world.server.looked_at + world.devices.iter().map(|device| device.looked_at).sum::<usize>()
}

#[test]
fn a_session_cut_at_every_write_loses_nothing_that_was_acknowledged() {
    let script = script();
    let mut whole = world();
    whole.open_all();
    let mut worlds = Vec::new();
    for step in &script {
        worlds.push(whole.copy());
        whole.step(step);
    }
    assert!(whole.told.denied >= 3 && whole.told.reconsidered > 0, "{:?}", whole.told);
    whole.settle();

    let cuts: Vec<_> =
        worlds.iter().enumerate().flat_map(|(at, world)| cuts_in(world, &script[at..])).collect();
    let (next, looked_at) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // So that two processors have something to do.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((number, cut)) = next_of(&cuts, &next) {
                    let place = (script.len() - cut.steps.len(), cut.part, cut.operation);
                    println!("cut {number}: step, part and operation are {place:?}");
                    looked_at.fetch_add(play(number, cut), Ordering::Relaxed);
                }
            });
        }
    });
    let of = |part| cuts.iter().filter(|cut| cut.part == part).count();
    let (looked_at, of) = (looked_at.into_inner(), [of(0), of(1), of(SERVER)]);
    println!("{} cuts, {of:?} by part; {looked_at} files looked at", cuts.len());
    assert!(of.iter().all(|cuts| *cuts > 50), "{of:?}");
    assert!(looked_at > cuts.len());
}

fn next_of<'a, T>(of: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    of.get(number).map(|thing| (number, thing))
}
