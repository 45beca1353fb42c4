//! What the bytes of a message are for.
//!
//! Whoever has written or read a message walks along its bytes once more and counts. Of columns, which large
//! pages are, only lengths are looked at. Of bytes that are no message the sum is right all the same: what
//! cannot be followed is framing.

use serde::Deserialize;

use super::entries::{Moved, Own, Split};
use super::rows::{WireOp, WireSection};
use super::{
    Digest, HashesDigest, IdsDigest, SchemaMark, Scope, Signature, ToDevice, ToServer, columns,
    edits,
};
use crate::model::{ActorId, DeviceNumber, RecordId, Sequence, Spent, TableName, UserId};

/// What bytes of a message are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Ids,
    Values,
    Verdicts,
    Signatures,
    Session,
    Framing,
}

/// A record id in a message: its length, and 16 bytes.
const ID_BYTES: usize = 17;
const SIGNATURE_BYTES: usize = size_of::<Signature>();
const DIGEST_BYTES: usize = size_of::<Digest>();

impl ToServer {
    /// What the bytes are for of which [`encode_message`](super::encode_message) made the message, or that
    /// [`decode_message`](super::decode_message) read.
    #[must_use]
    pub fn weigh(&self, bytes: &[u8]) -> Spent {
        let mut walk = Walk::of_message(bytes);
        match self {
            Self::Push(_) => walk.push().unwrap_or(()),
            Self::Fetch { .. } | Self::Ask(_) | Self::First { .. } | Self::Compare { .. } => {
                walk.rest(For::Ids);
            }
            Self::Purged(_) => walk.signed(),
            Self::Hello(_)
            | Self::Enroll { .. }
            | Self::Flush { .. }
            | Self::Admin { .. }
            | Self::Stored { .. } => walk.rest(For::Session),
        }
        walk.finish()
    }
}

impl ToDevice {
    /// As [`ToServer::weigh`].
    #[must_use]
    pub fn weigh(&self, bytes: &[u8]) -> Spent {
        let mut walk = Walk::of_message(bytes);
        match self {
            Self::Page(_) => walk.page().unwrap_or(()),
            Self::Verdicts(_) => walk.rest(For::Verdicts),
            Self::Greeting { .. } => walk.rest(For::Signatures),
            Self::Grant(_) => walk.signed(),
            Self::First { .. } => walk.rest(For::Ids),
            Self::Compared { ranges, .. } => {
                walk.take(DIGEST_BYTES.saturating_mul(ranges.len()), For::Signatures);
                walk.rest(For::Ids);
            }
            Self::Welcome { .. }
            | Self::Schema(_)
            | Self::Intake(_)
            | Self::Owners(_)
            | Self::Flushed { .. }
            | Self::NameWhole
            | Self::Refused(_)
            | Self::BackedUp(_)
            | Self::Admin { .. }
            | Self::Coming { .. } => walk.rest(For::Session),
        }
        walk.finish()
    }
}

/// How far the bytes are counted. What is asked of it and is not there is `None`.
pub(super) struct Walk<'a> {
    rest: &'a [u8],
    spent: Spent,
}

