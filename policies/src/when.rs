//! The conditions of `[[deny]]` and `[[approve]]`: all that are given must hold.

use crate::glob::{ColumnGlob, TableGlob};
use crate::who::Who;
use crate::window::Window;
use model::{TableRead, Usage, Verb};
use regex::Regex;

/// One entry of `verbs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerbClass {
    /// Exactly this verb.
    One(Verb),
    /// Whatever changes rows: INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY IN.
    Write,
    /// Any statement.
    Any,
}

impl VerbClass {
    /// The names that rules may use.
    pub(crate) const NAMES: [(&'static str, Self); 18] = [
        ("select", Self::One(Verb::Select)),
        ("insert", Self::One(Verb::Insert)),
        ("update", Self::One(Verb::Update)),
        ("delete", Self::One(Verb::Delete)),
        ("merge", Self::One(Verb::Merge)),
        ("truncate", Self::One(Verb::Truncate)),
        ("copy-out", Self::One(Verb::CopyOut)),
        ("copy-in", Self::One(Verb::CopyIn)),
        ("call", Self::One(Verb::Call)),
        ("ddl", Self::One(Verb::Ddl)),
        ("set", Self::One(Verb::Set)),
        ("show", Self::One(Verb::Show)),
        ("explain", Self::One(Verb::Explain)),
        ("transaction", Self::One(Verb::Transaction)),
        ("session", Self::One(Verb::Session)),
        ("other", Self::One(Verb::Other)),
        ("write", Self::Write),
        ("any", Self::Any),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, class)| *class == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn matches(self, verb: Verb) -> bool {
        match self {
            Self::One(one) => one == verb,
            Self::Write => {
                matches!(verb, Verb::Insert | Verb::Update | Verb::Delete | Verb::Merge | Verb::Truncate | Verb::CopyIn)
            }
            Self::Any => true,
        }
    }
}

/// The names of predicate usages in rules.
pub(crate) const USAGES: [(&str, Usage); 5] = [
    ("equality", Usage::Equality),
    ("join", Usage::Join),
    ("comparison", Usage::Comparison),
    ("order", Usage::Order),
    ("group", Usage::Group),
];

/// How many values an IN list may name before it counts as no filter, unless the rule says otherwise.
pub(crate) const AT_MOST: u32 = 100;

/// The longest list that a rule may let pass as a filter: longer ones are not counted to their end.
pub(crate) const MOST_AT_MOST: u64 = 10_000;

/// What a statement must be like. `None` and empty lists ask nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct When {
    /// Anything that the statement does, however deep in it.
    pub(crate) verbs: Vec<VerbClass>,
    pub(crate) datasources: Vec<String>,
    /// Tables that it touches in any way.
    pub(crate) tables: Vec<TableGlob>,
    /// Tables that it reads rows of.
    pub(crate) reads: Vec<TableGlob>,
    /// Tables whose rows or structure it changes.
    pub(crate) writes: Vec<TableGlob>,
    pub(crate) columns: Vec<ColumnGlob>,
    pub(crate) classifications: Vec<String>,
    pub(crate) protected: Option<bool>,
    pub(crate) predicates: Vec<Usage>,
    /// Some table is read without a filter: see [`When::is_filter`].
    pub(crate) unfiltered: Option<bool>,
    /// Columns that must be compared with values for a read to count as filtered. Empty: those of a unique index.
    pub(crate) filter_by: Vec<ColumnGlob>,
    /// With how many values at most.
    pub(crate) at_most: Option<u32>,
    pub(crate) unlimited: Option<bool>,
    pub(crate) who: Who,
    pub(crate) client_app: Option<Regex>,
    pub(crate) matches: Option<Regex>,
    pub(crate) window: Option<Window>,
    pub(crate) rows_over: Option<u64>,
}

impl When {
    /// Whether a read is filtered: a column that the rule names, or all columns of a unique index, must equal one of at
    /// most so many given values. No other condition counts, because most of them are true of every row.
    pub(crate) fn is_filter(&self, read: &TableRead, datasource: &str, names: crate::Names) -> bool {
        let most = self.at_most.unwrap_or(AT_MOST);
        if self.filter_by.is_empty() {
            return read.unique.is_some_and(|values| values <= most);
        }
        read.bound.iter().any(|bound| {
            let path = [datasource, &read.table.schema, &read.table.table, &bound.column];
            bound.values <= most && self.filter_by.iter().any(|glob| glob.matches(path, names))
        })
    }
}
