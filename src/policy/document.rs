//! TOML and JSON as one tree in which each value knows its place.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use toml::de::{DeTable, DeValue};

use crate::limits::DOCUMENT_BYTES_MAX;

use super::place::At;
use super::{DocumentError, Place};

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// JSON of the same shape.
    Json,
}

impl Format {
    /// By the end of a file's name: `.json` is JSON, all else is TOML.
    #[must_use]
    pub fn of_file(file: &str) -> Self {
        let is_json = std::path::Path::new(file)
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if is_json { Self::Json } else { Self::Toml }
    }
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) tree: Tree,
}

#[derive(Debug)]
pub(super) enum Tree {
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// JSON's null.
    Null,
    /// A kind of value that no document here uses, by its name for people.
    Other(&'static str),
    List(Vec<Node>),
    /// Sorted by key for TOML, as written for JSON; no key comes twice.
    Object(Vec<Entry>),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key stands.
    pub(super) place: Place,
    pub(super) value: Node,
}

impl Tree {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::Null => "null",
            Self::Other(name) => name,
            Self::List(_) => "a list",
            Self::Object(_) => "a table of keys",
        }
    }
}

/// Reads a document as a tree.
pub(super) fn parse(text: &str, format: Format, file: &str) -> Result<Node, DocumentError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLarge { place: Place::file(file), bytes: text.len() });
    }
    match format {
        Format::Toml => parse_toml(text, file),
        Format::Json => parse_json(text, file),
    }
}

/// Turns byte offsets into lines.
struct Lines {
    file: Arc<str>,
    /// Where each line starts.
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str, file: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { file: file.into(), starts }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        Place::line(&self.file, u64::try_from(line).unwrap_or(u64::MAX))
    }
}

fn parse_toml(text: &str, file: &str) -> Result<Node, DocumentError> {
    let lines = Lines::new(text, file);
    let table = DeTable::parse(text).map_err(|error| {
        let place = lines.place(error.span().map_or(0, |span| span.start));
        DocumentError::Syntax { place, message: error.message().to_owned() }
    })?;
    let place = Place { file: Arc::clone(&lines.file), at: At::File };
    Ok(Node { place, tree: toml_table(table.get_ref(), &lines) })
}

fn toml_table(table: &DeTable<'_>, lines: &Lines) -> Tree {
    let entries = table.iter().map(|(key, value)| Entry {
        key: key.get_ref().to_string(),
        place: lines.place(key.span().start),
        value: toml_node(value.get_ref(), value.span().start, lines),
    });
    Tree::Object(entries.collect())
}

fn toml_node(value: &DeValue<'_>, offset: usize, lines: &Lines) -> Node {
    let tree = match value {
        DeValue::String(text) => Tree::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Tree::Other("an integer out of bounds"), Tree::Integer),
        DeValue::Boolean(truth) => Tree::Boolean(*truth),
        DeValue::Float(_) => Tree::Other("a float"),
        DeValue::Datetime(_) => Tree::Other("a time"),
        DeValue::Array(items) => Tree::List(
            items.iter().map(|item| toml_node(item.get_ref(), item.span().start, lines)).collect(),
        ),
        DeValue::Table(table) => toml_table(table, lines),
    };
    Node { place: lines.place(offset), tree }
}

fn parse_json(text: &str, file: &str) -> Result<Node, DocumentError> {
    let place = Place { file: file.into(), at: At::Path("".into()) };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let node = JsonNode { place }.deserialize(&mut deserializer);
    node.and_then(|node| deserializer.end().map(|()| node)).map_err(|error| {
        let line = u64::try_from(error.line()).unwrap_or(u64::MAX);
        DocumentError::Syntax { place: Place::line(&file.into(), line), message: error.to_string() }
    })
}

/// Reads the JSON value that stands at a place.
struct JsonNode {
    place: Place,
}

impl<'de> DeserializeSeed<'de> for JsonNode {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonNode {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node { place: self.place, tree: Tree::Text(text.to_owned()) })
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Node, E> {
        Ok(Node { place: self.place, tree: Tree::Boolean(truth) })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node { place: self.place, tree: Tree::Integer(number) })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        let tree =
            i64::try_from(number).map_or(Tree::Other("an integer out of bounds"), Tree::Integer);
        Ok(Node { place: self.place, tree })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node { place: self.place, tree: Tree::Other("a float") })
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node { place: self.place, tree: Tree::Null })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            seq.next_element_seed(JsonNode { place: self.place.item(items.len()) })?
        {
            items.push(item);
        }
        Ok(Node { place: self.place, tree: Tree::List(items) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        let mut keys = std::collections::BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let place = self.place.key(&key);
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key `{key}` comes twice in one object")));
            }
            let value = map.next_value_seed(JsonNode { place: place.clone() })?;
            entries.push(Entry { key, place, value });
        }
        Ok(Node { place: self.place, tree: Tree::Object(entries) })
    }
}
