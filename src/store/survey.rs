//! Going over a file to the end, whatever is damaged on the way.

use std::fmt;

use redb::{ReadTransaction, ReadableTable as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fence::{self, fenced};
use super::file::FileKind;
use super::key::StoreKey;
use super::table::Table;
use crate::limits::FINDINGS_MAX;
use crate::sync::StoreError;

/// Something in a file that is not as it was written, or does not fit the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The table.
    pub table: String,
    /// The key of the entry; `None`: it is about the table as a whole.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "table `{}`, key {key}: {}", self.table, self.problem),
            None => write!(f, "table `{}`: {}", self.table, self.problem),
        }
    }
}

/// What going over a file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Whose file it is.
    pub kind: FileKind,
    /// How many entries it has.
    pub entries: u64,
    /// What is wrong, up to [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub more: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Entries in the wrong place after which a table is given up.
const MISPLACED_MAX: usize = 100;

/// How far it is: entries done, and how many there are.
pub(super) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// What was found so far.
pub(super) struct Survey<'a> {
    progress: Progress<'a>,
    done: u64,
    total: u64,
    findings: Vec<Finding>,
    more: u64,
}

impl<'a> Survey<'a> {
    pub(super) fn new(progress: Progress<'a>) -> Self {
        Self { progress, done: 0, total: 0, findings: Vec::new(), more: 0 }
    }

    pub(super) fn finish(self, kind: FileKind) -> Verification {
        let Self { done, findings, more, .. } = self;
        Verification { kind, entries: done, findings, more }
    }

    /// Adds a table to the total.
    pub(super) fn expect<K, V>(&mut self, table: &'static Table<K, V>, tx: &ReadTransaction)
    where
        K: StoreKey,
        V: Serialize + DeserializeOwned,
    {
        // What cannot be read is found later.
        let length = fenced(|| table.read(tx)?.len());
        self.total = self.total.saturating_add(length.unwrap_or(0));
    }

    pub(super) fn found(&mut self, table: &str, key: Option<String>, problem: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            let (table, problem) = (table.to_owned(), problem.into());
            self.findings.push(Finding { table, key, problem });
        } else {
            self.more += 1;
        }
    }

    /// Notes an entry that does not fit another.
    pub(super) fn misfit<K, V>(
        &mut self,
        table: &'static Table<K, V>,
        key: &K,
        problem: impl Into<String>,
    ) where
        K: StoreKey,
        V: Serialize + DeserializeOwned,
    {
        self.found(table.name(), Some(key.describe()), problem);
    }

    /// Notes what failed.
    pub(super) fn failed<K, V>(&mut self, table: &'static Table<K, V>, error: StoreError)
    where
        K: StoreKey,
        V: Serialize + DeserializeOwned,
    {
        let problem = match error {
            StoreError::Damaged(text) => text,
            other => other.to_string(),
        };
        self.found(table.name(), None, problem);
    }

    /// Goes over a table, and hands on each entry that is whole. Where the pages lead no further,
    /// it goes on from the other end.
    pub(super) fn each<K, V>(
        &mut self,
        table: &'static Table<K, V>,
        tx: &ReadTransaction,
        mut take: impl FnMut(&mut Self, K, V),
    ) where
        K: StoreKey,
        V: Serialize + DeserializeOwned,
    {
        let opened = match fenced(|| table.read(tx)) {
            Ok(opened) => opened,
            Err(error) => return self.failed(table, error),
        };
        let all = fenced(|| opened.raw().iter().map_err(fence::storage));
        let mut entries = match all {
            Ok(entries) => entries,
            Err(error) => return self.failed(table, error),
        };
        let mut last: Option<Vec<u8>> = None;
        let (mut from_behind, mut misplaced) = (false, 0);
        // Pages that lead back to where they came from end it, too.
        while misplaced < MISPLACED_MAX {
            let next = fenced(|| {
                let next = if from_behind { entries.next_back() } else { entries.next() };
                let Some(next) = next else { return Ok(None) };
                let (key, value) = next.map_err(fence::storage)?;
                Ok(Some((key.value().to_vec(), value.value().to_vec())))
            });
            let (key, value) = match next {
                Ok(Some(entry)) => entry,
                Ok(None) => return,
                // The first failure was told already.
                Err(_) if from_behind => return,
                Err(error) => {
                    self.failed(table, error);
                    from_behind = true;
                    last = None;
                    continue;
                }
            };
            self.step();
            let in_order = last
                .as_ref()
                .is_none_or(|last| if from_behind { key < *last } else { key > *last });
            misplaced += usize::from(!in_order);
            match table.entry(&key, &value) {
                Ok((key, value)) if in_order => take(self, key, value),
                Ok((key, _)) => self.misfit(table, &key, "it is not where it should be"),
                Err(problem) => self.damaged_entry(table, &key, problem),
            }
            last = Some(key);
        }
    }

    fn damaged_entry<K, V>(&mut self, table: &'static Table<K, V>, key: &[u8], error: StoreError)
    where
        K: StoreKey,
        V: Serialize + DeserializeOwned,
    {
        let text = match error {
            StoreError::Damaged(text) => text,
            other => other.to_string(),
        };
        // The error names the place in front of a colon.
        let problem = text.rsplit_once(": ").map_or(text.as_str(), |(_, problem)| problem);
        self.found(table.name(), Some(super::table::describe::<K>(key)), problem);
    }

    fn step(&mut self) {
        self.done += 1;
        self.total = self.total.max(self.done);
        (self.progress)(self.done, self.total);
    }
}
