//! Devices whose files lost or doubled what they held, and a recheck that mends it: what differs comes
//! anew, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate::codec::{Entry, Refusal, ToDevice, ToServer, decode_message};
use tidegate::gate::{Applied, Attestation};
use tidegate::model::{
    Columns, Edit, Op, Owner, RecordId, RecordState, Section, Sequence, TableName,
};
use tidegate::sync::replica::{Draft, Intent, RecheckReport};
use tidegate::sync::{ReplicaBatch, ReplicaStore as _, ServerStore as _, StoredRow};

use crate::net::{Net, columns, text};

const SCHEMA: &str = r#"
[[table]]
id = "memo"
ownership = "organization_owned"
columns = [{ id = "title", type = "text" }]
[[table]]
id = "person"
ownership = "user_owned"
columns = [
  { id = "name", type = "text", required = true },
  { id = "note", type = "text" },
  { id = "photo", type = "text", group = "media" },
  { id = "pay", type = "text", secured = true },
]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "boss"
business_unit = "root"
roles = ["system_administrator"]
[[user]]
id = "hannah"
business_unit = "root"
roles = ["clerk"]
[[user]]
id = "ben"
business_unit = "root"
roles = ["clerk"]
[[role]]
id = "clerk"
rights.person = { create = "user", read = "organization", write = "organization" }
[[column_security]]
id = "personnel"
users = ["hannah"]
columns."person.pay" = { read = true, create = true, update = true }
"#;

fn person() -> TableName {
    "person".parse().unwrap()
}

fn id(number: usize) -> RecordId {
    let mut bytes = [1; 16];
    bytes[8..].copy_from_slice(&(number as u64).to_be_bytes());
    RecordId::from_bytes(bytes)
}

/// What a device holds: confirmed records as changes, and rows.
type Holds = BTreeMap<(TableName, RecordId), (Option<Edit>, Option<StoredRow>)>;

/// People on a server, and the devices of three users: one brought them in, one reads all of them, and one
/// reads them without what is secured.
struct Office {
    net: Net,
    boss: usize,
    hannah: usize,
    ben: usize,
}

impl Office {
    fn of(count: usize) -> Self {
        Self::paying(count, "pay")
    }

    fn paying(count: usize, pay: &str) -> Self {
        let Self { mut net, boss, .. } = Self::alone(count, |number| {
            columns([
                ("name", text(&format!("person {number}"))),
                ("note", text("what everybody reads")),
                ("photo", text("a face")),
                ("pay", text(&format!("{pay} {number}"))),
            ])
        });
        let (hannah, ben) = (net.enroll("hannah"), net.enroll("ben"));
        // Some came edit by edit, and are not flat any more.
        for number in (0..count).step_by(7) {
            net.set(boss, &person(), id(number), columns([("note", text("again"))]));
        }
        net.settle();
        for device in &mut net.devices {
            device.events.clear();
        }
        Self { net, boss, hannah, ben }
    }

    /// Nobody else has a device.
    fn alone(count: usize, values: impl Fn(usize) -> Columns) -> Self {
        let mut net = Net::new(SCHEMA, POLICY, None, None);
        let boss = net.enroll("boss");
        let draft = |number: usize| {
            let intent = Intent::Create { owner: None, columns: values(number) };
            Draft { table: person(), record: id(number), intent }
        };
        for first in (0..count).step_by(1_000) {
            net.commit(boss, (first..count.min(first + 1_000)).map(draft).collect(), false);
            net.settle();
        }
        net.devices[boss].events.clear();
        Self { net, boss, hannah: boss, ben: boss }
    }

    fn holds(&self, at: usize) -> Holds {
        let store = &self.net.devices[at].store;
        let places = store.places_after(None, usize::MAX).unwrap();
        let held = |(table, record): (TableName, RecordId)| {
            let confirmed = store.confirmed(&table, record).unwrap();
            // Of when it is, it may know better than before.
            let row = store
                .row(&table, record)
                .unwrap()
                .map(|row| StoredRow { version: Sequence(0), ..row });
            ((table, record), (confirmed.map(|it| it.to_edit()), row))
        };
        places.into_iter().map(held).collect()
    }

