//! Valid change sets with something changed in them, signed again by the device that sent them.

use tidegate::codec::{Form, SignedChangeSet, decode_edits, encode_edits, encode_edits_in};
use tidegate::limits::{CHANGE_OPS_MAX, CHANGE_SET_OPS_MAX};
use tidegate::model::{Edit, EditId, Op, RecordState, Section, Verdict};

use crate::mutant::mutant;
use crate::replicas::{Replica, Rng, column, table};
use crate::server::{Answer, Server, body_of, signed};

const MUTANTS: usize = 10_000;

/// What a device would send: a record, and edits of every kind on it.
fn honest(rng: &mut Rng) -> Vec<Edit> {
    let mut device = Replica::new(1);
    let mut edits = Vec::new();
    let mut write = |device: &mut Replica, ops: Vec<Op>| {
        let counter = u64::try_from(edits.len()).unwrap() + 1;
        let changes = device.write(ops);
        let id = EditId { device: device.actor.device, counter, part: 0 };
        let (table, record) = (table().id, device.record.id());
        edits.push(Edit { id, table, record, atomic: 0, changes });
    };
    write(&mut device, vec![Op::State(RecordState::Active)]);
    for _ in 0..12 {
        let op = device.random_op(rng, None);
        write(&mut device, vec![op]);
    }
    edits
}

#[cfg_attr(test, test)]
pub(crate) fn mutants_of_change_sets_are_refused_or_judged() {
    let mut rng = Rng(11);
    let mut server = Server::new();
    let (mut unread, mut refused, mut judged, mut admitted) = (0, 0, 0, 0);
    let mut seeds = Vec::new();
    for number in 0..MUTANTS {
        if number % 500 == 0 {
            let edits = honest(&mut rng);
            server = Server::new();
            let answer = server.push_edits(edits[..6].to_vec());
            assert!(matches!(answer, Answer::Judged(none) if none.is_empty()));
            assert_eq!(server.store.log.len(), 6);
            seeds = edits;
        }
        let form = [Form::Rows, Form::Columns, Form::Streams][rng.below(3)];
        let bytes = encode_edits_in(form, &seeds[6..]).unwrap().unwrap();
        // A third in the envelope, the rest in the edits, which the attacker's digest then fits.
        if rng.below(3) == 0 {
            let body = mutant(&mut rng, &body_of(&bytes, None));
            match server.push(signed(&server.key, &server.organization, body)) {
                Answer::Refused => refused += 1,
                Answer::Judged(_) => judged += 1,
            }
            continue;
        }
        let Ok(edits) = decode_edits(&mutant(&mut rng, &bytes)) else {
            unread += 1;
            continue;
        };
        let ops: usize = edits.iter().map(|edit| edit.ops().count()).sum();
        assert!(ops <= CHANGE_SET_OPS_MAX);
        let before = server.store.log.len();
        match server.push_edits(edits) {
            Answer::Refused => refused += 1,
            Answer::Judged(_) => judged += 1,
        }
        admitted += server.store.log.len() - before;
    }
    println!("{unread} unread, {refused} refused, {judged} judged, {admitted} edits admitted");
    assert!(unread > 1_000 && refused > 1_000 && judged > 300, "the mutants became too alike");
    // What was admitted is whole: it reads back, and every document is what its values say.
    for confirmed in server.store.records.values() {
        let read = tidegate::crdt::Record::from_edit(&confirmed.to_edit()).unwrap();
        assert_eq!(read.columns(), confirmed.record().columns());
        for section in read.sections().map(|it| it.0).filter(|it| **it != Section::Header) {
            let columns = read.document(section).unwrap().columns().unwrap();
            assert!(columns.iter().all(|(name, value)| read.columns()[name] == *value));
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn mutants_of_signed_bytes_never_verify() {
    let mut rng = Rng(12);
    let mut server = Server::new();
    let edits = encode_edits(&honest(&mut rng)).unwrap();
    let whole =
        postcard::to_stdvec(&signed(&server.key, &server.organization, body_of(&edits, None)))
            .unwrap();
    for _ in 0..2_000 {
        let bytes = mutant(&mut rng, &whole);
        let Ok((set, rest)) = postcard::take_from_bytes::<SignedChangeSet>(&bytes) else {
            continue;
        };
        if bytes[..bytes.len() - rest.len()] != whole {
            assert!(matches!(server.push(set), Answer::Refused));
        }
    }
    assert!(server.store.log.is_empty());
}

#[cfg_attr(test, test)]
pub(crate) fn what_does_not_fit_its_value_is_malformed() {
    let mut server = Server::new();
    let mut device = Replica::new(1);
    let mut counter = 0;
    let mut edit = |device: &Replica, ops: Vec<Op>| {
        counter += 1;
        let id = EditId { device: device.actor.device, counter, part: 0 };
        device.record.author(&table(), id, device.actor, tidegate::model::Timestamp::default(), ops)
    };
    let create = edit(&device, vec![Op::State(RecordState::Active)]);
    device.record.merge(&create).unwrap();
    assert!(matches!(server.push_edits(vec![create]), Answer::Judged(none) if none.is_empty()));
    for op in crate::bombs::misfits() {
        let name = format!("{op:?}");
        let answer = server.push_edits(vec![edit(&device, vec![op])]);
        let Answer::Judged(verdicts) = answer else { panic!("{name}: {answer:?}") };
        assert!(matches!(verdicts[..], [Verdict::Denied { .. }]), "{name:.200}: {verdicts:?}");
    }
    let many = vec![Op::Increment { column: column("visits"), by: 1 }; CHANGE_OPS_MAX + 1];
    assert!(matches!(server.push_edits(vec![edit(&device, many)]), Answer::Refused));
    assert_eq!(server.store.log.len(), 1);
}
