//! Queries: filters as people write them, checked against a schema, and what they say of a row.
//!
//! A text becomes a [`Query`], whose columns and literals are resolved and of fitting types. Bound to
//! the values of its parameters and to an [`Environment`], it is a [`BoundQuery`], which says of any
//! [`Row`] whether it is meant and where in the order it stands. Where rows come from is not known here:
//! a device asks about those in its file, a server about those that a device may get, and both get the
//! same answers. The language is in `docs/queries.md`.
//!
//! ```
//! use std::borrow::Cow;
//! use std::convert::Infallible;
//! use std::sync::Arc;
//! use tidegate::query::{Cell, Environment, Parameters, Query, Reference, Row};
//!
//! /// Rows of one column, in memory.
//! struct Order(tidegate::Value);
//!
//! impl Row for Order {
//!     type Error = Infallible;
//!     fn cell(&mut self, _: &Reference) -> Result<Cell<'_>, Infallible> {
//!         Ok(Cell::Known(Cow::Borrowed(&self.0)))
//!     }
//! }
//!
//! let schema = Arc::new(tidegate::read_schema(
//!     r#"
//!     [[table]]
//!     id = "order"
//!     ownership = "organization_owned"
//!     columns = [{ id = "status", type = "text" }]
//!     "#,
//!     "schema.toml",
//! )?);
//! let table = schema.table("order").ok_or("no such table")?;
//! let query = Query::new(&schema, table, Some("status <> 'done'"), &[])?;
//! let query = query.bind(&Parameters::new(), &Environment::default())?;
//! assert_eq!(query.test(&mut Order(tidegate::Value::Text("open".into())))?, Some(true));
//! assert_eq!(query.test(&mut Order(tidegate::Value::Null))?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod bind;
mod bookmark;
mod check;
mod compare;
mod constant;
mod error;
mod evaluate;
mod fields;
mod index;
mod index_key;
mod interval;
mod literal;
mod order;
mod parse;
mod pattern;
mod plan;
mod resolve;
mod row;
mod tree;
mod uses;
mod view;

pub use access::{Access, IndexAccess, KeyRange, UsableIndex};
pub use bind::{BindError, Environment, Parameters};
pub use bookmark::{Bookmark, BookmarkError};
pub use error::{FilterError, FilterFault};
pub use evaluate::{BoundQuery, Parts};
pub use index::IndexShape;
pub use order::{Direction, SortKey};
pub use plan::{Plan, SCANNED_SHARE};
pub use resolve::{Field, Reference, Source};
pub use row::{Cell, Row};
pub use tree::Query;
pub use uses::Used;
pub use view::{CheckedView, ViewError};
