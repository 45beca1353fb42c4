//! Tables whose values carry a checksum.
//!
//! A value is four bytes of XXH3 over its payload, and then the payload, which is postcard. The hash
//! is seeded by that of the key, and that one by that of the table's name, so that an entry that
//! strays into another table or under another key is found out too. It is for accidents: who can
//! write the file can write checksums.

use std::cell::Cell;
use std::marker::PhantomData;

use redb::{
    AccessGuard, Range, ReadOnlyTable, ReadTransaction, ReadableTable, StorageError,
    TableDefinition, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::const_xxh3::xxh3_64 as const_xxh3_64;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::fence;
use super::key::{StoreKey, after, after_prefix};
use super::lately::Lately;
use crate::gate::Confirmed;
use crate::sync::StoreError;

/// Keys and values as redb has them.
pub(super) type Bytes = &'static [u8];

/// Made room for when a value is written: most are not larger.
const VALUE_ROOM: usize = 512;

thread_local! {
    static READ: Cell<u64> = const { Cell::new(0) };
}

/// How many entries of tables this thread has looked at, in all stores: what something costs, counted and
/// not timed.
#[must_use]
pub fn entries_read() -> u64 {
    READ.get()
}

/// A table: its name, and which keys and values it holds.
pub(super) struct Table<K, V> {
    name: &'static str,
    /// Where the checksums of this table begin.
    seed: u64,
    kinds: PhantomData<fn(K) -> V>,
}

impl<K: StoreKey, V: Serialize + DeserializeOwned> Table<K, V> {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, seed: const_xxh3_64(name.as_bytes()), kinds: PhantomData }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    fn definition(&self) -> TableDefinition<'static, Bytes, Bytes> {
        TableDefinition::new(self.name)
    }

    /// The table in a snapshot.
    pub(super) fn read(&'static self, tx: &ReadTransaction) -> Result<Reading<K, V>, StoreError> {
        let inner = tx.open_table(self.definition()).map_err(fence::table)?;
        Ok(Opened { table: self, inner })
    }

    /// The table in a write transaction; it is made if it is not there.
    pub(super) fn write<'t>(
        &'static self,
        tx: &'t WriteTransaction,
    ) -> Result<Opened<K, V, redb::Table<'t, Bytes, Bytes>>, StoreError> {
        let inner = tx.open_table(self.definition()).map_err(fence::table)?;
        Ok(Opened { table: self, inner })
    }

    /// Writes all entries of a snapshot into another file, each as it is; what is damaged is not
    /// passed on.
    pub(super) fn copy(
        &'static self,
        from: &ReadTransaction,
        to: &WriteTransaction,
    ) -> Result<(), StoreError> {
        self.copy_if(from, to, |_| true)
    }

    /// As [`Self::copy`], of those whose keys are wanted.
    pub(super) fn copy_if(
        &'static self,
        from: &ReadTransaction,
        to: &WriteTransaction,
        is_wanted: impl Fn(&K) -> bool,
    ) -> Result<(), StoreError> {
        let (from, mut to) = (self.read(from)?, self.write(to)?);
        let mut entries = from.all()?;
        while let Some(entry) = entries.next_raw()? {
            if is_wanted(&entry.key()?) {
                to.inner.insert(entry.key, entry.value).map_err(fence::storage)?;
            }
        }
        Ok(())
    }

    fn checksum(&self, key: &[u8], payload: &[u8]) -> [u8; 4] {
        let [a, b, c, d, ..] =
            xxh3_64_with_seed(payload, xxh3_64_with_seed(key, self.seed)).to_le_bytes();
        [a, b, c, d]
    }

    fn damaged(&self, key: &[u8], what: impl std::fmt::Display) -> StoreError {
        StoreError::Damaged(format!("table `{}`, key {}: {what}", self.name, describe::<K>(key)))
    }

    /// Checks a value and gives its payload.
    fn payload<'a>(&self, key: &[u8], value: &'a [u8]) -> Result<&'a [u8], StoreError> {
        READ.set(READ.get() + 1);
        match value.split_first_chunk::<4>() {
            Some((checksum, payload)) if *checksum == self.checksum(key, payload) => Ok(payload),
            _ => Err(self.damaged(key, "the checksum does not fit")),
        }
    }

    fn decode(&self, key: &[u8], value: &[u8]) -> Result<V, StoreError> {
        self.parse(key, self.payload(key, value)?)
    }

    fn parse(&self, key: &[u8], payload: &[u8]) -> Result<V, StoreError> {
        self.parse_by(key, payload, postcard::take_from_bytes)
    }

    /// As [`Self::parse`], by a reader that knows more; it returns what it left over, too.
    fn parse_by<'b>(
        &self,
        key: &[u8],
        payload: &'b [u8],
        read: impl FnOnce(&'b [u8]) -> Result<(V, &'b [u8]), postcard::Error>,
    ) -> Result<V, StoreError> {
        match read(payload) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(self.damaged(key, format_args!("{} bytes too many", rest.len()))),
            Err(error) => Err(self.damaged(key, error)),
        }
    }

    fn encode(&self, key: &[u8], value: &V) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::with_capacity(VALUE_ROOM);
        bytes.extend_from_slice(&[0; 4]);
        let mut bytes = postcard::to_extend(value, bytes)
            .map_err(|error| self.damaged(key, format_args!("cannot be written: {error}")))?;
        if let Some((checksum, payload)) = bytes.split_first_chunk_mut::<4>() {
            *checksum = self.checksum(key, payload);
        }
        Ok(bytes)
    }

    pub(super) fn entry(&self, key: &[u8], value: &[u8]) -> Result<(K, V), StoreError> {
        let value = self.decode(key, value)?;
        Ok((self.key(key)?, value))
    }

    fn misplaced(&self, key: &[u8]) -> StoreError {
        self.damaged(key, "it is not where it should be")
    }

    fn key(&self, key: &[u8]) -> Result<K, StoreError> {
        K::from_bytes(key).ok_or_else(|| self.damaged(key, "it is no key"))
    }
}

