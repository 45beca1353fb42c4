//! The gate: may this user do this to this record? Pure judgment, the same on a device, at a peer
//! and on the server. The rules are those of `docs/privileges.md`.
//!
//! A [`Roster`] indexes a policy and an organization. From it a user's [`Standing`] is resolved,
//! which is all that a judge needs of an author, and travels. [`judge`] takes a standing, a
//! [`Directory`] for what concerns others, and the facts of a table and a record.

mod access;
mod action;
mod case;
mod confirmed;
mod directory;
mod facts;
mod judge;
mod roster;
mod ruling;
mod standing;

pub use access::{can_read, can_read_column, column_permissions, has_right};
pub use action::{Action, LookupChange, Target};
pub use case::{Answer, CaseJudge};
pub use confirmed::{Admitted, Applied, Attestation, Confirmed, apply};
pub use directory::{Directory, Knowledge};
pub use facts::RecordFacts;
pub use judge::{ColumnJudgement, Judgement, judge, judge_columns};
pub use roster::Roster;
pub use ruling::{Admissible, Court, Find, LookedUp, Ruling, rule};
pub use standing::Standing;
