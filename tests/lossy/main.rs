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

use std::time::Duration;

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

/// On a clock of its own.
fn paused<T>(of: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(of)
}

/// One world from its seed, until it has settled.
fn run(seed: u64) -> Report {
    paused(world::run(seed))
}

#[test]
fn what_is_edited_on_a_lossy_network_arrives_everywhere_once() {
    let mut all = Report::default();
    for seed in seeds() {
        all.add(&run(seed));
    }
    let Report { packets, sessions, spoken, simulated } = all;
    let fates = |is_it: fn(&Packet) -> bool| packets.iter().filter(|it| is_it(it)).count();
    let (lost, doubled) = (fates(|it| it.copies == 0), fates(|it| it.copies > 1));
    let count = packets.len();
    println!(
        "{count} packets, {lost} lost, {doubled} doubled, {sessions} sessions (in {spoken} the device spoke first), {simulated:?}"
    );
    // Worlds in which nothing happens would prove nothing.
    let worlds = seeds().count();
    assert!(lost > 10 * worlds && doubled > worlds, "the network is too good");
    assert!(sessions > 3 * worlds, "no session was ever lost");
    assert!(spoken > worlds / 2, "no device ever spoke first");
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

#[test]
fn who_is_up_to_date_and_comes_again_needs_one_round_trip_and_a_hundred_bytes() {
    let way = Duration::from_millis(100);
    let (visits, handshake) = (paused(world::visits(4, way)), paused(world::resumed(way)));
    println!("a connection that is resumed takes {handshake} bytes; {visits:?}");
    let [first, again @ ..] = &visits[..] else { panic!("no visit") };
    assert!(!first.device_spoke && first.took >= 6 * way, "the first is greeted");
    for visit in again {
        assert!(visit.device_spoke);
        assert!(visit.took < 3 * way, "{visit:?}");
        assert!(visit.bytes <= handshake + 100, "{visit:?}");
    }
}

#[test]
fn a_device_that_a_server_makes_wait_is_not_cut_off_and_one_whose_line_is_cut_is() {
    let silence = Duration::from_secs(300);
    assert!(paused(world::is_there_after(silence, false)));
    assert!(!paused(world::is_there_after(silence, true)));
}
