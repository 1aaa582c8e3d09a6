//! Detectors: identifiers inside free text. An extra net over columns that are known to hold text, never what makes a
//! column safe.
//!
//! A pattern proposes, a check disposes: checksums where the identifier has one, words nearby where it has none. The
//! expressions are those of the `regex` crate, so the time is linear in the text.

mod checks;
mod context;
mod patterns;

use patterns::{Check, KINDS};
use regex::Regex;
use std::cell::Cell;

/// What was found, in bytes of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Index into the scanner's detectors.
    detector: usize,
}

struct Detector {
    name: &'static str,
    regex: Regex,
    check: Check,
}

/// An identifier in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The kind, as rules name it.
    pub kind: &'static str,
}

/// Finds identifiers of some kinds in free text, and replaces them.
pub struct Scanner {
    detectors: Vec<Detector>,
    /// Lent to one scan at a time, so that the next allocates nothing.
    found: Cell<Vec<Found>>,
}

/// The kinds that `find` may name.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// `mrn:EXPRESSION` replaces the pattern of a kind: hospitals number their records in their own ways.
fn split(entry: &str) -> (&str, Option<&str>) {
    entry.split_once(':').map_or((entry, None), |(name, expression)| (name, Some(expression)))
}

/// Whether `find` may hold this entry; else what is wrong, and what to write.
pub(crate) fn check(entry: &str) -> Result<(), (String, String)> {
    let (name, expression) = split(entry);
    if !names().any(|known| known == name) {
        let known: Vec<&str> = names().collect();
        return Err((format!("unknown detector {name:?}"), crate::file::nearest(name, &known)));
    }
    match expression.map(Regex::new) {
        Some(Err(_)) => Err((
            format!("the pattern of {name:?} is not a regular expression"),
            "correct it (Rust regex syntax; single quotes spare the backslashes)".to_owned(),
        )),
        Some(Ok(regex)) if regex.is_match("") => Err((
            format!("the pattern of {name:?} matches the empty text"),
            "let it match at least one character".to_owned(),
        )),
        _ => Ok(()),
    }
}

impl Scanner {
    /// The kinds that `find` may name.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        names()
    }

    /// A scanner for the entries of a rule's `find`; `None` if one of them is not known.
    #[must_use]
    pub fn new(find: &[String]) -> Option<Self> {
        let mut detectors = Vec::new();
        for entry in find {
            let (name, expression) = split(entry);
            let kind = KINDS.iter().find(|kind| kind.name == name)?;
            match expression {
                Some(own) => {
                    detectors.push(Detector { name: kind.name, regex: Regex::new(own).ok()?, check: Check::None });
                }
                None => {
                    for (pattern, check) in kind.patterns {
                        detectors.push(Detector { name: kind.name, regex: Regex::new(pattern).ok()?, check: *check });
                    }
                }
            }
        }
        Some(Self { detectors, found: Cell::default() })
    }

    /// Everything found, in order, without overlaps: the longer of two that overlap wins. Returns how many bytes the
    /// searches went over, which is what takes the time.
    pub(crate) fn scan(&self, text: &str, found: &mut Vec<Found>) -> usize {
        found.clear();
        let mut searched = self.detectors.len() * text.len();
        for (detector, Detector { regex, check, .. }) in self.detectors.iter().enumerate() {
            let mut at = 0;
            while let Some(candidate) = regex.find_at(text, at) {
                searched += candidate.end() - at;
                // A match is narrowed to its group, if it has one: the words around a name are not part of it.
                let range = match regex.captures_len() {
                    1 => candidate.range(),
                    _ => regex
                        .captures_at(text, candidate.start())
                        .and_then(|captures| captures.get(1).map(|group| group.range()))
                        .unwrap_or(candidate.range()),
                };
                if check.accepts(text, range.clone()) {
                    found.push(Found { start: range.start, end: range.end, detector });
                    at = candidate.end();
                } else {
                    // What was refused may hide another candidate that begins inside it.
                    at = text.ceil_char_boundary(candidate.start() + 1);
                }
            }
        }
        found.sort_unstable_by_key(|one| (one.start, usize::MAX - one.end));
        let mut end = 0;
        found.retain(|one| {
            let apart = one.start >= end;
            if apart {
                end = one.end;
            }
            apart
        });
        searched
    }

    /// Everything found, in order, without overlaps.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        self.scan(text, &mut found);
        found.iter().map(|one| Finding { start: one.start, end: one.end, kind: self.name(*one) }).collect()
    }

    fn name(&self, found: Found) -> &'static str {
        self.detectors.get(found.detector).map_or("identifier", |detector| detector.name)
    }

    /// Appends the text with everything found replaced by its kind in brackets: `[ssn]`.
    pub(crate) fn replace(&self, text: &str, out: &mut Vec<u8>) {
        let mut found = self.found.take();
        self.scan(text, &mut found);
        let mut at = 0;
        for one in &found {
            out.extend_from_slice(text.get(at..one.start).unwrap_or_default().as_bytes());
            out.push(b'[');
            out.extend_from_slice(self.name(*one).as_bytes());
            out.push(b']');
            at = one.end;
        }
        out.extend_from_slice(text.get(at..).unwrap_or_default().as_bytes());
        self.found.set(found);
    }
}

#[cfg(test)]
mod tests;
