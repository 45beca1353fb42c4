//! The tables, and who may do what with them: drawn at random, and changed at random.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate::gate::Roster;
use tidegate::model::{
    BusinessUnit, BusinessUnitId, Column, ColumnPermissions, ColumnSecurity, ColumnSecurityId,
    ColumnType, Depth, Inheritance, Organization, Ownership, Policy, Right, Role, RoleId,
    SYSTEM_ADMINISTRATOR, Schema, SystemTable, Table, TableName, Team, TeamId, TeamKind, User,
    UserId, Value,
};
use tidegate::sync::server::Rules;

use crate::rng::Rng;

pub(crate) const USERS: [&str; 4] = ["ann", "ben", "cem", "dia"];
pub(crate) const UNITS: [(&str, Option<&str>); 4] =
    [("root", None), ("north", Some("root")), ("south", Some("root")), ("east", Some("north"))];
pub(crate) const ROLES: [&str; 4] = ["worker", "lead", "clerk", "crew"];
pub(crate) const TEAMS: [&str; 2] = ["gold", "iron"];
pub(crate) const TABLES: [&str; 4] = ["customer", "order", "place", "sheet"];
/// Those that the server keeps, from the organization.
pub(crate) const SYSTEM: [&str; 3] = ["user", "team", "business_unit"];
/// Columns of `order` that may be secured: the last one begins open.
pub(crate) const SECURED: [&str; 3] = ["cost", "margin", "title"];
/// Columns that `order` and `customer` may get.
pub(crate) const ADDED: [&str; 3] = ["size", "color", "place"];

/// Whether a column of this name may be secured at some time.
pub(crate) fn may_be_secured(column: &str) -> bool {
    SECURED.contains(&column) || column == "disabled"
}

pub(crate) fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn column(id: &str, column_type: ColumnType) -> Column {
    Column::new(name(id), column_type)
}

/// `customer` and `place` have keys, `order` looks up customers and has secured columns, `place`
/// belongs to the organization, and in `sheet` all columns merge part by part.
pub(crate) fn schema() -> Schema {
    let text = |id| column(id, ColumnType::Text);
    let secured = |id| Column { secured: true, ..text(id) };
    let required = |id| Column { required: true, ..text(id) };
    let lookup =
        Column { lookup: Some(name("customer")), ..column("customer", ColumnType::Lookup) };
    let clerk = Column { lookup: Some(name("user")), ..column("clerk", ColumnType::Lookup) };
    let table = |id, ownership, columns, key: &[&str]| {
        let key = key.iter().map(|id| name(id)).collect();
        let table = Table { key, ..Table::new(name(id), ownership, columns) };
        (table.id.clone(), table)
    };
    let sheet = vec![
        column("body", ColumnType::RichText),
        column("tags", ColumnType::List),
        column("count", ColumnType::Counter),
    ];
    let note = Column { group: Some(name("remarks")), ..text("note") };
    let order = vec![text("title"), note, secured("cost"), secured("margin"), lookup, clerk];
    let system = SystemTable::ALL.map(|system| {
        let secured: &[&str] = if system == SystemTable::User { &["disabled"] } else { &[] };
        (system.name(), system.table(&secured.iter().map(|id| name(id)).collect()))
    });
    let tables = BTreeMap::from(system);
    Schema {
        tables: tables
            .into_iter()
            .chain([
                table(
                    "customer",
                    Ownership::UserOwned,
                    vec![required("code"), text("note")],
                    &["code"],
                ),
                table("order", Ownership::UserOwned, order, &[]),
                table(
                    "place",
                    Ownership::OrganizationOwned,
                    vec![text("code"), text("note")],
                    &["code"],
                ),
                table("sheet", Ownership::UserOwned, sheet, &[]),
            ])
            .collect(),
        ..Schema::default()
    }
}

/// Schema, policy and organization: what is true, whatever a server believes.
#[derive(Debug, Clone)]
pub(crate) struct People {
    pub(crate) schema: Schema,
    pub(crate) policy: Policy,
    pub(crate) organization: Organization,
}

