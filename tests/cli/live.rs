//! The library in live mode, over real sockets: nobody asks, things arrive.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tidegate::model::{Columns, RecordId, Rule, TableName, Value};
use tidegate::replica::{EditError, Event, Replica, Settled, SyncGuard, SyncOptions};
use tidegate::server::{Home, InitOptions, Server};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::ports::free_port;

const HOUR_MILLIS: i64 = 3_600_000;

/// Fails a test that waits for what does not come.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it took too long")
}

/// Waits for an event.
async fn until(events: &mut Receiver<Event>, is_it: impl Fn(&Event) -> bool) {
    within(async {
        loop {
            match events.recv().await {
                Ok(event) if is_it(&event) => return,
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => panic!("{missed} events missed"),
                Err(RecvError::Closed) => panic!("the replica is gone"),
            }
        }
    })
    .await;
}

fn is_change_of(id: RecordId) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Changed { record, .. } if *record == id)
}

struct World {
    dir: TempDir,
    home: Home,
}

struct Device {
    replica: Replica,
    events: Receiver<Event>,
    /// Syncs as long as it is there.
    _live: SyncGuard,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = Some(std::net::SocketAddr::from(([127, 0, 0, 1], free_port())));
        let options = InitOptions { listen, ..InitOptions::default() };
        let home = Home::init(&dir.path().join("acme"), &options).unwrap();
        Self { dir, home }
    }

    fn serve(&self) -> Server {
        self.home.serve(self.home.rules().unwrap()).unwrap()
    }

    fn policy(&self) -> PathBuf {
        self.dir.path().join("acme/policy.toml")
    }

    /// The server judges by another policy from now on.
    async fn publish(&self, server: &Server, policy: &str) {
        std::fs::write(self.policy(), policy).unwrap();
        server.set_rules(self.home.rules().unwrap()).await.unwrap();
    }

    fn file(&self, user: &str) -> PathBuf {
        self.dir.path().join(Path::new(user).with_extension("redb"))
    }

    async fn device(&self, user: &str) -> Device {
        let replica = Replica::builder(self.file(user)).open().unwrap();
        let code = self.home.enroll_code(&user.parse().unwrap(), HOUR_MILLIS).unwrap();
        within(replica.enroll(&code, user)).await.unwrap();
        let mut events = replica.events();
        let mut options = SyncOptions::live();
        options.backoff_min = Duration::from_millis(20);
        let live = replica.start_sync(options);
        until(&mut events, |event| matches!(event, Event::UpToDate)).await;
        Device { replica, events, _live: live }
    }
}

fn orders() -> TableName {
    "work_order".parse().unwrap()
}

fn columns(column: &str, text: &str) -> Columns {
    Columns::from([(column.parse().unwrap(), Value::Text(text.into()))])
}

impl Device {
    async fn insert(&self, title: &str) -> (RecordId, Vec<Settled>) {
        let columns = columns("title", title);
        let (id, receipt) = self.replica.insert(&orders(), columns).await.unwrap();
        let settled = within(receipt.settled()).await.unwrap();
        (id, settled.into_iter().map(|(_, settled)| settled).collect())
    }

    async fn retitle(&self, id: RecordId, title: &str) -> Result<Vec<Settled>, EditError> {
        let receipt = self.replica.update(&orders(), id, columns("title", title)).await?;
        let settled = within(receipt.settled()).await.unwrap();
        Ok(settled.into_iter().map(|(_, settled)| settled).collect())
    }

