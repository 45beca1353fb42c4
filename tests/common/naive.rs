//! The privilege rules once more, written straight from `docs/privileges.md` by scanning JSON, as
//! slowly and plainly as they can be. It shares no code with the gate.

use serde_json::{Map, Value, json};

/// Judges cases by a policy document.
pub(crate) struct Naive<'a> {
    pub(crate) policy: &'a Value,
}

/// A rule's name, with the denied columns where there are any.
type Denied = (&'static str, Option<Vec<String>>);
type Checked = Result<(), Denied>;

fn deny<T>(rule: &'static str) -> Result<T, Denied> {
    Err((rule, None))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn holds(items: &Value, wanted: &str) -> bool {
    list(items).iter().any(|item| item == wanted)
}

impl Naive<'_> {
    pub(crate) fn answer(&self, line: &str) -> Value {
        let denied = match serde_json::from_str::<Value>(line) {
            Err(_) => deny("malformed"),
            Ok(case) => self.judge(&case),
        };
        match denied {
            Ok(()) => json!({"allowed": true}),
            Err((rule, None)) => json!({"allowed": false, "rule": rule}),
            Err((rule, Some(columns))) => {
                json!({"allowed": false, "rule": rule, "denied_columns": columns})
            }
        }
    }

    fn judge(&self, case: &Value) -> Checked {
        if !self.is_case(case) {
            return deny("malformed");
        }
        let Some(user) = self.find("user", text(&case["user"])) else {
            return deny("unknown_user");
        };
        if user["disabled"] == true {
            return deny("disabled_user");
        }
        let user = text(&user["id"]);
        let table = text(&case["table"]);
        let record = &case["record"];
        match text(&case["op"]) {
            "read" => self.needs(user, "read", table, record),
            "delete" => self.needs(user, "delete", table, record),
            "append" => self.needs(user, "append", table, record),
            "append_to" => self.needs(user, "append_to", table, record),
            "undelete" => {
                self.needs_new(user, "create", table, record)?;
                self.right_unit(table, record)
            }
            "read_column" => {
                self.needs(user, "read", table, record)?;
                let column = text(&case["column"]);
                if self.is_secured(table, column)
                    && !self.has_column(user, table, column, record, "read")
                {
                    return deny("no_column_permission");
                }
                Ok(())
            }
            "create" => self.create(user, table, case),
            "write" => self.write(user, table, case),
            "assign" => {
                for right in ["assign", "read", "write"] {
                    self.needs(user, right, table, record)?;
                }
                self.can_own(text(&case["to"]), table)
            }
            "share" => self.share(user, table, case),
            "share_column" => self.share_column(user, table, case),
            _ => unreachable!("checked by is_case"),
        }
    }

    // ---- section 3

    fn create(&self, user: &str, table: &str, case: &Value) -> Checked {
        let record = &case["record"];
        self.needs_new(user, "create", table, record)?;
        let owner = text(&record["owner"]);
        let for_other = self.is_user_owned(table) && owner != format!("user:{user}");
        if for_other {
            self.needs_new(user, "assign", table, record)?;
        }
        let empty = Map::new();
        let lookups = case["lookups"].as_object().unwrap_or(&empty);
        if lookups.values().any(|target| !target.is_null()) {
            self.needs_new(user, "append", table, record)?;
        }
        let mut columns: Vec<&String> = lookups.keys().collect();
        columns.sort_by_key(|column| column.as_bytes());
        for column in columns {
            self.looked_up(user, &lookups[column])?;
        }
        for column in list(&case["columns"]) {
            if self.is_secured(table, text(column))
                && !self.secures(user, table, text(column), "create")
            {
                return deny("no_column_permission");
            }
        }
        if self.is_user_owned(table) {
            self.right_unit(table, record)?;
            if for_other {
                self.can_own(owner, table)?;
            }
        }
        Ok(())
    }

    fn write(&self, user: &str, table: &str, case: &Value) -> Checked {
        let record = &case["record"];
        self.needs(user, "write", table, record)?;
        let empty = Map::new();
        let lookups = case["lookups"].as_object().unwrap_or(&empty);
        let old = |column: &str| &case["old_lookups"][column];
        let mut changed: Vec<&String> =
            lookups.keys().filter(|column| lookups[*column] != *old(column)).collect();
        changed.sort_by_key(|column| column.as_bytes());
        if !changed.is_empty() {
            self.needs(user, "append", table, record)?;
        }
        for column in changed {
            self.looked_up(user, old(column))?;
            self.looked_up(user, &lookups[column])?;
        }
        let denied: Vec<String> = list(&case["columns"])
            .iter()
            .map(text)
            .filter(|column| {
                self.is_secured(table, column)
                    && !self.has_column(user, table, column, record, "update")
            })
            .map(str::to_owned)
            .collect();
        if denied.is_empty() { Ok(()) } else { Err(("no_column_permission", Some(denied))) }
    }

    fn looked_up(&self, user: &str, target: &Value) -> Checked {
        if target.is_null() {
            return Ok(());
        }
        self.needs(user, "read", text(&target["table"]), &target["record"])?;
        self.needs(user, "append_to", text(&target["table"]), &target["record"])
    }

    fn share(&self, user: &str, table: &str, case: &Value) -> Checked {
        let record = &case["record"];
        self.needs(user, "share", table, record)?;
        self.needs(user, "read", table, record)?;
        for right in list(&case["rights"]) {
            let had = list(&record["shares"])
                .iter()
                .any(|share| share["to"] == case["to"] && holds(&share["rights"], text(right)));
            if !had && self.needs(user, text(right), table, record).is_err() {
                return deny("cannot_give_right");
            }
        }
        Ok(())
    }

    fn share_column(&self, user: &str, table: &str, case: &Value) -> Checked {
        let record = &case["record"];
        self.needs(user, "share", table, record)?;
        self.needs(user, "read", table, record)?;
        for permission in ["read", "update"] {
            let had = list(&record["column_shares"]).iter().any(|share| {
                share["to"] == case["to"]
                    && share["column"] == case["column"]
                    && share[permission] == true
            });
            let column = text(&case["column"]);
            if case[permission] == true
                && !had
                && !self.has_column(user, table, column, record, permission)
            {
                return deny("cannot_give_right");
            }
        }
        Ok(())
    }

    fn right_unit(&self, table: &str, record: &Value) -> Checked {
        if !self.is_user_owned(table) {
            return Ok(());
        }
        let (kind, id) = text(&record["owner"]).split_once(':').unwrap();
        let owner = self.find(kind, id).unwrap();
        if owner["business_unit"] == record["business_unit"] {
            Ok(())
        } else {
            deny("wrong_business_unit")
        }
    }

    fn can_own(&self, owner: &str, table: &str) -> Checked {
        let (kind, id) = owner.split_once(':').unwrap();
        let can = if kind == "user" {
            let user = self.find("user", id).unwrap();
            user["disabled"] != true && !self.holdings(id, "read", table).is_empty()
        } else {
            let team = self.find("team", id).unwrap();
            list(&team["roles"]).iter().any(|role| self.depth(text(role), table, "read") > 0)
        };
        if can { Ok(()) } else { deny("owner_cannot_read") }
    }

    // ---- section 2

    /// By all four ways.
    fn needs(&self, user: &str, right: &str, table: &str, record: &Value) -> Checked {
        self.needs_new(user, right, table, record).or_else(|denied| {
            let may = denied.0 == "out_of_depth"
                && self.is_user_owned(table)
                && (self.by_share(user, right, record)
                    || self.by_hierarchy(user, right, table, record));
            if may { Ok(()) } else { Err(denied) }
        })
    }

    /// By ways 1 and 2.
    fn needs_new(&self, user: &str, right: &str, table: &str, record: &Value) -> Checked {
        let holdings = self.holdings(user, right, table);
        if holdings.is_empty() {
            return deny("no_privilege");
        }
        for (role, holder) in holdings {
            let depth = self.depth(&role, table, right);
            if depth == 4 {
                return Ok(());
            }
            if !self.is_user_owned(table) {
                continue;
            }
            let owner = text(&record["owner"]);
            let team_only = holder.starts_with("team:")
                && self.find("role", &role).is_some_and(|role| role["inheritance"] == "team_only");
            let owns = if team_only {
                owner == holder
            } else {
                owner == format!("user:{user}")
                    || self.owner_teams(user).iter().any(|team| owner == format!("team:{team}"))
            };
            let (kind, id) = holder.split_once(':').unwrap();
            let holder_unit = text(&self.find(kind, id).unwrap()["business_unit"]).to_owned();
            let unit = text(&record["business_unit"]);
            if owns
                || (depth >= 2 && unit == holder_unit)
                || (depth == 3 && self.is_at_or_below(unit, &holder_unit))
            {
                return Ok(());
            }
        }
        deny("out_of_depth")
    }

    fn by_share(&self, user: &str, right: &str, record: &Value) -> bool {
        list(&record["shares"]).iter().any(|share| {
            let to = text(&share["to"]);
            (to == "organization" || self.is_or_is_team_of(to, user))
                && holds(&share["rights"], right)
        })
    }

    fn by_hierarchy(&self, user: &str, right: &str, table: &str, record: &Value) -> bool {
        let hierarchy = &self.policy["hierarchy"];
        if holds(&hierarchy["exclude"], table) || self.holdings(user, "read", table).is_empty() {
            return false;
        }
        list(&self.policy["user"]).iter().any(|person| {
            let person = text(&person["id"]);
            let levels = match text(&hierarchy["model"]) {
                "manager" => self.levels_by_manager(person, user),
                "position" => self.levels_by_position(person, user),
                _ => None,
            };
            let reach: &[&str] = match levels {
                Some(1) => &["read", "write", "append", "append_to"],
                Some(levels) if levels <= hierarchy["depth"].as_u64().unwrap() => &["read"],
                _ => &[],
            };
            let owns = text(&record["owner"]) == format!("user:{person}")
                || self
                    .owner_teams(person)
                    .iter()
                    .any(|team| text(&record["owner"]) == format!("team:{team}"));
            let shared = list(&record["shares"]).iter().any(|share| {
                self.is_or_is_team_of(text(&share["to"]), person) && holds(&share["rights"], right)
            });
            reach.contains(&right) && (owns || shared)
        })
    }

    fn levels_by_manager(&self, person: &str, user: &str) -> Option<u64> {
        let unit = |user: &str| text(&self.find("user", user).unwrap()["business_unit"]).to_owned();
        if !self.is_at_or_below(&unit(person), &unit(user)) {
            return None;
        }
        let mut levels = 0;
        let mut at = person.to_owned();
        loop {
            at = text(&self.find("user", &at)?["manager"]).to_owned();
            levels += 1;
            if at == user {
                return Some(levels);
            }
        }
    }

    fn levels_by_position(&self, person: &str, user: &str) -> Option<u64> {
        let position = |user: &str| text(&self.find("user", user).unwrap()["position"]).to_owned();
        let goal = position(user);
        let mut at = position(person);
        let mut levels = 0;
        if goal.is_empty() {
            return None;
        }
        loop {
            at = text(&self.find("position", &at)?["parent"]).to_owned();
            levels += 1;
            if at == goal {
                return Some(levels);
            }
        }
    }

    /// (role, holder) with the right above none.
    fn holdings(&self, user: &str, right: &str, table: &str) -> Vec<(String, String)> {
        let mut holdings = Vec::new();
        let mut add = |holder: &str, roles: &Value| {
            for role in list(roles) {
                if self.depth(text(role), table, right) > 0 {
                    holdings.push((text(role).to_owned(), holder.to_owned()));
                }
            }
        };
        add(&format!("user:{user}"), &self.find("user", user).unwrap()["roles"]);
        for team in self.owner_teams(user) {
            add(&format!("team:{team}"), &self.find("team", &team).unwrap()["roles"]);
        }
        holdings
    }

    fn depth(&self, role: &str, table: &str, right: &str) -> usize {
        if role == "system_administrator" {
            return 4;
        }
        let role = self.find("role", role).unwrap();
        match text(&role["rights"][table][right]) {
            "user" => 1,
            "business_unit" => 2,
            "parent_child" => 3,
            "organization" => 4,
            _ => 0,
        }
    }

    // ---- column permissions

    fn has_column(&self, user: &str, table: &str, column: &str, record: &Value, p: &str) -> bool {
        self.secures(user, table, column, p)
            || list(&record["column_shares"]).iter().any(|share| {
                let to = text(&share["to"]);
                share["column"] == column
                    && share[p] == true
                    && (to == "organization" || self.is_or_is_team_of(to, user))
            })
    }

    /// By column security, or as an administrator.
    fn secures(&self, user: &str, table: &str, column: &str, permission: &str) -> bool {
        let admin = |roles: &Value| holds(roles, "system_administrator");
        admin(&self.find("user", user).unwrap()["roles"])
            || self.owner_teams(user).iter().any(|t| admin(&self.find("team", t).unwrap()["roles"]))
            || list(&self.policy["column_security"]).iter().any(|security| {
                let named = holds(&security["users"], user)
                    || self.teams(user).iter().any(|team| holds(&security["teams"], team));
                named && security["columns"][format!("{table}.{column}")][permission] == true
            })
    }

    // ---- nouns

    pub(crate) fn find(&self, what: &str, id: &str) -> Option<&Value> {
        list(&self.policy[what]).iter().find(|it| it["id"] == id)
    }

    fn teams(&self, user: &str) -> Vec<String> {
        let teams = list(&self.policy["team"]).iter();
        teams
            .filter(|team| holds(&team["members"], user))
            .map(|team| text(&team["id"]).to_owned())
            .collect()
    }

    fn owner_teams(&self, user: &str) -> Vec<String> {
        let mut teams = self.teams(user);
        teams.retain(|team| self.find("team", team).unwrap()["kind"] == "owner");
        teams
    }

    fn is_or_is_team_of(&self, principal: &str, user: &str) -> bool {
        principal == format!("user:{user}")
            || self.teams(user).iter().any(|team| principal == format!("team:{team}"))
    }

    fn is_at_or_below(&self, unit: &str, above: &str) -> bool {
        unit == above
            || self.find("business_unit", unit).is_some_and(|unit| {
                unit["parent"].is_string() && self.is_at_or_below(text(&unit["parent"]), above)
            })
    }

    pub(crate) fn is_user_owned(&self, table: &str) -> bool {
        self.find("table", table).unwrap()["ownership"] == "user_owned"
    }

    pub(crate) fn is_secured(&self, table: &str, column: &str) -> bool {
        holds(&self.find("table", table).unwrap()["secured"], column)
    }
}
