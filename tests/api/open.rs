//! Open tables: what no column declares is kept as JSON, and merges entry by entry.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tidegate::replica::{EditError, ExportFormat, Import, ImportSource, Replica, TypedTable};

use super::office::{Office, table};

fn things(replica: &Replica) -> TypedTable<Json> {
    replica.table("thing").unwrap()
}

#[tokio::test]
async fn entries_of_an_open_table_merge_at_every_depth() {
    let office = Office::open();
    let (ann, ben) = (office.device("ann", "ann").await, office.device("ben", "ben").await);
    let pump = json!({
        "name": "pump",
        "maker": { "name": "Acme", "address": { "city": "Bonn" } },
        "tags": ["old", 7],
        "weight": 0.1,
    });
    let id = things(&ann).insert(&pump).await.unwrap().id();
    for replica in [&ann, &ben] {
        replica.sync().await.unwrap();
    }
    assert_eq!(things(&ben).get(id).unwrap(), Some(pump));

    let edit = things(&ann).edit(id).set("name", "big pump").insert("maker", "since", 1900);
    edit.set("tags", ["old"]).set("weight", None::<f64>).commit().await.unwrap();
    let edit = things(&ben).edit(id).insert("maker", "/address/street", "Ring 1");
    edit.remove("maker", "name").set("checked", json!({ "by": "ben" })).commit().await.unwrap();
    for replica in [&ann, &ben, &ann] {
        replica.sync().await.unwrap();
    }
    let expected = json!({
        "name": "big pump",
        "maker": { "address": { "city": "Bonn", "street": "Ring 1" }, "since": 1900 },
        "tags": ["old"],
        "checked": { "by": "ben" },
    });
    assert_eq!(things(&ann).get(id).unwrap(), Some(expected.clone()));
    assert_eq!(things(&ben).get(id).unwrap(), Some(expected));

    // Setting the whole of it again is no edit; setting a part edits that part alone.
    let maker = json!({ "address": { "city": "Bonn", "street": "Ring 1" }, "since": 1900 });
    let again = things(&ann).edit(id).set("maker", &maker).commit().await.unwrap();
    assert!(again.edits().is_empty());
}

#[tokio::test]
async fn a_typed_row_of_an_open_table_has_fields_that_no_column_declares() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Thing {
        name: String,
        size: Option<u32>,
        parts: Vec<String>,
    }
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let things = ann.table::<Thing>("thing").unwrap();
    let valve = Thing { name: "valve".into(), size: None, parts: vec!["lid".into()] };
    let id = things.insert(&valve).await.unwrap().id();
    assert_eq!(things.get(id).unwrap(), Some(valve));
    things.edit(id).set("size", 3).commit().await.unwrap();
    assert_eq!(things.get(id).unwrap().unwrap().size, Some(3));
    let row = ann.get(&table("thing"), id).unwrap().unwrap();
    assert_eq!(row.get("open_fields").to_json(), json!({ "parts": ["lid"], "size": 3 }));
}

#[tokio::test]
async fn what_is_no_part_of_json_is_refused_and_named() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let id = things(&ann).insert(&json!({ "name": "pump" })).await.unwrap().id();
    let deep = (0..40).fold(json!(1), |value, _| json!([value]));
    let begin = || things(&ann).edit(id);
    for (edit, told) in [
        (begin().set("deep", deep), "levels"),
        (begin().set("long", "x".repeat(70_000)), "bytes"),
        (begin().insert("tags", 0, "x"), "as a whole"),
        (begin().increment("count", 1), "is JSON"),
        (begin().insert("maker", "/a~b", 1), "no JSON pointer"),
    ] {
        let error = edit.commit().await.unwrap_err();
        assert!(matches!(error, EditError::Denied(_)), "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
    }
    assert_eq!(things(&ann).get(id).unwrap(), Some(json!({ "name": "pump" })));
}

#[tokio::test]
async fn values_of_every_type_come_back_from_files() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    for thing in [
        json!({ "name": "one", "text": "5", "number": 5, "list": [1, [2]], "map": { "a/b": 0.1 } }),
        json!({ "name": "two" }),
    ] {
        things(&ann).insert(&thing).await.unwrap();
    }
    let visit = json!({
        "place": "[1]",
        "notes": "two\nlines",
        "photos": 3,
        "parts": ["a", 1, 0.1, null, true],
        "readings": { "flow": 2.5, "at": { "date": "2026-11-20" } },
    });
    ann.table::<Json>("visit").unwrap().insert(&visit).await.unwrap();
    for format in [ExportFormat::Csv, ExportFormat::JsonLines] {
        let fresh = Office::open();
        let other = fresh.device("ann", "ann").await;
        for name in ["thing", "visit"] {
            let mut bytes = Vec::new();
            ann.export(&table(name), format, &mut bytes).unwrap();
            let source = match format {
                ExportFormat::Csv | ExportFormat::CsvOfNames => ImportSource::Csv(bytes.as_slice()),
                ExportFormat::JsonLines => ImportSource::JsonLines(bytes.as_slice()),
            };
            let import = Import { table: table(name), rename: [].into(), ignore: vec![] };
            let report = other.import(&import, source, |_| {}).await.unwrap();
            assert_eq!(report.bad_lines, [], "{}", String::from_utf8_lossy(&bytes));
            let values = |replica: &Replica| {
                let rows = replica.list(&table(name), None, 10).unwrap();
                rows.into_iter().map(|row| (row.id, row.columns)).collect::<Vec<_>>()
            };
            assert_eq!(values(&other), values(&ann), "{format:?}");
        }
    }
}
