//! The real transport on a network that loses, doubles, delays and reorders packets, and is cut in
//! between: quinn and rustls on a clock that goes as fast as nobody waits. The same seed, the same
//! packets.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../store/memory.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod memory;
mod network;
mod world;

use network::Packet;
use world::Report;

/// Seeds of one run of the tests, from [`FROM`] on.
const SEEDS: u64 = 24;
const FROM: u64 = 1;

fn seeds() -> std::ops::Range<u64> {
    let asked = |name| std::env::var(name).ok().map(|it| it.parse().expect("a number"));
    let from = asked("TIDEGATE_LOSSY_FROM").unwrap_or(FROM);
    from..from + asked("TIDEGATE_LOSSY_COUNT").unwrap_or(SEEDS)
}

/// One world from its seed, until it has settled.
fn run(seed: u64) -> Report {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(world::run(seed))
}

#[test]
fn what_is_edited_on_a_lossy_network_arrives_everywhere_once() {
    let mut all = Report::default();
    for seed in seeds() {
        all.add(&run(seed));
    }
    let Report { packets, sessions, simulated } = all;
    let fates = |is_it: fn(&Packet) -> bool| packets.iter().filter(|it| is_it(it)).count();
    let (lost, doubled) = (fates(|it| it.copies == 0), fates(|it| it.copies > 1));
    let count = packets.len();
    println!("{count} packets, {lost} lost, {doubled} doubled, {sessions} sessions, {simulated:?}");
    // Worlds in which nothing happens would prove nothing.
    let worlds = seeds().count();
    assert!(lost > 10 * worlds && doubled > worlds, "the network is too good");
    assert!(sessions > 3 * worlds, "no session was ever lost");
}

#[test]
fn the_same_seed_sends_the_same_packets_and_another_seed_others() {
    let (one, again, other) = (run(7), run(7), run(8));
    for (at, (one, again)) in one.packets.iter().zip(&again.packets).enumerate() {
        assert_eq!(one, again, "packet {at}");
    }
    assert_eq!(one.packets.len(), again.packets.len());
    assert_ne!(one.packets, other.packets);
}