/// A table within a write transaction.
pub(super) type Writing<'t, K, V> = Opened<K, V, redb::Table<'t, Bytes, Bytes>>;

/// A table within a snapshot.
pub(super) type Reading<K, V> = Opened<K, V, ReadOnlyTable<Bytes, Bytes>>;

/// A table within a transaction.
pub(super) struct Opened<K: 'static, V: 'static, T> {
    table: &'static Table<K, V>,
    inner: T,
}

impl<K, V, T> Opened<K, V, T>
where
    K: StoreKey,
    V: Serialize + DeserializeOwned,
    T: ReadableTable<Bytes, Bytes>,
{
    pub(super) fn get(&self, key: &K) -> Result<Option<V>, StoreError> {
        let key = key.to_bytes();
        let Some(value) = self.inner.get(key.as_slice()).map_err(fence::storage)? else {
            self.check_around(&key)?;
            return Ok(None);
        };
        self.table.decode(&key, value.value()).map(Some)
    }

    /// A value as the record that it is kept for, which `read` makes of it where it is not known already. Of
    /// one that does not stand alone its bytes do not tell.
    pub(super) fn get_as(
        &self,
        key: &K,
        lately: &Lately,
        stands_alone: impl FnOnce(&V) -> bool,
        read: impl FnOnce(V) -> Result<Confirmed, StoreError>,
    ) -> Result<Option<Confirmed>, StoreError> {
        let bytes = key.to_bytes();
        let Some(value) = self.inner.get(bytes.as_slice()).map_err(fence::storage)? else {
            self.check_around(&bytes)?;
            return Ok(None);
        };
        if let Some(known) = lately.find(&bytes, value.value()) {
            READ.set(READ.get() + 1);
            return Ok(Some(known));
        }
        let held = self.table.decode(&bytes, value.value())?;
        let stands_alone = stands_alone(&held);
        let confirmed = read(held)?;
        if stands_alone {
            lately.keep(bytes, value.value().to_vec(), confirmed.clone());
        }
        Ok(Some(confirmed))
    }

    /// A value that must be there, because another table says so.
    pub(super) fn expect(&self, key: &K) -> Result<V, StoreError> {
        self.get(key)?.ok_or_else(|| self.missing(key))
    }

    /// Something that must be there is not.
    pub(super) fn missing(&self, key: &K) -> StoreError {
        self.table.damaged(&key.to_bytes(), "it is not there, though another table refers to it")
    }

    pub(super) fn len(&self) -> Result<u64, StoreError> {
        self.inner.len().map_err(fence::storage)
    }

    pub(super) fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }

    /// The bytes, unchecked.
    pub(super) fn raw(&self) -> &T {
        &self.inner
    }

    /// The last key; `None`: the table is empty.
    pub(super) fn last_key(&self) -> Result<Option<K>, StoreError> {
        let Some((key, value)) = self.inner.last().map_err(fence::storage)? else {
            return Ok(None);
        };
        self.table.entry(key.value(), value.value()).map(|(key, _)| Some(key))
    }

    /// The last entry up to `key`, it included.
    pub(super) fn last_up_to(&self, key: &K) -> Result<Option<(K, V)>, StoreError> {
        let key = key.to_bytes();
        self.check_behind(&after(key.clone()))?;
        let found = self.inner.range(..=key.as_slice()).map_err(fence::storage)?.next_back();
        let Some(entry) = found else { return Ok(None) };
        let (found, value) = entry.map_err(fence::storage)?;
        let entry = self.table.entry(found.value(), value.value())?;
        let is_in_place = found.value() <= key.as_slice();
        if is_in_place { Ok(Some(entry)) } else { Err(self.table.misplaced(found.value())) }
    }

    /// The keys before and behind a key, be it there or not; their values are checked and not decoded.
    pub(super) fn beside(&self, key: &K) -> Result<[Option<K>; 2], StoreError> {
        let key = key.to_bytes();
        let before = self.inner.range(..key.as_slice()).map_err(fence::storage)?.next_back();
        let behind = after(key.clone());
        let next = self.inner.range(behind.as_slice()..).map_err(fence::storage)?.next();
        let before = self.neighbour(before, |found| found < key.as_slice())?;
        Ok([before, self.neighbour(next, |found| found >= behind.as_slice())?])
    }

    /// All entries, in the order of their keys.
    pub(super) fn all(&self) -> Result<Entries<'_, K, V>, StoreError> {
        let mut all = self.within(&[], None)?;
        // A page that says that it holds fewer than it does has no neighbour that tells.
        all.left = Some(self.len()?);
        Ok(all)
    }

    /// All keys, in their order; the values are checked and not decoded.
    pub(super) fn all_keys(
        &self,
    ) -> Result<impl Iterator<Item = Result<K, StoreError>> + '_, StoreError> {
        let mut entries = self.all()?;
        Ok(std::iter::from_fn(move || {
            let next = entries.next_raw().transpose()?;
            Some(next.and_then(|entry| entry.key()))
        }))
    }

    /// The keys after `key`, or all; the values are checked and not decoded.
    pub(super) fn keys_after(
        &self,
        key: Option<&K>,
    ) -> Result<impl Iterator<Item = Result<K, StoreError>> + '_, StoreError> {
        let from = key.map(|key| after(key.to_bytes())).unwrap_or_default();
        let mut entries = self.within(&from, None)?;
        Ok(std::iter::from_fn(move || {
            let next = entries.next_raw().transpose()?;
            Some(next.and_then(|entry| entry.key()))
        }))
    }

    /// The entries whose keys begin with `prefix`.
    pub(super) fn starting_with(
        &self,
        prefix: &impl StoreKey,
    ) -> Result<Entries<'_, K, V>, StoreError> {
        let prefix = prefix.to_bytes();
        let end = after_prefix(&prefix);
        self.within(&prefix, end.as_deref())
    }

    /// The entries after `key`.
    pub(super) fn after(&self, key: &K) -> Result<Entries<'_, K, V>, StoreError> {
        self.within(&after(key.to_bytes()), None)
    }

    /// The entries whose keys begin with `prefix`, after `key`.
    pub(super) fn starting_after(
        &self,
        prefix: &impl StoreKey,
        key: &K,
    ) -> Result<Entries<'_, K, V>, StoreError> {
        let end = after_prefix(&prefix.to_bytes());
        self.within(&after(key.to_bytes()), end.as_deref())
    }

    /// The entries from one key up to another, without that.
    pub(super) fn between(&self, from: &K, to: &K) -> Result<Entries<'_, K, V>, StoreError> {
        self.within(&from.to_bytes(), Some(&to.to_bytes()))
    }

    /// As [`Self::between`], the last one first.
    pub(super) fn between_backwards(
        &self,
        from: &K,
        to: &K,
    ) -> Result<EntriesBack<'_, K, V>, StoreError> {
        let (from, to) = (from.to_bytes(), to.to_bytes());
        let behind = self.inner.range(to.as_slice()..).map_err(fence::storage)?.next();
        self.check_neighbour(behind, |key| key >= to.as_slice())?;
        let inner = self.inner.range(..to.as_slice()).map_err(fence::storage)?;
        Ok(EntriesBack { table: self.table, inner, at: None, ceiling: to, from })
    }

    fn within(&self, from: &[u8], to: Option<&[u8]>) -> Result<Entries<'_, K, V>, StoreError> {
        self.check_before(from)?;
        let inner = self.inner.range(from..).map_err(fence::storage)?;
        Ok(Entries::new(self.table, inner, from, to))
    }

    /// Before it is said that there is nothing (else) from `from` on, what lies before it is
    /// looked at, and likewise what lies behind. An entry whose key was damaged still lies where
    /// the right one would, and its checksum does not fit. And where a page above led astray,
    /// there is an entry on the wrong side.
    fn check_before(&self, from: &[u8]) -> Result<(), StoreError> {
        let before = self.inner.range(..from).map_err(fence::storage)?.next_back();
        self.check_neighbour(before, |key| key < from)
    }

    /// As [`Self::check_before`], for a key that was not found.
    fn check_behind(&self, missing: &[u8]) -> Result<(), StoreError> {
        let behind = self.inner.range(missing..).map_err(fence::storage)?.next();
        self.check_neighbour(behind, |key| key > missing)
    }

    /// As [`Self::check_before`], on both sides of a key that was not found.
    fn check_around(&self, missing: &[u8]) -> Result<(), StoreError> {
        self.check_before(missing)?;
        self.check_behind(missing)
    }

    fn check_neighbour<'g>(
        &self,
        neighbour: Option<Result<(Guard<'g>, Guard<'g>), StorageError>>,
        is_in_place: impl FnOnce(&[u8]) -> bool,
    ) -> Result<(), StoreError> {
        self.neighbour(neighbour, is_in_place).map(|_| ())
    }

    /// The key of an entry, which is looked at.
    fn neighbour<'g>(
        &self,
        neighbour: Option<Result<(Guard<'g>, Guard<'g>), StorageError>>,
        is_in_place: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Option<K>, StoreError> {
        let Some(entry) = neighbour else { return Ok(None) };
        let (key, value) = entry.map_err(fence::storage)?;
        self.table.payload(key.value(), value.value())?;
        if !is_in_place(key.value()) {
            return Err(self.table.misplaced(key.value()));
        }
        self.table.key(key.value()).map(Some)
    }
}

