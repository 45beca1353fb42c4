//! JSON values that merge part by part.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits::{ITEM_BYTES_MAX, JSON_DEPTH_MAX, MAP_KEY_BYTES_MAX};

/// A JSON value as its leaves: the JSON pointer (RFC 6901) of each, and its text.
///
/// A leaf is all but an object that holds something: so concurrent edits of different entries
/// merge at every depth, and a list is replaced as a whole. Where people wrote a plain value and
/// entries below it at the same place side by side, the entries show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Json(BTreeMap<String, String>);

/// Why something cannot be a part of a JSON column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Objects and lists in each other.
    #[error("objects and lists are nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep,
    /// The names of all entries on the way.
    #[error("the path of an entry has {0} bytes, at most {MAP_KEY_BYTES_MAX} are allowed")]
    PathTooLong(usize),
    /// A text, or a list with all that is in it.
    #[error("a value or list in it has {0} bytes as text, at most {ITEM_BYTES_MAX} are allowed")]
    LeafTooLong(usize),
    /// Not a JSON pointer.
    #[error(
        "`{0}` is no JSON pointer: such as `/address/street`, with `~` as `~0` and `/` as `~1`"
    )]
    Path(String),
    /// Not the text of a leaf.
    #[error("`{0}` is not the shortest text of a JSON value that is no object with entries")]
    Leaf(String),
}

const TEXT_SHOWN_CHARS: usize = 60;

impl Json {
    /// Takes a JSON value apart.
    ///
    /// # Errors
    /// It is nested too deep, or a part of it is too long.
    pub fn new(value: &Value) -> Result<Self, JsonError> {
        let mut leaves = BTreeMap::new();
        take_apart(value, &mut String::new(), JSON_DEPTH_MAX, &mut leaves)?;
        Ok(Self(leaves))
    }

    pub(crate) fn of_leaves(leaves: BTreeMap<String, String>) -> Self {
        Self(leaves)
    }

    /// The leaves: pointer and text.
    #[must_use]
    pub fn leaves(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The value; null where there is none.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut whole = Value::Null;
        // The order of pointers: what is above comes before what is below it.
        for (path, leaf) in &self.0 {
            // What is no leaf was refused before it came here.
            let leaf = serde_json::from_str(leaf).unwrap_or_default();
            let mut place = &mut whole;
            for name in path.split('/').skip(1) {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                let Value::Object(entries) = place else { break };
                place = entries.entry(unescape(name)).or_insert(Value::Null);
            }
            *place = leaf;
        }
        whole
    }

    /// The same with another value at `path`, null as well.
    ///
    /// # Errors
    /// The path is no pointer, or the value is nested too deep or too long.
    pub fn with(&self, path: &str, value: &Value) -> Result<Self, JsonError> {
        check_path(path)?;
        let mut leaves = self.without(path).0;
        // A plain value on the way gives way to an object.
        leaves.retain(|above, _| !is_below(path, above));
        let depth = JSON_DEPTH_MAX.saturating_sub(levels(path));
        take_apart(value, &mut path.to_owned(), depth, &mut leaves)?;
        Ok(Self(leaves))
    }

    /// The same without what is at `path`, and below it.
    #[must_use]
    pub fn without(&self, path: &str) -> Self {
        let others = self.0.iter().filter(|(at, _)| *at != path && !is_below(at, path));
        Self(others.map(|(at, leaf)| (at.clone(), leaf.clone())).collect())
    }

