//! The organization from CSV: `business_unit.csv` and `user.csv`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::DOCUMENT_BYTES_MAX;
use crate::model::{BusinessUnit, BusinessUnitId, NameError, Organization, Policy, User, UserId};

use super::{Mistake, Noun, Place, check_organization};

/// A CSV file: UTF-8, one header row.
#[derive(Debug, Clone, Copy)]
pub struct CsvFile<'a> {
    /// Its name, for errors.
    pub name: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// Why CSV files are no organization. The first thing wrong is named, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// Over [`DOCUMENT_BYTES_MAX`].
    #[error("{place}: the file has {bytes} bytes, at most {DOCUMENT_BYTES_MAX} are allowed")]
    TooLarge {
        /// The file.
        place: Place,
        /// Its length.
        bytes: usize,
    },
    /// It is no CSV.
    #[error("{place}: {message}")]
    Syntax {
        /// Where reading stopped.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// The header lacks a column.
    #[error("{place}: the header lacks the column `{column}`")]
    MissingColumn {
        /// The header.
        place: Place,
        /// The column.
        column: &'static str,
    },
    /// The header has a column twice.
    #[error("{place}: the header has the column `{column}` twice")]
    DuplicateColumn {
        /// The header.
        place: Place,
        /// The column.
        column: &'static str,
    },
    /// A value that cannot stand in its column.
    #[error("{place}: column `{column}`: {message}")]
    Value {
        /// The row.
        place: Place,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// Two rows of one name.
    #[error(
        "{place}: column `{column}`: {what} `{id}` comes a second time; the first is at {first}"
    )]
    Duplicate {
        /// The second row.
        place: Place,
        /// The column.
        column: &'static str,
        /// What kind of thing it is.
        what: Noun,
        /// Its name.
        id: String,
        /// The first row.
        first: Place,
    },
    /// A row that does not fit with the rest.
    #[error("{place}: column `{column}`: {mistake}")]
    Mistake {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// What is wrong.
        mistake: Box<Mistake>,
    },
}

/// Reads an organization from `business_units` (columns `id` and `parent`; the root's parent is
/// empty) and `users` (`login`, `business_unit`, `manager`, `roles` separated by spaces, and
/// `disabled`: `true` or `false`); both may have a column `name`. Other columns are ignored; `name` and
/// `disabled` may be absent. With a policy,
/// the roles must be the policy's.
///
/// # Errors
/// The first thing wrong, with file, line and column.
pub fn read_organization_csv(
    business_units: CsvFile<'_>,
    users: CsvFile<'_>,
    policy: Option<&Policy>,
) -> Result<Organization, CsvError> {
    let mut organization = Organization::default();
    let mut unit_places = BTreeMap::new();
    for row in rows(business_units, ["id", "parent"], ["name"])? {
        let id: BusinessUnitId = row.required("id")?;
        row.declare(Noun::BusinessUnit, "id", id.to_string(), &mut unit_places)?;
        let (name, parent) = (row.optional("name")?, row.optional("parent")?);
        organization.business_units.insert(id, BusinessUnit { name, parent });
    }
    let mut user_places = BTreeMap::new();
    for row in rows(users, ["login", "business_unit", "manager", "roles"], ["disabled", "name"])? {
        let id: UserId = row.required("login")?;
        row.declare(Noun::User, "login", id.to_string(), &mut user_places)?;
        let roles = row.text("roles").split(' ').filter(|role| !role.is_empty());
        let user = User {
            name: row.optional("name")?,
            business_unit: row.required("business_unit")?,
            manager: row.optional("manager")?,
            position: None,
            roles: roles.map(|role| row.name("roles", role)).collect::<Result<_, _>>()?,
            disabled: row.flag("disabled")?,
        };
        organization.users.insert(id, user);
    }
    match check_organization(&organization, policy) {
        Ok(()) => Ok(organization),
        Err(mistake) => {
            let (places, file) = match mistake.what {
                Noun::User => (&user_places, users.name),
                _ => (&unit_places, business_units.name),
            };
            let place = places.get(&mistake.id).cloned().unwrap_or_else(|| Place::file(file));
            let column = mistake.key.clone();
            Err(CsvError::Mistake { place, column, mistake: Box::new(mistake) })
        }
    }
}

