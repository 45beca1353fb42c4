//! Typed rows, and rows as files.

use serde::{Deserialize, Serialize};
use tidegate::model::Value;
use tidegate::replica::{EditError, ExportFormat, Import, ImportSource, TableError};

use super::office::{Office, columns, table, text};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    name: String,
    balance: Option<i64>,
}

#[tokio::test]
async fn a_typed_row_reads_back_as_it_was_written() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let accounts = ann.table::<Account>("account").unwrap();
    let cash = Account { name: "cash, \"petty\"\nGrüße".into(), balance: Some(i64::MIN) };
    let receipt = accounts.insert(&cash).await.unwrap();
    assert_eq!(accounts.get(receipt.id()).unwrap(), Some(cash.clone()));
    accounts.edit(receipt.id()).set("balance", None::<i64>).commit().await.unwrap();
    let expected = Account { balance: None, ..cash };
    assert_eq!(accounts.rows().unwrap(), [(receipt.id(), expected)]);
    accounts.delete(receipt.id()).await.unwrap();
    assert_eq!(accounts.rows().unwrap(), []);
}

#[tokio::test]
async fn a_type_that_does_not_fit_the_table_is_told_so_at_once() {
    #[derive(Serialize, Deserialize)]
    struct Wrong {
        name: String,
        colour: String,
    }
    #[derive(Serialize, Deserialize)]
    struct Lacking {
        balance: i64,
    }
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let wrong = ann.table::<Wrong>("account").unwrap_err();
    assert!(wrong.to_string().contains("`colour`"), "{wrong}");
    let lacking = ann.table::<Lacking>("account").unwrap_err();
    assert!(matches!(lacking, TableError::MissingField { .. }), "{lacking}");
    assert!(matches!(ann.table::<Account>("acount"), Err(TableError::NoSuchTable { .. })));
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_refused_and_named() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let accounts = ann.table::<Account>("account").unwrap();
    let id = accounts.insert(&Account { name: "cash".into(), balance: None }).await.unwrap().id();
    let refused = accounts.edit(id).set("balance", "many").commit().await.unwrap_err();
    assert!(matches!(&refused, EditError::Denied(it) if it.to_string().contains("`balance`")));
    let refused = accounts.edit(id).set("name", None::<String>).commit().await.unwrap_err();
    assert!(refused.to_string().contains("required"), "{refused}");
    assert_eq!(ann.status().unwrap().pending, 1);
}

#[tokio::test]
async fn exported_rows_import_as_the_same_rows() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    for (name, balance) in
        [("a,b", Value::Integer(1)), ("\"quoted\"\nline", Value::Null), ("ü", Value::Integer(-3))]
    {
        let row = columns([("name", text(name)), ("balance", balance)]);
        ann.insert(&table("account"), row).await.unwrap();
    }
    let before = ann.list(&table("account"), None, 100).unwrap();
    for format in [ExportFormat::Csv, ExportFormat::JsonLines] {
        let mut bytes = Vec::new();
        assert_eq!(ann.export(&table("account"), format, &mut bytes).unwrap(), 3);
        let fresh = Office::open();
        let other = fresh.device("ann", "ann").await;
        let source = match format {
            ExportFormat::Csv | ExportFormat::CsvOfNames => ImportSource::Csv(bytes.as_slice()),
            ExportFormat::JsonLines => ImportSource::JsonLines(bytes.as_slice()),
        };
        let import = Import { table: table("account"), rename: [].into(), ignore: vec![] };
        let report = other.import(&import, source, |_| {}).await.unwrap();
        assert_eq!((report.changed, report.bad), (3, 0), "{report:?}");
        let values = |rows: &[tidegate::Row]| -> Vec<_> {
            rows.iter()
                .map(|row| (row.id, row.get("name").clone(), row.get("balance").clone()))
                .collect()
        };
        let after = other.list(&table("account"), None, 100).unwrap();
        assert_eq!(values(&after), values(&before));
        // Importing again changes nothing.
        let source = match format {
            ExportFormat::Csv | ExportFormat::CsvOfNames => ImportSource::Csv(bytes.as_slice()),
            ExportFormat::JsonLines => ImportSource::JsonLines(bytes.as_slice()),
        };
        let again = other.import(&import, source, |_| {}).await.unwrap();
        assert_eq!((again.changed, again.unchanged), (0, 3));
    }
}

#[tokio::test]
async fn confirmed_reads_leave_out_what_is_pending() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let (id, _) = ann.insert(&table("account"), columns([("name", text("cash"))])).await.unwrap();
    assert_eq!(ann.get_confirmed(&table("account"), id).unwrap(), None);
    ann.sync().await.unwrap();
    ann.update(&table("account"), id, columns([("name", text("bank"))])).await.unwrap();
    let row = |row: Option<tidegate::Row>| row.map(|it| (it.get("name").clone(), it.pending));
    assert_eq!(row(ann.get(&table("account"), id).unwrap()), Some((text("bank"), true)));
    assert_eq!(row(ann.get_confirmed(&table("account"), id).unwrap()), Some((text("cash"), false)));
}

#[tokio::test]
async fn rows_are_found_by_their_values_page_by_page() {
    let office = Office::open();
    let ann = office.device("ann", "ann").await;
    let account = table("account");
    let mut ids = Vec::new();
    for number in 0..10 {
        let name = text(if number % 2 == 0 { "cash" } else { "bank" });
        let values = columns([("name", name), ("balance", Value::Integer(number % 3))]);
        ids.push((ann.insert(&account, values).await.unwrap().0, number));
    }
    let bare = ann.insert(&account, columns([("name", text("bank"))])).await.unwrap().0;
    // They come in the order of their ids.
    ids.sort_unstable();
    let of = |wanted: &dyn Fn(i64) -> bool| {
        ids.iter().filter(|it| wanted(it.1)).map(|it| it.0).collect::<Vec<_>>()
    };
    let find = |equal: &[(&str, Value)], after, limit| {
        let equal: Vec<_> =
            equal.iter().map(|(name, it)| (name.parse().unwrap(), it.clone())).collect();
        let found = ann.find(&account, &equal, after, limit).unwrap();
        found.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let cash = ("name", text("cash"));
    let even = of(&|number| number % 2 == 0);
    assert_eq!(find(std::slice::from_ref(&cash), None, 9), even);
    assert_eq!(find(std::slice::from_ref(&cash), Some(even[1]), 2), even[2..4]);
    assert_eq!(find(std::slice::from_ref(&cash), None, 0), []);
    let zero = ("balance", Value::Integer(0));
    assert_eq!(find(&[cash, zero], None, 9), of(&|number| number % 6 == 0));
    assert_eq!(find(&[("balance", Value::Null)], None, 9), [bare]);
    assert_eq!(find(&[("balance", Value::Integer(7))], None, 9), []);
    assert_eq!(find(&[], None, usize::MAX).len(), 11);
}
