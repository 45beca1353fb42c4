//! `verify` finds each kind of damage, names its place, and finds nothing in a sound file.

use std::fs;
use std::path::{Path, PathBuf};

use tidegate::codec::AdminRequest;
use tidegate::model::{DocumentText, Profiles, PublishedProfiles, Right, Timestamp};
use tidegate::replica::{FileKind, OpenError, Replica, Verification, verify};
use tidegate::store::{RedbReplica, RedbServer};
use tidegate::sync::server::LogBounds;
use tidegate::sync::{ServerStore as _, StoreError};

use crate::world::{World, add, dump, orders, sealed, set, write_raw};

/// Files of a server and a device in which no table is empty.
async fn files() -> (World, PathBuf, PathBuf) {
    let mut world = World::start();
    let alice = world.enroll("alice.redb", "alice").await;
    let bob = world.enroll("bob.redb", "bob").await;
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(add(&alice, &format!("order {n}")).await);
        if n == 2 {
            alice.sync().await.unwrap();
            let bounds = LogBounds { before: Timestamp::MAX, entries: 0 };
            world.server().trim_log(bounds).await.unwrap();
        }
    }
    let erased = add(&alice, "erased").await;
    alice.sync().await.unwrap();
    bob.sync().await.unwrap();
    let admin = world.enroll("admin.redb", "admin").await;
    admin.administer(AdminRequest::Erase { table: orders(), record: erased }).await.unwrap();
    set(&bob, ids[0], "status", "open").await;
    bob.sync().await.unwrap();
    let _ = alice.delete(&orders(), ids[19]).await.unwrap();
    // One more that the server refuses, because the right is gone by then.
    set(&alice, ids[1], "title", "refused").await;
    world.take_right(Right::Write).await;
    alice.sync().await.unwrap();
    assert_eq!(alice.quarantine().unwrap().len(), 1);
    add(&alice, "pending").await;
    assert!(alice.verify().unwrap().is_sound());
    let mut profiles = PublishedProfiles::default();
    let document = DocumentText { file: "profiles.toml".into(), text: String::new() };
    profiles.draft(document, Profiles::default(), None, Timestamp::MAX);
    world.server().set_profiles(profiles).await.unwrap();
    drop((alice, bob, admin));
    world.stop_server().await;
    let (replica, server) = (world.path("alice.redb"), world.home.data_file());
    (world, replica, server)
}

