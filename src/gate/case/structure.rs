//! The structure of a case: everything that is `malformed` about it is found here, before the
//! user is looked up.

use std::collections::BTreeMap;

use crate::gate::{Action, LookupChange, Target};
use crate::model::{
    ColumnName, ColumnPermissions, Organization, Owner, Principal, Rights, TableFacts, TableName,
};

use super::raw::{RawCase, RawLookups, RawTarget, Text};
use super::record::{CaseRecord, Malformed, find_owner, find_principal, find_rights, find_secured};

/// A case whose structure is right: what is to be judged.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) table: &'a TableFacts,
    pub(super) record: CaseRecord,
    op: CaseOp,
}

#[derive(Debug)]
enum CaseOp {
    Read,
    /// `None`: a column that is not secured.
    ReadColumn(Option<ColumnName>),
    Create(Vec<ColumnName>, Vec<CaseLookup>),
    Write(Vec<ColumnName>, Vec<CaseLookup>),
    Delete,
    Undelete,
    Assign(Owner),
    Share(Principal, Rights),
    ShareColumn(Principal, ColumnName, ColumnPermissions),
    Append,
    AppendTo,
}

/// A lookup that changes.
#[derive(Debug)]
struct CaseLookup {
    column: ColumnName,
    table: TableName,
    old: Option<CaseRecord>,
    new: Option<CaseRecord>,
}

impl CaseLookup {
    fn change(&self) -> LookupChange<'_> {
        LookupChange {
            column: &self.column,
            table: &self.table,
            old: target(self.old.as_ref()),
            new: target(self.new.as_ref()),
        }
    }
}

fn target(record: Option<&CaseRecord>) -> Target<'_> {
    record.map_or(Target::Nothing, |record| Target::Record(record.facts()))
}

fn changes(lookups: &[CaseLookup]) -> Vec<LookupChange<'_>> {
    lookups.iter().map(CaseLookup::change).collect()
}

impl<'a> Case<'a> {
    pub(super) fn read(
        raw: &RawCase<'_>,
        tables: &'a BTreeMap<TableName, TableFacts>,
        organization: &Organization,
    ) -> Result<Self, Malformed> {
        let table = tables.get(&*raw.table).ok_or("unknown table")?;
        check_keys(raw)?;
        let record = CaseRecord::read(&raw.record.0, table, organization)?;
        let reader = Reader { raw, tables, organization, table };
        Ok(Self { table, record, op: reader.op()? })
    }

    /// Calls `judge` with the action. The action borrows, so it cannot be returned.
    pub(super) fn with_action<T>(&self, judge: impl FnOnce(&Action<'_>) -> T) -> T {
        match &self.op {
            CaseOp::Read | CaseOp::ReadColumn(None) => judge(&Action::Read),
            CaseOp::ReadColumn(Some(column)) => judge(&Action::ReadColumn { column }),
            CaseOp::Create(columns, lookups) => {
                judge(&Action::Create { columns, lookups: &changes(lookups) })
            }
            CaseOp::Write(columns, lookups) => {
                judge(&Action::Write { columns, lookups: &changes(lookups) })
            }
            CaseOp::Delete => judge(&Action::Delete),
            CaseOp::Undelete => judge(&Action::Undelete),
            CaseOp::Assign(to) => judge(&Action::Assign { to }),
            CaseOp::Share(to, rights) => judge(&Action::Share { to, rights: *rights }),
            CaseOp::ShareColumn(to, column, permissions) => {
                judge(&Action::ShareColumn { to, column, permissions: *permissions })
            }
            CaseOp::Append => judge(&Action::Append),
            CaseOp::AppendTo => judge(&Action::AppendTo),
        }
    }
}

/// Whether the keys beside `user`, `op`, `table` and `record` are those that the op knows; what is
/// missing is found where it is needed.
fn check_keys(raw: &RawCase<'_>) -> Result<(), Malformed> {
    let known: &[&str] = match &*raw.op {
        "read" | "delete" | "undelete" | "append" | "append_to" => &[],
        "create" => &["columns", "lookups"],
        "write" => &["columns", "lookups", "old_lookups"],
        "read_column" => &["column"],
        "assign" => &["to"],
        "share" => &["to", "rights"],
        "share_column" => &["to", "column", "read", "update"],
        _ => return Err("unknown op"),
    };
    let given = [
        ("columns", raw.columns.is_some()),
        ("lookups", raw.lookups.is_some()),
        ("old_lookups", raw.old_lookups.is_some()),
        ("column", raw.column.is_some()),
        ("to", raw.to.is_some()),
        ("rights", raw.rights.is_some()),
        ("read", raw.read.is_some()),
        ("update", raw.update.is_some()),
    ];
    if given.iter().any(|(key, given)| *given && !known.contains(key)) {
        return Err("a key that this op does not have");
    }
    Ok(())
}

struct Reader<'a, 'b> {
    raw: &'b RawCase<'b>,
    tables: &'a BTreeMap<TableName, TableFacts>,
    organization: &'b Organization,
    table: &'a TableFacts,
}

impl Reader<'_, '_> {
    fn op(&self) -> Result<CaseOp, Malformed> {
        let raw = self.raw;
        Ok(match &*raw.op {
            "read" => CaseOp::Read,
            "delete" => CaseOp::Delete,
            "undelete" => CaseOp::Undelete,
            "append" => CaseOp::Append,
            "append_to" => CaseOp::AppendTo,
            "read_column" => {
                let column = raw.column.as_deref().ok_or("`column` is missing")?;
                self.not_lookup(column)?;
                CaseOp::ReadColumn(self.table.secured.get(column).cloned())
            }
            "create" => {
                let record = &raw.record.0;
                if record.shares.is_some() || record.column_shares.is_some() {
                    return Err("a new record has no shares");
                }
                CaseOp::Create(self.columns()?, self.lookups()?)
            }
            "write" => CaseOp::Write(self.columns()?, self.lookups()?),
            "assign" => {
                self.user_owned()?;
                CaseOp::Assign(find_owner(self.to()?, self.organization)?)
            }
            "share" => {
                self.user_owned()?;
                let rights = raw.rights.as_deref().ok_or("`rights` is missing")?;
                CaseOp::Share(find_principal(self.to()?, self.organization)?, find_rights(rights)?)
            }
            "share_column" => {
                let column = raw.column.as_deref().ok_or("`column` is missing")?;
                let permissions = ColumnPermissions {
                    read: raw.read.unwrap_or(false),
                    create: false,
                    update: raw.update.unwrap_or(false),
                };
                let to = find_principal(self.to()?, self.organization)?;
                CaseOp::ShareColumn(to, find_secured(column, self.table)?.clone(), permissions)
            }
            _ => return Err("unknown op"),
        })
    }

