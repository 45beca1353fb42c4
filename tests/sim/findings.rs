//! What worlds found in the code, each as the shortest story that shows it.

use std::collections::{BTreeMap, BTreeSet};

use tidegate::model::{
    ColumnPermissions, ColumnSecurity, ColumnType, Columns, Depth, Edit, Op, PolicyEpoch, RecordId,
    Right, Role, Value,
};
use tidegate::sync::LogEntry;
use tidegate::sync::replica::{Draft, Intent};
use tidegate::sync::server::ServerMachine;

use crate::disk::CommitFault;
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
    world.renew_codes();
    world.settle().unwrap();
    let after: Vec<_> = world.disk.file.devices.keys().copied().collect();
    assert!(!after.is_empty() && after.iter().all(|number| !before.contains(number)));
}

/// A server was restored twice from the same backup. Each time it left out as many numbers, and gave
/// the numbers behind them twice.
#[test]
fn servers_restored_from_the_same_backup_give_different_numbers() {
    let mut world = quiet(4);
    world.back_up().unwrap();
    let mut given = Vec::new();
    for _ in 0..3 {
        world.restore_server().unwrap();
        let mut late = world.new_device();
        late.user = world.devices[0].user.clone();
        world.devices.push(late);
        world.renew_codes();
        world.settle().unwrap();
        given.extend(world.disk.file.devices.keys().copied());
    }
    let different: BTreeSet<_> = given.iter().collect();
    assert!(given.len() > 2 && different.len() == given.len(), "{given:?}");
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

/// All may do all with all tables, and nobody may set or change `cost`, which all may read.
fn cost_is_for_nobody(people: &mut People, _: &mut Rng) -> &'static str {
    let all = Right::ALL.iter().map(|right| (*right, Depth::Organization)).collect();
    let tables = people.schema.tables.keys().map(|table| (table.clone(), BTreeMap::clone(&all)));
    let role = Role { rights: tables.collect(), ..Role::default() };
    people.policy.roles.insert(name("all"), role);
    for user in people.organization.users.values_mut() {
        user.disabled = false;
        user.roles = [name("all")].into();
    }
    let read = ColumnPermissions { read: true, create: false, update: false };
    let security = ColumnSecurity {
        users: people.organization.users.keys().cloned().collect(),
        columns: [(name("order"), [(name("cost"), read)].into())].into(),
        ..ColumnSecurity::default()
    };
    people.policy.column_security = [(name("payroll"), security)].into();
    "nobody may change costs"
}

fn notes_are_numbers(people: &mut People, _: &mut Rng) -> &'static str {
    let orders = people.schema.tables.get_mut("order").unwrap();
    let note = orders.columns.iter_mut().find(|column| column.id.as_str() == "note");
    note.unwrap().column_type = ColumnType::Integer;
    "notes are numbers"
}

/// A world in which device 0 was away and made an edit of which `cost` will be refused.
fn away_with_a_cost(seed: u64) -> (World, RecordId) {
    away_with(seed, "cost", cost_is_for_nobody)
}