fn look(path: &Path) -> Verification {
    let mut calls = 0;
    let found = verify(path, &mut |done, total| {
        calls += 1;
        assert!(done <= total);
    });
    let found = found.unwrap();
    assert_eq!(calls, found.entries);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_files_are_sound_and_stay_as_they_are() {
    let (_world, replica, server) = files().await;
    for (path, kind) in [(replica, FileKind::Replica), (server, FileKind::Server)] {
        let before = fs::read(&path).unwrap();
        let found = look(&path);
        assert_eq!(found.kind, kind);
        assert_eq!(found.findings, []);
        assert!(found.entries > 40, "{}", found.entries);
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_be_written_can_be_verified() {
    use std::os::unix::fs::PermissionsExt as _;

    let (_world, replica, _) = files().await;
    fs::set_permissions(&replica, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(look(&replica).is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_each_table_is_found_and_named() {
    let (_world, replica, server) = files().await;
    let mut tables = 0;
    for path in [replica, server] {
        let whole = fs::read(&path).unwrap();
        for (table, entries) in dump(&path) {
            // Of edits that were made again, which none here was.
            if table == "pending-moved-1" {
                assert_eq!(entries, []);
                continue;
            }
            let (key, value) = entries.last().cloned().unwrap_or_default();
            assert!(!value.is_empty(), "nothing is in `{table}`");
            let mut damaged = value.clone();
            *damaged.last_mut().unwrap() ^= 1;
            write_raw(&path, &table, &key, Some(&damaged));
            if table == "tidegate" {
                let error = verify(&path, &mut |_, _| {}).unwrap_err();
                assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
            } else {
                let found = look(&path);
                let place = found.findings.iter().find(|it| it.table == table);
                let place = place.unwrap_or_else(|| panic!("{table}: {:?}", found.findings));
                assert!(place.key.is_some(), "{place}");
                assert_eq!(place.problem, "the checksum does not fit");
            }
            tables += 1;
            fs::write(&path, &whole).unwrap();
        }
    }
    assert_eq!(tables, 38);
}

/// What a hand that knows the checksums has changed is found by its meaning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_together_is_found() {
    let (_world, replica, server) = files().await;
    // An entry that is gone is missed by whatever leads to it or is made of it.
    let missed = |path: &Path, table: &str| {
        let whole = fs::read(path).unwrap();
        let (key, _) = dump(path)[table].first().cloned().unwrap();
        write_raw(path, table, &key, None);
        let found = look(path).findings;
        fs::write(path, whole).unwrap();
        assert!(!found.is_empty(), "{table}");
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    for (table, told) in [
        ("row-1", "it is not there, though its history and pending edits make it"),
        ("history-3", "nothing confirmed or pending makes it"),
        ("row-count-1", "it says no rows, there are 20"),
        ("pending-2", "it leads to no such pending edit"),
        ("pending-record-1", "it is not found by its record"),
        ("quarantine-2", "it leads to no such refused edit"),
        ("quarantine-edit-1", "it is not found by its edit id"),
        ("quarantine-record-1", "it is not found by its record"),
        ("index-1", "it is of an index that there is not"),
        ("index-block-1", "rows are in it, 20 should be"),
    ] {
        let found = missed(&replica, table);
        assert!(found.contains(told), "{table}: {found}");
    }
    for (table, told) in [
        ("meta-4", "it is empty"),
        ("log-3", "the entries 4 to 4 are missing"),
        ("strand-2", "it is not found in one of its strands"),
        ("record-2", "it is not there, though the log has entries of it"),
        ("place-5", "it is not found in the order of its table"),
        ("bucket-2", "it is not there, though the record is in it"),
        ("count-1", "it says no records, there are 19"),
        ("size-3", "it says no records, there are 20"),
        ("erased-1", "it is not there, though the log has entries of it"),
        ("admitted-1", "it is not found by its edit id"),
        ("refused-2", "it leads to no such refused edit"),
        ("refused-edit-1", "it is not found by its edit id"),
        ("device-2", "it leads to no such device"),
        ("device-key-1", "it is not found by its key"),
    ] {
        let found = missed(&server, table);
        assert!(found.contains(told), "{table}: {found}");
    }

    // A pending edit that is said to be elsewhere.
    let whole = fs::read(&replica).unwrap();
    let (turn, _) = dump(&replica)["pending-2"].first().cloned().unwrap();
    let key = [&1_u32.to_be_bytes(), turn.as_slice()].concat();
    let value = sealed("pending-moved-1", &key, &[77, 0]);
    write_raw(&replica, "pending-moved-1", &key, Some(&value));
    let found: Vec<_> = look(&replica).findings.iter().map(ToString::to_string).collect();
    assert!(found.iter().any(|it| it.contains("it leads to no such pending edit")), "{found:?}");
    fs::write(&replica, whole).unwrap();

    // A row of another record, with a checksum that fits.
    let rows = dump(&replica)["row-1"].clone();
    let value = sealed("row-1", &rows[0].0, &rows[1].1[4..]);
    write_raw(&replica, "row-1", &rows[0].0, Some(&value));
    let found = look(&replica).findings;
    let places: Vec<_> = found.iter().map(|it| it.table.as_str()).collect();
    assert_eq!(places, ["row-1", "index-block-1"], "{found:?}");
    assert_eq!(found[0].problem, "it is not what its history and pending edits make");
    assert_eq!(found[1].problem, "a row in it has another key, or is not there");

    let records = dump(&server)["record-2"].clone();
    let log = dump(&server)["log-3"].clone();
    let value = sealed("record-2", &records[0].0, &records[1].1[4..]);
    write_raw(&server, "record-2", &records[0].0, Some(&value));
    let value = sealed("log-3", &log[3].0, &log[4].1[4..]);
    write_raw(&server, "log-3", &log[3].0, Some(&value));
    let found: Vec<_> = look(&server).findings.iter().map(ToString::to_string).collect();
    assert!(
        found.iter().any(|it| it.contains("not what its entries in the log make")),
        "{found:?}"
    );
    assert!(found.iter().any(|it| it.contains("is in the log at 7 already")), "{found:?}");
}

/// How much is confirmed bounds what a scan brings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_count_of_what_is_confirmed_is_found() {
    let (_world, replica, _) = files().await;
    let whole = fs::read(&replica).unwrap();
    let (key, value) =
        dump(&replica)["meta-4"].iter().find(|it| it.0 == b"sizes").cloned().unwrap();
    let mut payload = value[4..].to_vec();
    // Of the bytes of the last table.
    *payload.last_mut().unwrap() ^= 0x40;
    for damaged in [Some(sealed("meta-4", &key, &payload)), None] {
        write_raw(&replica, "meta-4", &key, damaged.as_deref());
        let found = look(&replica).findings;
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(finding.table, "meta-4");
        assert!(finding.problem.contains(", there are 20 records of "), "{finding}");
        fs::write(&replica, &whole).unwrap();
    }
    assert!(look(&replica).is_sound());
}

/// A server that took itself for new would let in whom its files let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lost_its_policy_is_damaged_and_not_new() {
    let (_world, _, server) = files().await;
    assert!(RedbServer::open(&server).unwrap().rules().unwrap().is_some());
    let (key, _) = dump(&server)["policy-1"][0].clone();
    write_raw(&server, "policy-1", &key, None);
    let error = RedbServer::open(&server).unwrap().rules().unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    let new = server.with_file_name("new.redb");
    assert_eq!(RedbServer::create(&new).unwrap().rules().unwrap(), None);
    // Without its profiles devices would take all.
    assert!(RedbServer::open(&server).unwrap().profiles().unwrap().draft.is_some());
    let (key, _) = dump(&server)["profiles-1"][0].clone();
    write_raw(&server, "profiles-1", &key, None);
    let error = RedbServer::open(&server).unwrap().profiles().unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    let profiles = RedbServer::open(&new).unwrap().profiles().unwrap();
    assert_eq!(profiles, PublishedProfiles::default());
}

#[test]
fn a_file_that_is_open_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let open = RedbReplica::create(&path).unwrap();
    let error = verify(&path, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    drop(open);
    assert!(verify(&path, &mut |_, _| {}).unwrap().is_sound());
    let path = folder.path().join("b.redb");
    drop(RedbServer::create(&path).unwrap());
    assert!(verify(&path, &mut |_, _| {}).unwrap().is_sound());
    let replica = Replica::builder(folder.path().join("c.redb")).open().unwrap();
    assert!(replica.verify().unwrap().is_sound());
}

#[test]
fn what_is_no_file_of_ours_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let error = verify(&path, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, OpenError::NotFound(_)), "{error}");
    fs::write(&path, "nothing of ours").unwrap();
    let error = verify(&path, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}
