//! A hidden column decides nothing, however it is asked.

use serde_json::json;
use tidegate::model::Value;

use super::memory::{Record, ask, known};
use super::rng::Rng;

/// Each is asked of a column that is hidden, and of the same one as its reader sees it.
#[test]
fn whatever_is_asked_of_a_hidden_column_is_unknown() {
    let readable = Record::order(&json!({ "pay": 7, "pieces": 7 }));
    let hidden = readable.clone().hiding("pay");
    for (filter, seen) in [
        ("pay > 5", true),
        ("not (pay > 5)", false),
        ("pay <> 5", true),
        ("pay is null", false),
        ("pay is not null", true),
        ("not (pay is null)", true),
        ("pay in (7, null)", true),
        ("pay not in (5, 6)", true),
        ("pay between 1 and 9", true),
        ("pay not between 1 and 9", false),
        ("pay = pieces", true),
        ("pieces <= pay", true),
        ("pay > 5 or not (pay > 5)", true),
        ("pay is null or pay is not null", true),
        ("pay > 5 and true", true),
    ] {
        assert_eq!(ask(filter, &readable), Some(seen), "{filter}");
        assert_eq!(ask(filter, &hidden), None, "{filter}");
        assert_eq!(ask(&format!("not ({filter})"), &hidden), None, "{filter}");
    }
    // Others decide as ever.
    for record in [&readable, &hidden] {
        assert_eq!(ask("pieces = 7 or pay = 0", record), Some(true));
        assert_eq!(ask("pieces = 0 and pay = 7", record), Some(false));
    }
}

/// What is not there for the user: whether it does not exist or may not be read is not told.
#[test]
fn columns_of_a_looked_up_record_that_is_not_there_are_hidden() {
    let there = Record::order(&json!({}))
        .with("customer", Record::of("customer", &json!({ "name": "Contoso" })));
    let mut absent = there.clone();
    absent.looked_up.clear();
    for (filter, seen) in [
        ("customer.name = 'Contoso'", true),
        ("customer.name is null", false),
        ("not (customer.name is null)", true),
        ("customer.territory.number is null", true),
    ] {
        assert_eq!(ask(filter, &there), Some(seen), "{filter}");
        assert_eq!(ask(filter, &absent), None, "{filter}");
    }
    // The lookup itself can be read.
    assert_eq!(ask("customer is not null", &absent), Some(true));
}

/// Conditions of the columns `pay`, which is hidden, and `pieces`, which is not.
fn condition(rng: &mut Rng, depth: usize) -> String {
    let column = if rng.chance(60) { "pay" } else { "pieces" };
    let number = rng.below(4);
    if depth == 0 || rng.chance(30) {
        return match rng.below(7) {
            0 => format!("{column} is null"),
            1 => format!("{column} is not null"),
            2 => format!("{column} in ({number}, null)"),
            3 => format!("{column} not in ({number})"),
            4 => format!("{column} between {number} and 3"),
            5 => format!("pay <> pieces and {column} < {number}"),
            _ => format!("{column} >= {number}"),
        };
    }
    let (a, b) = (condition(rng, depth - 1), condition(rng, depth - 1));
    match rng.below(3) {
        0 => format!("not ({a})"),
        1 => format!("({a}) and ({b})"),
        _ => format!("({a}) or ({b})"),
    }
}

/// Where a filter is certain of a row with a hidden column, it is as certain whatever that holds: the
/// result tells nothing of it.
#[test]
fn no_filter_is_certain_by_what_is_hidden() {
    let mut rng = Rng::new(1);
    let mut certain = 0;
    for _ in 0..2_000 {
        let filter = condition(&mut rng, 4);
        let record = Record::order(&json!({ "pieces": rng.below(4) }));
        let Some(said) = ask(&filter, &record.clone().hiding("pay")) else { continue };
        certain += 1;
        let values = (0..4).map(Value::Integer).chain([Value::Null]);
        for value in values {
            let mut seen = record.clone();
            seen.cells.insert("pay".to_owned(), known(value.clone()));
            assert_eq!(ask(&filter, &seen), Some(said), "{filter} where pay is {value:?}");
        }
    }
    assert!(certain > 200, "{certain}");
}
