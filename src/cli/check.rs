//! `serve --check-config`.

use std::path::Path;

use serde_json::json;

use super::CliError;
use crate::server::{CheckItem, CheckResult, check_folder};

/// Says of each thing in a server's folder how it is.
pub(super) fn check_config(dir: &Path, as_json: bool) -> Result<(), CliError> {
    let items = check_folder(dir);
    if as_json {
        let items: Vec<_> = items.iter().map(item_json).collect();
        println!("{}", json!({ "dir": dir.display().to_string(), "items": items }));
    } else {
        for CheckItem { what, path, result } in &items {
            let (mark, says) = match result {
                CheckResult::Fine(says) => ("fine", format!("{}: {says}", path.display())),
                CheckResult::Wrong(says) => ("WRONG", says.clone()),
                CheckResult::NotChecked(says) => ("not checked", says.clone()),
            };
            println!("{what}: {mark}: {says}");
        }
    }
    let wrong: Vec<_> = items.iter().filter(|item| item.is_wrong()).map(|item| item.what).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let first = items.iter().find_map(|item| match &item.result {
        CheckResult::Wrong(says) => Some(says.as_str()),
        _ => None,
    });
    let (wrong, first) = (wrong.join(", "), first.unwrap_or_default());
    Err(CliError::Input(format!(
        "a server cannot start from {}: {first} (wrong: {wrong})",
        dir.display()
    )))
}

fn item_json(item: &CheckItem) -> serde_json::Value {
    let (state, says) = match &item.result {
        CheckResult::Fine(says) => ("fine", says),
        CheckResult::Wrong(says) => ("wrong", says),
        CheckResult::NotChecked(says) => ("not_checked", says),
    };
    json!({
        "what": item.what,
        "path": item.path.display().to_string(),
        "state": state,
        "says": says,
    })
}
