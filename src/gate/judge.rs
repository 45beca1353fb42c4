//! Section 3 of `docs/privileges.md`: what each edit needs, and in which order it is asked.

use crate::model::{
    ColumnName, ColumnPermission, ColumnPermissions, Denial, Owner, Principal, Right, Rights, Rule,
    TableFacts, TableName,
};

use super::access::{self, Access, Ways};
use super::requirement::{Asked, AskedRight, Checked, FirstBroken, Found, Listener, Purpose};
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
    let mut first = FirstBroken::default();
    match case.judge(action, &mut first) {
        Err(denial) => Judgement::Denied(*denial),
        Ok(()) if first.unknown => Judgement::Unknown,
        Ok(()) => Judgement::Allowed,
    }
}

/// Asks all that [`judge`] asks, in the same order, and lets `listener` hear of each requirement.
/// It goes on for as long as the listener does, beyond what is broken.
pub(super) fn follow(
    standing: &Standing,
    directory: &dyn Directory,
    table: &TableFacts,
    action: &Action<'_>,
    facts: &RecordFacts<'_>,
    listener: &mut impl Listener,
) {
    // The listener heard of what ended it.
    let _ = Case::new(standing, directory, table, facts).judge(action, listener);
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
    let append = case.needs(Right::Append, &mut FirstBroken::default()).err();
    for lookup in in_order(lookups).iter() {
        let mut first = FirstBroken::default();
        let denial = append.clone().or_else(|| case.looked_up(lookup, &mut first).err());
        match denial {
            Some(denial) => judged.denied.push((lookup.column.clone(), *denial)),
            None if first.unknown => judged.unknown.push(lookup.column.clone()),
            None => {}
        }
    }
    for column in columns {
        let mut first = FirstBroken::default();
        if let Err(denial) = case.column(column, ColumnPermission::Update, &mut first) {
            judged.denied.push((column.clone(), *denial));
        }
    }
    judged
}

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

    fn judge(&self, action: &Action<'_>, listener: &mut impl Listener) -> Checked {
        match *action {
            Action::Read => self.needs(Right::Read, listener),
            Action::ReadColumn { column } => {
                self.needs(Right::Read, listener)?;
                self.column(column, ColumnPermission::Read, listener)
            }
            Action::Create { columns, lookups } => self.create(columns, lookups, listener),
            Action::Write { columns, lookups } => {
                self.needs(Right::Write, listener)?;
                if !lookups.is_empty() {
                    self.needs(Right::Append, listener)?;
                }
                self.all_looked_up(lookups, listener)?;
                self.columns(columns, ColumnPermission::Update, listener)
            }
            Action::Delete => self.needs(Right::Delete, listener),
            Action::Undelete => {
                self.needs_new(Right::Create, listener)?;
                self.business_unit(listener)
            }
            Action::Assign { to } => {
                self.needs(Right::Assign, listener)?;
                self.needs(Right::Read, listener)?;
                self.needs(Right::Write, listener)?;
                self.owner_can_read(to, listener)
            }
            Action::Share { to, rights } => self.share(to, rights, listener),
            Action::ShareColumn { to, column, permissions } => {
                self.share_column(to, column, permissions, listener)
            }
            Action::Append => self.needs(Right::Append, listener),
            Action::AppendTo => self.needs(Right::AppendTo, listener),
        }
    }

    fn create(
        &self,
        columns: &[ColumnName],
        lookups: &[LookupChange<'_>],
        listener: &mut impl Listener,
    ) -> Checked {
        self.needs_new(Right::Create, listener)?;
        let given_to =
            self.facts.owner.map(|(owner, _)| owner).filter(
                |owner| !matches!(owner, Owner::User(user) if user == self.standing.user()),
            );
        if given_to.is_some() {
            self.needs_new(Right::Assign, listener)?;
        }
        if lookups.iter().any(|lookup| !matches!(lookup.new, Target::Nothing)) {
            self.needs_new(Right::Append, listener)?;
        }
        self.all_looked_up(lookups, listener)?;
        self.columns(columns, ColumnPermission::Create, listener)?;
        self.business_unit(listener)?;
        match given_to {
            Some(owner) => self.owner_can_read(owner, listener),
            None => Ok(()),
        }
    }

    /// The right on a record that is there.
    fn needs(&self, right: Right, listener: &mut impl Listener) -> Checked {
        self.right(right, Ways::All, Purpose::Edit, listener)
    }

    /// The right on a record that is not there yet.
    fn needs_new(&self, right: Right, listener: &mut impl Listener) -> Checked {
        self.right(right, Ways::New, Purpose::Edit, listener)
    }

    /// The right on the record itself.
    fn right(
        &self,
        right: Right,
        ways: Ways,
        purpose: Purpose<'_>,
        listener: &mut impl Listener,
    ) -> Checked {
        let record = Target::Record(self.facts);
        self.access(AskedRight { right, table: &self.table.id, record, ways, purpose }, listener)
    }

    fn access(&self, asked: AskedRight<'_>, listener: &mut impl Listener) -> Checked {
        let AskedRight { right, table, record, ways, purpose } = asked;
        let facts = match record {
            Target::Nothing => return Ok(()),
            Target::Unknown => return listener.hear(Asked::Right(asked), Found::Unknown),
            Target::Missing => {
                let denial = purpose.denial(self.missing(table));
                return listener.hear(Asked::Right(asked), Found::Broken(Box::new(denial)));
            }
            Target::Record(facts) => facts,
        };
        let rule = match access::access(self.standing, table, right, &facts, ways) {
            Access::Granted(way) => return listener.hear(Asked::Right(asked), Found::Way(way)),
            Access::NoPrivilege => Rule::NoPrivilege,
            Access::OutOfDepth => Rule::OutOfDepth,
        };
        let denial = access::denial(rule, self.standing, table, right, &facts, ways);
        let denial = Box::new(purpose.denial(denial));
        listener.hear(Asked::Right(asked), Found::Broken(denial))
    }

    fn all_looked_up(&self, lookups: &[LookupChange<'_>], listener: &mut impl Listener) -> Checked {
        in_order(lookups).iter().try_for_each(|lookup| self.looked_up(lookup, listener))
    }

    /// `read`, then `append_to`, on the old record, then on the new one.
    fn looked_up(&self, lookup: &LookupChange<'_>, listener: &mut impl Listener) -> Checked {
        let LookupChange { column, table, old, new } = *lookup;
        for record in [old, new] {
            for right in [Right::Read, Right::AppendTo] {
                let (ways, purpose) = (Ways::All, Purpose::LookUp(column));
                self.access(AskedRight { right, table, record, ways, purpose }, listener)?;
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

    fn columns(
        &self,
        columns: &[ColumnName],
        permission: ColumnPermission,
        listener: &mut impl Listener,
    ) -> Checked {
        columns.iter().try_for_each(|column| self.column(column, permission, listener))
    }

    fn column(
        &self,
        column: &ColumnName,
        permission: ColumnPermission,
        listener: &mut impl Listener,
    ) -> Checked {
        if !self.table.secured.contains(column) {
            return Ok(());
        }
        self.column_permission(column, permission, Rule::NoColumnPermission, listener)
    }

    fn column_permission(
        &self,
        column: &ColumnName,
        permission: ColumnPermission,
        rule: Rule,
        listener: &mut impl Listener,
    ) -> Checked {
        let known = access::column_permissions(self.standing, &self.table.id, column, &self.facts);
        let found = if known.contains(permission) {
            Found::Yes
        } else {
            Found::Broken(Box::new(Denial {
                table: Some(self.table.id.clone()),
                column: Some(column.clone()),
                ..Denial::of(rule)
            }))
        };
        let give = rule == Rule::CannotGiveRight;
        listener.hear(Asked::Column { column, permission, give }, found)
    }

    /// The record's business unit is its owner's.
    fn business_unit(&self, listener: &mut impl Listener) -> Checked {
        let Some((owner, unit)) = self.facts.owner else {
            if !self.table.is_user_owned() {
                return Ok(());
            }
            let denial = Denial::malformed("the record has no owner");
            return listener.hear(Asked::Owned, Found::Broken(Box::new(denial)));
        };
        let found = match self.directory.business_unit(owner) {
            Knowledge::Known(of_owner) if of_owner == unit => Found::Yes,
            Knowledge::Known(_) | Knowledge::Absent => Found::Broken(Box::new(Denial {
                table: Some(self.table.id.clone()),
                detail: Some(format!("`{unit}` is not the business unit of {owner}")),
                ..Denial::of(Rule::WrongBusinessUnit)
            })),
            Knowledge::Unknown => Found::Unknown,
        };
        listener.hear(Asked::BusinessUnit { owner, unit }, found)
    }

    fn owner_can_read(&self, owner: &Owner, listener: &mut impl Listener) -> Checked {
        let found = match self.directory.owner_can_read(owner, &self.table.id) {
            Knowledge::Known(true) => Found::Yes,
            Knowledge::Known(false) | Knowledge::Absent => Found::Broken(Box::new(Denial {
                table: Some(self.table.id.clone()),
                detail: Some(format!("{owner} could not read it")),
                ..Denial::of(Rule::OwnerCannotRead)
            })),
            Knowledge::Unknown => Found::Unknown,
        };
        listener.hear(Asked::OwnerCanRead(owner), found)
    }

    fn share(&self, to: &Principal, rights: Rights, listener: &mut impl Listener) -> Checked {
        self.needs(Right::Share, listener)?;
        self.needs(Right::Read, listener)?;
        let had = self.facts.shares.get(to).copied().unwrap_or(Rights::NONE);
        let mut added = rights.without(had).iter();
        added.try_for_each(|right| self.right(right, Ways::All, Purpose::Give, listener))
    }

    fn share_column(
        &self,
        to: &Principal,
        column: &ColumnName,
        permissions: ColumnPermissions,
        listener: &mut impl Listener,
    ) -> Checked {
        self.needs(Right::Share, listener)?;
        self.needs(Right::Read, listener)?;
        let shares = self.facts.column_shares.iter();
        let had = shares
            .filter(|((shared, principal), _)| shared == column && principal == to)
            .fold(ColumnPermissions::NONE, |had, (_, given)| had.union(*given));
        let added = permissions.without(had);
        let mut added = [ColumnPermission::Read, ColumnPermission::Update]
            .into_iter()
            .filter(|permission| added.contains(*permission));
        added.try_for_each(|permission| {
            self.column_permission(column, permission, Rule::CannotGiveRight, listener)
        })
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
