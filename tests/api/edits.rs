//! Edits put together step by step, what they leave behind, and who is told.

use std::sync::mpsc;

use serde_json::{Value as Json, json};
use tidegate::model::{RecordId, Value};
use tidegate::replica::{EditBuilder, EditError, Replica, RowState, TypedTable};

use super::office::{Office, columns, table, text};

fn visits(replica: &Replica) -> TypedTable<Json> {
    replica.table("visit").unwrap()
}

async fn two_with_a_visit(office: &Office) -> (Replica, Replica, RecordId) {
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let visit = visits(&ann).insert(&json!({ "place": "harbour" })).await.unwrap().id();
    ann.sync().await.unwrap();
    ben.sync().await.unwrap();
    (ann, ben, visit)
}

async fn meet(ann: &Replica, ben: &Replica) {
    for replica in [ann, ben, ann] {
        replica.sync().await.unwrap();
    }
}

#[tokio::test]
async fn steps_of_every_kind_merge_with_those_of_others() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let start = visits(&ann)
        .edit(id)
        .splice("notes", 0..0, "The pump is old.")
        .insert("parts", 0, "seal")
        .insert("parts", 1, 2.5)
        .insert("readings", "pressure", 3);
    start.commit().await.unwrap();
    meet(&ann, &ben).await;

    let by_ann = visits(&ann).edit(id).splice("notes", 4..8, "pümp").increment("photos", 2);
    by_ann.insert("parts", 0, "ring").remove("readings", "pressure").commit().await.unwrap();
    let by_ben = visits(&ben).edit(id).splice("notes", 16..16, " Replace it.");
    let by_ben = by_ben.increment("photos", 3).replace("parts", 1, true).remove("parts", 0);
    by_ben.insert("readings", "flow", json!(0.5)).commit().await.unwrap();
    meet(&ann, &ben).await;

    let expected = json!({
        "place": "harbour",
        "notes": "The pümp is old. Replace it.",
        "photos": 5,
        "parts": ["ring", true],
        "readings": { "flow": 0.5 },
    });
    assert_eq!(visits(&ann).get(id).unwrap(), Some(expected.clone()));
    assert_eq!(visits(&ben).get(id).unwrap(), Some(expected));
}

#[tokio::test]
async fn a_step_that_does_not_fit_is_named_and_the_whole_edit_is_not_made() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let visits = visits(&ann);
    let id = visits.insert(&json!({ "place": "harbour", "notes": "abc" })).await.unwrap().id();
    let begin = || visits.edit(id).set("place", "quay");
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is wrong with it")]
    let wrong: [(EditBuilder, &str); 7] = [
        (begin().splice("notes", 2..5, ""), "place 5"),
        (begin().splice("notes", 2..1, ""), "ends before"),
        (begin().splice("place", 0..0, "x"), "`place`"),
        (begin().increment("colour", 1), "no column `colour`"),
        (begin().insert("parts", 1, "late"), "place 1"),
        (begin().insert("parts", 0, json!([1])), "`parts`: a list or map cannot hold [1]"),
        (begin().remove("parts", "key"), "`parts`"),
    ];
    for (edit, told) in wrong {
        let error = edit.commit().await.unwrap_err();
        assert!(matches!(&error, EditError::Denied(_)), "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
    }
    assert_eq!(ann.status().unwrap().pending, 1);
    begin().splice("notes", 2..3, "d").commit().await.unwrap();
    let expected = json!({ "place": "quay", "notes": "abd" });
    assert_eq!(visits.get(id).unwrap(), Some(expected));
}

#[tokio::test]
async fn a_conflict_names_its_authors_and_is_settled_for_all_by_the_value_that_shows() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let place = "place".parse().unwrap();
    let conflicts = |replica: &Replica| {
        let found = replica.conflicts(&table("visit"), id, &place).unwrap();
        let said = |it: tidegate::replica::Conflict| (it.author.unwrap().to_string(), it.value);
        found.into_iter().map(said).collect::<Vec<_>>()
    };
    visits(&ann).edit(id).set("place", "north quay").commit().await.unwrap();
    visits(&ben).edit(id).set("place", "south quay").commit().await.unwrap();
    assert_eq!(conflicts(&ann), []);
    meet(&ann, &ben).await;

    let shown = conflicts(&ann);
    assert_eq!(shown, conflicts(&ben));
    let row = ann.get(&table("visit"), id).unwrap().unwrap();
    assert_eq!(shown[0].1, *row.get("place"));
    let mut all = shown.clone();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let by = |author: &str, value: &str| (author.to_owned(), text(value));
    assert_eq!(all, [by("ann", "north quay"), by("ben", "south quay")]);

    let Value::Text(chosen) = row.get("place") else { panic!("{row:?}") };
    visits(&ben).edit(id).set("place", chosen).commit().await.unwrap();
    assert_eq!(conflicts(&ben), []);
    meet(&ann, &ben).await;
    assert_eq!(conflicts(&ann), []);
    assert_eq!(ann.get(&table("visit"), id).unwrap().unwrap().get("place"), row.get("place"));
    // Where nothing is in conflict, the same value again is no edit.
    let again = visits(&ben).edit(id).set("place", chosen).commit().await.unwrap();
    assert!(again.edits().is_empty());
}

#[tokio::test]
async fn a_record_says_whether_it_is_confirmed_pending_or_denied() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    let state = |replica: &Replica| replica.row_state(id).unwrap();
    assert_eq!(state(&ben), RowState::Confirmed);
    visits(&ben).edit(id).set("place", "quay").commit().await.unwrap();
    assert_eq!(state(&ben), RowState::Pending);
    let revoke = |policy: &mut tidegate::model::Policy, _: &mut _| {
        let clerk = policy.roles.get_mut("clerk").unwrap();
        let rights = clerk.rights.get_mut("visit").unwrap();
        rights.remove(&tidegate::model::Right::Write);
    };
    office.change_policy(revoke).await;
    ben.sync().await.unwrap();
    assert_eq!(state(&ben), RowState::Denied);
    let [refused] = &ben.quarantined(id).unwrap()[..] else { panic!("one is refused") };
    assert_eq!(ben.quarantine().unwrap(), std::slice::from_ref(refused));
    ben.discard(refused.edit).await.unwrap();
    assert_eq!(state(&ben), RowState::Confirmed);
    assert_eq!(state(&ann), RowState::Confirmed);
}

#[tokio::test]
async fn a_deleted_record_comes_back_with_its_values() {
    let office = Office::open();
    let (ann, ben, id) = two_with_a_visit(&office).await;
    visits(&ann).delete(id).await.unwrap();
    meet(&ann, &ben).await;
    assert_eq!(visits(&ben).get(id).unwrap(), None);
    visits(&ann).undelete(id).await.unwrap();
    assert_eq!(visits(&ann).get_confirmed(id).unwrap(), None);
    meet(&ann, &ben).await;
    assert_eq!(visits(&ben).get(id).unwrap(), Some(json!({ "place": "harbour" })));
}

#[tokio::test]
async fn a_callback_is_told_what_a_receiver_is_told_until_it_is_dropped() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let mut events = ann.events();
    let (sender, called) = mpsc::channel();
    let subscription = ann.subscribe(Box::new(move |event| sender.send(event.clone()).unwrap()));
    ann.insert(&table("visit"), columns([("place", text("quay"))])).await.unwrap();
    ann.sync().await.unwrap();
    drop(subscription);
    let told: Vec<_> = called.into_iter().collect();
    let awaited: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    assert!(!told.is_empty());
    assert_eq!(told, awaited);
}
