//! `profile`: what groups of users take offline.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::CliError;
use super::compare::CompareArgs;
use super::estimate::ToldOf;
use super::gate::{read_rules, read_text};
use super::output::counted;
use super::schema::read_schema_file;
use super::suggest::SuggestArgs;
use crate::model::{ProfileName, Profiles, Schema};
use crate::policy::read_profiles;
use crate::scope::{CheckedProfile, unreached};

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Check a document of offline profiles: what is in it, or all that is wrong.
    ///
    /// Beside the document itself this compares each profile with the views of the schema, with what its
    /// forms need and with its own filters: what they go by is taken offline too.
    Check(CheckArgs),
    /// Say how many rows and bytes users would take by a document of offline profiles, and what each
    /// relationship adds.
    ///
    /// It is told of what a server that is not running holds, or a backup. `admin profile estimate` asks a
    /// running one. A profile that is over its budget is refused with the figures.
    Estimate(ToldOf),
    /// Say what views and forms show on the server and would not show on a device, or otherwise.
    ///
    /// Each view is asked of all that a user may read, and of what the profile takes, of what a server that is
    /// not running holds, or a backup. Each row that differs is named, with what the profile leaves out of it.
    Compare(CompareArgs),
    /// Suggest a profile for a group of users, as a document to be edited by hand.
    ///
    /// It goes by the schema and by what they may read; and, where a server that is not running or a backup
    /// is given, by how many records there are and what their devices edited. Each line says why it is there.
    Suggest(SuggestArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The profiles (TOML or JSON).
    file: PathBuf,
    /// The schema that they are for.
    #[arg(long, value_name = "SCHEMA")]
    schema: PathBuf,
    /// The policy, so that the roles that profiles are for are checked; with its organization, if it
    /// declares one, so are teams and users.
    #[arg(long, value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// A directory with `business_unit.csv` and `user.csv`, where the policy does not declare the
    /// organization.
    #[arg(long, value_name = "DIRECTORY", requires = "policy")]
    organization: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ProfileCommand {
    pub(super) fn as_json(&self) -> bool {
        match self {
            Self::Check(check) => check.json,
            Self::Estimate(told) => told.json,
            Self::Compare(compare) => compare.of.json,
            Self::Suggest(_) => false,
        }
    }

    pub(super) fn run(&self) -> Result<(), CliError> {
        match self {
            Self::Check(check) => check.run(),
            Self::Estimate(told) => told.estimate(),
            Self::Compare(compare) => compare.run(),
            Self::Suggest(suggest) => suggest.run(),
        }
    }
}

/// Something wrong between a profile and the rest: for people, and for programs.
pub(super) struct Wrong(pub(super) ProfileName, pub(super) String, pub(super) Json);

impl CheckArgs {
    fn run(&self) -> Result<(), CliError> {
        let schema = Arc::new(read_schema_file(&self.schema)?);
        let rules = self.policy.as_ref();
        let rules = rules
            .map(|policy| read_rules(policy, Some(&schema), self.organization.as_deref()))
            .transpose()?;
        let policy = rules.as_ref().map(|rules| &rules.policy);
        let organization = rules.as_ref().and_then(|rules| rules.organization.as_ref());
        let file = self.file.display().to_string();
        let text = read_text(&self.file)?;
        let profiles =
            read_profiles(&text, &file, &schema, policy, organization).map_err(CliError::input)?;
        let mistakes = mistakes(&schema, &profiles)?;
        let count = |items: usize, noun| counted(u64::try_from(items).unwrap_or(u64::MAX), noun);
        let tables: usize = profiles.list.iter().map(|profile| profile.tables.len()).sum();
        if self.json {
            let found: Vec<_> = mistakes.iter().map(|Wrong(_, _, json)| json).collect();
            let profiles = profiles.list.len();
            println!("{}", json!({ "profiles": profiles, "tables": tables, "mistakes": found }));
        } else {
            for Wrong(profile, text, _) in &mistakes {
                println!("profile `{profile}`: {text}");
            }
            if mistakes.is_empty() {
                let profiles = count(profiles.list.len(), "profile");
                println!("{file}: {profiles} with {}", count(tables, "table"));
            }
        }
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(CliError::Input(format!("{file}: {}", count(mistakes.len(), "mistake"))))
    }
}

pub(super) fn mistakes(schema: &Arc<Schema>, profiles: &Profiles) -> Result<Vec<Wrong>, CliError> {
    let mut mistakes = Vec::new();
    for profile in &profiles.list {
        let checked = CheckedProfile::new(schema, profile).map_err(CliError::input)?;
        for lack in checked.lacks() {
            let mut json = serde_json::to_value(&lack).unwrap_or_default();
            if let Json::Object(entries) = &mut json {
                entries.insert("profile".into(), Json::from(profile.id.as_str()));
                entries.insert("text".into(), Json::from(lack.to_string()));
            }
            mistakes.push(Wrong(profile.id.clone(), lack.to_string(), json));
        }
    }
    for (profile, before) in unreached(profiles) {
        let text = format!(
            "nobody has it: `{}` stands before it and is for everyone whom it is for",
            before.id
        );
        let (id, before) = (profile.id.as_str(), before.id.as_str());
        let json =
            json!({ "profile": id, "lack": "users", "before": before, "text": text.clone() });
        mistakes.push(Wrong(profile.id.clone(), text, json));
    }
    Ok(mistakes)
}
