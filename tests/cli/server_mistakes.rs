//! What an administrator can get wrong.

use std::fs;

use crate::table::{Mistake, check};
use crate::world::World;

#[test]
fn init_makes_a_whole_server_or_nothing() {
    let world = World::new();
    world.init("taken", &[]);
    let before = world.files("taken");
    world.write("schema.toml", "[[table]]\nid = \"customer\"\nownership = \"nobody\"\n");
    world.write("good_schema.toml", world.read("taken/schema.toml"));
    world.write("policy.toml", "[[role]]\nid = \"r\"\n[role.rights.ship]\nread = \"user\"\n");
    world.write("no_people.toml", "[[role]]\nid = \"r\"\n");
    world.write("units.csv", "id,parent\nroot,\n");
    world.write("users.csv", "login,business_unit,manager,roles\nann,rot,,\n");
    world.write("a_file", "");
    let rows: &[Mistake<'_>] = &[
        ("a taken folder", &["init", "taken"], 2, &["taken holds a server already"]),
        ("a file", &["init", "a_file"], 2, &["a_file is a file, not a folder"]),
        (
            "a bad schema",
            &["init", "new", "--schema", "schema.toml"],
            2,
            &["schema.toml:3", "`ownership` cannot be `nobody`", "user_owned, organization_owned"],
        ),
        ("no schema", &["init", "new", "--schema", "none.toml"], 2, &["none.toml", "No such file"]),
        (
            "a bad policy",
            &["init", "new", "--policy", "policy.toml"],
            2,
            &["policy.toml", "`ship`"],
        ),
        (
            "a policy without people",
            &["init", "new", "--policy", "no_people.toml"],
            2,
            &["no_people.toml", "declares no organization", "tidegate init --help"],
        ),
        ("users without units", &["init", "new", "--users", "users.csv"], 2, &["--business-units"]),
        (
            "a mistake in a CSV file",
            &["init", "new", "--business-units", "units.csv", "--users", "users.csv"],
            2,
            &["users.csv:2", "column `business_unit`", "`rot`"],
        ),
        (
            "an unknown administrator",
            &["init", "new", "--admin", "zoe"],
            2,
            &["no user `zoe`", "admin, alice, bob"],
        ),
        ("no socket address", &["init", "new", "--listen", "here"], 2, &["'here'", "--listen"]),
        ("no address", &["init", "new", "--address", "here"], 2, &["`here`", "HOST:PORT"]),
        (
            "an address that is none",
            &["init", "new", "--listen", "0.0.0.0:4747"],
            2,
            &["0.0.0.0:4747", "--address HOST:PORT"],
        ),
        ("no folder", &["init"], 2, &["<DIR>"]),
        ("no server there", &["serve", "new"], 2, &["new holds no server", "tidegate init new"]),
    ];
    check(&world, rows);
    assert!(!world.path("new").exists(), "a refused init leaves nothing");
    assert_eq!(world.files("taken"), before);
    world.run(&["init", "new", "--listen", "0.0.0.0:4747", "--address", "a.example:1"]).done();
}

/// A change of one of the server's files, and what `serve` says of it.
type Change<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

