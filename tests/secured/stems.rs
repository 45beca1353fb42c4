//! Records that both sides have are named by the first bits of their ids.

use std::sync::Arc;

use tidegate::codec::{
    ChangeSet, ChangeSetError, Entry, HashesDigest, Lexicon, PublicKey, SignedChangeSet, Stem,
    ToDevice, ToServer, decode_message,
};
use tidegate::model::{Column, ColumnType, DeviceNumber, Edit, EditId, RecordId, TableName, Value};
use tidegate::sync::replica::{Draft, Intent, SessionError};
use tidegate::sync::{ReplicaBatch, ReplicaStore as _};

use crate::net::{Net, columns, text};

const SCHEMA: &str = r#"
[[table]]
id = "order"
ownership = "user_owned"
columns = [{ id = "title", type = "text" }]
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
roles = ["seller"]
[[role]]
id = "seller"
rights.order = { create = "user", read = "user", write = "user" }
"#;

const RECORDS: i64 = 60;

fn orders() -> TableName {
    "order".parse().unwrap()
}

/// An id of which all bits but the version are as good as chance.
fn id(number: i64) -> RecordId {
    RecordId::from_key(&orders(), &[Value::Integer(number)])
}

/// One that begins as another does, with so many bits.
fn like(other: RecordId, bits: u8) -> RecordId {
    let number = u128::from_be_bytes(*other.as_bytes());
    RecordId::from_bytes((number ^ (1 << (127 - bits))).to_be_bytes())
}

fn create(record: RecordId) -> Draft {
    let columns = columns([("title", text("bread"))]);
    Draft { table: orders(), record, intent: Intent::Create { columns, owner: None } }
}

fn set(record: RecordId, title: &str) -> Draft {
    let intent = Intent::Set(columns([("title", text(title))]));
    Draft { table: orders(), record, intent }
}

/// These records, made by the boss, on two devices of the boss.
fn office(records: &[RecordId]) -> Net {
    let mut net = Net::new(SCHEMA, POLICY, None, None);
    net.enroll("boss");
    net.enroll("boss");
    net.commit(0, records.iter().copied().map(create).collect(), false);
    net.settle();
    net
}

fn titles(net: &Net, at: usize, records: &[RecordId]) -> Vec<Value> {
    records.iter().map(|record| net.row(at, &orders(), *record)["title"].clone()).collect()
}

/// How many bits were told of the record of each edit that a device heard of, from its message of this number.
fn told(net: &Net, at: usize, from: usize) -> Vec<u8> {
    let messages = net.devices[at].received[from..].iter();
    let entries = messages.flat_map(|bytes| match decode_message(bytes).unwrap() {
        ToDevice::Page(page) => page.entries,
        _ => Vec::new(),
    });
    let bits = entries.filter_map(|entry| match entry {
        Entry::Edit { bits, .. } => Some(bits),
        _ => None,
    });
    bits.collect()
}

/// The change sets that a device sent, from its message of this number.
fn pushed(net: &Net, at: usize, from: usize) -> Vec<SignedChangeSet> {
    let messages = net.devices[at].sent[from..].iter().map(|bytes| decode_message(bytes).unwrap());
    let sets = messages.filter_map(|message| match message {
        ToServer::Push(set) => Some(set),
        _ => None,
    });
    sets.collect()
}

/// How many bits are told of the record of each edit in change sets of a device, which find one of these each.
fn bits_in(net: &Net, at: usize, sets: &[SignedChangeSet], records: &[RecordId]) -> Vec<u8> {
    let ((key, organization), lexicon) = (keys(net, at), lexicon(net, at));
    let mut bits = Vec::new();
    for signed in sets {
        let names = |_| Some(Arc::clone(&lexicon));
        let mut stems = Vec::new();
        let find = |_: &Edit, stem: Stem| {
            stems.push(stem.bits());
            let mut found = records.iter().copied().filter(|id| stem.is_of(*id));
            found.next().filter(|_| found.next().is_none())
        };
        let set = signed.open_in_short(&key, &organization, names, find).unwrap();
        let whole = set.edits.len() - stems.len();
        bits.append(&mut stems);
        bits.extend(vec![Stem::WHOLE; whole]);
    }
    bits
}

/// The names that a device has with its schema.
fn lexicon(net: &Net, at: usize) -> Arc<Lexicon> {
    let meta = net.devices[at].store.meta().unwrap();
    Arc::new(Lexicon::of(&meta.schema, meta.schema_digest.unwrap()))
}

