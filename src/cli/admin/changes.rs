//! What a change of the rules would change, for people to read before it is made.

use crate::cli::CliError;
use crate::cli::schema::{schema_json, schema_lines};
use crate::codec::AdminRequest;
use crate::model::{
    DisplayName, DocumentText, Organization, OrganizationRow, Policy, Role, Schema, Team, TeamKind,
    User,
};
use crate::policy::read_schema;
use crate::replica::RulesInForce;

/// A change of the rules in force.
pub(super) struct Plan {
    pub(super) before: RulesInForce,
    pub(super) schema: Schema,
    /// The document of another schema.
    document: Option<DocumentText>,
    pub(super) policy: Policy,
    pub(super) organization: Organization,
}

impl Plan {
    /// Nothing changes yet.
    pub(super) fn new(before: RulesInForce) -> Self {
        let (policy, organization) = (before.policy.clone(), before.organization.clone());
        Self { schema: before.schema.clone(), document: None, before, policy, organization }
    }

    pub(super) fn set_schema(&mut self, file: String, text: String) -> Result<(), CliError> {
        self.schema = read_schema(&text, &file).map_err(CliError::input)?;
        self.document = Some(DocumentText { file, text });
        Ok(())
    }

    /// What is otherwise of the schema.
    pub(super) fn schema_json(&self) -> Vec<serde_json::Value> {
        schema_json(&self.before.schema, &self.schema)
    }

    /// A line for each thing that changes: `+` comes, `-` goes, `~` is another.
    pub(super) fn lines(&self) -> Vec<String> {
        let (old, people) = (&self.before.policy, &self.before.organization);
        let (new, others) = (&self.policy, &self.organization);
        let mut lines = schema_lines(&self.before.schema, &self.schema);
        lines.extend(role_lines(old, new));
        if old.column_security != new.column_security {
            lines.push("~ column security".into());
        }
        if old.hierarchy != new.hierarchy {
            lines.push("~ hierarchy".into());
        }
        lines.extend(people.rows_to(others).iter().map(|row| row_line(people, row)));
        lines
    }

    pub(super) fn into_request(self, dry_run: bool) -> AdminRequest {
        let mut request = self.before.change_to(self.policy, &self.organization);
        if let AdminRequest::Change { schema, trial, .. } = &mut request {
            *schema = self.document.map(Box::new);
            *trial = dry_run;
        }
        request
    }
}

fn role_lines(old: &Policy, new: &Policy) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, role) in &new.roles {
        match old.roles.get(id) {
            None => lines.push(format!("+ role {id}")),
            Some(held) if held == role => {}
            Some(held) => {
                lines.extend(right_lines(held, role).map(|it| format!("~ role {id}: {it}")));
            }
        }
    }
    let gone = old.roles.keys().filter(|id| !new.roles.contains_key(*id));
    lines.extend(gone.map(|id| format!("- role {id}")));
    lines
}

/// The rights that differ, or that something else of the role does.
fn right_lines(old: &Role, new: &Role) -> impl Iterator<Item = String> {
    let tables = old.rights.keys().chain(new.rights.keys());
    let tables: std::collections::BTreeSet<_> = tables.collect();
    let mut lines = Vec::new();
    for table in tables {
        for right in crate::model::Right::ALL {
            let (was, is) = (old.depth(table, right), new.depth(table, right));
            if was != is {
                let (was, is) = (was.as_str(), is.as_str());
                lines.push(format!("{} on {table} was {was}, becomes {is}", right.as_str()));
            }
        }
    }
    if lines.is_empty() {
        lines.push("its inheritance".into());
    }
    lines.into_iter()
}

fn row_line(before: &Organization, row: &OrganizationRow) -> String {
    let sign = |was: bool, is: bool| match (was, is) {
        (false, _) => '+',
        (true, false) => '-',
        (true, true) => '~',
    };
    match row {
        OrganizationRow::BusinessUnit(id, unit) => {
            let sign = sign(before.business_units.contains_key(id), unit.is_some());
            let parent = unit.as_ref().and_then(|unit| unit.parent.as_ref());
            let below = parent.map(|parent| format!(" below {parent}")).unwrap_or_default();
            let called = called(unit.as_ref().and_then(|unit| unit.name.as_ref()));
            format!("{sign} business unit {id}{called}{below}")
        }
        OrganizationRow::Position(id, position) => {
            let sign = sign(before.positions.contains_key(id), position.is_some());
            format!("{sign} position {id}")
        }
        OrganizationRow::User(id, user) => {
            let sign = sign(before.users.contains_key(id), user.is_some());
            let said = user.as_ref().map(user_text).unwrap_or_default();
            format!("{sign} user {id}{said}")
        }
        OrganizationRow::Team(id, team) => {
            let sign = sign(before.teams.contains_key(id), team.is_some());
            let said = team.as_ref().map(team_text).unwrap_or_default();
            format!("{sign} team {id}{said}")
        }
    }
}

fn called(name: Option<&DisplayName>) -> String {
    name.map(|name| format!(" `{name}`")).unwrap_or_default()
}

fn list<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn user_text(user: &User) -> String {
    let manager = user.manager.as_ref().map(|it| format!(", manager {it}")).unwrap_or_default();
    let disabled = if user.disabled { ", disabled" } else { "" };
    let called = called(user.name.as_ref());
    format!("{called} in {}, roles {}{manager}{disabled}", user.business_unit, list(&user.roles))
}

fn team_text(team: &Team) -> String {
    let kind = match &team.kind {
        TeamKind::Owner { business_unit, roles } => {
            format!(" in {business_unit}, roles {}", list(roles))
        }
        TeamKind::Access => ", an access team".into(),
    };
    format!("{}{kind}, members {}", called(team.name.as_ref()), list(&team.members))
}

/// The business units in force, as a file that an import reads.
pub(super) fn units_csv(organization: &Organization) -> Result<Vec<u8>, csv::Error> {
    let mut file = csv::Writer::from_writer(Vec::new());
    file.write_record(["id", "parent"])?;
    for (id, unit) in &organization.business_units {
        let parent = unit.parent.as_ref().map(ToString::to_string).unwrap_or_default();
        file.write_record([id.as_str(), &parent])?;
    }
    file.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}
