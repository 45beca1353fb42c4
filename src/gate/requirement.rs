//! What a judgment asks, requirement by requirement, and who hears of it.

use crate::model::{
    BusinessUnitId, ColumnName, ColumnPermission, Denial, Owner, Right, Rule, TableName,
};

use super::Target;
use super::access::{WayIn, Ways};

/// Denials are boxed inside: almost all answers are yes, and those should stay small.
pub(super) type Checked = Result<(), Box<Denial>>;

/// One requirement of an edit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    /// A right on a record.
    Right(AskedRight<'a>),
    /// A permission for a secured column.
    Column {
        column: &'a ColumnName,
        permission: ColumnPermission,
        /// Whether it is to be given to another.
        give: bool,
    },
    /// The record of a table that has owners has one.
    Owned,
    /// This is the owner's business unit.
    BusinessUnit { owner: &'a Owner, unit: &'a BusinessUnitId },
    /// This owner can read the record.
    OwnerCanRead(&'a Owner),
}

/// A right on a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedRight<'a> {
    pub(super) right: Right,
    pub(super) table: &'a TableName,
    pub(super) record: Target<'a>,
    pub(super) ways: Ways,
    pub(super) purpose: Purpose<'a>,
}

/// What a right is needed for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// The edit itself.
    Edit,
    /// To point this lookup at the record, or away from it.
    LookUp(&'a ColumnName),
    /// To give it to another.
    Give,
}

impl Purpose<'_> {
    /// The denial of a right that was needed for this.
    pub(super) fn denial(self, denial: Denial) -> Denial {
        match self {
            Self::Edit => denial,
            Self::LookUp(column) => Denial { column: Some(column.clone()), ..denial },
            Self::Give => Denial { rule: Rule::CannotGiveRight, ..denial },
        }
    }
}

/// What a requirement comes to.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// It is met, by this way.
    Way(WayIn<'a>),
    /// It is met.
    Yes,
    /// The judge cannot tell.
    Unknown,
    /// It is not met.
    Broken(Box<Denial>),
}

/// Hears of each requirement of an edit, in order. The judge listens for the first that is broken;
/// an explanation writes all of them down. So both ask the same.
pub(super) trait Listener {
    /// An error ends the judgment.
    fn hear(&mut self, asked: Asked<'_>, found: Found<'_>) -> Checked;
}

/// Ends a judgment at the first broken requirement.
#[derive(Debug, Default)]
pub(super) struct FirstBroken {
    /// Whether something before that could not be told.
    pub(super) unknown: bool,
}

impl Listener for FirstBroken {
    fn hear(&mut self, _: Asked<'_>, found: Found<'_>) -> Checked {
        match found {
            Found::Way(_) | Found::Yes => Ok(()),
            Found::Unknown => {
                self.unknown = true;
                Ok(())
            }
            Found::Broken(denial) => Err(denial),
        }
    }
}
