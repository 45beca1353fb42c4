//! Rows to CSV or JSON lines, such that importing them gives the same rows.

use std::io::Write;

use serde_json::Value as Json;

use super::table::row_fields;
use super::{Replica, Row};
use crate::model::{Column, Table, TableName};
use crate::sync::StoreError;

/// Rows read at a time.
const BATCH_ROWS: usize = 1_000;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// CSV with a header row. It cannot tell the empty text from null: both are an empty cell.
    Csv,
    /// The same for people: the header row has what they call the columns.
    CsvOfNames,
    /// One JSON object a line.
    JsonLines,
}

/// Why an export ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The schema has no such table.
    #[error("there is no table `{0}`")]
    NoSuchTable(TableName),
    /// The replica cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rows cannot be written.
    #[error("the rows cannot be written: {0}")]
    Write(#[from] std::io::Error),
    /// As [`Self::Write`], told by the CSV writer.
    #[error("the rows cannot be written: {0}")]
    Csv(#[from] csv::Error),
}

impl Replica {
    /// Writes the rows of a table, with what is pending on them, in the order of their ids.
    /// Returns how many there were. Rows that change meanwhile are written as they are when their
    /// turn comes.
    ///
    /// # Errors
    /// There is no such table, or reading or writing fails.
    pub fn export(
        &self,
        table: &TableName,
        format: ExportFormat,
        to: impl Write,
    ) -> Result<u64, ExportError> {
        let schema = self.known_schema();
        let declared = schema.table(table.as_str());
        let declared = declared.ok_or_else(|| ExportError::NoSuchTable(table.clone()))?;
        match format {
            ExportFormat::Csv => self.export_csv(declared, to, |column| column.id.as_str()),
            ExportFormat::CsvOfNames => self.export_csv(declared, to, Column::label),
            ExportFormat::JsonLines => self.export_json(declared, to),
        }
    }

    fn export_csv(
        &self,
        table: &Table,
        to: impl Write,
        head: impl Fn(&Column) -> &str,
    ) -> Result<u64, ExportError> {
        let mut csv = csv::Writer::from_writer(to);
        let owner = table.is_user_owned().then_some("owner");
        let columns = table.columns.iter().map(head);
        csv.write_record(["id"].into_iter().chain(owner).chain(columns))?;
        let rows = self.each(&table.id, |row| {
            let owner = owner_text(&row).filter(|_| table.is_user_owned());
            let owner = table.is_user_owned().then(|| owner.unwrap_or_default());
            let cells = table.columns.iter().map(|column| row.get(column.id.as_str()).to_string());
            let all = std::iter::once(row.id.to_string()).chain(owner).chain(cells);
            Ok(csv.write_record(all)?)
        })?;
        csv.flush()?;
        Ok(rows)
    }

    fn export_json(&self, table: &Table, mut to: impl Write) -> Result<u64, ExportError> {
        let rows = self.each(&table.id, |row| {
            let mut object = row_fields(&row);
            object.insert("id".into(), Json::from(row.id.to_string()));
            object.extend(owner_text(&row).map(|owner| ("owner".into(), Json::from(owner))));
            writeln!(to, "{}", Json::Object(object))?;
            Ok(())
        })?;
        to.flush()?;
        Ok(rows)
    }

    fn each(
        &self,
        table: &TableName,
        mut write: impl FnMut(Row) -> Result<(), ExportError>,
    ) -> Result<u64, ExportError> {
        let (mut after, mut rows) = (None, 0);
        loop {
            let batch = self.list(table, after, BATCH_ROWS)?;
            let Some(last) = batch.last() else { return Ok(rows) };
            after = Some(last.id);
            rows += batch.len() as u64;
            for row in batch {
                write(row)?;
            }
        }
    }
}

fn owner_text(row: &Row) -> Option<String> {
    row.header.owner.as_ref().map(|(owner, _)| owner.to_string())
}