fn keys(net: &Net, at: usize) -> (PublicKey, PublicKey) {
    let enrolment = net.devices[at].store.meta().unwrap().enrolment.unwrap();
    (net.devices[at].key.public(), enrolment.organization)
}

/// The second device of the boss is away while the first edits these records, all in one go.
fn edited_meanwhile(net: &mut Net, records: &[RecordId]) -> Vec<u8> {
    net.part(1);
    let title = |at: usize, net: &Net| format!("{at} after {}", net.devices[0].sent.len());
    let third = title(3, net);
    let edits = records.iter().enumerate().map(|(at, record)| set(*record, &title(at, net)));
    let edits = edits.collect();
    net.commit(0, edits, false);
    net.settle();
    let before = net.devices[1].received.len();
    net.connect(1);
    net.settle();
    assert_eq!(titles(net, 1, records), titles(net, 0, records));
    assert_eq!(titles(net, 1, records)[3], text(&third));
    told(net, 1, before)
}

#[test]
fn records_that_both_have_are_named_by_few_bits() {
    let records: Vec<_> = (0..RECORDS).map(id).collect();
    let mut net = office(&records);
    let before = net.devices[0].sent.len();
    let bits = edited_meanwhile(&mut net, &records);
    assert_eq!(bits.len(), records.len());
    assert!(bits.iter().all(|bits| *bits < 24), "{bits:?}");
    // What is sent names them in short as well: who knows none of them cannot read it.
    let (key, organization) = keys(&net, 0);
    let (sets, lexicon) = (pushed(&net, 0, before), lexicon(&net, 0));
    let bits = bits_in(&net, 0, &sets, &records);
    assert_eq!(bits.len(), records.len());
    assert!(bits.iter().all(|bits| (6..24).contains(bits)), "{bits:?}");
    for signed in sets {
        assert_eq!(signed.open(&key, &organization), Err(ChangeSetError::Unclear));
        let names = |_| Some(Arc::clone(&lexicon));
        // Of another record than its author meant nothing is taken.
        let wrong = |_: &Edit, _: Stem| Some(records[0]);
        let wrong = signed.open_in_short(&key, &organization, names, wrong);
        assert_eq!(wrong, Err(ChangeSetError::Unclear));
    }
}

#[test]
fn records_whose_ids_begin_alike_are_told_apart() {
    let records: Vec<_> = (0..20).map(|bits| like(id(1), 100 + bits)).collect();
    let mut net = office(&records);
    let before = net.devices[0].sent.len();
    let bits = edited_meanwhile(&mut net, &records);
    assert_eq!(bits.len(), records.len());
    assert!(bits.iter().all(|bits| (101..=120).contains(bits)), "{bits:?}");
    // A device tells as much, so that each is found.
    let sets = pushed(&net, 0, before);
    let bits = bits_in(&net, 0, &sets, &records);
    assert_eq!(bits.len(), records.len());
    assert!(bits.iter().all(|bits| (101..=128).contains(bits)), "{bits:?}");
}

#[test]
fn who_edits_few_records_names_them_whole() {
    let records: Vec<_> = (0..RECORDS).map(id).collect();
    let mut net = office(&records);
    net.part(1);
    let before = net.devices[0].sent.len();
    net.commit(0, records[..3].iter().map(|record| set(*record, "milk")).collect(), false);
    net.settle();
    let sets = pushed(&net, 0, before);
    assert_eq!(bits_in(&net, 0, &sets, &records), vec![Stem::WHOLE; 3]);
    let before = net.devices[1].received.len();
    net.connect(1);
    net.settle();
    assert_eq!(told(&net, 1, before), vec![Stem::WHOLE; 3]);
}

/// As after a disk that lost something: what the server takes it to have is not there.
#[test]
fn who_has_not_what_is_named_in_short_compares_all_and_has_it_then() {
    let records: Vec<_> = (0..RECORDS).map(id).collect();
    let mut net = office(&records);
    net.part(1);
    net.commit(0, records.iter().map(|record| set(*record, "milk")).collect(), false);
    net.settle();
    let lost = (orders(), records[7]);
    let rows = vec![(lost.0.clone(), lost.1, None)];
    let batch = ReplicaBatch { gone: vec![lost], rows, ..ReplicaBatch::default() };
    net.devices[1].store.commit(batch).unwrap();
    net.restart(1);
    net.connect(1);
    let error = net.fail(1);
    assert_eq!(error, SessionError::Unfound);
    assert_eq!(net.row(1, &orders(), records[8])["title"], text("bread"), "nothing is taken");
    let before = net.devices[1].received.len();
    net.connect(1);
    net.settle();
    assert_eq!(told(&net, 1, before), vec![Stem::WHOLE; records.len()]);
    assert_eq!(titles(&net, 1, &records), vec![text("milk"); records.len()]);
    // Once it has all, few bits are enough again.
    let bits = edited_meanwhile(&mut net, &records);
    assert_eq!(bits.len(), records.len());
    assert!(bits.iter().all(|bits| *bits < 24), "{bits:?}");
}

