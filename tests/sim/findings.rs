//! What worlds found in the code, each as the shortest story that shows it.

use tidegate::model::{Columns, Value};
use tidegate::sync::replica::{Draft, Intent};

use crate::fault::Faults;
use crate::people::{People, name};
use crate::rng::Rng;
use crate::world::{Check, Plan, World};

fn quiet(seed: u64) -> World {
    World::new(Plan { faults: Some(Faults::default()), ..Plan::of(seed) }).unwrap()
}

fn all_may(people: &mut People, _: &mut Rng) -> &'static str {
    *people = people.permissive();
    "all may do all"
}

impl World {
    /// All is well when this world has settled.
    fn ends_well(&mut self) -> Check {
        self.settle()?;
        self.check_all()
    }
}

/// Its enrolment was stored and the answer lost, and the server's keys were replaced: with its new
/// code it is another device with the same key.
#[test]
fn a_device_whose_enrolment_was_lost_enrols_again_with_another_code() {
    let mut world = quiet(1);
    world.connect(0).unwrap();
    while world.disk.file.devices.is_empty() {
        world.deliver_down_somewhere().unwrap();
        world.deliver_up_somewhere().unwrap();
    }
    world.rotate_keys().unwrap();
    assert_eq!(world.ends_well(), Ok(()));
    world.part_all();
    assert_eq!(world.ends_well(), Ok(()));
}

/// A column of a record that was new on a device became secured before the record was sent. The
/// server wanted it written anew, the device waited for the record, and both went on for ever.
#[test]
fn a_new_record_is_written_anew_where_its_columns_have_moved() {
    let mut world = quiet(2);
    world.change_rules(all_may).unwrap();
    world.settle().unwrap();
    world.part_all();
    let columns = [(name("title"), world.value())].into();
    let intent = Intent::Create { owner: None, columns };
    let draft = Draft { table: name("order"), record: world.random_id(), intent };
    world.app_commits(0, vec![draft], false).unwrap();
    assert_eq!(world.devices[0].disk.file.pending.len(), 1);
    let secures = |people: &mut People, _: &mut Rng| {
        people.of_order("title").secured = true;
        "a column is secured"
    };
    world.change_rules(secures).unwrap();
    assert_eq!(world.ends_well(), Ok(()));
    assert_eq!(world.figures.admitted, 1);
}

/// A backup was made before the first device enrolled. The server that was restored from it gave the
/// same number again, to another device: edit ids of the two were the same.
#[test]
fn a_restored_server_gives_no_number_again_although_its_backup_holds_no_device() {
    let mut world = quiet(3);
    world.back_up().unwrap();
    world.settle().unwrap();
    let before: Vec<_> = world.disk.file.devices.keys().copied().collect();
    world.restore_server().unwrap();
    let mut late = world.new_device();
    late.user = world.devices[0].user.clone();
    world.devices.push(late);
    world.settle().unwrap();
    let after: Vec<_> = world.disk.file.devices.keys().copied().collect();
    assert!(!after.is_empty() && after.iter().all(|number| !before.contains(number)));
}

/// A column moved to another section, and the user wrote it again there before the server had the
/// first value. That was written anew beside the second one, or behind it, and could win over it.
#[test]
fn what_is_written_over_stays_so_when_its_column_has_moved() {
    for seed in 1..10 {
        write_over_a_column_that_moves(seed, true);
        write_over_a_column_that_moves(seed, false);
    }
}

fn write_over_a_column_that_moves(seed: u64, is_new: bool) {
    let mut world = quiet(seed);
    world.change_rules(all_may).unwrap();
    world.settle().unwrap();
    world.part_all();
    let record = world.random_id();
    let draft = |intent| vec![Draft { table: name("order"), record, intent }];
    let set = |value: &str| [(name("note"), Value::Text(value.into()))].into();
    let columns = if is_new { set("first") } else { Columns::new() };
    world.app_commits(0, draft(Intent::Create { owner: None, columns }), false).unwrap();
    if !is_new {
        world.settle().unwrap();
        world.part_all();
        world.app_commits(0, draft(Intent::Set(set("first"))), false).unwrap();
    }
    let moves = |people: &mut People, _: &mut Rng| {
        people.of_order("note").group = None;
        "a column changes groups"
    };
    world.change_rules(moves).unwrap();
    world.connect(0).unwrap();
    while world.devices[0].disk.file.meta.schema != world.people.schema {
        world.deliver_up_somewhere().unwrap();
        world.deliver_down_somewhere().unwrap();
    }
    world.app_commits(0, draft(Intent::Set(set("second"))), false).unwrap();
    assert_eq!(world.ends_well(), Ok(()), "seed {seed}");
    let held = world.disk.file.confirmed().find(|it| it.record().id() == record).unwrap();
    assert_eq!(*held.record().columns(), set("second"), "seed {seed}");
}

/// It showed the code with which it had enrolled, and the server took it for one whose answer had been
/// lost.
#[test]
fn a_revoked_device_is_not_let_in_by_the_code_that_it_used() {
    let mut world = quiet(4);
    world.settle().unwrap();
    world.part_all();
    // A session is open to it, by the code that it used; and then no more.
    world.old_sessions.retain(|(at, _)| *at == 0);
    assert_eq!(world.old_sessions.len(), 1);
    world.replay_somewhere().unwrap();
    let before = world.figures.welcomes;
    world.deliver_all().unwrap();
    let welcomes = world.figures.welcomes;
    assert_eq!(welcomes, before + 1);
    let number = world.devices[0].disk.file.meta.enrolment.as_ref().unwrap().device;
    let server = world.server.as_mut().unwrap();
    assert_eq!(server.revoke(&mut world.disk, number), Ok(true));
    world.revoked.insert(number);
    world.replay_somewhere().unwrap();
    world.deliver_all().unwrap();
    assert_eq!(world.figures.welcomes, welcomes);
    assert_eq!(world.ends_well(), Ok(()));
}