impl<K, V> Opened<K, V, ReadOnlyTable<Bytes, Bytes>>
where
    K: StoreKey,
    V: Serialize + DeserializeOwned,
{
    /// The entries whose keys begin with `prefix`, from `key` on, for who knows what the first must be;
    /// the iterator keeps the snapshot.
    pub(super) fn owned_from(
        &self,
        prefix: &impl StoreKey,
        key: &K,
    ) -> Result<Entries<'static, K, V>, StoreError> {
        let to = after_prefix(&prefix.to_bytes());
        let from = key.to_bytes();
        let inner = self.inner.range::<&[u8]>(from.as_slice()..).map_err(fence::storage)?;
        Ok(Entries::new(self.table, inner, &from, to.as_deref()))
    }

    /// The value under a key of these bytes, to be read later; it keeps the snapshot.
    pub(super) fn owned_get(&self, key: &[u8]) -> Result<Option<RawValue<K, V>>, StoreError> {
        let Some(value) = self.inner.get(key).map_err(fence::storage)? else {
            self.check_around(key)?;
            return Ok(None);
        };
        self.table.payload(key, value.value())?;
        Ok(Some(RawValue { table: self.table, value }))
    }

    /// As [`Self::starting_with`], of keys after `key`; the iterator keeps the snapshot.
    pub(super) fn owned_starting_with(
        &self,
        prefix: &impl StoreKey,
        key: Option<&K>,
    ) -> Result<Entries<'static, K, V>, StoreError> {
        let prefix = prefix.to_bytes();
        let to = after_prefix(&prefix);
        let from = key.map_or(prefix, |key| after(key.to_bytes()));
        self.check_before(&from)?;
        let inner = self.inner.range::<&[u8]>(from.as_slice()..).map_err(fence::storage)?;
        Ok(Entries::new(self.table, inner, &from, to.as_deref()))
    }
}

