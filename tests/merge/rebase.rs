//! Places in texts and lists, when edits are written anew because another was refused.

use std::collections::BTreeSet;

use tidegate::crdt::{Fate, Rebase};
use tidegate::model::{ActorId, Change, DeviceNumber, Op, Section, Value};

use crate::replicas::{Replica, Rng, column};

/// Hands out characters of which each occurs once, so that a text tells where each went.
pub(crate) struct Letters(pub(crate) u32);

impl Letters {
    fn next(&mut self) -> char {
        self.0 += 1;
        char::from_u32(0x4e00 + self.0).unwrap()
    }

    pub(crate) fn some(&mut self, count: usize) -> String {
        (0..count).map(|_| self.next()).collect()
    }
}

fn text(replica: &Replica) -> Vec<char> {
    match replica.record.columns().get(&column("notes")) {
        Some(Value::RichText(text)) => text.chars().collect(),
        _ => Vec::new(),
    }
}

pub(crate) fn splice(at: usize, delete: usize, insert: String) -> Op {
    let place = |at| u32::try_from(at).unwrap();
    Op::Splice { column: column("notes"), at: place(at), delete: place(delete), insert }
}

/// A random change of one to three splices. Tells what it takes out.
fn random_change(
    replica: &mut Replica,
    rng: &mut Rng,
    letters: &mut Letters,
) -> (Change, BTreeSet<char>, BTreeSet<char>) {
    let mut now = text(replica);
    let (mut ops, mut out, mut into) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for _ in 0..=rng.below(3) {
        let at = rng.below(now.len() + 1);
        let delete = rng.below((now.len() - at).min(4) + 1);
        let count = rng.below(4);
        let insert = letters.some(count);
        into.extend(insert.chars());
        out.extend(now.splice(at..at + delete, insert.chars()));
        ops.push(splice(at, delete, insert));
    }
    let changes = replica.write(ops);
    assert_eq!(text(replica), now);
    (changes[0].as_ref().clone(), out, into)
}

/// Whether the letters that both hold come in the same order in both.
pub(crate) fn same_order(a: &[char], b: &[char]) -> bool {
    let (in_a, in_b): (BTreeSet<_>, BTreeSet<_>) = (a.iter().collect(), b.iter().collect());
    a.iter().filter(|it| in_b.contains(it)).eq(b.iter().filter(|it| in_a.contains(it)))
}

#[test]
fn text_written_anew_is_where_it_was_meant() {
    for seed in 0..400 {
        let mut rng = Rng(seed);
        let mut letters = Letters(0);
        let mut server = Replica::new(1);
        server.write(vec![splice(0, 0, letters.some(12))]);
        let mut device = Replica::new(2);
        device.merge(&server);
        let mut pending = Vec::new();
        let mut seen = vec![text(&device)];
        for _ in 0..=rng.below(5) {
            pending.push(random_change(&mut device, &mut rng, &mut letters));
            seen.push(text(&device));
        }
        for _ in 0..rng.below(4) {
            random_change(&mut server, &mut rng, &mut letters);
        }
        // The server refuses some of what is pending.
        let mut expected: BTreeSet<char> = text(&server).into_iter().collect();
        let mut rebase = Rebase::new(server.record.document(&Section::Main).unwrap());
        let mut anew = server.clone();
        anew.actor = ActorId { device: DeviceNumber(2), incarnation: 99 };
        let mut gone = BTreeSet::new();
        for (change, out, into) in &pending {
            if rng.below(3) == 0 {
                rebase.drop(change).unwrap();
                gone.extend(into.iter().copied());
                continue;
            }
            expected.extend(into);
            expected.retain(|letter| !out.contains(letter));
            let translated = rebase.translate(change, |_| Fate::Kept).unwrap();
            assert!(translated.impossible.is_empty());
            if !translated.ops.is_empty() {
                anew.write(translated.ops);
            }
        }
        let after = text(&anew);
        assert_eq!(after.iter().copied().collect::<BTreeSet<_>>(), expected, "seed {seed}");
        assert!(same_order(&after, &text(&server)), "seed {seed}");
        for seen in seen {
            assert!(same_order(&after, &seen), "seed {seed}: {after:?} {seen:?}");
        }
    }
}

