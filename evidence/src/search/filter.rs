//! What a search asks for.

use crate::table::{Record, Table, Value};
use std::collections::BTreeSet;

/// One condition.
pub(crate) enum Condition {
    /// A text column has one of these values. Prunes by statistics and bloom filters.
    In(&'static str, BTreeSet<String>),
    /// One of these text columns has this value. Prunes as the above.
    Either(&'static [&'static str], String),
    /// An integer column has this value. Prunes by statistics.
    Int(&'static str, i64),
    /// Anything else.
    Test(Box<dyn Fn(&Record) -> bool>),
}

impl Condition {
    pub(crate) fn equals(column: &'static str, value: &str) -> Self {
        Self::In(column, BTreeSet::from([value.to_owned()]))
    }

    /// One of these columns, texts or lists of texts, contains this, whatever the case.
    pub(crate) fn contained(columns: &'static [&'static str], text: &str) -> Self {
        let text = text.to_lowercase();
        Self::Test(Box::new(move |record| {
            columns.iter().any(|column| match record.get(column) {
                Value::Str(value) => value.to_lowercase().contains(&text),
                Value::Strs(values) => values.iter().flatten().any(|value| value.to_lowercase().contains(&text)),
                _ => false,
            })
        }))
    }

    fn holds(&self, record: &Record) -> bool {
        match self {
            Self::In(column, values) => record.get(column).as_str().is_some_and(|value| values.contains(value)),
            Self::Either(columns, value) => columns.iter().any(|column| record.get(column).as_str() == Some(value)),
            Self::Int(column, value) => record.get(column).as_int() == Some(*value),
            Self::Test(test) => test(record),
        }
    }
}

/// A search in one table.
pub(crate) struct Query {
    pub(crate) table: Table,
    /// Times from and until, microseconds, both included.
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) conditions: Vec<Condition>,
}

impl Query {
    pub(crate) fn new(table: Table) -> Self {
        Self { table, from: i64::MIN, to: i64::MAX, conditions: Vec::new() }
    }

    pub(crate) fn between(mut self, from: Option<i64>, to: Option<i64>) -> Self {
        self.from = from.unwrap_or(i64::MIN);
        self.to = to.unwrap_or(i64::MAX);
        self
    }

    pub(crate) fn with(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    pub(crate) fn overlaps(&self, first: i64, last: i64) -> bool {
        first <= self.to && last >= self.from
    }

    pub(crate) fn matches(&self, record: &Record) -> bool {
        let ts = record.int("ts");
        self.overlaps(ts, ts) && self.conditions.iter().all(|condition| condition.holds(record))
    }
}
