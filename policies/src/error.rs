//! What is wrong with a policy file, for the person who wrote it: where, what, and what to write instead.

use std::fmt;

/// One mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Name of the file, as it was handed in.
    pub file: String,
    /// Line, from 1, where the mistake has one.
    pub line: Option<usize>,
    /// Path of the key (`mask "ssn" with.token`).
    pub key: String,
    /// What is wrong, one sentence, no trailing period.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}; {}", self.message, self.help)
    }
}

impl std::error::Error for PolicyError {}