const CHANGES: &[Change<'_>] = &[
    (
        "schema.toml",
        "type = \"date\"",
        "type = \"dat\"",
        &["schema.toml:18", "`type` cannot be `dat`", "timestamp, date, choice"],
    ),
    ("schema.toml", "\"hours\"", "\"title\"", &["schema.toml:19", "column `title`", "second time"]),
    (
        "schema.toml",
        "required = true",
        "requird = true",
        &["schema.toml:", "unknown key `requird`"],
    ),
    ("schema.toml", "required = true", "required = 1", &["`required` must be true or false"]),
    (
        "schema.toml",
        "table = \"customer\"",
        "table = \"custmer\"",
        &["schema.toml:20", "column `customer`", "no table `custmer`"],
    ),
    ("schema.toml", "[[table]]", "[[table", &["schema.toml:"]),
    (
        "policy.toml",
        "read = \"organization\"",
        "read = \"all\"",
        &["policy.toml:30", "`read` cannot be `all`", "business_unit, parent_child, organization"],
    ),
    (
        "policy.toml",
        "[\"technician\"]",
        "[\"techician\"]",
        &["policy.toml:20", "user `alice`", "`roles`", "no role `techician`"],
    ),
    (
        "policy.toml",
        "rights.work_order",
        "rights.order",
        &["policy.toml:32", "role `technician`", "no table `order`"],
    ),
    (
        "policy.toml",
        "parent = \"root\"",
        "parent = \"rot\"",
        &["policy.toml:10", "business unit `north`", "`parent`", "`rot`"],
    ),
    ("policy.toml", "create = ", "creat = ", &["policy.toml:33", "`creat`"]),
    (
        "tidegate.toml",
        "listen = \"127.0.0.1",
        "listen = \"localhost",
        &["tidegate.toml:5", "`listen`", "socket address"],
    ),
    ("tidegate.toml", "listen = ", "lisen = ", &["tidegate.toml:5", "`lisen`", "`listen`"]),
    ("tidegate.toml", "schema = \"schema.toml\"", "", &["tidegate.toml:", "`schema`"]),
    ("tidegate.toml", "\"schema.toml\"", "\"schem.toml\"", &["schem.toml", "No such file"]),
    ("tidegate.toml", "addresses = [", "addresses = [1, ", &["tidegate.toml:7", "`addresses[0]`"]),
    ("tidegate.toml", "addresses = [", "addresses = ", &["tidegate.toml:7"]),
    (
        "tidegate.toml",
        "connections = ",
        "conections = ",
        &["tidegate.toml:16", "`conections`", "`connections`"],
    ),
    (
        "tidegate.toml",
        "connections = 10000",
        "connections = 0",
        &["tidegate.toml:16", "`limits.connections`", "from 1 to 1000000, not 0"],
    ),
    (
        "tidegate.toml",
        "connections = 10000",
        "connections = \"many\"",
        &["tidegate.toml:16", "`limits.connections`", "\"many\""],
    ),
    (
        "tidegate.toml",
        "page_bytes = ",
        "page_bytes = 9",
        &["tidegate.toml:25", "`limits.page_bytes`", "from 1024 to 1048576, not 91048576"],
    ),
    (
        "tidegate.toml",
        "outbound_messages = 4096",
        "outbound_messages = -1",
        &["tidegate.toml:23", "`limits.outbound_messages`", "from 16 to 1000000, not -1"],
    ),
    (
        "tidegate.toml",
        "cache_mebibytes = 256",
        "cache_mebibytes = 0",
        &["tidegate.toml:34", "`limits.cache_mebibytes`", "from 1 to 1048576, not 0"],
    ),
    (
        "tidegate.toml",
        "refused_days = 365",
        "refused_days = 40000",
        &["tidegate.toml:38", "`retention.refused_days`", "from 0 to 36500, not 40000"],
    ),
    (
        "tidegate.toml",
        "log_entries = 10000",
        "log_entries = 10",
        &["tidegate.toml:42", "`retention.log_entries`", "from 1000 to 1000000000, not 10"],
    ),
    (
        "tidegate.toml",
        "level = \"warn\"",
        "level = \"loud\"",
        &["tidegate.toml:46", "`log.level`", "`loud`", "`warn`"],
    ),
    (
        "tidegate.toml",
        "format = \"text\"",
        "format = \"xml\"",
        &["tidegate.toml:48", "`log.format`", "`xml`", "`json`"],
    ),
    ("tidegate.toml", "[log]", "[logs]", &["tidegate.toml:44", "`logs`", "`log`"]),
    ("tidegate.toml", "data = \"server.redb\"", "data = 1", &["tidegate.toml:9", "`data`"]),
    ("tidegate.toml", "data = ", "listen = ", &["tidegate.toml:9", "duplicate key"]),
    ("organization.pub", "\n", "2\n", &["organization.pub"]),
    ("server.key", "tidegate-key-1", "tidegate-key-2", &["server.key", "no key file"]),
];

