use std::sync::Arc;

use tempfile::TempDir;
use tidegate::gate::Roster;
use tidegate::model::{Columns, Organization, Policy, Schema, Table, TableName, Value};
use tidegate::replica::Replica;
use tidegate::server::{Home, InitOptions, Server};
use tidegate::sync::server::Rules;

pub(crate) const SCHEMA: &str = r#"
[[table]]
id = "account"
ownership = "user_owned"
columns = [
  { id = "name", type = "text", required = true },
  { id = "balance", type = "integer" },
]
[[table]]
id = "transfer"
ownership = "user_owned"
columns = [
  { id = "amount", type = "integer", required = true },
  { id = "from", type = "lookup", table = "account" },
]
[[table]]
id = "visit"
ownership = "user_owned"
columns = [
  { id = "place", type = "text" },
  { id = "notes", type = "rich_text" },
  { id = "photos", type = "counter" },
  { id = "parts", type = "list" },
  { id = "readings", type = "map" },
]
[[table]]
id = "job"
ownership = "user_owned"
columns = [
  { id = "title", type = "text" },
  { id = "cost", type = "integer", secured = true },
]
[[table]]
id = "thing"
ownership = "organization_owned"
open = true
columns = [{ id = "name", type = "text", required = true }]
[[view]]
id = "transfers"
table = "transfer"
columns = ["amount", "from.name as account"]
filter = "amount > $least"
order = "amount desc"
[[view]]
id = "jobs"
table = "job"
columns = ["title", "cost"]
"#;

pub(crate) const POLICY: &str = r#"
[[business_unit]]
id = "root"
[[user]]
id = "boss"
business_unit = "root"
roles = ["system_administrator"]
[[user]]
id = "ann"
business_unit = "root"
roles = ["clerk"]
[[user]]
id = "ben"
business_unit = "root"
roles = ["clerk"]
[[role]]
id = "clerk"
[role.rights.account]
create = "user"
read = "organization"
write = "organization"
delete = "user"
append_to = "organization"
[role.rights.visit]
create = "user"
read = "organization"
write = "organization"
delete = "user"
[role.rights.job]
create = "user"
read = "user"
write = "user"
share = "user"
[role.rights.thing]
create = "organization"
read = "organization"
write = "organization"
[role.rights.transfer]
create = "user"
read = "organization"
append = "user"
[[column_security]]
id = "costs"
users = ["ann"]
[column_security.columns."job.cost"]
read = true
create = true
update = true
"#;

/// A server in a temporary folder.
pub(crate) struct Office {
    pub(crate) dir: TempDir,
    pub(crate) home: Home,
    pub(crate) server: Server,
}

impl Office {
    pub(crate) fn open() -> Self {
        Self::with(SCHEMA, POLICY)
    }

    pub(crate) fn with(schema: &str, policy: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let options = InitOptions {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            schema: write("schema.toml", schema),
            policy: write("policy.toml", policy),
            ..InitOptions::default()
        };
        let home = Home::init(&dir.path().join("server"), &options).unwrap();
        let server = home.serve(home.rules().unwrap()).unwrap();
        Self { dir, home, server }
    }

    pub(crate) fn code(&self, user: &str) -> tidegate::codec::EnrollCode {
        let address = self.server.local_addr().unwrap().to_string();
        self.home.enroll_code_at(vec![address], &user.parse().unwrap(), 60_000).unwrap()
    }

    pub(crate) async fn device(&self, name: &str, user: &str) -> Replica {
        let path = self.dir.path().join(format!("{name}.redb"));
        let replica = Replica::builder(path).open().unwrap();
        replica.enroll(&self.code(user), name).await.unwrap();
        replica
    }

    pub(crate) async fn change_policy(&self, change: impl FnOnce(&mut Policy, &mut Organization)) {
        let rules = self.home.rules().unwrap();
        let mut policy = rules.roster().policy().clone();
        let mut organization = rules.roster().organization().clone();
        change(&mut policy, &mut organization);
        let roster = Roster::new(Arc::new(policy), Arc::new(organization));
        let rules = Rules::new(rules.schema().clone(), roster).unwrap();
        self.server.set_rules(rules).await.unwrap();
    }
}

/// Puts schemas in force, one after another, and keeps what is in force.
pub(crate) struct Publisher<'a> {
    office: &'a Office,
    pub(crate) schema: Schema,
    pub(crate) policy: Policy,
    organization: Organization,
}

impl<'a> Publisher<'a> {
    pub(crate) fn new(office: &'a Office) -> Self {
        let rules = office.home.rules().unwrap();
        let (policy, organization) =
            (rules.roster().policy().clone(), rules.roster().organization().clone());
        Self { office, schema: rules.schema().clone(), policy, organization }
    }

    /// Tries to put what `change` makes of schema and policy in force.
    pub(crate) async fn publish(
        &mut self,
        change: impl FnOnce(&mut Schema, &mut Policy),
    ) -> Result<(), String> {
        let (mut schema, mut policy) = (self.schema.clone(), self.policy.clone());
        change(&mut schema, &mut policy);
        let roster = Roster::new(Arc::new(policy.clone()), Arc::new(self.organization.clone()));
        let rules = Rules::new(schema.clone(), roster).unwrap();
        self.office.server.set_rules(rules).await.map_err(|error| error.to_string())?;
        (self.schema, self.policy) = (schema, policy);
        Ok(())
    }

    /// Puts one table otherwise in force.
    pub(crate) async fn alter(
        &mut self,
        table: &str,
        change: impl FnOnce(&mut Table),
    ) -> Result<(), String> {
        self.publish(|schema, _| change(schema.tables.get_mut(table).unwrap())).await
    }
}

pub(crate) fn table(name: &str) -> TableName {
    name.parse().unwrap()
}

pub(crate) fn columns<const N: usize>(pairs: [(&str, Value); N]) -> Columns {
    pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value)).collect()
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}
