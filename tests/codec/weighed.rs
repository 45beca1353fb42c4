//! What the bytes of a message are for: each is counted once, and where it belongs.

use std::sync::Arc;

use tidegate::codec::{
    Admitted, ChangeSet, Check, Digest, Entry, HashesDigest, IdsDigest, Lexicon, MovedLeg, Page,
    RangeDigest, Refusal, Resume, Scope, SecretKey, Stem, Terms, ToDevice, ToServer,
    decode_message, encode_message,
};
use tidegate::model::{
    ActorId, Change, ChangeRef, Denial, DeviceNumber, Edit, EditId, Op, PolicyEpoch, RecordId,
    Section, Sequence, Spent, Timestamp, Value, Verdict,
};

use crate::alone;
use crate::drawn;
use crate::replicas::Rng;

const SIGNATURE: u64 = 64;

fn to_device(message: &ToDevice) -> Spent {
    let bytes = encode_message(message).unwrap();
    let spent = message.weigh(&bytes);
    assert_eq!(spent.total(), bytes.len() as u64, "{message:?}");
    assert_eq!((spent.handshake, spent.quic), (0, 0));
    // Who reads it counts the same.
    assert_eq!(decode_message::<ToDevice>(&bytes).unwrap().weigh(&bytes), spent);
    spent
}

fn to_server(message: &ToServer) -> Spent {
    let bytes = encode_message(message).unwrap();
    let spent = message.weigh(&bytes);
    assert_eq!(spent.total(), bytes.len() as u64, "{message:?}");
    spent
}

fn page_of(edits: Vec<Edit>, bits: u8) -> Page {
    let place = |(at, edit)| Entry::Edit { sequence: Sequence(at), edit, bits, of_owner: false };
    Page { entries: (1_000..).zip(edits).map(place).collect(), ..Page::default() }
}

fn push_of(edits: Vec<Edit>, bits: u8) -> ToServer {
    let bits = vec![bits; edits.len()];
    let set = ChangeSet { device: DeviceNumber(3), edits, hashes: HashesDigest([9; 8]) };
    let (key, organization) = (SecretKey::from_seed([7; 32]), SecretKey::from_seed([1; 32]));
    let signed = set.sign_in_short(&key, &organization.public(), &bits, &Lexicon::default());
    ToServer::Push(signed.unwrap())
}

/// One text each, of records whose ids are chance.
fn texts(count: usize, length: usize) -> Vec<Edit> {
    let (mut rng, mut ids) = (Rng(5), Rng(6));
    let actor = ActorId { device: DeviceNumber(3), incarnation: 77 };
    let edit = |at: usize| {
        let text: String =
            (0..length).map(|_| char::from(b'!' + u8::try_from(rng.below(90)).unwrap())).collect();
        let op = Op::Put { column: "note".parse().unwrap(), value: Value::Text(text.into()) };
        let change = Change {
            section: Section::Main,
            id: ChangeRef { actor, seq: at as u64 + 1 },
            time: Timestamp::from_millis(i64::try_from(at).unwrap()).unwrap(),
            deps: Vec::new(),
            ops: vec![op],
        };
        let id = [ids.next().to_le_bytes(), ids.next().to_le_bytes()].concat();
        Edit {
            id: EditId { device: DeviceNumber(3), counter: at as u64, part: 0 },
            table: "order".parse().unwrap(),
            record: RecordId::from_bytes(id.try_into().unwrap()),
            atomic: 0,
            changes: vec![Arc::new(change)],
        }
    };
    (0..count).map(edit).collect()
}

