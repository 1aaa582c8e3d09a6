//! What is wrong with a configuration: every problem says what, where, and what to do, and all are reported at once.

use std::fmt;

/// Whether the proxy can run with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// It runs, but someone should look.
    Warning,
    /// It does not start.
    Error,
}

/// One thing that is wrong, for a person to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the proxy can run with it.
    pub gravity: Gravity,
    /// The file, as the user named it.
    pub file: String,
    /// Line in that file, from 1, where it is known.
    pub line: Option<usize>,
    /// The key (`[[datasources]][1].tls`; items count from 0), or empty for the file as a whole.
    pub key: String,
    /// What is wrong. One sentence, no trailing period, never a secret.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.gravity {
            Gravity::Warning => "warning: ",
            Gravity::Error => "error: ",
        })?;
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        if !self.fix.is_empty() {
            write!(f, "\n  {}", self.fix)?;
        }
        Ok(())
    }
}

/// The configuration cannot be used. Holds at least one error; warnings come along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.0.iter().filter(|problem| problem.gravity == Gravity::Error).count();
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        write!(f, "{errors} {} in the configuration; nothing was started", if errors == 1 { "error" } else { "errors" })
    }
}

impl std::error::Error for Problems {}
