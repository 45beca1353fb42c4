//! What the user may do, asked before it is tried: an app greys out what would be refused.

use super::{EditError, Replica};
use crate::gate::{
    Action, Explanation, Judgement, LookupChange, RecordFacts, Requirement, Target, explain,
};
use crate::model::{
    ColumnName, Columns, Denial, Header, Owner, Principal, RecordId, Rights, Rule, Table,
    TableFacts, TableName, Value,
};
use crate::store::ReplicaSnapshot;
use crate::sync::replica::DeviceDirectory;

/// What someone may want to do with a record that is there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Wish {
    /// See a column of it.
    ReadColumn(ColumnName),
    /// Change these columns (or none in particular). Where a lookup is among them, the answer is
    /// unknown unless it is no: see [`Self::Point`].
    Write(Vec<ColumnName>),
    /// Point a lookup at another record, or at none.
    Point {
        /// The lookup column.
        column: ColumnName,
        /// At what.
        to: Option<RecordId>,
    },
    /// Delete it.
    Delete,
    /// Bring it back.
    Undelete,
    /// Give it another owner.
    Assign(Owner),
    /// Replace what someone else may do with it.
    Share {
        /// Who.
        to: Principal,
        /// All that they may do from then on.
        rights: Rights,
    },
    /// Point its lookups elsewhere.
    Append,
    /// Be pointed at.
    AppendTo,
}

/// What a device says of a wish, by its newest grant. The server's verdict is final.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Ability {
    /// The user may, and this is what lets them in.
    Allowed(Explanation),
    /// The user may not: the first rule that is in the way, as an edit would be told.
    Denied(Denial),
    /// The device cannot tell; the server decides.
    Unknown(Lack),
}

/// What a device lacks to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lack {
    /// A grant: it is not enrolled.
    Grant,
    /// The record: it is not on this device, which says nothing about whether there is one.
    Record,
    /// What it would have to know for this requirement, about others or about a record that is
    /// looked up.
    Requirement(Requirement),
}

impl Ability {
    /// Whether the user may, for certain.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    /// The rule that is in the way.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        match self {
            Self::Denied(denial) => Some(denial.rule),
            Self::Allowed(_) | Self::Unknown(_) => None,
        }
    }

    fn of(explanation: Explanation) -> Self {
        match &explanation.judgement {
            Judgement::Allowed => Self::Allowed(explanation),
            Judgement::Denied(denial) => Self::Denied(denial.clone()),
            Judgement::Unknown => {
                let lacking = explanation.unknown().next().cloned();
                Self::Unknown(lacking.map_or(Lack::Record, Lack::Requirement))
            }
        }
    }
}

impl Replica {
    /// Whether the user may create a record of a table that belongs to `owner` (`None`: to the
    /// user), with values in these columns. Values are not looked at, and lookups are
    /// [`Lack::Requirement`]s, unless the answer is no.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let schema = tidegate::read_schema(r#"
    /// # [[table]]
    /// # id = "work_order"
    /// # ownership = "user_owned"
    /// # columns = [{ id = "title", type = "text" }]
    /// # "#, "schema.toml")?;
    /// use tidegate::replica::{Ability, Lack, Replica};
    ///
    /// let app = Replica::builder(dir.path().join("field.redb")).schema(schema).open()?;
    /// match app.can_create(&"work_order".parse()?, None, &["title".parse()?])? {
    ///     Ability::Allowed(why) => println!("{why}"),
    ///     Ability::Denied(denial) => println!("no: {denial}"),
    ///     // Nobody enrolled this device yet: it stores edits, and the server will judge them.
    ///     Ability::Unknown(lack) => assert_eq!(lack, Lack::Grant),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// There is no such table, the device does not know the owner, or the file cannot be read.
    pub fn can_create(
        &self,
        table: &TableName,
        owner: Option<&Owner>,
        columns: &[ColumnName],
    ) -> Result<Ability, EditError> {
        self.ask(table, true, |question| question.create(owner, columns))
    }

    /// Whether the user may do this with a record, as the app sees it now. The gate is the same as
    /// for an edit; values are not looked at.
    ///
    /// ```no_run
    /// # fn show(app: &tidegate::Replica, id: tidegate::RecordId) -> Result<(), Box<dyn std::error::Error>> {
    /// use tidegate::replica::Wish;
    ///
    /// let ability = app.can(&"work_order".parse()?, id, &Wish::Delete)?;
    /// println!("delete button: {}", if ability.rule().is_some() { "grey" } else { "active" });
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// There is no such table, or the file cannot be read.
    pub fn can(
        &self,
        table: &TableName,
        record: RecordId,
        wish: &Wish,
    ) -> Result<Ability, EditError> {
        let writes = !matches!(wish, Wish::ReadColumn(_) | Wish::AppendTo);
        let snapshot = self.shared.reader.snapshot()?;
        let (header, columns) = match snapshot.row(table, record)? {
            Some(row) => (row.header, row.columns),
            None => match snapshot.confirmed(table, record)? {
                Some(it) if !it.record().is_active() => {
                    (it.record().header().clone(), Columns::new())
                }
                _ => return self.ask(table, writes, |_| Ok(Ability::Unknown(Lack::Record))),
            },
        };
        let deleted = header.state == crate::model::RecordState::Deleted;
        self.ask(table, writes, |question| match wish {
            Wish::Undelete if deleted => Ok(question.judge(&Action::Undelete, &header)),
            Wish::Undelete => Ok(malformed("the record is not deleted")),
            _ if deleted => Ok(malformed("the record is deleted")),
            _ => question.wish(&snapshot, wish, &header, &columns),
        })
    }

