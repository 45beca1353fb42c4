//! Edits made as of what was seen, while others went on.

use serde_json::{Value as Json, json};
use tidegate::model::{Op, Right, Seen};
use tidegate::replica::{Draft, EditError, Intent, Replica, Settled, TypedTable};
use tidegate::server::{Limits, Server, ServerOptions};
use tidegate::{RecordId, Value};

use super::office::{Office, table, text};

fn visits(replica: &Replica) -> TypedTable<Json> {
    replica.table("visit").unwrap()
}

fn see(replica: &Replica, id: RecordId) -> Seen {
    visits(replica).see(id).unwrap().unwrap().1
}

fn notes(replica: &Replica, id: RecordId) -> String {
    visits(replica).get(id).unwrap().unwrap()["notes"].as_str().unwrap().to_owned()
}

/// The values that `place` holds side by side, sorted.
fn places(replica: &Replica, id: RecordId) -> Vec<Value> {
    let found = replica.conflicts(&table("visit"), id, &"place".parse().unwrap()).unwrap();
    let mut values: Vec<_> = found.into_iter().map(|conflict| conflict.value).collect();
    values.sort_by_key(ToString::to_string);
    values
}

async fn meet(replicas: &[&Replica]) {
    for replica in replicas.iter().chain(replicas) {
        replica.sync().await.unwrap();
    }
}

async fn two_with_a_visit(office: &Office) -> (Replica, Replica, RecordId) {
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let visit = json!({ "place": "harbour", "notes": "pump leaks" });
    let visit = visits(&ann).insert(&visit).await.unwrap().id();
    meet(&[&ann, &ben]).await;
    (ann, ben, visit)
}

#[tokio::test]
async fn what_came_since_is_side_by_side_with_an_edit_of_what_was_seen() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let (shown, seen) = visits(&ann).see(id).unwrap().unwrap();
    assert_eq!(shown["notes"], "pump leaks");
    let by_ben =
        visits(&ben).edit(id).set("place", "north quay").splice("notes", 0..4, "The valve");
    by_ben.commit().await.unwrap();
    meet(&[&ben, &ann]).await;
    assert_eq!(notes(&ann, id), "The valve leaks");

    let form = visits(&ann).edit(id).set("place", "south quay").splice("notes", 10..10, " again");
    let receipt = form.as_seen(&seen).commit().await.unwrap();
    let both = [text("north quay"), text("south quay")];
    for replica in [&ann, &ben] {
        meet(&[&ann, &ben]).await;
        assert_eq!(notes(replica, id), "The valve leaks again");
        assert_eq!(places(replica, id), both);
    }
    assert_eq!(receipt.settled().await.unwrap()[0].1, Settled::Admitted);
    let heads = |replica: &Replica| replica.heads(&table("visit"), id).unwrap();
    assert_eq!(heads(&ann), heads(&ben));

    // An edit of what is there now settles it.
    visits(&ann).edit(id).set("place", "east quay").commit().await.unwrap();
    meet(&[&ann, &ben]).await;
    assert_eq!((places(&ann, id), places(&ben, id)), (vec![], vec![]));
}

#[tokio::test]
async fn what_this_device_did_since_is_side_by_side_too_and_a_form_goes_on_from_what_it_saved() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let edit = || visits(&ann).edit(id);
    let seen = see(&ann, id);
    edit().splice("notes", 0..0, "The ").set("place", "quay").commit().await.unwrap();
    edit().splice("notes", 0..0, "Oh! ").commit().await.unwrap();

    let first = edit().splice("notes", 10..10, " oil").set("place", "dock").as_seen(&seen);
    let first = first.commit().await.unwrap();
    assert_eq!(first.edits().len(), 1);
    let second = edit().splice("notes", 14..14, " today").set("place", "old dock");
    let second = second.as_seen(first.seen(id).unwrap()).commit().await.unwrap();
    // Nothing that was seen is changed by this.
    let third = edit().set("place", "old dock").as_seen(second.seen(id).unwrap());
    let third = third.commit().await.unwrap();
    assert!(third.edits().is_empty());
    assert_eq!(third.seen(id), second.seen(id));
    assert_eq!(second.seen(RecordId::from_bytes([9; 16])), None);

    meet(&[&ann, &ben]).await;
    for replica in [&ann, &ben] {
        assert_eq!(notes(replica, id), "Oh! The pump leaks oil today");
        assert_eq!(places(replica, id), [text("old dock"), text("quay")]);
    }
    assert_eq!(ann.quarantine().unwrap(), []);
}

