//! The names of a type's fields, asked of serde without having a value.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};

/// The fields of `T`, where it is a struct that derives `Deserialize`; `None` for other types.
pub(super) fn fields_of<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let mut fields = None;
    // It always ends in an error: there is nothing to deserialize.
    let _ = T::deserialize(Probe { fields: &mut fields });
    fields
}

struct Probe<'a> {
    fields: &'a mut Option<&'static [&'static str]>,
}

#[derive(Debug)]
struct Nothing;

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("only the shape was asked for")
    }
}

impl std::error::Error for Nothing {}

impl serde::de::Error for Nothing {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Nothing;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Nothing> {
        Err(Nothing::custom(""))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Nothing> {
        *self.fields = Some(fields);
        Err(Nothing)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Order {
        title: String,
        #[serde(rename = "due_date")]
        due: Option<String>,
    }

    #[test]
    fn a_struct_tells_its_fields_as_serde_names_them() {
        assert_eq!(fields_of::<Order>(), Some(&["title", "due_date"][..]));
        assert_eq!(fields_of::<serde_json::Map<String, serde_json::Value>>(), None);
    }
}
