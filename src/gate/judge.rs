//! Section 3 of `docs/privileges.md`: what each edit needs, and in which order it is asked.

use crate::model::{
    ColumnName, ColumnPermission, ColumnPermissions, Denial, Owner, Principal, Right, Rights, Rule,
    TableFacts, TableName,
};

use super::access::{self, Ways};
use super::{Action, Directory, Knowledge, LookupChange, RecordFacts, Standing, Target};

/// What the gate says of one action on one record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Judgement {
    /// The user may do it.
    Allowed,
    /// The user may not: the first rule broken.
    Denied(Denial),
    /// This judge does not know enough, and nothing that it knows forbids it.
    Unknown,
}

impl Judgement {
    /// Whether the action is allowed for certain.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }

    /// The denial, if it is one.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Denied(denial) => Some(denial),
            Self::Allowed | Self::Unknown => None,
        }
    }
}

/// A change of columns, judged column by column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct ColumnJudgement {
    /// The right `write` on the record itself. Where it is denied nothing of the change counts,
    /// and the lists are empty.
    pub row: Judgement,
    /// The columns and lookups that do not count, each with its denial.
    pub denied: Vec<(ColumnName, Denial)>,
    /// The lookups that this judge cannot judge.
    pub unknown: Vec<ColumnName>,
}

/// Judges `action` on the record that `facts` describe: the first rule that it breaks, in the
/// order of the specification.
///
/// What lies outside privileges is the caller's to check before: that columns exist, that values
/// fit, that the record is not deleted (or is, for [`Action::Undelete`]).
pub fn judge(
    standing: &Standing,
    directory: &dyn Directory,
    table: &TableFacts,
    action: &Action<'_>,
    facts: &RecordFacts<'_>,
) -> Judgement {
    let case = Case::new(standing, directory, table, facts);
    let mut unknown = false;
    match case.judge(action, &mut unknown) {
        Err(denial) => Judgement::Denied(*denial),
        Ok(()) if unknown => Judgement::Unknown,
        Ok(()) => Judgement::Allowed,
    }
}

/// Judges a change of columns column by column: what is denied can be taken out of the change,
/// and the rest is admitted.
///
/// The whole is allowed exactly where [`judge`] allows [`Action::Write`].
pub fn judge_columns(
    standing: &Standing,
    directory: &dyn Directory,
    table: &TableFacts,
    columns: &[ColumnName],
    lookups: &[LookupChange<'_>],
    facts: &RecordFacts<'_>,
) -> ColumnJudgement {
    let case = Case::new(standing, directory, table, facts);
    let row =
        judge(standing, directory, table, &Action::Write { columns: &[], lookups: &[] }, facts);
    let mut judged = ColumnJudgement { row, denied: Vec::new(), unknown: Vec::new() };
    if !judged.row.is_allowed() {
        return judged;
    }
    let append = case.needs(Right::Append).err();
    for lookup in in_order(lookups).iter() {
        let mut unknown = false;
        let denial = append.clone().or_else(|| case.looked_up(lookup, &mut unknown).err());
        match denial {
            Some(denial) => judged.denied.push((lookup.column.clone(), *denial)),
            None if unknown => judged.unknown.push(lookup.column.clone()),
            None => {}
        }
    }
    for column in columns {
        if let Err(denial) = case.column(column, ColumnPermission::Update) {
            judged.denied.push((column.clone(), *denial));
        }
    }
    judged
}

/// Denials are boxed inside: almost all answers are yes, and those should stay small.
type Checked = Result<(), Box<Denial>>;

struct Case<'a> {
    standing: &'a Standing,
    directory: &'a dyn Directory,
    table: &'a TableFacts,
    facts: RecordFacts<'a>,
}

impl<'a> Case<'a> {
    fn new(
        standing: &'a Standing,
        directory: &'a dyn Directory,
        table: &'a TableFacts,
        facts: &RecordFacts<'a>,
    ) -> Self {
        // On an organization-owned table no owner counts, whatever the record says.
        let owner = facts.owner.filter(|_| table.is_user_owned());
        Self { standing, directory, table, facts: RecordFacts { owner, ..*facts } }
    }