#[tokio::test]
async fn who_saw_nothing_of_a_record_writes_side_by_side_with_all_of_it() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let nothing = Seen::nothing(table("visit"), id);
    let edit = visits(&ben).edit(id).set("place", "quay").splice("notes", 0..0, "Closed. ");
    edit.as_seen(&nothing).commit().await.unwrap();
    meet(&[&ben, &ann]).await;
    for replica in [&ann, &ben] {
        assert_eq!(places(replica, id), [text("harbour"), text("quay")]);
        let notes = notes(replica, id);
        assert!(["Closed. pump leaks", "pump leaksClosed. "].contains(&notes.as_str()), "{notes}");
    }
    // As who saw what both saw.
    let both = see(&ann, id).together(&nothing);
    visits(&ann).edit(id).set("place", "dock").as_seen(&both).commit().await.unwrap();
    assert_eq!(places(&ann, id), []);
}

#[tokio::test]
async fn what_is_not_here_as_it_was_seen_is_not_edited() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let other = visits(&ann).insert(&json!({ "place": "hut" })).await.unwrap().id();
    visits(&ben).edit(id).set("place", "quay").commit().await.unwrap();
    for seen in [see(&ben, id), see(&ann, other)] {
        let edit = visits(&ann).edit(id).set("place", "dock").as_seen(&seen);
        let refused = edit.commit().await.unwrap_err();
        assert!(matches!(&refused, EditError::SeenElsewhere(_, record) if *record == id));
        assert!(refused.to_string().contains("read the record again"), "{refused}");
    }
    assert_eq!(ann.status().unwrap().pending, 1);
    // Once the other's edit is here, so is what was seen there.
    let seen = see(&ben, id);
    meet(&[&ben, &ann]).await;
    visits(&ann).edit(id).set("place", "dock").as_seen(&seen).commit().await.unwrap();
    assert_eq!((places(&ann, id), notes(&ann, id).as_str()), (vec![], "pump leaks"));
}

#[tokio::test]
async fn a_history_that_was_begun_anew_does_not_hold_what_was_seen() {
    let Office { dir, home, server } = Office::open();
    server.stop().await;
    let options = ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        file: &home.data_file(),
        identity: home.identity(),
        tls_key: home.tls_key().clone(),
        rules: home.rules().unwrap(),
        goes_on: true,
    };
    let limits = Limits { history_changes: 3, ..Limits::default() };
    let server = Server::start_within(options, limits).unwrap();
    let office = Office { dir, home, server };
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let seen = see(&ann, id);
    for place in ["north", "south", "east"] {
        visits(&ben).edit(id).set("place", place).commit().await.unwrap();
        ben.sync().await.unwrap();
    }
    ann.sync().await.unwrap();
    let again = |seen: &Seen| visits(&ann).edit(id).set("place", "west").as_seen(seen).commit();
    let refused = again(&seen).await.unwrap_err();
    assert!(matches!(refused, EditError::SeenElsewhere(..)), "{refused:?}");
    again(&see(&ann, id)).await.unwrap();
    ann.sync().await.unwrap();
    assert_eq!(ann.status().unwrap().pending, 0);
}

#[tokio::test]
async fn an_edit_of_what_was_seen_is_judged_as_any_other() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let seen = see(&ann, id);
    visits(&ben).edit(id).splice("notes", 0..0, "Note: ").commit().await.unwrap();
    meet(&[&ben, &ann]).await;

    // What was seen has ten characters, and there are sixteen now.
    let splice = |at| visits(&ann).edit(id).splice("notes", at..at, ".").as_seen(&seen).commit();
    let refused = splice(11).await.unwrap_err();
    assert!(
        matches!(&refused, EditError::Denied(denial) if denial.to_string().contains("place 11"))
    );
    splice(10).await.unwrap();
    meet(&[&ann, &ben]).await;
    assert_eq!(notes(&ben, id), "Note: pump leaks.");

    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            clerk.rights.get_mut("visit").unwrap().remove(&Right::Write);
        })
        .await;
    // The device does not know yet, and the server does.
    let receipt = splice(9).await.unwrap();
    ann.sync().await.unwrap();
    assert!(matches!(receipt.settled().await.unwrap()[0].1, Settled::Denied(_)));
    assert!(matches!(splice(9).await.unwrap_err(), EditError::Denied(_)));
    assert_eq!(notes(&ann, id), "Note: pump leaks.");
}

