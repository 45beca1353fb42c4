//! Bounds of filters: at the bound, and one past it; and texts that nobody would write.

use tidegate::limits::{
    FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_LIST_MAX, FILTER_LOOKUPS_MAX, FILTER_WORDS_MAX,
    ORDER_COLUMNS_MAX,
};
use tidegate::query::{FilterFault, Query};
use tidegate::{Direction, read_schema};

use super::memory::order_query;
use super::rng::Rng;

fn fault(filter: &str) -> Option<FilterFault> {
    order_query(filter).err().map(|error| *error.fault)
}

#[test]
fn a_filter_holds_so_many_bytes() {
    let filter = |bytes: usize| format!("title = '{}'", "a".repeat(bytes - 10));
    assert_eq!(fault(&filter(FILTER_BYTES_MAX)), None);
    let bytes = FILTER_BYTES_MAX + 1;
    assert_eq!(fault(&filter(bytes)), Some(FilterFault::TooLong(bytes)));
}

#[test]
fn a_filter_holds_so_many_words() {
    // A word, and two with an operator.
    let filter = |words: usize| format!("urgent{}", " or urgent".repeat((words - 1) / 2));
    assert_eq!(fault(&filter(FILTER_WORDS_MAX - 1)), None);
    assert_eq!(fault(&filter(FILTER_WORDS_MAX + 1)), Some(FilterFault::TooManyWords));
}

#[test]
fn parentheses_are_so_deep_at_the_most() {
    let nested = |depth| format!("{}urgent{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(fault(&nested(FILTER_DEPTH_MAX)), None);
    assert_eq!(fault(&nested(FILTER_DEPTH_MAX + 1)), Some(FilterFault::TooDeep));
    let nots = |depth| format!("{}urgent", "not ".repeat(depth));
    assert_eq!(fault(&nots(FILTER_DEPTH_MAX)), None);
    assert_eq!(fault(&nots(FILTER_DEPTH_MAX + 1)), Some(FilterFault::TooDeep));
    let both = |depth| format!("{}urgent{}", "not (".repeat(depth), ")".repeat(depth));
    assert_eq!(fault(&both(FILTER_DEPTH_MAX)), None);
    assert_eq!(fault(&both(FILTER_DEPTH_MAX + 1)), Some(FilterFault::TooDeep));
}

#[test]
fn a_list_holds_so_many_values() {
    let filter = |values| format!("pieces in ({})", vec!["1"; values].join(","));
    assert_eq!(fault(&filter(FILTER_LIST_MAX)), None);
    let over = FILTER_LIST_MAX + 1;
    assert_eq!(fault(&filter(over)), Some(FilterFault::ListTooLong(over)));
    let bound = |values: usize| {
        let list = [("list".to_owned(), vec![1; values].into())].into();
        order_query("pieces in $list").unwrap().bind(&list, &<_>::default())
    };
    assert!(bound(FILTER_LIST_MAX).is_ok());
    assert!(bound(over).unwrap_err().to_string().contains("4097 values"));
}

#[test]
fn so_many_lookups_are_followed() {
    let text = "[[table]]\nid = \"t\"\nownership = \"organization_owned\"\ncolumns = [\
        { id = \"up\", type = \"lookup\", table = \"t\" }]";
    let schema = std::sync::Arc::new(read_schema(text, "schema.toml").unwrap());
    let query = |lookups| {
        let filter = format!("{}id is null", "up.".repeat(lookups));
        Query::new(&schema, schema.table("t").unwrap(), Some(&filter), &[])
    };
    let at_bound = query(FILTER_LOOKUPS_MAX).unwrap();
    assert_eq!(at_bound.sources().len(), FILTER_LOOKUPS_MAX + 1);
    let over = query(FILTER_LOOKUPS_MAX + 1).unwrap_err();
    assert_eq!(*over.fault, FilterFault::TooManyLookups);
}

#[test]
fn so_many_columns_order() {
    let schema = super::memory::schema();
    let query = |columns| {
        let order = vec![("pieces", Direction::Asc); columns];
        Query::new(schema, schema.table("order").unwrap(), None, &order)
    };
    assert!(query(ORDER_COLUMNS_MAX).is_ok());
    let over = query(ORDER_COLUMNS_MAX + 1).unwrap_err();
    assert_eq!(*over.fault, FilterFault::TooManyOrders(ORDER_COLUMNS_MAX + 1));
}

/// On the stack of a small thread, such as a runtime's: long chains and deep nests of all kinds.
#[test]
fn no_filter_exhausts_the_stack_or_takes_forever() {
    let chains = [
        "urgent or ",
        "urgent and not ",
        "not ",
        "(",
        "- ",
        "1 + ",
        "pieces = ",
        "pieces in (",
        "title like ",
        "pieces between ",
        "case when ",
        "case-",
        "if(",
        "current_time(",
        "begins_with(",
        "cast(",
        "customer.",
        "a.b.c.",
        "interval ",
        "now() + interval '1 day' + ",
        "exists (select ",
        "in ",
        "date ",
        "array(",
        "x is null is null ",
        "select ",
    ];
    let long = move || {
        for chain in chains {
            for end in ["", "urgent", "1", ")"] {
                let filter = chain.repeat(20_000 / chain.len()) + end;
                let _ = order_query(&filter);
                let shorter = chain.repeat(FILTER_WORDS_MAX / chain.len()) + end;
                let _ = order_query(&shorter);
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(long).unwrap();
    thread.join().unwrap();
}

#[test]
fn any_words_in_any_order_are_a_filter_or_an_error() {
    let words = [
        "pieces",
        "title",
        "customer",
        ".",
        ",",
        "(",
        ")",
        "=",
        "<>",
        "<",
        "and",
        "or",
        "not",
        "in",
        "like",
        "between",
        "is",
        "null",
        "true",
        "'a'",
        "1",
        "-",
        "+",
        "$a",
        "now()",
        "me()",
        "interval",
        "'1 day'",
        "begins_with",
        "escape",
        "case",
        "when",
        "end",
        "select",
        "from",
        "cast",
        "as",
        "exists",
        "date",
        "order",
        "by",
        "\"title\"",
        "any",
        "all",
        "over",
        "filter",
        "distinct",
        "at",
        "time",
        "zone",
        "collate",
        "similar",
        "to",
        "values",
        "with",
        "lambda",
    ];
    let mut rng = Rng::new(7);
    let mut good = 0;
    for _ in 0..20_000 {
        let length = 1 + rng.below(9);
        let filter: Vec<_> = (0..length).map(|_| *rng.pick(&words).unwrap()).collect();
        match order_query(&filter.join(" ")) {
            Ok(_) => good += 1,
            Err(error) => assert!(error.to_string().starts_with("line "), "{error}"),
        }
    }
    assert!(good > 0);
}
