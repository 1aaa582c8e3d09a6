//! A record of a table, as values in the order of its columns.

use super::{RESULT_COLUMN, Table};
use serde_json::{Map, Value as Json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Time(i64),
    Str(String),
    Strs(Vec<Option<String>>),
    /// Elements of `result_columns`, fields in the order of [`RESULT_COLUMN`]; those of an older version have fewer.
    Columns(Vec<Vec<Option<String>>>),
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Null, Self::Str)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Str(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.to_owned())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl Value {
    pub(crate) fn time(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Time)
    }

    pub(crate) fn strs(values: Vec<String>) -> Self {
        Self::Strs(values.into_iter().map(Some).collect())
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        if let Self::Int(value) | Self::Time(value) = self { Some(*value) } else { None }
    }

    /// As JSON; times in RFC 3339.
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Int(value) => Json::from(*value),
            Self::Time(value) => Json::from(rfc3339(*value)),
            Self::Str(value) => Json::from(value.as_str()),
            Self::Strs(values) => values.iter().map(|value| Json::from(value.as_deref())).collect(),
            Self::Columns(columns) => columns
                .iter()
                .map(|column| {
                    let fields = RESULT_COLUMN.iter().zip(column);
                    Json::Object(fields.map(|(name, v)| ((*name).to_owned(), Json::from(v.as_deref()))).collect())
                })
                .collect(),
        }
    }

    /// As one cell of a CSV or a terminal table: text as it is, lists as JSON.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Str(value) => value.clone(),
            Self::Int(value) => value.to_string(),
            Self::Time(value) => rfc3339(*value),
            Self::Strs(_) | Self::Columns(_) => self.json().to_string(),
        }
    }
}

const RFC3339: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

fn moment(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Microseconds since the epoch as RFC 3339 in UTC.
pub(crate) fn rfc3339(micros: i64) -> String {
    moment(micros).format(RFC3339).unwrap_or_default()
}

/// The UTC date of a moment, as partitions are named.
pub(crate) fn date(micros: i64) -> String {
    moment(micros).format(DATE).unwrap_or_default()
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) table: Table,
    /// One per column of the table.
    pub(crate) values: Vec<Value>,
}

impl Record {
    pub(crate) fn get(&self, column: &str) -> &Value {
        self.table.index(column).and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    pub(crate) fn str(&self, column: &str) -> &str {
        self.get(column).as_str().unwrap_or_default()
    }

    /// The version of its columns.
    pub(crate) fn version(&self) -> i64 {
        self.values.first().and_then(Value::as_int).unwrap_or_default()
    }

    pub(crate) fn int(&self, column: &str) -> i64 {
        self.get(column).as_int().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Json {
        let version = self.version();
        let pairs = self.table.columns().zip(&self.values).filter(|(column, _)| column.since <= version);
        Json::Object(pairs.map(|(column, value)| (column.name.to_owned(), value.json())).collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_microseconds() {
        assert_eq!(rfc3339(1_763_900_000_123_456), "2025-11-23T12:13:20.123456Z");
        assert_eq!(date(1_763_900_000_123_456), "2025-11-23");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
    }
}