impl People {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let units = UNITS
            .map(|(id, parent)| (name(id), BusinessUnit { name: None, parent: parent.map(name) }));
        let user = |id: &str, rng: &mut Rng| {
            let user = User {
                name: None,
                business_unit: unit(rng),
                manager: None,
                position: None,
                roles: BTreeSet::from([name("worker")]),
                disabled: false,
            };
            (name::<UserId>(id), user)
        };
        let users = USERS.iter().map(|id| user(id, rng)).collect();
        let teams = TEAMS.iter().map(|id| (name::<TeamId>(id), team(rng))).collect();
        let organization = Organization {
            business_units: BTreeMap::from(units),
            positions: BTreeMap::new(),
            users,
            teams,
        };
        let mut people = Self { schema: schema(), policy: Policy::default(), organization };
        for id in ROLES {
            people.policy.roles.insert(name(id), role(id, rng));
        }
        for id in ["payroll", "sales"] {
            let security = security(rng);
            people.policy.column_security.insert(name::<ColumnSecurityId>(id), security);
        }
        for id in ADDED {
            if rng.chance(40) {
                let column_type = added_type(rng);
                people.columns_of("order").push(column(id, column_type));
            }
        }
        for _ in 0..2 {
            people.change_policy(rng);
            people.change_organization(rng);
        }
        people
    }

    /// Whether a column is secured, or was when it was removed.
    pub(crate) fn is_secured(&self, table: &str, column: &str) -> bool {
        match self.schema.table(table).map(|table| table.column(column)) {
            Some(Some(column)) => column.secured,
            // Only secured ones are removed of these.
            Some(None) => table == "order" && SECURED.contains(&column),
            None => false,
        }
    }

    pub(crate) fn is_declared(&self, table: &str, column: &str) -> bool {
        self.schema.table(table).is_some_and(|table| table.column(column).is_some())
    }

    /// One thing is allowed otherwise.
    pub(crate) fn change_policy(&mut self, rng: &mut Rng) -> &'static str {
        let role_name = *rng.pick(&ROLES).unwrap();
        match rng.weighted(&[20, 15, 10]) {
            0 => {
                let role = self.policy.roles.get_mut(&name::<RoleId>(role_name)).unwrap();
                let table = *rng.pick(&[&TABLES[..], &SYSTEM].concat()).unwrap();
                let rights = role.rights.entry(name(table)).or_default();
                rights.insert(*rng.pick(&Right::ALL).unwrap(), depth(table, rng));
                "a depth"
            }
            1 => {
                let id = *rng.pick(&["payroll", "sales"]).unwrap();
                self.policy.column_security.insert(name(id), security(rng));
                "column security"
            }
            _ => {
                let role = role(role_name, rng);
                self.policy.roles.insert(name(role_name), role);
                "a role"
            }
        }
    }

    /// One person or team is administered otherwise.
    pub(crate) fn change_organization(&mut self, rng: &mut Rng) -> &'static str {
        let user: UserId = name(rng.pick(&USERS).unwrap());
        let user = self.organization.users.get_mut(&user).unwrap();
        let role_name = *rng.pick(&ROLES).unwrap();
        match rng.weighted(&[15, 8, 15, 15, 3, 10]) {
            0 => {
                user.business_unit = unit(rng);
                "a user moves"
            }
            1 => {
                user.disabled = !user.disabled;
                "a user is disabled or enabled"
            }
            2 => {
                if !user.roles.remove(&name::<RoleId>(role_name)) {
                    user.roles.insert(name(role_name));
                }
                "a role is given or taken"
            }
            3 => {
                let id: TeamId = name(rng.pick(&TEAMS).unwrap());
                if rng.chance(15) {
                    self.organization.teams.remove(&id);
                    return "a team goes";
                }
                self.organization.teams.insert(id, team(rng));
                "a team"
            }
            4 => {
                if !user.roles.remove(&name::<RoleId>(SYSTEM_ADMINISTRATOR)) {
                    user.roles.insert(name(SYSTEM_ADMINISTRATOR));
                }
                "an administrator comes or goes"
            }
            5 => {
                let called = name(rng.pick(&["Ada", "Bo", "Cy"]).unwrap());
                match rng.below(3) {
                    0 => user.name = Some(called),
                    1 => user.manager = Some(name(USERS[0])).filter(|_| rng.chance(50)),
                    _ => {
                        let unit: BusinessUnitId = unit(rng);
                        let unit = self.organization.business_units.get_mut(&unit).unwrap();
                        unit.name = Some(called);
                    }
                }
                "someone is called otherwise"
            }
            _ => unreachable!("six weights"),
        }
    }

    pub(crate) fn of_order(&mut self, id: &str) -> &mut Column {
        self.columns_of("order").iter_mut().find(|column| column.id.as_str() == id).unwrap()
    }

    fn columns_of(&mut self, table: &str) -> &mut Vec<Column> {
        &mut self.schema.tables.get_mut(table).unwrap().columns
    }

    /// One column comes or goes, is secured or not any more, changes groups or type, is required or
    /// called otherwise; or a table goes, or comes back.
    pub(crate) fn change_schema(&mut self, rng: &mut Rng) -> &'static str {
        match rng.weighted(&[25, 15, 25, 35, 25, 12, 8, 3, 10]) {
            8 => {
                let user = self.schema.tables.get_mut(&name::<TableName>("user")).unwrap();
                let column = user.columns.iter_mut().find(|it| it.id.as_str() == "disabled");
                let column = column.unwrap();
                column.secured = !column.secured;
                "a column of users is secured or not any more"
            }
            0 => {
                let id = *rng.pick(&SECURED).unwrap();
                let mut columns = self.columns_of("order").iter_mut();
                if let Some(column) = columns.find(|column| column.id.as_str() == id) {
                    column.secured = !column.secured;
                } else {
                    let secured = rng.chance(50);
                    let back = Column { secured, ..column(id, ColumnType::Text) };
                    self.columns_of("order").push(back);
                }
                "a column is secured or not any more, or comes back"
            }
            3 => {
                let to = added_type(rng);
                if let Some(column) = self.some_added(rng) {
                    *column = Column { required: false, default: None, ..column.clone() };
                    column.column_type = to;
                }
                "a column is of another type"
            }
            4 => {
                let (required, has_default) = (rng.chance(60), rng.chance(60));
                if let Some(column) = self.some_added(rng) {
                    let default = match column.column_type {
                        ColumnType::Text => Value::Text("some".into()),
                        ColumnType::Integer => Value::Integer(0),
                        ColumnType::Float => Value::Float(0.0),
                        _ => Value::Decimal(0.into()),
                    };
                    column.required = required;
                    column.default = Some(default).filter(|_| required && has_default);
                }
                "a column is required or not any more"
            }
            5 => {
                if rng.chance(30) {
                    let is_margin = |it: &Column| it.id.as_str() == "margin" && it.secured;
                    self.columns_of("order").retain(|column| !is_margin(column));
                } else if let Some(id) = self.some_added(rng).map(|column| column.id.clone()) {
                    self.columns_of("order").retain(|column| column.id != id);
                }
                "a column is removed"
            }
            6 => {
                let id = *rng.pick(&["place", "sheet"]).unwrap();
                if self.schema.tables.remove(id).is_none() {
                    let table = schema().tables.remove(id).unwrap();
                    self.schema.tables.insert(table.id.clone(), table);
                }
                "a table is removed or comes back"
            }
            7 => {
                let to = if rng.chance(50) { Some(name("Anders")) } else { None };
                self.of_order("note").name = to;
                "a column is called otherwise"
            }
            1 => {
                let column = self.of_order("note");
                let group = column.group.take();
                column.group = group.is_none().then(|| name("remarks"));
                "a column changes groups"
            }
            _ => {
                let table = *rng.pick(&["order", "customer"]).unwrap();
                let columns =
                    &mut self.schema.tables.get_mut(&name::<TableName>(table)).unwrap().columns;
                let id = *rng.pick(&ADDED).unwrap();
                let column_type = if rng.chance(60) { ColumnType::Text } else { added_type(rng) };
                if columns.iter().all(|column| column.id.as_str() != id) {
                    columns.push(column(id, column_type));
                }
                "a column is added"
            }
        }
    }

    /// A column that was added.
    fn some_added(&mut self, rng: &mut Rng) -> Option<&mut Column> {
        let table = if rng.chance(80) { "order" } else { "customer" };
        let columns = self.columns_of(table).iter_mut();
        let added: Vec<_> = columns.filter(|it| ADDED.contains(&it.id.as_str())).collect();
        let at = rng.below(added.len().max(1));
        added.into_iter().nth(at)
    }

    /// Someone moves to another business unit, or a team does.
    pub(crate) fn relocate(&mut self, rng: &mut Rng) -> &'static str {
        let to = unit(rng);
        if rng.chance(70) {
            let user: UserId = name(rng.pick(&USERS).unwrap());
            self.organization.users.get_mut(&user).unwrap().business_unit = to;
            return "a user moves";
        }
        let id: TeamId = name(rng.pick(&TEAMS).unwrap());
        if let Some(Team { kind: TeamKind::Owner { business_unit, .. }, .. }) =
            self.organization.teams.get_mut(&id)
        {
            *business_unit = to;
        }
        "a team moves"
    }

    pub(crate) fn rules(&self) -> Rules {
        let roster =
            Roster::new(Arc::new(self.policy_in_force()), Arc::new(self.organization.clone()));
        Rules::new(self.schema.clone(), roster).unwrap()
    }

    /// Whether the two say the same.
    pub(crate) fn rules_as(&self, other: &Self) -> bool {
        self.schema == other.schema
            && self.organization == other.organization
            && self.policy_in_force() == other.policy_in_force()
    }

    /// A policy says nothing of columns that are not secured, nor of tables that are not there.
    fn policy_in_force(&self) -> Policy {
        let mut policy = self.policy.clone();
        for security in policy.column_security.values_mut() {
            for (table, columns) in &mut security.columns {
                columns.retain(|column, _| {
                    let (table, column) = (table.as_str(), column.as_str());
                    self.is_secured(table, column) && self.is_declared(table, column)
                });
            }
        }
        for role in policy.roles.values_mut() {
            role.rights.retain(|table, _| self.schema.tables.contains_key(table));
        }
        policy
    }

    /// The same people, all of whom may do everything: the rules of a server with a planted bug.
    pub(crate) fn permissive(&self) -> Self {
        let mut people = self.clone();
        for user in people.organization.users.values_mut() {
            user.disabled = false;
            user.roles.insert(name(SYSTEM_ADMINISTRATOR));
        }
        people
    }

    /// The same people, whom nobody calls anything.
    pub(crate) fn nameless(&self) -> Self {
        let mut people = self.clone();
        people.organization.users.values_mut().for_each(|user| user.name = None);
        people.organization.business_units.values_mut().for_each(|unit| unit.name = None);
        people
    }

    /// The same people, all of whom may read all columns.
    pub(crate) fn open_columns(&self) -> Self {
        let mut people = self.clone();
        for security in people.policy.column_security.values_mut() {
            security.users = USERS.iter().map(|id| name(id)).collect();
            let columns = security.columns.values_mut().flat_map(BTreeMap::values_mut);
            columns.for_each(|permissions| permissions.read = true);
        }
        people
    }
}

