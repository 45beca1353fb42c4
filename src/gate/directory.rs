//! What a judge must know of others than the author.

use crate::model::{BusinessUnitId, Owner, Principal, TableName};

/// An answer that may be lacking: a device knows little of other people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge<T> {
    /// It is so.
    Known(T),
    /// There is no such owner (or it is a team that cannot own).
    Absent,
    /// This judge cannot tell.
    Unknown,
}

/// Knows owners and principals.
pub trait Directory {
    /// The owner's business unit.
    fn business_unit(&self, owner: &Owner) -> Knowledge<&BusinessUnitId>;

    /// Whether the owner could read records of `table` that it owns: a user who is not disabled
    /// and has a holding for `read`; an owner team one of whose own roles gives `read`.
    fn owner_can_read(&self, owner: &Owner, table: &TableName) -> Knowledge<bool>;

    /// Whether there is such a principal.
    fn principal(&self, to: &Principal) -> Knowledge<()>;
}
