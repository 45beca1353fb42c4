//! Codes and servers that are not the right ones.

use std::fs;

use tidegate::codec::{EnrollCode, EnrollTerms, SecretKey};
use tidegate::model::Timestamp;
use tidegate::net::{FileKeyStore, KeyStore as _};

use crate::ports::free_port;
use crate::table::{Mistake, check};
use crate::world::World;

#[test]
fn a_wrong_code_is_told_from_a_used_and_a_mistyped_one() {
    let world = World::new();
    world.init("acme", &[]);
    let _server = world.serve("acme");
    let (used, good) = (world.code("acme", "alice"), world.code("acme", "bob"));
    world.device("alice", &["enroll", &used, "--json"]).done();
    // One letter is another one.
    let last = good.chars().last().unwrap();
    let typo = format!("{}{}", &good[..good.len() - 1], if last == 'a' { 'b' } else { 'a' });
    let half = &good[..good.len() / 2];
    // Of this organization and for this address, but made with another server's key.
    let read: EnrollCode = good.parse().unwrap();
    let foreign = EnrollTerms {
        addresses: read.addresses().to_vec(),
        organization: read.organization(),
        user: read.user().clone(),
        nonce: [7; 8],
        expires: read.expires(),
    };
    let foreign = EnrollCode::mint(&SecretKey::from_seed([7; 32]), foreign).unwrap().to_string();
    let rows: &[Mistake<'_>] = &[
        ("no code at all", &["enroll", "hello", "--replica", "b.redb"], 2, &["`tide1-`"]),
        ("a letter is wrong", &["enroll", &typo, "--replica", "b.redb"], 2, &["typing mistake"]),
        ("half a code", &["enroll", half, "--replica", "b.redb"], 2, &["part of it is missing"]),
        (
            "a code of another server",
            &["enroll", &foreign, "--replica", "b.redb"],
            2,
            &["the server refuses", "not one of this server"],
        ),
        (
            "a code used twice",
            &["enroll", &used, "--replica", "b.redb"],
            2,
            &["was used before", "ask for a new one"],
        ),
        (
            "an enrolled device",
            &["enroll", &good, "--replica", "alice.redb"],
            2,
            &["enrolled already, as user `alice`", "another file"],
        ),
        (
            "a device that was refused",
            &["sync", "--replica", "b.redb"],
            2,
            &["b.redb is not enrolled", "tidegate enroll CODE"],
        ),
        (
            "a folder that is not there",
            &["enroll", &good, "--replica", "none/b.redb"],
            1,
            &["folder of none/b.redb is not there"],
        ),
    ];
    check(&world, rows);
    // None of that used up the good code, nor spoilt the file.
    world.run(&["enroll", &good, "--replica", "b.redb", "--json"]).done();
    assert_eq!(world.status("b")["user"], "bob");
    assert_eq!(world.status("alice")["user"], "alice");
}

/// Another organization's server answers where the right one did.
#[test]
fn a_server_of_another_organization_gets_nothing() {
    let world = World::new();
    let acme = world.init("acme", &[]);
    world.init("evil", &[]);
    let server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    let code = world.code("acme", "bob");
    drop(server);
    world.edit("alice", "work_order", "new", &["title=Secret"]);
    let config = world.read("acme/tidegate.toml");
    world.write("evil/tidegate.toml", config);
    let evil = world.serve("evil");
    let organization = acme["organization"].as_str().unwrap();
    let words = ["not a server of the organization", organization];
    let rows: &[Mistake<'_>] = &[
        ("sync", &["sync", "--replica", "alice.redb"], 1, &words),
        ("sync as JSON", &["sync", "--json", "--replica", "alice.redb"], 1, &["{\"error\":\""]),
        ("enrol", &["enroll", &code, "--replica", "bob.redb"], 1, &words),
        ("live", &["sync", "--live", "--replica", "alice.redb"], 1, &words),
        ("the port is taken", &["serve", "acme"], 1, &["UDP port", "is in use", "another port"]),
    ];
    check(&world, rows);
    drop(evil);
    // It learned nothing: its file knows no device and no edit, and holds none of the words.
    let file = fs::read(world.path("evil/server.redb")).unwrap();
    assert!(!file.windows(6).any(|bytes| bytes == b"Secret"));
    let status = world.status("alice");
    assert_eq!((&status["pending"], &status["watermark"]), (&1.into(), &0.into()));
    // And where the right one is back, all goes on.
    let _server = world.serve("acme");
    assert_eq!(world.sync("alice")["admitted"], 1);
    world.run(&["enroll", &code, "--replica", "bob.redb"]).done();
}

