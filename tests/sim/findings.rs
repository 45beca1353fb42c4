//! What worlds found in the code, each as the shortest story that shows it.

use tidegate::sync::replica::{Draft, Intent};

use crate::fault::Faults;
use crate::people::{People, name};
use crate::world::{Check, Plan, World};

fn quiet(seed: u64) -> World {
    World::new(Plan { faults: Some(Faults::default()), ..Plan::of(seed) }).unwrap()
}

impl World {
    /// All is well when this world has settled.
    fn ends_well(&mut self) -> Check {
        self.settle()?;
        self.check_all()
    }
}

/// Its enrolment was stored and the answer lost, and the server's keys were replaced: with its new
/// code it became another device of the same key, and the server took it for the first one.
#[test]
fn a_device_that_enrols_again_with_another_code_is_the_one_it_was() {
    let mut world = quiet(1);
    world.connect(0).unwrap();
    while world.disk.file.devices.is_empty() {
        world.deliver_down_somewhere().unwrap();
        world.deliver_up_somewhere().unwrap();
    }
    world.rotate_keys().unwrap();
    assert_eq!(world.ends_well(), Ok(()));
    let key = world.devices[0].key.public();
    assert_eq!(world.disk.file.devices.values().filter(|row| row.key == key).count(), 1);
    world.part_all();
    assert_eq!(world.ends_well(), Ok(()));
}

/// A column of a record that was new on a device became secured before the record was sent. The
/// server wanted it written anew, the device waited for the record, and both went on for ever.
#[test]
fn a_new_record_is_written_anew_where_its_columns_have_moved() {
    let mut world = quiet(2);
    world.settle().unwrap();
    world.part_all();
    while world.devices[0].disk.file.pending.is_empty() {
        let (owner, columns) = (None, [(name("title"), world.value())].into());
        let draft = Draft {
            table: name("order"),
            record: world.random_id(),
            intent: Intent::Create { owner, columns },
        };
        world.app_commits(0, vec![draft], false).unwrap();
    }
    while !world.people.is_secured("order", "title") {
        world.change_rules(People::change_schema).unwrap();
    }
    assert_eq!(world.ends_well(), Ok(()));
}
