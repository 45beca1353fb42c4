//! Records in memory, as profiles are evaluated over them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use tidegate::model::{RecordId, TableName, Timestamp};
use tidegate::query::Field;
use tidegate::scope::{Candidate, Linked, Records};

#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) BTreeMap<TableName, BTreeMap<RecordId, Rc<Candidate>>>);

impl Memory {
    pub(crate) fn add(&mut self, table: &str, candidate: Candidate) {
        let of_table = self.0.entry(table.parse().unwrap()).or_default();
        of_table.insert(candidate.id, Rc::new(candidate));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&TableName, &Rc<Candidate>)> {
        self.0.iter().flat_map(|(table, of_table)| of_table.values().map(move |it| (table, it)))
    }
}

impl Records for Memory {
    type Error = Infallible;

    fn find(&self, table: &TableName, id: RecordId) -> Result<Option<Rc<Candidate>>, Infallible> {
        Ok(self.0.get(table).and_then(|of_table| of_table.get(&id)).cloned())
    }

    fn ids(&self, table: &TableName) -> Result<Vec<RecordId>, Infallible> {
        Ok(self.0.get(table).into_iter().flat_map(BTreeMap::keys).copied().collect())
    }
}

impl Linked for Memory {
    fn looking_up(
        &self,
        table: &TableName,
        by: &Field,
        record: RecordId,
    ) -> Result<Vec<RecordId>, Infallible> {
        let of_table = self.0.get(table).into_iter().flat_map(BTreeMap::values);
        Ok(of_table.filter(|it| it.looks_up(by, record)).map(|it| it.id).collect())
    }
}

/// The same id for the same number.
pub(crate) fn id(number: u64) -> RecordId {
    let [.., a, b] = number.to_be_bytes();
    RecordId::new(Timestamp::default(), [0, 0, 0, 0, 0, 0, 0, 0, a, b])
}
