//! The policy file of section 6 of `docs/privileges.md`.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    ColumnName, ColumnPermissions, ColumnSecurity, ColumnSecurityId, Depth, Hierarchy,
    HierarchyModel, Inheritance, Organization, Ownership, Policy, Right, Role, RoleId,
    SYSTEM_ADMINISTRATOR, Schema, TableFacts, TableName,
};

use super::document::{Format, parse};
use super::organization_document::{ORGANIZATION_KEYS, read_organization};
use super::reader::{Declared, Field, Object, Read, mistake};
use super::{DocumentError, Fault, Noun, check_organization, check_policy, check_tables};

/// A policy file, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    /// The policy proper.
    pub policy: Policy,
    /// The organization, where the file declares one.
    pub organization: Option<Organization>,
    /// What the gate must know of the tables: the schema's where one was given, else the file's.
    pub tables: BTreeMap<TableName, TableFacts>,
}

const DEPTHS: [(&str, Depth); 5] = [
    ("none", Depth::None),
    ("user", Depth::User),
    ("business_unit", Depth::BusinessUnit),
    ("parent_child", Depth::ParentChild),
    ("organization", Depth::Organization),
];

/// Reads and checks a policy document; whether it is JSON is told by the file's name.
///
/// With a schema, the tables are the schema's and the file's `[[table]]` parts are only checked
/// for form. With an organization (kept elsewhere), users and teams named are checked against it,
/// and the file must not declare another.
///
/// # Errors
/// The first thing wrong, with its place.
pub fn read_policy(
    text: &str,
    file: &str,
    schema: Option<&Schema>,
    organization: Option<&Organization>,
) -> Result<PolicyDocument, DocumentError> {
    read_policy_as(Format::of_file(file), text, file, schema, organization)
}

/// [`read_policy`] of a given format; `file` is only named in errors.
///
/// # Errors
/// The first thing wrong, with its place.
pub fn read_policy_as(
    format: Format,
    text: &str,
    file: &str,
    schema: Option<&Schema>,
    organization: Option<&Organization>,
) -> Result<PolicyDocument, DocumentError> {
    let tree = parse(text, format, file)?;
    let mut keys = vec!["role", "column_security", "table", "hierarchy"];
    keys.extend(ORGANIZATION_KEYS);
    let document = Object::document(&tree, &keys)?;
    let mut declared = Declared::new(file);

    let own_tables = read_tables(document, &mut declared)?;
    let tables = if let Some(schema) = schema {
        schema.facts()
    } else {
        check_tables(&own_tables).map_err(|mistake| declared.placed(mistake))?;
        own_tables
    };
    let policy = Policy {
        roles: read_roles(document, &mut declared)?,
        column_security: read_column_security(document, &tables, &mut declared)?,
        hierarchy: read_hierarchy(document, &mut declared)?,
    };
    let own = read_organization(document, &mut declared)?;
    if organization.is_some()
        && let Some(field) = ORGANIZATION_KEYS.iter().find_map(|key| document.get(key))
    {
        let why = "the organization is kept elsewhere: remove it from the policy".to_owned();
        return Err(mistake(field, Noun::BusinessUnit, "", Fault::Other(why)));
    }
    let placed = |mistake| declared.placed(mistake);
    if let Some(own) = &own {
        check_organization(own, Some(&policy)).map_err(placed)?;
    }
    check_policy(&policy, &tables, own.as_ref().or(organization)).map_err(placed)?;
    Ok(PolicyDocument { policy, organization: own, tables })
}

fn read_tables(
    document: Object<'_>,
    declared: &mut Declared,
) -> Read<BTreeMap<TableName, TableFacts>> {
    let mut tables = BTreeMap::new();
    for object in document.objects("table", &["id", "ownership", "secured", "lookups"])? {
        let id: TableName = object.name("id")?;
        declared.add(Noun::Table, id.as_str(), object)?;
        let ownership = read_ownership(object.require("ownership")?)?;
        let secured: BTreeSet<ColumnName> = object.names("secured")?;
        let mut lookups = BTreeMap::new();
        if let Some(field) = object.get("lookups") {
            for field in field.object(&[])?.fields() {
                lookups.insert(field.key_name()?, field.name()?);
            }
        }
        tables.insert(id.clone(), TableFacts { id, ownership, secured, lookups });
    }
    Ok(tables)
}

pub(super) fn read_ownership(field: Field<'_>) -> Read<Ownership> {
    field.word(&[
        ("user_owned", Ownership::UserOwned),
        ("organization_owned", Ownership::OrganizationOwned),
    ])
}

