//! Offline profiles of a running server: drafted, checked, published, promoted, rolled back.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::{Value as Json, json};

use super::{AdminCommand, ask, failed, read, unexpected};
use crate::cli::CliError;
use crate::cli::estimate::tell;
use crate::cli::output::counted;
use crate::cli::profile::{Wrong, mistakes};
use crate::codec::{AdminAnswer, AdminRequest, ProfilesInfo, ProfilesRequest, VersionInfo};
use crate::model::{Audience, DocumentText, Profiles, UserId};
use crate::policy::read_profiles;
use crate::replica::{Replica, RulesInForce};

#[derive(Debug, Subcommand)]
pub(super) enum ProfileAction {
    /// Keep a document on the server as the draft, in place of another one. It counts for nobody. What
    /// it leaves out that views, forms and filters go by is told.
    Draft {
        /// The document (TOML or JSON).
        file: PathBuf,
    },
    /// Check a document, or the server's draft, against the schema, policy and people of the server.
    /// Nothing is changed.
    Check {
        /// The document (TOML or JSON); default: the draft.
        file: Option<PathBuf>,
    },
    /// Put the draft in force: for everyone, or for a pilot group while all others go by what was in
    /// force before.
    Publish {
        /// Whoever is in a pilot group: `team:ID`, `user:ID` or `role:ID`; may be given several times.
        #[arg(long, value_name = "WHO")]
        pilot: Vec<Audience>,
    },
    /// Put what the pilot group goes by in force for everyone.
    Promote,
    /// Take back what was published last: from the pilot group or, without one, from everyone, who go
    /// by the version of before again. What is taken back is the draft, unless there is another one.
    Rollback,
    /// Say how many rows and bytes users would take, and what each relationship adds. A profile that is
    /// over its budget is refused with the figures.
    Estimate {
        /// The document (TOML or JSON); default: the draft.
        file: Option<PathBuf>,
        /// For whom; may be given several times. Default: for the first user of each profile.
        #[arg(long)]
        user: Vec<UserId>,
    },
    /// List the versions that the server has.
    List,
    /// Print the document of a version.
    Show {
        /// The version's number, as `admin profile list` shows it.
        version: u32,
    },
}

impl AdminCommand {
    pub(super) async fn profile(
        &self,
        replica: &Replica,
        action: &ProfileAction,
    ) -> Result<(), CliError> {
        match action {
            ProfileAction::Draft { file } => {
                let document = read_document(file)?;
                let (_, wrong) = check(&in_force(replica).await?, &document)?;
                let info = send(replica, ProfilesRequest::Draft(document)).await?;
                let number = info.draft.as_ref().map(|draft| draft.number);
                if !self.json {
                    for Wrong(profile, text, _) in &wrong {
                        println!("note: profile `{profile}`: {text}");
                    }
                }
                let number = number.map(|number| number.to_string()).unwrap_or_default();
                let mut json = info_json(&info);
                if let Json::Object(entries) = &mut json {
                    entries.insert("mistakes".into(), mistakes_json(&wrong));
                }
                self.say(
                    &json,
                    &format!("version {number} is the draft; it counts for nobody yet"),
                );
                Ok(())
            }
            ProfileAction::Check { file } => {
                let document = match file {
                    Some(file) => read_document(file)?,
                    None => draft(replica).await?,
                };
                self.check(&in_force(replica).await?, &document)
            }
            ProfileAction::Publish { pilot } => {
                let pilot = (!pilot.is_empty()).then(|| pilot.iter().cloned().collect());
                let info = send(replica, ProfilesRequest::Publish { pilot }).await?;
                let counting = info.pilot.as_ref().map(|(it, _)| it).or(info.in_force.as_ref());
                let number = counting.map(|it| it.number).unwrap_or_default();
                let whom = info.pilot.as_ref().map(|(_, group)| list(group));
                let whom = whom.unwrap_or_else(|| "everyone".into());
                self.say(&info_json(&info), &format!("version {number} counts for {whom}"));
                Ok(())
            }
            ProfileAction::Promote => {
                let info = send(replica, ProfilesRequest::Promote).await?;
                let number = info.in_force.as_ref().map(|it| it.number).unwrap_or_default();
                self.say(&info_json(&info), &format!("version {number} counts for everyone"));
                Ok(())
            }
            ProfileAction::Rollback => {
                let info = send(replica, ProfilesRequest::RollBack).await?;
                let text = match &info.in_force {
                    Some(it) => format!("version {} counts for everyone", it.number),
                    None => "nothing is published: everyone takes all that they may read".into(),
                };
                self.say(&info_json(&info), &text);
                Ok(())
            }
            ProfileAction::Estimate { file, user } => {
                let document = file.as_deref().map(read_document).transpose()?;
                let request = ProfilesRequest::Estimate { document, users: user.clone() };
                match ask(replica, AdminRequest::Profiles(request)).await? {
                    AdminAnswer::Estimates(estimates) => tell(&estimates, self.json),
                    other => Err(unexpected(&other)),
                }
            }
            ProfileAction::List => {
                let info = send(replica, ProfilesRequest::List).await?;
                if self.json {
                    println!("{}", info_json(&info));
                } else {
                    print_info(&info);
                }
                Ok(())
            }
            ProfileAction::Show { version } => {
                let document = show(replica, *version).await?;
                if self.json {
                    let DocumentText { file, text } = &document;
                    println!("{}", json!({ "version": version, "file": file, "text": text }));
                } else {
                    println!("{}", document.text.trim_end());
                }
                Ok(())
            }
        }
    }

