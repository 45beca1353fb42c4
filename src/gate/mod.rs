//! The gate: may this user do this to this record? Pure judgment, the same on a device, at a peer
//! and on the server. The rules are those of `docs/privileges.md`.
//!
//! A [`Roster`] indexes a policy and an organization. From it a user's [`Standing`] is resolved,
//! which is all that a judge needs of an author, and travels. [`judge`] takes a standing, a
//! [`Directory`] for what concerns others, and the facts of a table and a record.
//!
//! ```
//! use std::sync::Arc;
//! use tidegate::gate::{Action, RecordFacts, Roster, Standing, judge};
//! use tidegate::model::Rule;
//!
//! let text = r#"
//!     [[business_unit]]
//!     id = "north"
//!     [[user]]
//!     id = "alice"
//!     business_unit = "north"
//!     roles = ["technician"]
//!     [[user]]
//!     id = "bob"
//!     business_unit = "north"
//!     [[role]]
//!     id = "technician"
//!     rights.work_order = { read = "business_unit", write = "user" }
//!     [[table]]
//!     id = "work_order"
//!     ownership = "user_owned"
//! "#;
//! let document = tidegate::policy::read_policy(text, "policy.toml", None, None)?;
//! let organization = document.organization.ok_or("the policy has no organization")?;
//! let roster = Roster::new(Arc::new(document.policy), Arc::new(organization));
//!
//! let alice = Standing::resolve(&roster, &"alice".parse()?).map_err(|denial| denial.to_string())?;
//! let (bob, north) = ("user:bob".parse()?, "north".parse()?);
//! let facts = RecordFacts::owned(&bob, &north);
//! let table = &document.tables["work_order"];
//!
//! assert!(judge(&alice, &roster, table, &Action::Read, &facts).is_allowed());
//! let write = Action::Write { columns: &[], lookups: &[] };
//! let judged = judge(&alice, &roster, table, &write, &facts);
//! assert_eq!(judged.denial().map(|denial| denial.rule), Some(Rule::OutOfDepth));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod action;
mod case;
mod confirmed;
mod directory;
mod explain;
mod facts;
mod follow;
mod judge;
mod reach;
mod requirement;
mod roster;
mod ruling;
mod standing;
mod system_row;

pub use access::{can_read, can_read_column, column_permissions, has_right};
pub use action::{Action, LookupChange, Target};
pub use case::{Answer, CaseExplanation, CaseJudge};
pub use confirmed::{
    Admitted, Applied, Attestation, Confirmed, Versions, apply, can_end_with, replay,
};
pub use directory::{Directory, Knowledge};
pub use explain::{
    Explanation, Finding, Held, Remedy, Requirement, Step, Way, explain, explain_in_full,
};
pub use facts::RecordFacts;
pub use follow::{Follow, follow_owner, renew};
pub use judge::{ColumnJudgement, Judgement, judge, judge_columns};
pub use reach::Reach;
pub use roster::Roster;
pub use ruling::{Admissible, Court, Find, LookedUp, Ruling, check, rule};
pub(crate) use ruling::{absent, is_misplaced};
pub use standing::Standing;
pub use system_row::{Pen, SystemRow, keep_row};
