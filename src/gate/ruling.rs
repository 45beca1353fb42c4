//! From an edit to a ruling: what its operations do to the record as it is, and whether its author
//! may do that. Never from what the sender says that the edit does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    Action, Admitted, Directory, Judgement, Knowledge, LookupChange, RecordFacts, Standing, Target,
    can_read, can_read_column, judge, judge_columns,
};
use crate::crdt::Record;
use crate::limits::{CHANGE_OPS_MAX, EDIT_BYTES_MAX, EDIT_SECTIONS_MAX, SHARES_MAX};
use crate::model::{
    Column, ColumnEdit, ColumnName, Columns, Denial, Edit, Header, MisfitOpError, Op, Owner,
    Principal, RecordId, RecordState, Right, Rule, Schema, Section, Sequence, SystemTable, Table,
    TableFacts, TableName, Value, check_extent,
};

/// What a lookup points at, as this court knows it.
#[derive(Debug, Clone)]
pub enum LookedUp {
    /// Nothing was looked up: the value is null.
    Nothing,
    /// A record with this header.
    Record(Header),
    /// There is none, or it is deleted.
    Missing,
    /// The court does not have the record, which says nothing about whether there is one.
    Unknown,
}

/// Finds the record that a lookup points at.
pub type Find<'a> = dyn Fn(&TableName, RecordId) -> LookedUp + 'a;

/// All that a ruling depends on beside the edit and its record.
#[derive(Clone, Copy)]
pub struct Court<'a> {
    /// The tables.
    pub schema: &'a Schema,
    /// What the author may do; or why nothing.
    pub standing: Result<&'a Standing, &'a Denial>,
    /// What is known of others.
    pub directory: &'a dyn Directory,
    /// Finds records that lookups point at.
    pub find: &'a Find<'a>,
}

/// The ruling on an edit.
#[derive(Debug, Clone)]
#[must_use]
pub enum Ruling {
    /// The edit counts.
    Admissible(Admissible),
    /// It does not.
    Denied(Denial),
    /// These columns do not; without them it would.
    Split(Vec<Denial>),
    /// It builds on something that is not confirmed, or on an older header.
    Reauthor,
}

/// An edit that may be admitted, once it has its place in the log.
#[derive(Debug, Clone)]
pub struct Admissible {
    edit: Edit,
    certain: bool,
}

impl Admissible {
    /// One that nothing unknown stands against.
    pub(super) fn certain(edit: Edit) -> Self {
        Self { edit, certain: true }
    }

    /// Gives the edit its place in the log.
    #[must_use]
    pub fn at(self, sequence: Sequence) -> Admitted {
        Admitted::new(self.edit, sequence)
    }

    /// Whether this court knew all that it needed. A device may not; the server does.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.certain
    }
}

/// The answer about a record that is not there, and about one that the author may not read: they
/// must be one.
pub(crate) fn absent() -> Denial {
    Denial::malformed("there is no such record, or it may not be read")
}

/// What can be said of an edit where nobody judges yet: whether it fits the schema, and the values
/// that it was written on.
///
/// # Errors
/// It does not.
pub fn check(schema: &Schema, record: Option<&Record>, edit: &Edit) -> Result<(), Denial> {
    let Some(table) = schema.table(edit.table.as_str()) else {
        let detail = format!("table `{}` is not in the schema", edit.table);
        return Err(Denial::malformed(detail));
    };
    check_system(edit).map_err(|denial| *denial)?;
    let misfits = check_form(table, edit).map_err(|denial| *denial)?;
    match misfits.into_iter().next() {
        Some(misfit) => Err(misfit),
        None => check_places(record, edit, &[]).map_err(|denial| *denial),
    }
}

