//! Who may use which datasource, by the allow rules. Nothing is allowed by default.

use crate::config::{AllowRule, DatasourceSetup};
use model::{Identity, Refusal, RefusalKind};
use std::collections::HashMap;

/// The allow rules of every datasource.
#[derive(Clone, Debug, Default)]
pub struct Access {
    datasources: HashMap<String, Gate>,
}

#[derive(Clone, Debug)]
struct Gate {
    rules: Vec<AllowRule>,
    contact: Option<String>,
}

impl Access {
    /// Takes the rules out of the configuration.
    #[must_use]
    pub fn new(datasources: &[DatasourceSetup]) -> Self {
        let gate = |setup: &DatasourceSetup| Gate { rules: setup.allow.clone(), contact: setup.contact.clone() };
        Self { datasources: datasources.iter().map(|setup| (setup.name.clone(), gate(setup))).collect() }
    }

    /// Whether the identity may use the datasource.
    ///
    /// # Errors
    /// [`RefusalKind::NotAllowed`], without saying which groups would do.
    pub fn allow(&self, identity: &Identity, datasource: &str) -> Result<(), Refusal> {
        let shown = super::wording::shown(datasource);
        let Some(gate) = self.datasources.get(datasource) else {
            return Err(Refusal::new(RefusalKind::NotAllowed, format!("there is no datasource named {shown} here"))
                .hint(
                    "the database name you ask for must be the name of a datasource; ask whoever runs this \
                    proxy which there are",
                ));
        };
        if gate.rules.iter().any(|rule| admits(rule, identity)) {
            return Ok(());
        }
        let who = identity.name.as_deref().unwrap_or(&identity.subject);
        let contact = gate.contact.as_deref().unwrap_or("whoever runs this proxy");
        let message = format!(
            "{} may not use datasource {shown}: neither their groups nor their subject give access",
            super::wording::shown(who)
        );
        Err(Refusal::new(RefusalKind::NotAllowed, message).hint(format!("ask {contact} for access")))
    }
}

fn admits(rule: &AllowRule, identity: &Identity) -> bool {
    let unconditional = rule.groups.is_empty() && rule.subjects.is_empty() && rule.issuer.is_none();
    !unconditional
        && rule.issuer.as_ref().is_none_or(|issuer| *issuer == identity.issuer)
        && (rule.groups.is_empty() || rule.groups.iter().any(|group| identity.groups.contains(group)))
        && (rule.subjects.is_empty() || rule.subjects.iter().any(|glob| matches(glob, &identity.subject)))
}

/// `*` is any run of characters, everything else is itself: subjects such as `repo:org/x:ref:refs/heads/*` hold what
/// file globs would interpret.
fn matches(glob: &str, text: &str) -> bool {
    let mut pieces = glob.split('*');
    let Some(rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    // The leftmost place for each piece leaves the most room for those after it.
    let mut rest = rest;
    for piece in pieces {
        match rest.find(piece).and_then(|at| rest.get(at + piece.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AuthMethod, Timestamp};

    fn identity(issuer: &str, subject: &str, groups: &[&str]) -> Identity {
        Identity {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            name: None,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            expires: Timestamp(0),
            method: AuthMethod::TokenAsPassword,
            token_id: None,
        }
    }

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn a_star_is_any_run_and_nothing_else_is_special() {
        for (glob, text, expected) in [
            ("repo:clinic/reports:*", "repo:clinic/reports:ref:refs/heads/main", true),
            ("repo:clinic/reports:*", "repo:clinic/reports", false),
            ("repo:clinic/reports:*", "evil:repo:clinic/reports:x", false),
            ("*@example.org", "a@example.org", true),
            ("*@example.org", "a@example.org.evil", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("dependabot[bot]", "dependabot[bot]", true),
            ("dependabot[bot]", "dependabotb", false),
            ("a?c", "abc", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("**", "x", true),
            ("é*", "éa", true),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} on {text}");
        }
    }

    #[test]
    fn every_named_condition_of_a_rule_holds_and_any_rule_suffices() {
        let both =
            AllowRule { groups: texts(&["ci"]), subjects: texts(&["repo:x:*"]), issuer: Some("https://a".to_owned()) };
        assert!(admits(&both, &identity("https://a", "repo:x:1", &["ci", "other"])));
        assert!(!admits(&both, &identity("https://b", "repo:x:1", &["ci"])), "another issuer");
        assert!(!admits(&both, &identity("https://a", "repo:y:1", &["ci"])), "another subject");
        assert!(!admits(&both, &identity("https://a", "repo:x:1", &["CI"])), "groups are exact");
        assert!(!admits(&AllowRule::default(), &identity("https://a", "x", &[])), "no condition is no permission");
    }

    #[test]
    fn a_refusal_says_whom_to_ask_and_not_which_groups_would_do() {
        let gate = Gate {
            rules: vec![AllowRule { groups: texts(&["secret-group"]), ..AllowRule::default() }],
            contact: Some("data@clinic.example".to_owned()),
        };
        let access = Access { datasources: HashMap::from([("ehr".to_owned(), gate)]) };
        assert!(access.allow(&identity("i", "s", &["secret-group"]), "ehr").is_ok());
        let refusal = access.allow(&identity("i", "s", &["guests"]), "ehr").unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotAllowed);
        assert_eq!(
            refusal.to_string(),
            "\"s\" may not use datasource \"ehr\": neither their groups nor their subject give access (ask \
             data@clinic.example for access)"
        );
        let refusal = access.allow(&identity("i", "s", &["secret-group"]), "billing").unwrap_err();
        assert!(refusal.message.contains("no datasource named \"billing\""), "{refusal}");
    }
}
