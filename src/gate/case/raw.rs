//! The form of a case: which keys there are, and of which type. Nothing is looked up here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

/// A text, borrowed from the line where it has no escapes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// One line.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCase<'a> {
    #[serde(borrow)]
    pub(super) user: Text<'a>,
    #[serde(borrow)]
    pub(super) op: Text<'a>,
    #[serde(borrow)]
    pub(super) table: Text<'a>,
    #[serde(borrow)]
    pub(super) record: Object<RawRecord<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) columns: Option<Vec<Text<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) lookups: Option<RawLookups<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) old_lookups: Option<RawLookups<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) column: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) to: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) rights: Option<Vec<Text<'a>>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) read: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    pub(super) update: Option<bool>,
}

/// A record. Two are equal exactly where their JSON is, order of keys apart.
#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecord<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) owner: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) business_unit: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) shares: Option<Vec<Object<RawShare<'a>>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) column_shares: Option<Vec<Object<RawColumnShare<'a>>>>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawShare<'a> {
    #[serde(borrow)]
    pub(super) to: Text<'a>,
    #[serde(borrow)]
    pub(super) rights: Vec<Text<'a>>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawColumnShare<'a> {
    #[serde(borrow)]
    pub(super) to: Text<'a>,
    #[serde(borrow)]
    pub(super) column: Text<'a>,
    pub(super) read: bool,
    pub(super) update: bool,
}

/// What a lookup points at.
#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTarget<'a> {
    #[serde(borrow)]
    pub(super) table: Text<'a>,
    #[serde(borrow)]
    pub(super) record: Object<RawRecord<'a>>,
}

/// By column; null is `None`.
#[derive(Debug, Default)]
pub(super) struct RawLookups<'a>(pub(super) BTreeMap<Text<'a>, Option<Object<RawTarget<'a>>>>);

impl<'a> RawLookups<'a> {
    pub(super) fn get(&self, column: &str) -> Option<&RawTarget<'a>> {
        let found = self.0.iter().find(|(name, _)| name.0 == column);
        found.and_then(|(_, target)| target.as_ref()).map(|target| &target.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawLookups<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lookups;
        impl<'de> Visitor<'de> for Lookups {
            type Value = RawLookups<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of lookups")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut lookups = BTreeMap::new();
                while let Some((column, target)) = map.next_entry()? {
                    if lookups.insert(column, target).is_some() {
                        return Err(A::Error::custom("a lookup comes twice"));
                    }
                }
                Ok(RawLookups(lookups))
            }
        }
        deserializer.deserialize_map(Lookups)
    }
}

/// A key that is there has a value: null is of the wrong type.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An object and nothing else: derived structs would take a list of their fields as well.
#[derive(Debug, PartialEq)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}
