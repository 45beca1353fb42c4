//! Random policies and cases, from a seed.

use serde_json::{Map, Value, json};

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn one<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Some of the items, in order.
    pub(crate) fn some<T: Clone>(&mut self, items: &[T], chance: usize) -> Vec<T> {
        items.iter().filter(|_| self.percent(chance)).cloned().collect()
    }
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

/// A policy document, and its names.
pub(crate) struct World {
    pub(crate) policy: Value,
    pub(crate) units: Vec<String>,
    pub(crate) users: Vec<String>,
    pub(crate) teams: Vec<String>,
    pub(crate) tables: Vec<String>,
}

const RIGHTS: [&str; 8] =
    ["create", "read", "write", "delete", "append", "append_to", "assign", "share"];
const DEPTHS: [&str; 5] = ["none", "user", "business_unit", "parent_child", "organization"];

/// Each of a forest's nodes with an earlier one as parent, or none.
fn forest(random: &mut Random, nodes: &[String], roots: bool) -> Vec<Value> {
    let node = |n: usize, random: &mut Random| {
        let mut node = json!({"id": nodes[n]});
        if n > 0 && !(roots && random.percent(25)) {
            node["parent"] = json!(nodes[random.below(n)]);
        }
        node
    };
    (0..nodes.len()).map(|n| node(n, random)).collect()
}

impl World {
    pub(crate) fn new(random: &mut Random) -> Self {
        let count = 1 + random.below(6);
        let units = names("unit", count);
        let count = random.below(6);
        let positions = names("position", count);
        let count = 2 + random.below(7);
        let users = names("user", count);
        let count = random.below(6);
        let teams = names("team", count);
        let count = 1 + random.below(5);
        let mut roles = names("role", count);
        let tables = names("table", 4);
        let mut policy = json!({
            "business_unit": forest(random, &units, false),
            "position": forest(random, &positions, true),
            "role": Self::roles(random, &roles, &tables),
            "table": Self::tables(random, &tables),
        });
        roles.push("system_administrator".into());
        policy["user"] = Self::users(random, &users, &units, &positions, &roles);
        policy["team"] = Self::teams(random, &teams, &units, &users, &roles);
        policy["column_security"] = Self::column_security(random, &policy, &users, &teams);
        if random.percent(75) {
            policy["hierarchy"] = json!({
                "model": random.one(&["off", "manager", "manager", "position", "position"]),
                "depth": 1 + random.below(3),
                "exclude": random.some(&tables, 15),
            });
        }
        Self { policy, units, users, teams, tables }
    }

    fn roles(random: &mut Random, roles: &[String], tables: &[String]) -> Value {
        let mut all = Vec::new();
        for id in roles {
            let mut rights = Map::new();
            // Mostly generous: else nearly every answer is `no_privilege`.
            let generous = random.percent(70);
            for table in random.some(tables, if generous { 90 } else { 50 }) {
                let mut depths = Map::new();
                for right in random.some(&RIGHTS, if generous { 85 } else { 50 }) {
                    let depth = if random.percent(60) {
                        DEPTHS[1 + random.below(2)]
                    } else {
                        random.one(&DEPTHS)
                    };
                    depths.insert(right.into(), json!(depth));
                }
                rights.insert(table, Value::Object(depths));
            }
            let mut role = json!({"id": id, "rights": rights});
            if random.percent(50) {
                role["inheritance"] = json!(random.one(&["direct", "team_only"]));
            }
            all.push(role);
        }
        Value::Array(all)
    }

    fn tables(random: &mut Random, tables: &[String]) -> Value {
        let mut all = Vec::new();
        for (n, id) in tables.iter().enumerate() {
            let mut lookups = Map::new();
            for column in random.some(&["é_link", "a_link", "Z_link"], 60) {
                lookups.insert(column.into(), json!(random.one(tables)));
            }
            all.push(json!({
                "id": id,
                "ownership": if n == 3 { "organization_owned" } else { "user_owned" },
                "secured": random.some(&["cost", "pay.rate", "born"], 60),
                "lookups": lookups,
            }));
        }
        Value::Array(all)
    }

    fn users(
        random: &mut Random,
        users: &[String],
        units: &[String],
        positions: &[String],
        roles: &[String],
    ) -> Value {
        let mut all = Vec::new();
        for (n, id) in users.iter().enumerate() {
            let mut user = json!({"id": id, "business_unit": random.one(units)});
            if n > 0 && random.percent(80) {
                user["manager"] = json!(users[random.below(n)]);
            }
            if !positions.is_empty() && random.percent(80) {
                user["position"] = json!(random.one(positions));
            }
            let (admin, others) = roles.split_last().unwrap();
            let mut roles = random.some(others, 45);
            if random.percent(4) {
                roles.push(admin.clone());
            }
            user["roles"] = json!(roles);
            if random.percent(12) {
                user["disabled"] = json!(true);
            }
            all.push(user);
        }
        Value::Array(all)
    }

