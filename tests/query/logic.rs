//! What filters say of rows.

use serde_json::json;
use tidegate::model::Timestamp;
use tidegate::query::Environment;

use super::memory::{Record, ask, ask_with};

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);
const UNKNOWN: Option<bool> = None;

fn order() -> Record {
    Record::order(&json!({
        "id": "01a1f8f7-5c35-7dde-9911-0e9f5bf9fe61",
        "owner": "user:ann",
        "business_unit": "north",
        "title": "Pump 100%",
        "status": "open",
        "amount": "12.50",
        "pieces": 3,
        "weight": 0.25,
        "visits": -2,
        "urgent": true,
        "due": "2026-11-20T09:30:00Z",
        "day": "2026-11-20",
        "notes": "leaks",
        "seal": "AAH/",
    }))
}

#[track_caller]
fn assert_says(record: &Record, cases: &[(&str, Option<bool>)]) {
    for (filter, expected) in cases {
        assert_eq!(ask(filter, record), *expected, "{filter}");
    }
}

#[test]
fn each_type_compares_as_it_says() {
    assert_says(
        &order(),
        &[
            ("title = 'Pump 100%'", YES),
            ("title > 'Pump'", YES),
            ("title < 'pump'", YES),
            ("status = 'open'", YES),
            ("status <> 'open'", NO),
            ("amount = 12.5", YES),
            ("amount > 12.49", YES),
            ("12.49 < amount", YES),
            ("12.5 <= amount", YES),
            ("amount < pieces", NO),
            ("pieces = 3.0", YES),
            ("pieces >= 2.5", YES),
            ("pieces = 3e0", YES),
            ("weight = 0.25", YES),
            ("weight < pieces", YES),
            ("visits = -2", YES),
            ("urgent = true", YES),
            ("urgent", YES),
            ("not urgent", NO),
            ("urgent = false", NO),
            ("due = '2026-11-20T10:30:00+01:00'", YES),
            ("due > '2026-11-20'", YES),
            ("due < date '2026-11-21'", YES),
            ("due = timestamp '2026-11-20T09:30:00Z'", YES),
            ("day = '2026-11-20'", YES),
            ("day < due", YES),
            ("day < '2026-11-20T00:00:00.001Z'", YES),
            ("notes = 'leaks'", YES),
            ("seal = 'AAH/'", YES),
            ("id = '01a1f8f7-5c35-7dde-9911-0e9f5bf9fe61'", YES),
            ("owner = 'user:ann'", YES),
            ("owner = 'team:ann'", NO),
            ("business_unit = 'north'", YES),
            ("\"title\" = 'Pump 100%' -- a comment", YES),
        ],
    );
}

#[test]
fn lists_ranges_and_patterns() {
    assert_says(
        &order(),
        &[
            ("pieces in (1, 2, 3)", YES),
            ("pieces in (1, 2)", NO),
            ("pieces not in (1, 2)", YES),
            ("pieces between 3 and 4", YES),
            ("pieces between 4 and 3", NO),
            ("pieces not between 4 and 5", YES),
            ("status in ('open', 'done')", YES),
            ("title like 'Pump%'", YES),
            ("title like 'pump%'", NO),
            ("title ilike 'pump%'", YES),
            ("title like '%100!%' escape '!'", YES),
            ("title like '%10!%' escape '!'", NO),
            ("title not like 'P_mp%'", NO),
            ("notes like '_eak_'", YES),
            ("begins_with(title, 'Pump 1')", YES),
            ("begins_with(title, 'pump')", NO),
            ("BEGINS_WITH(status, 'op')", YES),
            ("owner like 'user:%'", YES),
        ],
    );
}

