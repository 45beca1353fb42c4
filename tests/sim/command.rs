//! The simulation as a program: `cargo run --release --example sim -- --from 1 --count 1000`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::similar_names,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "a test fails by panicking, and speaks of an owner who is owned"
)]

mod app;
mod byzantine;
mod device;
mod disk;
mod fault;
mod fetches;
mod figures;
mod hunt;
mod judge;
mod links;
mod merge;
mod network;
mod oracle;
mod people;
mod planted;
mod privileges;
mod profiles;
mod rng;
mod rot;
mod server;
mod tamper;
mod trouble;
mod wire;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fault::Faults;
use figures::Figures;
use hunt::{Found, minimized, run_all};
use planted::Planted;
use world::Plan;

const USAGE: &str = "usage: sim [--from SEED] [--count N] [--faults KIND,KIND|none|all] \
                     [--planted BUG] [--json]";

struct Options {
    from: u64,
    count: u64,
    faults: Option<Faults>,
    planted: Option<Planted>,
    json: bool,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { from: 1, count: 1_000, faults: None, planted: None, json: false };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            let number = |text: String| text.parse().map_err(|_| format!("`{text}` is no number"));
            match argument.as_str() {
                "--from" => options.from = number(value()?)?,
                "--count" => options.count = number(value()?)?,
                "--faults" => options.faults = Some(value()?.parse()?),
                "--planted" => options.planted = Some(value()?.parse()?),
                "--json" => options.json = true,
                other => return Err(format!("`{other}` is unknown\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    figures: Figures,
    failed: Vec<(u64, Faults, String)>,
}

#[expect(clippy::disallowed_methods, reason = "it says how long it took")]
fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let Options { from, count, faults, planted, json } = options;
    let began = Instant::now();
    let sum = Mutex::new(Sum::default());
    let plan = Plan { faults, planted, ..Plan::of(from) };
    run_all(from, count, plan, &|seed, found: &Found| {
        let mut sum = sum.lock().unwrap();
        sum.seeds += 1;
        sum.figures.add(&found.figures);
        if let Some(problem) = &found.problem {
            eprintln!("seed {seed} fails: {problem:.600}");
            sum.failed.push((seed, found.faults, problem.clone()));
        }
        let Sum { seeds, failed, .. } = &*sum;
        if seeds % 100 == 0 {
            eprintln!("{seeds} of {count} seeds, {} failed, {:.0?}", failed.len(), began.elapsed());
        }
    });
    let took = began.elapsed();
    let mut sum = sum.into_inner().unwrap();
    sum.failed.sort_by_key(|(seed, ..)| *seed);
    if json {
        print_json(&sum, took);
    } else {
        print_table(&sum, took);
    }
    // Each takes some dozens of runs.
    for (seed, faults, _) in sum.failed.iter().take(10) {
        let least = minimized(Plan { seed: *seed, ..plan }, *faults);
        eprintln!(
            "seed {seed} fails with {least}; replay: TIDEGATE_SIM_TRACE=1 cargo run --release \
             --example sim -- --from {seed} --count 1 --faults {least}"
        );
    }
    if sum.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many times faster than the clock of the worlds.
fn speed(sum: &Sum, took: Duration) -> f64 {
    sum.figures.simulated().as_secs_f64() / took.as_secs_f64().max(f64::EPSILON)
}

fn print_table(sum: &Sum, took: Duration) {
    let line = |name: &str, value: &dyn std::fmt::Display| println!("{name:<28} {value:>14}");
    line("seeds", &sum.seeds);
    line("seeds that fail", &sum.failed.len());
    line("simulated device-hours", &sum.figures.device_hours());
    for (name, count) in sum.figures.counts() {
        line(&name.replace('_', " "), &count);
    }
    line("seconds", &format!("{:.1}", took.as_secs_f64()));
    line("simulated over real time", &format!("{:.0}", speed(sum, took)));
}

fn print_json(sum: &Sum, took: Duration) {
    let mut json = serde_json::Map::new();
    let mut put = |name: &str, value: serde_json::Value| drop(json.insert(name.into(), value));
    put("seeds", sum.seeds.into());
    put("failed", sum.failed.iter().map(|(seed, ..)| *seed).collect());
    put("device_hours", sum.figures.device_hours().into());
    for (name, count) in sum.figures.counts() {
        put(name, count.into());
    }
    put("seconds", took.as_secs_f64().into());
    put("simulated_over_real", speed(sum, took).into());
    println!("{}", serde_json::Value::Object(json));
}
