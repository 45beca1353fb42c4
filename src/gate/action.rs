//! What is judged: the edits of section 3 of `docs/privileges.md`, by their effect on one record.

use crate::model::{ColumnName, ColumnPermissions, Owner, Principal, Rights, TableName};

use super::RecordFacts;

/// What someone wants to do with a record.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// See the record.
    Read,
    /// See one of its columns.
    ReadColumn {
        /// Which; one that is not secured needs no more than the record.
        column: &'a ColumnName,
    },
    /// Make the record. Its facts are the new record's.
    Create {
        /// The columns set, in the order given; only secured ones count.
        columns: &'a [ColumnName],
        /// The lookups set.
        lookups: &'a [LookupChange<'a>],
    },
    /// Change columns.
    Write {
        /// The columns changed, in the order given; only secured ones count.
        columns: &'a [ColumnName],
        /// The lookups that change.
        lookups: &'a [LookupChange<'a>],
    },
    /// Delete the record.
    Delete,
    /// Bring a deleted record back.
    Undelete,
    /// Change its owner. The facts are those before.
    Assign {
        /// The new owner, which may be the present one.
        to: &'a Owner,
    },
    /// Replace what a principal may do with the record.
    Share {
        /// To whom.
        to: &'a Principal,
        /// All that it may do from now on; none ends the share.
        rights: Rights,
    },
    /// Replace what a principal may do with a secured column of the record.
    ShareColumn {
        /// To whom.
        to: &'a Principal,
        /// Which column.
        column: &'a ColumnName,
        /// All that it may do from now on; `create` does not count.
        permissions: ColumnPermissions,
    },
    /// Only the right to point its lookups elsewhere.
    Append,
    /// Only the right to be pointed at.
    AppendTo,
}

/// A lookup that changes. One that is set to what it was is none.
#[derive(Debug, Clone, Copy)]
pub struct LookupChange<'a> {
    /// The lookup column.
    pub column: &'a ColumnName,
    /// The table that it points at.
    pub table: &'a TableName,
    /// What it pointed at; [`Target::Nothing`] for a new record.
    pub old: Target<'a>,
    /// What it points at from now on.
    pub new: Target<'a>,
}

/// What a lookup points at.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// Nothing: null.
    Nothing,
    /// This record.
    Record(RecordFacts<'a>),
    /// A record that does not exist. It is denied like one that cannot be read.
    Missing,
    /// A record that this judge does not have.
    Unknown,
}