    /// What it takes in memory and on the wire, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(path, leaf)| path.len() + leaf.len()).sum()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}

/// The pointer to the entry `name` of what is at `path`.
#[must_use]
pub fn json_path(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn unescape(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

fn levels(path: &str) -> usize {
    path.matches('/').count()
}

fn take_apart(
    value: &Value,
    path: &mut String,
    depth: usize,
    leaves: &mut BTreeMap<String, String>,
) -> Result<(), JsonError> {
    let below = |depth: usize| depth.checked_sub(1).ok_or(JsonError::TooDeep);
    if let Value::Object(entries) = value
        && !entries.is_empty()
    {
        let depth = below(depth)?;
        for (name, value) in entries {
            let length = path.len();
            *path = json_path(path, name);
            take_apart(value, path, depth, leaves)?;
            path.truncate(length);
        }
        return Ok(());
    }
    if path.len() > MAP_KEY_BYTES_MAX {
        return Err(JsonError::PathTooLong(path.len()));
    }
    if is_deeper(value, depth) {
        return Err(JsonError::TooDeep);
    }
    let leaf = value.to_string();
    if leaf.len() > ITEM_BYTES_MAX {
        return Err(JsonError::LeafTooLong(leaf.len()));
    }
    leaves.insert(path.clone(), leaf);
    Ok(())
}

fn is_deeper(value: &Value, depth: usize) -> bool {
    let below = |value: &Value| depth.checked_sub(1).is_none_or(|depth| is_deeper(value, depth));
    match value {
        Value::Array(items) => items.iter().any(below),
        Value::Object(entries) => entries.values().any(below),
        _ => false,
    }
}

/// Checks that a text is a JSON pointer within the bounds.
pub(super) fn check_path(path: &str) -> Result<(), JsonError> {
    if path.len() > MAP_KEY_BYTES_MAX {
        return Err(JsonError::PathTooLong(path.len()));
    }
    if levels(path) > JSON_DEPTH_MAX {
        return Err(JsonError::TooDeep);
    }
    let escapes = path.split('~').skip(1);
    let is_pointer = path.is_empty() || path.starts_with('/');
    if !is_pointer || !escapes.into_iter().all(|rest| rest.starts_with(['0', '1'])) {
        return Err(JsonError::Path(path.chars().take(TEXT_SHOWN_CHARS).collect()));
    }
    Ok(())
}

/// Checks that a text is that of a leaf at `path`, as every replica writes it.
pub(super) fn check_leaf(path: &str, leaf: &str) -> Result<(), JsonError> {
    if leaf.len() > ITEM_BYTES_MAX {
        return Err(JsonError::LeafTooLong(leaf.len()));
    }
    let wrong = || JsonError::Leaf(leaf.chars().take(TEXT_SHOWN_CHARS).collect());
    let value: Value = serde_json::from_str(leaf).map_err(|_| wrong())?;
    if is_deeper(&value, JSON_DEPTH_MAX.saturating_sub(levels(path))) {
        return Err(JsonError::TooDeep);
    }
    let has_entries = value.as_object().is_some_and(|entries| !entries.is_empty());
    let shortest = value.to_string();
    if has_entries || shortest != leaf { Err(wrong()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_put_together_from_its_parts() {
        for value in [
            json!(null),
            json!("text"),
            json!([1, { "a": [] }]),
            json!({}),
            json!({ "a": { "b/c": 1.5, "~d": {} }, "": { "": null }, "a!": true, "e": [[]] }),
            json!({ "big": u64::MAX, "small": i64::MIN, "float": 1e300, "tiny": 5e-324 }),
        ] {
            let json = Json::new(&value).unwrap();
            assert_eq!(json.to_value(), value);
            for (path, leaf) in json.leaves() {
                assert_eq!((check_path(path), check_leaf(path, leaf)), (Ok(()), Ok(())));
                assert!(value.pointer(path).is_some(), "{path}");
            }
        }
    }

    #[test]
    fn a_part_is_replaced_with_all_below_and_above() {
        let json = Json::new(&json!({ "a": { "b": 1, "c": 2 }, "a!": 3 })).unwrap();
        let with = |path, value: Value| json.with(path, &value).unwrap().to_value();
        assert_eq!(with("/a/b", json!([4])), json!({ "a": { "b": [4], "c": 2 }, "a!": 3 }));
        assert_eq!(with("/a", json!(5)), json!({ "a": 5, "a!": 3 }));
        assert_eq!(with("/a!/d", json!({ "e": 6 }))["a!"], json!({ "d": { "e": 6 } }));
        assert_eq!(with("", json!("all")), json!("all"));
        assert_eq!(json.without("/a").to_value(), json!({ "a!": 3 }));
        assert_eq!(json.without("").to_value(), json!(null));
    }

    #[test]
    fn entries_show_where_a_plain_value_was_written_beside_them() {
        let leaves = [("/a", "5"), ("/a/b", "6")].map(|(path, leaf)| (path.into(), leaf.into()));
        assert_eq!(Json::of_leaves(leaves.into()).to_value(), json!({ "a": { "b": 6 } }));
    }

    #[test]
    fn what_is_over_a_bound_or_no_leaf_is_refused() {
        let nested = |depth| (0..depth).fold(json!(1), |value, _| json!({ "a": value }));
        let lists = |depth| (0..depth).fold(json!(1), |value, _| json!([value]));
        assert!(
            Json::new(&nested(JSON_DEPTH_MAX)).is_ok() && Json::new(&lists(JSON_DEPTH_MAX)).is_ok()
        );
        assert_eq!(Json::new(&nested(JSON_DEPTH_MAX + 1)), Err(JsonError::TooDeep));
        assert_eq!(Json::new(&lists(JSON_DEPTH_MAX + 1)), Err(JsonError::TooDeep));
        let deep = "/a".repeat(JSON_DEPTH_MAX + 1);
        assert_eq!(check_path(&deep), Err(JsonError::TooDeep));
        assert_eq!(check_leaf(&deep, "[[1]]"), Err(JsonError::TooDeep));
        assert!(matches!(
            Json::new(&json!("x".repeat(ITEM_BYTES_MAX))),
            Err(JsonError::LeafTooLong(_))
        ));
        let path = format!("/{}", "x".repeat(MAP_KEY_BYTES_MAX));
        assert!(matches!(check_path(&path), Err(JsonError::PathTooLong(_))));
        for path in ["a", "/~", "/a~2b", "~0"] {
            assert!(matches!(check_path(path), Err(JsonError::Path(_))), "{path}");
        }
        for leaf in ["", " 1", "1 ", "{\"a\":1}", "1e2", "[1, 2]", "nul", "\"\\u0061\"", "1 2"] {
            assert!(matches!(check_leaf("", leaf), Err(JsonError::Leaf(_))), "{leaf}");
        }
        assert!(matches!(check_leaf("", &"[".repeat(10_000)), Err(JsonError::Leaf(_))));
    }
}
