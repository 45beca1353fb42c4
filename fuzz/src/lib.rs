//! What the fuzz targets do with their bytes. The same functions run over the committed inputs in
//! `cargo test`.
//!
//! Where a target is made of steps, each four bytes of the input are the seed of one: the fuzzer
//! chooses which steps there are and in which order, and what each draws is valid by construction.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a finding is a panic; the modules of the tests are used in part"
)]

#[path = "../../tests/store/data.rs"]
mod data;
mod decoders;
#[path = "../../tests/store/disk.rs"]
mod disk;
mod filters;
mod histories;
mod judgments;
#[path = "../../tests/store/memory.rs"]
mod memory;
#[path = "../../tests/common/mutant.rs"]
mod mutant;
#[path = "../../tests/common/naive.rs"]
mod naive;
#[path = "../../tests/common/naive_structure.rs"]
mod naive_structure;
#[path = "../../tests/merge/network.rs"]
mod network;
#[path = "../../tests/gate/random.rs"]
mod random;
#[cfg(test)]
mod replay;
#[path = "../../tests/merge/replicas.rs"]
mod replicas;
mod sequences;
#[path = "../../tests/hostile/server.rs"]
mod server;
mod stores;

pub use decoders::decode;
pub use histories::ingress;
pub use judgments::gate;
pub use sequences::sessions;
pub use stores::store;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 5] = [
    ("decode", decode),
    ("gate", gate),
    ("ingress", ingress),
    ("sessions", sessions),
    ("store", store),
];

/// At most so many steps of an input are taken: longer ones find nothing that shorter ones do not,
/// and take long.
const STEPS_MAX: usize = 32;

/// The seeds of the steps of an input. The same four bytes draw something else in another place: no
/// two steps choose the same "random" actor.
fn steps(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let seed = |(number, step): (usize, &[u8])| {
        let mut whole = [0; 8];
        whole[..step.len()].copy_from_slice(step);
        whole[7] = u8::try_from(number).unwrap();
        u64::from_le_bytes(whole)
    };
    bytes.chunks(4).take(STEPS_MAX).enumerate().map(seed)
}
