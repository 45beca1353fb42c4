//! Column values as people write them: cells of CSV files, arguments of commands, JSON.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{
    Column, ColumnName, ColumnType, MisfitError, MisfitOpError, RecordId, Schema, Timestamp, Value,
};

/// Why a text is no value of a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CellError {
    /// The text does not have the form.
    #[error("column `{column}`: `{text}` is no {column_type}; expected {expected}")]
    Form {
        /// The column.
        column: ColumnName,
        /// Its type.
        column_type: ColumnType,
        /// The text, cut if it is long.
        text: String,
        /// What it should look like.
        expected: &'static str,
    },
    /// The value does not fit the column.
    #[error(transparent)]
    Misfit(#[from] MisfitError),
}

const TEXT_SHOWN_CHARS: usize = 60;

impl Column {
    /// Reads a value of this column from a text; the empty text is null.
    ///
    /// Booleans are `true`/`false` or `1`/`0`; timestamps and dates are RFC 3339; a lookup is a
    /// record's id, or the key of the record looked up where its table has one key column; bytes
    /// are base64; lists and maps are JSON.
    ///
    /// # Errors
    /// The text does not have the form, or the value does not fit.
    pub fn parse(&self, schema: &Schema, text: &str) -> Result<Value, CellError> {
        let value = if text.is_empty() { Some(Value::Null) } else { self.of_text(schema, text) };
        let value = value.ok_or_else(|| CellError::Form {
            column: self.id.clone(),
            column_type: self.column_type,
            text: text.chars().take(TEXT_SHOWN_CHARS).collect(),
            expected: expected(self.column_type),
        })?;
        self.accepts(&value)?;
        Ok(value)
    }

    /// Reads a value of this column from JSON: numbers, booleans and null as such, the rest as the
    /// texts of [`Self::parse`].
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_json(
        &self,
        schema: &Schema,
        json: &serde_json::Value,
    ) -> Result<Value, CellError> {
        use serde_json::Value as Json;
        match (json, self.column_type) {
            (Json::Null, _) => self.parse(schema, ""),
            // Any JSON is one, a text that looks like JSON too.
            (any, ColumnType::Json) => match super::Json::new(any) {
                Ok(json) => Ok(Value::Json(json)),
                Err(error) => {
                    let column = self.id.clone();
                    Err(MisfitError::Part(MisfitOpError::Json { column, error }).into())
                }
            },
            // The empty text is a value in JSON, where null says nothing.
            (Json::String(text), ColumnType::Text) if text.is_empty() => Ok(Value::Text("".into())),
            (Json::String(text), ColumnType::RichText) if text.is_empty() => {
                Ok(Value::RichText(String::new()))
            }
            (Json::String(text), ColumnType::Bytes) if text.is_empty() => {
                Ok(Value::Bytes(Vec::new()))
            }
            (Json::String(text), _) => self.parse(schema, text),
            (other, _) => self.parse(schema, &other.to_string()),
        }
    }

    fn of_text(&self, schema: &Schema, text: &str) -> Option<Value> {
        let value = Value::of_text(self.column_type, text);
        let by_key = || self.by_key(schema, text).map(Value::Lookup);
        if self.column_type == ColumnType::Lookup { value.or_else(by_key) } else { value }
    }

    /// The record whose one key column has this value.
    fn by_key(&self, schema: &Schema, text: &str) -> Option<RecordId> {
        let table = schema.table(self.lookup.as_ref()?.as_str())?;
        let [key] = table.key.as_slice() else { return None };
        let column = table.column(key.as_str())?;
        // A key that looks something up itself would go in circles.
        if column.column_type == ColumnType::Lookup {
            return None;
        }
        Some(RecordId::from_key(&table.id, &[column.of_text(schema, text)?]))
    }
}

