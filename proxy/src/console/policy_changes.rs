//! What changed between two policy versions, rule by rule and for whom, from their canonical texts.
//!
//! The line diff ([`super::diff`]) shows that something changed; this says what it means for people.

use serde::Serialize;
use std::collections::BTreeSet;
use toml::{Table, Value};

/// The sections of a policy, in the order in which people think of them.
const KINDS: [&str; 4] = ["mask", "detect", "deny", "approve"];

/// One rule that came, went or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// `added`, `removed`, `changed` or `moved`.
    pub(crate) what: &'static str,
    /// `mask`, `detect`, `deny` or `approve`.
    pub(crate) kind: &'static str,
    /// The rule's name.
    pub(crate) rule: String,
    /// Whom it concerns.
    pub(crate) whom: String,
    /// What of it changed: `key: before → after`.
    pub(crate) details: Vec<String>,
}

/// The rules that differ; `None` when one of the texts cannot be read.
pub(crate) fn between(old: &str, new: &str) -> Option<Vec<Change>> {
    let (old, new) = (old.parse::<Table>().ok()?, new.parse::<Table>().ok()?);
    Some(KINDS.into_iter().flat_map(|kind| of_kind(kind, &rules(&old, kind), &rules(&new, kind))).collect())
}

/// The rules of a kind, with their names.
fn rules<'t>(policy: &'t Table, kind: &str) -> Vec<(&'t str, &'t Table)> {
    let all = policy.get(kind).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_table)
        .map(|rule| (rule.get("name").and_then(Value::as_str).unwrap_or_default(), rule))
        .collect()
}

fn of_kind(kind: &'static str, old: &[(&str, &Table)], new: &[(&str, &Table)]) -> Vec<Change> {
    let find = |rules: &[(&str, &Table)], name: &str| -> Option<Table> {
        rules.iter().find(|(other, _)| *other == name).map(|(_, rule)| (*rule).clone())
    };
    let mut changes = Vec::new();
    for (name, rule) in new {
        let (what, details, whom) = match find(old, name) {
            None => ("added", all_of(rule), audience(kind, rule)),
            Some(before) if before == **rule => continue,
            Some(before) => {
                let (was, is) = (audience(kind, &before), audience(kind, rule));
                let whom = if was == is { is } else { format!("{is} (before: {was})") };
                ("changed", differing(&before, rule), whom)
            }
        };
        changes.push(Change { what, kind, rule: (*name).to_owned(), whom, details });
    }
    for (name, rule) in old.iter().filter(|(name, _)| find(new, name).is_none()) {
        let whom = audience(kind, rule);
        changes.push(Change { what: "removed", kind, rule: (*name).to_owned(), whom, details: all_of(rule) });
    }
    // The first rule that covers a column decides: order means something.
    let common = |rules: &[(&str, &Table)], others: &[(&str, &Table)]| -> Vec<String> {
        let known = rules.iter().filter(|(name, _)| find(others, name).is_some());
        known.map(|(name, _)| (*name).to_owned()).collect()
    };
    let (was, is) = (common(old, new), common(new, old));
    if let Some((moved, _)) = is.iter().zip(&was).find(|(is, was)| is != was) {
        let details = vec!["the first rule that fits decides".to_owned()];
        let whom = "for everyone whom these rules concern".to_owned();
        changes.push(Change { what: "moved", kind, rule: moved.clone(), whom, details });
    }
    changes
}

/// Whom a rule concerns, in words.
fn audience(kind: &str, rule: &Table) -> String {
    let mut words = match rule.get("when").and_then(Value::as_table).map(people).filter(|who| !who.is_empty()) {
        Some(who) if !matches!(kind, "mask" | "detect") => format!("for {who}"),
        _ => "for everyone".to_owned(),
    };
    let exempt: Vec<String> = rule.get("unless").and_then(Value::as_array).into_iter().flatten().map(one_of).collect();
    if !exempt.is_empty() {
        words.push_str(&format!(", but not for {}", exempt.join(" or ")));
    }
    words
}

fn one_of(who: &Value) -> String {
    who.as_table().map(people).unwrap_or_default()
}

fn people(who: &Table) -> String {
    let named = [("groups", "members of "), ("subjects", ""), ("issuers", "logins of ")];
    let parts = named.iter().filter_map(|(key, words)| {
        let names: Vec<&str> = who.get(*key)?.as_array()?.iter().filter_map(Value::as_str).collect();
        Some(format!("{words}{}", names.join(" or ")))
    });
    parts.collect::<Vec<_>>().join(" and ")
}

fn all_of(rule: &Table) -> Vec<String> {
    rule.iter().filter(|(key, _)| *key != "name").map(|(key, value)| format!("{key}: {value}")).collect()
}

fn differing(old: &Table, new: &Table) -> Vec<String> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| format!("{key}: {} → {}", shown(old.get(key)), shown(new.get(key))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"
[[mask]]
name = "ssn"
columns = ["*.*.*.ssn"]
with = "redact"
unless = [{ groups = ["doctors"] }]

[[mask]]
name = "zip"
columns = ["*.*.*.zip"]
with = "zip3"

[[deny]]
name = "no ddl"
when = { verbs = ["ddl"], groups = ["ci"] }
"#;

    #[test]
    fn says_which_rule_changed_and_for_whom() {
        let new =
            OLD.replace("\"doctors\"", "\"doctors\", \"nurses\"").replace("name = \"no ddl\"", "name = \"no schema\"");
        let found = between(OLD, &new).unwrap();
        let said: Vec<String> = found
            .iter()
            .map(|change| format!("{} {} {} {}", change.what, change.kind, change.rule, change.whom))
            .collect();
        assert_eq!(
            said,
            [
                "changed mask ssn for everyone, but not for members of doctors or nurses (before: for everyone, but not for members of doctors)",
                "added deny no schema for members of ci",
                "removed deny no ddl for members of ci",
            ]
        );
        assert!(found[0].details[0].starts_with("unless: "), "{found:?}");
        assert_eq!(between(OLD, OLD).unwrap(), []);
        assert!(between(OLD, "no toml [").is_none());
    }

    #[test]
    fn another_order_is_a_change() {
        let (ssn, rest) = OLD.split_once("\n[[mask]]\nname = \"zip\"").unwrap();
        let (zip, deny) = rest.split_once("\n[[deny]]").unwrap();
        let swapped = format!("[[mask]]\nname = \"zip\"{zip}{ssn}\n[[deny]]{deny}");
        let found = between(OLD, &swapped).unwrap();
        assert_eq!(found.iter().map(|change| change.what).collect::<Vec<_>>(), ["moved"]);
    }
}