    fn judge(&self, action: &Action<'_>, unknown: &mut bool) -> Checked {
        match *action {
            Action::Read => self.needs(Right::Read),
            Action::ReadColumn { column } => {
                self.needs(Right::Read)?;
                self.column(column, ColumnPermission::Read)
            }
            Action::Create { columns, lookups } => self.create(columns, lookups, unknown),
            Action::Write { columns, lookups } => {
                self.needs(Right::Write)?;
                if !lookups.is_empty() {
                    self.needs(Right::Append)?;
                }
                self.all_looked_up(lookups, unknown)?;
                self.columns(columns, ColumnPermission::Update)
            }
            Action::Delete => self.needs(Right::Delete),
            Action::Undelete => {
                self.needs_new(Right::Create)?;
                self.business_unit(unknown)
            }
            Action::Assign { to } => {
                self.needs(Right::Assign)?;
                self.needs(Right::Read)?;
                self.needs(Right::Write)?;
                self.owner_can_read(to, unknown)
            }
            Action::Share { to, rights } => self.share(to, rights),
            Action::ShareColumn { to, column, permissions } => {
                self.share_column(to, column, permissions)
            }
            Action::Append => self.needs(Right::Append),
            Action::AppendTo => self.needs(Right::AppendTo),
        }
    }

