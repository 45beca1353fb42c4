//! `profile suggest`: a profile to begin with.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::CliError;
use super::gate::read_rules;
use super::schema::read_schema_file;
use crate::gate::{Roster, Standing};
use crate::limits::SUGGEST_USERS_MAX;
use crate::model::{Audience, ProfileName};
use crate::policy::write_suggestion;
use crate::scope::{Known, is_among, suggest};

#[derive(Debug, Args)]
pub(super) struct SuggestArgs {
    /// For whom: `role:ID`, `team:ID`, `user:ID` or `organization`; may be given several times.
    #[arg(long = "for", value_name = "WHO", required = true)]
    audiences: Vec<Audience>,
    /// What the profile is called.
    #[arg(long, default_value = "suggested")]
    id: ProfileName,
    /// A server that is not running: its folder, one of its backups, or its file.
    #[arg(long, value_name = "SERVER", conflicts_with_all = ["schema", "policy"])]
    data: Option<PathBuf>,
    /// Without a server: the schema.
    #[arg(long, value_name = "SCHEMA", required_unless_present = "data")]
    schema: Option<PathBuf>,
    /// Without a server: the policy.
    #[arg(long, value_name = "POLICY", required_unless_present = "data")]
    policy: Option<PathBuf>,
    /// A directory with `business_unit.csv` and `user.csv`, where the policy does not declare the
    /// organization.
    #[arg(long, value_name = "DIRECTORY", requires = "policy")]
    organization: Option<PathBuf>,
}

impl SuggestArgs {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let (id, audiences) = (self.id.clone(), self.audiences.as_slice());
        let text = match (&self.data, &self.schema, &self.policy) {
            (Some(server), ..) => {
                crate::server::suggest(server, id, audiences).map_err(CliError::server)?
            }
            (None, Some(schema), Some(policy)) => {
                let schema = Arc::new(read_schema_file(schema)?);
                let rules = read_rules(policy, Some(&schema), self.organization.as_deref())?;
                let people = rules.organization.unwrap_or_default();
                let roster = Roster::new(Arc::new(rules.policy), Arc::new(people));
                let groups = audiences.iter().cloned().collect();
                let users = roster.organization().users.keys();
                let users = users.filter(|user| is_among(&groups, &roster, user));
                let standings: Vec<_> = users
                    .filter_map(|user| Standing::resolve(&roster, user).ok())
                    .take(SUGGEST_USERS_MAX)
                    .map(|standing| standing.within(&schema))
                    .collect();
                let known = Known::default();
                let suggestion = suggest(&schema, id, audiences.to_vec(), &standings, &known);
                let nobody = || CliError::input("nobody is in these groups who may read anything");
                write_suggestion(&suggestion.ok_or_else(nobody)?, None)
            }
            // The arguments see to it.
            _ => {
                return Err(CliError::input("neither a server nor a schema and a policy is given"));
            }
        };
        print!("{text}");
        Ok(())
    }
}
