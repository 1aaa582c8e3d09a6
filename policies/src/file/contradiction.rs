//! Rules that cannot all be meant: one name for two rules, one column pattern with two transforms.

use super::Rules;
use crate::PolicyError;
use crate::rule::Origin;
use std::collections::HashMap;

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
    let mut patterns: HashMap<String, usize> = HashMap::new();
    for (index, rule) in rules.masks.iter().enumerate() {
        for glob in &rule.columns {
            let Some(first) = patterns.insert(glob.to_string(), index).and_then(|at| rules.masks.get(at)) else {
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