#[test]
fn a_server_that_has_others_that_begin_alike_is_told_whole_ids_and_admits_all() {
    let records: Vec<_> = (0..RECORDS).map(id).collect();
    let mut net = office(&records);
    net.part(1);
    net.commit(0, vec![create(like(records[7], 60))], false);
    net.settle();
    let made = net.commit(1, records.iter().map(|record| set(*record, "milk")).collect(), false);
    let before = net.devices[1].received.len();
    net.connect(1);
    net.settle();
    let received = net.devices[1].received[before..].iter();
    let asked =
        received.filter(|bytes| matches!(decode_message(bytes).unwrap(), ToDevice::NameWhole));
    assert_eq!(asked.count(), 1);
    for at in 0..2 {
        assert_eq!(titles(&net, at, &records), vec![text("milk"); records.len()], "device {at}");
    }
    assert_eq!(net.row(0, &orders(), like(records[7], 60))["title"], text("bread"));
    assert!(made.iter().all(|edit| net.devices[1].store.pending(*edit).unwrap().is_none()));
    assert!(net.devices[1].store.quarantine().unwrap().is_empty());
    // From now on this device tells more, also after it was opened again; the other one does not.
    net.restart(1);
    let all: Vec<_> = records.iter().copied().chain([like(records[7], 60)]).collect();
    let least = |net: &mut Net, at: usize| {
        let before = net.devices[at].sent.len();
        let title = format!("of {at}");
        net.commit(at, records.iter().map(|record| set(*record, &title)).collect(), false);
        net.settle();
        let sets = pushed(net, at, before);
        let bits = bits_in(net, at, &sets, &all);
        assert_eq!(bits.len(), records.len());
        bits.into_iter().min().unwrap()
    };
    net.connect(1);
    net.settle();
    let (more, few) = (least(&mut net, 1), least(&mut net, 0));
    assert!(few < 20 && more == few + 8, "{few} and {more}");
}

/// Story: what a device says by the numbers of its schema comes when the server has another one.
#[test]
fn names_by_numbers_of_a_schema_that_was_replaced_are_told_again() {
    let records: Vec<_> = (0..RECORDS).map(id).collect();
    let mut net = office(&records);
    net.part(1);
    let made = net.commit(1, records.iter().map(|record| set(*record, "milk")).collect(), false);
    net.connect(1);
    let ToServer::Push(signed) = net.cut_at_push(1) else { panic!("a change set is sent") };
    net.change_rules(|_, schema| {
        let table = schema.tables.get_mut("order").unwrap();
        let note = Column::new("a_note".parse().unwrap(), ColumnType::Text);
        table.columns.insert(0, note);
    });
    // Somebody brings it, and it says nothing that could be misread.
    let before = net.devices[0].received.len();
    net.say(0, &ToServer::Push(signed));
    net.settle();
    let received = &net.devices[0].received[before..];
    let is_unclear = |bytes: &Vec<u8>| matches!(decode_message(bytes), Ok(ToDevice::NameWhole));
    assert_eq!(received.iter().filter(|bytes| is_unclear(bytes)).count(), 1);
    assert_eq!(titles(&net, 0, &records), vec![text("bread"); records.len()]);
    // The device itself has the new schema by then.
    net.connect(1);
    net.settle();
    assert_eq!(titles(&net, 0, &records), vec![text("milk"); records.len()]);
    assert!(made.iter().all(|edit| net.devices[1].store.pending(*edit).unwrap().is_none()));
}