#[test]
fn a_server_that_does_not_answer_is_told_with_its_address() {
    let world = World::new();
    let made = world.init("acme", &[]);
    let server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    drop(server);
    let address = made["listen"].as_str().unwrap();
    let (order, _) = world.edit("alice", "work_order", "new", &["title=x"]);
    let rows: &[Mistake<'_>] = &[(
        "nobody is there",
        &["sync", "--replica", "alice.redb"],
        1,
        &["no answer from", address, "is the server running there"],
    )];
    check(&world, rows);
    assert_eq!(world.rows("alice", "work_order")[&order]["pending"], true);
    assert_eq!(world.status("alice")["pending"], 1);
}

/// The server's data are gone or replaced: it does not know the device.
#[test]
fn a_server_that_lost_its_data_says_that_it_does_not_know_the_device() {
    let world = World::new();
    world.init("acme", &[]);
    let server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    drop(server);
    fs::remove_file(world.path("acme/server.redb")).unwrap();
    let _server = world.serve("acme");
    let rows: &[Mistake<'_>] = &[(
        "an unknown device",
        &["sync", "--replica", "alice.redb"],
        1,
        &["the server refuses", "not enrolled", "ask an administrator"],
    )];
    check(&world, rows);
}

#[test]
fn a_code_lasts_for_as_long_as_is_asked() {
    let world = World::new();
    world.init("acme", &[]);
    let code = ["enroll-code", "--dir", "acme", "--user", "alice"];
    let with = |hours| [code.as_slice(), &["--hours", hours]].concat();
    let rows: &[Mistake<'_>] = &[
        ("no time", &with("0"), 2, &["'0'", "--hours", "1..=8760"]),
        ("more than a year", &with("8761"), 2, &["'8761'", "1..=8760"]),
        ("no number", &with("soon"), 2, &["'soon'", "--hours"]),
        (
            "an unknown user",
            &["enroll-code", "--dir", "acme", "--user", "alise"],
            2,
            &["no user `alise`", "admin, alice, bob"],
        ),
        (
            "no server there",
            &["enroll-code", "--dir", "nowhere", "--user", "alice"],
            2,
            &["nowhere holds no server", "tidegate init nowhere"],
        ),
    ];
    check(&world, rows);
    for hours in ["1", "8760"] {
        assert!(world.run(&with(hours)).done().starts_with("tide1-"));
    }
}

#[test]
fn an_expired_code_says_when_it_expired() {
    let world = World::new();
    world.init("acme", &[]);
    let _server = world.serve("acme");
    let code: EnrollCode = world.code("acme", "alice").parse().unwrap();
    // The command makes none that is past; the server's own key does.
    let key = FileKeyStore::new(world.path("acme/server.key")).load().unwrap().unwrap();
    let terms = EnrollTerms {
        addresses: code.addresses().to_vec(),
        organization: code.organization(),
        user: code.user().clone(),
        nonce: [9; 8],
        expires: Timestamp::from_millis(1_000_000_000_000).unwrap(),
    };
    let code = EnrollCode::mint(&key, terms).unwrap().to_string();
    let words = ["expired at 2001-09-09", "ask for a new one"];
    check(&world, &[("expired", &["enroll", &code, "--replica", "a.redb"], 2, &words)]);
}

#[test]
fn a_port_of_another_program_is_named() {
    let world = World::new();
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    world.run(&["init", "acme", "--listen", &listen]).done();
    let taken = std::net::UdpSocket::bind(("127.0.0.1", port)).unwrap();
    let (number, rows) = (port.to_string(), ["serve", "acme"]);
    check(&world, &[("taken", &rows, 1, &["UDP port", &number, "is in use", "127.0.0.1"])]);
    drop(taken);
    let _server = world.serve("acme");
}
