//! The canonical text of a policy: what is hashed, stored and shown. It is itself a policy file with the same meaning.
//!
//! Comments, layout, file names, key order and defaults do not change it; every rule and every value that decides does.

use super::Rules;
use crate::rule::{Approvers, Guard, MaskRule, Predicates};
use crate::when::{USAGES, VerbClass, When};
use crate::who::Who;
use crate::window;
use model::{Escalation, MaskSpec};
use std::fmt::Write as _;

pub(crate) fn canonical(rules: &Rules) -> String {
    let mut out = String::new();
    rules.masks.iter().for_each(|rule| mask(&mut out, rule));
    rules.denials.iter().for_each(|rule| guard(&mut out, "deny", rule));
    rules.approvals.iter().for_each(|rule| guard(&mut out, "approve", rule));
    out
}

fn mask(out: &mut String, rule: &MaskRule) {
    begin(out, if rule.is_detect() { "detect" } else { "mask" }, &rule.name);
    let columns: Vec<String> = rule.columns.iter().map(ToString::to_string).collect();
    list(out, "columns", &columns);
    match &rule.spec {
        MaskSpec::Detect { find } => list(out, "find", find),
        spec => {
            let _ = writeln!(out, "with = {}", spec_text(spec));
        }
    }
    unless(out, &rule.unless);
    if rule.predicates != Predicates::default() {
        let _ = writeln!(out, "predicates = {}", quoted(rule.predicates.as_str()));
    }
    if let Some(classification) = &rule.classification {
        let _ = writeln!(out, "classification = {}", quoted(classification));
    }
}

/// The transform as policy files write it.
pub(crate) fn spec_text(spec: &MaskSpec) -> String {
    match spec {
        MaskSpec::Redact | MaskSpec::Detect { .. } => quoted("redact"),
        MaskSpec::Null => quoted("null"),
        MaskSpec::Partial { keep } => format!("{{ partial = {{ keep = {keep} }} }}"),
        MaskSpec::Token { domain, keep_format } => {
            let format = if *keep_format { ", keep_format = true" } else { "" };
            format!("{{ token = {{ domain = {}{format} }} }}", quoted(domain))
        }
        MaskSpec::Year => quoted("year"),
        MaskSpec::Zip3 => quoted("zip3"),
        MaskSpec::FakeName => quoted("fake_name"),
        MaskSpec::Hash => quoted("hash"),
        MaskSpec::Keep => quoted("keep"),
    }
}

fn guard(out: &mut String, kind: &str, rule: &Guard) {
    begin(out, kind, &rule.name);
    let _ = writeln!(out, "when = {{ {} }}", when_text(&rule.when));
    unless(out, &rule.unless);
    if let Some(hint) = &rule.hint {
        let _ = writeln!(out, "hint = {}", quoted(hint));
    }
    if let Some(Approvers { groups, count, valid_for_seconds, window, break_glass, escalation }) = &rule.approvers {
        let _ = writeln!(out, "approvers = {{ groups = {}, count = {count} }}", quoted_list(groups));
        let _ = writeln!(out, "valid_for = \"{valid_for_seconds}s\"");
        for (key, _) in [("window", window), ("break_glass", break_glass)].iter().filter(|(_, set)| **set) {
            let _ = writeln!(out, "{key} = true");
        }
        if let Some(Escalation { after_seconds, groups }) = escalation {
            let groups = quoted_list(groups);
            let _ = writeln!(out, "escalation = {{ after = \"{after_seconds}s\", groups = {groups} }}");
        }
    }
}

/// The condition as policy files write it.
pub(crate) fn when_text(when: &When) -> String {
    let mut parts = Vec::new();
    let mut add = |key: &str, values: Vec<String>| {
        if !values.is_empty() {
            parts.push(format!("{key} = {}", quoted_list(&values)));
        }
    };
    let named = |usages: &[model::Usage]| {
        let of = |usage| USAGES.iter().find(|(_, known)| *known == usage).map_or("", |(name, _)| name).to_owned();
        usages.iter().map(|usage| of(*usage)).collect::<Vec<_>>()
    };
    add("verbs", when.verbs.iter().map(|verb: &VerbClass| verb.as_str().to_owned()).collect());
    add("datasources", when.datasources.clone());
    add("tables", when.tables.iter().map(ToString::to_string).collect());
    add("reads", when.reads.iter().map(ToString::to_string).collect());
    add("writes", when.writes.iter().map(ToString::to_string).collect());
    add("columns", when.columns.iter().map(ToString::to_string).collect());
    add("classifications", when.classifications.clone());
    add("predicates", named(&when.predicates));
    add("groups", when.who.groups.clone());
    add("subjects", when.who.subjects.clone());
    add("issuers", when.who.issuers.clone());
    for (key, value) in [("protected", when.protected), ("unfiltered", when.unfiltered), ("unlimited", when.unlimited)]
    {
        parts.extend(value.map(|value| format!("{key} = {value}")));
    }
    if !when.filter_by.is_empty() {
        let columns: Vec<String> = when.filter_by.iter().map(ToString::to_string).collect();
        parts.push(format!("filter_by = {}", quoted_list(&columns)));
    }
    parts.extend(when.at_most.map(|most| format!("at_most = {most}")));
    for (key, regex) in [("client_app", &when.client_app), ("matches", &when.matches)] {
        parts.extend(regex.as_ref().map(|regex| format!("{key} = {}", quoted(regex.as_str()))));
    }
    if let Some(window) = &when.window {
        parts.extend(window.hours.map(|hours| format!("hours = {}", quoted(&window::hours_text(hours)))));
        let days: Vec<String> = (0..7)
            .zip(window::DAYS)
            .filter(|(bit, _)| window.days >> bit & 1 == 1)
            .map(|(_, day)| day.to_owned())
            .collect();
        parts.push(format!("days = {}", quoted_list(&days)));
        parts.push(format!("utc_offset = {}", quoted(&window::offset_text(window.offset))));
    }
    parts.extend(when.rows_over.map(|rows| format!("rows_over = {rows}")));
    parts.join(", ")
}

fn begin(out: &mut String, kind: &str, name: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "[[{kind}]]\nname = {}", quoted(name));
}

fn unless(out: &mut String, who: &[Who]) {
    if who.is_empty() {
        return;
    }
    let one = |who: &Who| {
        let keys = [("groups", &who.groups), ("subjects", &who.subjects), ("issuers", &who.issuers)];
        let given = keys.into_iter().filter(|(_, values)| !values.is_empty());
        format!(
            "{{ {} }}",
            given.map(|(key, values)| format!("{key} = {}", quoted_list(values))).collect::<Vec<_>>().join(", ")
        )
    };
    let _ = writeln!(out, "unless = [{}]", who.iter().map(one).collect::<Vec<_>>().join(", "));
}

fn list(out: &mut String, key: &str, values: &[String]) {
    let _ = writeln!(out, "{key} = {}", quoted_list(values));
}

fn quoted_list(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
