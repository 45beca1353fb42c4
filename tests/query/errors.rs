//! What is wrong with a filter is named, with its place.

use serde_json::{Value as Json, json};
use tidegate::Direction;
use tidegate::query::{Environment, Parameters, Query};

use super::memory::{order_query, schema};

#[test]
fn an_error_points_at_its_place_and_says_what_to_do() {
    for (filter, column, said) in [
        ("stat = 'open'", 1, "no column `stat`; it has: id, owner, business_unit, title, status"),
        ("urgent and stat = 1", 12, "no column `stat`"),
        ("status = open", 10, "no column `open`"),
        ("status = 'opne'", 10, "`opne` is not a choice of column `status`; it has: open, done"),
        ("status = \"open\"", 10, "Texts stand in 'quotes'"),
        ("pieces > 'many'", 10, "`pieces` is a number"),
        ("title = 5", 9, "`title` (text) cannot be compared with a number"),
        ("title = true", 9, "cannot be compared with true"),
        ("urgent = 1", 10, "`urgent` (boolean) cannot be compared with a number"),
        ("due < 'soon'", 7, "`soon` is no timestamp; expected a time such as"),
        ("due < 5", 7, "cannot be compared with a number"),
        ("title < now()", 9, "cannot be compared with now()"),
        ("pieces = me()", 10, "cannot be compared with me()"),
        ("owner = 'ann'", 9, "`ann` names no owner: expected 'user:ID' or 'team:ID'"),
        ("business_unit in my_teams()", 18, "cannot be compared with my_teams()"),
        ("owner = my_teams()", 9, "say `in my_teams()`"),
        ("customer = 'x'", 12, "`x` is no lookup; expected a record's id"),
        ("customer.colour = 1", 10, "table `customer` has no column `colour`"),
        ("status.name = 1", 1, "`status` of table `order` looks nothing up"),
        ("id.name = 1", 1, "`id` of table `order` looks nothing up"),
        (
            "owner.name = 'ann'",
            1,
            "rows of the system table `user`, which the schema does not have",
        ),
        ("customer.business_unit.name = 'n'", 10, "the system table `business_unit`"),
        ("customer = me()", 12, "`customer` (lookup) cannot be compared with me()"),
        ("title = notes and pieces = notes", 19, "cannot be compared with `notes`"),
        ("parts = 'x'", 9, "`parts` is a list: it can only be asked whether it `is null`"),
        ("parts is null and title = null", 27, "say `is null`"),
        ("pieces like 'a%'", 1, "only texts are searched"),
        ("title like 5", 12, "only a value can stand here"),
        ("title like 'a' escape 'ab'", 23, "one character"),
        ("title like notes", 12, "only a value can stand here"),
        ("pieces in (1, weight)", 15, "only a value can stand here"),
        ("1 = 1", 1, "no column is compared"),
        ("me() = 'ann'", 1, "no column is compared"),
        ("5 is null", 1, "no column is compared"),
        ("pieces", 1, "this is no condition"),
        ("$flag", 1, "this is no condition"),
        ("upper(title) = 'A'", 1, "there is no function `upper`"),
        ("owner = me(1)", 9, "`me` takes nothing"),
        ("begins_with(title)", 1, "`begins_with` takes a column and a text"),
        ("due < now() + interval '1 month'", 24, "'1 month' is no interval"),
        ("due + interval '1 day' < now()", 1, "move this one to the other side"),
        ("pieces + 1 = 2", 1, "`pieces + 1` is no part of filters"),
        ("pieces = 1 +", 13, "expected an expression, but it ends here"),
        ("title = 'open", 9, "Unterminated string literal"),
        ("", 1, "expected an expression"),
        ("pieces = 1; drop table order", 11, "`;` is no part of filters"),
        ("pieces = ?", 10, "`?` is no part of filters"),
        ("title || 'a' = 'b'", 7, "`||` is no part of filters"),
        ("pieces = 1 pieces", 12, "`pieces` does not fit here"),
        ("case when urgent then true end", 1, "is no part of filters"),
        ("pieces in (select 1)", 1, "is no part of filters"),
        ("exists (select 1)", 9, "is no part of filters"),
        ("(pieces, 1) = (1, 1)", 2, "is no part of filters"),
        ("cast(pieces as text) = '1'", 6, "is no part of filters"),
        ("urgent is true", 1, "is no part of filters"),
        ("pieces = 99999999999999999999999999999999", 10, "more digits"),
        ("urgent = ''", 10, "say `is null`"),
    ] {
        let error = order_query(filter).expect_err(filter);
        assert!(error.to_string().contains(said), "{filter}: {error}");
        assert_eq!((error.line, error.column), (1, column), "{filter}: {error}");
    }
}