    fn title(&self, id: RecordId) -> Option<String> {
        let row = self.replica.get(&orders(), id).unwrap();
        row.map(|row| row.get("title").to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_arrives_on_other_devices_by_itself() {
    let world = World::new();
    let server = world.serve();
    let alice = world.device("alice").await;
    let mut bob = world.device("bob").await;
    let (id, settled) = alice.insert("Fix the pump").await;
    assert_eq!(settled, [Settled::Admitted]);
    until(&mut bob.events, is_change_of(id)).await;
    assert_eq!(bob.title(id).as_deref(), Some("Fix the pump"));
    assert_eq!(bob.retitle(id, "Fix both pumps").await.unwrap(), [Settled::Admitted]);
    within(async {
        // The first events may be of alice's own edit.
        let mut events = alice.replica.events();
        while alice.title(id).as_deref() != Some("Fix both pumps") {
            let _ = events.recv().await;
        }
    })
    .await;
    assert_eq!(server.status().await.unwrap().connections, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_come_back_after_the_server_was_away() {
    let world = World::new();
    let server = world.serve();
    let alice = world.device("alice").await;
    let mut bob = world.device("bob").await;
    let (id, _) = alice.insert("Fix the pump").await;
    until(&mut bob.events, is_change_of(id)).await;
    server.stop().await;

    let columns = columns("title", "Made while the server was away");
    let (away, receipt) = alice.replica.insert(&orders(), columns).await.unwrap();
    assert_eq!(alice.replica.status().unwrap().pending, 1);
    let server = world.serve();
    let settled = within(receipt.settled()).await.unwrap();
    assert_eq!(settled.len(), 1);
    assert_eq!(settled[0].1, Settled::Admitted);
    until(&mut bob.events, is_change_of(away)).await;
    assert_eq!(bob.title(away).as_deref(), Some("Made while the server was away"));
    let version = |device: &Device| device.replica.get(&orders(), away).unwrap().unwrap().version;
    assert_eq!(version(&alice), version(&bob));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_right_is_known_live_and_the_next_edit_is_refused_here() {
    let world = World::new();
    let server = world.serve();
    let mut alice = world.device("alice").await;
    let (id, _) = alice.insert("Fix the pump").await;
    let policy = std::fs::read_to_string(world.policy()).unwrap();
    let less = policy.replace("write = \"business_unit\"", "write = \"none\"");
    assert_ne!(policy, less);
    world.publish(&server, &less).await;
    until(&mut alice.events, |event| matches!(event, Event::GrantChanged)).await;
    let Err(EditError::Denied(denial)) = alice.retitle(id, "x").await else {
        panic!("the edit was not refused")
    };
    assert_eq!(denial.rule, Rule::NoPrivilege);
    assert_eq!(alice.title(id).as_deref(), Some("Fix the pump"));
    assert_eq!(alice.replica.status().unwrap().pending, 0);

    world.publish(&server, &policy).await;
    until(&mut alice.events, |event| matches!(event, Event::GrantChanged)).await;
    assert_eq!(alice.retitle(id, "Fix it again").await.unwrap(), [Settled::Admitted]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_may_not_be_read_any_more_disappear_live_and_come_back() {
    let world = World::new();
    let server = world.serve();
    let alice = world.device("alice").await;
    let mut bob = world.device("bob").await;
    let (id, _) = alice.insert("Of alice").await;
    until(&mut bob.events, is_change_of(id)).await;
    let (own, _) = bob.insert("Of bob").await;
    let policy = std::fs::read_to_string(world.policy()).unwrap();
    let less = policy.replace("read = \"business_unit\"", "read = \"user\"");
    assert_ne!(policy, less);
    world.publish(&server, &less).await;
    until(&mut bob.events, is_change_of(id)).await;
    assert_eq!(bob.title(id), None);
    assert_eq!(bob.title(own).as_deref(), Some("Of bob"));
    assert!(bob.replica.heads(&orders(), id).unwrap().is_empty(), "nothing of it is kept");

    world.publish(&server, &policy).await;
    until(&mut bob.events, is_change_of(id)).await;
    assert_eq!(bob.title(id).as_deref(), Some("Of alice"));
    server.stop().await;
}

/// Rules are read and checked as a whole before they come into force.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_the_documents_leaves_what_runs_as_it_was() {
    let world = World::new();
    let server = world.serve();
    let alice = world.device("alice").await;
    let before = server.status().await.unwrap().meta;
    let cases = [
        ("policy.toml", "create = \"user\"", "create = \"all\"", "`create` cannot be `all`"),
        ("policy.toml", "[\"technician\"]", "[\"chief\"]", "no role `chief`"),
        ("policy.toml", "parent = \"root\"", "", "second root"),
        ("schema.toml", "type = \"date\"", "type = \"day\"", "`type` cannot be `day`"),
        ("schema.toml", "table = \"customer\"", "table = \"custmer\"", "no table `custmer`"),
        ("schema.toml", "[[table]]", "[[table", "schema.toml:"),
    ];
    for (file, from, to, words) in cases {
        let path = world.dir.path().join("acme").join(file);
        let good = std::fs::read_to_string(&path).unwrap();
        assert!(good.contains(from), "{from}");
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let error = world.home.rules().unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(words), "{to}: {error}");
        std::fs::write(&path, good).unwrap();
        let (_, settled) = alice.insert(to).await;
        assert!(matches!(settled[..], [Settled::Admitted]), "{settled:?}");
    }
    let after = server.status().await.unwrap().meta;
    assert_eq!((after.policy_epoch, after.rules), (before.policy_epoch, before.rules));
    // The same once more, without a mistake, changes nothing either.
    server.set_rules(world.home.rules().unwrap()).await.unwrap();
    assert_eq!(server.status().await.unwrap().meta.policy_epoch, before.policy_epoch);
}