/// The same of another column, by other rules.
fn away_with(
    seed: u64,
    column: &str,
    rules: fn(&mut People, &mut Rng) -> &'static str,
) -> (World, RecordId) {
    let mut world = quiet(seed);
    world.change_rules(all_may).unwrap();
    let record = world.random_id();
    let draft = |intent| vec![Draft { table: name("order"), record, intent }];
    let create = Intent::Create { owner: None, columns: Columns::new() };
    world.settle().unwrap();
    world.app_commits(0, draft(create), false).unwrap();
    world.settle().unwrap();
    world.part_all();
    let set = [(name(column), text("five")), (name("title"), text("new"))].into();
    world.app_commits(0, draft(Intent::Set(set)), false).unwrap();
    world.change_rules(rules).unwrap();
    (world, record)
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

/// One after the other they come, and each has the refused `cost` in quarantine; the title counts.
fn keep_the_cost(world: &mut World, devices: [usize; 2], record: RecordId) {
    keep(world, devices, record, "cost");
}

fn one_by_one(world: &mut World, devices: [usize; 2]) {
    for at in devices {
        world.connect(at).unwrap();
        while world.deliver_all().unwrap() {
            world.rule().unwrap();
        }
        world.part_all();
    }
}

fn keep(world: &mut World, devices: [usize; 2], record: RecordId, refused: &str) {
    let refused = Op::Put { column: name(refused), value: text("five") };
    one_by_one(world, devices);
    assert_eq!(world.ends_well(), Ok(()));
    for at in devices {
        let quarantine = &world.devices[at].disk.file.quarantine;
        let ops: Vec<_> = quarantine.iter().flat_map(|entry| &entry.ops).collect();
        assert_eq!(ops, [&refused], "device {at}");
    }
    let held = world.disk.file.confirmed().find(|it| it.record().id() == record).unwrap();
    assert_eq!(*held.record().columns(), [(name("title"), text("new"))].into());
}

/// A copy of a device's file sent an edit whole of which the original had been told that a column was
/// refused. It heard that the edit counts, and the column was gone.
#[test]
fn a_copy_of_a_file_keeps_what_was_refused_of_an_edit() {
    let (mut world, record) = away_with_a_cost(5);
    world.clone_device(0).unwrap();
    let twin = world.devices.len() - 1;
    keep_the_cost(&mut world, [0, twin], record);
}

/// A backup was put back that did not know what had been refused of an edit. The device sent the rest, and
/// a copy of it sent the edit whole: it heard that the edit counts, and the column was gone.
#[test]
fn a_copy_of_a_file_keeps_what_counts_without_though_nothing_tells_why() {
    let (mut world, record) = away_with_a_cost(7);
    world.back_up().unwrap();
    world.clone_device(0).unwrap();
    let twin = world.devices.len() - 1;
    world.connect(0).unwrap();
    while world.devices[0].disk.file.quarantine.is_empty() {
        world.deliver_up_somewhere().unwrap();
        world.deliver_down_somewhere().unwrap();
        world.rule().unwrap();
    }
    world.part_all();
    world.restore_server().unwrap();
    assert!(world.disk.file.refused.is_empty());
    keep_the_cost(&mut world, [0, twin], record);
}

/// A copy of a device's file took a refused column out of an edit that counts without it, and kept the rest
/// for a restored server under the number that the whole had. (Seeds 773135 and 776869.)
#[test]
fn what_a_copy_of_a_file_keeps_without_a_refused_column_is_another_change() {
    let (mut world, record) = away_with(8, "note", notes_are_numbers);
    world.back_up().unwrap();
    world.clone_device(0).unwrap();
    let twin = world.devices.len() - 1;
    one_by_one(&mut world, [0, twin]);
    assert!(!world.devices[twin].disk.file.kept.is_empty());
    world.restore_server().unwrap();
    keep(&mut world, [0, twin], record, "note");
}

fn orders_are_for_nobody(people: &mut People, _: &mut Rng) -> &'static str {
    nobody_may(people);
    "nobody may do anything"
}

/// A device was told that an edit is refused, and it counts under another id since the rules have changed.
/// A copy of its file brought the first, and that counted too. (Seed 834074.)
#[test]
fn what_was_refused_does_not_count_though_a_copy_brings_it_when_the_rules_have_changed() {
    let (mut world, _) = away_with(9, "note", orders_are_for_nobody);
    world.clone_device(0).unwrap();
    let twin = world.devices.len() - 1;
    one_by_one(&mut world, [0, 0]);
    let [refused] = &world.devices[0].disk.file.quarantine[..] else { panic!("not refused") };
    let refused = refused.edit;
    world.change_rules(all_may).unwrap();
    one_by_one(&mut world, [0, twin]);
    assert_eq!(world.ends_well(), Ok(()));
    let again = |edit: &Edit| edit.ops().any(|op| op.column() == Some(&name("note")));
    let log = || world.disk.file.log.iter().filter_map(LogEntry::edit);
    assert!(log().any(again));
    assert!(log().all(|edit| edit.id != refused));
}