const SCHEMA: &str = r#"
[[table]]
id = "site"
ownership = "organization_owned"
columns = [{ id = "name", type = "text" }]
[[table]]
id = "visit"
ownership = "organization_owned"
columns = [
  { id = "place", type = "text" },
  { id = "notes", type = "rich_text" },
  { id = "site", type = "lookup", table = "site" },
]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "ann"
business_unit = "root"
roles = ["clerk"]
[[user]]
id = "ben"
business_unit = "root"
roles = ["clerk"]
[[role]]
id = "clerk"
[role.rights.site]
create = "organization"
read = "organization"
append_to = "organization"
[role.rights.visit]
create = "organization"
read = "organization"
write = "organization"
append = "organization"
"#;

#[tokio::test]
async fn after_a_denial_places_are_still_those_that_were_seen() {
    let office = Office::with(SCHEMA, POLICY);
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let sites = ann.table::<Json>("site").unwrap();
    let site = sites.insert(&json!({ "name": "north" })).await.unwrap().id();
    meet(&[&ann, &ben]).await;
    let before = see(&ann, id);
    visits(&ben)
        .edit(id)
        .splice("notes", 0..0, "Note: ")
        .set("place", "quay")
        .commit()
        .await
        .unwrap();
    meet(&[&ben, &ann]).await;

    // What will be refused, in another window; a form that was opened before it, and one after it.
    let refused = visits(&ann).edit(id).set("site", site.to_string()).as_seen(&before);
    let refused = refused.commit().await.unwrap();
    let early = visits(&ann).edit(id).splice("notes", 4..4, "s").set("place", "dock");
    early.as_seen(&before).commit().await.unwrap();
    let late = visits(&ann).edit(id).splice("notes", 10..10, " oil");
    let late = late.as_seen(refused.seen(id).unwrap()).commit().await.unwrap();
    office
        .change_policy(|policy, _| {
            let clerk = policy.roles.get_mut("clerk").unwrap();
            clerk.rights.get_mut("visit").unwrap().remove(&Right::Append);
        })
        .await;
    meet(&[&ann, &ben]).await;

    assert!(matches!(refused.settled().await.unwrap()[0].1, Settled::Denied(_)));
    assert_eq!(late.settled().await.unwrap()[0].1, Settled::Admitted);
    for replica in [&ann, &ben] {
        assert_eq!(notes(replica, id), "Note: pumps leaks oil");
        assert_eq!(visits(replica).get(id).unwrap().unwrap()["site"], Json::Null);
        // What did not build on the refused edit is as it was.
        assert_eq!(places(replica, id), [text("dock"), text("quay")]);
    }
    // What did was written anew: what its user saw then is not there any more.
    let edit = visits(&ann).edit(id).set("place", "hut").as_seen(late.seen(id).unwrap());
    assert!(matches!(edit.commit().await.unwrap_err(), EditError::SeenElsewhere(..)));
}

#[tokio::test]
async fn edits_of_the_dynamic_core_and_of_one_step_are_made_on_what_was_seen() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let seen = see(&ann, id);
    visits(&ann).edit(id).set("place", "quay").commit().await.unwrap();
    let put = |value: &str| Op::Put { column: "place".parse().unwrap(), value: text(value) };
    let draft = |value| {
        let intent = Intent::OpsOn(seen.clone(), vec![put(value)]);
        Draft { table: table("visit"), record: id, intent }
    };
    let receipt = ann.commit(vec![draft("dock"), draft("hut")]).await.unwrap();
    assert_eq!(receipt.edits().len(), 2);
    meet(&[&ann, &ben]).await;
    let all = [text("dock"), text("hut"), text("quay")];
    assert_eq!((places(&ann, id), places(&ben, id)), (all.to_vec(), all.to_vec()));
    // Who saw both has not seen the third.
    let edit = visits(&ann).edit(id).set("place", "shed").as_seen(receipt.seen(id).unwrap());
    edit.commit().await.unwrap();
    assert_eq!(places(&ann, id), [text("quay"), text("shed")]);
}
