//! Many edits made offline settle in one session, whatever of them is denied.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate::codec::{Lexicon, Stem, ToDevice, ToServer, decode_message};
use tidegate::limits::PUSH_WINDOW_EDITS;
use tidegate::model::{Edit, EditId, Owner, RecordId, Rule, TableName, Value, Verdict};
use tidegate::sync::replica::{Draft, Event, Intent};
use tidegate::sync::{ReplicaStore as _, ServerStore as _, Turn};

use crate::net::{Net, columns, text};

const SCHEMA: &str = r#"
[[table]]
id = "account"
ownership = "user_owned"
columns = [{ id = "name", type = "text" }]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "boss"
business_unit = "root"
roles = ["system_administrator"]
[[user]]
id = "ann"
business_unit = "root"
roles = ["clerk"]
[[user]]
id = "ben"
business_unit = "root"
roles = ["clerk"]
[[role]]
id = "clerk"
[role.rights.account]
read = "organization"
write = "user"
"#;

fn account() -> TableName {
    "account".parse().unwrap()
}

fn id(row: u32) -> RecordId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&row.to_be_bytes());
    RecordId::from_bytes(bytes)
}

fn owner(user: &str) -> Owner {
    Owner::User(user.parse().unwrap())
}

fn on(rows: impl Iterator<Item = u32>, intent: impl Fn(u32) -> Intent) -> Vec<Draft> {
    rows.map(|row| Draft { table: account(), record: id(row), intent: intent(row) }).collect()
}

/// What a session took.
#[derive(Debug, PartialEq)]
struct Session {
    /// The question whether all is answered, each of which waits for the server.
    round_trips: usize,
    change_sets: usize,
    /// Edits sent, each as often as it was.
    edits: usize,
}

/// Ann edits all her rows offline, of which the boss gives some to Ben meanwhile; then she connects.
/// Returns what that took, the edits that were denied, and those that count.
fn settle(rows: u32, lost: &BTreeSet<u32>) -> (Session, BTreeSet<EditId>, BTreeSet<EditId>) {
    let mut net = Net::new(SCHEMA, POLICY, None, Some("boss"));
    let boss = net.enroll("boss");
    let create = |_| Intent::Create {
        owner: Some(owner("ann")),
        columns: columns([("name", text("before"))]),
    };
    net.commit(boss, on(0..rows, create), false);
    net.settle();
    let ann = net.enroll("ann");
    net.part(ann);
    let after = |row| Intent::Set(columns([("name", text(&format!("after {row}")))]));
    let made = net.commit(ann, on(0..rows, after), false);
    net.commit(boss, on(lost.iter().copied(), |_| Intent::Assign(owner("ben"))), false);
    net.settle();
    let (sent, received) = (net.devices[ann].sent.len(), net.devices[ann].received.len());
    let told = net.devices[ann].events.len();
    net.connect(ann);
    net.settle();

    let device = &net.devices[ann];
    let key = net.store.device(made[0].device).unwrap().unwrap().key;
    let organization = device.store.meta().unwrap().enrolment.unwrap().organization;
    let records = net.store.scan(None, usize::MAX).unwrap();
    let find =
        |_: &Edit, stem: Stem| records.iter().map(|it| it.record().id()).find(|id| stem.is_of(*id));
    let meta = device.store.meta().unwrap();
    let lexicon = Arc::new(Lexicon::of(&meta.schema, meta.schema_digest.unwrap()));
    let mut session = Session { round_trips: 0, change_sets: 0, edits: 0 };
    for bytes in &device.sent[sent..] {
        match decode_message(bytes).unwrap() {
            ToServer::Flush { .. } => session.round_trips += 1,
            ToServer::Push(signed) => {
                session.change_sets += 1;
                let names = |_| Some(Arc::clone(&lexicon));
                let opened = signed.open_in_short(&key, &organization, names, find).unwrap();
                session.edits += opened.edits.len();
            }
            _ => {}
        }
    }
    // Verdicts are of what is denied alone.
    let mut denied = BTreeSet::new();
    for bytes in &device.received[received..] {
        if let ToDevice::Verdicts(verdicts) = decode_message(bytes).unwrap() {
            for (edit, verdict) in verdicts {
                let Verdict::Denied { denial, .. } = verdict else { panic!("{verdict:?}") };
                assert_eq!(denial.rule, Rule::OutOfDepth);
                denied.insert(edit);
            }
        }
    }
    let admitted = device.events[told..].iter().filter_map(|event| match event {
        Event::Admitted { edit, .. } => Some(*edit),
        _ => None,
    });
    let admitted: BTreeSet<_> = admitted.collect();

    // Nothing is left to do, and each row is as its verdict says, here and on the server.
    assert_eq!(device.store.pending_after(Turn::default(), 1).unwrap(), []);
    let refused: BTreeSet<_> =
        device.store.quarantine().unwrap().iter().map(|entry| entry.record).collect();
    assert_eq!(refused, lost.iter().map(|row| id(*row)).collect());
    for row in 0..rows {
        let name = if lost.contains(&row) { "before".into() } else { format!("after {row}") };
        let held = net.row(ann, &account(), id(row));
        assert_eq!(held["name"], Value::Text(name.into()), "{row}");
    }
    for confirmed in net.store.scan(None, usize::MAX).unwrap() {
        let here = device.store.confirmed(&account(), confirmed.record().id()).unwrap();
        assert_eq!(here.as_ref(), Some(&confirmed));
    }
    (session, denied, admitted)
}

#[test]
fn ten_thousand_offline_edits_of_which_some_are_denied_settle_in_one_session_with_nothing_to_ask() {
    let lost: BTreeSet<u32> = (0..10_000).step_by(100).collect();
    let (session, denied, admitted) = settle(10_000, &lost);
    assert_eq!((denied.len(), admitted.len()), (100, 9_900));
    assert!(denied.is_disjoint(&admitted));
    // Each edit was sent once, and each window was closed once.
    let round_trips = 10_000_usize.div_ceil(PUSH_WINDOW_EDITS);
    assert_eq!((session.edits, session.round_trips), (10_000, round_trips));
}

#[test]
fn a_session_is_as_long_where_some_edits_are_denied_as_where_none_is() {
    let (clean, denied, admitted) = settle(1_000, &BTreeSet::new());
    assert_eq!((denied.len(), admitted.len()), (0, 1_000));
    let (mixed, denied, admitted) = settle(1_000, &(0..1_000).step_by(100).collect());
    assert_eq!((denied.len(), admitted.len()), (10, 990));
    assert_eq!(mixed, clean);
}
