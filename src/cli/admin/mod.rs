//! `admin`: what a `system_administrator` does to a running server, from an enrolled device.

mod changes;
mod people;
mod profiles;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use self::changes::Plan;
use self::people::{TeamAction, UserAction};
use self::profiles::ProfileAction;
use super::device::ReplicaArg;
use super::{CliError, wait};
use crate::codec::{AdminAnswer, AdminRefusal, AdminRequest, DenialInfo, DeviceInfo};
use crate::model::{DeviceNumber, Organization, Policy, RecordId, Schema, TableName};
use crate::policy::{CsvFile, read_organization_csv, read_policy};
use crate::replica::{AdminError, Replica, RulesInForce};

#[derive(Debug, Args)]
pub(super) struct AdminCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    replica: ReplicaArg,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The schema: tables and columns.
    #[command(subcommand)]
    Schema(SchemaAction),
    /// The policy proper: roles, column security, hierarchy.
    #[command(subcommand)]
    Policy(PolicyAction),
    /// Offline profiles: what groups of users take offline.
    #[command(subcommand)]
    Profile(ProfileAction),
    /// The organization as a whole.
    #[command(subcommand)]
    Org(OrgAction),
    /// One user.
    #[command(subcommand)]
    User(UserAction),
    /// One team.
    #[command(subcommand)]
    Team(TeamAction),
    /// List the devices.
    Devices,
    /// Never let a device in again, and end its session.
    Revoke {
        /// The device's number, as `admin devices` shows it.
        device: u32,
    },
    /// Erase a record for good, on the server and on every device: its values, all that was ever
    /// written in it, and refused edits of it. Its id is never used again. Backups keep it.
    Erase {
        /// The table.
        table: TableName,
        /// The record's id.
        record: RecordId,
    },
    /// List the refused edits that the server keeps, oldest first.
    Denials {
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

#[derive(Debug, Subcommand)]
enum SchemaAction {
    /// Put a schema document in force. What changes, and what it means, is shown first; records that
    /// do not fit it refuse it.
    Apply {
        /// The document (TOML or JSON).
        file: PathBuf,
        /// A policy document for it, put in force with it: one names no table that is not there.
        #[arg(long)]
        policy: Option<PathBuf>,
        /// Only show what would change, and have the server say whether it could.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
enum PolicyAction {
    /// Put a policy document in force, as a whole. What changes is shown first.
    Apply {
        /// The document (TOML or JSON). Its organization, if it has one, is left out.
        file: PathBuf,
        /// Only show what would change.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
enum OrgAction {
    /// Make the users of the server those of a CSV file. What changes is shown first.
    Import {
        /// A CSV file with the columns `login`, `business_unit`, `manager` and `roles`.
        users: PathBuf,
        /// A CSV file with the columns `id` and `parent`; without it the units stay as they are.
        #[arg(long)]
        business_units: Option<PathBuf>,
        /// Only show what would change.
        #[arg(long)]
        dry_run: bool,
    },
}

impl AdminCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let replica = self.replica.open_enrolled()?;
        wait(async {
            match &self.action {
                Action::Schema(SchemaAction::Apply { file, policy, dry_run }) => {
                    let mut plan = plan(&replica).await?;
                    plan.set_schema(file.display().to_string(), read(file)?)?;
                    if let Some(policy) = policy {
                        plan.policy = read_policy_file(&plan.schema, policy, &plan.before)?;
                    }
                    self.carry_out(&replica, plan, *dry_run).await
                }
                Action::Policy(PolicyAction::Apply { file, dry_run }) => {
                    let mut plan = plan(&replica).await?;
                    plan.policy = read_policy_file(&plan.schema, file, &plan.before)?;
                    self.carry_out(&replica, plan, *dry_run).await
                }
                Action::Profile(action) => self.profile(&replica, action).await,
                Action::Org(OrgAction::Import { users, business_units, dry_run }) => {
                    let mut plan = plan(&replica).await?;
                    plan.organization =
                        read_people(users, business_units.as_deref(), &plan.before)?;
                    self.carry_out(&replica, plan, *dry_run).await
                }
                Action::User(action) => {
                    let mut plan = plan(&replica).await?;
                    action.apply(&mut plan.organization)?;
                    self.carry_out(&replica, plan, false).await
                }
                Action::Team(action) => {
                    let mut plan = plan(&replica).await?;
                    action.apply(&mut plan.organization)?;
                    self.carry_out(&replica, plan, false).await
                }
                Action::Devices => self.devices(ask(&replica, AdminRequest::Devices).await?),
                Action::Revoke { device } => {
                    ask(&replica, AdminRequest::Revoke(DeviceNumber(*device))).await?;
                    self.say(&json!({ "revoked": device }), &format!("device {device} is revoked"));
                    Ok(())
                }
                Action::Erase { table, record } => {
                    let request = AdminRequest::Erase { table: table.clone(), record: *record };
                    ask(&replica, request).await?;
                    let what = json!({ "erased": record.to_string(), "table": table.as_str() });
                    self.say(&what, &format!("record {record} of `{table}` is erased"));
                    Ok(())
                }
                Action::Denials { limit } => {
                    self.denials(ask(&replica, AdminRequest::Denials { limit: *limit }).await?)
                }
            }
        })
    }

    fn say(&self, json: &serde_json::Value, text: &str) {
        if self.json { println!("{json}") } else { println!("{text}") }
    }

    async fn carry_out(
        &self,
        replica: &Replica,
        plan: Plan,
        dry_run: bool,
    ) -> Result<(), CliError> {
        let lines = plan.lines();
        if !self.json {
            for line in &lines {
                println!("{line}");
            }
        }
        let schema = plan.schema_json();
        let said = |epoch: Option<u64>, text: &str| {
            let mut answer = json!({ "changes": lines, "policy_epoch": epoch });
            if let Some(entries) = answer.as_object_mut().filter(|_| !schema.is_empty()) {
                entries.insert("schema".into(), schema.clone().into());
            }
            self.say(&answer, text);
            Ok(())
        };
        if lines.is_empty() {
            return said(None, "nothing changes");
        }
        if dry_run && schema.is_empty() {
            return said(None, "nothing was changed: this was a dry run");
        }
        match ask(replica, plan.into_request(dry_run)).await? {
            AdminAnswer::Fits => said(None, "all records fit; nothing was changed: a dry run"),
            AdminAnswer::Changed { epoch } => {
                said(Some(epoch.0), &format!("in force as policy epoch {}", epoch.0))
            }
            other => Err(unexpected(&other)),
        }
    }

    fn devices(&self, answer: AdminAnswer) -> Result<(), CliError> {
        let AdminAnswer::Devices(devices) = answer else { return Err(unexpected(&answer)) };
        let state = |device: &DeviceInfo| match (device.revoked, device.connected) {
            (true, _) => "revoked",
            (false, true) => "connected",
            (false, false) => "away",
        };
        if self.json {
            let each = devices.iter().map(|device| {
                json!({
                    "number": device.number.0, "user": device.user.as_str(),
                    "name": device.name, "state": state(device),
                    "purged": device.purged.as_ref().map(|it| json!({
                        "log_epoch": it.epoch.0, "up_to": it.sequence.0,
                        "at": it.at.to_string(), "covers_present": it.covers_present,
                    })),
                })
            });
            println!("{}", serde_json::Value::Array(each.collect()));
        } else {
            for device in &devices {
                let name = if device.name.is_empty() { "(no name)" } else { &device.name };
                println!("{}  {}  {}  {}", device.number, device.user, state(device), name);
                if let Some(purged) = &device.purged {
                    let of = if purged.covers_present { "present" } else { "earlier" };
                    let (up_to, at) = (purged.sequence, purged.at);
                    println!("    purged to {of} privileges, at {up_to} of the log ({at})");
                }
            }
        }
        Ok(())
    }

    fn denials(&self, answer: AdminAnswer) -> Result<(), CliError> {
        let AdminAnswer::Denials(denials) = answer else { return Err(unexpected(&answer)) };
        if self.json {
            let each = denials.iter().map(|it| {
                json!({
                    "edit": it.edit.to_string(), "user": it.user.as_str(),
                    "table": it.table.as_str(), "record": it.record.to_string(),
                    "rule": it.denial.rule.as_str(), "reason": it.denial.to_string(),
                    "policy_epoch": it.epoch.0, "at": it.at.to_string(),
                })
            });
            println!("{}", serde_json::Value::Array(each.collect()));
        } else if denials.is_empty() {
            println!("No edit was refused.");
        } else {
            for DenialInfo { edit, user, table, record, denial, epoch, at } in &denials {
                println!("{at}  edit {edit} of {user} on {table} {record}");
                println!("  {denial} (policy epoch {})", epoch.0);
            }
        }
        Ok(())
    }
}

fn unexpected(answer: &AdminAnswer) -> CliError {
    CliError::Run(format!("the server answered something else: {answer:.60?}"))
}

async fn ask(replica: &Replica, request: AdminRequest) -> Result<AdminAnswer, CliError> {
    replica.administer(request).await.map_err(|error| failed(&error))
}

/// A change of what is in force now.
async fn plan(replica: &Replica) -> Result<Plan, CliError> {
    Ok(Plan::new(replica.rules_in_force().await.map_err(|error| failed(&error))?))
}

fn failed(error: &AdminError) -> CliError {
    match error {
        AdminError::Refused(AdminRefusal::NotAdministrator(_)) => {
            CliError::Refused(error.to_string())
        }
        AdminError::Refused(_) => CliError::Input(error.to_string()),
        _ => CliError::Run(error.to_string()),
    }
}

fn read(path: &std::path::Path) -> Result<String, CliError> {
    super::gate::read_text(path)
}

/// Checked against the tables and the people of the server.
fn read_policy_file(
    schema: &Schema,
    file: &std::path::Path,
    now: &RulesInForce,
) -> Result<Policy, CliError> {
    let (name, text) = (file.display().to_string(), read(file)?);
    let by = |people| read_policy(&text, &name, Some(schema), people).map_err(CliError::input);
    let document = by(None)?;
    // A document with people of its own, those that a new server starts with, was checked against
    // them; the server checks it against its own.
    let document =
        if document.organization.is_some() { document } else { by(Some(&now.organization))? };
    Ok(document.policy)
}

fn read_people(
    users: &std::path::Path,
    units: Option<&std::path::Path>,
    now: &RulesInForce,
) -> Result<Organization, CliError> {
    let users_name = users.display().to_string();
    let (users, units) = (read(users)?, units.map(|path| Ok((read(path)?, path))).transpose()?);
    let (units_bytes, units_name) = if let Some((text, path)) = units {
        (text.into_bytes(), path.display().to_string())
    } else {
        let units = changes::units_csv(&now.organization).map_err(CliError::run)?;
        (units, "the units in force".to_owned())
    };
    let units = CsvFile { bytes: &units_bytes, name: &units_name };
    let users = CsvFile { bytes: users.as_bytes(), name: &users_name };
    let read = read_organization_csv(units, users, Some(&now.policy)).map_err(CliError::input)?;
    let mut organization = now.organization.clone();
    organization.business_units = read.business_units;
    for (id, unit) in &mut organization.business_units {
        let held = now.organization.business_units.get(id);
        unit.name = unit.name.take().or_else(|| held.and_then(|it| it.name.clone()));
    }
    // Whom the file does not name is disabled, and kept: records belong to them.
    for user in organization.users.values_mut() {
        user.disabled = true;
    }
    for (id, mut user) in read.users {
        let held = organization.users.get(&id);
        user.position = user.position.or_else(|| held.and_then(|it| it.position.clone()));
        user.name = user.name.or_else(|| held.and_then(|it| it.name.clone()));
        organization.users.insert(id, user);
    }
    Ok(organization)
}
