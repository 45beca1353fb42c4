//! Bookmarks from outside.

use std::collections::BTreeMap;
use std::convert::Infallible;

use tidegate::limits::BOOKMARK_BYTES_MAX;
use tidegate::query::{
    Bookmark, BookmarkError, BoundQuery, Cell, Direction, Environment, Query, Reference, Row,
};
use tidegate::{RecordId, Value};

use super::memory::{known, schema};

struct Constant(Value);

impl Row for Constant {
    type Error = Infallible;

    fn cell(&mut self, _: &Reference) -> Result<Cell<'_>, Infallible> {
        Ok(known(self.0.clone()))
    }
}

fn by(table: &str, order: &[(&str, Direction)]) -> BoundQuery {
    let schema = schema();
    let query = Query::new(schema, schema.table(table).unwrap(), None, order).unwrap();
    query.bind(&BTreeMap::new(), &Environment::default()).unwrap()
}

fn bookmark(query: &BoundQuery, value: Value) -> Bookmark {
    let id = RecordId::from_bytes([3; 16]);
    let Ok(key) = query.sort_key(id, &mut Constant(value));
    query.bookmark(key)
}

#[test]
fn a_bookmark_reads_back_from_its_text() {
    let query = by("order", &[("title", Direction::Desc), ("customer.name", Direction::Asc)]);
    let text = Value::Text("Grüße".into());
    let bookmark = bookmark(&query, text);
    assert_eq!(bookmark.to_string().parse(), Ok(bookmark.clone()));
    assert_eq!(query.accept(&bookmark), Ok(()));
}

#[test]
fn a_bookmark_of_another_query_is_refused() {
    let query = by("order", &[("title", Direction::Desc)]);
    let own = bookmark(&query, Value::Null);
    assert_eq!(query.accept(&own), Ok(()));
    for other in [
        by("order", &[("title", Direction::Asc)]),
        by("order", &[("notes", Direction::Desc)]),
        by("order", &[]),
        by("order", &[("title", Direction::Desc), ("pieces", Direction::Asc)]),
    ] {
        assert_eq!(other.accept(&own), Err(BookmarkError::OtherQuery));
    }
    let of_customers = bookmark(&by("customer", &[]), Value::Null);
    assert_eq!(by("order", &[]).accept(&of_customers), Err(BookmarkError::OtherQuery));
    // A value of another type, as by hand or from before a change of the schema.
    let number = bookmark(&query, Value::Integer(1));
    assert_eq!(query.accept(&number), Err(BookmarkError::OtherQuery));
}

#[test]
fn what_is_no_bookmark_is_refused() {
    let long = "A".repeat(BOOKMARK_BYTES_MAX + 1);
    assert_eq!(long.parse::<Bookmark>(), Err(BookmarkError::TooLong(long.len())));
    let good = bookmark(&by("order", &[("title", Direction::Desc)]), Value::Null).to_string();
    assert!(good.parse::<Bookmark>().is_ok());
    for wrong in ["", "A", "AAAA", "?", &good[..good.len() - 4], &format!("{good}AAAA")] {
        assert_eq!(wrong.parse::<Bookmark>(), Err(BookmarkError::Form), "{wrong}");
    }
    assert_eq!(long[1..].parse::<Bookmark>(), Err(BookmarkError::Form));
}
