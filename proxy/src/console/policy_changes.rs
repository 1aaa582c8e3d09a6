//! What changed between two recorded policy versions, for the page: rule by rule, in words, and for whom.
//!
//! The line diff ([`super::diff`]) shows that something changed; this says what it means for people.

use policies::{Policy, RuleChange};
use serde::Serialize;

/// One rule that came, went, changed or moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// `added`, `removed`, `changed` or `moved`.
    what: &'static str,
    /// `mask`, `detect`, `deny` or `approve`.
    kind: &'static str,
    rule: String,
    whom: String,
    details: Vec<String>,
}

impl From<RuleChange> for Change {
    fn from(change: RuleChange) -> Self {
        Self {
            what: change.happened.as_str(),
            kind: change.kind.as_str(),
            rule: change.name,
            whom: change.whom,
            details: change.details,
        }
    }
}

/// The rules that differ; `None` when one of the texts cannot be read by this version: then only its lines can be shown.
pub(crate) fn between(old: &str, new: &str) -> Option<Vec<Change>> {
    let policy = |text: &str| Policy::parse(&[("policy".to_owned(), text.to_owned())]).ok();
    Some(policy(new)?.changes_since(&policy(old)?).into_iter().map(Change::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_texts_are_compared_and_others_are_not() {
        let old = "[[mask]]\nname = \"a\"\ncolumns = [\"*.*.t.a\"]\nwith = \"redact\"\n";
        let new = format!("{old}unless = [{{ groups = [\"doctors\"] }}]\n");
        let found = between(old, &new).unwrap();
        assert_eq!(found[0].whom, "for everyone, but not for group doctors (before: for everyone)");
        assert_eq!(between(old, old), Some(Vec::new()));
        assert_eq!(between(old, "no policy at all ["), None);
    }
}
