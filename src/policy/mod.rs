//! Reading and checking the documents that people write: policy, schema, organization and offline
//! profiles.
//!
//! Documents are TOML, or JSON of the same shape. Whatever is wrong with one is an error that
//! names the file, the line (or the path, in JSON) and the key.

mod check;
mod digest;
mod document;
mod error;
mod mistake;
mod organization_csv;
mod organization_document;
mod place;
mod policy_document;
mod profile_document;
mod reader;
mod schema_document;
mod schema_indexes;
mod suggestion_document;
mod view_document;

pub use check::{check_organization, check_policy, check_tables};
pub use digest::{organization_digest, policy_digest, schema_digest};
pub use document::Format;
pub use error::DocumentError;
pub use mistake::{Fault, Mistake, Noun};
pub use organization_csv::{CsvError, CsvFile, read_organization_csv};
pub use place::{At, Place};
pub use policy_document::{PolicyDocument, read_policy, read_policy_as};
pub use profile_document::{read_profiles, read_profiles_as};
pub use schema_document::{read_schema, read_schema_as};
pub use suggestion_document::write_suggestion;
