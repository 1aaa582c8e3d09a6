//! Reading TOML so that every complaint knows its line and key.
//!
//! A [`Section`] is asked for each key that exists in the contract; what was never asked for is unknown and is reported
//! with the nearest key that was. `serde` would stop at the first error and lose the line, hence this reader.

use super::problem::{Gravity, Problem};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where complaints about one file are collected.
pub(crate) struct Notes {
    file: String,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
}

impl Notes {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self {
            file: file.to_owned(),
            line_starts: std::iter::once(0).chain(breaks).collect(),
            problems: RefCell::default(),
        }
    }

    /// Line (from 1) of a byte offset.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    pub(crate) fn add(
        &self,
        gravity: Gravity,
        line: Option<usize>,
        key: &str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.problems.borrow_mut().push(Problem {
            gravity,
            file: self.file.clone(),
            line,
            key: key.to_owned(),
            what: what.into(),
            fix: fix.into(),
        });
    }

    /// Everything noted, in the order of the file.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line.unwrap_or(0));
        problems
    }
}

/// A table of the file, or an absent one (which has no keys and no line).
pub(crate) struct Section<'d> {
    notes: &'d Notes,
    table: Option<&'d DeTable<'d>>,
    path: String,
    line: Option<usize>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'d> Section<'d> {
    pub(crate) fn root(notes: &'d Notes, table: &'d DeTable<'d>) -> Self {
        Self::new(notes, Some(table), String::new(), None)
    }

    fn new(notes: &'d Notes, table: Option<&'d DeTable<'d>>, path: String, line: Option<usize>) -> Self {
        Self { notes, table, path, line, asked: RefCell::default() }
    }

    /// The path of a key below this section, as complaints name it.
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn get(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.borrow_mut().insert(key);
        self.find(key).map(|(_, value)| value)
    }

    fn find(&self, key: &str) -> Option<(Range<usize>, &'d Spanned<DeValue<'d>>)> {
        self.table?.iter().find(|(name, _)| name.get_ref() == key).map(|(name, value)| (name.span(), value))
    }

    /// Whether the key stands in the file.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Whether the key stands in the file as a table.
    pub(crate) fn is_table(&self, key: &str) -> bool {
        self.find(key).is_some_and(|(_, value)| value.get_ref().is_table())
    }

    /// The key is part of the contract, though its value is not read.
    pub(crate) fn know(&self, key: &'static str) {
        self.asked.borrow_mut().insert(key);
    }

    /// Whether the section itself stands in the file.
    pub(crate) fn present(&self) -> bool {
        self.table.is_some()
    }

    /// Complains about a key of this section (about the section itself where the key is missing).
    pub(crate) fn wrong(&self, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.note(Gravity::Error, key, what, fix);
    }

    /// As [`Section::wrong`], but the proxy runs.
    pub(crate) fn warn(&self, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.note(Gravity::Warning, key, what, fix);
    }

    fn note(&self, gravity: Gravity, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        let line = self.find(key).map(|(span, _)| self.notes.line(span.start)).or(self.line);
        let path = if key.is_empty() { self.path.clone() } else { self.path_of(key) };
        self.notes.add(gravity, line, &path, what, fix);
    }

    fn wrong_type(&self, key: &str, value: &DeValue<'_>, wanted: &str) {
        self.wrong(key, format!("is {}, not {wanted}", with_article(value.type_str())), format!("write {wanted}"));
    }

    /// A string without any complaint: for a second look.
    pub(crate) fn peek(&self, key: &str) -> Option<String> {
        self.find(key).and_then(|(_, value)| value.get_ref().as_str()).map(str::to_owned)
    }

    /// A string, if the key is there.
    pub(crate) fn text(&self, key: &'static str) -> Option<String> {
        let value = self.get(key)?.get_ref();
        let text = value.as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a text in quotes");
        }
        text.map(str::to_owned)
    }

    /// A string that must be there and not be empty; `example` completes "write …".
    pub(crate) fn required(&self, key: &'static str, example: &str) -> Option<String> {
        if self.get(key).is_none() {
            self.wrong(key, "is missing", format!("write {key} = {example}"));
            return None;
        }
        let text = self.text(key)?;
        if text.trim().is_empty() {
            self.wrong(key, "is empty", format!("write {key} = {example}"));
            return None;
        }
        Some(text)
    }

    /// A boolean.
    pub(crate) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?.get_ref();
        if let DeValue::Boolean(flag) = value {
            return Some(*flag);
        }
        self.wrong_type(key, value, "true or false");
        None
    }

    /// A whole number within `range`.
    pub(crate) fn count(&self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(key)?.get_ref();
        let DeValue::Integer(integer) = value else {
            self.wrong_type(key, value, "a whole number");
            return None;
        };
        let digits = integer.as_str().replace('_', "");
        match u64::from_str_radix(digits.trim_start_matches('+'), integer.radix()) {
            Ok(count) if range.contains(&count) => Some(count),
            _ => {
                let what = format!("is {digits}, which is not between {} and {}", range.start(), range.end());
                self.wrong(key, what, "choose a number in that range");
                None
            }
        }
    }

    /// A list of strings; a single string counts as a list of one.
    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<String>> {
        let value = self.get(key)?.get_ref();
        let items = match value {
            DeValue::String(one) => Some(vec![one.clone().into_owned()]),
            DeValue::Array(items) => items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        if items.is_none() {
            self.wrong(key, "is not a list of texts", format!("write {key} = [\"…\", \"…\"]"));
        }
        items
    }

    /// A table; an absent one is handed out empty, so that its keys are still known.
    pub(crate) fn section(&self, key: &'static str) -> Section<'d> {
        let path = if self.path.is_empty() { format!("[{key}]") } else { self.path_of(key) };
        let found = self.get(key);
        let table = found.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (found, table) {
            self.wrong_type(key, value.get_ref(), "a table");
        }
        let line = self.find(key).filter(|_| table.is_some()).map(|(span, _)| self.notes.line(span.start));
        Section::new(self.notes, table, path, line.or(self.line))
    }

    /// The tables of an array of tables.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'d>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let base = if self.path.is_empty() { format!("[[{key}]]") } else { self.path_of(key) };
        let Some(items) = value.get_ref().as_array() else {
            let wanted = if self.path.is_empty() { "one table per item" } else { "a list of tables" };
            self.wrong(key, format!("is {}, not {wanted}", with_article(value.get_ref().type_str())), {
                if self.path.is_empty() {
                    format!("write [[{key}]] above each item")
                } else {
                    format!("write {key} = [{{ … }}]")
                }
            });
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let (path, line) = (format!("{base}[{index}]"), Some(self.notes.line(item.span().start)));
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section::new(self.notes, Some(table), path, line)),
                None => {
                    let what = format!("is {}, not a table", with_article(item.get_ref().type_str()));
                    self.notes.add(Gravity::Error, line, &path, what, "write it as { key = value }");
                }
            }
        }
        sections
    }

    /// Every key was asked for: what is left is unknown.
    pub(crate) fn finish(self) {
        let Some(table) = self.table else { return };
        let asked = self.asked.borrow();
        for (name, _) in table.iter().filter(|(name, _)| !asked.contains(name.get_ref().as_ref())) {
            let name = name.get_ref();
            let fix = match nearest(name, asked.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known keys here: {}", asked.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            self.wrong(name, "is not a known key", fix);
        }
    }
}

/// The candidate that is close enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}
