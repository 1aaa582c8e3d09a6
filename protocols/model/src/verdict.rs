//! The verdict on a statement: what policy decides, as data. `policies` builds it, the pipeline obeys it.

use crate::{ColumnRef, Refusal};
use std::fmt;
use std::sync::Arc;

/// Content hash (SHA-256) of the policy text in force.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyVersion(pub [u8; 32]);

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a value is hidden. The names are those of policy files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MaskSpec {
    /// A constant that is valid for the column's type.
    Redact,
    /// NULL where the column may hold it, else as [`MaskSpec::Redact`].
    Null,
    /// The last `keep` characters stay; letters and digits before them become `*`.
    Partial {
        /// Characters kept.
        keep: u32,
    },
    /// A keyed, deterministic pseudonym: equal values of one domain get equal tokens, on every engine.
    Token {
        /// Tokens are comparable within a domain and unrelated across domains.
        domain: String,
        /// Format-preserving: digits stay digits, separators stay in place.
        keep_format: bool,
    },
    /// The first of January of the year (ages over 89 are aggregated).
    Year,
    /// The first three digits of a ZIP code, unless the area is small.
    Zip3,
    /// A keyed choice from a list of names.
    FakeName,
    /// Keyed hash, hexadecimal.
    Hash,
    /// Explicitly exempt: passes unchanged and is recorded as such.
    Keep,
    /// Replace identifiers that detectors find inside the text.
    Detect {
        /// Kinds looked for (`ssn`, `phone`, `email`, …).
        find: Vec<String>,
    },
}

/// What happens to one column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMask {
    /// How, or `None` when the column passes untouched.
    pub mask: Option<MaskSpec>,
    /// The rule that says so (`ssn`), or the built-in reason (`unproven origin`).
    pub rule: Option<String>,
    /// Where the column's values come from, if proven.
    pub source: Option<ColumnRef>,
}

/// What happens to the columns of one result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputPlan {
    /// Nothing protected is involved: every column passes, whatever the server announces.
    Untouched,
    /// Exactly these columns must be announced; each is treated as planned.
    Columns(Vec<ColumnMask>),
    /// The columns are not known beforehand: whatever is announced is redacted, for this reason.
    RedactAll(String),
}

/// What a statement must get before it may run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalNeed {
    /// The rule that asks.
    pub rule: String,
    /// Groups whose members may decide.
    pub approver_groups: Vec<String>,
    /// How many different people must agree.
    pub count: u32,
    /// Seconds for which a grant is good.
    pub valid_for_seconds: u64,
    /// Whether an approver may open a window for every statement of the same fingerprint, instead of one use.
    pub window: bool,
    /// Emergency access: opened at once, loudly, and reviewed afterwards by the approver groups.
    pub break_glass: bool,
    /// Who else may decide when nobody has for a while.
    pub escalation: Option<Escalation>,
}

/// What happens to a request that nobody decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Escalation {
    /// Seconds after which it is escalated.
    pub after_seconds: u64,
    /// Groups whose members may decide from then on, beside the first ones.
    pub groups: Vec<String>,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may run.
    Allow,
    /// It may not.
    Deny(Refusal),
    /// It may, once people agree.
    Hold(ApprovalNeed),
}

/// Where a statement's protected values are masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Nowhere: it reaches nothing protected. The original bytes are sent.
    Untouched,
    /// In the rows, on their way to the client. The original bytes are sent.
    #[default]
    Wire,
    /// Where they are read: relations that hold protected columns are replaced in the text by their masked projections,
    /// and what comes back needs no mask.
    AtSource(Arc<Substitution>),
}

impl Class {
    /// The name that people and the record see.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Wire => "wire",
            Self::AtSource(_) => "at-source",
        }
    }

    /// What is replaced in the text, if anything is.
    #[must_use]
    pub fn substitution(&self) -> Option<&Arc<Substitution>> {
        match self {
            Self::Untouched | Self::Wire => None,
            Self::AtSource(substitution) => Some(substitution),
        }
    }
}

/// The database role whose rights a statement runs with, where the second lock is in force: the database's own privileges
/// refuse what a mistake in our reading would have let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// May not read protected columns: what names none of them, or was masked where it reads.
    #[default]
    Masked,
    /// May: what is masked on its way to the client, and whoever is exempt from a mask.
    Wire,
}

impl Role {
    /// The name that people and the record see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Masked => "masked",
            Self::Wire => "wire",
        }
    }
}

/// What is put in place of the relations of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Substitution {
    /// For each part of the text, in order, a mask for each of its [`crate::Part::sources`], in order.
    pub parts: Vec<Vec<SourceMask>>,
    /// The construct because of which the masks are applied at the source, for people.
    pub because: String,
    /// The three-digit ZIP areas that [`MaskSpec::Zip3`] does not show; empty where it is not among the masks.
    pub small_areas: Vec<u16>,
}

impl Substitution {
    /// The names of the columns that are masked, each once, for people.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let masks = self.parts.iter().flatten().flat_map(|source| &source.columns);
        let mut names: Vec<&str> = masks.filter(|(_, mask)| mask.is_some()).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether two substitutions put the same in the same places.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.parts == other.parts && self.small_areas == other.small_areas
    }
}

/// How the columns of one named relation are masked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourceMask {
    /// Every visible column in catalog order, with its mask. Empty: the relation stays as it is.
    pub columns: Vec<(String, Option<MaskSpec>)>,
}

/// The verdict on a statement's text: one plan per part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Allow, deny or hold.
    pub decision: Decision,
    /// The rule that decided, if one did.
    pub rule: Option<String>,
    /// The exact policy that decided.
    pub policy: PolicyVersion,
    /// One per [`crate::Part`], in order.
    pub outputs: Vec<OutputPlan>,
    /// What the record holds of each part, where that is not what the client gets: the same as if nobody were exempt from a
    /// mask. Empty when `outputs` says it already.
    pub recorded: Vec<OutputPlan>,
    /// Protected data is involved: texts of errors and notices are replaced by templates.
    pub guard_messages: bool,
    /// Where protected values are masked.
    pub class: Class,
    /// The role that it needs at the database, where the second lock is in force.
    pub role: Role,
}
