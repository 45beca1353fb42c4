//! The document of offline profiles.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::limits::{PRIORITY_MAX, PROFILE_DEPTH_MAX, PROFILES_MAX, SYNC_MINUTES_MAX};
use crate::model::{
    Audience, Match, Organization, Policy, Profile, ProfileName, ProfileTable, Profiles, RowRule,
    SYSTEM_ADMINISTRATOR, Schema, TableName,
};
use crate::scope::{CheckedProfile, ProfileError, ProfileFault};

use super::document::{Format, parse};
use super::reader::{Declared, Field, Object, Read, mistake};
use super::schema_document::{other, over};
use super::{DocumentError, Fault, Mistake, Noun};

const PROFILE_KEYS: [&str; 7] = ["id", "app", "for", "budget", "depth", "views", "table"];

const TABLE_KEYS: [&str; 9] =
    ["id", "rows", "filter", "related", "match", "groups", "interval", "priority", "needs"];

/// Reads offline profiles and checks them against the schema; whether the document is JSON is told by
/// the file's name. With a policy and an organization, whom they are for is checked too.
///
/// # Errors
/// The first thing wrong, with its place.
pub fn read_profiles(
    text: &str,
    file: &str,
    schema: &Arc<Schema>,
    policy: Option<&Policy>,
    organization: Option<&Organization>,
) -> Result<Profiles, DocumentError> {
    read_profiles_as(Format::of_file(file), text, file, schema, policy, organization)
}

/// [`read_profiles`] of a given format; `file` is only named in errors.
///
/// # Errors
/// The first thing wrong, with its place.
pub fn read_profiles_as(
    format: Format,
    text: &str,
    file: &str,
    schema: &Arc<Schema>,
    policy: Option<&Policy>,
    organization: Option<&Organization>,
) -> Result<Profiles, DocumentError> {
    let tree = parse(text, format, file)?;
    let document = Object::document(&tree, &["profile"])?;
    let objects = document.objects("profile", &PROFILE_KEYS)?;
    if let Some(field) = document.get("profile")
        && objects.len() > PROFILES_MAX
    {
        let why = over(objects.len(), "profiles", PROFILES_MAX);
        return Err(other(field, Noun::Profile, "", why));
    }
    let mut declared = Declared::new(file);
    let mut list = Vec::with_capacity(objects.len());
    for object in objects {
        let id: ProfileName = object.name("id")?;
        declared.add(Noun::Profile, id.as_str(), object)?;
        let profile = read_profile(id, object)?;
        check_audiences(object, &profile, policy, organization)?;
        CheckedProfile::new(schema, &profile).map_err(|error| wrong(object, &profile, error))?;
        list.push(profile);
    }
    Ok(Profiles { list })
}

fn read_profile(id: ProfileName, object: Object<'_>) -> Read<Profile> {
    object.require("for")?;
    object.require("table")?;
    let audiences = object.texts("for")?.into_iter().map(|field| {
        let read = field.text()?.parse::<Audience>();
        read.map_err(|error| other(field, Noun::Profile, id.as_str(), error.to_string()))
    });
    let tables = object.objects("table", &TABLE_KEYS)?;
    let budget = object.get("budget").map(|field| {
        let bytes = field.integer()?;
        let known = u64::try_from(bytes).ok().filter(|bytes| *bytes > 0);
        known.ok_or_else(|| field.not_a_choice(&bytes.to_string(), "a number of bytes from 1 on"))
    });
    Ok(Profile {
        app: object.optional_name("app")?,
        audiences: audiences.collect::<Read<_>>()?,
        budget: budget.transpose()?,
        depth: number(object, "depth", 0, PROFILE_DEPTH_MAX)?.unwrap_or(Profile::DEPTH),
        views: object.get("views").map(|_| object.names("views")).transpose()?,
        tables: tables.into_iter().map(read_table).collect::<Read<_>>()?,
        id,
    })
}