#[test]
fn list_items_written_anew_are_the_ones_meant() {
    for seed in 0..400 {
        let mut rng = Rng(seed);
        let mut next = 0;
        let mut server = Replica::new(1);
        let mut number = || {
            next += 1;
            Value::Integer(next)
        };
        let column = || column("tags");
        let values = (0..8).map(|_| number()).collect();
        server.write(vec![Op::ListInsert { column: column(), at: 0, values }]);
        let mut device = Replica::new(2);
        device.merge(&server);
        // Two items are replaced by others beforehand, on both sides of the fork.
        server.write(vec![Op::ListSet { column: column(), at: 2, value: number() }]);
        if rng.below(2) == 0 {
            device.merge(&server);
        }
        let refused = device.write(vec![
            Op::ListSet { column: column(), at: 5, value: number() },
            Op::ListInsert { column: column(), at: 1, values: vec![number()] },
        ]);
        let items = |replica: &Replica| match &replica.record.columns()[&column()] {
            Value::List(items) => items.clone(),
            other => panic!("{other:?}"),
        };
        let at = rng.below(9);
        let target = items(&device)[at].clone();
        let value = number();
        let place = u32::try_from(at).unwrap();
        let set =
            device.write(vec![Op::ListSet { column: column(), at: place, value: value.clone() }]);
        let removed = rng.below(8);
        let was_removed = items(&server)[removed].clone();
        let place = u32::try_from(removed).unwrap();
        server.write(vec![Op::ListRemove { column: column(), at: place, count: 1 }]);

        let mut rebase = Rebase::new(server.record.document(&Section::Main).unwrap());
        rebase.drop(&refused[0]).unwrap();
        let mut anew = server.clone();
        anew.actor = ActorId { device: DeviceNumber(2), incarnation: 99 };
        let translated = rebase.translate(&set[0], |_| Fate::Kept).unwrap();
        // By value: item 3 was replaced by 9 on the server; item 6 by 10 in what was refused.
        let same = |value: &Value| match value {
            Value::Integer(9) => 3,
            Value::Integer(10) => 6,
            Value::Integer(other) => *other,
            other => panic!("{other:?}"),
        };
        if same(&target) == 11 || same(&target) == same(&was_removed) {
            assert_eq!(translated.impossible.len(), 1, "seed {seed}");
            assert!(translated.ops.is_empty());
            continue;
        }
        let mut expected = items(&server);
        let at = expected.iter().position(|it| same(it) == same(&target)).unwrap();
        expected[at] = value;
        anew.write(translated.ops);
        assert_eq!(items(&anew), expected, "seed {seed}");
    }
}

#[test]
fn what_was_set_in_a_record_that_exists_already_is_set_there_and_edited_on() {
    let mut server = Replica::new(1);
    server.write(vec![splice(0, 0, "Hello world".into())]);
    let mut device = Replica::new(2);
    let created = device.write(vec![splice(0, 0, "Hello there".into())]);
    let edited = device.write(vec![splice(11, 0, "!".into()), splice(0, 5, "Hey".into())]);
    let mut rebase = Rebase::new(server.record.document(&Section::Main).unwrap());
    let mut anew = server.clone();
    anew.actor = ActorId { device: DeviceNumber(2), incarnation: 99 };
    let set = rebase.set(&created[0], anew.record.columns(), |_| Fate::Kept).unwrap();
    anew.write(set.ops);
    assert_eq!(text(&anew).into_iter().collect::<String>(), "Hello there");
    let translated = rebase.translate(&edited[0], |_| Fate::Kept).unwrap();
    anew.write(translated.ops);
    assert_eq!(text(&anew).into_iter().collect::<String>(), "Hey there!");
}
