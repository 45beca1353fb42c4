//! What a user may not read is not in the bytes of a device: not before a grant, not after it was
//! given and taken back, and not after the process died in the middle of the purge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tidegate::store::{OpenError, RedbReplica};
use tidegate::sync::replica::Event;
use tidegate::sync::{Purge, ReplicaStore as _};

use crate::cases::{Case, adventure_works, generated};
use crate::needles::Needles;
use crate::net::{bytes_in, told};

/// Where the device is while the columns are taken away.
#[derive(Clone, Copy, PartialEq)]
enum Contact {
    Live,
    Away,
}

/// Gives the columns to the one who may not read them, and takes them back. Returns the file as it
/// was between the page that took them away and the purge.
fn give_and_take_back(case: &mut Case, contact: Contact) -> Vec<u8> {
    let Case { net, needles, reader, other, other_user, profile, .. } = case;
    let (reader, other) = (*reader, *other);
    let received = |net: &crate::net::Net, from: usize| told(&net.devices[other].received[from..]);
    // The twin shows that the search finds what is there.
    needles.assert_all_in(&fs::read(&net.devices[reader].path).unwrap(), "the reader's file");
    needles.assert_all_in(&told(&net.devices[reader].received), "what the reader received");
    let assert_clean = |net: &crate::net::Net, when: &str| {
        for (file, bytes) in net.bytes_of(other) {
            needles.assert_none_in(&bytes, &format!("{file}, {when}"));
        }
    };
    assert_clean(net, "before the grant");
    needles.assert_none_in(&received(net, 0), "what was received before the grant");

    let before = net.devices[other].received.len();
    net.profile(profile, other_user, true);
    net.settle();
    needles.assert_all_in(&fs::read(&net.devices[other].path).unwrap(), "the file with the grant");
    needles.assert_all_in(&received(net, before), "what came with the grant");
    assert_eq!(net.receipt(other), None);

    let before = net.devices[other].received.len();
    if contact == Contact::Away {
        net.part(other);
    }
    net.profile(profile, other_user, false);
    net.settle();
    if contact == Contact::Away {
        // Nobody reaches it: all is there still.
        needles.assert_all_in(&fs::read(&net.devices[other].path).unwrap(), "before contact");
        net.connect(other);
        net.settle();
    }
    assert_clean(net, "after the grant was taken back");
    needles.assert_none_in(&received(net, before), "what came when it was taken back");
    let device = &net.devices[other];
    let told = device.events.iter().filter(|event| matches!(event, Event::Purged)).count();
    assert_eq!(told, 1, "one purge for all that left");
    let meta = device.store.meta().unwrap();
    assert_eq!(meta.purge, Purge::Nothing);
    let receipt = net.receipt(other).unwrap();
    assert_eq!((receipt.epoch, receipt.sequence), (meta.epoch, meta.watermark));
    assert_eq!(receipt.standing, Some(meta.scope.held[0].standing));
    assert_eq!(net.receipt(reader), None);

    // Not the names of the columns, either: no record has a section of them.
    for record in &case.records {
        let held = crate::net::sections(net, other, &case.table, *record);
        assert!(held.is_empty(), "{held:?}");
        assert!(!crate::net::sections(net, reader, &case.table, *record).is_empty());
    }

    // Nobody else lost anything.
    needles.assert_all_in(&fs::read(&net.devices[reader].path).unwrap(), "the reader's file");
    let caught = net.devices[other].caught.clone().unwrap();
    assert!(!needles.found_in(&caught).is_empty(), "there was nothing to purge");
    caught
}

fn leftover(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".rewritten");
    PathBuf::from(name)
}