impl Value {
    /// The value of a type that a text says; `None`: none. A lookup is a record's id.
    #[must_use]
    pub fn of_text(column_type: ColumnType, text: &str) -> Option<Self> {
        Some(match column_type {
            ColumnType::Text => Self::Text(text.into()),
            ColumnType::Choice => Self::Choice(text.into()),
            ColumnType::Integer => Self::Integer(text.parse().ok()?),
            ColumnType::Decimal => Self::Decimal(Decimal::from_str_exact(text).ok()?),
            ColumnType::Float => {
                Self::Float(text.parse().ok().filter(|number: &f64| !number.is_nan())?)
            }
            ColumnType::Boolean => Self::Boolean(match text {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return None,
            }),
            ColumnType::Timestamp => {
                let time: jiff::Timestamp = text.parse().ok()?;
                Self::Timestamp(Timestamp::from_millis(time.as_millisecond())?)
            }
            ColumnType::Date => Self::Date(text.parse::<jiff::civil::Date>().ok()?.into()),
            ColumnType::Lookup => Self::Lookup(text.parse().ok()?),
            ColumnType::Bytes => Self::Bytes(data_encoding::BASE64.decode(text.as_bytes()).ok()?),
            ColumnType::RichText => Self::RichText(text.to_owned()),
            ColumnType::Counter => Self::Counter(text.parse().ok()?),
            ColumnType::List => {
                let items: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
                Self::List(items.iter().map(Self::item_of_json).collect::<Option<_>>()?)
            }
            ColumnType::Json => {
                Self::Json(super::Json::new(&serde_json::from_str(text).ok()?).ok()?)
            }
            ColumnType::Map => {
                let entries: BTreeMap<String, serde_json::Value> =
                    serde_json::from_str(text).ok()?;
                let entry = |(key, value)| Some((key, Self::item_of_json(&value)?));
                Self::Map(entries.into_iter().map(entry).collect::<Option<_>>()?)
            }
        })
    }
}

fn expected(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Text | ColumnType::Choice | ColumnType::RichText => "a text",
        ColumnType::Integer => "a whole number such as -12",
        ColumnType::Decimal => "a number of at most 28 digits such as 12.50",
        ColumnType::Float => "a number such as 0.25 or 1e6",
        ColumnType::Boolean => "true or false",
        ColumnType::Timestamp => "a time such as 2026-11-20T09:30:00Z",
        ColumnType::Date => "a date such as 2026-11-20",
        ColumnType::Lookup => "a record's id, or its key where its table has one key column",
        ColumnType::Bytes => "bytes in base64",
        ColumnType::Counter => "a whole number such as 3",
        ColumnType::List => "a JSON list such as [1, \"two\"]",
        ColumnType::Map => "a JSON object such as {\"size\": 42}",
        ColumnType::Json => "JSON of a moderate depth and size",
    }
}

impl Value {
    /// The value as JSON. Numbers, booleans, null, lists and maps are such; the rest is a text, a
    /// decimal too, since readers of JSON round numbers.
    ///
    /// In lists and maps, whose items no column declares, what JSON has no type for is an object of
    /// one entry that names its type: `{"date": "2026-11-20"}`. So [`Column::parse_json`] reads the
    /// same value back.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::{Value as Json, json};
        let item = |value: &Self| match value {
            Self::Text(text) => json!(text),
            Self::Float(number) if number.is_finite() => json!(number),
            Self::Null | Self::Integer(_) | Self::Boolean(_) => value.to_json(),
            other => {
                let name = other.column_type().map_or("null", ColumnType::as_str);
                json!({ name: other.to_string() })
            }
        };
        match self {
            Self::Null => Json::Null,
            Self::Integer(number) | Self::Counter(number) => json!(number),
            Self::Float(number) if number.is_finite() => json!(number),
            Self::Boolean(truth) => json!(truth),
            Self::Json(json) => json.to_value(),
            Self::List(items) => items.iter().map(item).collect(),
            Self::Map(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), item(value))).collect()
            }
            other => json!(other.to_string()),
        }
    }
}