/// Rules on an edit of `record` (`None`: nothing is known of it).
pub fn rule(court: &Court<'_>, record: Option<&Record>, edit: &Edit) -> Ruling {
    // Before anything that depends on whether there is such a record.
    if let Err(denial) = check_system(edit) {
        return Ruling::Denied(*denial);
    }
    let record = record.filter(|record| record.exists());
    let hidden = || record.is_some_and(|record| !court.may_read(record));
    match examine(court, record, edit) {
        // Its author could never write it anew on a record that is out of reach, and to be asked
        // to would tell that there is one.
        Ok(Ruling::Reauthor) | Err(_) if hidden() => Ruling::Denied(absent()),
        // Nor does who holds nothing on a table know how it looks by now.
        Ok(Ruling::Reauthor) if !court.holds_any(&edit.table) => {
            Ruling::Denied(Denial::of(Rule::NoPrivilege))
        }
        Ok(ruling) => ruling,
        Err(denial) => Ruling::Denied(*denial),
    }
}

type Examined<T> = Result<T, Box<Denial>>;

fn examine(court: &Court<'_>, record: Option<&Record>, edit: &Edit) -> Examined<Ruling> {
    let Some(table) = court.schema.table(edit.table.as_str()) else {
        return refuse(format!("table `{}` is not in the schema", edit.table));
    };
    let misfits = check_form(table, edit)?;
    let standing = court.standing.map_err(|denial| Box::new(denial.clone()))?;
    let case = Case { court, standing, table, facts: TableFacts::from(table), edit, misfits };
    let Some(record) = record else { return case.without_record() };
    if record.table() != &edit.table {
        return Err(Box::new(absent()));
    }
    if builds_on_older(record, edit) || is_misplaced(table, edit) {
        return Ok(Ruling::Reauthor);
    }
    match (edit.change(&Section::Header), record.header().state) {
        (Some(_), RecordState::Deleted) => case.undelete(record),
        (None, RecordState::Deleted) => refuse("the record is deleted"),
        (Some(header), RecordState::Active) => case.header(record, &header.ops),
        (None, RecordState::Active) => case.columns(record),
    }
}

fn refuse<T>(detail: impl Into<String>) -> Examined<T> {
    Err(Box::new(Denial::malformed(detail)))
}

/// Whether it leaves alone what the server alone writes.
fn check_system(edit: &Edit) -> Examined<()> {
    if SystemTable::of(&edit.table).is_some() {
        return Err(Box::new(Denial::system_table(&edit.table)));
    }
    if edit.record.is_system() {
        refuse("only rows of system tables have such ids")
    } else {
        Ok(())
    }
}

/// What can be said without the record: sections and operations have their form. Returns what of each
/// column does not fit the table, which may have been another when its author wrote it: these are
/// refused, and the rest may count.
fn check_form(table: &Table, edit: &Edit) -> Examined<Vec<Denial>> {
    let mut sections: Vec<_> = edit.changes.iter().map(|change| &change.section).collect();
    sections.dedup();
    if sections.len() != edit.changes.len() || !sections.is_sorted() || sections.is_empty() {
        return refuse("an edit has one change for each section, in order, and at least one");
    }
    if sections.len() > EDIT_SECTIONS_MAX {
        return refuse(format!("an edit touches at most {EDIT_SECTIONS_MAX} sections"));
    }
    let bytes: usize = edit.ops().map(Op::size).sum();
    if bytes > EDIT_BYTES_MAX {
        return refuse(format!("an edit of {bytes} bytes, at most {EDIT_BYTES_MAX} are allowed"));
    }
    let mut put: BTreeSet<&ColumnName> = BTreeSet::new();
    let mut misfits: Vec<Denial> = Vec::new();
    for change in &edit.changes {
        if change.ops.is_empty() {
            return refuse("a change without operations");
        }
        if change.ops.len() > CHANGE_OPS_MAX {
            return refuse(format!("a change has at most {CHANGE_OPS_MAX} operations"));
        }
        if let Err(misfit) = check_extent(&change.ops) {
            return refuse(misfit.to_string());
        }
        for op in &change.ops {
            let Some(column) = op.column() else {
                check_header_op(table, op)?;
                continue;
            };
            if !is_of(&misfits, column)
                && let Err(misfit) = check_op(table, column, op)
            {
                misfits.push(*misfit);
            }
            if matches!(op, Op::Put { .. }) && !put.insert(column) {
                return refuse(format!("column `{column}` is set twice"));
            }
        }
    }
    Ok(misfits)
}