#[test]
fn null_is_unknown_and_stays_so() {
    assert_says(
        &Record::order(&json!({ "pieces": 1 })),
        &[
            ("amount > 1", UNKNOWN),
            ("not (amount > 1)", UNKNOWN),
            ("amount <> 1", UNKNOWN),
            ("amount is null", YES),
            ("amount is not null", NO),
            ("urgent", UNKNOWN),
            ("not urgent", UNKNOWN),
            ("amount > 1 or pieces = 1", YES),
            ("amount > 1 and pieces = 1", UNKNOWN),
            ("amount > 1 and pieces = 2", NO),
            ("amount > 1 or pieces = 2", UNKNOWN),
            ("amount in (1, 2)", UNKNOWN),
            ("amount not in (1, 2)", UNKNOWN),
            ("pieces in (1, null)", YES),
            ("pieces in (2, null)", UNKNOWN),
            ("pieces not in (2, null)", UNKNOWN),
            ("pieces not in (1, null)", NO),
            ("amount between 1 and 2", UNKNOWN),
            ("amount not between 1 and 2", UNKNOWN),
            ("title like '%'", UNKNOWN),
            ("begins_with(title, '')", UNKNOWN),
            ("amount = pieces", UNKNOWN),
            ("true or amount > 1", YES),
            ("false and amount > 1", NO),
        ],
    );
}

#[test]
fn and_binds_tighter_than_or_and_not_tighter_than_both() {
    let order = order();
    assert_says(
        &order,
        &[
            ("urgent or pieces = 3 and pieces = 4", YES),
            ("(urgent or pieces = 3) and pieces = 4", NO),
            ("not pieces = 4 and pieces = 4", NO),
            ("not (pieces = 4 and pieces = 4)", YES),
            ("pieces between 1 and 3 and pieces = 4", NO),
        ],
    );
}

#[test]
fn columns_of_looked_up_records_follow_a_dot() {
    let region = Record::of("region", &json!({ "name": "Nord" }));
    let territory = Record::of("territory", &json!({ "number": 1 })).with("region", region);
    let customer = Record::of("customer", &json!({ "name": "Contoso", "owner": "user:ben" }));
    let with = |customer| order().with("customer", customer);
    assert_says(
        &with(customer.clone().with("territory", territory)),
        &[
            ("customer.name = 'Contoso'", YES),
            ("customer.owner = 'user:ben' and owner = 'user:ann'", YES),
            ("customer.territory.number = 1", YES),
            ("customer.territory.region.name like 'N%'", YES),
            ("customer.name < title", YES),
        ],
    );
    // Nothing is looked up: as an outer join has it.
    assert_says(
        &with(customer),
        &[
            ("customer.territory is null", YES),
            ("customer.territory.number is null", YES),
            ("customer.territory.number = 1", UNKNOWN),
        ],
    );
    assert_says(&order(), &[("customer.name is null", YES), ("customer is null", YES)]);
}

/// A number stands for the record with this key.
#[test]
fn a_lookup_is_compared_with_an_id_or_a_key() {
    let key = [tidegate::Value::Integer(1)];
    let id = tidegate::RecordId::from_key(&"territory".parse().unwrap(), &key);
    let customer = Record::of("customer", &json!({ "territory": id.to_string() }));
    let order = Record::order(&json!({})).with("customer", customer);
    assert_says(
        &order,
        &[
            ("customer.territory = 1", YES),
            ("customer.territory = 2", NO),
            ("customer.territory in (1, 2)", YES),
            (&format!("customer.territory = '{id}'"), YES),
        ],
    );
}

fn ann() -> Environment {
    Environment {
        now: Timestamp::from_millis(1_763_631_000_000).unwrap(),
        user: Some("ann".parse().unwrap()),
        teams: ["crew".parse().unwrap()].into(),
        business_unit: Some("north".parse().unwrap()),
        business_units: ["north".parse().unwrap(), "north-east".parse().unwrap()].into(),
        reports: ["ben".parse().unwrap()].into(),
    }
}

