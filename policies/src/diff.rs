//! What changed between two policies, rule by rule, in words.

use crate::file::{spec_text, when_text};
use crate::rule::{Guard, MaskRule};
use crate::who::Who;
use crate::{Policy, RuleKind};
use model::MaskSpec;
use std::collections::HashMap;

/// What happened to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else.
    Changed,
    /// It says the same, but stands elsewhere among the rules, and the first that covers a column decides.
    Moved,
}

impl Happened {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Moved => "moved",
        }
    }
}

/// A rule that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// What happened.
    pub happened: Happened,
    /// The kind of rule, as it is now, or was.
    pub kind: RuleKind,
    /// Its name.
    pub name: String,
    /// Whom it concerns, in words, and whom it concerned if that changed.
    pub whom: String,
    /// What exactly, a line each: for a new or lost rule what it says, else what differs.
    pub details: Vec<String>,
}

/// What a rule says: a label and its values. Order within a label does not count, except where it stands in one value.
struct Says {
    kind: RuleKind,
    name: String,
    whom: String,
    parts: Vec<(&'static str, Vec<String>)>,
}

fn people(who: &Who) -> String {
    let lists = [("group", &who.groups), ("subject", &who.subjects), ("issuer", &who.issuers)];
    let given: Vec<String> = lists
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what} {}", names.join(" or ")))
        .collect();
    given.join(" and ")
}

/// Whom a rule concerns: those it speaks of, without those it exempts.
fn audience(who: &Who, unless: &[Who]) -> String {
    let mut words = if who.is_anyone() { "for everyone".to_owned() } else { format!("for {}", people(who)) };
    if !unless.is_empty() {
        let exempt: Vec<String> = unless.iter().map(people).collect();
        words.push_str(&format!(", but not for {}", exempt.join(" or ")));
    }
    words
}

fn mask(rule: &MaskRule) -> Says {
    let (kind, how) = match &rule.spec {
        MaskSpec::Detect { find } => (RuleKind::Detect, ("finds", find.clone())),
        spec => (RuleKind::Mask, ("masks by", vec![spec_text(spec)])),
    };
    Says {
        kind,
        name: rule.name.clone(),
        whom: audience(&Who::default(), &rule.unless),
        parts: vec![
            ("columns", rule.columns.iter().map(ToString::to_string).collect()),
            how,
            ("not for", rule.unless.iter().map(people).collect()),
            ("predicates", vec![rule.predicates.as_str().to_owned()]),
            ("classification", rule.classification.iter().cloned().collect()),
        ],
    }
}

fn guard(rule: &Guard) -> Says {
    let mut parts = vec![
        ("when", vec![when_text(&rule.when)]),
        ("not for", rule.unless.iter().map(people).collect()),
        ("hint", rule.hint.iter().cloned().collect()),
    ];
    if let Some(approvers) = &rule.approvers {
        let yes = |set: bool| if set { vec!["yes".to_owned()] } else { Vec::new() };
        parts.extend([
            ("approvers", approvers.groups.clone()),
            ("how many approve", vec![approvers.count.to_string()]),
            ("valid for", vec![format!("{} s", approvers.valid_for_seconds)]),
            ("may open a window", yes(approvers.window)),
            ("emergency access", yes(approvers.break_glass)),
        ]);
        let escalation = approvers.escalation.iter();
        parts.push((
            "escalates",
            escalation.map(|to| format!("after {} s to {}", to.after_seconds, to.groups.join(", "))).collect(),
        ));
    }
    let kind = if rule.approvers.is_some() { RuleKind::Approve } else { RuleKind::Deny };
    Says { kind, name: rule.name.clone(), whom: audience(&rule.when.who, &rule.unless), parts }
}

fn everything(policy: &Policy) -> Vec<Says> {
    policy.rules.masks.iter().map(mask).chain(policy.guards().map(guard)).collect()
}

impl Policy {
    /// What is not as it was in `old`: rules of this policy in their order, then those that are gone.
    #[must_use]
    pub fn changes_since(&self, old: &Self) -> Vec<RuleChange> {
        let (before, after) = (everything(old), everything(self));
        let known: HashMap<&str, &Says> = before.iter().map(|rule| (rule.name.as_str(), rule)).collect();
        let kept: Vec<&str> =
            after.iter().map(|rule| rule.name.as_str()).filter(|name| known.contains_key(name)).collect();
        let stayed = in_order(&before, &kept);
        let mut changes: Vec<RuleChange> = Vec::new();
        for rule in &after {
            let details = match known.get(rule.name.as_str()) {
                None => {
                    changes.push(change(Happened::Added, rule, whole(rule)));
                    continue;
                }
                Some(was) => differences(was, rule),
            };
            if !details.is_empty() {
                let mut changed = change(Happened::Changed, rule, details);
                if let Some(was) = known.get(rule.name.as_str()).filter(|was| was.whom != rule.whom) {
                    changed.whom.push_str(&format!(" (before: {})", was.whom));
                }
                changes.push(changed);
            } else if !stayed.contains(&rule.name.as_str()) {
                let details = vec!["the first rule that covers a column decides, and its place has changed".to_owned()];
                changes.push(change(Happened::Moved, rule, details));
            }
        }
        let gone = before.iter().filter(|rule| !after.iter().any(|now| now.name == rule.name));
        changes.extend(gone.map(|rule| change(Happened::Removed, rule, whole(rule))));
        changes
    }
}

fn change(happened: Happened, rule: &Says, details: Vec<String>) -> RuleChange {
    RuleChange { happened, kind: rule.kind, name: rule.name.clone(), whom: rule.whom.clone(), details }
}

