//! What it costs the server to tell a device what changed while it was away: what is in the device's scope,
//! and not what there is.

use tidegate::codec::{SecretKey, ToDevice, ToServer, decode_message, encode_message};
use tidegate::gate::{Attestation, apply};
use tidegate::model::{
    ActorId, DeviceNumber, DocumentText, EditId, Op, PolicyEpoch, Sequence, Value,
};
use tidegate::policy::read_profiles;
use tidegate::store::{RedbReplica, RedbServer, entries_read};
use tidegate::sync::replica::{Output, Purpose, ReplicaMachine};
use tidegate::sync::server::{ConnectionId, Output as ServerOutput, PageBounds, ServerMachine};
use tidegate::sync::{Commit, EntryKind, LogEntry, Operation, ReplicaStore as _, ServerStore as _};

use crate::first_sync::{World, id, now};
use crate::world::orders;

/// `TIDEGATE_CATCH_UP_ROWS=1000000` has the larger server hold as many.
const ROWS: u64 = 20_000;
/// Those that the device takes along, all of which change.
const TAKEN: u64 = 100;

const PROFILE: &str = r#"
[[profile]]
id = "mine"
for = ["organization"]
[[profile.table]]
id = "work_order"
rows = ["mine"]
filter = "title is not null"
"#;

struct Device {
    store: RedbReplica,
    machine: ReplicaMachine,
    connections: u64,
}

impl Device {
    /// One session, to its end.
    fn sync(&mut self, world: &World, purpose: Purpose, server: &mut (RedbServer, ServerMachine)) {
        let (store, machine) = server;
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.machine.connected(purpose, world.home.tls_key().public()).unwrap();
        machine.connected(connection, world.key.public());
        let mut moved = true;
        while std::mem::take(&mut moved) {
            while let Some(output) = machine.poll_output() {
                moved = true;
                match output {
                    ServerOutput::Send(to, message) => {
                        let bytes = encode_message(&message).unwrap();
                        let message: ToDevice = decode_message(&bytes).unwrap();
                        let is_page = matches!(message, ToDevice::Page(_));
                        self.machine.received(&mut self.store, now(), message).unwrap();
                        if is_page {
                            machine.writable(store, to).unwrap();
                        }
                    }
                    ServerOutput::LookOn(to) => machine.writable(store, to).unwrap(),
                    ServerOutput::Close(_, refusal) => panic!("{refusal}"),
                }
            }
            while let Some(output) = self.machine.poll_output() {
                let Output::Send(message) = output else { continue };
                moved = true;
                let bytes = encode_message(&message).unwrap();
                let message: ToServer = decode_message(&bytes).unwrap();
                machine.received(store, now(), connection, message).unwrap();
                machine.rule(store, now()).unwrap();
            }
        }
        self.machine.disconnected();
        machine.disconnected(connection);
    }
}

/// The work orders that are Alice's have other titles.
fn change(world: &World, store: &mut RedbServer) {
    let rules = world.home.rules().unwrap();
    let table = rules.schema().table("work_order").unwrap();
    let attested = Attestation::of_checked_server();
    let expected = store.meta().unwrap();
    let mut meta = expected.clone();
    let mut operations = Vec::new();
    for n in 0..TAKEN {
        let held = store.record(id(n)).unwrap().unwrap();
        let before = held.record().clone();
        let edit = EditId { device: DeviceNumber(9), counter: 10_000_000 + n, part: 0 };
        let actor = ActorId { device: DeviceNumber(9), incarnation: 2 };
        let title = Value::Text(format!("another title {n}").into());
        let ops = vec![Op::Put { column: "title".parse().unwrap(), value: title }];
        let edit = before.author(table, edit, actor, now(), ops);
        meta.head = Sequence(meta.head.0 + 1);
        let applied = apply(Some(held), &attested.admits(edit.clone(), meta.head)).unwrap();
        let after = applied.confirmed().record();
        let kind = EntryKind::edit(edit, Some(&before), after, &meta.asked);
        let epoch = PolicyEpoch::default();
        let entry = Box::new(LogEntry { sequence: meta.head, kind, at: now(), epoch });
        operations.push(Operation::Append { entry, records: vec![applied] });
    }
    store.commit(Commit { expected, meta, operations }).unwrap();
}

/// The entries of their tables that server and device look at, where all that the device takes changed.
fn looked_at(rows: u64) -> u64 {
    let mut world = World::new(rows, |n| if n < TAKEN { "alice" } else { "bob" });
    world.key = SecretKey::from_seed([9; 32]);
    let mut store = RedbServer::open(world.server_path()).unwrap();
    let mut machine = world.machine(&mut store);
    let schema = std::sync::Arc::new(machine.rules().schema().clone());
    let profiles = read_profiles(PROFILE, "profiles.toml", &schema, None, None).unwrap();
    let mut published = machine.rules().profiles().clone();
    let document = DocumentText { file: "profiles.toml".into(), text: PROFILE.into() };
    published.draft(document, profiles, None, now());
    published.publish(None).unwrap();
    machine.set_profiles(&mut store, now(), published).unwrap();
    let mut server = (store, machine);

    let device_store = RedbReplica::in_memory().unwrap();
    let device = ReplicaMachine::open(&device_store, world.key.clone(), [3; 32]).unwrap();
    let mut device = Device { store: device_store, machine: device, connections: 0 };
    let code = world.home.enroll_code_at(vec!["127.0.0.1:1".into()], &"alice".parse().unwrap(), 1);
    let purpose = Purpose::Enroll { code: Box::new(code.unwrap()), name: "away".into() };
    device.sync(&world, purpose, &mut server);
    assert_eq!(device.store.confirmed_count().unwrap(), TAKEN);

    change(&world, &mut server.0);
    // It begins anew with what the store holds.
    server.1 = world.machine(&mut server.0);
    // As large pages, however many rows there are.
    server.1.set_page_bounds(PageBounds::default());
    let before = entries_read();
    device.sync(&world, Purpose::Sync, &mut server);
    let looked_at = entries_read() - before;
    for n in 0..TAKEN {
        let row = device.store.row(&orders(), id(n)).unwrap().unwrap();
        let title = row.columns.get("title").cloned();
        assert_eq!(title, Some(Value::Text(format!("another title {n}").into())));
    }
    looked_at
}

#[test]
fn catching_up_costs_what_changed_and_not_what_there_is() {
    let asked = std::env::var("TIDEGATE_CATCH_UP_ROWS").ok();
    let rows = asked.map_or(ROWS, |rows| rows.parse().unwrap());
    let (few, many) = (looked_at(rows / 10), looked_at(rows));
    println!("{few} entries with {} rows, {many} with {rows}", rows / 10);
    assert_eq!(few, many);
    // It does look at what it tells of.
    assert!((2 * TAKEN..100 * TAKEN).contains(&few), "{few}");
}
