//! Where rules and tables have grown apart: patterns that match nothing, columns that look like identifiers and no rule
//! covers, protected columns that show through views.

use super::Patient;
use crate::suggest::proposal;
use policies::{Likeness, Names, Policy, column_pattern, recognise};
use std::collections::BTreeMap;
use wire::{Finding, Severity, SurveyColumn};

/// Patterns that name a table and match no column of any datasource that they could mean. Patterns for every table
/// (`*.*.*.ssn`) are meant to match where they can, and are left alone.
pub(super) fn dead_patterns(patients: &[Patient<'_>], unseen: &[&str], policy: &Policy) -> Vec<Finding> {
    let mut dead: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for pattern in policy.patterns().filter(policies::Pattern::names_a_table) {
        // A datasource that was not looked at may hold what it means, whatever way names compare there.
        if unseen.iter().any(|name| pattern.could_mean(name, Names::Folded)) {
            continue;
        }
        let matched = patients.iter().any(|patient| {
            let name = &patient.setup.name;
            patient.survey.columns.iter().any(|column| pattern.matches(name, &column.column, patient.names))
        });
        if !matched {
            let (file, line) = pattern.place();
            dead.entry((pattern.rule().to_owned(), format!("{file}:{line}"))).or_default().push(pattern.text());
        }
    }
    dead.into_iter()
        .map(|((rule, place), patterns)| Finding {
            severity: Severity::Medium,
            check: "dead-pattern",
            what: format!("rule {rule:?} ({place}) matches no column with {}", patterns.join(", ")),
            why: "a column that was renamed or misspelt is not protected by a rule that names it otherwise",
            fix: vec![format!("-- correct the names, or remove them, in {place}")],
        })
        .collect()
}

/// Columns that look like identifiers by their names, and that no rule mentions, not even to `keep` them.
pub(super) fn uncovered(patient: &Patient<'_>, policy: &Policy) -> Vec<Finding> {
    let mut found: BTreeMap<(std::cmp::Reverse<Severity>, Likeness), Vec<&SurveyColumn>> = BTreeMap::new();
    for column in &patient.survey.columns {
        if is_covered(patient, policy, column) {
            continue;
        }
        let path = &column.column;
        if let Some(recognised) = recognise(&path.table, &path.column, &column.type_name) {
            let severity = weight(recognised.likeness, recognised.sure);
            found.entry((std::cmp::Reverse(severity), recognised.likeness)).or_default().push(column);
        }
    }
    found
        .into_iter()
        .map(|((std::cmp::Reverse(severity), likeness), columns)| {
            let names: Vec<String> = columns.iter().map(|column| column.column.to_string()).collect();
            let patterns: Vec<String> =
                columns.iter().map(|column| column_pattern(&patient.setup.name, &column.column)).collect();
            Finding {
                severity,
                check: "uncovered-column",
                what: format!("no rule covers what looks like {}: {}", proposal::words(likeness), names.join(", ")),
                why: "what no rule covers passes as it is",
                fix: std::iter::once(
                    "-- in a policy file (with = \"keep\" says that it is meant to be seen):".to_owned(),
                )
                .chain(proposal::rule(likeness, &format!("doctor: {}", proposal::words(likeness)), &patterns))
                .collect(),
            }
        })
        .collect()
}

/// By its own name, or, for a view's column, because what it shows is covered, or it shows constants only. What cannot be
/// followed is never shown raw.
fn is_covered(patient: &Patient<'_>, policy: &Policy, column: &SurveyColumn) -> bool {
    let covers = |path| policy.covering(&patient.setup.name, path, patient.names).is_some();
    let shown = column.of_view && (column.sources.is_empty() || column.sources.iter().any(covers));
    covers(&column.column) || shown || column.unproven.is_some()
}

fn weight(likeness: Likeness, sure: bool) -> Severity {
    match likeness {
        _ if !sure => Severity::Low,
        Likeness::Url
        | Likeness::Device
        | Likeness::Age
        | Likeness::DatePart
        | Likeness::FreeText
        | Likeness::Vehicle => Severity::Medium,
        _ => Severity::High,
    }
}

/// Views that show protected columns by names of their own, and views that could not be followed.
pub(super) fn views(patient: &Patient<'_>, policy: &Policy) -> Vec<Finding> {
    let mut found = Vec::new();
    let name = &patient.setup.name;
    let mut shown: Vec<String> = Vec::new();
    let mut unproven: BTreeMap<String, &str> = BTreeMap::new();
    for column in patient.survey.columns.iter().filter(|column| column.of_view) {
        if let Some(why) = &column.unproven {
            unproven.entry(column.column.table().to_string()).or_insert(why);
            continue;
        }
        if policy.covering(name, &column.column, patient.names).is_some_and(|covering| covering.protects) {
            continue;
        }
        let protected = column.sources.iter().find_map(|source| {
            policy.covering(name, source, patient.names).filter(|by| by.protects).map(|by| (source, by.rule))
        });
        if let Some((source, rule)) = protected {
            shown.push(format!("{} shows {source} (rule {rule:?})", column.column));
        }
    }
    if !shown.is_empty() {
        found.push(Finding {
            severity: Severity::Low,
            check: "view-shows-protected",
            what: format!("protected columns can be reached through views: {}", shown.join(", ")),
            why: "the proxy follows them and masks all the same; a direct user of the database sees them raw",
            fix: vec!["-- name the view's columns in the rule, if people should read it there".to_owned()],
        });
    }
    for (view, why) in unproven {
        found.push(Finding {
            severity: Severity::Medium,
            check: "view-not-followed",
            what: format!("what view {view} shows cannot be told: {why}"),
            why: "what comes through it is refused or redacted wherever something is protected",
            fix: vec![format!("-- simplify {view}, or let the proxy's user see its definition")],
        });
    }
    found
}
