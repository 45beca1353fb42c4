use std::borrow::Borrow;
use std::fmt;
use std::iter::Zip;
use std::ops::Index;
use std::sync::Arc;
use std::{slice, vec};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ColumnName, Value};

/// The values of a record's columns. A column that was never set is absent.
///
/// A record has few columns, and the rows of a table mostly have the same ones: their names are a
/// sorted list that rows share.
#[derive(Clone, Default)]
pub struct Columns {
    /// Sorted, each once; none where there are no columns.
    names: Option<Arc<Vec<ColumnName>>>,
    /// One for each name.
    values: Vec<Value>,
}

/// So many are made room for before they were read: what a length from outside says is not trusted
/// with more.
const ROOM_MAX: usize = 64;

/// Among so few names one is found sooner by what is equal than by what is less.
const FEW: usize = 8;

impl Columns {
    /// No values.
    #[must_use]
    pub const fn new() -> Self {
        Self { names: None, values: Vec::new() }
    }

    /// No values yet, and room for so many.
    pub(crate) fn with_room(columns: usize) -> Self {
        let mut all = Self::new();
        all.reserve(columns.min(ROOM_MAX));
        all
    }

    /// The first of the columns of another row, with these values: as many as both have.
    #[must_use]
    pub fn like(row: &Self, mut values: Vec<Value>) -> Self {
        values.truncate(row.names().len());
        let names = match &row.names {
            Some(names) if names.len() == values.len() => Some(Arc::clone(names)),
            Some(names) => names.get(..values.len()).map(|first| Arc::new(first.to_vec())),
            None => None,
        };
        Self { names, values }
    }

    /// The names alone: for [`Self::like`].
    #[must_use]
    pub fn without_values(&self) -> Self {
        Self { names: self.names.clone(), values: Vec::new() }
    }

    pub(crate) fn names(&self) -> &[ColumnName] {
        self.names.as_ref().map_or(&[], |names| names.as_slice())
    }

    fn reserve(&mut self, more: usize) {
        if more > 0 {
            Arc::make_mut(self.names.get_or_insert_default()).reserve(more);
            self.values.reserve(more);
        }
    }

    fn find<Q: Ord + ?Sized>(&self, column: &Q) -> Result<usize, usize>
    where
        ColumnName: Borrow<Q>,
    {
        self.names().binary_search_by(|name| name.borrow().cmp(column))
    }

    fn place<Q: Ord + ?Sized>(&self, column: &Q) -> Option<usize>
    where
        ColumnName: Borrow<Q>,
    {
        match self.names() {
            few if few.len() <= FEW => few.iter().position(|name| name.borrow() == column),
            _ => self.find(column).ok(),
        }
    }

    /// The column's value.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, column: &Q) -> Option<&Value>
    where
        ColumnName: Borrow<Q>,
    {
        self.values.get(self.place(column)?)
    }

    /// The column's value, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, column: &Q) -> Option<&mut Value>
    where
        ColumnName: Borrow<Q>,
    {
        let at = self.place(column)?;
        self.values.get_mut(at)
    }

    /// Whether the column has a value.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, column: &Q) -> bool
    where
        ColumnName: Borrow<Q>,
    {
        self.place(column).is_some()
    }

    /// Gives a column a value; returns the one before.
    pub fn insert(&mut self, column: ColumnName, value: Value) -> Option<Value> {
        // They mostly come in order.
        let is_last = self.names().last().is_none_or(|last| *last < column);
        let at = if is_last { Err(self.values.len()) } else { self.find(&column) };
        match at {
            Ok(at) => self.values.get_mut(at).map(|old| std::mem::replace(old, value)),
            Err(at) => {
                Arc::make_mut(self.names.get_or_insert_default()).insert(at, column);
                self.values.insert(at, value);
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
        Arc::make_mut(self.names.get_or_insert_default()).remove(at);
        Some(self.values.remove(at))
    }

    /// Takes away all but those of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&ColumnName, &mut Value) -> bool) {
        let all = std::mem::take(self).into_iter();
        self.extend(
            all.filter_map(|(name, mut value)| keep(&name, &mut value).then_some((name, value))),
        );
    }

    /// How many columns have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no column has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Columns and values, in the order of the names.
    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    /// The names, in order.
    #[must_use]
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &ColumnName> {
        self.names().iter()
    }

    /// The values, in the order of the names.
    #[must_use]
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.values.iter()
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

impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names() && self.values == other.values
    }
}

/// Columns and values, in the order of the names.
type Iter<'a> = Zip<slice::Iter<'a, ColumnName>, slice::Iter<'a, Value>>;

impl<'a> IntoIterator for &'a Columns {
    type Item = (&'a ColumnName, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.names().iter().zip(&self.values)
    }
}

impl IntoIterator for Columns {
    type Item = (ColumnName, Value);
    type IntoIter = Zip<vec::IntoIter<ColumnName>, vec::IntoIter<Value>>;

    fn into_iter(self) -> Self::IntoIter {
        let names = self.names.map(Arc::unwrap_or_clone).unwrap_or_default();
        names.into_iter().zip(self.values)
    }
}

/// Of several values of a column the last one counts.
impl Extend<(ColumnName, Value)> for Columns {
    fn extend<T: IntoIterator<Item = (ColumnName, Value)>>(&mut self, columns: T) {
        let columns = columns.into_iter();
        self.reserve(columns.size_hint().0.min(ROOM_MAX));
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
        columns.retain(|name, _| name.as_str() != "a");
        assert_eq!((columns.is_empty(), &columns), (true, &Columns::new()));
    }

    #[test]
    fn rows_that_share_their_names_are_changed_one_by_one() {
        let first = Columns::from([(name("a"), Value::Null), (name("b"), Value::Null)]);
        let mut second = Columns::like(&first.without_values(), vec![Value::Boolean(true); 2]);
        second.insert(name("c"), Value::Null);
        second.remove("a");
        assert_eq!(first.keys().map(ColumnName::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(second.keys().map(ColumnName::as_str).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(Columns::like(&first, vec![Value::Null]).keys().len(), 1);
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
