//! All hostile bytes in a process of its own: what it holds at the most is measured, and where it
//! is built with `panic = "abort"` (`--profile abort`), nothing can have been caught.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it fails where it stands"
)]

mod bombs;
mod files;
mod heavy;
#[path = "../store/memory.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod memory;
#[path = "../common/mutant.rs"]
mod mutant;
mod mutants;
#[path = "../merge/replicas.rs"]
#[allow(dead_code, reason = "the tests of merging use the rest")]
mod replicas;
mod server;

/// What the process may hold at the most, code and stacks included.
const PEAK_BYTES_MAX: u64 = 100 << 20;

/// The most that the process held so far; `None` where the system does not say.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

fn main() {
    let parts: [(&str, fn()); 11] = [
        ("files that crash Automerge", files::what_crashes_automerge_is_refused_by_every_reader),
        ("mutants of change sets", mutants::mutants_of_change_sets_are_refused_or_judged),
        ("mutants of signed bytes", mutants::mutants_of_signed_bytes_never_verify),
        ("operations that do not fit", mutants::what_does_not_fit_its_value_is_malformed),
        ("counts that lie", bombs::counts_that_lie_cost_nothing),
        ("depth", bombs::depth_is_refused_before_it_is_followed),
        ("a text that grows", bombs::a_text_cannot_grow_without_end),
        ("sizes", bombs::what_is_read_stays_near_what_was_sent),
        ("over the bounds", heavy::what_is_over_a_bound_is_refused_by_its_name),
        ("at the bounds", heavy::what_keeps_to_every_bound_is_judged),
        ("frames", heavy::frames_of_the_greatest_size_are_read_or_refused),
    ];
    for (name, part) in parts {
        part();
        match peak_bytes() {
            Some(peak) => println!("{name}: refused or judged; {} MB so far", peak >> 20),
            None => println!("{name}: refused or judged; memory is not measured on this system"),
        }
    }
    let peak = peak_bytes().unwrap_or_default();
    assert!(peak < PEAK_BYTES_MAX, "{peak} bytes in memory, at most {PEAK_BYTES_MAX} are allowed");
}
