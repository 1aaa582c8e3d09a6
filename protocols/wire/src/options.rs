//! What a protocol adds to `[[datasources]]`: it says which keys it knows, the configuration reads them, and the
//! protocol gets their values. So an engine's own switches need no edit outside of its folder.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A key that a protocol adds to `[[datasources]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// The key, as the configuration file has it.
    pub key: &'static str,
    /// What may stand there.
    pub kind: OptionKind,
}

/// What may stand at an option's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// `true` or `false`.
    Flag,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// `{ file = "…" }`: the content of a file of at most 64 KiB.
    File,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// Of [`OptionKind::Flag`].
    Flag(bool),
    /// Of [`OptionKind::Choice`]: one of its texts.
    Choice(&'static str),
    /// Of [`OptionKind::File`].
    File {
        /// Where it was read, for display.
        path: String,
        /// What it holds.
        content: Arc<[u8]>,
    },
}

impl std::fmt::Display for OptionValue {
    /// As the effective setup shows it: of a file, its name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Choice(choice) => f.write_str(choice),
            Self::File { path, .. } => f.write_str(path),
        }
    }
}

/// The options of a datasource that its configuration sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<&'static str, OptionValue>);

impl Options {
    /// Sets one.
    pub fn set(&mut self, key: &'static str, value: OptionValue) {
        self.0.insert(key, value);
    }

    /// Whether a switch is on; one that is not set is off.
    #[must_use]
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.0.get(key), Some(OptionValue::Flag(true)))
    }

    /// The choice that was made, if one was.
    #[must_use]
    pub fn choice(&self, key: &str) -> Option<&'static str> {
        match self.0.get(key) {
            Some(OptionValue::Choice(choice)) => Some(choice),
            _ => None,
        }
    }

    /// The content of the file that is named, if one is.
    #[must_use]
    pub fn file(&self, key: &str) -> Option<&[u8]> {
        match self.0.get(key) {
            Some(OptionValue::File { content, .. }) => Some(content),
            _ => None,
        }
    }

    /// All that are set, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &OptionValue)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }
}