/// Whether one of these denials is about the column.
fn is_of(denials: &[Denial], column: &ColumnName) -> bool {
    denials.iter().any(|denial| denial.column.as_ref() == Some(column))
}

/// Whether records of the table can be shared so.
fn check_header_op(table: &Table, op: &Op) -> Examined<()> {
    match op {
        Op::Share { .. } if !table.is_user_owned() => {
            refuse(format!("records of `{}` cannot be shared", table.id))
        }
        Op::Share { rights, .. } if rights.contains(Right::Create) => {
            refuse("`create` cannot be shared")
        }
        Op::ShareColumn { permissions, .. } if permissions.create => {
            refuse("`create` of a column cannot be shared")
        }
        Op::ShareColumn { column, .. }
            if !table.column(column.as_str()).is_some_and(|column| column.secured) =>
        {
            refuse(format!("`{}` has no secured column `{column}` to share", table.id))
        }
        _ => Ok(()),
    }
}

/// Whether the operation is one for the column's type, and keeps to its bounds.
fn check_op(table: &Table, column: &ColumnName, op: &Op) -> Examined<()> {
    let of_column = |detail: String| {
        Box::new(Denial { column: Some(column.clone()), ..Denial::malformed(detail) })
    };
    let Some(declared) = table.column(column.as_str()) else {
        return Err(of_column(format!("table `{}` has no column `{column}`", table.id)));
    };
    let merging = declared.column_type.merges().then_some(declared.column_type);
    if op.merging_type() != merging {
        let detail =
            format!("column `{column}` holds {}: no {} there", declared.column_type, op.name());
        // What is set has a type of its own to be named.
        let misfit = match op {
            Op::Put { value, .. } => declared.accepts(value).err().map(|misfit| misfit.to_string()),
            _ => None,
        };
        return Err(of_column(misfit.unwrap_or(detail)));
    }
    if let Op::Put { value, .. } = op {
        declared.read(value).map_err(|misfit| of_column(misfit.to_string()))?;
    }
    op.check().map_err(|misfit| of_column(misfit.to_string()))
}

/// Whether the operations fit the values that they were written on, where these are at hand: what
/// builds on older ones is tried when it is merged. What of some columns is refused is left out.
fn check_places(record: Option<&Record>, edit: &Edit, refused: &[Denial]) -> Examined<()> {
    let nothing = Columns::new();
    let columns = record.map_or(&nothing, Record::columns);
    for change in &edit.changes {
        let is_on_it = record.is_none_or(|record| change.deps == record.heads(&change.section));
        if !is_on_it || change.ops.iter().all(|op| op.merging_type().is_none()) {
            continue;
        }
        let mut trial = ColumnEdit::new(columns);
        let counts = |op: &&Op| !op.column().is_some_and(|column| is_of(refused, column));
        for op in change.ops.iter().filter(counts) {
            match trial.apply(op) {
                // From a time when the column had another type: the document knows.
                Ok(()) | Err(MisfitOpError::OtherKind { .. }) => {}
                Err(misfit) => {
                    let column = op.column().cloned();
                    let denial = Denial { column, ..Denial::malformed(misfit.to_string()) };
                    return Err(Box::new(denial));
                }
            }
        }
    }
    Ok(())
}

/// Whether a change builds on something that the record does not hold, or does not build on the
/// newest header: header changes are serialized.
fn builds_on_older(record: &Record, edit: &Edit) -> bool {
    edit.changes.iter().any(|change| match change.section {
        Section::Header => change.deps != record.heads(&Section::Header),
        _ => change.deps.iter().any(|dep| !record.holds(&change.section, *dep)),
    })
}

/// Whether an operation lies outside its section: by the schema that it was written under the column
/// was elsewhere. A column that is not there any more is nowhere.
pub(crate) fn is_misplaced(table: &Table, edit: &Edit) -> bool {
    let is_gone = |column: &ColumnName| table.column(column.as_str()).is_none();
    let is_elsewhere = |op: &Op, section: &Section| {
        !op.column().is_some_and(is_gone) && op.section(table) != *section
    };
    let mut all = edit.changes.iter().flat_map(|it| it.ops.iter().map(|op| (op, &it.section)));
    all.any(|(op, section)| is_elsewhere(op, section))
}