    fn teams(
        random: &mut Random,
        teams: &[String],
        units: &[String],
        users: &[String],
        roles: &[String],
    ) -> Value {
        let mut all = Vec::new();
        for id in teams {
            let mut team = json!({"id": id, "kind": "access", "members": random.some(users, 40)});
            if random.percent(65) {
                team["kind"] = json!("owner");
                team["business_unit"] = json!(random.one(units));
                let (admin, others) = roles.split_last().unwrap();
                let mut roles = random.some(others, 40);
                if random.percent(3) {
                    roles.push(admin.clone());
                }
                team["roles"] = json!(roles);
            }
            all.push(team);
        }
        Value::Array(all)
    }

    fn column_security(
        random: &mut Random,
        policy: &Value,
        users: &[String],
        teams: &[String],
    ) -> Value {
        let mut all = Vec::new();
        for n in 0..random.below(4) {
            let mut columns = Map::new();
            for table in policy["table"].as_array().unwrap() {
                for column in table["secured"].as_array().unwrap() {
                    if random.percent(60) {
                        let key = format!(
                            "{}.{}",
                            table["id"].as_str().unwrap(),
                            column.as_str().unwrap()
                        );
                        let permissions = json!({
                            "read": random.percent(60),
                            "create": random.percent(60),
                            "update": random.percent(60),
                        });
                        columns.insert(key, permissions);
                    }
                }
            }
            all.push(json!({
                "id": format!("security{n}"),
                "users": random.some(users, 30),
                "teams": random.some(teams, 30),
                "columns": columns,
            }));
        }
        Value::Array(all)
    }

    fn table(&self, id: &str) -> &Value {
        self.policy["table"].as_array().unwrap().iter().find(|table| table["id"] == id).unwrap()
    }

    pub(crate) fn principal(&self, random: &mut Random) -> String {
        match random.below(10) {
            0 => "organization".into(),
            1..5 if !self.teams.is_empty() => format!("team:{}", random.one(&self.teams)),
            _ => format!("user:{}", random.one(&self.users)),
        }
    }

    pub(crate) fn is_owned(&self, table: &str) -> bool {
        self.table(table)["ownership"] == "user_owned"
    }

    /// An owner, and its business unit or, now and then, another one.
    pub(crate) fn owner_and_unit(&self, random: &mut Random) -> (String, String) {
        let owner = self.owner(random);
        let unit = self.unit_of(&owner).as_str().unwrap().to_owned();
        let unit = if random.percent(20) { random.one(&self.units).clone() } else { unit };
        (owner, unit)
    }

    fn owner(&self, random: &mut Random) -> String {
        let teams = self.policy["team"].as_array().unwrap();
        let owners: Vec<&Value> = teams.iter().filter(|team| team["kind"] == "owner").collect();
        if !owners.is_empty() && random.percent(35) {
            format!("team:{}", random.one(&owners)["id"].as_str().unwrap())
        } else {
            format!("user:{}", random.one(&self.users))
        }
    }

    fn unit_of(&self, owner: &str) -> Value {
        let (kind, id) = owner.split_once(':').unwrap();
        let all = self.policy[kind].as_array().unwrap();
        all.iter().find(|it| it["id"] == id).unwrap()["business_unit"].clone()
    }