impl<K, V> Opened<K, V, redb::Table<'_, Bytes, Bytes>>
where
    K: StoreKey,
    V: Serialize + DeserializeOwned,
{
    /// Writes a value and gives back the one it replaces.
    pub(super) fn put(&mut self, key: &K, value: &V) -> Result<Option<V>, StoreError> {
        let key = key.to_bytes();
        let value = self.table.encode(&key, value)?;
        let old = self.inner.insert(key.as_slice(), value.as_slice()).map_err(fence::storage)?;
        old.map(|old| self.table.decode(&key, old.value())).transpose()
    }

    /// As [`Self::put`]; tells only whether there was one.
    pub(super) fn set(&mut self, key: &K, value: &V) -> Result<bool, StoreError> {
        let key = key.to_bytes();
        let value = self.table.encode(&key, value)?;
        let old = self.inner.insert(key.as_slice(), value.as_slice()).map_err(fence::storage)?;
        Ok(old.is_some())
    }

    /// As [`Self::set`], of a value that stands alone for this record.
    pub(super) fn set_as(
        &mut self,
        key: &K,
        value: &V,
        lately: &Lately,
        confirmed: Confirmed,
    ) -> Result<(), StoreError> {
        let key = key.to_bytes();
        let value = self.table.encode(&key, value)?;
        self.inner.insert(key.as_slice(), value.as_slice()).map_err(fence::storage)?;
        lately.keep(key, value, confirmed);
        Ok(())
    }

    /// As [`Self::set`], unless the very same is there already; tells whether it was not.
    pub(super) fn set_changed(&mut self, key: &K, value: &V) -> Result<bool, StoreError> {
        let key = key.to_bytes();
        let value = self.table.encode(&key, value)?;
        let old = self.inner.get(key.as_slice()).map_err(fence::storage)?;
        if old.is_some_and(|old| old.value() == value.as_slice()) {
            return Ok(false);
        }
        self.inner.insert(key.as_slice(), value.as_slice()).map_err(fence::storage)?;
        Ok(true)
    }

    /// Removes all entries up to `key`, it included.
    pub(super) fn delete_up_to(&mut self, key: &K) -> Result<(), StoreError> {
        let end = key.to_bytes();
        self.inner.retain_in(..=end.as_slice(), |_, _| false).map_err(fence::storage)
    }

    /// Removes an entry and gives back its value.
    pub(super) fn take(&mut self, key: &K) -> Result<Option<V>, StoreError> {
        let key = key.to_bytes();
        let old = self.inner.remove(key.as_slice()).map_err(fence::storage)?;
        old.map(|old| self.table.decode(&key, old.value())).transpose()
    }

    /// Removes an entry; tells whether there was one.
    pub(super) fn delete(&mut self, key: &K) -> Result<bool, StoreError> {
        let old = self.inner.remove(key.to_bytes().as_slice()).map_err(fence::storage)?;
        Ok(old.is_some())
    }
}