#[test]
fn the_sum_is_the_length_whatever_is_edited() {
    let _turn = alone();
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let count = [0, 1, 2, 3, 4, 40, 300][rng.below(7)];
        let edits = drawn::edits(&mut rng, count, seed % 2 == 0);
        for bits in [Stem::WHOLE, 24] {
            let page = Page { ids: Some(IdsDigest([3; 4])), ..page_of(edits.clone(), bits) };
            let spent = to_device(&ToDevice::Page(page));
            assert_eq!(spent.signatures, 4);
            assert_eq!(spent.verdicts, 0);
            if encode_message(&push_of(edits.clone(), bits)).is_ok() {
                assert!(to_server(&push_of(edits.clone(), bits)).signatures >= SIGNATURE + 8);
            }
        }
    }
}

/// As streams, as columns, and as columns that are packed.
#[test]
fn longer_texts_are_more_values_and_nothing_else() {
    let _turn = alone();
    for count in [1, 3, 30, 600] {
        let text_bytes = |length: usize| (count * length) as u64;
        for bits in [Stem::WHOLE, 24] {
            let weigh = |length| {
                let page = ToDevice::Page(page_of(texts(count, length), bits));
                [to_device(&page), to_server(&push_of(texts(count, length), bits))]
            };
            for (short, long) in weigh(20).into_iter().zip(weigh(300)) {
                let more = long.values - short.values;
                // Of what is drawn from 90 letters no less than 6.49 bits of each are left.
                // Which letters there are takes more to tell of few.
                let least = (text_bytes(280) * 80 / 100).saturating_sub(30);
                assert!((least..text_bytes(290)).contains(&more), "{count}: {short:?} {long:?}");
                assert_eq!(
                    Spent { values: 0, framing: 0, ids: 0, ..short },
                    Spent { values: 0, framing: 0, ids: 0, ..long }
                );
                // Short texts may be streams and long ones columns, which say the same of ids.
                assert!(
                    long.ids.abs_diff(short.ids) < 12 + short.ids / 100,
                    "{count}: {short:?} {long:?}"
                );
                // A length takes a byte more.
                assert!(long.framing.abs_diff(short.framing) < 12, "{count}: {short:?} {long:?}");
            }
        }
    }
}

#[test]
fn ids_take_what_ids_say() {
    let _turn = alone();
    let weigh = |bits| to_device(&ToDevice::Page(page_of(texts(600, 20), bits)));
    let (whole, stems) = (weigh(Stem::WHOLE), weigh(24));
    // 16 bytes of chance each, or three.
    assert!((600 * 16..600 * 17).contains(&whole.ids), "{whole:?}");
    assert!((600 * 3..600 * 4).contains(&stems.ids), "{stems:?}");
    assert_eq!(whole.values, stems.values);
}

#[test]
fn what_becomes_of_edits_is_verdicts() {
    let _turn = alone();
    let id = EditId { device: DeviceNumber(3), counter: 70, part: 0 };
    let (table, record) = ("order".parse().unwrap(), RecordId::from_bytes([7; 16]));
    let denial = Denial::malformed("it is so");
    let epoch = PolicyEpoch(4);
    let check = Check { readable: Digest([3; 16]), columns: [1, 2, 3, 4] };
    let admitted = Admitted { table: "order".parse().unwrap(), record, check };
    let sequence = Sequence(900);
    let entries = [
        (Entry::Own { sequence, id, admitted: None }, 3),
        (Entry::Own { sequence, id, admitted: Some(admitted) }, 40),
        (
            Entry::Split {
                id,
                table: "order".parse().unwrap(),
                record,
                columns: vec![denial.clone()],
                epoch,
            },
            30,
        ),
        (Entry::Gone { sequence, table: "order".parse().unwrap(), record }, 23),
        (Entry::Erased { sequence, table, record }, 23),
    ];
    for (entry, least) in entries {
        let spent =
            to_device(&ToDevice::Page(Page { entries: vec![entry.clone()], ..Page::default() }));
        assert!(spent.verdicts >= least, "{entry:?}: {spent:?}");
        assert_eq!((spent.signatures, spent.session), (0, 8), "{entry:?}: {spent:?}");
        // What edits take that are not there.
        assert!(spent.values < 40, "{entry:?}: {spent:?}");
    }
    let spent = to_device(&ToDevice::Verdicts(vec![(id, Verdict::Denied { denial, epoch })]));
    assert_eq!(spent.total(), spent.verdicts + spent.framing);
}

