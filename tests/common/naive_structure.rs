//! The naive model's part for what is malformed: section 6 of `docs/privileges.md`.

use serde_json::{Value, json};

use crate::naive::{Naive, text};

const RIGHTS: [&str; 8] =
    ["create", "read", "write", "delete", "append", "append_to", "assign", "share"];

impl Naive<'_> {
    pub(crate) fn is_case(&self, case: &Value) -> bool {
        let has_keys = |needed: &[&str], optional: &[&str]| {
            let base = ["user", "op", "table", "record"];
            case.as_object().is_some_and(|object| {
                base.iter().chain(needed).all(|key| object.contains_key(*key))
                    && object.keys().all(|key| {
                        base.contains(&&**key)
                            || needed.contains(&&**key)
                            || optional.contains(&&**key)
                    })
            })
        };
        let Some(op) = case["op"].as_str() else { return false };
        let keys = match op {
            "read" | "delete" | "undelete" | "append" | "append_to" => has_keys(&[], &[]),
            "create" => has_keys(&[], &["columns", "lookups"]),
            "write" => has_keys(&[], &["columns", "lookups", "old_lookups"]),
            "read_column" => has_keys(&["column"], &[]),
            "assign" => has_keys(&["to"], &[]),
            "share" => has_keys(&["to", "rights"], &[]),
            "share_column" => has_keys(&["to", "column"], &["read", "update"]),
            _ => false,
        };
        if !keys || !case["user"].is_string() {
            return false;
        }
        let Some(table) = case["table"].as_str().filter(|id| self.find("table", id).is_some())
        else {
            return false;
        };
        let record = &case["record"];
        if !self.is_record(table, record) {
            return false;
        }
        let is_new = record.get("shares").is_none() && record.get("column_shares").is_none();
        let flag = |key: &str| case.get(key).is_none_or(Value::is_boolean);
        match op {
            "create" | "write" => {
                (op == "write" || is_new)
                    && case.get("columns").is_none_or(|columns| self.are_columns(table, columns))
                    && ["lookups", "old_lookups"].iter().all(|key| {
                        case.get(*key).is_none_or(|lookups| self.are_lookups(table, lookups))
                    })
            }
            "read_column" => self.are_columns(table, &json!([case["column"]])),
            "assign" => self.is_user_owned(table) && self.is_owner(&case["to"]),
            "share" => {
                self.is_user_owned(table)
                    && self.is_principal(&case["to"])
                    && are_rights(&case["rights"])
            }
            "share_column" => {
                self.is_principal(&case["to"])
                    && self.is_secured_column(table, &case["column"])
                    && flag("read")
                    && flag("update")
            }
            _ => true,
        }
    }

    fn is_record(&self, table: &str, record: &Value) -> bool {
        let Some(object) = record.as_object() else { return false };
        let known: &[&str] = if self.is_user_owned(table) {
            &["owner", "business_unit", "shares", "column_shares"]
        } else {
            &["column_shares"]
        };
        let keys = object.keys().all(|key| known.contains(&&**key));
        let owner = !self.is_user_owned(table)
            || (self.is_owner(&record["owner"])
                && record["business_unit"]
                    .as_str()
                    .is_some_and(|unit| self.find("business_unit", unit).is_some()));
        let shares = object.get("shares").is_none_or(|shares| {
            shares.as_array().is_some_and(|shares| {
                shares.iter().all(|share| {
                    has_exactly(share, &["to", "rights"])
                        && self.is_principal(&share["to"])
                        && are_rights(&share["rights"])
                })
            })
        });
        let column_shares = object.get("column_shares").is_none_or(|shares| {
            shares.as_array().is_some_and(|shares| {
                shares.iter().all(|share| {
                    has_exactly(share, &["to", "column", "read", "update"])
                        && self.is_principal(&share["to"])
                        && self.is_secured_column(table, &share["column"])
                        && share["read"].is_boolean()
                        && share["update"].is_boolean()
                })
            })
        });
        keys && owner && shares && column_shares
    }

    fn is_owner(&self, owner: &Value) -> bool {
        match owner.as_str().and_then(|owner| owner.split_once(':')) {
            Some(("user", id)) => self.find("user", id).is_some(),
            Some(("team", id)) => self.find("team", id).is_some_and(|team| team["kind"] == "owner"),
            _ => false,
        }
    }

    fn is_principal(&self, principal: &Value) -> bool {
        match principal.as_str().and_then(|principal| principal.split_once(':')) {
            Some((kind @ ("user" | "team"), id)) => self.find(kind, id).is_some(),
            Some(_) => false,
            None => principal == "organization",
        }
    }

    fn is_secured_column(&self, table: &str, column: &Value) -> bool {
        column.as_str().is_some_and(|column| self.is_secured(table, column))
    }

    fn are_columns(&self, table: &str, columns: &Value) -> bool {
        let lookups = &self.find("table", table).unwrap()["lookups"];
        columns.as_array().is_some_and(|columns| {
            columns
                .iter()
                .all(|column| column.as_str().is_some_and(|column| lookups.get(column).is_none()))
        })
    }

    fn are_lookups(&self, table: &str, lookups: &Value) -> bool {
        let declared = &self.find("table", table).unwrap()["lookups"];
        lookups.as_object().is_some_and(|lookups| {
            lookups.iter().all(|(column, target)| {
                declared.get(column).is_some_and(|to| {
                    target.is_null()
                        || (has_exactly(target, &["table", "record"])
                            && target["table"] == *to
                            && self.is_record(text(to), &target["record"]))
                })
            })
        })
    }
}

fn has_exactly(value: &Value, keys: &[&str]) -> bool {
    value.as_object().is_some_and(|object| {
        object.len() == keys.len() && keys.iter().all(|key| object.contains_key(*key))
    })
}

fn are_rights(rights: &Value) -> bool {
    rights.as_array().is_some_and(|rights| {
        rights.iter().all(|right| {
            right.as_str().is_some_and(|right| RIGHTS.contains(&right) && right != "create")
        })
    })
}
