use std::borrow::Borrow;
use std::fmt;
use std::ops::Index;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ColumnName, Value};

/// The values of a record's columns. A column that was never set is absent.
///
/// A record has few columns, and a replica reads many records: a sorted list takes one allocation of
/// just the size that is needed.
#[derive(Clone, PartialEq, Default)]
pub struct Columns {
    /// Sorted by name, each name once.
    list: Vec<(ColumnName, Value)>,
}

/// So many are made room for before they were read: what a length from outside says is not trusted
/// with more.
const ROOM_MAX: usize = 64;

impl Columns {
    /// No values.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// No values yet, and room for so many.
    pub(crate) fn with_room(columns: usize) -> Self {
        Self { list: Vec::with_capacity(columns.min(ROOM_MAX)) }
    }

    fn find<Q: Ord + ?Sized>(&self, column: &Q) -> Result<usize, usize>
    where
        ColumnName: Borrow<Q>,
    {
        self.list.binary_search_by(|(name, _)| name.borrow().cmp(column))
    }

    /// The column's value.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, column: &Q) -> Option<&Value>
    where
        ColumnName: Borrow<Q>,
    {
        self.list.get(self.find(column).ok()?).map(|(_, value)| value)
    }

    /// The column's value, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, column: &Q) -> Option<&mut Value>
    where
        ColumnName: Borrow<Q>,
    {
        let at = self.find(column).ok()?;
        self.list.get_mut(at).map(|(_, value)| value)
    }

    /// Whether the column has a value.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, column: &Q) -> bool
    where
        ColumnName: Borrow<Q>,
    {
        self.find(column).is_ok()
    }

    /// Gives a column a value; returns the one before.
    pub fn insert(&mut self, column: ColumnName, value: Value) -> Option<Value> {
        // They mostly come in order.
        if self.list.last().is_none_or(|(last, _)| *last < column) {
            self.list.push((column, value));
            return None;
        }
        match self.find(&column) {
            Ok(at) => self.list.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.list.insert(at, (column, value));
                None
            }
        }
    }

    /// Takes a column's value away.
    pub fn remove<Q: Ord + ?Sized>(&mut self, column: &Q) -> Option<Value>
    where
        ColumnName: Borrow<Q>,
    {
        let at = self.find(column).ok()?;
        Some(self.list.remove(at).1)
    }

    /// Takes away all but those of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&ColumnName, &mut Value) -> bool) {
        self.list.retain_mut(|(column, value)| keep(column, value));
    }

    /// How many columns have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether no column has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Columns and values, in the order of the names.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    /// The names, in order.
    #[must_use]
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &ColumnName> {
        self.list.iter().map(|(column, _)| column)
    }

    /// The values, in the order of the names.
    #[must_use]
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.list.iter().map(|(_, value)| value)
    }
}

/// A column that was never set is null.
impl<Q: Ord + ?Sized> Index<&Q> for Columns
where
    ColumnName: Borrow<Q>,
{
    type Output = Value;

    fn index(&self, column: &Q) -> &Value {
        self.get(column).unwrap_or(&Value::Null)
    }
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

/// Columns and values, in the order of the names.
#[derive(Debug, Clone)]
pub struct Iter<'a>(std::slice::Iter<'a, (ColumnName, Value)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a ColumnName, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(column, value)| (column, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Columns {
    type Item = (&'a ColumnName, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        Iter(self.list.iter())
    }
}

impl IntoIterator for Columns {
    type Item = (ColumnName, Value);
    type IntoIter = std::vec::IntoIter<(ColumnName, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

/// Of several values of a column the last one counts.
impl Extend<(ColumnName, Value)> for Columns {
    fn extend<T: IntoIterator<Item = (ColumnName, Value)>>(&mut self, columns: T) {
        let columns = columns.into_iter();
        self.list.reserve(columns.size_hint().0.min(ROOM_MAX));
        for (column, value) in columns {
            self.insert(column, value);
        }
    }
}

impl FromIterator<(ColumnName, Value)> for Columns {
    fn from_iter<T: IntoIterator<Item = (ColumnName, Value)>>(columns: T) -> Self {
        let mut all = Self::new();
        all.extend(columns);
        all
    }
}

impl<const N: usize> From<[(ColumnName, Value); N]> for Columns {
    fn from(columns: [(ColumnName, Value); N]) -> Self {
        columns.into_iter().collect()
    }
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ColumnsVisitor)
    }
}

struct ColumnsVisitor;

impl<'de> Visitor<'de> for ColumnsVisitor {
    type Value = Columns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values by column")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
        let mut columns = Columns::with_room(map.size_hint().unwrap_or(0));
        while let Some((column, value)) = map.next_entry()? {
            columns.insert(column, value);
        }
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ColumnName {
        ColumnName::new(text).unwrap()
    }

    #[test]
    fn they_are_in_order_and_the_last_value_counts() {
        let number = Value::Integer;
        let mut columns =
            Columns::from([(name("b"), number(1)), (name("a"), number(2)), (name("b"), number(3))]);
        assert_eq!(columns.keys().map(ColumnName::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(columns.get("b"), Some(&number(3)));
        assert_eq!(columns.insert(name("a"), number(4)), Some(number(2)));
        assert_eq!(columns.remove("b"), Some(number(3)));
        assert_eq!((columns.len(), columns.get("b")), (1, None));
    }

    #[test]
    fn they_are_written_as_a_map_and_read_in_any_order() {
        let columns = Columns::from([(name("a"), Value::Null), (name("b"), Value::Boolean(true))]);
        let bytes = postcard::to_stdvec(&columns).unwrap();
        assert_eq!(postcard::from_bytes::<Columns>(&bytes).unwrap(), columns);
        let swapped = [(name("b"), Value::Boolean(true)), (name("a"), Value::Null)];
        let bytes = postcard::to_stdvec(swapped.as_slice()).unwrap();
        assert_eq!(postcard::from_bytes::<Columns>(&bytes).unwrap(), columns);
    }
}
