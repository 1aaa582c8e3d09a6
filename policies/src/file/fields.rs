//! Reading a TOML table key by key, so that every mistake is told with its line, its key and the nearest right one.

use crate::PolicyError;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file being read, and what is wrong with it so far.
pub(super) struct Report<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) errors: &'a mut Vec<PolicyError>,
}

impl Report<'_> {
    pub(super) fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) fn error(&mut self, key: &str, at: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        let line = Some(self.line(at.start));
        self.errors.push(PolicyError {
            file: self.file.to_owned(),
            line,
            key: key.to_owned(),
            message: message.into(),
            help: help.into(),
        });
    }
}

/// A table whose keys are all known.
pub(super) struct Fields<'a, 'i> {
    table: &'a DeTable<'i>,
    /// How errors call this table.
    pub(super) path: String,
    pub(super) span: Range<usize>,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// Reports every key of the table that is not among `known`.
    pub(super) fn new(
        table: &'a DeTable<'i>,
        path: String,
        span: Range<usize>,
        known: &[&str],
        report: &mut Report<'_>,
    ) -> Self {
        let fields = Self { table, path, span };
        for key in fields.table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                report.error(&fields.key(name), &key.span(), format!("unknown key {name:?}"), nearest(name, known));
            }
        }
        fields
    }

    pub(super) fn key(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            rule if rule.ends_with('"') => format!("{rule} {name}"),
            table => format!("{table}.{name}"),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table.get(name)
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        report: &mut Report<'_>,
        read: impl Fn(&'a DeValue<'i>) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let result = read(value.get_ref());
        if result.is_none() {
            let found = value.get_ref().type_str();
            report.error(
                &self.key(name),
                &value.span(),
                format!("this is of type {found}"),
                format!("write {expected}"),
            );
        }
        result
    }

    pub(super) fn string(&self, name: &str, report: &mut Report<'_>) -> Option<&'a str> {
        self.typed(name, "a text in double quotes", report, DeValue::as_str)
    }

    pub(super) fn boolean(&self, name: &str, report: &mut Report<'_>) -> Option<bool> {
        self.typed(name, "true or false", report, DeValue::as_bool)
    }

    pub(super) fn number(&self, name: &str, report: &mut Report<'_>) -> Option<u64> {
        self.typed(name, "a whole number, not negative", report, |value| {
            let integer = value.as_integer()?;
            u64::from_str_radix(integer.as_str(), integer.radix()).ok()
        })
    }

    /// A list of texts with their places; a single text counts as a list of one.
    pub(super) fn strings(&self, name: &str, report: &mut Report<'_>) -> Vec<(&'a str, Range<usize>)> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let help = "write a list of texts, like [\"a\", \"b\"]";
        if let Some(text) = value.get_ref().as_str() {
            return vec![(text, value.span())];
        }
        let Some(items) = value.get_ref().as_array() else {
            let found = value.get_ref().type_str();
            report.error(&self.key(name), &value.span(), format!("this is of type {found}"), help);
            return Vec::new();
        };
        if items.is_empty() {
            report.error(&self.key(name), &value.span(), "the list is empty", "name at least one, or remove the key");
        }
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text, item.span())),
                None => report.error(&self.key(name), &item.span(), "this entry is not a text", help),
            }
        }
        texts
    }

    pub(super) fn owned_strings(&self, name: &str, report: &mut Report<'_>) -> Vec<String> {
        self.strings(name, report).into_iter().map(|(text, _)| text.to_owned()).collect()
    }

    /// One of a set of names.
    pub(super) fn choice<T: Copy>(&self, name: &str, from: &[(&str, T)], report: &mut Report<'_>) -> Option<T> {
        let text = self.string(name, report)?;
        let span = self.get(name)?.span();
        choose(text, &span, &self.key(name), from, report)
    }

    /// Each of a list, from a set of names.
    pub(super) fn choices<T: Copy>(&self, name: &str, from: &[(&str, T)], report: &mut Report<'_>) -> Vec<T> {
        let key = self.key(name);
        let texts = self.strings(name, report);
        texts.into_iter().filter_map(|(text, span)| choose(text, &span, &key, from, report)).collect()
    }

    /// A sub-table with known keys.
    pub(super) fn table(&self, name: &str, known: &[&str], report: &mut Report<'_>) -> Option<Fields<'a, 'i>> {
        let value = self.get(name)?;
        match value.get_ref().as_table() {
            Some(table) => Some(Fields::new(table, self.key(name), value.span(), known, report)),
            None => {
                let found = value.get_ref().type_str();
                let help = format!("write {name} = {{ … }} with keys out of {}", known.join(", "));
                report.error(&self.key(name), &value.span(), format!("this is of type {found}"), help);
                None
            }
        }
    }
}

/// Finds a name in a set, or reports it with the nearest one.
pub(super) fn choose<T: Copy>(
    text: &str,
    span: &Range<usize>,
    key: &str,
    from: &[(&str, T)],
    report: &mut Report<'_>,
) -> Option<T> {
    let found = from.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = from.iter().map(|(name, _)| *name).collect();
        report.error(key, span, format!("unknown name {text:?}"), nearest(text, &names));
    }
    found
}

/// `did you mean "x"?`, or the whole list when nothing is near.
pub(crate) fn nearest(text: &str, known: &[&str]) -> String {
    let folded = text.to_lowercase().replace(['_', ' '], "-");
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &name.replace('_', "-")), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, name)) => format!("did you mean {name:?}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
