//! Reads row after row of a table: most rows have the columns of the one before, whose names need
//! not be read again.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits::COLUMNS_MAX;
use crate::model::{ColumnName, Columns};
use crate::sync::StoredRow;

/// The columns of the last row.
#[derive(Default)]
pub(super) struct RowReader {
    last: Columns,
}

impl RowReader {
    /// Reads a row from a stored value; returns what is left over, too.
    pub(super) fn read<'b>(
        &mut self,
        payload: &'b [u8],
    ) -> Result<(StoredRow, &'b [u8]), postcard::Error> {
        let mut from = postcard::Deserializer::from_bytes(payload);
        let row = RowSeed { last: &self.last }.deserialize(&mut from)?;
        self.last = row.columns.without_values();
        Ok((row, from.finalize()?))
    }
}

/// As the derived code reads a [`StoredRow`], but for its columns.
struct RowSeed<'a> {
    last: &'a Columns,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = StoredRow;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<StoredRow, D::Error> {
        from.deserialize_tuple(4, self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = StoredRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<StoredRow, A::Error> {
        let missing = || A::Error::custom("a row has four parts");
        Ok(StoredRow {
            header: seq.next_element()?.ok_or_else(missing)?,
            columns: seq.next_element_seed(ColumnsSeed { last: self.last })?.ok_or_else(missing)?,
            pending: seq.next_element()?.ok_or_else(missing)?,
            version: seq.next_element()?.ok_or_else(missing)?,
        })
    }
}

struct ColumnsSeed<'a> {
    last: &'a Columns,
}

impl<'de> DeserializeSeed<'de> for ColumnsSeed<'_> {
    type Value = Columns;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Columns, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ColumnsSeed<'_> {
    type Value = Columns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values by column")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
        let room = map.size_hint().unwrap_or(0).min(COLUMNS_MAX);
        let mut values = Vec::with_capacity(room);
        let mut names = self.last.names().iter();
        // As long as the names are those of the last row ...
        let other = loop {
            match map.next_key_seed(NameSeed { known: names.next() })? {
                Some(Name::Known) => values.push(map.next_value()?),
                Some(Name::Other(name)) => break Some(name),
                None => break None,
            }
        };
        let mut columns = Columns::like(self.last, values);
        let mut next = other;
        while let Some(name) = next {
            columns.insert(name, map.next_value()?);
            next = map.next_key()?;
        }
        Ok(columns)
    }
}

/// Reads a name, which is probably the known one.
struct NameSeed<'a> {
    known: Option<&'a ColumnName>,
}

enum Name {
    Known,
    Other(ColumnName),
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Name, D::Error> {
        // Postcard writes texts as bytes: that they are a text need not be checked again either.
        from.deserialize_bytes(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a column")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Name, E> {
        if self.known.is_some_and(|known| known.as_str().as_bytes() == bytes) {
            return Ok(Name::Known);
        }
        let name = std::str::from_utf8(bytes).map_err(E::custom)?;
        name.parse().map(Name::Other).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Header, Sequence, Value};

    #[test]
    fn rows_read_as_they_do_one_by_one() {
        let mut reader = RowReader::default();
        for names in [
            &["a", "b"][..],
            &["a", "b"],
            &["a"],
            &["a", "c"],
            &["b"],
            &[],
            &["a", "b", "c"],
            &["ä"],
        ] {
            let column = |name: &&str| (name.parse().unwrap(), Value::Text((*name).into()));
            let row = StoredRow {
                header: Header::default(),
                columns: names.iter().map(column).collect(),
                pending: true,
                version: Sequence(300),
            };
            let bytes = [postcard::to_stdvec(&row).unwrap(), vec![7]].concat();
            let (read, rest) = reader.read(&bytes).unwrap();
            assert_eq!((&read, rest), (&row, &[7][..]));
            assert_eq!(postcard::take_from_bytes::<StoredRow>(&bytes).unwrap().0, row);
            assert!(reader.read(&bytes[..bytes.len() - 2]).is_err());
        }
    }
}
