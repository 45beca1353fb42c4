//! Sections as Automerge documents. The only room that names `automerge`.
//!
//! Documents live in memory alone. What is stored and sent is a section's [`History`]: its changes
//! by meaning, from which the document is rebuilt, bit for bit, when something must be merged.
//!
//! A [`Record`] writes edits and merges those of others, whoever they are: what counts is the
//! business of the [gate](crate::gate).
//!
//! ```
//! use tidegate::crdt::Record;
//! use tidegate::model::{ActorId, DeviceNumber, EditId, Op, RecordId, Timestamp, Value};
//!
//! let schema = tidegate::read_schema(
//!     r#"
//!     [[table]]
//!     id = "note"
//!     ownership = "organization_owned"
//!     columns = [{ id = "text", type = "rich_text" }]
//!     "#,
//!     "schema.toml",
//! )?;
//! let table = schema.table("note").ok_or("it is declared")?;
//! let (mut ann, mut ben) = (
//!     Record::new(table.id.clone(), RecordId::from_bytes([7; 16])),
//!     Record::new(table.id.clone(), RecordId::from_bytes([7; 16])),
//! );
//! let write = |record: &mut Record, device, counter, at, insert: &str| {
//!     let device = DeviceNumber(device);
//!     let (id, actor) =
//!         (EditId { device, counter, part: 0 }, ActorId { device, incarnation: 1 });
//!     let (column, insert) = ("text".parse()?, insert.to_owned());
//!     let ops = vec![Op::Splice { column, at, delete: 0, insert }];
//!     let edit = record.author(table, id, actor, Timestamp::default(), ops);
//!     record.merge(&edit)?;
//!     Ok::<_, Box<dyn std::error::Error>>(edit)
//! };
//! let first = write(&mut ann, 1, 1, 0, "pump")?;
//! ben.merge(&first)?;
//! let (by_ann, by_ben) = (write(&mut ann, 1, 2, 0, "old ")?, write(&mut ben, 2, 1, 4, "s")?);
//! ann.merge(&by_ben)?;
//! ben.merge(&by_ann)?;
//! assert_eq!(ann.columns()["text"], Value::RichText("old pumps".into()));
//! assert_eq!(ann.document_heads()?, ben.document_heads()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod container;
mod document;
mod documents;
mod error;
mod forks;
mod generation;
mod history;
mod rebase;
mod record;
mod scalar;
mod seen;
mod view;
mod weave;
mod write;

pub use document::{ChangeHash, Document};
pub use documents::Documents;
pub use error::CrdtError;
pub use generation::OversizeError;
pub use history::History;
pub use rebase::{Fate, Rebase, Translated};
pub use record::{Conflict, Record};
