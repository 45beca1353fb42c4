//! Scope: which rows and columns a device gets. Pure, and the same wherever it is asked.
//!
//! An offline profile ([`Profile`](crate::model::Profile)) is checked against a schema, and bound to a
//! user and a minute. What it takes is told by rounds (see `docs/profiles.md`): [`BoundProfile::taken`]
//! finds it by going over all records. Where records are also found by what they look up ([`Linked`]),
//! [`BoundProfile::round`] says it of one, and [`BoundProfile::difference`] of those that changes concern;
//! by steps that are told one by one, too: [`BoundProfile::starts`], [`BoundProfile::follows`],
//! [`BoundProfile::leads_to`] and [`BoundProfile::comes_from`]. Nothing is taken, and nothing is a step to others, that the user may not
//! read.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::convert::Infallible;
//! use std::rc::Rc;
//! use std::sync::Arc;
//!
//! use tidegate::gate::{Roster, Standing};
//! use tidegate::model::{ColumnName, Columns, Header, RecordId, TableName, Timestamp, Value};
//! use tidegate::policy::{read_policy, read_profiles};
//! use tidegate::scope::{Candidate, CheckedProfile, Records, profile_of};
//!
//! /// Records in memory.
//! struct Memory(BTreeMap<TableName, BTreeMap<RecordId, Rc<Candidate>>>);
//!
//! impl Records for Memory {
//!     type Error = Infallible;
//!     fn find(&self, table: &TableName, id: RecordId) -> Result<Option<Rc<Candidate>>, Infallible> {
//!         Ok(self.0.get(table).and_then(|records| records.get(&id)).cloned())
//!     }
//!     fn ids(&self, table: &TableName) -> Result<Vec<RecordId>, Infallible> {
//!         Ok(self.0.get(table).into_iter().flat_map(BTreeMap::keys).copied().collect())
//!     }
//! }
//!
//! let schema = Arc::new(tidegate::read_schema(
//!     r#"
//!     [[table]]
//!     id = "order"
//!     ownership = "user_owned"
//!     columns = [{ id = "status", type = "text" }]
//!     [[table]]
//!     id = "line"
//!     ownership = "organization_owned"
//!     columns = [{ id = "order", type = "lookup", table = "order" }]
//!     "#,
//!     "schema.toml",
//! )?);
//! let rules = r#"
//!     [[business_unit]]
//!     id = "north"
//!     [[user]]
//!     id = "ann"
//!     business_unit = "north"
//!     roles = ["seller"]
//!     [[role]]
//!     id = "seller"
//!     rights.order = { read = "organization" }
//!     rights.line = { read = "organization" }
//! "#;
//! let rules = read_policy(rules, "policy.toml", Some(&schema), None)?;
//! let organization = rules.organization.ok_or("no organization")?;
//! let profiles = r#"
//!     [[profile]]
//!     id = "sales"
//!     for = ["role:seller"]
//!     [[profile.table]]
//!     id = "order"
//!     rows = ["mine"]
//!     filter = "status <> 'closed'"
//!     [[profile.table]]
//!     id = "line"
//!     related = ["order"]
//! "#;
//! let profiles = read_profiles(profiles, "profiles.toml", &schema, None, None)?;
//!
//! let roster = Roster::new(Arc::new(rules.policy), Arc::new(organization));
//! let ann = "ann".parse()?;
//! let profile = profile_of(&profiles, &roster, &ann, None).ok_or("no profile")?;
//! let standing = Standing::resolve(&roster, &ann).map_err(|denial| denial.to_string())?;
//! let profile = Arc::new(CheckedProfile::new(&schema, profile)?);
//! let profile = profile.bind(&Arc::new(standing), Timestamp::default())?;
//!
//! let mine = Header { owner: Some(("user:ann".parse()?, "north".parse()?)), ..Header::default() };
//! let (status, order) = ("status".parse::<ColumnName>()?, "order".parse::<ColumnName>()?);
//! let record = |number: u8, header: &Header, column: &ColumnName, value| {
//!     let id = RecordId::new(Timestamp::default(), [number; 10]);
//!     let columns = Columns::from_iter([(column.clone(), value)]);
//!     (id, Rc::new(Candidate { id, header: header.clone(), columns }))
//! };
//! let open = record(1, &mine, &status, Value::Text("open".into()));
//! let closed = record(2, &mine, &status, Value::Text("closed".into()));
//! let of_open = record(3, &Header::default(), &order, Value::Lookup(open.0));
//! let of_closed = record(4, &Header::default(), &order, Value::Lookup(closed.0));
//! let (open_id, line_id) = (open.0, of_open.0);
//! let records = Memory(BTreeMap::from([
//!     ("order".parse()?, BTreeMap::from([open, closed])),
//!     ("line".parse()?, BTreeMap::from([of_open, of_closed])),
//! ]));
//! let taken = profile.taken(&records)?;
//! assert_eq!(taken["order"], BTreeMap::from([(open_id, 0)]));
//! assert_eq!(taken["line"], BTreeMap::from([(line_id, 1)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bound;
mod candidate;
mod checked;
mod compare;
mod difference;
mod error;
mod fitting;
mod lacks;
mod links;
mod reached;
mod round;
mod suggest;
mod taken;

pub use bound::{BoundProfile, Related, environment, minute_of};
pub use candidate::{Candidate, Linked, Records};
pub use checked::{CheckedProfile, Link};
pub use compare::{Cause, Comparison, Difference, Differs};
pub use difference::Membership;
pub use error::{ProfileError, ProfileFault};
pub use fitting::{is_among, profile_of, profiles_of, unreached};
pub use lacks::Lack;
pub use reached::{AllReached, Reached};
pub use suggest::{Known, Suggestion, suggest};
pub use taken::Taken;