pub(super) fn describe<K: StoreKey>(key: &[u8]) -> String {
    K::from_bytes(key).map_or_else(|| data_encoding::HEXLOWER.encode(key), |key| key.describe())
}

type Guard<'a> = AccessGuard<'a, Bytes>;

/// Entries in the order of their keys. Each is checked as it comes: its value, and that it lies
/// behind the one before. After an error there are no more.
pub(super) struct Entries<'a, K: 'static, V: 'static> {
    table: &'static Table<K, V>,
    /// To the end of the table: that an entry is not before `to` any more is for us to see, and
    /// whether it is one at all.
    inner: Range<'a, Bytes, Bytes>,
    /// The entry that was gone to last.
    at: Option<(Guard<'a>, Guard<'a>)>,
    /// The next key is not before this.
    floor: Vec<u8>,
    to: Option<Vec<u8>>,
    /// How many more there must be, where that is known.
    left: Option<u64>,
    ended: bool,
}

impl<'a, K: StoreKey, V: Serialize + DeserializeOwned> Entries<'a, K, V> {
    fn new(
        table: &'static Table<K, V>,
        inner: Range<'a, Bytes, Bytes>,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> Self {
        let (floor, to) = (from.to_vec(), to.map(<[u8]>::to_vec));
        Self { table, inner, at: None, floor, to, left: None, ended: false }
    }

