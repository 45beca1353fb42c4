//! What worlds found in the code, each as the shortest story that shows it.

use crate::fault::Faults;
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