    fn check(&self, rules: &RulesInForce, document: &DocumentText) -> Result<(), CliError> {
        let (profiles, wrong) = check(rules, document)?;
        if self.json {
            let profiles = profiles.list.len();
            println!("{}", json!({ "profiles": profiles, "mistakes": mistakes_json(&wrong) }));
        } else {
            for Wrong(profile, text, _) in &wrong {
                println!("profile `{profile}`: {text}");
            }
        }
        let file = &document.file;
        let count = |items: usize, noun| counted(u64::try_from(items).unwrap_or(u64::MAX), noun);
        if !wrong.is_empty() {
            return Err(CliError::Input(format!("{file}: {}", count(wrong.len(), "mistake"))));
        }
        if !self.json {
            println!("{file}: {}", count(profiles.list.len(), "profile"));
        }
        Ok(())
    }
}

/// What a document says by these rules, and what is wrong beside that.
fn check(
    rules: &RulesInForce,
    document: &DocumentText,
) -> Result<(Profiles, Vec<Wrong>), CliError> {
    let schema = Arc::new(rules.schema.clone());
    let (policy, people) = (Some(&rules.policy), Some(&rules.organization));
    let profiles = read_profiles(&document.text, &document.file, &schema, policy, people);
    let profiles = profiles.map_err(CliError::input)?;
    let wrong = mistakes(&schema, &profiles)?;
    Ok((profiles, wrong))
}

fn read_document(file: &std::path::Path) -> Result<DocumentText, CliError> {
    Ok(DocumentText { file: file.display().to_string(), text: read(file)? })
}

async fn in_force(replica: &Replica) -> Result<RulesInForce, CliError> {
    replica.rules_in_force().await.map_err(|error| failed(&error))
}

async fn send(replica: &Replica, request: ProfilesRequest) -> Result<ProfilesInfo, CliError> {
    match ask(replica, AdminRequest::Profiles(request)).await? {
        AdminAnswer::Profiles { info, unchecked } => {
            if unchecked > 0 {
                let users = counted(unchecked.into(), "user");
                eprintln!(
                    "note: for {users} it was not looked whether the profile is within its budget: \
                     look into a backup with `tidegate profile estimate`"
                );
            }
            Ok(*info)
        }
        other => Err(unexpected(&other)),
    }
}

async fn show(replica: &Replica, version: u32) -> Result<DocumentText, CliError> {
    match ask(replica, AdminRequest::Profiles(ProfilesRequest::Show(version))).await? {
        AdminAnswer::Document(document) => Ok(*document),
        other => Err(unexpected(&other)),
    }
}

async fn draft(replica: &Replica) -> Result<DocumentText, CliError> {
    let info = send(replica, ProfilesRequest::List).await?;
    let missing = || CliError::Input("there is no draft of offline profiles: name a file".into());
    show(replica, info.draft.ok_or_else(missing)?.number).await
}

fn list<'a>(names: impl IntoIterator<Item = &'a (impl ToString + 'a)>) -> String {
    names.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn mistakes_json(wrong: &[Wrong]) -> Json {
    wrong.iter().map(|Wrong(_, _, json)| json.clone()).collect()
}

fn version_json(version: Option<&VersionInfo>) -> Json {
    version.map_or(Json::Null, |it| {
        let profiles: Vec<_> = it.profiles.iter().map(ToString::to_string).collect();
        json!({
            "version": it.number, "by": it.by.as_ref().map(ToString::to_string),
            "at": it.at.to_string(), "file": it.file, "profiles": profiles,
        })
    })
}

fn info_json(info: &ProfilesInfo) -> Json {
    let pilot = info.pilot.as_ref();
    let group = pilot.map(|(_, group)| group.iter().map(ToString::to_string).collect::<Vec<_>>());
    let before = info.before.iter().map(|it| version_json(it.as_ref()));
    json!({
        "draft": version_json(info.draft.as_ref()),
        "pilot": version_json(pilot.map(|(version, _)| version)),
        "pilot_group": group,
        "in_force": version_json(info.in_force.as_ref()),
        "before": before.collect::<Vec<_>>(),
    })
}

fn print_info(info: &ProfilesInfo) {
    let text = |version: &VersionInfo| {
        let VersionInfo { number, by, at, file, profiles } = version;
        let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let profiles = if profiles.is_empty() { "no profile".into() } else { list(profiles) };
        format!("version {number} of {file}{by} at {at}: {profiles}")
    };
    let or_all = |version: Option<&VersionInfo>| {
        version.map_or("nothing: everyone takes all that they may read".into(), text)
    };
    if let Some(draft) = &info.draft {
        println!("draft     {}", text(draft));
    }
    if let Some((version, group)) = &info.pilot {
        println!("pilot     {} (for {})", text(version), list(group));
    }
    println!("in force  {}", or_all(info.in_force.as_ref()));
    for version in info.before.iter().rev() {
        println!("before    {}", or_all(version.as_ref()));
    }
}