    /// The next entry, to be read or not.
    pub(super) fn next_raw(&mut self) -> Result<Option<RawEntry<'_, K, V>>, StoreError> {
        if !self.ended {
            let stepped = self.step();
            self.ended = !matches!(stepped, Ok(true));
            stepped?;
        }
        Ok(self.raw())
    }

    /// The entry that was gone to last.
    pub(super) fn raw(&self) -> Option<RawEntry<'_, K, V>> {
        let (key, value) = self.at.as_ref().filter(|_| !self.ended)?;
        Some(RawEntry { table: self.table, key: key.value(), value: value.value() })
    }

    fn step(&mut self) -> Result<bool, StoreError> {
        let Some(next) = self.inner.next() else {
            let Some(left) = self.left.filter(|left| *left != 0) else { return Ok(false) };
            let text = format!("table `{}`: {left} of its entries are not there", self.table.name);
            return Err(StoreError::Damaged(text));
        };
        self.left = self.left.map(|left| left.saturating_sub(1));
        let (key, value) = self.at.insert(next.map_err(fence::storage)?);
        let found = key.value();
        self.table.payload(found, value.value())?;
        if found < self.floor.as_slice() {
            return Err(self.table.misplaced(found));
        }
        if self.to.as_deref().is_some_and(|to| found >= to) {
            return Ok(false);
        }
        self.floor.clear();
        self.floor.extend_from_slice(found);
        self.floor.push(0);
        Ok(true)
    }
}

impl<K: StoreKey, V: Serialize + DeserializeOwned> Iterator for Entries<'_, K, V> {
    type Item = Result<(K, V), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_raw().transpose()?;
        Some(next.and_then(|entry| {
            Ok((entry.key()?, entry.read_by(|payload| postcard::take_from_bytes(payload))?))
        }))
    }
}

/// An entry that was checked, and not read yet.
pub(super) struct RawEntry<'e, K: 'static, V: 'static> {
    table: &'static Table<K, V>,
    key: &'e [u8],
    value: &'e [u8],
}

impl<'e, K: StoreKey, V: Serialize + DeserializeOwned> RawEntry<'e, K, V> {
    /// The key's bytes.
    pub(super) fn key_bytes(&self) -> &'e [u8] {
        self.key
    }

    pub(super) fn key(&self) -> Result<K, StoreError> {
        self.table.key(self.key)
    }

    /// The value's bytes, whose checksum fits.
    pub(super) fn payload(&self) -> &'e [u8] {
        self.value.split_at_checked(4).map_or(&[], |(_, payload)| payload)
    }

    pub(super) fn damaged(&self, what: &str) -> StoreError {
        self.table.damaged(self.key, what)
    }

    /// The value, read by a reader that knows more than how to read one alone.
    pub(super) fn read_by(
        &self,
        read: impl FnOnce(&'e [u8]) -> Result<(V, &'e [u8]), postcard::Error>,
    ) -> Result<V, StoreError> {
        self.table.parse_by(self.key, self.payload(), read)
    }
}

/// A value that was found by its key and checked, and not read yet.
pub(super) struct RawValue<K: 'static, V: 'static> {
    table: &'static Table<K, V>,
    value: Guard<'static>,
}

impl<K, V> RawValue<K, V> {
    /// With its key.
    pub(super) fn under<'e>(&'e self, key: &'e [u8]) -> RawEntry<'e, K, V> {
        RawEntry { table: self.table, key, value: self.value.value() }
    }
}

/// Entries in the order of their keys, the last one first, checked as [`Entries`] are.
pub(super) struct EntriesBack<'a, K: 'static, V: 'static> {
    table: &'static Table<K, V>,
    inner: Range<'a, Bytes, Bytes>,
    at: Option<(Guard<'a>, Guard<'a>)>,
    /// The next key is before this.
    ceiling: Vec<u8>,
    from: Vec<u8>,
}

impl<K: StoreKey, V: Serialize + DeserializeOwned> EntriesBack<'_, K, V> {
    /// The next entry, to be read or not; after the last, or an error, not to be asked again.
    pub(super) fn next_raw(&mut self) -> Result<Option<RawEntry<'_, K, V>>, StoreError> {
        let Some(next) = self.inner.next_back() else { return Ok(None) };
        let (key, value) = self.at.insert(next.map_err(fence::storage)?);
        let (key, value) = (key.value(), value.value());
        self.table.payload(key, value)?;
        if key >= self.ceiling.as_slice() {
            return Err(self.table.misplaced(key));
        }
        if key < self.from.as_slice() {
            return Ok(None);
        }
        self.ceiling.clear();
        self.ceiling.extend_from_slice(key);
        Ok(Some(RawEntry { table: self.table, key, value }))
    }
}