impl<'a> Walk<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, spent: Spent::default() }
    }

    fn of_message(bytes: &'a [u8]) -> Self {
        let mut walk = Self::new(bytes);
        // The version, and which message it is.
        walk.read::<(u8, u32)>(For::Framing);
        walk
    }

    fn add(&mut self, bytes: usize, what: For) {
        let count = match what {
            For::Ids => &mut self.spent.ids,
            For::Values => &mut self.spent.values,
            For::Verdicts => &mut self.spent.verdicts,
            For::Signatures => &mut self.spent.signatures,
            For::Session => &mut self.spent.session,
            For::Framing => &mut self.spent.framing,
        };
        *count += bytes as u64;
    }

    /// So many bytes.
    pub(super) fn take(&mut self, bytes: usize, what: For) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.add(bytes, what);
        self.rest = rest;
        Some(taken)
    }

    /// Something in postcard.
    pub(super) fn read<T: Deserialize<'a>>(&mut self, what: For) -> Option<T> {
        let (read, rest) = postcard::take_from_bytes(self.rest).ok()?;
        self.add(self.rest.len() - rest.len(), what);
        self.rest = rest;
        Some(read)
    }

    /// How many bytes or things follow.
    pub(super) fn count(&mut self, what: For) -> Option<usize> {
        usize::try_from(self.read::<u64>(what)?).ok()
    }

    /// How many bytes are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// All that is left.
    pub(super) fn rest(&mut self, what: For) {
        self.add(self.rest.len(), what);
        self.rest = &[];
    }

    fn finish(mut self) -> Spent {
        self.rest(For::Framing);
        self.spent
    }

    /// Something that may be there.
    fn option<T: Deserialize<'a>>(&mut self, what: For) -> Option<()> {
        if self.read::<bool>(For::Framing)? {
            self.read::<T>(what)?;
        }
        Some(())
    }

    /// A list of things.
    fn list<T: Deserialize<'a>>(&mut self, what: For) -> Option<()> {
        for _ in 0..self.count(For::Framing)? {
            self.read::<T>(what)?;
        }
        Some(())
    }

    /// Bytes behind their length, which are counted on their own.
    fn inner(&mut self, walk: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let length = self.count(For::Framing)?;
        let (inner, rest) = self.rest.split_at_checked(length)?;
        self.rest = inner;
        // What is left of them is framing.
        walk(self);
        self.rest(For::Framing);
        self.rest = rest;
        Some(())
    }

    /// What a signature is behind.
    fn signed(&mut self) {
        let body = self.rest.len().saturating_sub(SIGNATURE_BYTES);
        self.take(body, For::Session);
        self.rest(For::Signatures);
    }

    /// A change set.
    fn push(&mut self) -> Option<()> {
        self.inner(|body| {
            body.read::<u8>(For::Framing)?;
            body.read::<DeviceNumber>(For::Ids)?;
            body.read::<HashesDigest>(For::Signatures)?;
            body.option::<IdsDigest>(For::Signatures)?;
            body.option::<SchemaMark>(For::Signatures)?;
            body.inner(Self::edits)
        })?;
        self.rest(For::Signatures);
        Some(())
    }

    fn page(&mut self) -> Option<()> {
        self.read::<u16>(For::Framing)?;
        self.inner(|columns| {
            columns::weigh_numbers(columns, For::Framing)?;
            columns::weigh_numbers(columns, For::Ids)
        })?;
        self.inner(|sent| {
            sent.rest(For::Verdicts);
            Some(())
        })?;
        self.inner(Self::edits)?;
        if self.read::<bool>(For::Framing)? {
            self.rare()?;
        }
        self.read::<Sequence>(For::Session)?;
        self.option::<Scope>(For::Session)?;
        self.list::<(DeviceNumber, UserId)>(For::Ids)?;
        self.option::<IdsDigest>(For::Signatures)
    }

    /// Entries of kinds that come seldom.
    fn rare(&mut self) -> Option<()> {
        self.list::<Own>(For::Verdicts)?;
        self.list::<Split>(For::Verdicts)?;
        self.list::<(TableName, RecordId)>(For::Verdicts)?;
        for _ in 0..self.count(For::Framing)? {
            self.moved()?;
        }
        Some(())
    }

    /// Where owners moved, and which records follow.
    fn moved(&mut self) -> Option<()> {
        let before = self.rest.len();
        let (moved, rest): (Moved, _) = postcard::take_from_bytes(self.rest).ok()?;
        let records: usize = moved.2.iter().map(|leg| leg.records.len()).sum();
        let (all, ids) = (before - rest.len(), records.saturating_mul(ID_BYTES));
        self.take(ids, For::Ids)?;
        self.take(all.checked_sub(ids)?, For::Values)?;
        Some(())
    }

    fn edits(&mut self) -> Option<()> {
        match self.read::<u8>(For::Framing)? {
            edits::ROWS => self.rows(),
            edits::COLUMNS => columns::weigh(self),
            edits::STREAMS => columns::weigh_streams(self),
            _ => None,
        }
    }

    /// Edits as rows, of which there are few.
    fn rows(&mut self) -> Option<()> {
        self.list::<&str>(For::Values)?;
        self.list::<ActorId>(For::Ids)?;
        for _ in 0..self.count(For::Framing)? {
            // Device, counter and part.
            self.read::<(u32, i64, u32)>(For::Ids)?;
            // The table.
            self.read::<u32>(For::Values)?;
            // The record, and of how many parts its commit is.
            self.read::<([u8; 16], u32)>(For::Ids)?;
            for _ in 0..self.count(For::Framing)? {
                self.change()?;
            }
        }
        Some(())
    }

    fn change(&mut self) -> Option<()> {
        self.read::<WireSection>(For::Values)?;
        // Actor and number.
        self.read::<(u32, u64)>(For::Ids)?;
        // The time.
        self.read::<i64>(For::Values)?;
        for _ in 0..self.count(For::Ids)? {
            self.read::<(u32, u64)>(For::Ids)?;
        }
        self.list::<WireOp<'_>>(For::Values)
    }
}
