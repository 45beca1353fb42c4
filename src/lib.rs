//! Tidegate keeps an app's records on the device, lets people edit them with no connection, merges
//! with everyone else's edits later, and lets a permission gate decide which merged edits count.
//!
//! An app embeds a `Replica` (feature `client`): it reads and edits records in one file, and syncs
//! with a server whenever there is a connection. The README shows a whole program, which is
//! `examples/quickstart.rs`. A `Server` (feature `server`) orders what the [gate] admits and sends
//! each device what its user may read.
//!
#![cfg_attr(feature = "client", doc = "```")]
#![cfg_attr(not(feature = "client"), doc = "```ignore")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("field.redb");
//! let schema = tidegate::read_schema(
//!     r#"
//!     [[table]]
//!     id = "note"
//!     ownership = "user_owned"
//!     columns = [{ id = "text", type = "text", required = true }]
//!     "#,
//!     "schema.toml",
//! )?;
//! let app = tidegate::Replica::builder(path).schema(schema).open()?;
//! let notes = app.table::<serde_json::Value>("note")?;
//! let receipt = notes.insert(&serde_json::json!({ "text": "The pump leaks" })).await?;
//! notes.edit(receipt.id()).set("text", "The pump does not leak").commit().await?;
//! assert_eq!(notes.rows()?.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! Without features there is the pure core: [model], [policy], [gate], [scope], [crdt], [codec] and the
//! machines of [sync], with no runtime, file or socket.
//!
//! What the words mean is in `docs/glossary.md`, where things are in `docs/architecture.md`.

#![forbid(unsafe_code)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod codec;
pub mod crdt;
pub mod gate;
#[cfg(feature = "kit")]
pub mod kit;
pub mod limits;
pub mod model;
#[cfg(feature = "_shell")]
pub mod net;
pub mod policy;
pub mod query;
#[cfg(feature = "client")]
pub mod replica;
pub mod scope;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "_shell")]
pub mod store;
pub mod sync;

pub use model::{Columns, RecordId, Schema, Secured, Seen, TableName, Text, Timestamp, Value};
pub use policy::read_schema;
pub use query::Direction;
#[cfg(feature = "client")]
pub use replica::{EditError, Event, Receipt, Replica, Row, SyncGuard, SyncOptions, TypedTable};
#[cfg(feature = "server")]
pub use server::Server;