    /// Asks by the newest grant, if there is one.
    fn ask(
        &self,
        table: &TableName,
        writes: bool,
        ask: impl FnOnce(&Question<'_>) -> Result<Ability, EditError>,
    ) -> Result<Ability, EditError> {
        let core = self.shared.core();
        let meta = core.machine.meta();
        let is_nobodys = meta.enrolment.is_none();
        let is_former =
            meta.former.tables.contains_key(table) && meta.schema.table(table.as_str()).is_none();
        if !is_nobodys && (is_former || core.machine.standing().is_none()) {
            return Ok(Ability::Denied(Denial::of(Rule::NoPrivilege)));
        }
        let Some(declared) = meta.schema.table(table.as_str()) else {
            return Err(EditError::NoSuchTable(table.clone()));
        };
        if writes && declared.is_system() {
            return Ok(Ability::Denied(Denial::system_table(table)));
        }
        let Some(standing) = core.machine.standing().filter(|_| !is_nobodys) else {
            return Ok(Ability::Unknown(Lack::Grant));
        };
        let directory = DeviceDirectory { standing, owners: &meta.owners };
        let facts = TableFacts::from(declared);
        ask(&Question { declared, facts, directory })
    }
}

fn malformed(why: impl Into<String>) -> Ability {
    Ability::Denied(Denial::malformed(why))
}

/// What a lookup points at: nothing, a record of which the device has the header, or one that it
/// does not have.
fn target(looked_up: Option<&Option<Header>>) -> Target<'_> {
    match looked_up {
        None => Target::Nothing,
        Some(Some(header)) => Target::Record(RecordFacts::of_header(header)),
        Some(None) => Target::Unknown,
    }
}

/// All that is asked by, but the record.
struct Question<'a> {
    declared: &'a Table,
    facts: TableFacts,
    directory: DeviceDirectory<'a>,
}

impl Question<'_> {
    fn judge(&self, action: &Action<'_>, header: &Header) -> Ability {
        let facts = RecordFacts::of_header(header);
        let directory = &self.directory;
        Ability::of(explain(directory.standing, directory, &self.facts, action, &facts))
    }

    fn create(&self, owner: Option<&Owner>, columns: &[ColumnName]) -> Result<Ability, EditError> {
        use crate::gate::{Directory as _, Knowledge};
        if let Some(unknown) = self.unknown_column(columns) {
            return Ok(unknown);
        }
        let mut header = Header::default();
        if self.facts.is_user_owned() {
            let user = Owner::User(self.directory.standing.user().clone());
            let owner = owner.cloned().unwrap_or(user);
            let Knowledge::Known(unit) = self.directory.business_unit(&owner) else {
                return Err(EditError::UnknownOwner(owner));
            };
            header.owner = Some((owner, unit.clone()));
        }
        let lookups = self.unknown_lookups(columns);
        Ok(self.judge(&Action::Create { columns, lookups: &lookups }, &header))
    }

    fn wish(
        &self,
        snapshot: &ReplicaSnapshot,
        wish: &Wish,
        header: &Header,
        columns: &Columns,
    ) -> Result<Ability, EditError> {
        Ok(match wish {
            Wish::ReadColumn(column) => {
                let unknown = self.unknown_column(std::slice::from_ref(column));
                unknown.unwrap_or_else(|| self.judge(&Action::ReadColumn { column }, header))
            }
            Wish::Write(columns) => {
                let lookups = &self.unknown_lookups(columns);
                let unknown = self.unknown_column(columns);
                unknown.unwrap_or_else(|| self.judge(&Action::Write { columns, lookups }, header))
            }
            Wish::Point { column, to } => {
                let Some((column, table)) = self.facts.lookups.get_key_value(column) else {
                    return Ok(malformed(format!("column `{column}` is no lookup")));
                };
                let now = match columns.get(column) {
                    Some(Value::Lookup(id)) => Some(*id),
                    _ => None,
                };
                let find = |id| -> Result<_, EditError> {
                    Ok(snapshot.row(table, id)?.map(|row| row.header))
                };
                let (old, new) = (now.map(find).transpose()?, to.map(find).transpose()?);
                let (old, new) = (target(old.as_ref()), target(new.as_ref()));
                let change = [LookupChange { column, table, old, new }];
                let lookups = if now == *to { &[][..] } else { &change };
                self.judge(&Action::Write { columns: &[], lookups }, header)
            }
            Wish::Delete => self.judge(&Action::Delete, header),
            Wish::Undelete => malformed("the record is not deleted"),
            Wish::Assign(_) | Wish::Share { .. } if !self.facts.is_user_owned() => {
                malformed(format!("records of `{}` have no owner", self.facts.id))
            }
            Wish::Assign(to) => self.judge(&Action::Assign { to }, header),
            Wish::Share { to, rights } => {
                self.judge(&Action::Share { to, rights: *rights }, header)
            }
            Wish::Append => self.judge(&Action::Append, header),
            Wish::AppendTo => self.judge(&Action::AppendTo, header),
        })
    }

    fn unknown_column(&self, columns: &[ColumnName]) -> Option<Ability> {
        let unknown = columns.iter().find(|it| self.declared.column(it.as_str()).is_none())?;
        Some(malformed(format!("table `{}` has no column `{unknown}`", self.facts.id)))
    }

    /// The lookups among the columns, of which nobody said what they will point at.
    fn unknown_lookups<'b>(&'b self, columns: &[ColumnName]) -> Vec<LookupChange<'b>> {
        let lookups = columns.iter().filter_map(|column| self.facts.lookups.get_key_value(column));
        let change = |(column, table)| LookupChange {
            column,
            table,
            old: Target::Nothing,
            new: Target::Unknown,
        };
        lookups.map(change).collect()
    }
}
