//! Bugs put into worlds from outside (the stores, the rules, the entropy): an oracle that finds
//! nothing here would prove nothing elsewhere.

use std::sync::Arc;

use tidegate::model::Edit;
use tidegate::sync::{Commit, EntryKind, Operation, ReplicaBatch};

use crate::memory::ReplicaFile;
use crate::run;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The server's store says that it wrote, and loses the last commit in a crash.
    AcknowledgesBeforeCommit,
    /// The server's store does not find edits that it admitted.
    AdmitsTwice,
    /// Devices' stores lose what was built on an edit that is refused.
    DropsDependents,
    /// Devices' stores say that they were written anew, and were not.
    KeepsDeletedBytes,
    /// The server's store leaves a record out of what a move took along.
    ForgetsAFollower,
    /// The server's store leaves what was erased in the log.
    KeepsErased,
    /// Devices' stores keep in quarantine what is tried again.
    KeepsRetried,
    /// The server lets everyone read all columns.
    LeaksSections,
    /// Devices' stores lose what is refused.
    LosesRefused,
    /// New generations lack a value.
    LosesValues,
    /// A device is put back to a copy of its file, and draws the same entropy again.
    ReusesActors,
    /// The server lets everyone do everything.
    SkipsTheGate,
}

impl Planted {
    /// What a device's store writes of a batch.
    pub(crate) fn spoil_batch(self, file: &ReplicaFile, mut batch: ReplicaBatch) -> ReplicaBatch {
        match self {
            Self::DropsDependents => {
                let refused: Vec<_> = batch.quarantine.iter().map(|entry| entry.record).collect();
                batch.pending.retain(|it| !refused.contains(&it.edit.record));
                let held = file.pending.values().filter(|it| refused.contains(&it.record));
                batch.settled.extend(held.map(|edit| edit.id));
            }
            Self::KeepsRetried => batch.released.clear(),
            Self::LosesRefused => batch.quarantine.clear(),
            _ => {}
        }
        batch
    }

    /// What the server's store writes of a commit.
    pub(crate) fn spoil_commit(self, mut commit: Commit) -> Commit {
        for operation in &mut commit.operations {
            let Operation::Append { entry, .. } = operation else { continue };
            match (self, &mut entry.kind) {
                (Self::LosesValues, EntryKind::Edit { edit, .. }) => lose_a_value(edit),
                (Self::ForgetsAFollower, EntryKind::Move(moved)) => {
                    moved.legs.last_mut().unwrap().followers.pop();
                }
                _ => {}
            }
        }
        commit
    }
}

fn lose_a_value(edit: &mut Edit) {
    for change in &mut edit.changes {
        if change.begins_generation() {
            Arc::make_mut(change).ops.pop();
        }
    }
}

/// The planted bug is found within so many seeds, by an oracle that says `symptom`.
#[track_caller]
fn assert_found(planted: Planted, seeds_max: u64, symptom: &str) {
    let problems: Vec<_> =
        (1..=seeds_max).filter_map(|seed| run(seed, Some(planted)).0.err()).collect();
    let found = problems.iter().any(|problem| problem.contains(symptom));
    assert!(found, "{planted:?} is not found within {seeds_max} seeds: {problems:#?}");
}

#[test]
fn a_store_that_acknowledges_before_it_writes_is_found() {
    assert_found(Planted::AcknowledgesBeforeCommit, 60, "was acknowledged at");
}

#[test]
fn a_server_that_skips_the_gate_is_found() {
    assert_found(Planted::SkipsTheGate, 60, "not allowed");
}

#[test]
fn a_server_that_skips_the_gate_is_found_by_what_it_sends() {
    assert_found(Planted::SkipsTheGate, 20, "is sent");
}

#[test]
fn a_store_that_keeps_what_was_deleted_is_found() {
    assert_found(Planted::KeepsDeletedBytes, 60, "has bytes of");
}

#[test]
fn a_store_that_keeps_what_was_erased_is_found() {
    assert_found(Planted::KeepsErased, 60, "of the log is");
}

#[test]
fn a_device_that_reuses_its_actor_is_found() {
    assert_found(Planted::ReusesActors, 240, "one actor and number");
}

#[test]
fn a_server_that_sends_what_is_secured_is_found() {
    assert_found(Planted::LeaksSections, 20, "is sent");
}

#[test]
fn a_server_that_admits_an_edit_twice_is_found() {
    assert_found(Planted::AdmitsTwice, 60, "it is in the log already");
}

#[test]
fn a_device_that_loses_what_is_refused_is_found() {
    assert_found(Planted::LosesRefused, 20, "left quarantine");
}

#[test]
fn a_device_that_loses_what_was_built_on_a_refused_edit_is_found() {
    assert_found(Planted::DropsDependents, 60, "is lost");
}

#[test]
fn a_device_that_tries_again_and_keeps_what_it_tried_is_found() {
    assert_found(Planted::KeepsRetried, 20, "is in quarantine still");
}

#[test]
fn a_move_that_forgets_a_record_is_found() {
    assert_found(Planted::ForgetsAFollower, 60, ", not of ");
}

#[test]
fn a_generation_that_lacks_a_value_is_found() {
    assert_found(Planted::LosesValues, 20, "a new generation has other values");
}
