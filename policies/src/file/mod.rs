//! Policy files: TOML in, rules out; mistakes collected, not stopped at; the canonical text that is hashed and stored.

mod canonical;
mod contradiction;
mod fields;
mod guards;
mod masks;
mod transform;

use crate::rule::{Guard, MaskRule, Origin};
use crate::{PolicyError, detect};
pub(crate) use fields::nearest;
use fields::{Fields, Report};
use toml::de::{DeTable, DeValue};

pub(crate) use canonical::{canonical, spec_text, when_text};

/// Everything that policy files say, in order.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// `[[mask]]`, then `[[detect]]`: the first that covers a column decides.
    pub(crate) masks: Vec<MaskRule>,
    pub(crate) denials: Vec<Guard>,
    pub(crate) approvals: Vec<Guard>,
}

const SECTIONS: [&str; 4] = ["mask", "detect", "approve", "deny"];

/// Reads the files in the order of their names.
pub(crate) fn parse(files: &[(String, String)]) -> Result<Rules, Vec<PolicyError>> {
    let mut sorted: Vec<&(String, String)> = files.iter().collect();
    sorted.sort();
    let mut errors = Vec::new();
    let mut rules = Rules::default();
    let mut detects = Vec::new();
    for (file, text) in sorted {
        let mut report = Report { file, text, errors: &mut errors };
        match DeTable::parse(text) {
            Ok(table) => read_file(table.get_ref(), &mut rules, &mut detects, &mut report),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                report.error("", &span, format!("this is not TOML: {}", error.message()), "correct the syntax here");
            }
        }
    }
    rules.masks.append(&mut detects);
    contradiction::find(&rules, &mut errors);
    contradiction::settle(&mut rules);
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

fn read_file(table: &DeTable<'_>, rules: &mut Rules, detects: &mut Vec<MaskRule>, report: &mut Report<'_>) {
    let file = Fields::new(table, String::new(), 0..0, &SECTIONS, report);
    for entry in entries(&file, "mask", &masks::MASK_KEYS, report) {
        rules.masks.extend(masks::mask(&entry, report));
    }
    for entry in entries(&file, "detect", &masks::DETECT_KEYS, report) {
        detects.extend(masks::detect(&entry, report));
    }
    for entry in entries(&file, "deny", &guards::DENY_KEYS, report) {
        rules.denials.extend(guards::deny(&entry, report));
    }
    for entry in entries(&file, "approve", &guards::APPROVE_KEYS, report) {
        rules.approvals.extend(guards::approve(&entry, report));
    }
}

/// The tables of `[[name]]`, each known by its rule's name or, failing that, its number.
fn entries<'a, 'i>(
    file: &Fields<'a, 'i>,
    section: &str,
    known: &[&str],
    report: &mut Report<'_>,
) -> Vec<Fields<'a, 'i>> {
    let Some(value) = file.get(section) else { return Vec::new() };
    let help = format!("begin each rule with [[{section}]]");
    let Some(items) = value.get_ref().as_array() else {
        report.error(section, &value.span(), "this is not a list of rules", help);
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(table) = item.get_ref().as_table() else {
            report.error(section, &item.span(), "this is not a rule", help.clone());
            continue;
        };
        let path = match table.get("name").map(|name| name.get_ref()) {
            Some(DeValue::String(name)) => format!("{section} {:?}", name.as_ref()),
            _ => format!("{section}[{index}]"),
        };
        found.push(Fields::new(table, path, item.span(), known, report));
    }
    found
}

/// The name and place of a rule.
fn identify(entry: &Fields<'_, '_>, report: &mut Report<'_>) -> (String, Origin) {
    let origin = Origin { file: report.file.to_owned(), line: report.line(entry.span.start) };
    let name = match entry.string("name", report) {
        Some(name) if name.trim().is_empty() => {
            report.error(&entry.key("name"), &entry.span, "the name is empty", "name the rule: the record shows it");
            String::new()
        }
        Some(name) => name.to_owned(),
        None => {
            if entry.get("name").is_none() {
                let help = "add name = \"…\": the record and refusals show it";
                report.error(&entry.path, &entry.span, "the rule has no name", help);
            }
            String::new()
        }
    };
    (name, origin)
}

#[cfg(test)]
mod tests;
