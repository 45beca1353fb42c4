//! An app of the tests: orders, with a count of their parts.

use serde::{Deserialize, Serialize};
use tidegate::kit::{Chance, Failure, Kit, Outcome};
use tidegate::{Replica, TypedTable};

pub(crate) const SCHEMA: &str = r#"
[[table]]
id = "order"
ownership = "user_owned"
columns = [
  { id = "parts", type = "integer" },
  { id = "added", type = "counter" },
  { id = "status", type = "choice", choices = ["open", "closed"] },
  { id = "closed_on", type = "date" },
]
"#;

/// Ben's roles are the last ones.
pub(crate) const POLICY: &str = r#"
[[business_unit]]
id = "all"
[[role]]
id = "clerk"
[role.rights.order]
create = "organization"
read = "organization"
write = "organization"
[[role]]
id = "reader"
[role.rights.order]
read = "organization"
[[role]]
id = "guest"
[[user]]
id = "ann"
business_unit = "all"
roles = ["clerk"]
[[user]]
id = "ben"
business_unit = "all"
roles = ["clerk"]
"#;

/// In which Ben may only read, or has another role.
pub(crate) fn policy_with_ben_as(role: &str) -> String {
    let (before, behind) = POLICY.rsplit_once("clerk").unwrap();
    [before, role, behind].concat()
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) parts: Option<i64>,
    pub(crate) added: Option<i64>,
    pub(crate) status: Option<String>,
    pub(crate) closed_on: Option<String>,
}

pub(crate) fn orders(app: &Replica) -> TypedTable<Order> {
    app.table("order").unwrap()
}

pub(crate) async fn open_order(app: &Replica, _: &mut Chance) -> Outcome {
    orders(app).insert(&Order { parts: Some(0), added: Some(0), ..Order::default() }).await?;
    Ok(())
}

/// Sets the number that this device shows, plus one.
pub(crate) async fn add_to_what_is_shown(app: &Replica, _: &mut Chance) -> Outcome {
    for (id, order) in orders(app).rows()? {
        let parts = order.parts.unwrap_or_default() + 1;
        orders(app).edit(id).set("parts", parts).increment("added", 1).commit().await?;
    }
    Ok(())
}

/// Increments merge.
pub(crate) async fn add(app: &Replica, _: &mut Chance) -> Outcome {
    for (id, _) in orders(app).rows()? {
        orders(app).edit(id).increment("added", 1).commit().await?;
    }
    Ok(())
}

pub(crate) fn parts_are_those_added(app: &Replica) -> Outcome {
    for (id, order) in orders(app).rows()? {
        let (parts, added) = (order.parts.unwrap_or_default(), order.added.unwrap_or_default());
        if parts != added {
            return Err(format!("{id} has {parts} parts, and {added} were added").into());
        }
    }
    Ok(())
}

/// Two users with a device each, and an order.
pub(crate) fn office() -> Kit {
    let kit = Kit::of_documents(SCHEMA, POLICY).unwrap();
    kit.steps(24).devices("ann", 1).devices("ben", 1).first("ann", open_order)
}

/// The failure of one of these runs.
pub(crate) fn failure(kit: &Kit, seeds: std::ops::Range<u64>) -> Failure {
    let error = kit.run(seeds).unwrap_err();
    error.failure().unwrap_or_else(|| panic!("{error}")).clone()
}
