//! The demo checks itself; here its figures are looked at.

use crate::world::World;

#[test]
fn the_demo_ends_with_equal_heads_and_one_denial() {
    let figures = World::new().run(&["demo", "--json"]).json();
    assert_eq!(figures["heads_equal"], true, "{figures}");
    assert_eq!(figures["denied"], 1, "{figures}");
    for key in ["records", "compared", "sent_bytes", "received_bytes"] {
        assert!(figures[key].as_u64().unwrap() > 0, "{key}: {figures}");
    }
}

#[test]
fn the_demo_says_what_is_wrong_with_its_data() {
    let world = World::new();
    let none = world.run(&["demo", "--data", "nowhere"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.stderr.contains("nowhere"), "{none:?}");
}

#[test]
fn the_demo_tells_the_story_of_real_records() {
    // Some 110,000 rows travel: minutes without optimization.
    if std::env::var_os("TIDEGATE_ALL_ROWS").is_none() {
        println!("skipped: set TIDEGATE_ALL_ROWS=1 to run the demo on all real records");
        return;
    }
    let Some(data) = crate::adventure_works::data() else { return };
    let figures = World::new().run(&["demo", "--json", "--data", data.to_str().unwrap()]).json();
    assert_eq!(figures["heads_equal"], true, "{figures}");
    assert_eq!(figures["denied"], 1, "{figures}");
    assert_eq!(figures["records"], 54_408, "{figures}");
}
