//! The nouns: plain data with its invariants, and nothing that does anything.

mod asked;
mod bucket;
mod cell;
mod change;
mod column_edit;
mod columns;
mod convert;
mod difference;
mod document_text;
mod edit_kind;
mod estimate;
mod flat;
mod id;
mod index;
mod intake;
mod json;
mod ledger;
mod lens;
pub mod name;
mod op;
mod op_text;
mod organization;
mod policy;
mod principal;
mod profile;
mod published;
mod record;
mod right;
mod schema;
mod schema_change;
pub(crate) mod secured;
mod seen;
mod sent;
mod size;
mod system_table;
mod table_facts;
mod text;
mod time;
mod value;
mod verdict;
mod view;

pub use asked::Asked;
pub use bucket::{Bucket, BucketError};
pub use cell::CellError;
pub use change::{Change, ChangeRef, Edit, RecordState, Section};
pub(crate) use column_edit::{CHARS, ENTRIES, ITEMS, check_extent, check_splice, extent, index};
pub use column_edit::{ColumnEdit, MisfitOpError};
pub use columns::Columns;
pub use document_text::DocumentText;
pub use edit_kind::EditKind;
pub use estimate::{Estimate, TableEstimate};
pub use flat::Flat;
pub use id::{
    ActorId, DeviceNumber, EditId, EditIdError, LogEpoch, PolicyEpoch, RecordId, Sequence,
};
pub use index::{ColumnPath, Index};
pub use intake::Intake;
pub use json::{Json, JsonError, json_path};
pub use ledger::{Ledger, Spent};
pub use lens::Lens;
pub use name::{
    AppName, BusinessUnitId, ColumnName, ColumnSecurityId, DisplayName, GroupName, NameError,
    PositionId, ProfileName, RoleId, TableName, TeamId, UserId, ViewName,
};
pub use op::Op;
pub use organization::{
    BusinessUnit, Organization, OrganizationRow, Position, Team, TeamKind, User,
};
pub use policy::{
    ColumnPermission, ColumnPermissions, ColumnSecurity, ColumnShares, Hierarchy, HierarchyModel,
    Inheritance, Policy, Role, SYSTEM_ADMINISTRATOR,
};
pub use principal::{Owner, Principal, PrincipalError};
pub use profile::{Audience, Match, Profile, ProfileTable, Profiles, RowRule};
pub use published::{Pilot, ProfilesVersion, PublishError, PublishedProfiles};
pub use record::Header;
pub use right::{Depth, Right, Rights};
pub use schema::{Column, MisfitError, OPEN_COLUMN, Ownership, Schema, Table};
pub use schema_change::{SchemaChange, SchemaChangeKind};
pub use secured::Secured;
pub use seen::Seen;
pub use sent::PageBytes;
pub(crate) use sent::sent_bytes;
pub use size::{Size, SizeByState};
pub use system_table::{SYSTEM_KEY, SystemTable};
pub use table_facts::TableFacts;
pub use text::Text;
pub use time::{TimeRangeError, Timestamp};
pub use value::{ColumnType, Date, Skipped, Value};
pub use verdict::{Denial, Rule, Verdict};
pub use view::View;
