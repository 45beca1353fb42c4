//! The documents of which a server's rules are made: schema, policy and organization.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::{Config, HomeError, InitOptions};
use crate::gate::Roster;
use crate::limits::DOCUMENT_BYTES_MAX;
use crate::model::{DocumentText, Organization, Policy, Profiles, Schema, UserId};
use crate::net::system;
use crate::policy::{CsvFile, read_organization_csv, read_policy, read_profiles, read_schema};
use crate::sync::server::Rules;

const DEFAULT_SCHEMA: &str = include_str!("default/schema.toml");
const DEFAULT_POLICY: &str = include_str!("default/policy.toml");

/// A text, and the name by which complaints call it.
pub(super) struct Document {
    pub(super) name: String,
    pub(super) text: String,
}

impl Document {
    /// Reads a file of bounded length.
    pub(super) fn read(path: &Path) -> Result<Self, HomeError> {
        let io = |error| HomeError::Io { path: path.to_owned(), error };
        let length = fs::metadata(path).map_err(io)?.len();
        if length > DOCUMENT_BYTES_MAX as u64 {
            return Err(HomeError::TooLong(path.to_owned()));
        }
        let bytes = fs::read(path).map_err(io)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = before.filter(|byte| **byte == b'\n').count() + 1;
            HomeError::NotText { path: path.to_owned(), line }
        })?;
        Ok(Self { name: path.to_string_lossy().into_owned(), text })
    }

    fn given_or(path: Option<&Path>, name: &str, text: &str) -> Result<Self, HomeError> {
        let default = || Ok(Self { name: name.to_owned(), text: text.to_owned() });
        path.map_or_else(default, Self::read)
    }

    /// How the parser is told what it reads.
    pub(super) fn extension(&self) -> &'static str {
        let is_json = Path::new(&self.name).extension().is_some_and(|it| it == "json");
        if is_json { "json" } else { "toml" }
    }

    /// The offline profiles that it says.
    pub(super) fn profiles(
        &self,
        schema: &Schema,
        policy: &Policy,
        people: &Organization,
    ) -> Result<(DocumentText, Profiles), HomeError> {
        let Self { name, text } = self;
        let schema = Arc::new(schema.clone());
        let profiles = read_profiles(text, name, &schema, Some(policy), Some(people))?;
        Ok((DocumentText { file: name.clone(), text: text.clone() }, profiles))
    }

    pub(super) fn csv(&self) -> CsvFile<'_> {
        CsvFile { name: &self.name, bytes: self.text.as_bytes() }
    }
}

/// All of them.
pub(super) struct Documents {
    pub(super) schema: Document,
    pub(super) policy: Document,
    /// Business units and users, where the policy does not declare them.
    pub(super) people: Option<(Document, Document)>,
    /// What is taken offline, if that is said.
    pub(super) profiles: Option<Document>,
}

impl Documents {
    /// Those that a new server starts with.
    pub(super) fn given(options: &InitOptions) -> Result<Self, HomeError> {
        let schema = Document::given_or(options.schema.as_deref(), "schema.toml", DEFAULT_SCHEMA)?;
        let policy = Document::given_or(options.policy.as_deref(), "policy.toml", DEFAULT_POLICY)?;
        let people = match &options.organization {
            Some(files) => {
                let units = Document::read(&files.business_units)?;
                let mut users = Document::read(&files.users)?;
                if let Some(administrator) = &options.administrator {
                    users.text = with_administrator(&units, &users, administrator)?;
                }
                Some((units, users))
            }
            None => None,
        };
        let profiles = options.profiles.as_deref().map(Document::read).transpose()?;
        Ok(Self { schema, policy, people, profiles })
    }

    /// Those in a server's folder.
    pub(super) fn of(dir: &Path, config: &Config) -> Result<Self, HomeError> {
        let document = |path: &Path| Document::read(&dir.join(path));
        let people = match &config.organization {
            Some(files) => Some((document(&files.business_units)?, document(&files.users)?)),
            None => None,
        };
        let (schema, policy) = (document(&config.schema)?, document(&config.policy)?);
        let profiles = config.profiles.as_deref().map(document).transpose()?;
        Ok(Self { schema, policy, people, profiles })
    }

    /// Checks them, and makes rules of them.
    pub(super) fn rules(&self) -> Result<Rules, HomeError> {
        let (policy_text, policy_name) = (&self.policy.text, &self.policy.name);
        let schema = read_schema(&self.schema.text, &self.schema.name)?;
        let (policy, organization) = match &self.people {
            None => {
                let read = read_policy(policy_text, policy_name, Some(&schema), None)?;
                let missing = || HomeError::NoOrganization(policy_name.into());
                (read.policy, read.organization.ok_or_else(missing)?)
            }
            Some((units, users)) => {
                // The policy names users, and users name roles: each is checked against the other.
                let people = read_organization_csv(units.csv(), users.csv(), None)?;
                let read = read_policy(policy_text, policy_name, Some(&schema), Some(&people))?;
                read_organization_csv(units.csv(), users.csv(), Some(&read.policy))?;
                (read.policy, people)
            }
        };
        let profiles = self.profiles.as_ref();
        let profiles =
            profiles.map(|it| it.profiles(&schema, &policy, &organization)).transpose()?;
        let rules = Rules::new(schema, Roster::new(Arc::new(policy), Arc::new(organization)))?;
        let Some((document, profiles)) = profiles else { return Ok(rules) };
        // They were read for this schema.
        Ok(rules.with_document(document, profiles, system::now())?)
    }
}

/// The users of a CSV file, and one more who may do everything.
fn with_administrator(
    units: &Document,
    users: &Document,
    administrator: &UserId,
) -> Result<String, HomeError> {
    let people = read_organization_csv(units.csv(), users.csv(), None)?;
    let users = &users.text;
    if people.users.contains_key(administrator) {
        return Ok(users.clone());
    }
    let root = people.business_units.iter().find(|(_, unit)| unit.parent.is_none());
    let root = root.map(|(id, _)| id.as_str()).unwrap_or_default();
    let header = users.lines().next().unwrap_or_default();
    let cell = |column: &str| match column.trim().trim_matches('"') {
        "login" => administrator.as_str().to_owned(),
        "business_unit" => root.to_owned(),
        "roles" => crate::model::SYSTEM_ADMINISTRATOR.to_owned(),
        _ => String::new(),
    };
    let row: Vec<_> = header.split(',').map(cell).collect();
    Ok(format!("{}\n{}\n", users.trim_end(), row.join(",")))
}
