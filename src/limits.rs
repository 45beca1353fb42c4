//! Every bound of Tidegate, in one place.
//!
//! Input over a bound is refused with an error that names the bound; nothing is cut silently.

/// Bytes in a name of a table, column, user, team, role and so on.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes in a policy, schema or organization document.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// Tables in a schema.
pub const TABLES_MAX: usize = 1_000;
/// Columns in a table.
pub const COLUMNS_MAX: usize = 1_000;
/// Choices of a choice column.
pub const CHOICES_MAX: usize = 10_000;
/// Bytes in a text value.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// Shares on one record.
pub const SHARES_MAX: usize = 1_000;
/// Bytes of a message between device and server.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Bytes of a change set: it fits into a frame beside its signature.
pub const CHANGE_SET_BYTES_MAX: usize = 1 << 20;
/// Edits (of one record each) in a change set.
pub const CHANGE_SET_EDITS_MAX: usize = 4_096;
/// Operations in one change of a section.
pub const CHANGE_OPS_MAX: usize = 10_000;
/// Sections that one edit may touch.
pub const EDIT_SECTIONS_MAX: usize = 64;
/// Dependencies of one change: more concurrent heads than this are not built upon.
pub const CHANGE_DEPS_MAX: usize = 256;
/// Bytes in a line of a case file given to `tidegate gate check`.
pub const CASE_BYTES_MAX: usize = 1 << 20;
