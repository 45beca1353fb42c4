//! What the bytes of sessions were for: each is counted once, over real sockets.

use tidegate::model::{Depth, Ledger, RecordId, Right, Spent, Value};
use tidegate::replica::{Draft, Event, Intent, OpenError, Replica, ReplicaOpenError, SyncReport};

use super::office::{Office, columns, table, text};

fn check(report: &SyncReport) -> Ledger {
    let SyncReport { ledger, traffic, .. } = *report;
    assert_eq!(ledger.sent.total(), traffic.sent_bytes, "{ledger:?}");
    assert_eq!(ledger.received.total(), traffic.received_bytes, "{ledger:?}");
    // Each side has some of these in every session.
    for Spent { handshake, session, framing, quic, .. } in [ledger.sent, ledger.received] {
        assert!([handshake, session, framing, quic].iter().all(|bytes| *bytes > 0), "{ledger:?}");
    }
    ledger
}

async fn create(replica: &Replica, number: u8, name: &str) {
    let columns = columns([("name", text(name)), ("balance", Value::Integer(3))]);
    let intent = Intent::Create { owner: None, columns };
    let record = RecordId::from_bytes([number; 16]);
    replica.commit(vec![Draft { table: table("account"), record, intent }]).await.unwrap();
}

fn no_edits(spent: Spent) {
    let Spent { ids, values, verdicts, .. } = spent;
    assert_eq!((ids, values, verdicts), (0, 0, 0), "{spent:?}");
}

/// Letters of 64, as they fall: nothing makes them shorter than they are.
fn drawn(letters: usize) -> String {
    let mut bytes = vec![0; letters];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes.into_iter().map(|byte| char::from(b'0' + byte % 64)).collect()
}

#[tokio::test]
async fn each_byte_of_a_session_is_counted_once_and_for_what_it_was() {
    let office = Office::open();
    let path = office.dir.path().join("ann.redb");
    let ann = Replica::builder(&path).open().unwrap();
    let enrolled = check(&ann.enroll(&office.code("ann"), "ann").await.unwrap());
    // A certificate and a grant.
    assert!(enrolled.received.signatures >= 145 + 64, "{enrolled:?}");
    no_edits(enrolled.sent);

    // Nobody does anything: this session is resumed, and goes one round trip.
    let report = ann.sync().await.unwrap();
    assert!(report.spoke_first);
    let idle = check(&report);
    no_edits(idle.sent);
    no_edits(idle.received);

    let name = drawn(2_000);
    create(&ann, 1, &name).await;
    let pushed = check(&ann.sync().await.unwrap());
    // A letter of 64 says 6 bits.
    assert!((1_500..1_700).contains(&pushed.sent.values), "{pushed:?}");
    assert!(pushed.sent.ids >= 16 && pushed.sent.signatures >= 64 + 8, "{pushed:?}");
    // It was admitted.
    assert!((1..60).contains(&pushed.received.verdicts), "{pushed:?}");

    let boss = Replica::builder(office.dir.path().join("boss.redb")).open().unwrap();
    let first = check(&boss.enroll(&office.code("boss"), "boss").await.unwrap());
    assert!((1_500..1_700).contains(&first.received.values), "{first:?}");

    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            clerk.rights.get_mut("account").unwrap().insert(Right::Create, Depth::None);
        })
        .await;
    create(&ann, 2, "refused").await;
    let report = ann.sync().await.unwrap();
    assert_eq!(report.totals.denied, 1);
    let denied = check(&report);
    assert!(denied.received.verdicts > 10, "{denied:?}");

    let all = [enrolled, idle, pushed, denied].into_iter().fold(Ledger::default(), |a, b| a + b);
    assert_eq!(ann.ledger(), all);
    assert_eq!(ann.status().unwrap().ledger, all);
    drop(ann);
    let again = Replica::builder(&path).open().unwrap();
    assert_eq!((again.ledger(), again.status().unwrap().ledger), (Ledger::default(), all));
}

/// Begins a session, and drops it when the server has accepted it.
async fn cut(replica: &Replica) {
    let mut events = replica.events();
    let opened = async { while events.recv().await.unwrap() != Event::Open {} };
    tokio::select! {
        biased;
        () = opened => {}
        ended = replica.sync() => panic!("it went on to its end: {ended:?}"),
    }
}

#[tokio::test]
async fn a_session_that_is_cut_is_counted_as_far_as_it_came() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let before = ann.ledger();
    cut(&ann).await;
    let session = ann.ledger() - before;
    assert!(session.sent.session > 0 && session.received.session > 0, "{session:?}");
    no_edits(session.sent);

    // It is in the file with what comes next,
    let last = check(&ann.sync().await.unwrap());
    let all = before + session + last;
    assert_eq!((ann.ledger(), ann.status().unwrap().ledger), (all, all));

    // and when the replica is closed.
    cut(&ann).await;
    let all = ann.ledger();
    drop(ann);
    // A step of the session that was dropped may be at its end still.
    let again = loop {
        match Replica::builder(office.dir.path().join("ann.redb")).open() {
            Err(ReplicaOpenError::File(OpenError::InUse(_))) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    assert_eq!(again.status().unwrap().ledger, all);
}

#[tokio::test]
async fn who_signs_out_begins_a_new_count() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    assert!(ann.status().unwrap().ledger.sent.total() > 0);
    ann.sign_out(false).await.unwrap();
    assert_eq!(ann.status().unwrap().ledger, Ledger::default());
}
