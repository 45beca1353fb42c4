//! Every committed input again: those that were findings once, and those that lead into each corner;
//! and some that nobody has looked at.

use std::fs;
use std::path::Path;

use crate::TARGETS;
use crate::replicas::Rng;

/// Inputs drawn here for each target.
const DRAWN: u64 = 30;

/// The committed inputs of a target, with their names.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let input = |entry: fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap())
    };
    let mut inputs: Vec<_> = entries.map(|entry| input(entry.unwrap())).collect();
    inputs.sort();
    inputs
}

#[track_caller]
fn replay(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|it| it.0 == name).unwrap();
    let inputs = inputs(name);
    assert!(inputs.len() > 5, "{} committed inputs", inputs.len());
    for (input, bytes) in &inputs {
        println!("fuzz/seeds/{name}/{input}");
        target(bytes);
    }
    for seed in 0..DRAWN {
        println!("{name}, seed {seed}");
        let mut rng = Rng(seed);
        let bytes: Vec<u8> = (0..8 + rng.below(100)).map(|_| rng.next().to_le_bytes()[0]).collect();
        target(&bytes);
    }
}

#[test]
fn decoders_stand_all_committed_inputs() {
    replay("decode");
}

#[test]
fn the_gate_and_the_model_agree_on_all_committed_inputs() {
    replay("gate");
}

#[test]
fn the_way_in_stands_all_committed_inputs() {
    replay("ingress");
}

#[test]
fn machines_stand_all_committed_inputs() {
    replay("sessions");
}

#[test]
fn stores_keep_what_they_acknowledged_on_all_committed_inputs() {
    replay("store");
}