struct Case<'a> {
    court: &'a Court<'a>,
    standing: &'a Standing,
    table: &'a Table,
    facts: TableFacts,
    edit: &'a Edit,
    /// What of its columns does not fit the table.
    misfits: Vec<Denial>,
}

impl Case<'_> {
    fn admissible(&self, certain: bool) -> Ruling {
        Ruling::Admissible(Admissible { edit: self.edit.clone(), certain })
    }

    fn judge(&self, action: &Action<'_>, facts: &RecordFacts<'_>) -> Examined<bool> {
        match judge(self.standing, self.court.directory, &self.facts, action, facts) {
            Judgement::Allowed => Ok(true),
            Judgement::Unknown => Ok(false),
            Judgement::Denied(denial) => Err(Box::new(denial)),
        }
    }

    /// The record is not there: the edit creates it, or it makes no sense.
    fn without_record(&self) -> Examined<Ruling> {
        let Some(change) = self.edit.change(&Section::Header) else {
            return Err(Box::new(absent()));
        };
        if !change.deps.is_empty() || is_misplaced(self.table, self.edit) {
            // It builds on a creation that was denied or is not known yet.
            return Ok(Ruling::Reauthor);
        }
        if self.edit.changes.iter().any(|change| !change.deps.is_empty()) {
            return refuse("a new record builds on changes that cannot be");
        }
        self.create(&new_header(self.table, &change.ops)?)
    }

    /// The creation itself is judged as a whole. Of its columns those that are denied are split
    /// off, unless they are required.
    fn create(&self, header: &Header) -> Examined<Ruling> {
        let facts = RecordFacts::of_header(header);
        let Effects { columns, lookups } = self.effects(None);
        let lookups: Vec<_> = lookups.iter().map(LookupEffect::as_change).collect();
        let bare = Action::Create { columns: &[], lookups: &[] };
        let mut certain = self.judge(&bare, &facts)?;
        self.check_required()?;
        check_places(None, self.edit, &self.misfits)?;
        let required =
            |denial: &&Denial| denial.column.as_ref().is_some_and(|it| self.is_required(it));
        if let Some(misfit) = self.misfits.iter().find(required) {
            return Err(Box::new(misfit.clone()));
        }
        let mut denied = self.misfits.clone();
        let parts = columns
            .iter()
            .map(|column| {
                (column, Action::Create { columns: std::slice::from_ref(column), lookups: &[] })
            })
            .chain(lookups.iter().map(|lookup| {
                let action = Action::Create { columns: &[], lookups: std::slice::from_ref(lookup) };
                (lookup.column, action)
            }));
        for (column, action) in parts {
            match self.judge(&action, &facts) {
                Ok(known) => certain &= known,
                Err(denial) if self.is_required(column) => return Err(denial),
                Err(denial) => denied.push(Denial { column: Some(column.clone()), ..*denial }),
            }
        }
        Ok(if denied.is_empty() { self.admissible(certain) } else { Ruling::Split(denied) })
    }

    fn is_required(&self, column: &ColumnName) -> bool {
        self.table.column(column.as_str()).is_some_and(|column| column.required)
    }

    fn check_required(&self) -> Examined<()> {
        let is_set = |id: &ColumnName| self.edit.ops().any(|op| op.column() == Some(id));
        let is_missing = |it: &&Column| it.required && it.default.is_none() && !is_set(&it.id);
        match self.table.columns.iter().find(is_missing) {
            Some(missing) => {
                let column = Some(missing.id.clone());
                let detail =
                    format!("column `{}` is required: send it again with a value", missing.id);
                Err(Box::new(Denial { column, ..Denial::malformed(detail) }))
            }
            None => Ok(()),
        }
    }

    fn undelete(&self, record: &Record) -> Examined<Ruling> {
        let is_undelete =
            self.edit.changes.len() == 1 && self.edit.ops().eq([&Op::State(RecordState::Active)]);
        if !is_undelete {
            return refuse("the record is deleted");
        }
        let known = self.judge(&Action::Undelete, &RecordFacts::of_header(record.header()))?;
        Ok(self.admissible(known))
    }

    /// Each operation on the header is judged on what those before it left.
    fn header(&self, record: &Record, ops: &[Op]) -> Examined<Ruling> {
        if self.edit.changes.len() > 1 {
            return refuse("an edit of a record's header changes nothing else");
        }
        let mut header = record.header().clone();
        let mut certain = true;
        for op in ops {
            let facts = RecordFacts::of_header(&header);
            certain &= match op {
                Op::Own { owner, business_unit } => {
                    self.check_owner(owner, business_unit)?;
                    self.judge(&Action::Assign { to: owner }, &facts)?
                }
                Op::State(RecordState::Deleted) => self.judge(&Action::Delete, &facts)?,
                Op::State(RecordState::Active) => return refuse("the record is not deleted"),
                Op::Share { to, rights } => {
                    certain &= self.check_principal(to, rights.is_empty())?;
                    self.judge(&Action::Share { to, rights: *rights }, &facts)?
                }
                Op::ShareColumn { column, to, permissions } => {
                    certain &= self.check_principal(to, permissions.is_empty())?;
                    let permissions = *permissions;
                    self.judge(&Action::ShareColumn { to, column, permissions }, &facts)?
                }
                _ => return refuse("a column in the header"),
            };
            if header.apply(op).is_err() {
                return refuse("a column in the header");
            }
            let shares = header.shares_len();
            if shares > SHARES_MAX && shares > record.header().shares_len() {
                return refuse(format!("a record has at most {SHARES_MAX} shares"));
            }
        }
        Ok(self.admissible(certain))
    }

    /// Nothing is given to someone who is not there. What was given is taken away all the same.
    fn check_principal(&self, to: &Principal, takes_away: bool) -> Examined<bool> {
        match self.court.directory.principal(to) {
            Knowledge::Absent if !takes_away => refuse(format!("there is no `{to}`")),
            Knowledge::Known(()) | Knowledge::Absent => Ok(true),
            Knowledge::Unknown => Ok(takes_away),
        }
    }

    /// A new owner brings its own business unit: there is no other.
    fn check_owner(
        &self,
        owner: &Owner,
        business_unit: &crate::model::BusinessUnitId,
    ) -> Examined<()> {
        if !self.table.is_user_owned() {
            return refuse(format!("records of `{}` have no owner", self.table.id));
        }
        match self.court.directory.business_unit(owner) {
            Knowledge::Known(own) if own != business_unit => {
                Err(Box::new(Denial::of(Rule::WrongBusinessUnit)))
            }
            Knowledge::Absent => refuse(format!("`{owner}` is not there, or cannot own records")),
            Knowledge::Known(_) | Knowledge::Unknown => Ok(()),
        }
    }

    fn columns(&self, record: &Record) -> Examined<Ruling> {
        let facts = RecordFacts::of_header(record.header());
        let Effects { columns, lookups } = self.effects(Some(record));
        let lookups: Vec<_> = lookups.iter().map(LookupEffect::as_change).collect();
        let directory = self.court.directory;
        let judged =
            judge_columns(self.standing, directory, &self.facts, &columns, &lookups, &facts);
        match judged.row {
            Judgement::Denied(denial) => return Err(Box::new(denial)),
            Judgement::Allowed | Judgement::Unknown => {}
        }
        check_places(Some(record), self.edit, &self.misfits)?;
        let judged_denied = judged.denied.into_iter();
        let judged_denied =
            judged_denied.map(|(column, denial)| Denial { column: Some(column), ..denial });
        let denied: Vec<_> = self.misfits.iter().cloned().chain(judged_denied).collect();
        let of_edit = self.edit.ops().filter_map(Op::column).collect::<BTreeSet<_>>().len();
        match denied.first() {
            None => {
                let certain = judged.unknown.is_empty() && judged.row == Judgement::Allowed;
                let edit = self.on_hidden(record, &facts);
                Ok(Ruling::Admissible(Admissible { edit, certain }))
            }
            Some(first) if denied.len() == of_edit => Err(Box::new(first.clone())),
            Some(_) => Ok(Ruling::Split(denied)),
        }
    }

    /// The edit as it counts. What its author may not read it was not written on, and would lose
    /// to whatever is there: a value that is set replaces that.
    fn on_hidden(&self, record: &Record, facts: &RecordFacts<'_>) -> Edit {
        let mut edit = self.edit.clone();
        for change in &mut edit.changes {
            let Section::Secured(column) = &change.section else { continue };
            let is_put = change.ops.iter().all(|op| matches!(op, Op::Put { .. }));
            if is_put && !can_read_column(self.standing, record.table(), column, facts) {
                Arc::make_mut(change).deps = record.heads(&change.section).to_vec();
            }
        }
        edit
    }

    /// The columns that the edit sets, and the lookups among them that change.
    fn effects(&self, record: Option<&Record>) -> Effects<'_> {
        let mut effects = Effects { columns: Vec::new(), lookups: Vec::new() };
        let mut seen = BTreeSet::new();
        for op in self.edit.ops() {
            let Some(column) = op.column().filter(|column| seen.insert(*column)) else { continue };
            if is_of(&self.misfits, column) {
                continue;
            }
            let declared = self.table.column(column.as_str());
            let table = declared.and_then(|column| column.lookup.as_ref());
            let (Some(table), Op::Put { value, .. }) = (table, op) else {
                effects.columns.push(column.clone());
                continue;
            };
            let old = record.and_then(|record| record.columns().get(column));
            let old = old.unwrap_or(&Value::Null);
            if old != value {
                let (old, new) = (self.look_up(table, old), self.look_up(table, value));
                effects.lookups.push(LookupEffect { column, table, old, new });
            }
        }
        effects
    }

    fn look_up(&self, table: &TableName, value: &Value) -> LookedUp {
        match value {
            Value::Lookup(id) => (self.court.find)(table, *id),
            _ => LookedUp::Nothing,
        }
    }
}

