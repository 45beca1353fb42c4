//! Power cuts, as near as a test comes to them: `kill -9` in the middle of imports and syncs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::model::Sequence;
use tidegate::store::RedbServer;
use tidegate::sync::ServerStore as _;

use crate::process::Running;
use crate::world::World;

/// Rounds of the soak, and rows that each device makes in one.
const SOAK_ROUNDS: usize = 3;
const SOAK_ROWS: usize = 25;

/// Chooses moments and victims; the same seed chooses the same.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let seed = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(20_251_120);
        println!("TIDEGATE_SEED={seed}");
        Self(seed)
    }

    /// Less than `bound`: SplitMix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// Lets the others run for a while. This waits for nothing: it chooses when they are killed.
    fn moment(&mut self, millis: u64) {
        sleep(Duration::from_millis(self.below(millis)));
    }
}

/// A device whose live sync is killed and started again.
struct Device {
    name: &'static str,
    live: Option<Running>,
    /// Places in the server's log of edits that the device said were admitted.
    acknowledged: BTreeSet<u64>,
}

impl Device {
    fn new(name: &'static str) -> Self {
        Self { name, live: None, acknowledged: BTreeSet::new() }
    }

    fn start(&mut self, world: &World) {
        if self.live.is_none() {
            self.live = Some(world.start_device(self.name, &["sync", "--live", "--json"]));
        }
    }

    fn kill(&mut self) {
        let Some(mut process) = self.live.take() else { return };
        process.kill();
        for line in process.rest() {
            // The last line may be torn.
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            match line["event"].as_str().unwrap() {
                "admitted" => {
                    let fresh = self.acknowledged.insert(line["sequence"].as_u64().unwrap());
                    assert!(fresh, "{} was told twice: {line}", self.name);
                }
                "denied" => panic!("{}: {line}", self.name),
                _ => {}
            }
        }
    }
}

fn id(number: usize) -> String {
    format!("01900000-0000-7000-8000-{number:012}")
}

/// Rows `numbers` with what `cells` says of each.
fn csv(header: &str, numbers: std::ops::Range<usize>, cells: impl Fn(usize) -> String) -> String {
    let mut text = format!("id,{header}\n");
    for number in numbers {
        writeln!(text, "{},{}", id(number), cells(number)).unwrap();
    }
    text
}

/// Kills imports, then imports again: each row is there once, and pending once.
fn import_in_pieces(world: &World, chance: &mut Chance, device: &str, file: &str, rows: usize) {
    let pending = world.status(device)["pending"].as_u64().unwrap();
    for _ in 0..2 {
        let mut import = world.start_device(device, &["import", "work_order", file, "--json"]);
        chance.moment(250);
        import.kill();
        let now = world.status(device)["pending"].as_u64().unwrap();
        let done = now - pending;
        // A thousand rows are one durable step.
        assert!(done == rows as u64 || done.is_multiple_of(1_000), "{done} of {rows}");
        println!("{device}: import of {file} killed after {done} of {rows}");
    }
    let report = world.device(device, &["import", "work_order", file, "--json"]).json();
    let (changed, same) = (&report["changed"], &report["unchanged"]);
    assert_eq!(changed.as_u64().unwrap() + same.as_u64().unwrap(), rows as u64, "{report}");
    assert_eq!(world.status(device)["pending"], json!(pending + rows as u64));
}

/// Syncs live on both devices, and kills one or all of them and the server, time and again.
fn sync_under_fire(
    world: &World,
    chance: &mut Chance,
    server: &mut Running,
    devices: &mut [Device; 2],
    rounds: u32,
) {
    for round in 0..rounds {
        for device in devices.iter_mut() {
            device.start(world);
        }
        chance.moment(1_500);
        let victims = 1 + chance.below(7);
        if victims & 1 != 0 {
            server.kill();
        }
        for (at, device) in devices.iter_mut().enumerate() {
            if victims & (2 << at) != 0 {
                device.kill();
            }
        }
        if victims & 1 != 0 {
            *server = world.serve("acme");
        }
        let told: Vec<_> = devices.iter().map(|it| it.acknowledged.len()).collect();
        println!("round {round}: killed {victims:03b}, acknowledged so far {told:?}");
    }
    devices.iter_mut().for_each(Device::kill);
    server.kill();
    *server = world.serve("acme");
}

/// What must hold when all have synced in peace.
fn settle(world: &World, devices: &[Device; 2], edits: u64) {
    for device in [&devices[0], &devices[1], &devices[0]] {
        world.sync(device.name);
    }
    for device in devices {
        let status = world.status(device.name);
        assert_eq!((&status["pending"], &status["quarantined"]), (&json!(0), &json!(0)));
        // Each edit has one place in the log: none is lost, and none counts twice.
        assert_eq!(status["watermark"], json!(edits), "{status}");
    }
}

/// Where in the log the edits of each device are.
fn places(world: &World) -> BTreeMap<u32, Vec<u64>> {
    let store = RedbServer::open(world.path("acme/server.redb")).unwrap();
    let mut places: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for entry in store.log_after(Sequence(0), usize::MAX).unwrap() {
        let edit = entry.edit().unwrap();
        places.entry(edit.id.device.0).or_default().push(entry.sequence.0);
    }
    places
}

