//! What the bytes of a device were for, from the command line.

use serde_json::Value;

use crate::world::World;

/// The bytes of a purpose.
fn bytes(of: &Value, way: &str, purpose: &str) -> u64 {
    of["ledger"][way][purpose].as_u64().unwrap()
}

fn sum(of: &Value, way: &str) -> u64 {
    of["ledger"][way].as_object().unwrap().values().map(|bytes| bytes.as_u64().unwrap()).sum()
}

#[test]
fn status_tells_what_all_sessions_took_by_purpose() {
    let world = World::new();
    let made = world.init("acme", &[]);
    let _server = world.serve("acme");
    let code = made["code"].as_str().unwrap();
    let enrolled = world.device("office", &["enroll", code, "--json"]).json()["session"].clone();
    let title = "Replace the pump of the boiler in the cellar";
    world.edit("office", "work_order", "new", &[&format!("title={title}")]);
    let synced = world.sync("office");
    for session in [&enrolled, &synced] {
        assert_eq!(sum(session, "sent"), session["sent_bytes"], "{session}");
        assert_eq!(sum(session, "received"), session["received_bytes"], "{session}");
    }
    assert!(bytes(&synced, "sent", "values") >= title.len() as u64, "{synced}");
    assert!(bytes(&synced, "received", "verdicts") > 0, "{synced}");

    // Each of these was a process of its own.
    let status = world.status("office");
    for way in ["sent", "received"] {
        for purpose in status["ledger"][way].as_object().unwrap().keys() {
            let all = bytes(&enrolled, way, purpose) + bytes(&synced, way, purpose);
            assert_eq!(bytes(&status, way, purpose), all, "{way} {purpose}: {status}");
        }
    }
    let told = world.device("office", &["status"]).done();
    for (purpose, sent) in status["ledger"]["sent"].as_object().unwrap() {
        let row: Vec<_> = told.lines().map(|line| line.split_whitespace().collect()).collect();
        let row = row.iter().find(|row: &&Vec<_>| row.first() == Some(&purpose.as_str())).unwrap();
        let received = bytes(&status, "received", purpose).to_string();
        let expected = [purpose, &sent.to_string(), "sent,", &received, "received"];
        assert!(row.iter().eq(expected.iter()), "{told}");
    }
}