    fn to(&self) -> Result<&str, Malformed> {
        self.raw.to.as_deref().ok_or("`to` is missing")
    }

    fn user_owned(&self) -> Result<(), Malformed> {
        if self.table.is_user_owned() {
            Ok(())
        } else {
            Err("records of an organization-owned table are neither assigned nor shared")
        }
    }

    fn not_lookup(&self, column: &str) -> Result<(), Malformed> {
        if self.table.lookups.contains_key(column) {
            Err("a lookup among the columns")
        } else {
            Ok(())
        }
    }

    /// The secured ones among the columns; the others need nothing more.
    fn columns(&self) -> Result<Vec<ColumnName>, Malformed> {
        let mut secured = Vec::new();
        for column in self.raw.columns.as_deref().unwrap_or_default() {
            self.not_lookup(column)?;
            secured.extend(self.table.secured.get(&**column).cloned());
        }
        Ok(secured)
    }

    /// The lookups that change, in byte order of their columns.
    fn lookups(&self) -> Result<Vec<CaseLookup>, Malformed> {
        let nothing = RawLookups::default();
        let new = self.raw.lookups.as_ref().unwrap_or(&nothing);
        let old = self.raw.old_lookups.as_ref().unwrap_or(&nothing);
        // Old ones are checked even where the column is not among the new.
        for (column, target) in &old.0 {
            self.target(column, target.as_ref().map(|target| &target.0))?;
        }
        let mut changed = Vec::new();
        for (column, target) in &new.0 {
            let target = target.as_ref().map(|target| &target.0);
            let before = old.get(column);
            let (name, table, record) = self.target(column, target)?;
            if target != before {
                changed.push(CaseLookup {
                    column: name.clone(),
                    table: table.clone(),
                    old: self.target(column, before)?.2,
                    new: record,
                });
            }
        }
        Ok(changed)
    }

    /// A lookup's column, its table, and the record that it points at.
    fn target(
        &self,
        column: &Text<'_>,
        target: Option<&RawTarget<'_>>,
    ) -> Result<(&ColumnName, &TableName, Option<CaseRecord>), Malformed> {
        let declared = self.table.lookups.get_key_value(&**column);
        let (name, table) = declared.ok_or("a lookup that is not declared")?;
        let Some(target) = target else { return Ok((name, table, None)) };
        if *target.table != *table.as_str() {
            return Err("a lookup that points at another table than declared");
        }
        let facts = self.tables.get(table).ok_or("unknown table")?;
        let record = CaseRecord::read(&target.record.0, facts, self.organization)?;
        Ok((name, table, Some(record)))
    }
}
