//! New generations: the server writes a section anew as one change, and everyone goes on from there,
//! those too who were away and wrote on what was before.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate::crdt::Record;
use tidegate::limits::{CHANGE_DEPS_MAX, GENERATION_HEADS};
use tidegate::model::{
    ActorId, DeviceNumber, Edit, EditId, Op, RecordState, Section, Timestamp, Value,
};

use crate::network::Network;
use crate::rebase::{Letters, same_order, splice};
use crate::replicas::{Replica, Rng, column, table};

/// A new generation of all sections of columns.
pub(crate) fn generation(record: &Record, number: u64) -> Edit {
    let actor = ActorId { device: DeviceNumber::SERVER, incarnation: number };
    let time = Timestamp::from_millis(1_700_000_000_000).unwrap();
    let mut changes = Vec::new();
    for section in record.sections().map(|it| it.0).filter(|it| **it != Section::Header) {
        let change = record.new_generation(&table(), section, actor, time).unwrap();
        changes.push(Arc::new(change));
    }
    let id = EditId { device: DeviceNumber::SERVER, counter: number, part: 0 };
    Edit { id, table: record.table().clone(), record: record.id(), atomic: 0, changes }
}

#[test]
fn a_new_generation_holds_the_same_values_and_one_change() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let (mut one, mut two) = (Replica::new(1), Replica::new(2));
        one.write(vec![Op::State(RecordState::Active)]);
        for _ in 0..30 {
            let replica = if rng.below(2) == 0 { &mut one } else { &mut two };
            let op = replica.random_op(&mut rng, None);
            replica.write(vec![op]);
            if rng.below(5) == 0 {
                one.merge(&two);
                two.merge(&one);
            }
        }
        one.merge(&two);
        two.merge(&one);
        let before = one.record.columns().clone();
        let edit = generation(&one.record, seed);
        one.record.merge(&edit).unwrap();
        two.record.merge(&edit).unwrap();
        assert_eq!(one.record.columns(), &before, "seed {seed}");
        assert_eq!(two.record.columns(), &before, "seed {seed}");
        let heads = one.record.document_heads().unwrap();
        assert_eq!(heads, two.record.document_heads().unwrap(), "seed {seed}");
        for (_, history) in one.record.sections().filter(|it| *it.0 != Section::Header) {
            assert_eq!(history.changes().len(), 1, "seed {seed}");
        }
        // And it reads back, and can be written on.
        let mut read = Record::from_edit(&one.record.to_edit()).unwrap();
        assert_eq!(read.columns(), &before, "seed {seed}");
        one.actor.incarnation += 1;
        let op = one.random_op(&mut rng, None);
        one.write(vec![op]);
        let mut rest = one.record.to_edit();
        rest.changes.retain(|change| !read.holds(&change.section, change.id));
        read.merge(&rest).unwrap();
        assert_eq!(read.columns(), one.record.columns(), "seed {seed}");
    }
}

/// What all devices did together: each letter and item occurs once.
struct Model {
    letters: BTreeSet<char>,
    texts: Vec<String>,
    visits: i64,
    tags: BTreeSet<i64>,
    next_tag: i64,
    /// Whether letters of one text keep their order.
    is_ordered: bool,
}

impl Model {
    /// A device writes one random edit on what it shows.
    fn write(&mut self, net: &mut Network, at: usize, rng: &mut Rng, letters: &mut Letters) {
        match rng.below(4) {
            0 => {
                let by = i64::from(rng.place(9)) + 1;
                self.visits += by;
                net.write(at, vec![Op::Increment { column: column("visits"), by }]);
            }
            1 => self.write_tag(net, at, rng),
            _ => {
                let now: Vec<char> = net.shown(at).chars().collect();
                let place = rng.below(now.len() + 1);
                let delete = rng.below((now.len() - place).min(2) + 1);
                for gone in &now[place..place + delete] {
                    self.letters.remove(gone);
                }
                let count = 1 + rng.below(3);
                let insert = letters.some(count);
                self.letters.extend(insert.chars());
                net.write(at, vec![splice(place, delete, insert)]);
                self.texts.push(net.shown(at));
            }
        }
    }

    fn write_tag(&mut self, net: &mut Network, at: usize, rng: &mut Rng) {
        let now = match net.value(at, "tags") {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        };
        let place = rng.below(now.len() + 1);
        let as_place = u32::try_from(place).unwrap();
        if let Some(Value::Integer(item)) = now.get(place)
            && rng.below(3) == 0
        {
            self.tags.remove(item);
            net.write(at, vec![Op::ListRemove { column: column("tags"), at: as_place, count: 1 }]);
            return;
        }
        self.next_tag += 1;
        self.tags.insert(self.next_tag);
        let values = vec![Value::Integer(self.next_tag)];
        net.write(at, vec![Op::ListInsert { column: column("tags"), at: as_place, values }]);
    }

