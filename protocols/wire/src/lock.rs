//! The second lock: two database roles that the proxy's account takes, one without SELECT on protected columns. The proxy
//! works out what they may not read and whether the lock is in force; the protocol runs each statement with the right one.

use crate::{OptionKind, OptionSpec, Options};
use model::{Guarded, SourceColumn, TableRef};
use std::sync::Arc;

/// The key of `[[datasources]]`.
const KEY: &str = "second_lock";

/// Whether a datasource has a second lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockMode {
    /// Statements run with the account's own rights.
    #[default]
    Off,
    /// Statements run with the roles where they are as policy needs them; else without, which is said.
    Preferred,
    /// Where the roles are not as policy needs them, nothing runs.
    Required,
}

impl LockMode {
    /// What the configuration says.
    #[must_use]
    pub fn of(options: &Options) -> Self {
        match options.choice(KEY) {
            Some("required") => Self::Required,
            Some("preferred") => Self::Preferred,
            _ => Self::Off,
        }
    }

    /// The key, for a protocol that has the lock.
    pub const OPTION: OptionSpec = OptionSpec { key: KEY, kind: OptionKind::Choice(&["required", "preferred", "off"]) };

    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Preferred => "preferred",
            Self::Required => "required",
        }
    }
}

/// Whether the lock holds at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LockState {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// The roles are as policy needs them.
    InForce,
    /// They are not, for this reason.
    Broken(Arc<str>),
}

/// A relation with its columns, as the analysis knows them.
pub type NamedRelation = (TableRef, Arc<[SourceColumn]>);

/// What the two roles are to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockPlan {
    /// Relations with columns that somebody is not to see.
    pub guarded: Vec<Guarded>,
    /// The roles get the least that the proxy needs, and not what else the account may.
    pub least: bool,
}

/// How the roles of a database differ from what policy needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockReport {
    /// What keeps the lock from being one: roles that are not there, columns that the wrong role may read.
    pub wrong: Vec<String>,
    /// What the roles may not although the account may: statements over it fail.
    pub narrow: Vec<String>,
}

/// The names of the roles, of the schema of their views and of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockNames {
    /// May not read protected columns.
    pub masked: String,
    /// May.
    pub wire: String,
    /// The schema (MySQL: database) of the views that show masks computed from values.
    pub views: String,
    /// Owns these views; nobody can take it.
    pub owner: String,
}

impl LockNames {
    /// Those of an account.
    #[must_use]
    pub fn of(account: &str) -> Self {
        let named = |what: &str| format!("{account}_{what}");
        Self { masked: named("masked"), wire: named("wire"), views: named("masks"), owner: named("owner") }
    }

    /// The role's name.
    #[must_use]
    pub fn role(&self, role: model::Role) -> &str {
        match role {
            model::Role::Masked => &self.masked,
            model::Role::Wire => &self.wire,
        }
    }
}