/// Otherwise who may not read them could find out by trying which ids there are.
#[test]
fn what_the_author_may_not_read_is_not_found_by_its_first_bits() {
    let records: Vec<_> = (0..RECORDS).map(id).collect();
    let mut net = office(&records);
    let ann = net.enroll("ann");
    let own = id(1_000);
    net.commit(ann, vec![create(own)], false);
    net.settle();
    let (_, organization) = keys(&net, ann);
    let enrolment = net.devices[ann].store.meta().unwrap().enrolment.unwrap();
    let ask = |net: &mut Net, record: RecordId| {
        let edits = vec![empty(enrolment.device, record)];
        let set = ChangeSet { device: enrolment.device, edits, hashes: HashesDigest::of([]) };
        let signed =
            set.sign_in_short(&net.devices[ann].key, &organization, &[40], &Lexicon::default());
        let signed = signed.unwrap();
        let before = net.devices[ann].received.len();
        net.say(ann, &ToServer::Push(signed));
        net.settle();
        let received = &net.devices[ann].received[before..];
        received.iter().map(|bytes| decode_message::<ToDevice>(bytes).unwrap()).collect::<Vec<_>>()
    };
    // There is one, and there is none: the same is said.
    assert_eq!(ask(&mut net, records[5]), [ToDevice::NameWhole]);
    assert_eq!(ask(&mut net, id(2_000)), [ToDevice::NameWhole]);
    // Of her own the edit is judged.
    let judged = ask(&mut net, own);
    assert!(matches!(judged.as_slice(), [ToDevice::Verdicts(_)]), "{judged:?}");
}

fn empty(device: DeviceNumber, record: RecordId) -> Edit {
    let id = EditId { device, counter: 1 << 20, part: 0 };
    Edit { id, table: orders(), record, atomic: 0, changes: Vec::new() }
}

/// Owners of which each has every tenth record.
fn owned(records: &[RecordId]) -> Net {
    let user = |n: usize| {
        format!("[[user]]\nid = \"u{n}\"\nbusiness_unit = \"root\"\nroles = [\"seller\"]\n")
    };
    let users = (0..10).map(user).collect::<Vec<_>>().concat();
    let mut net = Net::new(SCHEMA, &format!("{POLICY}{users}"), None, None);
    net.enroll("boss");
    net.enroll("boss");
    let owner = |at: usize| Some(format!("user:u{}", at % 10).parse().unwrap());
    let create = |(at, record): (usize, &RecordId)| {
        let columns = columns([("title", text("bread"))]);
        let intent = Intent::Create { columns, owner: owner(at) };
        Draft { table: orders(), record: *record, intent }
    };
    for records in records.chunks(1_000).map(|it| it.iter().enumerate().map(create).collect()) {
        net.commit(0, records, false);
        net.settle();
    }
    net
}

#[test]
fn of_one_owners_records_fewer_bits_are_enough_until_one_comes_or_goes() {
    let records: Vec<_> = (0..1_000).map(id).collect();
    let mut net = owned(&records);
    let mine: Vec<_> = records.iter().copied().skip(3).step_by(10).collect();
    let mean = |bits: &[u8]| {
        bits.iter().map(|bits| u32::from(*bits)).sum::<u32>() / u32::try_from(bits.len()).unwrap()
    };
    let few = mean(&edited_meanwhile(&mut net, &mine));
    assert!((7..=9).contains(&few), "of a hundred: {few}");
    // Records of all owners, one after the other.
    let all = mean(&edited_meanwhile(&mut net, &records[..100]));
    assert!((10..=13).contains(&all), "of a thousand: {all}");
    // One is another's now: the device that does not know that is told more.
    net.part(1);
    let to = Draft {
        table: orders(),
        record: records[13],
        intent: Intent::Assign("user:u5".parse().unwrap()),
    };
    net.commit(0, vec![to], false);
    net.settle();
    assert_eq!(
        mean(&edited_meanwhile(&mut net, &mine)),
        mean(&edited_meanwhile(&mut net, &mine)) + 3
    );
}

/// Story: the second edit of a record came behind one of another owner's record, and was named by the stem by which
/// it had been told from its own owner's records.
#[test]
fn a_record_that_is_edited_again_behind_one_of_another_owner_is_found() {
    let records: Vec<_> = (0..1_000).map(id).collect();
    let mut net = owned(&records);
    net.part(1);
    let of = |owner: usize, number: usize| records[10 * number + owner];
    let edits =
        (0..30).flat_map(|it| [of(3, 2 * it), of(3, 2 * it + 1), of(4, it), of(3, 2 * it + 1)]);
    let edits: Vec<_> = edits.collect();
    for (at, record) in edits.iter().enumerate() {
        net.commit(0, vec![set(*record, &format!("title {at}"))], false);
    }
    net.settle();
    let before = net.devices[1].received.len();
    net.connect(1);
    net.settle();
    assert_eq!(titles(&net, 1, &edits), titles(&net, 0, &edits));
    let bits = told(&net, 1, before);
    assert_eq!(bits.len(), edits.len());
    assert!(bits.iter().all(|bits| *bits < 24), "{bits:?}");
}