/// A device was told that a column of its edit is refused, and did not hear it; the rules changed, and
/// it sent the whole edit again.
#[test]
fn what_was_refused_of_an_edit_counts_by_another_when_the_rules_have_changed() {
    let (mut world, record) = away_with_a_cost(6);
    world.connect(0).unwrap();
    while world.disk.file.refused.is_empty() {
        world.deliver_up_somewhere().unwrap();
        world.deliver_down_somewhere().unwrap();
        world.rule().unwrap();
    }
    world.part_all();
    world.change_rules(all_may).unwrap();
    assert_eq!(world.ends_well(), Ok(()));
    let held = world.disk.file.confirmed().find(|it| it.record().id() == record).unwrap();
    let both: Columns = [(name("cost"), text("five")), (name("title"), text("new"))].into();
    assert_eq!(*held.record().columns(), both);
    assert!(world.devices[0].disk.file.quarantine.is_empty());
}

fn nobody_may(people: &mut People) {
    people.organization.users.values_mut().for_each(|user| user.roles.clear());
    people.policy.roles.values_mut().for_each(|role| role.rights.clear());
}

/// A world whose devices have not been in touch since all may do all.
fn away_under_other_rules(seed: u64) -> World {
    let mut world = quiet(seed);
    world.settle().unwrap();
    world.part_all();
    world.change_rules(all_may).unwrap();
    world
}

/// Another server changed the rules in the same file. This one found it when it wrote down under what
/// a device reads, and granted what its own rules say under the epoch of the others.
#[test]
fn no_grant_is_given_under_the_epoch_of_rules_that_another_server_has() {
    let mut world = away_under_other_rules(7);
    let mut others = world.people.clone();
    nobody_may(&mut others);
    let (now, rules) = (world.time(), others.rules());
    let identity = world.identity.clone();
    let other = ServerMachine::open(&mut world.disk, identity, rules, now, [7; 32]).unwrap();
    let theirs = other.meta().policy_epoch;
    world.note_untold_truth(others);
    world.connect(0).unwrap();
    while world.deliver_all().unwrap() {}
    let ours = world.server.as_ref().unwrap().policy_epoch();
    assert_eq!(ours, Some(PolicyEpoch(theirs.0 + 1)));
    assert_eq!(world.ends_well(), Ok(()));
}

/// Rules were written, the disk could not say so, and could not be read either. The server kept to the
/// old ones and went on with what it remembered of the file; later it had the epoch of the new ones, and
/// judged by the old.
#[test]
fn rules_that_were_written_in_doubt_share_their_epoch_with_no_others() {
    let mut doubts = 0;
    for reads in 1..40 {
        let mut world = away_under_other_rules(7);
        let mut next = world.people.clone();
        nobody_may(&mut next);
        world.disk.faults.commit = Some(CommitFault::AmbiguousMade);
        world.disk.faults.read.set(reads);
        let before = world.disk.file.meta.policy_epoch;
        let (now, server) = (world.time(), world.server.as_mut().unwrap());
        if server.set_rules(&mut world.disk, now, next.rules()).is_ok() {
            world.people = next;
        } else if world.disk.file.meta.policy_epoch != before {
            world.note_untold_truth(next);
            doubts += 1;
        }
        world.disarm_faults();
        world.follow_epoch().unwrap();
        world.connect(0).unwrap();
        while world.deliver_all().unwrap() {}
        assert_eq!(world.ends_well(), Ok(()), "{reads}");
    }
    assert!(doubts > 0);
}

/// Worlds in which something was found that makes no short story: as long as the same is drawn from
/// these seeds.
#[test]
fn seeds_in_which_something_was_found_hold() {
    let seeds = [
        142, 568, 671, 2128, 2906, 6390, 8608, 10132, 11368, 11652, 42460, 43853, 62862, 110_219,
        113_897, 130_141, 130_418, 133_003, 158_375, 200_924, 303_913, 859_584, 868_594, 878_660,
        892_196, 902_803, 905_436,
    ];
    for seed in seeds {
        assert_eq!(crate::hunt::run(Plan::of(seed)).problem, None, "seed {seed}");
    }
}