    /// Rechecks a device, with what it told of it, the entries that it was sent, and the bytes both ways.
    #[track_caller]
    fn recheck(&mut self, at: usize) -> (RecheckReport, Vec<Entry>, usize) {
        let device = &mut self.net.devices[at];
        device.received.clear();
        device.sent.clear();
        self.net.begin_recheck(at);
        self.net.settle();
        let reports = self.net.rechecked(at);
        let [report] = reports.as_slice() else { panic!("{reports:?}") };
        let device = &self.net.devices[at];
        let bytes = device.received.iter().chain(&device.sent).map(Vec::len).sum();
        (*report, entries(&device.received), bytes)
    }
}

fn entries(received: &[Vec<u8>]) -> Vec<Entry> {
    let pages = received.iter().filter_map(|bytes| match decode_message(bytes).unwrap() {
        ToDevice::Page(page) => Some(page.entries),
        _ => None,
    });
    pages.flatten().collect()
}

/// A confirmed record of a device with other changes.
fn with(office: &Office, at: usize, number: usize, change: impl FnOnce(&mut Edit)) -> Applied {
    let held = office.net.devices[at].store.confirmed(&person(), id(number)).unwrap().unwrap();
    let mut edit = held.to_edit();
    change(&mut edit);
    Attestation::of_checked_server().whole(&edit, held.version()).unwrap()
}