/// One row: the values of the columns asked for.
struct Row {
    place: Place,
    values: Vec<(&'static str, String)>,
}

impl Row {
    fn text(&self, column: &str) -> &str {
        let found = self.values.iter().find(|(name, _)| *name == column);
        found.map_or("", |(_, value)| value)
    }

    fn wrong(&self, column: &'static str, message: impl fmt::Display) -> CsvError {
        CsvError::Value { place: self.place.clone(), column, message: message.to_string() }
    }

    fn name<T: FromStr<Err = NameError>>(
        &self,
        column: &'static str,
        text: &str,
    ) -> Result<T, CsvError> {
        text.parse().map_err(|error| self.wrong(column, error))
    }

    fn required<T: FromStr<Err = NameError>>(&self, column: &'static str) -> Result<T, CsvError> {
        self.name(column, self.text(column))
    }

    fn optional<T: FromStr<Err = NameError>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, CsvError> {
        match self.text(column) {
            "" => Ok(None),
            text => self.name(column, text).map(Some),
        }
    }

    fn flag(&self, column: &'static str) -> Result<bool, CsvError> {
        match self.text(column) {
            "true" => Ok(true),
            "false" | "" => Ok(false),
            text => Err(self.wrong(column, format!("`{text}` is neither `true` nor `false`"))),
        }
    }

    /// Notes where a thing is declared; only once.
    fn declare(
        &self,
        what: Noun,
        column: &'static str,
        id: String,
        places: &mut BTreeMap<String, Place>,
    ) -> Result<(), CsvError> {
        match places.insert(id.clone(), self.place.clone()) {
            None => Ok(()),
            Some(first) => {
                Err(CsvError::Duplicate { place: self.place.clone(), column, what, id, first })
            }
        }
    }
}

/// The rows of a file, with the values of these columns; those in `optional` may be absent.
fn rows<const N: usize, const M: usize>(
    file: CsvFile<'_>,
    required: [&'static str; N],
    optional: [&'static str; M],
) -> Result<Vec<Row>, CsvError> {
    let name: Arc<str> = file.name.into();
    if file.bytes.len() > DOCUMENT_BYTES_MAX {
        let place = Place::file(file.name);
        return Err(CsvError::TooLarge { place, bytes: file.bytes.len() });
    }
    let syntax = |error: &csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        CsvError::Syntax { place: Place::line(&name, line), message: error.to_string() }
    };
    // The numbers of fields are compared below, where more can be said of them.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file.bytes);
    let header = reader.headers().map_err(|error| syntax(&error))?.clone();
    let mut columns = Vec::new();
    for column in required.into_iter().chain(optional) {
        let mut at = header.iter().enumerate().filter(|(_, name)| *name == column);
        match (at.next(), at.next()) {
            (Some((at, _)), None) => columns.push((column, at)),
            (None, _) if optional.contains(&column) => {}
            (None, _) => {
                return Err(CsvError::MissingColumn { place: Place::line(&name, 1), column });
            }
            (Some(_), Some(_)) => {
                return Err(CsvError::DuplicateColumn { place: Place::line(&name, 1), column });
            }
        }
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| syntax(&error))?;
        let place = Place::line(&name, record.position().map_or(0, csv::Position::line));
        if let Some(message) = shape_problem(&record, header.len(), &columns) {
            return Err(CsvError::Syntax { place, message });
        }
        let value = |at: usize| record.get(at).unwrap_or_default().to_owned();
        let values = columns.iter().map(|(column, at)| (*column, value(*at))).collect();
        rows.push(Row { place, values });
    }
    Ok(rows)
}

/// What is wrong with a row before anybody reads its values.
fn shape_problem(
    record: &csv::StringRecord,
    fields: usize,
    columns: &[(&str, usize)],
) -> Option<String> {
    let open_quote = "a quote is opened in this row and not closed in it";
    let goes_on = |at: usize| record.get(at).is_some_and(|value| value.contains('\n'));
    if record.len() == fields {
        return columns.iter().any(|(_, at)| goes_on(*at)).then(|| open_quote.to_owned());
    }
    let found = record.len();
    let hint = if (0..found).any(goes_on) { format!(": {open_quote}") } else { String::new() };
    Some(format!("this row has {found} fields, the header has {fields} fields{hint}"))
}
