//! Reads row after row of a table: most rows have the columns of the one before, whose names need
//! not be read again; and of a row that is only looked at, what nobody asks for is read past.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits::COLUMNS_MAX;
use crate::model::{
    ColumnName, ColumnShares, Columns, Header, Principal, RecordState, Rights, Skipped,
};
use crate::sync::StoredRow;

/// What of a row is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// These columns, as far as the row has them.
    pub columns: BTreeSet<ColumnName>,
    /// Whether also the header; else it is the one of a record that nobody owns.
    pub header: bool,
}

/// The columns of the last row, and which of them are wanted.
#[derive(Debug, Default)]
pub struct RowReader {
    /// `None`: all of a row.
    wanted: Option<Wanted>,
    /// The names, and whether each is wanted.
    last: Vec<(ColumnName, bool)>,
    /// The wanted ones, without values.
    kept: Columns,
}

impl RowReader {
    /// Reads only what is wanted of each row.
    #[must_use]
    pub fn of(wanted: Wanted) -> Self {
        Self { wanted: Some(wanted), ..Self::default() }
    }

    /// Reads a row from a stored value; returns what is left over, too.
    pub(super) fn read<'b>(
        &mut self,
        payload: &'b [u8],
    ) -> Result<(StoredRow, &'b [u8]), postcard::Error> {
        let mut from = postcard::Deserializer::from_bytes(payload);
        let row = RowSeed { reader: self }.deserialize(&mut from)?;
        Ok((row, from.finalize()?))
    }

    fn wants(&self, column: &ColumnName) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.columns.contains(column))
    }

    fn wants_header(&self) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.header)
    }

    /// The rows that follow probably have the names of this one.
    fn remember(&mut self, last: Vec<(ColumnName, bool)>) {
        let kept = last.iter().filter(|(_, wanted)| *wanted);
        self.kept = kept.map(|(name, _)| (name.clone(), crate::model::Value::Null)).collect();
        self.last = last;
    }
}

/// A header of which nothing is kept.
type SkippedHeader<'a> =
    (Option<(&'a str, &'a str)>, RecordState, BTreeMap<Principal, Rights>, ColumnShares);

/// As the derived code reads a [`StoredRow`], but for what is not wanted, and the columns.
struct RowSeed<'a> {
    reader: &'a mut RowReader,
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
        let header = if self.reader.wants_header() {
            seq.next_element()?.ok_or_else(missing)?
        } else {
            seq.next_element::<SkippedHeader<'_>>()?.ok_or_else(missing)?;
            Header::default()
        };
        let columns = ColumnsSeed { reader: self.reader };
        Ok(StoredRow {
            header,
            columns: seq.next_element_seed(columns)?.ok_or_else(missing)?,
            pending: seq.next_element()?.ok_or_else(missing)?,
            version: seq.next_element()?.ok_or_else(missing)?,
        })
    }
}

struct ColumnsSeed<'a> {
    reader: &'a mut RowReader,
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
        let reader = self.reader;
        let room = map.size_hint().unwrap_or(0).min(COLUMNS_MAX).min(reader.kept.names().len());
        let mut values = Vec::with_capacity(room);
        let mut read = 0;
        // As long as the names are those of the last row ...
        let other = loop {
            let known = reader.last.get(read);
            match map.next_key_seed(NameSeed { known: known.map(|(name, _)| name) })? {
                Some(Name::Known) if known.is_some_and(|(_, wanted)| *wanted) => {
                    values.push(map.next_value()?);
                }
                Some(Name::Known) => {
                    map.next_value::<Skipped>()?;
                }
                Some(Name::Other(name)) => break Some(name),
                None => break None,
            }
            read += 1;
        };
        let mut columns = Columns::like(&reader.kept, values);
        if other.is_none() && read == reader.last.len() {
            return Ok(columns);
        }
        let mut names: Vec<_> = reader.last.drain(..).take(read).collect();
        let mut next = other;
        while let Some(name) = next {
            let wanted = reader.wants(&name);
            if wanted {
                columns.insert(name.clone(), map.next_value()?);
            } else {
                map.next_value::<Skipped>()?;
            }
            names.push((name, wanted));
            next = map.next_key()?;
        }
        reader.remember(names);
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
    use crate::model::{Sequence, Value};

    #[test]
    fn rows_read_as_they_do_one_by_one() {
        let (mut reader, mut glances) = (RowReader::default(), BTreeMap::new());
        let owner = Some(("user:ann".parse().unwrap(), "north".parse().unwrap()));
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
                header: Header { owner: owner.clone(), ..Header::default() },
                columns: names.iter().map(column).collect(),
                pending: true,
                version: Sequence(300),
            };
            let bytes = [postcard::to_stdvec(&row).unwrap(), vec![7]].concat();
            let (read, rest) = reader.read(&bytes).unwrap();
            assert_eq!((&read, rest), (&row, &[7][..]));
            assert_eq!(postcard::take_from_bytes::<StoredRow>(&bytes).unwrap().0, row);
            assert!(reader.read(&bytes[..bytes.len() - 2]).is_err());
            for wanted in [&[][..], &["a"], &["b", "c"], &["ä", "a"]] {
                let columns = wanted.iter().map(|name| name.parse().unwrap()).collect();
                let header = wanted.len() == 2;
                let wanted = Wanted { columns, header };
                let mut expected = row.clone();
                expected.columns.retain(|name, _| wanted.columns.contains(name));
                if !header {
                    expected.header = Header::default();
                }
                let reader = glances.entry(format!("{wanted:?}"));
                let reader = reader.or_insert_with(|| RowReader::of(wanted));
                assert_eq!(reader.read(&bytes).unwrap(), (expected, &[7][..]));
            }
        }
    }
}
