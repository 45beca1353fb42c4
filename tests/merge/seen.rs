//! A record as it was seen is the record as it was, whatever was merged since.

use tidegate::crdt::Record;
use tidegate::model::{ActorId, DeviceNumber, EditId, RecordId, Section, Seen, Timestamp};

use crate::generations::generation;
use crate::replicas::{Replica, Rng, table};

const SEEDS: u64 = 60;
const STEPS: usize = 24;

/// What of two records edits of columns go by.
#[track_caller]
fn assert_same(one: &Record, other: &Record, told: &str) {
    assert_eq!(one.columns(), other.columns(), "{told}");
    let sections = |record: &Record| {
        let columns = record.sections().filter(|(section, _)| **section != Section::Header);
        columns
            .map(|(section, history)| (section.clone(), history.heads().to_vec()))
            .collect::<Vec<_>>()
    };
    assert_eq!(sections(one), sections(other), "{told}");
}

#[test]
fn a_record_as_it_was_seen_is_the_record_as_it_was() {
    // Of a text alone there are places at which all was one line again, and the values are remembered.
    for (seed, only) in (0..SEEDS).flat_map(|seed| [(seed, None), (seed, Some("notes"))]) {
        let mut rng = Rng(seed);
        let mut replicas = [1, 2, 3].map(Replica::new);
        let mut sights: Vec<Record> = Vec::new();
        for _ in 0..STEPS {
            let (at, from) = (rng.below(3), rng.below(3));
            if at != from && (only.is_some() || rng.below(3) == 0) {
                let other = replicas[from].clone();
                replicas[at].merge(&other);
            }
            let op = replicas[at].random_op(&mut rng, only);
            replicas[at].write(vec![op]);
            sights.push(replicas[at].record.clone());
        }
        let mut all = replicas[0].clone();
        replicas[1..].iter().for_each(|other| all.merge(other));
        for (step, then) in sights.iter().enumerate() {
            let told = format!("seed {seed}, {only:?}, step {step}");
            let seen = all.record.as_seen(&then.seen()).unwrap().unwrap();
            assert_same(&seen, then, &told);
            // And what is written on it is what would have been written then.
            let op = vec![replicas[0].random_op(&mut rng, Some("name"))];
            let device = DeviceNumber(9);
            let id = EditId { device, counter: 1, part: 0 };
            let actor = ActorId { device, incarnation: 9 };
            let write = |record: &Record| {
                record.author(&table(), id, actor, Timestamp::default(), op.clone())
            };
            assert_eq!(write(&seen), write(then), "{told}");
            let mut after = all.record.clone();
            after.merge(&write(then)).unwrap();
            let goes_on = after.as_seen(&then.seen().with(&write(then))).unwrap().unwrap();
            let mut expected = then.clone();
            expected.merge(&write(then)).unwrap();
            assert_same(&goes_on, &expected, &told);
        }
        // What two saw is what they merge to.
        let (one, other) = (&sights[rng.below(STEPS)], &sights[rng.below(STEPS)]);
        let together = all.record.as_seen(&one.seen().together(&other.seen())).unwrap().unwrap();
        let mut merged = one.clone();
        let mut edit = other.to_edit();
        edit.changes.retain(|change| !merged.holds(&change.section, change.id));
        merged.merge(&edit).unwrap();
        assert_same(&together, &merged, &format!("seed {seed}, together"));
    }
}

#[test]
fn what_a_record_does_not_hold_was_not_seen_there() {
    let [mut ann, mut ben] = [1, 2].map(Replica::new);
    let put = |rng: &mut Rng, who: &Replica| vec![who.random_op(rng, Some("name"))];
    let mut rng = Rng(7);
    ann.write(put(&mut rng, &ann));
    let early = ann.record.seen();
    ben.merge(&ann);
    ben.write(put(&mut rng, &ben));
    let late = ben.record.seen();
    assert!(ann.record.as_seen(&early).unwrap().is_some());
    assert_eq!(ann.record.as_seen(&late).unwrap(), None);
    ann.merge(&ben);
    assert!(ann.record.as_seen(&late).unwrap().is_some());

    let other = Seen::nothing(table().id, RecordId::from_bytes([9; 16]));
    assert_eq!(ann.record.as_seen(&other).unwrap(), None);
    assert_eq!(early.clone().together(&other), early);
    let nothing = Seen::nothing(table().id, ann.record.id());
    let seen = ann.record.as_seen(&nothing).unwrap().unwrap();
    assert!(seen.columns().is_empty() && seen.heads(&Section::Main).is_empty());

    ann.record.merge(&generation(&ann.record, 1)).unwrap();
    assert_eq!(ann.record.as_seen(&late).unwrap(), None);
    assert!(ann.record.as_seen(&ann.record.seen()).unwrap().is_some());
}
