//! Erasing a record: nothing of it stays on the server or on a device, and it does not come back.

use std::path::{Path, PathBuf};

use tidegate::SyncOptions;
use tidegate::codec::{AdminAnswer, AdminRefusal, AdminRequest};
use tidegate::model::{Depth, RecordId, Right, Timestamp, Value};
use tidegate::replica::{AdminError, Draft, Event, Intent, Receipt, Replica, Settled};
use tidegate::store::RedbServer;
use tidegate::sync::ServerStore as _;

use super::office::{Office, columns, table, text};

const SECRET: &str = "the name that must go";

fn id(n: u8) -> RecordId {
    RecordId::from_bytes([n; 16])
}

async fn commit(replica: &Replica, record: RecordId, intent: Intent) -> Receipt {
    replica.commit(vec![Draft { table: table("account"), record, intent }]).await.unwrap()
}

fn create(name: &str) -> Intent {
    Intent::Create { owner: None, columns: columns([("name", text(name))]) }
}

async fn erase(boss: &Replica, record: RecordId) -> Result<(), AdminError> {
    let request = AdminRequest::Erase { table: table("account"), record };
    let answer = boss.administer(request).await?;
    assert_eq!(answer, AdminAnswer::Erased);
    Ok(())
}

async fn let_clerks(office: &Office, right: Right, depth: Depth) {
    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            clerk.rights.get_mut("account").unwrap().insert(right, depth);
        })
        .await;
}

/// Which files of the server and the devices have the secret in their bytes.
fn tellers(office: &Office) -> Vec<String> {
    let folder = |path: &Path| {
        let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let files = [folder(office.dir.path()), folder(&office.dir.path().join("server"))].concat();
    let tells = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    };
    let names = files.into_iter().filter(tells);
    let mut names: Vec<_> =
        names.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn holds(replica: &Replica, record: RecordId) -> bool {
    replica.get(&table("account"), record).unwrap().is_some()
}

#[tokio::test]
async fn an_erased_record_leaves_the_server_and_every_device_and_its_neighbours_stay() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    let away = office.device("away", "ben").await;
    commit(&ann, id(1), create(SECRET)).await;
    commit(&ann, id(2), create("cash")).await;
    let set = Intent::Set(columns([("balance", Value::Integer(7))]));
    commit(&ann, id(1), set).await;
    for replica in [&ann, &away, &boss] {
        replica.sync().await.unwrap();
        assert!(holds(replica, id(1)));
    }
    assert_eq!(tellers(&office), ["ann.redb", "away.redb", "boss.redb", "server.redb"]);
    let live = ann.start_sync(SyncOptions::live());
    let mut events = ann.events();
    while events.recv().await.unwrap() != Event::UpToDate {}
    erase(&boss, id(1)).await.unwrap();
    // A connected device at once, another at its next session; again is as once.
    while holds(&ann, id(1)) {
        events.recv().await.unwrap();
    }
    drop(live);
    assert!(holds(&away, id(1)));
    away.sync().await.unwrap();
    ann.sync().await.unwrap();
    boss.sync().await.unwrap();
    assert_eq!(tellers(&office), [""; 0], "to the last byte");
    erase(&boss, id(1)).await.unwrap();
    for replica in [&ann, &away, &boss] {
        assert_eq!((holds(replica, id(1)), holds(replica, id(2))), (false, true));
    }
    let late = office.device("late", "ann").await;
    assert_eq!((holds(&late, id(1)), holds(&late, id(2))), (false, true));

    // The log has no gap, and holds nothing of it.
    drop((boss, ann, away, late));
    let Office { dir, home, server } = office;
    server.stop().await;
    drop(home);
    let store = RedbServer::open(dir.path().join("server/server.redb")).unwrap();
    store.check().unwrap();
    let log = store.log_after(tidegate::model::Sequence(0), usize::MAX).unwrap();
    assert!((1..).zip(&log).all(|(place, entry)| entry.sequence.0 == place));
    assert!(!format!("{log:?}").contains(SECRET));
    let edits = log.iter().filter_map(tidegate::sync::LogEntry::edit);
    assert_eq!(edits.filter(|edit| edit.record == id(1)).count(), 3);
}

#[tokio::test]
async fn refused_edits_of_it_go_too_here_and_on_the_server() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    // Never made: only the refused creates are there.
    commit(&ann, id(1), create(SECRET)).await;
    commit(&ann, id(2), create("cash")).await;
    let_clerks(&office, Right::Create, Depth::None).await;
    ann.sync().await.unwrap();
    assert_eq!(ann.quarantine().unwrap().len(), 2);
    assert_eq!(tellers(&office), ["ann.redb", "server.redb"]);
    erase(&boss, id(1)).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(tellers(&office), [""; 0]);
    let left = ann.quarantine().unwrap();
    assert_eq!(left.iter().map(|entry| entry.record).collect::<Vec<_>>(), [id(2)]);
    let asked = boss.administer(AdminRequest::Denials { limit: 10 }).await.unwrap();
    let AdminAnswer::Denials(denials) = asked else { panic!("{asked:?}") };
    assert_eq!(denials.iter().map(|it| it.record).collect::<Vec<_>>(), [id(2)]);
}

