//! Rules that cannot all be meant: one name for two rules, and within one file one column pattern with two transforms.
//!
//! Of two files the one whose name comes first decides: a clinic's own `00-clinic.toml` takes back what a pack beside it says.

use super::Rules;
use crate::PolicyError;
use crate::rule::Origin;
use std::collections::{HashMap, HashSet};

pub(super) fn find(rules: &Rules, errors: &mut Vec<PolicyError>) {
    let masks = rules.masks.iter().map(|rule| (&rule.name, &rule.origin));
    let guards = rules.denials.iter().chain(&rules.approvals).map(|rule| (&rule.name, &rule.origin));
    let mut names: HashMap<&str, &Origin> = HashMap::new();
    for (name, origin) in masks.chain(guards).filter(|(name, _)| !name.is_empty()) {
        if let Some(first) = names.insert(name, origin) {
            errors.push(PolicyError {
                file: origin.file.clone(),
                line: Some(origin.line),
                key: format!("rule {name:?}"),
                message: format!("{}:{} has a rule of the same name", first.file, first.line),
                help: "give one of them another name: the record tells rules apart by it".to_owned(),
            });
        }
    }
    let mut patterns: HashMap<(&str, String), usize> = HashMap::new();
    for (index, rule) in rules.masks.iter().enumerate() {
        for glob in &rule.columns {
            let key = (rule.origin.file.as_str(), glob.to_string());
            let Some(first) = patterns.insert(key, index).and_then(|at| rules.masks.get(at)) else {
                continue;
            };
            if first.spec != rule.spec {
                errors.push(PolicyError {
                    file: rule.origin.file.clone(),
                    line: Some(rule.origin.line),
                    key: format!("rule {:?}", rule.name),
                    message: format!(
                        "{glob} is already masked by rule {:?} ({}:{}) in another way",
                        first.name, first.origin.file, first.origin.line
                    ),
                    help: "remove it from one of the two rules".to_owned(),
                });
            }
        }
    }
}

/// Takes out of each rule the patterns that a rule before it has too, and the rules that nothing is left of. No column is
/// masked otherwise by it; the canonical text, which is one file, then says each pattern once.
pub(super) fn settle(rules: &mut Rules) {
    let mut decided = HashSet::new();
    for rule in &mut rules.masks {
        rule.columns.retain(|glob| decided.insert(glob.to_string()));
    }
    rules.masks.retain(|rule| !rule.columns.is_empty());
}
