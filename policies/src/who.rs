//! Whom a rule speaks of: `{ groups = [...], subjects = [...], issuers = [...] }`.

use crate::glob::{Names, matches};
use model::Identity;

/// All keys that are given must match; within a key any of its patterns may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) groups: Vec<String>,
    pub(crate) subjects: Vec<String>,
    pub(crate) issuers: Vec<String>,
}

impl Who {
    pub(crate) fn is_anyone(&self) -> bool {
        self.groups.is_empty() && self.subjects.is_empty() && self.issuers.is_empty()
    }

    pub(crate) fn matches(&self, identity: &Identity) -> bool {
        let any = |patterns: &[String], value: &str| patterns.iter().any(|p| matches(p, value, Names::Exact));
        (self.groups.is_empty() || identity.groups.iter().any(|group| any(&self.groups, group)))
            && (self.subjects.is_empty() || any(&self.subjects, &identity.subject))
            && (self.issuers.is_empty() || any(&self.issuers, &identity.issuer))
    }
}

/// Whether any of the descriptions fits.
pub(crate) fn any_matches(who: &[Who], identity: &Identity) -> bool {
    who.iter().any(|who| who.matches(identity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::identity;

    #[test]
    fn keys_are_anded_and_patterns_ored() {
        let who =
            Who { groups: vec!["nurses".into(), "ci-*".into()], subjects: vec!["repo:*".into()], issuers: vec![] };
        assert!(who.matches(&identity("repo:clinic/reports", &["ci-agents"])));
        assert!(!who.matches(&identity("alice", &["ci-agents"])), "the subject does not match");
        assert!(!who.matches(&identity("repo:clinic/reports", &["doctors"])), "no group matches");
        assert!(!who.matches(&identity("repo:clinic/reports", &[])), "no groups at all");
        assert!(!any_matches(&[], &identity("x", &["nurses"])));
    }
}
