//! Files that are not what a command needs: of another kind, damaged, in use, without their key.

use std::fs;

use crate::table::{Mistake, check};
use crate::world::World;

#[test]
fn a_file_that_is_no_replica_is_named_and_left_alone() {
    let world = World::new();
    world.init("acme", &[]);
    let server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    drop(server);
    let whole = fs::read(world.path("alice.redb")).unwrap();
    let key = fs::read(world.path("alice.redb.key")).unwrap();
    let with_key = |name: &str, bytes: &[u8]| {
        world.write(&format!("{name}.redb"), bytes);
        fs::copy(world.path("alice.redb.key"), world.path(&format!("{name}.redb.key"))).unwrap();
    };
    with_key("cut", &whole[..whole.len() / 3]);
    with_key("stub", &whole[..100]);
    let mut scrambled = whole.clone();
    for byte in &mut scrambled[4_096..] {
        *byte = byte.wrapping_mul(31).wrapping_add(7);
    }
    with_key("scrambled", &scrambled);
    with_key("text", b"title,status\n");
    with_key("empty", b"");
    world.write("moved.redb", &whole);
    with_key("torn_key", &whole);
    world.write("torn_key.redb.key", &key[..40]);
    fs::create_dir(world.path("folder")).unwrap();
    let rows: &[Mistake<'_>] = &[
        (
            "no file",
            &["status", "--replica", "none.redb"],
            2,
            &["no replica none.redb", "tidegate enroll CODE --replica none.redb"],
        ),
        (
            "a server's file",
            &["status", "--replica", "acme/server.redb"],
            1,
            &["acme/server.redb is the file of a server, not of a replica"],
        ),
        ("cut short", &["status", "--replica", "cut.redb"], 1, &["cut.redb is damaged", "backup"]),
        ("a stub", &["status", "--replica", "stub.redb"], 1, &["stub.redb"]),
        (
            "scrambled",
            &["status", "--replica", "scrambled.redb"],
            1,
            &["scrambled.redb", "damaged"],
        ),
        ("a text", &["status", "--replica", "text.redb"], 1, &["text.redb is no Tidegate file"]),
        ("empty", &["status", "--replica", "empty.redb"], 1, &["empty.redb", "it is empty"]),
        ("a folder", &["status", "--replica", "folder"], 1, &["folder", "it is a folder"]),
        (
            "without its key",
            &["status", "--replica", "moved.redb"],
            1,
            &["device key of moved.redb is missing", "moved.redb.key", "enrol a new replica"],
        ),
        (
            "a torn key",
            &["status", "--replica", "torn_key.redb"],
            1,
            &["key file torn_key.redb.key"],
        ),
    ];
    let before = world.files("");
    check(&world, rows);
    let after = world.files("");
    assert!(before.keys().eq(after.keys()), "no file came or went");
    for (path, bytes) in &before {
        // One that begins as ours do is opened to see what it is, which may write to it.
        let begins_well = bytes.starts_with(b"redb");
        assert!(begins_well || &after[path] == bytes, "{} was changed", path.display());
    }
    world.write("readable.redb", &whole);
    world.write("readable.redb.key", &key);
    set_mode(&world, "readable.redb.key", 0o644);
    let rows: &[Mistake<'_>] = &[(
        "a key that others may read",
        &["status", "--replica", "readable.redb"],
        1,
        &["readable.redb.key can be read by others (mode 644)", "chmod 600"],
    )];
    if cfg!(unix) {
        check(&world, rows);
    }
}

fn set_mode(world: &World, name: &str, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(world.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = (world, name, mode);
}

#[test]
fn a_file_belongs_to_one_process_at_a_time() {
    let world = World::new();
    world.init("acme", &[]);
    let server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    let mut live = world.start_device("alice", &["sync", "--live", "--json"]);
    live.until_event("up_to_date");
    let in_use = ["another process has", "open", "close it there"];
    let rows: &[Mistake<'_>] = &[
        ("a second reader", &["status", "--replica", "alice.redb"], 1, &in_use),
        (
            "a second writer",
            &["edit", "work_order", "new", "title=x", "--replica", "alice.redb"],
            1,
            &["alice.redb", "another process has"],
        ),
        ("a second server", &["serve", "acme"], 1, &["server.redb", "another process has"]),
    ];
    check(&world, rows);
    // The first ones go on as if nothing had been.
    assert_eq!(live.interrupt(), Some(0));
    assert_eq!(world.status("alice")["pending"], 0);
    assert!(world.rows("alice", "work_order").is_empty());
    world.sync("alice");
    drop(server);
}

#[test]
fn a_servers_file_that_is_none_is_named() {
    let world = World::new();
    world.init("acme", &[]);
    let server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    drop(server);
    let whole = fs::read(world.path("acme/server.redb")).unwrap();
    let replica = fs::read(world.path("alice.redb")).unwrap();
    let cases: [(&str, &[u8], &str); 4] = [
        ("a replica's file", &replica, "is the file of a replica, not of a server"),
        ("cut short", &whole[..whole.len() / 3], "is damaged"),
        ("a text", b"hello\n", "is no Tidegate file"),
        ("empty", b"", "is no Tidegate file: it is empty"),
    ];
    for (what, bytes, words) in cases {
        world.write("acme/server.redb", bytes);
        let rows: &[Mistake<'_>] = &[(what, &["serve", "acme"], 1, &["acme/server.redb", words])];
        check(&world, rows);
        // One that begins as ours do is opened to see what it is, which may write to it.
        let begins_well = bytes.starts_with(b"redb");
        let now = fs::read(world.path("acme/server.redb")).unwrap();
        assert!(begins_well || now == bytes, "{what} was changed");
        if what == "a replica's file" {
            fs::copy(world.path("acme/server.redb"), world.path("alice.redb")).unwrap();
            assert_eq!(world.status("alice")["user"], "alice");
        }
    }
    world.write("acme/server.redb", &whole);
    let _server = world.serve("acme");
    world.sync("alice");
}
