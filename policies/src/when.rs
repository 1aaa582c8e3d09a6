//! The conditions of `[[deny]]` and `[[approve]]`: all that are given must hold.

use crate::glob::{ColumnGlob, TableGlob};
use crate::who::Who;
use crate::window::Window;
use model::{Usage, Verb};
use regex::Regex;

/// One entry of `verbs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerbClass {
    /// Exactly this verb.
    One(Verb),
    /// INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY IN.
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

/// What a statement must be like. `None` and empty lists ask nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct When {
    pub(crate) verbs: Vec<VerbClass>,
    pub(crate) datasources: Vec<String>,
    pub(crate) tables: Vec<TableGlob>,
    pub(crate) columns: Vec<ColumnGlob>,
    pub(crate) classifications: Vec<String>,
    pub(crate) protected: Option<bool>,
    pub(crate) predicates: Vec<Usage>,
    pub(crate) unfiltered: Option<bool>,
    pub(crate) unlimited: Option<bool>,
    pub(crate) who: Who,
    pub(crate) client_app: Option<Regex>,
    pub(crate) matches: Option<Regex>,
    pub(crate) window: Option<Window>,
    pub(crate) rows_over: Option<u64>,
}