/// What an edit does to columns.
struct Effects<'a> {
    columns: Vec<ColumnName>,
    lookups: Vec<LookupEffect<'a>>,
}

struct LookupEffect<'a> {
    column: &'a ColumnName,
    table: &'a TableName,
    old: LookedUp,
    new: LookedUp,
}

impl LookupEffect<'_> {
    fn as_change(&self) -> LookupChange<'_> {
        let (old, new) = (self.old.as_target(), self.new.as_target());
        LookupChange { column: self.column, table: self.table, old, new }
    }
}

impl LookedUp {
    fn as_target(&self) -> Target<'_> {
        match self {
            Self::Nothing => Target::Nothing,
            Self::Record(header) => Target::Record(RecordFacts::of_header(header)),
            Self::Missing => Target::Missing,
            Self::Unknown => Target::Unknown,
        }
    }
}

/// The header that a new record has: an owner where its table has owners, and nothing else.
fn new_header(table: &Table, ops: &[Op]) -> Examined<Header> {
    let mut header = Header::default();
    for op in ops {
        if header.apply(op).is_err() {
            return refuse("a column in the header");
        }
    }
    let fits = matches!(ops, [Op::Own { .. }]) && table.is_user_owned()
        || matches!(ops, [Op::State(RecordState::Active)]) && !table.is_user_owned();
    if fits {
        Ok(header)
    } else if table.is_user_owned() {
        refuse("a new record of this table has an owner, and nothing else in its header")
    } else {
        refuse("a new record of this table has no owner and no shares")
    }
}

impl Court<'_> {
    /// Whether the author may read the record.
    #[must_use]
    pub fn may_read(&self, record: &Record) -> bool {
        let facts = RecordFacts::of_header(record.header());
        self.standing.is_ok_and(|standing| can_read(standing, record.table(), &facts))
    }

    fn holds_any(&self, table: &TableName) -> bool {
        self.standing.is_ok_and(|standing| standing.holds_any(table))
    }
}