#[tokio::test]
async fn what_a_device_that_was_away_did_to_it_goes_too() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    for n in [1, 2] {
        commit(&ann, id(n), create("cash")).await;
    }
    ann.sync().await.unwrap();
    // One edit of each refused and one pending; of the other record both stay.
    let_clerks(&office, Right::Write, Depth::None).await;
    let refused = [SECRET, "shares"].map(|name| Intent::Set(columns([("name", text(name))])));
    for (n, set) in [1, 2].into_iter().zip(refused) {
        commit(&ann, id(n), set).await;
    }
    ann.sync().await.unwrap();
    let records = |replica: &Replica| -> Vec<_> {
        replica.quarantine().unwrap().into_iter().map(|entry| entry.record).collect()
    };
    assert_eq!(records(&ann), [id(1), id(2)]);
    let delete = commit(&ann, id(1), Intent::Delete).await;
    let other = commit(&ann, id(2), Intent::Delete).await;
    erase(&boss, id(1)).await.unwrap();
    ann.sync().await.unwrap();
    let verdict = delete.settled().await.unwrap().remove(0).1;
    assert_eq!(verdict, Settled::Denied(Vec::new()));
    assert_eq!(other.settled().await.unwrap().remove(0).1, Settled::Admitted);
    assert_eq!(records(&ann), [id(2)]);
    assert!(!holds(&ann, id(1)));
    assert_eq!(tellers(&office), [""; 0]);
}

#[tokio::test]
async fn refused_edits_that_the_server_has_forgotten_go_from_their_author_too() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    let_clerks(&office, Right::Read, Depth::User).await;
    ann.sync().await.unwrap();
    for (n, name) in [(1, SECRET), (2, "shares")] {
        commit(&ann, id(n), create(name)).await;
        commit(&boss, id(n), create("cash")).await;
    }
    boss.sync().await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(ann.quarantine().unwrap().len(), 2);
    office.server.forget_refused(Timestamp::MAX).await.unwrap();
    // Nothing says any more that this device, which may not read the record, ever wrote it.
    erase(&boss, id(1)).await.unwrap();
    ann.sync().await.unwrap();
    let left = ann.quarantine().unwrap();
    assert_eq!(left.iter().map(|entry| entry.record).collect::<Vec<_>>(), [id(2)]);
}

#[tokio::test]
async fn it_is_not_made_again_and_another_is() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    commit(&ann, id(1), create("cash")).await;
    ann.sync().await.unwrap();
    erase(&boss, id(1)).await.unwrap();
    // By a device that never had it, and does not know.
    let ben = office.device("ben", "ben").await;
    let mut events = ben.events();
    let receipt = commit(&ben, id(1), create(SECRET)).await;
    commit(&ben, id(2), create("bank")).await;
    let report = ben.sync().await.unwrap();
    assert_eq!((report.totals.admitted, report.totals.denied), (1, 1));
    assert_eq!((holds(&ben, id(1)), holds(&ben, id(2))), (false, true));
    // It is told why, and nothing of it stays, here or there.
    assert_eq!(receipt.settled().await.unwrap()[0].1, Settled::Denied(Vec::new()));
    assert_eq!(ben.quarantine().unwrap(), []);
    let told = loop {
        if let Event::Denied(entry) = events.recv().await.unwrap() {
            break entry;
        }
    };
    assert_eq!((told.record, told.ops), (id(1), Vec::new()));
    assert!(told.denial.to_string().contains("was erased"), "{}", told.denial);
    let asked = boss.administer(AdminRequest::Denials { limit: 10 }).await.unwrap();
    let AdminAnswer::Denials(denials) = asked else { panic!("{asked:?}") };
    assert_eq!(denials.iter().map(|it| it.record).collect::<Vec<_>>(), [id(1)]);
    assert_eq!(tellers(&office), [""; 0]);
}

#[tokio::test]
async fn what_counts_together_with_an_edit_of_it_is_refused_and_stays_with_its_author() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    let draft = |n: u8, intent: Intent| Draft { table: table("account"), record: id(n), intent };
    let bound = vec![draft(1, create(SECRET)), draft(2, create("cash"))];
    ann.commit_atomic(bound).await.unwrap();
    commit(&ann, id(3), create("bank")).await;
    // Erased before it came: by another device's record of the same key.
    commit(&boss, id(1), create("gold")).await;
    boss.sync().await.unwrap();
    erase(&boss, id(1)).await.unwrap();
    ann.sync().await.unwrap();
    let left = ann.quarantine().unwrap();
    assert_eq!(left.iter().map(|entry| entry.record).collect::<Vec<_>>(), [id(2)]);
    assert_eq!([1, 2, 3].map(|n| holds(&ann, id(n))), [false, false, true]);
    // What is left of it may be tried by itself.
    ann.retry(left[0].edit).await.unwrap();
    ann.sync().await.unwrap();
    boss.sync().await.unwrap();
    assert_eq!([1, 2, 3].map(|n| holds(&boss, id(n))), [false, true, true]);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_erased_nor_what_is_by_another_than_an_administrator() {
    let office = Office::open();
    let (boss, ann) = (office.device("boss", "boss").await, office.device("ann", "ann").await);
    let refused = erase(&boss, id(9)).await.unwrap_err();
    let AdminError::Refused(AdminRefusal::NoSuchRecord(..)) = refused else { panic!("{refused}") };
    commit(&ann, id(1), create("cash")).await;
    ann.sync().await.unwrap();
    let refused = erase(&ann, id(1)).await.unwrap_err();
    let AdminError::Refused(AdminRefusal::NotAdministrator(_)) = refused else {
        panic!("{refused}")
    };
    let request = AdminRequest::Erase { table: table("visit"), record: id(1) };
    let other = boss.administer(request).await.unwrap_err();
    assert!(matches!(other, AdminError::Refused(AdminRefusal::NoSuchRecord(..))), "{other}");
    boss.sync().await.unwrap();
    assert!(holds(&boss, id(1)));
    erase(&boss, id(1)).await.unwrap();
    boss.sync().await.unwrap();
    assert!(!holds(&boss, id(1)));
}