    fn rights(random: &mut Random) -> Vec<&'static str> {
        random.some(&RIGHTS[1..], 40)
    }

    pub(crate) fn record(&self, random: &mut Random, table: &str, is_new: bool) -> Value {
        let table = self.table(table);
        let mut record = json!({});
        if table["ownership"] == "user_owned" {
            let owner = self.owner(random);
            record["business_unit"] = if random.percent(85) {
                self.unit_of(&owner)
            } else {
                json!(random.one(&self.units))
            };
            record["owner"] = json!(owner);
            if !is_new && random.percent(40) {
                let shares: Vec<Value> = (0..random.below(4))
                    .map(|_| json!({"to": self.principal(random), "rights": Self::rights(random)}))
                    .collect();
                record["shares"] = json!(shares);
            }
        }
        let secured = table["secured"].as_array().unwrap();
        if !is_new && !secured.is_empty() && random.percent(40) {
            let shares: Vec<Value> = (0..random.below(4))
                .map(|_| {
                    json!({
                        "to": self.principal(random),
                        "column": random.one(secured),
                        "read": random.percent(50),
                        "update": random.percent(50),
                    })
                })
                .collect();
            record["column_shares"] = json!(shares);
        }
        record
    }

    fn lookups(&self, random: &mut Random, table: &str, chance: usize) -> Value {
        let mut lookups = Map::new();
        for (column, target) in self.table(table)["lookups"].as_object().unwrap() {
            if random.percent(chance) {
                let target = target.as_str().unwrap();
                let looked_up = if random.percent(25) {
                    Value::Null
                } else {
                    json!({"table": target, "record": self.record(random, target, false)})
                };
                lookups.insert(column.clone(), looked_up);
            }
        }
        Value::Object(lookups)
    }

    fn columns(&self, random: &mut Random, table: &str) -> Value {
        let mut columns = self.table(table)["secured"].as_array().unwrap().clone();
        columns.extend([json!("title"), json!("owner")]);
        if random.percent(20) {
            columns.reverse();
        }
        json!(random.some(&columns, 40))
    }

    /// A case whose structure is right, mostly.
    pub(crate) fn case(&self, random: &mut Random) -> Value {
        const OPS: [&str; 14] = [
            "read",
            "delete",
            "undelete",
            "create",
            "create",
            "write",
            "write",
            "write",
            "read_column",
            "assign",
            "share",
            "share_column",
            "append",
            "append_to",
        ];
        let op = *random.one(&OPS);
        let table = random.one(&self.tables).clone();
        let user = if random.percent(1) { "stranger" } else { random.one(&self.users).as_str() };
        let mut record = self.record(random, &table, op == "create");
        // Many records of the user's own, else few creates get past the first rule.
        if random.percent(35) && record.get("owner").is_some() && user != "stranger" {
            record["owner"] = json!(format!("user:{user}"));
            if random.percent(95) {
                record["business_unit"] = self.unit_of(&format!("user:{user}"));
            }
        }
        let mut case = json!({"user": user, "op": op, "table": table, "record": record});
        let mut extra = |key: &str, value: Value| case[key] = value;
        let secured = self.table(&table)["secured"].as_array().unwrap();
        let secured = if secured.is_empty() { json!("title") } else { random.one(secured).clone() };
        match op {
            "create" | "write" => {
                extra("columns", self.columns(random, &table));
                let lookups = self.lookups(random, &table, 40);
                if op == "write" && random.percent(60) {
                    let mut old = self.lookups(random, &table, 60);
                    for (column, target) in lookups.as_object().unwrap() {
                        if random.percent(35) {
                            old[column] = target.clone();
                        }
                    }
                    extra("old_lookups", old);
                }
                extra("lookups", lookups);
            }
            "read_column" => {
                extra("column", if random.percent(80) { secured } else { json!("title") });
            }
            "assign" => extra("to", json!(self.owner(random))),
            "share" => {
                extra("to", json!(self.principal(random)));
                extra("rights", json!(Self::rights(random)));
            }
            "share_column" => {
                extra("to", json!(self.principal(random)));
                extra("column", secured);
                if random.percent(80) {
                    extra("read", json!(random.percent(70)));
                }
                if random.percent(80) {
                    extra("update", json!(random.percent(50)));
                }
            }
            _ => {}
        }
        case
    }

    /// A case with one thing about its structure changed: often malformed, sometimes not.
    pub(crate) fn broken_case(&self, random: &mut Random) -> String {
        let mut case = self.case(random);
        mutate(self, random, &mut case);
        let mut line = case.to_string();
        if random.percent(4) {
            let mut at = random.below(line.len());
            while !line.is_char_boundary(at) {
                at -= 1;
            }
            line.truncate(at);
        }
        line
    }
}

/// Changes something at a random depth.
fn mutate(world: &World, random: &mut Random, value: &mut Value) {
    let odd = [
        json!(null),
        json!(1),
        json!(true),
        json!(""),
        json!([]),
        json!({}),
        json!([1]),
        json!("organization"),
        json!("user:user0"),
        json!("user:nobody"),
        json!("team:team0"),
        json!("team:team1"),
        json!("user0"),
        json!("unit0"),
        json!("table0"),
        json!("table3"),
        json!("create"),
        json!("read"),
        json!("a_link"),
        json!("cost"),
        json!(["create"]),
        json!(["cost", "a_link"]),
    ];
    match value {
        Value::Object(object) if !object.is_empty() && random.percent(85) => {
            let keys: Vec<String> = object.keys().cloned().collect();
            let key = random.one(&keys).clone();
            match random.below(10) {
                0 => {
                    object.remove(&key);
                }
                1 => {
                    const KEYS: [&str; 14] = [
                        "user",
                        "shares",
                        "column_shares",
                        "columns",
                        "lookups",
                        "old_lookups",
                        "column",
                        "to",
                        "rights",
                        "read",
                        "update",
                        "owner",
                        "business_unit",
                        "x",
                    ];
                    let key = (*random.one(&KEYS)).to_owned();
                    object.insert(key, random.one(&odd).clone());
                }
                2 => {
                    object.insert(key, random.one(&odd).clone());
                }
                3 => {
                    // Same key, a value that could stand somewhere.
                    let table = random.one(&world.tables).clone();
                    let record = world.record(random, &table, false);
                    object.insert(key, record);
                }
                _ => mutate(world, random, object.get_mut(&key).unwrap()),
            }
        }
        Value::Array(items) if !items.is_empty() && random.percent(80) => {
            let at = random.below(items.len());
            mutate(world, random, &mut items[at]);
        }
        Value::Array(items) => items.push(random.one(&odd).clone()),
        other => *other = random.one(&odd).clone(),
    }
}
