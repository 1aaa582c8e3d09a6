//! A policy: rules read, checked and hashed. Immutable; a new version is a new value.

use crate::file::{self, Rules};
use crate::glob::Names;
use crate::rule::{Guard, MaskRule, Origin};
use crate::who::any_matches;
use crate::{PolicyError, Rule, RuleKind};
use model::{ColumnRef, Identity, MaskSpec, PolicyVersion};
use sha2::{Digest as _, Sha256};

/// A policy, ready to judge.
#[derive(Debug)]
pub struct Policy {
    pub(crate) rules: Rules,
    canonical: String,
    version: PolicyVersion,
}

/// What people with the same answers get the same verdicts for: a key for remembered verdicts.
///
/// It holds, bit by bit, which of the policy's descriptions of people and clients fit. Comparable within one policy
/// version only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdentityClass(Box<[u64]>);

impl Policy {
    /// Reads policy files, each with its name and text.
    ///
    /// # Errors
    /// Every mistake in every file, not only the first: unknown keys and names, bad patterns, contradictions. An empty
    /// list of files is a mistake too, because it is more often a wrong path than the wish to protect nothing.
    pub fn parse(files: &[(String, String)]) -> Result<Self, Vec<PolicyError>> {
        if files.is_empty() {
            return Err(vec![PolicyError {
                file: "policies".to_owned(),
                line: None,
                key: String::new(),
                message: "there is no policy file".to_owned(),
                help: "put at least one *.toml into the folder; an empty one protects nothing".to_owned(),
            }]);
        }
        let rules = file::parse(files)?;
        let canonical = file::canonical(&rules);
        let version = PolicyVersion(Sha256::digest(canonical.as_bytes()).into());
        Ok(Self { rules, canonical, version })
    }

    /// SHA-256 of the canonical content.
    #[must_use]
    pub fn version(&self) -> PolicyVersion {
        self.version
    }

    /// What is hashed and stored: a policy file with the same meaning and the same version.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The rules whose masks need a secret that stays the same (tokens, hashes, fake names), by name.
    #[must_use]
    pub fn needs_key(&self) -> Vec<String> {
        let stable = |spec: &MaskSpec| matches!(spec, MaskSpec::Token { .. } | MaskSpec::Hash | MaskSpec::FakeName);
        self.rules.masks.iter().filter(|rule| stable(&rule.spec)).map(|rule| rule.name.clone()).collect()
    }

    /// Whether some column of the datasource may be protected, judged by the rules' patterns alone.
    #[must_use]
    pub fn protects(&self, datasource: &str, names: Names) -> bool {
        let covers = |rule: &MaskRule| rule.columns.iter().any(|glob| glob.could_match([datasource], names));
        self.rules.masks.iter().any(|rule| rule.protects() && covers(rule))
    }

    /// How the column is hidden from the identity: `None` if it is not, because no rule covers it or an exemption holds.
    #[must_use]
    pub fn mask_of(&self, identity: &Identity, datasource: &str, column: &ColumnRef, names: Names) -> Option<MaskSpec> {
        let rule = self.rule_for(datasource, column, names)?;
        (rule.protects() && !any_matches(&rule.unless, identity)).then(|| rule.spec.clone())
    }

    /// How the column is hidden from whoever is not exempt: what the record holds of it.
    #[must_use]
    pub fn recorded_mask_of(&self, datasource: &str, column: &ColumnRef, names: Names) -> Option<MaskSpec> {
        self.rule_for(datasource, column, names).filter(|rule| rule.protects()).map(|rule| rule.spec.clone())
    }

    /// Whether the identity is exempt from any mask.
    #[must_use]
    pub fn exempts(&self, identity: &Identity) -> bool {
        self.rules.masks.iter().any(|rule| rule.protects() && any_matches(&rule.unless, identity))
    }

    /// The classification of a column, if the rule that covers it names one.
    #[must_use]
    pub fn classification(&self, datasource: &str, column: &ColumnRef, names: Names) -> Option<&str> {
        self.rule_for(datasource, column, names)?.classification.as_deref()
    }

    /// The first rule that covers the column: masks in order, then detects in order.
    pub(crate) fn rule_for(&self, datasource: &str, column: &ColumnRef, names: Names) -> Option<&MaskRule> {
        self.rules.masks.iter().find(|rule| rule.covers(datasource, column, names))
    }

    /// The class of an identity and the name its client gives itself.
    #[must_use]
    pub fn identity_class(&self, identity: &Identity, client_app: &str) -> IdentityClass {
        let exemptions = self.rules.masks.iter().map(|rule| any_matches(&rule.unless, identity));
        let guards = self.guards().flat_map(|rule| {
            let applies = rule.when.who.matches(identity) && !any_matches(&rule.unless, identity);
            [applies, rule.when.client_app.as_ref().is_none_or(|regex| regex.is_match(client_app))]
        });
        let mut words = Vec::new();
        for (index, fits) in exemptions.chain(guards).enumerate() {
            if index % 64 == 0 {
                words.push(0_u64);
            }
            if let Some(word) = words.last_mut() {
                *word |= u64::from(fits) << (index % 64);
            }
        }
        IdentityClass(words.into_boxed_slice())
    }

    /// Whether a verdict may change with the time alone.
    #[must_use]
    pub fn looks_at_time(&self) -> bool {
        self.guards().any(|rule| rule.when.window.is_some())
    }

    /// Whether a verdict may depend on the text beyond its facts, its literals included.
    #[must_use]
    pub fn looks_at_text(&self) -> bool {
        self.guards().any(|rule| rule.when.matches.is_some())
    }

    pub(crate) fn guards(&self) -> impl Iterator<Item = &Guard> {
        self.rules.denials.iter().chain(&self.rules.approvals)
    }

    /// The rules, for people.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        let place = |origin: &Origin| (origin.file.clone(), origin.line);
        let mask = |rule: &MaskRule| {
            let (file, line) = place(&rule.origin);
            let columns: Vec<String> = rule.columns.iter().map(ToString::to_string).collect();
            let (kind, how) = match &rule.spec {
                MaskSpec::Detect { find } => (RuleKind::Detect, format!("finds {}", find.join(", "))),
                spec => (RuleKind::Mask, file::spec_text(spec)),
            };
            let name = rule.name.clone();
            let about = format!("{} in {}; predicates {}", how, columns.join(", "), rule.predicates.as_str());
            Rule { kind, name, file, line, about }
        };
        let guard = |rule: &Guard| {
            let (file, line) = place(&rule.origin);
            let kind = if rule.approvers.is_some() { RuleKind::Approve } else { RuleKind::Deny };
            Rule { kind, name: rule.name.clone(), file, line, about: format!("when {}", file::when_text(&rule.when)) }
        };
        self.rules.masks.iter().map(mask).chain(self.guards().map(guard)).collect()
    }
}
