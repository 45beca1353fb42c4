//! The names and choices that both ends have, because they have the same schema: who writes for the other
//! tells their numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digest;
use crate::model::{Column, ColumnName, ColumnType, Schema, TableName, Text};

/// Names a schema among those that a device and its server may have at one time: the first bytes of its
/// digest. Where two should begin alike, the digest of hashes tells that a change set was misread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SchemaMark([u8; 2]);

impl SchemaMark {
    /// Of a schema of this digest.
    #[must_use]
    pub fn of(Digest([a, b, ..]): Digest) -> Self {
        Self([a, b])
    }
}

/// Numbers of the names in a schema, and of the choices of its columns. The default has none.
#[derive(Clone, Debug, Default)]
pub struct Lexicon {
    mark: Option<SchemaMark>,
    names: Vec<String>,
    /// What type columns of each name have, where that is one in all tables.
    types: Vec<Option<ColumnType>>,
    numbers: BTreeMap<String, u32>,
    choices: BTreeMap<TableName, TableChoices>,
}

/// The choices of the columns of a table.
type TableChoices = BTreeMap<ColumnName, Choices>;

/// The choices of a column, as they are declared, and where each is.
#[derive(Clone, Debug)]
struct Choices {
    texts: Vec<Text>,
    numbers: BTreeMap<Text, u32>,
}

impl Lexicon {
    /// Of a schema, whose digest marks it.
    #[must_use]
    pub fn of(schema: &Schema, digest: Digest) -> Self {
        let mut lexicon = Self { mark: Some(SchemaMark::of(digest)), ..Self::default() };
        for (name, table) in &schema.tables {
            lexicon.add(name.as_str());
            let mut of_table = TableChoices::new();
            for column in &table.columns {
                lexicon.add(column.id.as_str());
                lexicon.declare(column);
                if let Some(group) = &column.group {
                    lexicon.add(group.as_str());
                }
                if !column.choices.is_empty() {
                    of_table.insert(column.id.clone(), Choices::of(&column.choices));
                }
            }
            if !of_table.is_empty() {
                lexicon.choices.insert(name.clone(), of_table);
            }
        }
        lexicon
    }

    fn add(&mut self, name: &str) {
        if !self.numbers.contains_key(name) {
            self.numbers.insert(name.to_owned(), number(self.names.len()));
            self.names.push(name.to_owned());
        }
    }

    fn declare(&mut self, column: &Column) {
        let Some(place) = self.numbers.get(column.id.as_str()).map(|number| *number as usize)
        else {
            return;
        };
        if self.types.len() <= place {
            // Of tables and groups, and of columns that no table had so far.
            self.types.resize(place, None);
            self.types.push(Some(column.column_type));
        } else if let Some(known) = self.types.get_mut(place) {
            *known = known.filter(|known| *known == column.column_type);
        }
    }

    /// Of which schema it is; `None`: of none.
    #[must_use]
    pub fn mark(&self) -> Option<SchemaMark> {
        self.mark
    }

    /// All names; the number of one is its place.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of a name.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The type of all columns of that name.
    pub(super) fn column_type(&self, number: u32) -> Option<ColumnType> {
        self.types.get(number as usize).copied().flatten()
    }

    /// The number of a choice among those of its column.
    pub(super) fn number_of_choice(
        &self,
        table: &TableName,
        column: &ColumnName,
        choice: &Text,
    ) -> Option<u32> {
        self.choices.get(table)?.get(column)?.numbers.get(choice).copied()
    }

    /// The choice of that number.
    pub(super) fn choice(
        &self,
        table: &TableName,
        column: &ColumnName,
        number: usize,
    ) -> Option<&Text> {
        self.choices.get(table)?.get(column)?.texts.get(number)
    }
}

impl Choices {
    fn of(choices: &[String]) -> Self {
        let texts: Vec<_> = choices.iter().map(|text| Text::from(text.as_str())).collect();
        let mut numbers = BTreeMap::new();
        for (at, text) in texts.iter().enumerate() {
            numbers.entry(text.clone()).or_insert(number(at));
        }
        Self { texts, numbers }
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