#[test]
fn a_mistake_in_a_servers_file_is_named_with_file_line_and_key() {
    let world = World::new();
    world.init("acme", &[]);
    world.init("other", &[]);
    for (file, from, to, words) in CHANGES {
        let path = format!("acme/{file}");
        let good = world.read(&path);
        world.replace(&path, from, to);
        let bad = world.read(&path);
        let what = format!("{file}: {to}");
        check(&world, &[(&what, &["serve", "acme"], 2, words)]);
        check(&world, &[(&what, &["enroll-code", "--dir", "acme", "--user", "bob"], 2, words)]);
        assert_eq!(world.read(&path), bad, "{what}");
        world.write(&path, good);
    }
    for file in ["server.key", "tls.key", "server.certificate"] {
        let path = format!("acme/{file}");
        let good = fs::read(world.path(&path)).unwrap();
        fs::rename(world.path(&path), world.path("aside")).unwrap();
        let rows: &[Mistake<'_>] =
            &[(file, &["serve", "acme"], 2, &[&path, "is missing", "backup"])];
        check(&world, rows);
        fs::rename(world.path("aside"), world.path(&path)).unwrap();
        assert_eq!(fs::read(world.path(&path)).unwrap(), good);
    }
    // Without the file beside it the public half is read from the key; without either there is none.
    for file in ["organization.pub", "organization.key"] {
        fs::rename(world.path(&format!("acme/{file}")), world.path(file)).unwrap();
    }
    let words = ["acme/organization.pub is missing", "backup"];
    check(&world, &[("no organization", &["serve", "acme"], 2, &words)]);
    fs::copy(world.path("other/organization.pub"), world.path("acme/organization.pub")).unwrap();
    fs::rename(world.path("organization.key"), world.path("acme/organization.key")).unwrap();
    let words = ["acme/organization.pub", "not the public half of organization.key"];
    check(&world, &[("another's", &["serve", "acme"], 2, &words)]);
    fs::rename(world.path("organization.pub"), world.path("acme/organization.pub")).unwrap();
    let certificate = fs::read(world.path("acme/server.certificate")).unwrap();
    fs::copy(world.path("other/server.certificate"), world.path("acme/server.certificate"))
        .unwrap();
    let words = ["acme/server.certificate", "not signed by the organization key"];
    check(&world, &[("another's certificate", &["serve", "acme"], 2, &words)]);
    world.write("acme/server.certificate", certificate);
    let key = fs::read(world.path("acme/server.key")).unwrap();
    fs::copy(world.path("other/server.key"), world.path("acme/server.key")).unwrap();
    let words = ["acme/server.certificate is not for the keys in server.key", "one backup"];
    check(&world, &[("another's key", &["serve", "acme"], 2, &words)]);
    world.write("acme/server.key", key);
    // As it was: it serves.
    let _server = world.serve("acme");
}

const CSV_CHANGES: &[Change<'_>] = &[
    ("user.csv", "north,ann", "north,anne", &["user.csv:3", "column `manager`", "`anne`"]),
    ("user.csv", "ann,root", "ann,rot", &["user.csv:2", "column `business_unit`", "`rot`"]),
    ("user.csv", "ann,clerk", "ann,clark", &["user.csv:3", "column `roles`", "`clark`"]),
    ("user.csv", "ben,", "ann,", &["user.csv:3", "column `login`", "second time"]),
    ("user.csv", "ben,", ",", &["user.csv:3", "column `login`"]),
    ("user.csv", "ann,root,,", "ann,root,ben,", &["user.csv:", "column `manager`", "a cycle"]),
    ("user.csv", "manager", "boss", &["user.csv:1", "lacks the column `manager`"]),
    ("user.csv", "login,", "login,login,", &["user.csv:1", "column `login` twice"]),
    ("user.csv", "ann,root", "\"ann,root", &["user.csv:2", "quote"]),
    ("user.csv", "north,ann,clerk", "north,ann,\"clerk", &["user.csv:3", "quote"]),
    ("user.csv", "north,ann,clerk", "north,ann", &["user.csv:3", "3 fields", "4 fields"]),
    ("business_unit.csv", "north,root", "north,", &["business_unit.csv", "second root"]),
    ("business_unit.csv", "north,root", "north,rot", &["business_unit.csv:3", "`parent`", "`rot`"]),
    ("business_unit.csv", "north,root", "root,", &["business_unit.csv:3", "`id`", "second time"]),
    ("business_unit.csv", "root,\n", "root,north\n", &["business_unit.csv:", "`parent`"]),
    ("business_unit.csv", "id,parent", "id,above", &["business_unit.csv:1", "`parent`"]),
];

#[test]
fn a_mistake_in_the_csv_files_of_people_is_named_with_line_and_column() {
    let world = World::new();
    world.write("units.csv", "id,parent\nroot,\nnorth,root\n");
    world.write(
        "users.csv",
        "login,business_unit,manager,roles\nann,root,,clerk\nben,north,ann,clerk\n",
    );
    world.write(
        "policy.toml",
        "[[role]]\nid = \"clerk\"\n[role.rights.customer]\nread = \"user\"\n",
    );
    let people = ["--business-units", "units.csv", "--users", "users.csv"];
    let more = [people.as_slice(), &["--policy", "policy.toml", "--admin", "boss"]].concat();
    let made = world.init("acme", &more);
    assert_eq!(made["administrator"], "boss");
    for (file, from, to, words) in CSV_CHANGES {
        let path = format!("acme/{file}");
        let good = world.read(&path);
        world.replace(&path, from, to);
        check(&world, &[(to, &["serve", "acme"], 2, words)]);
        world.write(&path, good);
    }
    let good = world.read("acme/user.csv");
    world.write("acme/user.csv", [good.as_bytes(), b"J\xfcrgen,north,ann,clerk\n"].concat());
    let words = ["user.csv:5", "not UTF-8", "save the file in that encoding"];
    check(&world, &[("Latin-1", &["serve", "acme"], 2, &words)]);
    let long = fs::File::create(world.path("acme/user.csv")).unwrap();
    long.set_len((16 << 20) + 1).unwrap();
    let words = ["user.csv is too long", "at most 16777216 bytes"];
    check(&world, &[("too large", &["serve", "acme"], 2, &words)]);
    world.write("acme/user.csv", good);
    let _server = world.serve("acme");
    world.enroll("acme", "ben", "ben");
}

#[test]
fn a_data_file_that_is_none_is_named_and_left_alone() {
    let world = World::new();
    world.init("acme", &[]);
    let server = world.serve("acme");
    world.enroll("acme", "alice", "alice");
    drop(server);
    fs::create_dir(world.path("acme/folder")).unwrap();
    world.write("acme/text", "title,status\n");
    let cases: [(&str, &[&str]); 4] = [
        ("folder", &["acme/folder", "it is a folder"]),
        ("text", &["acme/text is no Tidegate file"]),
        ("../alice.redb", &["is the file of a replica, not of a server"]),
        ("none/server.redb", &["the folder of acme/none/server.redb is not there"]),
    ];
    for (data, words) in cases {
        let line = format!("data = \"{data}\"");
        world.replace("acme/tidegate.toml", "data = \"server.redb\"", &line);
        let before = world.files("acme");
        check(&world, &[(data, &["serve", "acme"], 1, words)]);
        check(&world, &[(data, &["serve", "acme", "--check-config"], 2, words)]);
        assert!(world.files("acme") == before, "{data} is changed");
        world.replace("acme/tidegate.toml", &line, "data = \"server.redb\"");
    }
    let _server = world.serve("acme");
    world.sync("alice");
}

#[test]
fn a_log_filter_that_says_nothing_is_named() {
    let world = World::new();
    let outcome = world.run_with(&["status"], ("TIDEGATE_LOG", "tidegate=loud"));
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    for word in ["TIDEGATE_LOG", "`tidegate=loud`", "error, warn, info"] {
        assert!(outcome.stderr.contains(word), "{word}: {outcome:?}");
    }
}

#[test]
fn a_schema_that_a_record_cannot_follow_is_refused_and_the_one_of_before_goes_on() {
    let world = World::new();
    world.init("acme", &[]);
    let more = "{ id = \"city\", type = \"text\" },\n  { id = \"note\", type = \"text\" },\n  \
                { id = \"phone\", type = \"text\" },";
    let schema = "acme/schema.toml";
    world.replace(schema, "{ id = \"city\", type = \"text\" },", more);
    let head = "id = \"customer\"\nownership = \"organization_owned\"\n";
    world.replace(schema, head, &format!("{head}key = [\"name\"]\n"));
    let server = world.serve("acme");
    world.enroll("acme", "admin", "office");
    let long = "x".repeat(400_000);
    for (file, csv) in [
        ("one.csv", format!("name,city,phone\nAnna,{long},123\n")),
        ("two.csv", format!("name,note\nAnna,{long}\n")),
    ] {
        world.write(file, csv);
        world.device("office", &["import", "customer", file, "--json"]).json();
        world.sync("office");
    }
    let id = world.rows("office", "customer").into_keys().next().unwrap();
    drop(server);
    let good = world.read(schema);
    let phone = "{ id = \"phone\", type = \"text\" }";
    world.replace(schema, phone, "{ id = \"phone\", type = \"text\", secured = true }");
    let words = [
        "`customer`",
        &format!("record {id} cannot follow"),
        "800100 bytes of values",
        "400032 of these in column `note`",
        "no more than 786432",
        "Under the schema of before, shorten the column or erase the record",
    ];
    check(&world, &[("too large", &["serve", "acme", "--apply-files"], 1, &words)]);
    // As it was: it serves. Shortened, the record follows.
    let secured = world.read(schema);
    world.write(schema, good);
    let server = world.serve("acme");
    world.edit("office", "customer", &id, &["note=short"]);
    world.sync("office");
    drop(server);
    world.write(schema, secured);
    let _server = world.serve_with("acme", &["--apply-files"]);
    world.sync("office");
    assert_eq!(world.rows("office", "customer")[&id]["columns"]["phone"], "123");
}