/// The largest set of kept rules that stand in the same order before and after: the others have moved.
fn in_order<'a>(before: &[Says], kept: &[&'a str]) -> Vec<&'a str> {
    let places: HashMap<&str, usize> = before.iter().enumerate().map(|(at, rule)| (rule.name.as_str(), at)).collect();
    // The longest increasing subsequence of old places, remembered as chains by where they end.
    let mut chains: Vec<(usize, Vec<&'a str>)> = Vec::new();
    for name in kept {
        let Some(place) = places.get(name) else { continue };
        let before = chains.iter().filter(|(end, _)| end < place).max_by_key(|(_, chain)| chain.len());
        let mut chain = before.map(|(_, chain)| chain.clone()).unwrap_or_default();
        chain.push(name);
        chains.push((*place, chain));
    }
    chains.into_iter().map(|(_, chain)| chain).max_by_key(Vec::len).unwrap_or_default()
}

fn whole(rule: &Says) -> Vec<String> {
    let said = rule.parts.iter().filter(|(_, values)| !values.is_empty());
    said.map(|(label, values)| format!("{label}: {}", values.join(", "))).collect()
}

fn differences(was: &Says, is: &Says) -> Vec<String> {
    let mut out = Vec::new();
    if was.kind != is.kind {
        out.push(format!("kind: was {}, is {}", was.kind.as_str(), is.kind.as_str()));
    }
    let none = Vec::new();
    let labels: Vec<&str> = is.parts.iter().chain(&was.parts).map(|(label, _)| *label).collect();
    for (at, label) in labels.iter().enumerate() {
        if labels.iter().take(at).any(|seen| seen == label) {
            continue;
        }
        let of = |says: &'_ Says| says.parts.iter().find(|(known, _)| known == label).map(|(_, values)| values.clone());
        let (old, new) = (of(was).unwrap_or_else(|| none.clone()), of(is).unwrap_or_else(|| none.clone()));
        let missing = |from: &[String], of: &[String]| -> Vec<String> {
            from.iter().filter(|value| !of.contains(value)).cloned().collect()
        };
        let (gone, come) = (missing(&old, &new), missing(&new, &old));
        match (gone.as_slice(), come.as_slice()) {
            ([], []) => {}
            ([one], [other]) if old.len() == 1 && new.len() == 1 => out.push(format!("{label}: was {one}, is {other}")),
            (gone, []) => out.push(format!("{label}: no longer {}", gone.join(", "))),
            ([], come) => out.push(format!("{label}: also {}", come.join(", "))),
            (gone, come) => out.push(format!("{label}: no longer {}; now {}", gone.join(", "), come.join(", "))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::parse(&[("p.toml".to_owned(), text.to_owned())]).unwrap()
    }

    fn shown(old: &str, new: &str) -> Vec<String> {
        let changes = policy(new).changes_since(&policy(old));
        changes
            .iter()
            .map(|one| {
                format!("{} {} {}: {}", one.happened.as_str(), one.kind.as_str(), one.name, one.details.join(" | "))
            })
            .collect()
    }

    const A: &str = "[[mask]]\nname = \"a\"\ncolumns = [\"*.*.t.a\", \"*.*.t.b\"]\nwith = \"redact\"\n";
    const B: &str = "[[mask]]\nname = \"b\"\ncolumns = [\"*.*.t.c\"]\nwith = \"year\"\n";
    const C: &str = "[[deny]]\nname = \"c\"\nwhen = { verbs = [\"ddl\"], groups = [\"ci\"] }\n";

    #[test]
    fn rules_come_go_and_change() {
        assert_eq!(shown(&format!("{A}{B}{C}"), &format!("{A}{B}{C}")), Vec::<String>::new());
        assert_eq!(
            shown(&format!("{A}{C}"), &format!("{A}{B}")),
            [
                "added mask b: columns: *.*.t.c | masks by: \"year\" | predicates: equals",
                "removed deny c: when: verbs = [\"ddl\"], groups = [\"ci\"]",
            ]
        );
        let other = "[[mask]]\nname = \"a\"\ncolumns = [\"*.*.t.b\", \"*.*.t.d\"]\nwith = \"null\"\nunless = [{ groups = [\"g\"] }]\npredicates = \"any\"\n";
        assert_eq!(
            shown(A, other),
            [
                "changed mask a: columns: no longer *.*.t.a; now *.*.t.d | masks by: was \"redact\", is \"null\" | not for: also group g | predicates: was equals, is any"
            ]
        );
    }

    #[test]
    fn whom_a_change_concerns_is_told() {
        let whom = |old: &str, new: &str| policy(new).changes_since(&policy(old))[0].whom.clone();
        assert_eq!(whom(A, &format!("{A}{C}")), "for group ci");
        assert_eq!(whom(A, &format!("{A}{B}")), "for everyone");
        let exempt = format!("{A}unless = [{{ groups = [\"doctors\"] }}, {{ subjects = [\"x\"] }}]\n");
        let now = "for everyone, but not for group doctors or subject x";
        assert_eq!(whom(A, &exempt), format!("{now} (before: for everyone)"));
    }

    #[test]
    fn a_rule_that_moved_is_told() {
        assert_eq!(
            shown(&format!("{A}{B}"), &format!("{B}{A}")).len(),
            1,
            "one of two that changed places has moved past the other"
        );
        assert!(shown(&format!("{A}{B}"), &format!("{B}{A}"))[0].starts_with("moved mask"));
    }
}