/// Opens a file that a process left behind in the middle of a purge: nothing is left of what was to
/// go, in whatever file, and all else is there.
#[track_caller]
fn assert_finished(case: &Case, path: &Path) {
    let store = RedbReplica::open(path).unwrap();
    assert_eq!(store.meta().unwrap().purge, Purge::Done, "the server is to be told");
    store.check().unwrap();
    let held = &case.net.devices[case.other].store;
    assert_eq!(store.confirmed_ids().unwrap(), held.confirmed_ids().unwrap());
    for record in &case.records {
        let row = store.row(&case.table, *record).unwrap();
        assert_eq!(row.map(|it| it.columns), Some(case.net.row(case.other, &case.table, *record)));
    }
    drop(store);
    let files = bytes_in(path.parent().unwrap());
    assert_eq!(files.len(), 1, "{:?}", files.iter().map(|file| &file.0).collect::<Vec<_>>());
    case.needles.assert_none_in(&files[0].1, "the file opened after the crash");
}

/// A process that ends at any step of a purge leaves the marked file, perhaps with a part of the new
/// one beside it, or the new one in its place.
fn dies_at_each_step(case: &Case, caught: &[u8]) {
    let whole = fs::read(&case.net.devices[case.other].path).unwrap();
    let parts = [0, 1, 4_096, whole.len() / 2, whole.len()];
    let beside = parts.iter().map(|length| Some(&whole[..*length]));
    // Even one that holds all that was to go.
    for (step, beside) in beside.chain([None, Some(caught)]).enumerate() {
        let folder = case.net.path(&format!("step-{step}"));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("own.redb");
        fs::write(&path, caught).unwrap();
        if let Some(beside) = beside {
            fs::write(leftover(&path), beside).unwrap();
        }
        assert_finished(case, &path);
        // Once more: nothing is due any more.
        let before = fs::read(&path).unwrap();
        drop(RedbReplica::open(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn generated_values_are_gone_when_the_right_to_read_them_is() {
    let mut case = generated(200);
    let caught = give_and_take_back(&mut case, Contact::Live);
    dies_at_each_step(&case, &caught);
}

#[test]
fn the_pay_of_real_people_is_gone_when_the_right_to_read_it_is() {
    let Some(mut case) = adventure_works() else { return };
    let caught = give_and_take_back(&mut case, Contact::Live);
    dies_at_each_step(&case, &caught);
    // Of each both: the pay, whose digits are searched for, and the birth date.
    let twin = crate::net::sections(&case.net, case.reader, &case.table, case.records[0]);
    assert_eq!(twin.len(), 2);
}

#[test]
fn what_was_taken_back_while_a_device_was_away_goes_at_the_next_contact() {
    let mut case = generated(50);
    let caught = give_and_take_back(&mut case, Contact::Away);
    dies_at_each_step(&case, &caught);
}

/// A backup that was made while the columns could be read holds them, as it must. Restored, it is
/// purged at the first contact.
#[test]
fn a_restored_backup_is_purged_at_its_first_contact() {
    let mut case = generated(50);
    let Case { net, needles, other, other_user, profile, .. } = &mut case;
    net.profile(profile, other_user, true);
    net.settle();
    let files = net.bytes_of(*other);
    let backup = files.iter().find(|(name, _)| name.ends_with("backup.redb")).unwrap();
    needles.assert_all_in(&backup.1, "the backup with the grant");
    net.profile(profile, other_user, false);
    net.settle();

    net.restore(*other, &backup.1);
    needles.assert_all_in(&fs::read(&net.devices[*other].path).unwrap(), "the restored file");
    let before = net.devices[*other].received.len();
    net.connect(*other);
    net.settle();
    for (file, bytes) in net.bytes_of(*other) {
        needles.assert_none_in(&bytes, &file);
    }
    let received = told(&net.devices[*other].received[before..]);
    needles.assert_none_in(&received, "what the restored device received");
    assert!(net.receipt(*other).is_some());
}

/// Rows that go out of reach go as columns do.
#[test]
fn rows_out_of_reach_leave_no_byte() {
    let mut case = generated(20);
    let Case { net, reader, .. } = &mut case;
    let notes = Needles::of(&["what everybody reads"]);
    notes.assert_all_in(&fs::read(&net.devices[*reader].path).unwrap(), "before");
    net.change_policy(|policy| policy.roles.clear());
    net.settle();
    for (file, bytes) in net.bytes_of(*reader) {
        case.needles.assert_none_in(&bytes, &file);
        notes.assert_none_in(&bytes, &file);
    }
}

/// Story: the purge of a large file was under way when the system killed the app.
#[test]
fn a_purge_that_is_killed_is_finished_at_the_next_opening() {
    let mut case = generated(1_500);
    let caught = give_and_take_back(&mut case, Contact::Live);
    let mut unfinished = 0;
    for step in 0..6 {
        let folder = case.net.path(&format!("killed-{step}"));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("own.redb");
        fs::write(&path, &caught).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["status", "--replica", path.to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let far = (caught.len() / 8 * step) as u64;
        let is_far = || fs::metadata(leftover(&path)).is_ok_and(|it| it.len() >= far);
        while !is_far() && process.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = process.kill();
        process.wait().unwrap();
        unfinished += usize::from(leftover(&path).exists());
        assert_finished(&case, &path);
    }
    assert!(unfinished > 0, "no purge was killed before its end");
}

/// What cannot be finished is said, and nothing else is done with the file.
#[test]
fn a_purge_that_cannot_be_finished_keeps_the_file_closed() {
    let mut case = generated(3);
    let caught = give_and_take_back(&mut case, Contact::Live);
    let folder = case.net.path("stuck");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("own.redb");
    fs::write(&path, &caught).unwrap();
    fs::create_dir(leftover(&path)).unwrap();
    let error = RedbReplica::open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Io { .. } | OpenError::Denied { .. } | OpenError::Foreign { .. }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("own.redb.rewritten"), "{error}");
    fs::remove_dir(leftover(&path)).unwrap();
    assert_finished(&case, &path);
}

/// A device that loses something again and again does not write its file anew each time.
#[test]
fn purges_of_one_session_keep_a_distance() {
    let mut case = generated(5);
    give_and_take_back(&mut case, Contact::Live);
    let Case { net, needles, other, other_user, profile, .. } = &mut case;
    net.profile(profile, other_user, true);
    net.settle();
    net.profile(profile, other_user, false);
    net.settle();
    let file = |net: &crate::net::Net| fs::read(&net.devices[*other].path).unwrap();
    let pause = tidegate::limits::PURGE_PAUSE;
    assert_eq!(net.purges_in(*other), Some(pause));
    let pause = i64::try_from(pause.as_millis()).unwrap();
    net.wake(*other, pause - 1);
    assert!(!needles.found_in(&file(net)).is_empty(), "it did not wait");
    net.wake(*other, pause);
    needles.assert_none_in(&file(net), "the file after the pause");
    assert_eq!(net.purges_in(*other), None);
    assert_eq!(net.devices[*other].store.meta().unwrap().purge, Purge::Nothing);
}

/// Who reads while the file is replaced sees what was there when they began, to the end.
#[test]
fn who_reads_goes_on_while_the_file_is_replaced() {
    let mut case = generated(100);
    let reader = case.net.devices[case.reader].store.reader();
    let snapshot = reader.snapshot().unwrap();
    let mut rows = snapshot.rows(&case.table, None).unwrap();
    let first = rows.next().unwrap().unwrap();
    case.net.devices[case.reader].store.rewrite().unwrap();
    drop(snapshot);
    let rest: Vec<_> = rows.map(Result::unwrap).collect();
    assert_eq!(rest.len(), 99);
    let after = reader.snapshot().unwrap();
    assert_eq!(after.row(&case.table, first.0).unwrap(), Some(first.1));
    drop((rest, after));
    // The file that was replaced is closed by now, and the new one can be checked.
    case.net.devices[case.reader].store.check().unwrap();
}
