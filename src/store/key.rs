//! Keys as bytes whose order is that of what they stand for.

use std::fmt::Display;

use crate::codec::{Digest, PublicKey};
use crate::model::{Bucket, DeviceNumber, EditId, RecordId, Sequence, TableName};
use crate::sync::{Strand, Turn};

/// Ends a table's name within a key. No name holds a control character, so that a shorter name
/// comes before the longer ones that it begins, as names themselves do.
const NAME_END: u8 = 0;

/// The key of a stored value.
pub(super) trait StoreKey: Sized {
    /// Adds the bytes to a key. Their order is that of the keys.
    fn write(&self, to: &mut Vec<u8>);

    /// Takes the key off the front of `bytes`; `None` if they are none.
    fn take(bytes: &mut &[u8]) -> Option<Self>;

    /// For people: what the key stands for.
    fn describe(&self) -> String;

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(48);
        self.write(&mut bytes);
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let key = Self::take(&mut bytes)?;
        bytes.is_empty().then_some(key)
    }
}

/// The first key after all that begin with `prefix`; `None`: there is none.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// The first key after `key`.
pub(super) fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

fn chunk<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (chunk, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*chunk)
}

impl StoreKey for u32 {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.to_be_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        chunk(bytes).map(Self::from_be_bytes)
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

impl StoreKey for u64 {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.to_be_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        chunk(bytes).map(Self::from_be_bytes)
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

impl<const N: usize> StoreKey for [u8; N] {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        chunk(bytes)
    }

    fn describe(&self) -> String {
        data_encoding::HEXLOWER.encode(self)
    }
}

/// Takes all that is left, so it comes last in a key.
impl StoreKey for String {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        std::str::from_utf8(std::mem::take(bytes)).ok().map(str::to_owned)
    }

    fn describe(&self) -> String {
        self.clone()
    }
}

/// Takes all that is left, so it comes last in a key. What it says may be somebody's values.
impl StoreKey for Vec<u8> {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(std::mem::take(bytes).to_vec())
    }

    fn describe(&self) -> String {
        format!("({} bytes)", self.len())
    }
}

impl StoreKey for TableName {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_str().as_bytes());
        to.push(NAME_END);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        named(bytes)?.parse().ok()
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

impl StoreKey for Bucket {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.to_string().as_bytes());
        to.push(NAME_END);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        named(bytes)?.parse().ok()
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

impl StoreKey for Strand {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bucket(bucket) => {
                to.push(0);
                bucket.write(to);
            }
            Self::Table(table) => {
                to.push(1);
                table.write(to);
            }
            Self::Author(device) => {
                to.push(2);
                device.write(to);
            }
            Self::Record(record) => {
                to.push(3);
                record.write(to);
            }
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        *bytes = rest;
        Some(match kind {
            0 => Self::Bucket(Bucket::take(bytes)?),
            1 => Self::Table(TableName::take(bytes)?),
            2 => Self::Author(DeviceNumber::take(bytes)?),
            3 => Self::Record(RecordId::take(bytes)?),
            _ => return None,
        })
    }

    fn describe(&self) -> String {
        match self {
            Self::Bucket(bucket) => bucket.describe(),
            Self::Table(table) => table.describe(),
            Self::Author(device) => format!("device {device}"),
            Self::Record(record) => format!("record {record}"),
        }
    }
}

/// What ends with [`NAME_END`].
fn named<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
    let end = bytes.iter().position(|byte| *byte == NAME_END)?;
    let (name, rest) = bytes.split_at_checked(end)?;
    let (_, rest) = rest.split_first()?;
    *bytes = rest;
    std::str::from_utf8(name).ok()
}

impl<A: StoreKey, B: StoreKey> StoreKey for (A, B) {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
        self.1.write(to);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::take(bytes)?, B::take(bytes)?))
    }

    fn describe(&self) -> String {
        format!("{} {}", self.0.describe(), self.1.describe())
    }
}

/// A key that is written as others are.
macro_rules! as_key {
    ($type:ty, $inner:ty, $to:expr, $from:expr, $describe:expr) => {
        impl StoreKey for $type {
            fn write(&self, to: &mut Vec<u8>) {
                let to_inner: fn(&Self) -> $inner = $to;
                to_inner(self).write(to);
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                let from_inner: fn($inner) -> Self = $from;
                <$inner>::take(bytes).map(from_inner)
            }

            fn describe(&self) -> String {
                let describe: fn(&Self) -> String = $describe;
                describe(self)
            }
        }
    };
}

fn text<T: Display>(key: &T) -> String {
    key.to_string()
}

as_key!(RecordId, [u8; 16], |id| *id.as_bytes(), Self::from_bytes, text);
as_key!(Sequence, u64, |it| it.0, Self, text);
as_key!(DeviceNumber, u32, |it| it.0, Self, text);
as_key!(PublicKey, [u8; 32], |it| it.0, Self, text);
as_key!(Digest, [u8; 16], |it| it.0, Self, |it| format!("{it:?}"));
as_key!(
    Turn,
    (u64, u32),
    |it| (it.counter, it.part),
    |(counter, part)| Self { counter, part },
    |it| format!("turn {}.{}", it.counter, it.part)
);
as_key!(
    EditId,
    (u32, (u64, u32)),
    |it| (it.device.0, (it.counter, it.part)),
    |(device, (counter, part))| Self { device: DeviceNumber(device), counter, part },
    text
);

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TableName {
        TableName::new(text).unwrap()
    }

    #[test]
    fn keys_read_back_and_keep_their_order() {
        let id = |byte| RecordId::from_bytes([byte; 16]);
        let mut places = [
            (name("order"), id(0)),
            (name("order"), id(255)),
            (name("order line"), id(0)),
            (name("order!"), id(7)),
            (name("orders"), id(0)),
            (name("Order"), id(9)),
            (name("Überträge"), id(1)),
        ];
        places.sort();
        let bytes: Vec<_> = places.iter().map(StoreKey::to_bytes).collect();
        assert!(bytes.is_sorted());
        for (place, bytes) in places.iter().zip(&bytes) {
            assert_eq!(<(TableName, RecordId)>::from_bytes(bytes).as_ref(), Some(place));
        }
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        assert_eq!(<(TableName, RecordId)>::from_bytes(b"order"), None);
        assert_eq!(<(TableName, RecordId)>::from_bytes(b"order\0short"), None);
        assert_eq!(<(TableName, RecordId)>::from_bytes(&[0; 17]), None);
        assert_eq!(u64::from_bytes(&[0; 9]), None);
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(after_prefix(b"a\0"), Some(b"a\x01".to_vec()));
        assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }
}
