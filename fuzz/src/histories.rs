//! Histories of several writers, with mutants among their change sets, through the whole way in.

use tidegate::codec::{decode_edits, encode_edits};
use tidegate::crdt::Record;
use tidegate::model::{Edit, EditId, Op, RecordState, Section};
use tidegate::sync::ServerStore as _;

use crate::mutant::mutant;
use crate::replicas::{Replica, Rng, table};
use crate::server::{Server, body_of, signed};
use crate::steps;

/// Writers of one device, each on what it has seen: to the server they are as concurrent as any.
struct Story {
    server: Server,
    writers: Vec<Replica>,
    counter: u64,
    incarnations: u64,
}

/// What the server holds is whole after whatever it was sent.
pub fn ingress(bytes: &[u8]) {
    let mut story = Story::new();
    for seed in steps(bytes) {
        story.step(&mut Rng(seed));
    }
    for confirmed in story.server.store.records.values() {
        let read = Record::from_edit(&confirmed.to_edit()).unwrap();
        assert_eq!(read.columns(), confirmed.record().columns());
        for section in read.sections().map(|it| it.0).filter(|it| **it != Section::Header) {
            let columns = read.document(section).unwrap().columns().unwrap();
            assert!(columns.iter().all(|(name, value)| read.columns()[name] == *value));
        }
    }
}

impl Story {
    fn new() -> Self {
        let writers = (0..3).map(|_| Replica::new(1)).collect();
        let mut story = Self { server: Server::new(), writers, counter: 0, incarnations: 0 };
        let made = story.write(0, vec![Op::State(RecordState::Active)]);
        story.server.push_edits(vec![made]);
        (0..3).for_each(|at| story.catch_up(at));
        story
    }

    fn write(&mut self, at: usize, ops: Vec<Op>) -> Edit {
        self.counter += 1;
        let writer = &mut self.writers[at];
        let changes = writer.write(ops);
        let id = EditId { device: writer.actor.device, counter: self.counter, part: 0 };
        Edit { id, table: table().id, record: writer.record.id(), atomic: 0, changes }
    }

    /// The writer goes on from what the server holds, as someone new.
    fn catch_up(&mut self, at: usize) {
        self.incarnations += 1;
        let writer = &mut self.writers[at];
        let held = self.server.store.record(writer.record.id()).unwrap();
        writer.record = held.unwrap().record().clone();
        writer.actor.incarnation = 1_000 + self.incarnations;
    }

    fn step(&mut self, rng: &mut Rng) {
        let at = rng.below(self.writers.len());
        if rng.below(4) == 0 {
            return self.catch_up(at);
        }
        let mut edits = Vec::new();
        for _ in 0..=rng.below(3) {
            let op = self.writers[at].random_op(rng, None);
            edits.push(self.write(at, vec![op]));
        }
        let bytes = encode_edits(&edits).unwrap();
        match rng.below(3) {
            0 => drop(self.server.push_edits(edits)),
            1 => {
                if let Ok(edits) = decode_edits(&mutant(rng, &bytes)) {
                    self.server.push_edits(edits);
                }
            }
            _ => {
                let body = mutant(rng, &body_of(&bytes, None));
                self.server.push(signed(&self.server.key, &self.server.organization, body));
            }
        }
    }
}
