//! The story itself. Each step does something real and tells what came of it.

use serde_json::json;

use super::cast::{Cast, Change};
use super::world::{Device, World};
use crate::cli::CliError;
use crate::model::{Columns, RecordId};
use crate::replica::{Draft, EditError, Intent, SyncReport};

/// Tells the story, or keeps quiet where a script only wants the figures.
struct Narrator {
    quiet: bool,
    chapter: u32,
}

impl Narrator {
    fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        self.say(&format!("\n{}. {title}", self.chapter));
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            println!("{text}");
        }
    }

    fn synced(&self, device: &Device, report: &SyncReport) {
        let (totals, traffic) = (report.totals, report.traffic);
        self.say(&format!(
            "   {:<14} {:>3} admitted, {} denied, {:>5} rows changed, {:>9} bytes sent, {:>9} received",
            device.name,
            totals.admitted,
            totals.denied,
            totals.changed_rows,
            traffic.sent_bytes,
            traffic.received_bytes
        ));
    }
}

pub(super) async fn tell(cast: Cast, quiet: bool) -> Result<(), CliError> {
    let mut narrator = Narrator { quiet, chapter: 0 };
    narrator.say(&format!("Tidegate demo: {}", cast.title));
    let world = World::start(&cast)?;
    let path = world.path().display();
    narrator.say(&format!("Everything is in {path} and goes at the end."));

    let mut devices = gather(&mut narrator, &cast, &world).await?;
    part_ways(&mut narrator, &cast, &devices).await?;
    narrator.chapter("Meanwhile an administrator changes the policy on the server.");
    world.take_right(&cast).await?;
    narrator.say(&format!("   From now on {}. The devices do not know yet.", cast.lost));
    let denied = reunite(&mut narrator, &cast, &mut devices).await?;
    let outcome = compare(&mut narrator, &cast, &devices)?;
    world.stop().await;
    cast.documents.close().map_err(CliError::run)?;

    let sent: u64 = devices.iter().map(|device| device.traffic.sent_bytes).sum();
    let received: u64 = devices.iter().map(|device| device.traffic.received_bytes).sum();
    if quiet {
        let answer = json!({
            "records": outcome.records,
            "compared": outcome.compared,
            "heads_equal": outcome.different == 0,
            "denied": denied,
            "sent_bytes": sent,
            "received_bytes": received,
        });
        println!("{answer}");
    }
    narrator.say(&format!("\nOn the wire in all (UDP payload): {sent} bytes up, {received} down."));
    if outcome.different > 0 || denied == 0 {
        return Err(CliError::Run(format!(
            "{} records differ between replicas, {denied} edits were denied (one should be)",
            outcome.different
        )));
    }
    Ok(())
}

/// Chapter 1: devices enrol, records arrive.
async fn gather(
    narrator: &mut Narrator,
    cast: &Cast,
    world: &World,
) -> Result<Vec<Device>, CliError> {
    narrator.chapter("A server starts, and four devices of three users enrol with one-time codes.");
    let mut office = world.enroll("office", &cast.importer).await?;
    narrator.say(&format!(
        "   `{}` imports the records; they are on that device at once, and pending:",
        cast.importer
    ));
    for source in &cast.sources {
        let report = office.import(source).await?;
        narrator.say(&format!("   {:<20} {:>6} rows", source.table.as_str(), report.changed));
    }
    let report = office.sync().await?;
    narrator.synced(&office, &report);
    let mut devices = vec![office];
    for (name, user) in
        [("phone", &cast.worker), ("tablet", &cast.worker), ("other phone", &cast.other)]
    {
        let device = world.enroll(name, user).await?;
        let status = device.replica.status().map_err(CliError::run)?;
        let rows: u64 = status.rows.values().sum();
        narrator.say(&format!(
            "   {name:<14} of `{user}`: {rows} rows, what this user may read; {} bytes received",
            device.traffic.received_bytes
        ));
        devices.push(device);
    }
    Ok(devices)
}

async fn set(device: &Device, cast: &Cast, id: RecordId, change: &Change) -> Result<(), EditError> {
    let columns = Columns::from([(change.column.clone(), change.value.clone())]);
    let draft = Draft { table: cast.table.clone(), record: id, intent: Intent::Set(columns) };
    device.replica.commit(vec![draft]).await.map(|_| ())
}

