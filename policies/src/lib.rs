//! Policies: which statement may run, who must agree first, and how each column of its answer is hidden.
//!
//! A pure engine: files come in as text, the time comes in with the question, the catalog is asked through [`Schema`].
//! Everything fails closed: what is not understood counts as touching whatever is protected.
//!
//! - [`Policy::parse`] reads rules, [`Policy::judge`] gives the [`model::Verdict`] on a statement's facts;
//! - [`Masker::compile`] turns one column's [`model::MaskSpec`] into something that masks its cells.

mod detect;
mod diff;
mod error;
mod file;
mod glob;
mod guarded;
mod judge;
mod keys;
mod masker;
mod patterns;
mod policy;
mod recognise;
mod rule;
mod transform;
mod when;
mod who;
mod window;

#[cfg(test)]
mod tests;

pub use detect::{Finding, Scanner};
pub use diff::{Happened, RuleChange};
pub use error::PolicyError;
pub use glob::{Names, column_pattern};
pub use judge::{PredicateRuling, Question, Schema};
pub use keys::Keys;
pub use masker::{CellAnswer, Masker, Unmaskable};
pub use patterns::{Covering, Pattern};
pub use policy::{IdentityClass, Policy};
pub use recognise::{Likeness, Recognised, recognise};

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleKind {
    /// Hides columns.
    Mask,
    /// Hides identifiers inside free text.
    Detect,
    /// Holds statements until people agree.
    Approve,
    /// Refuses statements.
    Deny,
}

impl RuleKind {
    /// The section of policy files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Detect => "detect",
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

/// A rule, for people: what `check`, `explain` and the console list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub kind: RuleKind,
    /// Its name.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// The line it begins at, from 1.
    pub line: usize,
    /// What it says, in one line.
    pub about: String,
}
