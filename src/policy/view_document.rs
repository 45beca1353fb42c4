//! The views of a schema document.

use std::sync::Arc;

use crate::limits::VIEWS_MAX;
use crate::model::{Schema, View, ViewName};
use crate::query::{CheckedView, ViewError};

use super::reader::{Declared, Object, Read, mistake};
use super::schema_document::{other, over};
use super::{DocumentError, Fault, Noun};

const VIEW_KEYS: [&str; 5] = ["id", "table", "columns", "filter", "order"];

/// The schema with the views of its document, each of which fits it.
pub(super) fn read_views(
    document: Object<'_>,
    declared: &mut Declared,
    schema: Schema,
) -> Read<Schema> {
    let objects = document.objects("view", &VIEW_KEYS)?;
    let Some(field) = document.get("view") else { return Ok(schema) };
    if objects.len() > VIEWS_MAX {
        return Err(other(field, Noun::View, "", over(objects.len(), "views", VIEWS_MAX)));
    }
    let mut schema = Arc::new(schema);
    let mut views = Vec::with_capacity(objects.len());
    for object in objects {
        let id: ViewName = object.name("id")?;
        declared.add(Noun::View, id.as_str(), object)?;
        object.require("columns")?;
        let text = |key| object.get(key).map(|field| field.text().map(str::to_owned)).transpose();
        let columns = object.texts("columns")?.into_iter();
        let view = View {
            id: id.clone(),
            table: object.name("table")?,
            columns: columns.map(|field| Ok(field.text()?.to_owned())).collect::<Read<_>>()?,
            filter: text("filter")?,
            order: text("order")?,
        };
        CheckedView::new(&schema, &view).map_err(|error| wrong(object, &view, &error))?;
        views.push((id, view));
    }
    Arc::make_mut(&mut schema).views.extend(views);
    Ok(Arc::unwrap_or_clone(schema))
}

/// What is wrong with a view, at its place.
fn wrong(object: Object<'_>, view: &View, error: &ViewError) -> DocumentError {
    let column = error.column().and_then(|at| object.texts("columns").ok()?.into_iter().nth(at));
    let fault = match error {
        ViewError::NoSuchTable(table) => {
            Fault::Unknown { what: Noun::Table, id: table.to_string() }
        }
        other => Fault::Other(other.to_string()),
    };
    match object.require(error.key()) {
        Ok(field) => mistake(column.unwrap_or(field), Noun::View, view.id.as_str(), fault),
        Err(missing) => missing,
    }
}