/// What of a section says something, says something else.
fn alter(edit: &mut Edit, section: &Section) {
    let change = edit.changes.iter_mut().rfind(|it| it.section == *section).unwrap();
    for op in &mut Arc::make_mut(change).ops {
        match op {
            Op::Put { value, .. } => *value = text("altered"),
            Op::Own { owner, .. } => *owner = "user:hannah".parse::<Owner>().unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn row_of(applied: &Applied) -> StoredRow {
    let confirmed = applied.confirmed();
    StoredRow {
        header: confirmed.record().header().clone(),
        columns: confirmed.record().columns().clone(),
        pending: false,
        version: confirmed.version(),
    }
}

fn write(applied: Applied) -> ReplicaBatch {
    let row = (applied.table().clone(), applied.id(), Some(row_of(&applied)));
    ReplicaBatch { confirmed: vec![applied], rows: vec![row], ..ReplicaBatch::default() }
}

fn lose(number: usize) -> ReplicaBatch {
    let (gone, rows) = (vec![(person(), id(number))], vec![(person(), id(number), None)]);
    ReplicaBatch { gone, rows, ..ReplicaBatch::default() }
}

fn secured() -> Section {
    Section::Secured("pay".parse().unwrap())
}

/// The damage is mended by one record that comes again, and the file is as it was.
#[track_caller]
fn assert_fetched(number: usize, damage: impl FnOnce(&Office) -> ReplicaBatch) {
    let mut office = Office::of(100);
    let hannah = office.hannah;
    let before = office.holds(hannah);
    let damage = damage(&office);
    office.net.devices[hannah].store.commit(damage).unwrap();
    assert_ne!(office.holds(hannah), before);
    let (report, told, bytes) = office.recheck(hannah);
    assert_eq!((report.mended, report.purged), (1, 0));
    let [Entry::Whole { record, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(record.record, id(number));
    assert_eq!(office.holds(hannah), before);
    // A hundred records take some 30,000.
    assert!(bytes < 3_500, "{bytes}");
    assert!(report.bytes < 3_500 && report.bytes > 500, "{report:?}");
    office.net.devices[hannah].store.check().unwrap();
    // And once more: there is nothing to do.
    let (report, told, _) = office.recheck(hannah);
    assert_eq!((report.records, report.mended, report.rows, told.len()), (100, 0, 0, 0));
}

#[test]
fn a_record_that_was_lost_comes_again() {
    for number in [0, 50, 99] {
        assert_fetched(number, |_| lose(number));
    }
}

#[test]
fn a_record_that_is_other_comes_again_whatever_section_it_is_in() {
    let group = Section::Group("media".parse().unwrap());
    for section in [Section::Header, Section::Main, group, secured()] {
        // Of one that is flat, and of one that is not.
        for number in [36, 35] {
            assert_fetched(number, |office| {
                write(with(office, office.hannah, number, |edit| alter(edit, &section)))
            });
        }
    }
}

#[test]
fn a_section_that_was_lost_comes_again() {
    assert_fetched(36, |office| {
        let without = |edit: &mut Edit| edit.changes.retain(|it| it.section != secured());
        write(with(office, office.hannah, 36, without))
    });
}

#[test]
fn an_edit_that_was_lost_comes_again() {
    assert_fetched(35, |office| {
        let last = |edit: &mut Edit| {
            let at = edit.changes.iter().rposition(|it| it.section == Section::Main).unwrap();
            edit.changes.remove(at);
        };
        write(with(office, office.hannah, 35, last))
    });
}

#[test]
fn a_record_that_claims_to_be_from_behind_the_log_comes_again() {
    let mut office = Office::of(10);
    let (boss, hannah) = (office.boss, office.hannah);
    let held = office.net.devices[hannah].store.confirmed(&person(), id(3)).unwrap().unwrap();
    let late = Attestation::of_checked_server().whole(&held.to_edit(), Sequence(1 << 40)).unwrap();
    office.net.devices[hannah].store.commit(write(late)).unwrap();
    let note = |office: &mut Office, note: &str| {
        office.net.set(boss, &person(), id(3), columns([("note", text(note))]));
        office.net.settle();
        office.net.row(hannah, &person(), id(3)).get("note").cloned()
    };
    assert_eq!(note(&mut office, "not heard"), Some(text("what everybody reads")));
    assert_eq!(office.recheck(hannah).0.mended, 1);
    assert_eq!(note(&mut office, "heard"), Some(text("heard")));
}

#[test]
fn rows_that_do_not_show_what_is_confirmed_are_mended_without_the_server() {
    let mut office = Office::of(20);
    let hannah = office.hannah;
    // What is pending shows as well.
    office.net.part(hannah);
    office.net.set(hannah, &person(), id(6), columns([("note", text("mine"))]));
    let before = office.holds(hannah);
    let foreign = row_of(&with(&office, hannah, 5, |_| {}));
    let other = |number: usize| {
        let mut row = office.net.devices[hannah].store.row(&person(), id(number)).unwrap().unwrap();
        row.columns = columns([("name", text("somebody else"))]);
        (person(), id(number), Some(row))
    };
    let rows =
        vec![(person(), id(3), None), other(4), other(6), (person(), id(500), Some(foreign))];
    office.net.devices[hannah].store.commit(ReplicaBatch { rows, ..Default::default() }).unwrap();
    office.net.connect(hannah);
    let mut reports = Vec::new();
    office.net.begin_recheck(hannah);
    // Up to where the pending edit is sent.
    while reports.is_empty() {
        office.net.deliver(hannah, 1);
        reports = office.net.rechecked(hannah);
    }
    assert_eq!((reports[0].rows, reports[0].mended, reports[0].purged), (4, 0, 0));
    assert_eq!(office.holds(hannah), before);
    office.net.settle();
    let row = office.net.devices[hannah].store.row(&person(), id(6)).unwrap().unwrap();
    assert!(!row.pending && row.columns.get("note") == Some(&text("mine")), "{row:?}");
}

#[test]
fn what_should_not_be_here_is_purged_and_what_is_pending_on_it_kept() {
    let mut office = Office::of(30);
    let ben = office.ben;
    let before = office.holds(ben);
    // A record that is nowhere, one of a table that he may not read, and a section that he may not.
    let copy = |number: usize, name: &str| {
        let mut edit = with(&office, ben, number, |_| {}).into_confirmed().to_edit();
        (edit.table, edit.record) = (name.parse().unwrap(), id(1_000 + number));
        Attestation::of_checked_server().whole(&edit, Sequence(3)).unwrap()
    };
    let memo = {
        let mut edit = copy(2, "memo").into_confirmed().to_edit();
        edit.changes.retain(|it| it.section == Section::Header);
        Attestation::of_checked_server().whole(&edit, Sequence(3)).unwrap()
    };
    let pay = with(&office, office.hannah, 4, |_| {});
    let damages = [write(copy(1, "person")), write(memo), write(pay)];
    for damage in damages {
        office.net.devices[ben].store.commit(damage).unwrap();
    }
    let note = columns([("note", text("of nobody"))]);
    office.net.part(ben);
    office.net.set(ben, &person(), id(1_001), note);
    office.net.connect(ben);
    let (report, told, _) = office.recheck(ben);
    assert_eq!((report.mended, report.purged), (1, 2));
    assert!(matches!(told.as_slice(), [Entry::Whole { .. }]), "{told:?}");
    assert_eq!(office.holds(ben), before);
    let quarantine = office.net.devices[ben].store.quarantine().unwrap();
    assert_eq!(quarantine.len(), 1);
    assert_eq!(quarantine[0].record, id(1_001));
    // No byte of it is left, and the server has heard so.
    assert!(office.net.receipt(ben).is_some());
    for (file, bytes) in office.net.bytes_of(ben) {
        let found = bytes.windows(5).any(|it| it == b"pay 4");
        assert!(!found, "{file}");
    }
}

#[test]
fn a_device_that_lost_everything_has_it_again() {
    let mut office = Office::of(1_300);
    let ben = office.ben;
    let before = office.holds(ben);
    let damage: Vec<_> = (0..1_300).map(lose).collect();
    let all = damage.into_iter().fold(ReplicaBatch::default(), |mut all, one| {
        all.gone.extend(one.gone);
        all.rows.extend(one.rows);
        all
    });
    office.net.devices[ben].store.commit(all).unwrap();
    let (report, ..) = office.recheck(ben);
    assert_eq!((report.records, report.mended), (0, 1_300));
    assert_eq!(office.holds(ben), before);
}

#[test]
fn many_records_that_are_nowhere_leave() {
    let mut office = Office::of(10);
    let ben = office.ben;
    let before = office.holds(ben);
    for number in 0..1_200 {
        let mut edit = with(&office, ben, 1, |_| {}).into_confirmed().to_edit();
        edit.record = id(5_000 + number);
        let copy = Attestation::of_checked_server().whole(&edit, Sequence(3)).unwrap();
        office.net.devices[ben].store.commit(write(copy)).unwrap();
    }
    let (report, told, _) = office.recheck(ben);
    assert_eq!((report.mended, report.purged, told.len()), (0, 1_200, 0));
    assert_eq!(office.holds(ben), before);
}

/// Others edit, create and delete after each message of a recheck in turn.
#[test]
fn edits_that_come_meanwhile_are_no_difference() {
    let mut office = Office::of(1_200);
    let (boss, ben) = (office.boss, office.ben);
    for (round, damaged) in [(0, false), (1, true)] {
        if damaged {
            office.net.devices[ben].store.commit(lose(700)).unwrap();
        }
        office.net.begin_recheck(ben);
        let mut reports = Vec::new();
        for number in 0.. {
            let note = columns([("note", text(&format!("meanwhile {round} {number}")))]);
            office.net.set(boss, &person(), id(number * 37 % 1_000), note);
            let new = 2_000 + 1_000 * round + number;
            let values = columns([("name", text("new"))]);
            let intent = Intent::Create { owner: None, columns: values };
            let create = Draft { table: person(), record: id(new), intent };
            let intent = Intent::Delete;
            let delete =
                Draft { table: person(), record: id(1_199 - 100 * round - number), intent };
            office.net.commit(boss, vec![create, delete], false);
            office.net.deliver(boss, 100);
            // A page, and what comes behind it.
            office.net.deliver(ben, 2);
            reports.extend(office.net.rechecked(ben));
            if !reports.is_empty() {
                break;
            }
            assert!(number < 100);
        }
        office.net.settle();
        assert_eq!((reports[0].mended, reports[0].purged), (u64::from(damaged), 0), "{round}");
        assert_eq!(office.recheck(ben).0.mended, 0);
    }
    // The server's own view of what Ben holds.
    for ((table, record), (confirmed, _)) in office.holds(ben) {
        let theirs = office.net.store.record(record).unwrap().unwrap();
        let mut theirs = theirs.to_edit();
        theirs.changes.retain(|it| it.section != secured());
        assert_eq!(confirmed, Some(theirs), "{table} {record}");
    }
}

#[test]
fn a_recheck_that_is_cut_begins_anew_with_the_next_session() {
    let mut office = Office::of(40);
    let ben = office.ben;
    let before = office.holds(ben);
    for messages in 0..12 {
        office.net.devices[ben].store.commit(lose(messages)).unwrap();
        office.net.begin_recheck(ben);
        for _ in 0..messages {
            office.net.deliver(ben, 1);
        }
        let is_done = !office.net.rechecked(ben).is_empty();
        office.net.part(ben);
        office.net.connect(ben);
        office.net.settle();
        assert_eq!(office.net.rechecked(ben).len(), usize::from(!is_done), "{messages}");
        assert_eq!(office.holds(ben), before);
    }
}

/// What a device sends is rebuilt on what it holds: where that is damaged the server cannot take it.
#[test]
fn a_device_whose_edits_come_out_otherwise_than_signed_mends_what_it_holds() {
    let mut office = Office::of(10);
    let hannah = office.hannah;
    office.net.part(hannah);
    let damage = write(with(&office, hannah, 3, |edit| alter(edit, &Section::Main)));
    office.net.devices[hannah].store.commit(damage).unwrap();
    office.net.set(hannah, &person(), id(3), columns([("note", text("mine"))]));
    office.net.refused = Some(Vec::new());
    office.net.connect(hannah);
    office.net.settle();
    let refused = office.net.refused.take().unwrap();
    assert!(matches!(refused.as_slice(), [Refusal::Protocol(_)]), "{refused:?}");
    office.net.connect(hannah);
    office.net.settle();
    assert_eq!(office.net.rechecked(hannah).len(), 1);
    let row = office.net.row(office.boss, &person(), id(3));
    assert_eq!(row.get("note"), Some(&text("mine")));
    assert_eq!(row.get("name"), Some(&text("person 3")));
    assert_eq!(office.net.row(hannah, &person(), id(3)), row);
}

/// An admitted edit that does not fit says that more may be wrong.
#[test]
fn a_device_on_which_an_edit_does_not_fit_looks_at_all_it_holds() {
    let mut office = Office::of(30);
    let ben = office.ben;
    let lost = |edit: &mut Edit| {
        let at = edit.changes.iter().rposition(|it| it.section == Section::Main).unwrap();
        edit.changes.remove(at);
    };
    let damage = write(with(&office, ben, 7, lost));
    let store = &mut office.net.devices[ben].store;
    store.commit(damage).unwrap();
    store.commit(lose(20)).unwrap();
    office.net.set(office.boss, &person(), id(7), columns([("note", text("once more"))]));
    office.net.settle();
    let reports = office.net.rechecked(ben);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0].mended, 1, "the other one was fetched before");
    assert_eq!(office.holds(ben).len(), 30);
    assert_eq!(office.recheck(ben).0.mended, 0);
}

/// What a device is told to compare with says nothing of what its user may not read.
#[test]
fn digests_do_not_depend_on_what_may_not_be_read() {
    let told = |pay: &str, of: fn(&Office) -> usize| {
        let mut office = Office::paying(50, pay);
        let at = of(&office);
        office.recheck(at);
        let received = std::mem::take(&mut office.net.devices[at].received);
        let compared = received
            .into_iter()
            .filter(|bytes| matches!(decode_message(bytes).unwrap(), ToDevice::Compared { .. }));
        compared.collect::<Vec<_>>()
    };
    let ben: fn(&Office) -> usize = |office| office.ben;
    assert_eq!(told("low", ben), told("high", ben));
    assert!(!told("low", ben).is_empty());
    let hannah: fn(&Office) -> usize = |office| office.hannah;
    assert_ne!(told("low", hannah), told("high", hannah));
}

/// Whoever asks about stretches, small or large, hears of no record that is hidden from them.
#[test]
fn no_range_ends_with_a_record_that_may_not_be_read() {
    let mut office = Office::of(20);
    let (boss, ben) = (office.boss, office.ben);
    let memo: TableName = "memo".parse().unwrap();
    let values = columns([("title", text("for the boss"))]);
    let intent = Intent::Create { owner: None, columns: values };
    office.net.commit(boss, vec![Draft { table: memo, record: id(900), intent }], false);
    office.net.settle();
    let ask = |office: &mut Office, at: usize, grain| {
        office.net.devices[at].received.clear();
        let stretches = vec![tidegate::codec::Stretch::default()];
        office.net.say(at, &ToServer::Compare { number: 7, grain, stretches });
        office.net.settle();
        let received = std::mem::take(&mut office.net.devices[at].received);
        let ends = received.iter().flat_map(|bytes| match decode_message(bytes).unwrap() {
            ToDevice::Compared { ranges, .. } => ranges,
            other => panic!("{other:?}"),
        });
        ends.filter_map(|range| range.end.map(|end| end.record)).collect::<Vec<_>>()
    };
    let people: Vec<_> = (0..20).map(id).collect();
    assert_eq!(ask(&mut office, ben, 1), people);
    assert_eq!(ask(&mut office, ben, 0), people);
    assert_eq!(ask(&mut office, ben, 7), [id(6), id(13)]);
    assert_eq!(ask(&mut office, ben, u32::MAX), []);
    assert_eq!(ask(&mut office, boss, 1).len(), 21);
}

/// With rows that are equal the bytes are of digests, some 40 for a thousand rows, and of the receipt of the
/// purge behind it, some 170.
#[test]
fn what_is_equal_costs_few_bytes() {
    for (rows, bytes_max) in [(2_000, 270), (20_000, 1_170)] {
        let name = |number: usize| columns([("name", text(&number.to_string()))]);
        let mut office = Office::alone(rows, name);
        let (report, told, bytes) = office.recheck(office.boss);
        println!("{rows} rows: {bytes} bytes, {report:?}");
        assert_eq!((report.records, report.mended, told.len()), (rows as u64, 0, 0));
        assert!(bytes < bytes_max, "{rows} rows: {bytes} bytes");
    }
}

#[test]
fn deleted_records_are_compared_like_others() {
    let mut office = Office::of(12);
    let (boss, ben) = (office.boss, office.ben);
    let draft = |number| Draft { table: person(), record: id(number), intent: Intent::Delete };
    office.net.commit(boss, vec![draft(3), draft(4)], false);
    office.net.settle();
    assert_eq!(
        office.recheck(ben).0,
        RecheckReport { records: 12, ranges: 1, ..office.recheck(ben).0 }
    );
    let before = office.holds(ben);
    // One is there again, and of one it is not known any more.
    let there = with(&office, ben, 3, |edit| {
        let deleted = |it: &Op| matches!(it, Op::State(RecordState::Deleted));
        edit.changes.retain(|it| !it.ops.iter().any(deleted));
    });
    let store = &mut office.net.devices[ben].store;
    store.commit(write(there)).unwrap();
    store.commit(lose(4)).unwrap();
    assert_ne!(office.holds(ben), before);
    assert_eq!(office.recheck(ben).0.mended, 2);
    assert_eq!(office.holds(ben), before);
}