fn added_type(rng: &mut Rng) -> ColumnType {
    let all = [ColumnType::Text, ColumnType::Integer, ColumnType::Decimal, ColumnType::Float];
    *rng.pick(&all).unwrap()
}

/// Whether a value reads in a column: a naive model for the values that apps set in these worlds,
/// which are texts, whole numbers and halves.
pub(crate) fn reads_in(column: &Column, value: &Value) -> bool {
    let said = match value {
        Value::Null => return !column.required || column.default.is_some(),
        Value::Text(text) => text.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => return value.column_type() == Some(column.column_type),
    };
    let digits = said.strip_suffix(".5").unwrap_or(&said);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match column.column_type {
        ColumnType::Text => true,
        ColumnType::Integer => is_number && digits == said,
        ColumnType::Decimal | ColumnType::Float => is_number,
        _ => value.column_type() == Some(column.column_type),
    }
}

fn unit(rng: &mut Rng) -> BusinessUnitId {
    name(rng.pick(&UNITS).unwrap().0)
}

fn team(rng: &mut Rng) -> Team {
    let roles = [("crew", 70), ("clerk", 20)];
    let roles = roles.iter().filter(|(_, percent)| rng.chance(*percent)).map(|(id, _)| name(id));
    let roles = roles.collect();
    let members = USERS.iter().filter(|_| rng.chance(40)).map(|id| name(id)).collect();
    if rng.chance(15) {
        return Team { name: None, kind: TeamKind::Access, members };
    }
    Team { name: None, kind: TeamKind::Owner { business_unit: unit(rng), roles }, members }
}

