//! Views: what an app shows of a table, said once in the schema.

use serde::{Deserialize, Serialize};

use super::{TableName, ViewName};

/// Rows of a table as an app shows them: which columns, of which rows, in which order. The texts are in
/// the language of queries; they fit the schema that has the view, which is checked when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its name.
    pub id: ViewName,
    /// The table whose rows it shows.
    pub table: TableName,
    /// What it shows of each: columns of the table, and of records that are looked up, such as
    /// `customer.name`; behind `as` the name that it has in the view.
    pub columns: Vec<String>,
    /// Which rows; `None`: all.
    pub filter: Option<String>,
    /// By what they are ordered, such as `due desc, customer.name`; `None`: by their ids.
    pub order: Option<String>,
}