    fn check(&self, net: &Network, at: usize, seed: u64) {
        let shown: Vec<char> = net.shown(at).chars().collect();
        let letters: BTreeSet<_> = shown.iter().copied().collect();
        assert_eq!(shown.len(), letters.len(), "seed {seed}: a letter is there twice");
        if self.is_ordered {
            assert_eq!(letters, self.letters, "seed {seed}");
        } else {
            // What was taken out where all else is new may stay.
            assert!(letters.is_superset(&self.letters), "seed {seed}: {shown:?}");
        }
        for text in self.texts.iter().filter(|_| self.is_ordered) {
            let text: Vec<char> = text.chars().collect();
            assert!(same_order(&shown, &text), "seed {seed}: {shown:?} {text:?}");
        }
        let visits = net.value(at, "visits").unwrap_or(Value::Counter(0));
        assert_eq!(visits, Value::Counter(self.visits), "seed {seed}");
        let Some(Value::List(items)) = net.value(at, "tags") else {
            assert!(self.tags.is_empty(), "seed {seed}");
            return;
        };
        let tags: Vec<i64> = items
            .iter()
            .map(|item| match item {
                Value::Integer(number) => *number,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(tags.len(), self.tags.len(), "seed {seed}: {tags:?}");
        assert_eq!(tags.into_iter().collect::<BTreeSet<_>>(), self.tags, "seed {seed}");
        assert_eq!(net.on_device(at).columns(), net.on_server().columns(), "seed {seed}");
    }
}

#[test]
fn what_was_written_on_an_older_generation_lands_where_it_was_meant() {
    let mut renewed = 0;
    for seed in 0..100 {
        let mut rng = Rng(seed);
        let mut letters = Letters(0);
        let mut net = Network::new(2);
        let changes = 1 + rng.below(6);
        net.set_generation_changes(changes);
        let (letters_there, tags) = (BTreeSet::new(), BTreeSet::new());
        let (texts, visits, next_tag) = (Vec::new(), 0, 0);
        let is_ordered = true;
        let mut model = Model { letters: letters_there, texts, visits, tags, next_tag, is_ordered };
        for _ in 0..40 {
            let at = rng.below(2);
            match rng.below(9) {
                8 if seed % 2 == 0 => {
                    // Where an edit counts and its author has not heard so, what was written on it
                    // falls where all else is new.
                    model.is_ordered = false;
                    net.trim_log(0);
                }
                0 if net.is_connected(at) => net.part(at),
                0 | 1 if !net.is_connected(at) => net.connect(at),
                2 => net.settle(),
                3 => net.set_page(1 + rng.below(3)),
                _ => model.write(&mut net, at, &mut rng, &mut letters),
            }
        }
        for at in 0..2 {
            if !net.is_connected(at) {
                net.connect(at);
            }
        }
        net.settle();
        for at in 0..2 {
            model.check(&net, at, seed);
            assert!(net.devices[at].store.quarantine.is_empty(), "seed {seed}");
            assert_eq!(
                net.on_device(at).document_heads().unwrap(),
                net.on_server().document_heads().unwrap(),
                "seed {seed}"
            );
        }
        let server = net.on_server();
        let main = server.section(&Section::Main).unwrap();
        renewed += usize::from(main.changes()[0].begins_generation());
    }
    assert!(renewed > 80, "{renewed} of 100 came to another generation");
}

/// A change names all heads that it builds on, and may name so many and no more: of a record that
/// hundreds had edited side by side, nobody's next edit could be read by the server.
#[test]
fn many_who_write_side_by_side_leave_a_record_that_can_be_edited() {
    const { assert!(GENERATION_HEADS < CHANGE_DEPS_MAX) };
    let (heads_max, many) = (4, 8);
    let mut net = Network::new(many);
    net.set_generation_heads(heads_max);
    let all = 0..usize::from(many);
    for at in all.clone() {
        net.write(at, vec![Op::Increment { column: column("visits"), by: 1 }]);
    }
    for at in all.clone() {
        net.connect(at);
        net.settle();
        let heads = net.on_server().heads(&Section::Main).len();
        assert!(heads <= heads_max, "{heads} heads after {at}");
    }
    assert_eq!(net.value(0, "visits"), Some(Value::Counter(i64::from(many))));
    net.write(0, vec![Op::Increment { column: column("visits"), by: 1 }]);
    net.settle();
    for at in all {
        assert_eq!(net.value(at, "visits"), Some(Value::Counter(i64::from(many) + 1)));
        assert!(net.devices[at].store.quarantine.is_empty());
    }
}
