//! Three hundred live devices on one server, for a while, and one that means harm beside them: what it
//! costs the others, what the server holds in memory, and that nothing is lost. With it and without it
//! take turns in one run.
//!
//! `cargo bench --bench isolation -- --seconds N [--calm] [--cache MEBIBYTES]`; with `--calm` there is no
//! hostile one, and with `--cache` the server keeps so much of its file in memory.

mod device;
mod hostile;
mod office;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use device::Admitted;
use tidegate::server::{Limits, Server, ServerOptions};
use tidegate::store::RedbServer;
use tidegate::sync::ServerStore as _;
use tokio::sync::mpsc;

/// As the command has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever goes wrong ends the bench.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SECONDS: u64 = 60;
/// How long the hostile one is there, and then not.
const PHASE: Duration = Duration::from_secs(10);
/// So long after a change of phase nothing is counted.
const PAUSE: Duration = Duration::from_secs(1);

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let at = args.iter().position(|it| it == name)?;
        args.get(at + 1).cloned()
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Some(path) = after("--serve") {
        let cache = after("--cache").map(|it| it.parse()).transpose()?;
        return runtime.block_on(serve(Path::new(&path), cache));
    }
    if let Some(address) = after("--harm") {
        return runtime.block_on(hostile::run(address));
    }
    let seconds = after("--seconds").map_or(Ok(SECONDS), |it| it.parse())?;
    let is_calm = args.iter().any(|it| it == "--calm");
    runtime.block_on(run(Duration::from_secs(seconds), is_calm, after("--cache")))
}

/// The server, until its input ends.
async fn serve(path: &Path, cache: Option<u32>) -> Outcome<()> {
    let options = ServerOptions {
        goes_on: false,
        listen: "127.0.0.1:0".parse()?,
        file: path,
        identity: office::identity(),
        tls_key: office::tls_key(),
        rules: office::rules()?,
    };
    let mut limits = Limits::default();
    limits.cache_mebibytes = cache.unwrap_or(limits.cache_mebibytes);
    let server = Server::start_within(options, limits)?;
    println!("{}", server.local_addr()?);
    tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().count()).await?;
    server.stop().await;
    Ok(())
}

/// Another process of this program; it ends with its input.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
}

impl Process {
    fn start(mut command: Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }

    fn tell(&mut self, line: &str) -> Outcome<()> {
        Ok(writeln!(self.input.as_mut().ok_or("its input is open")?, "{line}")?)
    }

    /// What the system says that it holds, in MiB.
    fn memory_mib(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1_024.0)
    }

    fn end(mut self) -> Outcome<()> {
        drop(self.input.take());
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
    }
}

async fn run(lasts: Duration, is_calm: bool, cache: Option<String>) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let path: PathBuf = dir.path().join("server.redb");
    office::make(&path)?;
    let exe = std::env::current_exe()?;
    let mut command = Command::new(&exe);
    command.arg("--serve").arg(&path);
    if let Some(mebibytes) = cache {
        command.arg("--cache").arg(mebibytes);
    }
    let mut server = Process::start(command)?;
    let mut address = String::new();
    BufReader::new(server.child.stdout.take().ok_or("no output")?).read_line(&mut address)?;
    let address = address.trim().to_owned();

    // Elsewhere it would have a machine of its own: here it gets what the others leave.
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(&exe).arg("--harm").arg(&address);
    let mut hostile = Process::start(command)?;

    let (told, mut answers) = mpsc::unbounded_channel();
    let mut devices = tokio::task::JoinSet::new();
    for number in 1..=office::DEVICES {
        devices.spawn(device::run(number, address.clone(), told.clone(), office::DEVICES));
    }
    drop(told);
    // The first answer comes when one has made its records; all have when all are at it.
    let mut all = vec![answers.recv().await.ok_or("no device is at work")?];
    tokio::time::sleep(PHASE).await;
    let seen = watch(&server, &mut hostile, &mut devices, (lasts, is_calm)).await?;
    answers.close();
    while let Some(answer) = answers.recv().await {
        all.push(answer);
    }
    devices.shutdown().await;
    hostile.end()?;
    server.end()?;
    report(&seen, &all);
    look_for(&path, &all)
}

/// A time in which the hostile one was there, or not.
struct Phase {
    is_hostile: bool,
    from: Instant,
    to: Instant,
    memory_mib: f64,
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
async fn watch(
    server: &Process,
    hostile: &mut Process,
    devices: &mut tokio::task::JoinSet<Outcome<()>>,
    (lasts, is_calm): (Duration, bool),
) -> Outcome<Vec<Phase>> {
    let mut seen: Vec<Phase> = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < lasts {
        let is_hostile = !is_calm && seen.len() % 2 == 1;
        hostile.tell(if is_hostile { "on" } else { "off" })?;
        let from = Instant::now() + PAUSE;
        tokio::select! {
            biased;
            Some(ended) = devices.join_next() => {
                ended??;
                return Err("a device has ended".into());
            }
            () = tokio::time::sleep(PHASE) => {}
        }
        let memory_mib = server.memory_mib()?;
        seen.push(Phase { is_hostile, from, to: Instant::now(), memory_mib });
    }
    hostile.tell("off")?;
    Ok(seen)
}

fn report(seen: &[Phase], all: &[Admitted]) {
    let within = |phase: &Phase| -> Vec<f64> {
        let counted = all.iter().filter(|it| phase.from <= it.sent && it.sent < phase.to);
        counted.map(|it| it.took.as_secs_f64() * 1_000.0).collect()
    };
    println!("{} devices, an edit of each every 5 s", office::DEVICES);
    println!(
        "{:<10} {:>8} {:>12} {:>12} {:>14}",
        "hostile", "edits", "median ms", "p99 ms", "server MiB"
    );
    let mut both = [Vec::new(), Vec::new()];
    for phase in seen {
        let times = within(phase);
        line(if phase.is_hostile { "yes" } else { "no" }, &times, Some(phase.memory_mib));
        if let Some(of) = both.get_mut(usize::from(phase.is_hostile)) {
            of.extend(times);
        }
    }
    let [without, with] = both;
    line("all: no", &without, None);
    if !with.is_empty() {
        line("all: yes", &with, None);
        println!("median {:.2} times", at(&with, 0.5) / at(&without, 0.5));
    }
}

fn line(what: &str, times: &[f64], memory_mib: Option<f64>) {
    let memory = memory_mib.map_or(String::new(), |it| format!("{it:.1}"));
    let (median, late) = (at(times, 0.5), at(times, 0.99));
    println!("{what:<10} {:>8} {median:>12.2} {late:>12.2} {memory:>14}", times.len());
}

/// The time that this part of all stayed below.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place in a list of thousands"
)]
fn at(times: &[f64], part: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let place = (times.len() as f64 * part) as usize;
    times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Whether the server's file has all that devices were told is admitted.
fn look_for(path: &Path, all: &[Admitted]) -> Outcome<()> {
    let store = RedbServer::open(path)?;
    for it in all {
        if store.admitted(it.edit)?.is_none() {
            return Err(format!("{:?} was admitted and is lost", it.edit).into());
        }
    }
    println!("{} edits were admitted, and none is lost", all.len());
    Ok(())
}