fn read_roles(document: Object<'_>, declared: &mut Declared) -> Read<BTreeMap<RoleId, Role>> {
    let mut roles = BTreeMap::new();
    for object in document.objects("role", &["id", "inheritance", "rights"])? {
        let id: RoleId = object.name("id")?;
        if id.as_str() == SYSTEM_ADMINISTRATOR {
            return Err(mistake(
                object.require("id")?,
                Noun::Role,
                id.as_str(),
                Fault::Predeclared,
            ));
        }
        declared.add(Noun::Role, id.as_str(), object)?;
        let inheritance = object.get("inheritance").map_or(Ok(Inheritance::Direct), |field| {
            field.word(&[("direct", Inheritance::Direct), ("team_only", Inheritance::TeamOnly)])
        })?;
        let mut rights = BTreeMap::new();
        if let Some(field) = object.get("rights") {
            for field in field.object(&[])?.fields() {
                rights.insert(field.key_name()?, read_rights(field)?);
            }
        }
        roles.insert(id, Role { inheritance, rights });
    }
    Ok(roles)
}

fn read_rights(field: Field<'_>) -> Read<BTreeMap<Right, Depth>> {
    let known = Right::ALL.map(Right::as_str);
    let fields = field.object(&known)?.fields();
    let rights = fields.filter_map(|field| {
        let right = Right::from_name(field.key)?;
        Some(field.word(&DEPTHS).map(|depth| (right, depth)))
    });
    rights.collect()
}

fn read_column_security(
    document: Object<'_>,
    tables: &BTreeMap<TableName, TableFacts>,
    declared: &mut Declared,
) -> Read<BTreeMap<ColumnSecurityId, ColumnSecurity>> {
    let mut all = BTreeMap::new();
    for object in document.objects("column_security", &["id", "users", "teams", "columns"])? {
        let id: ColumnSecurityId = object.name("id")?;
        declared.add(Noun::ColumnSecurity, id.as_str(), object)?;
        let mut security = ColumnSecurity {
            users: object.names("users")?,
            teams: object.names("teams")?,
            columns: BTreeMap::new(),
        };
        if let Some(columns) = object.get("columns") {
            for field in columns.object(&[])?.fields() {
                let (table, column) = secured_column(field, id.as_str(), tables)?;
                let object = field.object(&["read", "create", "update"])?;
                let permissions = ColumnPermissions {
                    read: object.flag("read")?,
                    create: object.flag("create")?,
                    update: object.flag("update")?,
                };
                security.columns.entry(table).or_default().insert(column, permissions);
            }
        }
        all.insert(id, security);
    }
    Ok(all)
}

/// The secured column that a key such as `employee.pay_rate` names. Names may hold dots
/// themselves: the first split that names a secured column counts.
fn secured_column(
    field: Field<'_>,
    security: &str,
    tables: &BTreeMap<TableName, TableFacts>,
) -> Read<(TableName, ColumnName)> {
    let splits = || field.key.match_indices('.').map(|(at, _)| field.key.split_at(at));
    let mut known_table = false;
    for (table, column) in splits() {
        let column = column.trim_start_matches('.');
        if let Some(facts) = tables.get(table) {
            known_table = true;
            if let Some(column) = facts.secured.get(column) {
                return Ok((facts.id.clone(), column.clone()));
            }
        }
    }
    let fault = match splits().next() {
        None => Fault::Other("expected TABLE.COLUMN".into()),
        Some(_) if known_table => Fault::NotSecured(field.key.to_owned()),
        Some((table, _)) => Fault::Unknown { what: Noun::Table, id: table.to_owned() },
    };
    Err(mistake(field, Noun::ColumnSecurity, security, fault))
}

fn read_hierarchy(document: Object<'_>, declared: &mut Declared) -> Read<Hierarchy> {
    let Some(field) = document.get("hierarchy") else { return Ok(Hierarchy::default()) };
    let object = field.object(&["model", "depth", "exclude"])?;
    declared.add(Noun::Hierarchy, "", object)?;
    let model = object.get("model").map_or(Ok(HierarchyModel::Off), |field| {
        field.word(&[
            ("off", HierarchyModel::Off),
            ("manager", HierarchyModel::Manager),
            ("position", HierarchyModel::Position),
        ])
    })?;
    let depth = match object.get("depth") {
        Some(field) => {
            let depth = field.integer()?;
            match u32::try_from(depth) {
                Ok(depth) if depth >= 1 || model == HierarchyModel::Off => depth,
                _ => return Err(field.not_a_choice(&depth.to_string(), "1 to 4294967295 levels")),
            }
        }
        None if model == HierarchyModel::Off => 0,
        None => return object.require("depth").map(|_| Hierarchy::default()),
    };
    Ok(Hierarchy { model, depth, exclude: object.names("exclude")? })
}
