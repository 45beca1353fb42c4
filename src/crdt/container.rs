//! Where the parts of a column lie in a section's document, and how they come into being.
//!
//! A plain value lies at the column's name. What merges part by part lies at a key of its own for
//! each kind, so that an operation never meets an object of another kind, whatever a column's type
//! was once. Two replicas that write the first text into a column at the same time must write into
//! the same object: it is born by a change that is a function of column and kind alone, with no
//! dependencies, so every replica makes it with the same hash (`docs/adr/0013`).

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};

use super::{CrdtError, scalar};
use crate::model::{ColumnName, ColumnType, Json, Op, Value};

/// The part of a document that holds a column's value of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Container {
    key: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Counter,
    Json,
    List,
    Map,
    Text,
}

/// No name holds a control character, so no column is called like a container's key.
const MARK: char = '\n';

impl Kind {
    const ALL: [Self; 5] = [Self::Counter, Self::Json, Self::List, Self::Map, Self::Text];

    fn of(column_type: ColumnType) -> Option<Self> {
        Some(match column_type {
            ColumnType::Counter => Self::Counter,
            ColumnType::Json => Self::Json,
            ColumnType::List => Self::List,
            ColumnType::Map => Self::Map,
            ColumnType::RichText => Self::Text,
            _ => return None,
        })
    }

    fn key(self, column: &ColumnName) -> String {
        format!("{column}{MARK}{}", self.as_str())
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Json => "json",
            Self::List => "list",
            Self::Map => "map",
            Self::Text => "text",
        }
    }
}

impl Container {
    /// What `op` writes into; `None` where it writes a plain value.
    pub(super) fn of(op: &Op) -> Option<Self> {
        let kind = Kind::of(op.merging_type()?)?;
        Some(Self { key: kind.key(op.column()?), kind })
    }

    /// The key in the document's root.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Adds the change that makes the container, unless the document holds it. It is the same on
    /// every replica: actor, time and operation follow from the key.
    pub(super) fn bear(&self, doc: &mut Automerge) -> Result<(), CrdtError> {
        if doc.get(ROOT, self.key.as_str())?.is_some() {
            return Ok(());
        }
        let encoding = automerge::TextEncoding::UnicodeCodePoint;
        let mut birth = Automerge::new_with_encoding(encoding);
        birth.set_actor(ActorId::from(self.actor().as_slice()));
        let mut tx = birth.transaction();
        let key = self.key.as_str();
        match self.kind {
            Kind::Counter => tx.put(ROOT, key, ScalarValue::counter(0))?,
            Kind::List => drop(tx.put_object(ROOT, key, ObjType::List)?),
            Kind::Json | Kind::Map => drop(tx.put_object(ROOT, key, ObjType::Map)?),
            Kind::Text => drop(tx.put_object(ROOT, key, ObjType::Text)?),
        }
        tx.commit_with(CommitOptions::default().with_time(0));
        doc.merge(&mut birth)?;
        Ok(())
    }

    /// Longer than the 12 bytes of a replica's actor, so that it is none of these.
    fn actor(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_derive_key("tidegate 2026 actor of a container");
        hasher.update(self.key.as_bytes());
        let mut actor = [0; 16];
        actor.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
        actor
    }

    /// What each element of a text or list holds, to be compared; none of other kinds.
    pub(super) fn parts(&self, doc: &impl ReadDoc) -> Result<Vec<String>, CrdtError> {
        Ok(match self.kind {
            Kind::Text => doc.text(&self.object(doc)?)?.chars().map(String::from).collect(),
            Kind::List => {
                let object = self.object(doc)?;
                let items = doc.list_range(&object, ..);
                items.map(|item| format!("{:?}", item.value)).collect()
            }
            Kind::Counter | Kind::Json | Kind::Map => Vec::new(),
        })
    }

    /// The object that holds the parts.
    pub(super) fn object(&self, doc: &impl ReadDoc) -> Result<ObjId, CrdtError> {
        match doc.get(ROOT, self.key.as_str())? {
            Some((automerge::Value::Object(_), id)) => Ok(id),
            _ => Err(CrdtError::ForeignValue { key: self.key.clone() }),
        }
    }
}

/// The key in a columns section's root at which a column of this type has its value.
pub(super) fn key(column: &ColumnName, column_type: ColumnType) -> String {
    Kind::of(column_type).map_or_else(|| column.to_string(), |kind| kind.key(column))
}

/// What a key of a columns section's root says: a column, and its value.
pub(super) fn read(doc: &impl ReadDoc, key: &str) -> Result<(ColumnName, Value), CrdtError> {
    let foreign = || CrdtError::ForeignValue { key: key.to_owned() };
    let Some((column, kind)) = key.split_once(MARK) else {
        let found = doc.get(ROOT, key)?;
        let value = found.as_ref().and_then(|(value, _)| value.as_scalar());
        return Ok((key.parse()?, value.and_then(scalar::to_value).ok_or_else(foreign)?));
    };
    let column: ColumnName = column.parse()?;
    let kind = Kind::ALL.into_iter().find(|it| it.as_str() == kind).ok_or_else(foreign)?;
    let (found, id) = doc.get(ROOT, key)?.ok_or_else(foreign)?;
    let item = |value: automerge::ValueRef<'_>| {
        value.into_value().as_scalar().and_then(scalar::to_value).ok_or_else(foreign)
    };
    let value = match kind {
        Kind::Counter => found.as_scalar().and_then(scalar::to_value).ok_or_else(foreign)?,
        Kind::Text => Value::RichText(doc.text(&id)?),
        Kind::List => {
            Value::List(doc.list_range(&id, ..).map(|it| item(it.value)).collect::<Result<_, _>>()?)
        }
        Kind::Json => {
            let leaf = |it: automerge::iter::MapRangeItem<'_>| match item(it.value)? {
                Value::Text(leaf) => Ok((it.key.into_owned(), leaf.into())),
                _ => Err(foreign()),
            };
            let leaves = doc.map_range(&id, ..).map(leaf).collect::<Result<_, CrdtError>>()?;
            Value::Json(Json::of_leaves(leaves))
        }
        Kind::Map => Value::Map(
            doc.map_range(&id, ..)
                .map(|it| Ok((it.key.into_owned(), item(it.value)?)))
                .collect::<Result<_, CrdtError>>()?,
        ),
    };
    Ok((column, value))
}