    fn create(
        &self,
        columns: &[ColumnName],
        lookups: &[LookupChange<'_>],
        unknown: &mut bool,
    ) -> Checked {
        self.needs_new(Right::Create)?;
        let given_to =
            self.facts.owner.map(|(owner, _)| owner).filter(
                |owner| !matches!(owner, Owner::User(user) if user == self.standing.user()),
            );
        if given_to.is_some() {
            self.needs_new(Right::Assign)?;
        }
        if lookups.iter().any(|lookup| !matches!(lookup.new, Target::Nothing)) {
            self.needs_new(Right::Append)?;
        }
        self.all_looked_up(lookups, unknown)?;
        self.columns(columns, ColumnPermission::Create)?;
        self.business_unit(unknown)?;
        match given_to {
            Some(owner) => self.owner_can_read(owner, unknown),
            None => Ok(()),
        }
    }

    /// The right on a record that is there.
    fn needs(&self, right: Right) -> Checked {
        self.access(&self.table.id, right, &self.facts, Ways::All)
    }

    /// The right on a record that is not there yet.
    fn needs_new(&self, right: Right) -> Checked {
        self.access(&self.table.id, right, &self.facts, Ways::New)
    }

    fn access(
        &self,
        table: &TableName,
        right: Right,
        facts: &RecordFacts<'_>,
        ways: Ways,
    ) -> Checked {
        match access::denial(self.standing, table, right, facts, ways) {
            None => Ok(()),
            Some(denial) => Err(Box::new(denial)),
        }
    }

    fn all_looked_up(&self, lookups: &[LookupChange<'_>], unknown: &mut bool) -> Checked {
        in_order(lookups).iter().try_for_each(|lookup| self.looked_up(lookup, unknown))
    }

    /// `read`, then `append_to`, on the old record, then on the new one.
    fn looked_up(&self, lookup: &LookupChange<'_>, unknown: &mut bool) -> Checked {
        for target in [lookup.old, lookup.new] {
            for right in [Right::Read, Right::AppendTo] {
                let denial = match target {
                    Target::Nothing => None,
                    Target::Record(facts) => {
                        self.access(lookup.table, right, &facts, Ways::All).err()
                    }
                    Target::Missing => Some(Box::new(self.missing(lookup.table))),
                    Target::Unknown => {
                        *unknown = true;
                        None
                    }
                };
                if let Some(denial) = denial {
                    return Err(Box::new(Denial {
                        column: Some(lookup.column.clone()),
                        ..*denial
                    }));
                }
            }
        }
        Ok(())
    }

    /// What a record that is not there is answered with: the same as one out of reach.
    fn missing(&self, table: &TableName) -> Denial {
        let held = self.standing.is_administrator()
            || !self.standing.holdings(table, Right::Read).is_empty();
        let rule = if held { Rule::OutOfDepth } else { Rule::NoPrivilege };
        Denial { right: Some(Right::Read), table: Some(table.clone()), ..Denial::of(rule) }
    }

    fn columns(&self, columns: &[ColumnName], permission: ColumnPermission) -> Checked {
        columns.iter().try_for_each(|column| self.column(column, permission))
    }

    fn column(&self, column: &ColumnName, permission: ColumnPermission) -> Checked {
        if !self.table.secured.contains(column)
            || self.column_permissions(column).contains(permission)
        {
            return Ok(());
        }
        Err(Box::new(Denial {
            table: Some(self.table.id.clone()),
            column: Some(column.clone()),
            ..Denial::of(Rule::NoColumnPermission)
        }))
    }

    fn column_permissions(&self, column: &ColumnName) -> ColumnPermissions {
        access::column_permissions(self.standing, &self.table.id, column, &self.facts)
    }

    /// The record's business unit is its owner's.
    fn business_unit(&self, unknown: &mut bool) -> Checked {
        let Some((owner, unit)) = self.facts.owner else {
            return if self.table.is_user_owned() {
                Err(Box::new(Denial::malformed("the record has no owner")))
            } else {
                Ok(())
            };
        };
        match self.directory.business_unit(owner) {
            Knowledge::Known(of_owner) if of_owner == unit => Ok(()),
            Knowledge::Known(_) | Knowledge::Absent => Err(Box::new(Denial {
                table: Some(self.table.id.clone()),
                detail: Some(format!("`{unit}` is not the business unit of {owner}")),
                ..Denial::of(Rule::WrongBusinessUnit)
            })),
            Knowledge::Unknown => {
                *unknown = true;
                Ok(())
            }
        }
    }

    fn owner_can_read(&self, owner: &Owner, unknown: &mut bool) -> Checked {
        match self.directory.owner_can_read(owner, &self.table.id) {
            Knowledge::Known(true) => Ok(()),
            Knowledge::Known(false) | Knowledge::Absent => Err(Box::new(Denial {
                table: Some(self.table.id.clone()),
                detail: Some(format!("{owner} could not read it")),
                ..Denial::of(Rule::OwnerCannotRead)
            })),
            Knowledge::Unknown => {
                *unknown = true;
                Ok(())
            }
        }
    }

    fn share(&self, to: &Principal, rights: Rights) -> Checked {
        self.needs(Right::Share)?;
        self.needs(Right::Read)?;
        let had = self.facts.shares.get(to).copied().unwrap_or(Rights::NONE);
        for right in rights.without(had).iter() {
            if let Err(lacking) = self.needs(right) {
                return Err(Box::new(Denial { rule: Rule::CannotGiveRight, ..*lacking }));
            }
        }
        Ok(())
    }

    fn share_column(
        &self,
        to: &Principal,
        column: &ColumnName,
        permissions: ColumnPermissions,
    ) -> Checked {
        self.needs(Right::Share)?;
        self.needs(Right::Read)?;
        let shares = self.facts.column_shares.iter();
        let had = shares
            .filter(|((shared, principal), _)| shared == column && principal == to)
            .fold(ColumnPermissions::NONE, |had, (_, given)| had.union(*given));
        let added = ColumnPermissions { create: false, ..permissions.without(had) };
        if added.without(self.column_permissions(column)).is_empty() {
            return Ok(());
        }
        Err(Box::new(Denial {
            table: Some(self.table.id.clone()),
            column: Some(column.clone()),
            ..Denial::of(Rule::CannotGiveRight)
        }))
    }
}

/// The lookups in byte order of their columns, copied only where they are not.
fn in_order<'a, 'b>(lookups: &'b [LookupChange<'a>]) -> std::borrow::Cow<'b, [LookupChange<'a>]> {
    if lookups.is_sorted_by_key(|lookup| lookup.column) {
        return lookups.into();
    }
    let mut sorted = lookups.to_vec();
    sorted.sort_by_key(|lookup| lookup.column);
    sorted.into()
}
