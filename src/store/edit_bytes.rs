//! Edits within stored values: as the bytes that `codec` makes of them.

use serde::de::Visitor;
use serde::ser::Error as _;
use serde::{Deserializer, Serializer};

use crate::codec::{decode_rows_up_to, encode_rows};
use crate::model::Edit;

pub(super) fn serialize<S: Serializer>(edit: &Edit, to: S) -> Result<S::Ok, S::Error> {
    let bytes = encode_rows(std::slice::from_ref(edit)).map_err(S::Error::custom)?;
    to.serialize_bytes(&bytes)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Edit, D::Error> {
    from.deserialize_bytes(EditVisitor)
}

struct EditVisitor;

impl Visitor<'_> for EditVisitor {
    type Value = Edit;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("one edit")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Edit, E> {
        let mut edits = decode_rows_up_to(bytes, 1).map_err(E::custom)?;
        edits.pop().ok_or_else(|| E::custom("no edit"))
    }
}