#[test]
fn filters_ask_about_the_user() {
    let owned = |owner: &str, unit: &str| {
        Record::order(&json!({ "owner": owner, "business_unit": unit, "title": "ann" }))
    };
    for (filter, record, expected) in [
        ("owner = me()", owned("user:ann", "north"), YES),
        ("me() = owner", owned("user:ben", "north"), NO),
        ("title = me()", owned("user:ben", "north"), YES),
        ("owner in my_teams()", owned("team:crew", "north"), YES),
        ("owner in my_teams()", owned("user:crew", "north"), NO),
        ("owner in (me(), my_teams())", owned("user:ann", "north"), YES),
        ("owner not in my_teams() and urgent is null", owned("user:ann", "north"), YES),
        ("owner in my_reports()", owned("user:ben", "north"), YES),
        ("owner in my_reports()", owned("user:ann", "north"), NO),
        ("business_unit = my_business_unit()", owned("user:ann", "north"), YES),
        ("business_unit = my_business_unit()", owned("user:ann", "north-east"), NO),
        ("business_unit in my_business_units()", owned("user:ann", "north-east"), YES),
        ("business_unit in my_business_units()", owned("user:ann", "south"), NO),
    ] {
        assert_eq!(ask_with(filter, &json!({}), &ann(), &record), expected, "{filter}");
    }
    // Nobody is known before enrolment.
    let nobody = Environment::default();
    for (filter, expected) in
        [("owner = me()", UNKNOWN), ("owner in (me())", UNKNOWN), ("owner in my_teams()", NO)]
    {
        let record = owned("user:ann", "north");
        assert_eq!(ask_with(filter, &json!({}), &nobody, &record), expected, "{filter}");
    }
}

#[test]
fn now_is_an_argument_and_intervals_are_added_to_it() {
    // now() is 2025-11-20T09:30:00Z.
    let at = |due: &str| Record::order(&json!({ "due": due, "day": "2025-11-20" }));
    for (filter, due, expected) in [
        ("due = now()", "2025-11-20T09:30:00Z", YES),
        ("due < now()", "2025-11-20T09:30:00Z", NO),
        ("due < now() + interval '7 days'", "2025-11-27T09:29:59Z", YES),
        ("due < now() + interval '7 days'", "2025-11-27T09:30:00Z", NO),
        ("due > now() - interval '1 hour 30 minutes'", "2025-11-20T08:00:01Z", YES),
        ("due >= now() + interval '1 day' - interval '24' hour", "2025-11-20T09:30:00Z", YES),
        ("now() - interval '2 weeks' >= due", "2025-11-06T09:30:00Z", YES),
        ("day < now()", "2025-11-20T09:30:00Z", YES),
        ("day > now() - interval '9 hours'", "2025-11-20T09:30:00Z", NO),
    ] {
        assert_eq!(ask_with(filter, &json!({}), &ann(), &at(due)), expected, "{filter} of {due}");
    }
}

#[test]
fn parameters_are_values_and_never_text() {
    for (filter, parameters, expected) in [
        ("title = $title", json!({ "title": "Pump 100%" }), YES),
        ("title = $title", json!({ "title": "' or true" }), NO),
        ("title like $start", json!({ "start": "Pump%" }), YES),
        ("begins_with(title, $start)", json!({ "start": "Pu" }), YES),
        ("begins_with(title, $start)", json!({ "start": null }), UNKNOWN),
        ("amount = $amount", json!({ "amount": "12.50" }), YES),
        ("amount = $amount", json!({ "amount": 12.5 }), YES),
        ("pieces in $list", json!({ "list": [1, 3] }), YES),
        ("pieces in ($a, $b)", json!({ "a": 1, "b": 3 }), YES),
        ("pieces in $list", json!({ "list": [] }), NO),
        ("pieces not in $list", json!({ "list": [null] }), UNKNOWN),
        ("pieces = $null", json!({ "null": null }), UNKNOWN),
        ("pieces <> $a and pieces > $a", json!({ "a": 2 }), YES),
        ("urgent = $urgent", json!({ "urgent": true }), YES),
        ("due > $when", json!({ "when": "2026-11-20T09:00:00Z" }), YES),
        ("status in $which", json!({ "which": ["done"] }), NO),
        ("owner = $owner", json!({ "owner": "user:ann" }), YES),
    ] {
        let nobody = Environment::default();
        assert_eq!(ask_with(filter, &parameters, &nobody, &order()), expected, "{filter}");
    }
}