#[test]
fn the_place_is_shown_below_its_line() {
    let error = order_query("urgent\n  and stat = 'open'").unwrap_err();
    let shown = error.to_string();
    let lines: Vec<_> = shown.lines().collect();
    assert!(
        lines[0].starts_with("line 2, column 7: table `order` has no column `stat`"),
        "{shown}"
    );
    assert_eq!(lines[1..], ["    and stat = 'open'", "        ^"]);
    // A long line is cut around the place.
    let long = format!("{} and stat = 'ä'", vec!["urgent"; 40].join(" and "));
    let shown = order_query(&long).unwrap_err().to_string();
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[1].len() < 90, "{shown}");
    assert_eq!(lines[1].find("stat"), lines[2].find('^'), "{shown}");
}

#[test]
fn a_wrong_parameter_is_named() {
    let said = |filter: &str, parameters: Json| {
        let parameters: Parameters = parameters.as_object().unwrap().clone().into_iter().collect();
        let bound = order_query(filter).unwrap().bind(&parameters, &Environment::default());
        bound.map(|_| ()).map_err(|error| error.to_string())
    };
    let wrong = |filter, parameters, part: &str| {
        let error = said(filter, parameters).unwrap_err();
        assert!(error.contains(part), "{filter}: {error}");
    };
    assert_eq!(said("pieces = $a", json!({ "a": 1 })), Ok(()));
    wrong("pieces = $a", json!({}), "`$a` has no value");
    wrong("pieces = $a", json!({ "a": 1, "b": 1 }), "no parameter `$b`");
    wrong("pieces = $a", json!({ "a": "x" }), "`$a`: `pieces` is a number");
    wrong("pieces = $a", json!({ "a": [1] }), "say `in`");
    wrong("pieces in $a", json!({ "a": [[1]] }), "cannot be compared with a list");
    wrong("status = $a", json!({ "a": "opne" }), "`opne` is not a choice");
    wrong("title like $a", json!({ "a": 1 }), "1 is no text");
    wrong("title like $a escape '!'", json!({ "a": "x!" }), "ends in the character");
}

#[test]
fn an_order_is_of_columns_that_compare() {
    let schema = schema();
    let table = schema.table("order").unwrap();
    let query = |by: &str| Query::new(schema, table, None, &[(by, Direction::Asc)]).map(|_| ());
    assert_eq!(query("customer.name"), Ok(()));
    for (by, said) in [
        ("colour", "no column `colour`"),
        ("parts", "`parts` is a list"),
        ("pieces + 1", "is no part of filters"),
        ("5", "is no part of filters"),
    ] {
        let error = query(by).expect_err(by).to_string();
        assert!(error.contains(said), "{by}: {error}");
    }
    let expected = [("due", Direction::Desc), ("customer.name", Direction::Asc)];
    let expected = expected.map(|(by, way)| (by.to_owned(), way));
    assert_eq!(Query::order("due desc, customer.name").unwrap(), expected);
    for wrong in ["due descending", "due nulls first", "due,", "upper(title)", ""] {
        assert!(Query::order(wrong).is_err(), "{wrong}");
    }
}