#[test]
fn records_that_follow_an_owner_are_ids() {
    let _turn = alone();
    let moved = |count: usize| {
        let leg = MovedLeg {
            owner: "user:ann".parse().unwrap(),
            business_unit: "north".parse().unwrap(),
            table: "order".parse().unwrap(),
            records: vec![RecordId::from_bytes([1; 16]); count],
        };
        let actor = ActorId { device: DeviceNumber::SERVER, incarnation: 7 };
        let (sequence, at) = (Sequence(9), Timestamp::default());
        let entries = vec![Entry::Moved { sequence, actor, at, legs: vec![leg] }];
        to_device(&ToDevice::Page(Page { entries, ..Page::default() }))
    };
    let (few, many) = (moved(1), moved(11));
    assert_eq!(many, Spent { ids: few.ids + 170, ..few });
}

#[test]
fn what_proves_something_is_signatures_and_what_sides_say_of_themselves_the_session() {
    let _turn = alone();
    let certificate = to_device(&ToDevice::Greeting { certificate: vec![1; 145] });
    assert_eq!((certificate.signatures, certificate.framing), (147, 2));
    let grant = to_device(&ToDevice::Grant(vec![2; 500]));
    assert_eq!((grant.signatures, grant.session), (SIGNATURE, 438));
    let ranges = vec![RangeDigest { end: None, digest: Digest([4; 16]) }; 10];
    let compared = to_device(&ToDevice::Compared { number: 1, watermark: Sequence(3), ranges });
    assert_eq!((compared.signatures, compared.ids), (160, 20));

    let scope = Scope {
        held: vec![Terms { standing: Digest([5; 16]), profile: None }],
        ..Scope::default()
    };
    let hello = Resume { scope: scope.clone(), ..Resume::default() };
    let of_session = [
        to_server(&ToServer::Hello(Box::new(hello))),
        to_server(&ToServer::Flush { number: 3 }),
        to_device(&ToDevice::Flushed { number: 3, watermark: Some(Sequence(9)) }),
        to_device(&ToDevice::Refused(Refusal::UsedCode)),
    ];
    for spent in of_session {
        assert_eq!((spent.framing, spent.session), (2, spent.total() - 2), "{spent:?}");
    }
    let page = to_device(&ToDevice::Page(Page { scope: Some(scope), ..Page::default() }));
    let bare = to_device(&ToDevice::Page(Page::default()));
    assert_eq!(page.session - bare.session, page.total() - bare.total());
    let fetch = ToServer::Fetch {
        table: "order".parse().unwrap(),
        record: RecordId::from_bytes([1; 16]),
        pinned: true,
    };
    assert_eq!(to_server(&fetch).ids, 6 + 17 + 1);
}

/// Whoever counts takes nothing for granted: a message may come from anywhere.
#[test]
fn of_bytes_that_are_another_message_the_sum_is_right() {
    let _turn = alone();
    let mut rng = Rng(11);
    let page = ToDevice::Page(page_of(texts(40, 9), 24));
    let push = push_of(texts(40, 9), 24);
    let [page_bytes, push_bytes] = [encode_message(&page).unwrap(), encode_message(&push).unwrap()];
    for _ in 0..20_000 {
        for bytes in [&page_bytes, &push_bytes] {
            let mut bytes = bytes.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(bytes.len());
                bytes[at] = rng.next().to_le_bytes()[0];
            }
            bytes.truncate(rng.below(bytes.len() * 2));
            assert_eq!(page.weigh(&bytes).total(), bytes.len() as u64);
            assert_eq!(push.weigh(&bytes).total(), bytes.len() as u64);
        }
    }
}