fn read_table(object: Object<'_>) -> Read<ProfileTable> {
    let rows = object.texts("rows")?.into_iter().map(|field| field.word(&RowRule::ALL));
    let related = object.texts("related")?.into_iter();
    let filter = object.get("filter").map(|field| field.text().map(str::to_owned));
    let matching =
        object.get("match").map(|field| field.word(&[("any", Match::Any), ("all", Match::All)]));
    Ok(ProfileTable {
        table: object.name::<TableName>("id")?,
        rows: rows.collect::<Read<BTreeSet<_>>>()?,
        filter: filter.transpose()?,
        related: related.map(|field| Ok(field.text()?.to_owned())).collect::<Read<_>>()?,
        matching: matching.transpose()?,
        groups: object.get("groups").map(|_| object.names("groups")).transpose()?,
        interval: number(object, "interval", 1, SYNC_MINUTES_MAX)?,
        priority: number(object, "priority", 0, PRIORITY_MAX)?.unwrap_or(ProfileTable::PRIORITY),
        needs: object.names("needs")?,
    })
}

/// A number within bounds; `None`: the key is absent.
fn number(object: Object<'_>, key: &str, least: u32, most: u32) -> Read<Option<u32>> {
    let Some(field) = object.get(key) else { return Ok(None) };
    let number = field.integer()?;
    match u32::try_from(number) {
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
        _ => Err(field.not_a_choice(&number.to_string(), &format!("{least} to {most}"))),
    }
}

/// That those exist whom a profile is for, as far as it is known who does.
fn check_audiences(
    object: Object<'_>,
    profile: &Profile,
    policy: Option<&Policy>,
    organization: Option<&Organization>,
) -> Read<()> {
    for (field, audience) in object.texts("for")?.into_iter().zip(&profile.audiences) {
        let (what, id, is_known) = match audience {
            Audience::Organization => continue,
            Audience::Role(role) => {
                let is_known = policy.is_none_or(|policy| policy.roles.contains_key(role));
                let is_known = is_known || role.as_str() == SYSTEM_ADMINISTRATOR;
                (Noun::Role, role.to_string(), is_known)
            }
            Audience::Team(team) => {
                let is_known = organization.is_none_or(|it| it.teams.contains_key(team));
                (Noun::Team, team.to_string(), is_known)
            }
            Audience::User(user) => {
                let is_known = organization.is_none_or(|it| it.users.contains_key(user));
                (Noun::User, user.to_string(), is_known)
            }
        };
        if !is_known {
            let fault = Fault::Unknown { what, id };
            return Err(mistake(field, Noun::Profile, profile.id.as_str(), fault));
        }
    }
    Ok(())
}

/// What is wrong with a profile, at its place.
fn wrong(object: Object<'_>, profile: &Profile, error: ProfileError) -> DocumentError {
    let ProfileError { table, key, item, fault } = error;
    let of_table = table
        .as_ref()
        .and_then(|(at, _)| object.objects("table", &TABLE_KEYS).ok()?.into_iter().nth(*at));
    let holder = of_table.unwrap_or(object);
    let field = holder.get(key);
    let items = || holder.texts(key).ok().unwrap_or_default();
    let named = |name: &str| items().into_iter().find(|it| it.text().is_ok_and(|it| it == name));
    let at = match &*fault {
        ProfileFault::NoSuchView(name) => named(name.as_str()),
        ProfileFault::NoSuchGroup(name, _) => named(name.as_str()),
        ProfileFault::NoSuchTable(name) if key == "needs" => named(name.as_str()),
        _ => item.and_then(|at| items().into_iter().nth(at)),
    };
    let place = at.or(field).map_or(holder.place, |field: Field<'_>| field.place);
    let key = table.map_or_else(|| key.to_owned(), |(_, table)| format!("table.{table}.{key}"));
    let fault = match *fault {
        ProfileFault::NoSuchTable(table) => {
            Fault::Unknown { what: Noun::Table, id: table.to_string() }
        }
        ProfileFault::NoSuchView(view) => Fault::Unknown { what: Noun::View, id: view.to_string() },
        other => Fault::Other(other.to_string()),
    };
    let (what, id) = (Noun::Profile, profile.id.to_string());
    DocumentError::Mistake {
        place: place.clone(),
        mistake: Mistake { what, id, key, fault }.into(),
    }
}