/// Chapter 2: all edit without a connection.
async fn part_ways(
    narrator: &mut Narrator,
    cast: &Cast,
    devices: &[Device],
) -> Result<(), CliError> {
    let [office, phone, tablet, other] = devices else {
        return Err(CliError::Run("the story has four devices".into()));
    };
    narrator.chapter("All go offline, and edit the same records.");
    for (device, change) in [phone, tablet, office].into_iter().zip(&cast.concurrent) {
        set(device, cast, cast.shared, change).await.map_err(CliError::run)?;
        narrator.say(&format!(
            "   {:<14} {} {:.8}: {}",
            device.name,
            cast.table,
            cast.shared.to_string(),
            change.text()
        ));
    }
    for change in [&cast.lookup, &cast.after] {
        set(other, cast, cast.own, change).await.map_err(CliError::run)?;
        narrator.say(&format!(
            "   {:<14} {} {:.8}: {}",
            other.name,
            cast.table,
            cast.own.to_string(),
            change.text()
        ));
    }
    let [change, ..] = &cast.concurrent;
    match set(other, cast, cast.shared, change).await {
        Err(EditError::Denied(denial)) => {
            narrator.say(&format!(
                "   {:<14} tries {} {:.8}, which belongs to `{}`. Its own gate says no, and nothing is stored:",
                other.name, cast.table, cast.shared.to_string(), cast.worker
            ));
            narrator.say(&format!("                  {denial}"));
            Ok(())
        }
        Err(error) => Err(CliError::run(error)),
        Ok(()) => Err(CliError::Run("a row of someone else could be edited".into())),
    }
}

/// Chapter 4: all sync. Returns how many edits were denied.
async fn reunite(
    narrator: &mut Narrator,
    cast: &Cast,
    devices: &mut [Device],
) -> Result<u64, CliError> {
    narrator.chapter("The devices find the network again, one after the other.");
    let mut denied = 0;
    for device in devices.iter_mut() {
        let report = device.sync().await?;
        denied += report.totals.denied;
        narrator.synced(device, &report);
    }
    // What the later ones brought.
    for device in devices.iter_mut() {
        let report = device.sync().await?;
        narrator.synced(device, &report);
    }
    narrator.chapter("What was merged, what was denied, and what was kept.");
    for device in devices.iter() {
        for entry in device.replica.quarantine().map_err(CliError::run)? {
            let what: Vec<_> = entry.ops.iter().map(ToString::to_string).collect();
            narrator.say(&format!(
                "   {}: edit {} was denied by the server and rolled back.\n      what: {}\n      why:  {}\n      kept: in quarantine on that device, to be retried or discarded",
                device.name, entry.edit, what.join(", "), entry.denial
            ));
        }
    }
    if let Some(device) = devices.last() {
        show(
            narrator,
            cast,
            device,
            "the denied edit is gone, the one after it counts",
            cast.own,
            &[&cast.lookup, &cast.after],
        )?;
    }
    if let Some(device) = devices.first() {
        let [first, _, third] = &cast.concurrent;
        show(
            narrator,
            cast,
            device,
            "two devices set the same column and one of them wins everywhere; the other column merges",
            cast.shared,
            &[first, third],
        )?;
    }
    Ok(denied)
}

fn show(
    narrator: &Narrator,
    cast: &Cast,
    device: &Device,
    what: &str,
    id: RecordId,
    changes: &[&Change],
) -> Result<(), CliError> {
    let row = device.replica.get(&cast.table, id).map_err(CliError::run)?;
    let row = row.ok_or_else(|| CliError::Run(format!("record {id} is not on {}", device.name)))?;
    narrator.say(&format!("   {} {:.8}: {what}", cast.table, id.to_string()));
    for change in changes {
        narrator.say(&format!("      {} = {}", change.column, row.get(change.column.as_str())));
    }
    Ok(())
}

struct Outcome {
    records: usize,
    compared: usize,
    different: usize,
}

/// Chapter 6: rebuilds every confirmed record on every device, and compares.
fn compare(narrator: &mut Narrator, cast: &Cast, devices: &[Device]) -> Result<Outcome, CliError> {
    narrator.chapter("Are all replicas equal?");
    let [all, some @ ..] = devices else { return Err(CliError::Run("no devices".into())) };
    let reference = all.heads()?;
    let (mut compared, mut different) = (0, 0);
    for device in some {
        let heads = device.heads()?;
        let own = heads
            .iter()
            .filter(|(id, sections)| {
                // A section that its user may not read is not on the device.
                let there = reference.get(id);
                !there.is_some_and(|there| {
                    sections.iter().all(|(key, it)| there.get(key) == Some(it))
                })
            })
            .count();
        narrator.say(&format!(
            "   {:<14} {:>6} records, rebuilt as Automerge documents; {} differ from the office's",
            device.name,
            heads.len(),
            own
        ));
        compared += heads.len();
        different += own;
        let pending = device.replica.status().map_err(CliError::run)?.pending;
        if pending > 0 {
            return Err(CliError::Run(format!(
                "{} still has {pending} pending edits",
                device.name
            )));
        }
    }
    let verdict = if different == 0 { "Yes: all heads are equal" } else { "NO" };
    narrator.say(&format!(
        "   {verdict} ({compared} records compared with the {} that `{}` has).",
        reference.len(),
        cast.importer
    ));
    Ok(Outcome { records: reference.len(), compared, different })
}