#[test]
fn nothing_is_lost_or_done_twice_where_server_and_devices_are_killed() {
    const ALICE: usize = 2_400;
    const ALL: usize = 3_600;
    const SHARED: usize = 600;

    let world = World::new();
    let mut chance = Chance::new();
    world.init("acme", &[]);
    let mut server = world.serve("acme");
    let mut devices = [Device::new("alice"), Device::new("bob")];
    for device in &devices {
        world.enroll("acme", device.name, device.name);
    }
    let title = |number| format!("Order {number}");
    world.write("alice.csv", csv("title", 0..ALICE, title));
    world.write("bob.csv", csv("title", ALICE..ALL, title));
    import_in_pieces(&world, &mut chance, "alice", "alice.csv", ALICE);
    import_in_pieces(&world, &mut chance, "bob", "bob.csv", ALL - ALICE);

    sync_under_fire(&world, &mut chance, &mut server, &mut devices, 7);
    settle(&world, &devices, ALL as u64);
    world.enroll("acme", "admin", "first");
    let rows = world.rows("first", "work_order");
    assert_eq!(rows.len(), ALL);
    for number in 0..ALL {
        let row = &rows[&id(number)];
        assert_eq!(row["columns"], json!({ "title": title(number) }));
        assert_eq!(row["owner"], if number < ALICE { "user:alice" } else { "user:bob" });
    }
    // What a device was told is admitted is there, at the place that it was told.
    server.kill();
    let places = places(&world);
    server = world.serve("acme");
    for (number, device) in (1..).zip(&devices) {
        let of_device: BTreeSet<_> = places[&number].iter().copied().collect();
        assert!(device.acknowledged.is_subset(&of_device), "{} lost an edit", device.name);
    }

    // Both change the same rows, and are killed again.
    world.write("alice.csv", csv("title,status", 0..SHARED, |it| format!("By alice {it},open")));
    world.write("bob.csv", csv("title,hours", 0..SHARED, |it| format!("By bob {it},{it}.25")));
    import_in_pieces(&world, &mut chance, "alice", "alice.csv", SHARED);
    import_in_pieces(&world, &mut chance, "bob", "bob.csv", SHARED);
    sync_under_fire(&world, &mut chance, &mut server, &mut devices, 4);
    settle(&world, &devices, (ALL + 2 * SHARED) as u64);

    world.enroll("acme", "admin", "second");
    let rows = world.rows("second", "work_order");
    assert_eq!(rows.len(), ALL);
    for number in 0..SHARED {
        let columns = &rows[&id(number)]["columns"];
        assert_eq!(columns["status"], "open");
        assert_eq!(columns["hours"], json!(format!("{number}.25")));
        let title = columns["title"].as_str().unwrap();
        assert!(title == format!("By alice {number}") || title == format!("By bob {number}"));
    }
    world.sync("first");
    for device in ["alice", "bob", "first"] {
        assert!(world.rows(device, "work_order") == rows, "{device} differs");
    }
}

/// The imports of a round: new rows, and a change of those of the round before. One of the devices is
/// killed in the middle of it. Returns how many edits these are.
fn import_in_a_soak(
    world: &World,
    chance: &mut Chance,
    device: &str,
    at: usize,
    new: usize,
) -> u64 {
    let range = |round: usize| {
        let from = (2 * round + at) * SOAK_ROWS;
        from..from + SOAK_ROWS
    };
    world.write("new.csv", csv("title", range(new), |number| format!("Order {number}")));
    if new % 2 == at {
        import_in_pieces(world, chance, device, "new.csv", SOAK_ROWS);
    } else {
        world.device(device, &["import", "work_order", "new.csv"]).done();
    }
    let Some(old) = new.checked_sub(1) else { return SOAK_ROWS as u64 };
    world.write("old.csv", csv("hours", range(old), |number| format!("{number}.5")));
    world.device(device, &["import", "work_order", "old.csv"]).done();
    2 * SOAK_ROWS as u64
}

/// As long as one likes: `TIDEGATE_SOAK_ROUNDS`.
#[test]
fn a_soak_of_edits_and_kills_loses_and_doubles_nothing() {
    let asked = std::env::var("TIDEGATE_SOAK_ROUNDS");
    let rounds = asked.map_or(SOAK_ROUNDS, |rounds| rounds.parse().unwrap());
    let world = World::new();
    let mut chance = Chance::new();
    world.init("acme", &[]);
    let mut server = world.serve("acme");
    let mut devices = [Device::new("alice"), Device::new("bob")];
    for device in &devices {
        world.enroll("acme", device.name, device.name);
    }
    let mut edits = 0;
    for round in 0..rounds {
        for (at, device) in devices.iter().enumerate() {
            edits += import_in_a_soak(&world, &mut chance, device.name, at, round);
        }
        sync_under_fire(&world, &mut chance, &mut server, &mut devices, 1);
    }
    settle(&world, &devices, edits);
    let rows = world.rows("alice", "work_order");
    assert!(world.rows("bob", "work_order") == rows, "the devices differ");
    assert_eq!(rows.len(), 2 * SOAK_ROWS * rounds);
    for number in 0..rows.len() {
        let columns = &rows[&id(number)]["columns"];
        assert_eq!(columns["title"], format!("Order {number}"));
        let is_old = number < 2 * SOAK_ROWS * (rounds - 1);
        let hours = is_old.then(|| format!("{number}.5"));
        assert_eq!(columns.get("hours"), hours.map(Value::from).as_ref(), "{number}");
    }
    let both = devices.iter().flat_map(|it| &it.acknowledged);
    assert!(both.clone().all(|place| *place <= edits), "an edit was told at no place of the log");
    let once: BTreeSet<_> = both.clone().collect();
    assert_eq!(once.len(), both.count(), "two devices were told of one place");
}
