//! Detectors: identifiers inside free text. An extra net over columns that are known to hold text, never what makes a
//! column safe.

/// What `find` may name.
pub(crate) const NAMES: [&str; 0] = [];

/// Finds and replaces identifiers of some kinds.
pub(crate) struct Scanner;

impl Scanner {
    /// A scanner for the kinds of a rule; `None` if one is not known.
    pub(crate) fn new(_find: &[String]) -> Option<Self> {
        None
    }

    /// Appends the text with what was found replaced.
    pub(crate) fn replace(&self, _text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"***");
    }
}

/// Whether `find` may hold this entry; else what is wrong, and what to write.
pub(crate) fn check(entry: &str) -> Result<(), (String, String)> {
    Err((format!("unknown detector {entry:?}"), "detectors are not built in yet; mask the whole column".to_owned()))
}