impl Value {
    /// Reads what a list or map holds: the inverse of [`Self::to_json`] there. `None`: they hold
    /// no such thing.
    #[must_use]
    pub fn item_of_json(json: &serde_json::Value) -> Option<Self> {
        use serde_json::Value as Json;
        Some(match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Boolean(*truth),
            Json::String(text) => Value::Text(text.as_str().into()),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Integer(whole),
                None => Value::Float(number.as_f64().filter(|_| number.is_f64())?),
            },
            Json::Object(object) => {
                let mut entries = object.iter();
                let (Some((name, Json::String(text))), None) = (entries.next(), entries.next())
                else {
                    return None;
                };
                typed_item(name, text)?
            }
            Json::Array(_) => return None,
        })
    }
}

fn typed_item(name: &str, text: &str) -> Option<Value> {
    let types = [
        ColumnType::Float,
        ColumnType::Decimal,
        ColumnType::Timestamp,
        ColumnType::Date,
        ColumnType::Bytes,
    ];
    let column_type = types.into_iter().find(|it| it.as_str() == name)?;
    Value::of_text(column_type, text)
}

#[cfg(test)]
mod tests {
    use super::super::{Ownership, Table};
    use super::*;

    fn column(column_type: ColumnType) -> Column {
        let id = ColumnName::new("it").unwrap();
        let lookup = (column_type == ColumnType::Lookup).then(|| "territory".parse().unwrap());
        Column { lookup, ..Column::new(id, column_type) }
    }

    fn schema() -> Schema {
        let number = Column { id: "number".parse().unwrap(), ..column(ColumnType::Integer) };
        let id: super::super::TableName = "territory".parse().unwrap();
        let key = vec![number.id.clone()];
        let ownership = Ownership::OrganizationOwned;
        let table = Table { key, ..Table::new(id.clone(), ownership, vec![number]) };
        Schema { tables: [(id, table)].into(), ..Schema::default() }
    }

    #[test]
    fn a_value_reads_back_from_its_own_text() {
        for (column_type, text) in [
            (ColumnType::Text, "a, \"b\""),
            (ColumnType::Integer, "-9223372036854775808"),
            (ColumnType::Decimal, "12.50"),
            (ColumnType::Float, "0.1"),
            (ColumnType::Boolean, "true"),
            (ColumnType::Timestamp, "2007-12-04T00:00:00Z"),
            (ColumnType::Date, "1969-01-29"),
            (ColumnType::Lookup, "9aadcb0d-36cf-483f-84d8-585c2d4ec6e9"),
            (ColumnType::Bytes, "AAH/"),
            (ColumnType::RichText, "two\nlines"),
            (ColumnType::Counter, "-3"),
            (
                ColumnType::List,
                r#"[1,"two",0.5,null,true,{"date":"2026-11-20"},{"decimal":"1.50"}]"#,
            ),
            (ColumnType::Map, r#"{"a":1.0,"b":{"bytes":"AA=="},"c":{"float":"inf"}}"#),
        ] {
            let value = column(column_type).parse(&schema(), text).unwrap();
            assert_eq!(value.to_string(), text, "{column_type}");
        }
    }

    #[test]
    fn a_wrong_cell_is_named_with_what_was_expected() {
        for (column_type, text) in [
            (ColumnType::Integer, "1.5"),
            (ColumnType::Decimal, "1e400"),
            (ColumnType::Float, "NaN"),
            (ColumnType::Boolean, "yes"),
            (ColumnType::Timestamp, "2007-12-04"),
            (ColumnType::Date, "2007-13-04"),
            (ColumnType::Lookup, "north"),
            (ColumnType::Bytes, "?"),
            (ColumnType::Counter, "many"),
            (ColumnType::List, "[[1]]"),
            (ColumnType::Map, r#"{"a":{"choice":"x"}}"#),
        ] {
            let error = column(column_type).parse(&schema(), text).unwrap_err().to_string();
            assert!(error.contains("`it`") && error.contains(text), "{error}");
            assert!(error.contains("expected"), "{error}");
        }
    }

    #[test]
    fn a_lookup_is_found_by_its_key() {
        let value = column(ColumnType::Lookup).parse(&schema(), "7").unwrap();
        let id = RecordId::from_key(&"territory".parse().unwrap(), &[Value::Integer(7)]);
        assert_eq!(value, Value::Lookup(id));
    }
}