fn role(id: &str, rng: &mut Rng) -> Role {
    let inheritance = if rng.chance(50) { Inheritance::Direct } else { Inheritance::TeamOnly };
    let mut rights: BTreeMap<TableName, BTreeMap<Right, Depth>> = BTreeMap::new();
    for table in TABLES.into_iter().chain(SYSTEM) {
        for right in Right::ALL {
            // Most of what most people try should be allowed, or nothing is put to the test.
            if id == "worker" || rng.chance(40) {
                rights.entry(name(table)).or_default().insert(right, depth(table, rng));
            }
        }
    }
    Role { inheritance, rights }
}

fn depth(table: &str, rng: &mut Rng) -> Depth {
    let depths =
        [Depth::None, Depth::User, Depth::BusinessUnit, Depth::ParentChild, Depth::Organization];
    let weights = if table == "place" { [10, 2, 2, 2, 84] } else { [6, 14, 20, 20, 40] };
    depths[rng.weighted(&weights)]
}

fn security(rng: &mut Rng) -> ColumnSecurity {
    let mut columns = BTreeMap::new();
    for id in SECURED {
        let permissions = ColumnPermissions {
            read: rng.chance(70),
            create: rng.chance(70),
            update: rng.chance(70),
        };
        columns.insert(name(id), permissions);
    }
    let permissions = ColumnPermissions { read: rng.chance(70), create: false, update: true };
    let of_user = BTreeMap::from([(name("disabled"), permissions)]);
    ColumnSecurity {
        users: USERS.iter().filter(|_| rng.chance(40)).map(|id| name(id)).collect(),
        teams: TEAMS.iter().filter(|_| rng.chance(30)).map(|id| name(id)).collect(),
        columns: BTreeMap::from([(name("order"), columns), (name("user"), of_user)]),
    }
}
