//! Who may do what, before Bob loses something and after it.

use std::sync::Arc;

use tidegate::gate::Roster;
use tidegate::policy::{Format, read_policy_as};
use tidegate::read_schema;
use tidegate::sync::server::Rules;

const SCHEMA: &str = r#"
[[table]]
id = "note"
ownership = "user_owned"
columns = [{ id = "text", type = "text" }, { id = "visits", type = "counter" }]
"#;

const POLICY: &str = r#"
[[business_unit]]
id = "all"
[[user]]
id = "ann"
business_unit = "all"
roles = ["editor"]
[[user]]
id = "bob"
business_unit = "all"
roles = ["editor"]
[[role]]
id = "editor"
[role.rights.note]
create = "organization"
read = "organization"
write = "organization"
[[role]]
id = "reader"
[role.rights.note]
read = "organization"
"#;

/// What Bob loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Write,
    Read,
}

pub(crate) fn rules(loss: Option<Loss>) -> Rules {
    let schema = read_schema(SCHEMA, "schema.toml").unwrap();
    let roles = match loss {
        None => "[\"editor\"]",
        Some(Loss::Write) => "[\"reader\"]",
        Some(Loss::Read) => "[]",
    };
    // Bob's are the last.
    let (before, behind) = POLICY.rsplit_once("[\"editor\"]").unwrap();
    let text = [before, roles, behind].concat();
    let document = read_policy_as(Format::Toml, &text, "policy.toml", Some(&schema), None).unwrap();
    let organization = Arc::new(document.organization.unwrap());
    Rules::new(schema, Roster::new(Arc::new(document.policy), organization)).unwrap()
}
