//! `[[mask]]` and `[[detect]]`.

use super::fields::{Fields, Report};
use super::{detect as detectors, guards, identify, transform};
use crate::glob::{ColumnGlob, Glob};
use crate::rule::{MaskRule, Predicates};
use model::MaskSpec;

pub(super) const MASK_KEYS: [&str; 6] = ["name", "columns", "with", "unless", "predicates", "classification"];
pub(super) const DETECT_KEYS: [&str; 7] = ["name", "columns", "find", "with", "unless", "predicates", "classification"];

const COLUMN_HELP: &str = "write datasource.schema.table.column, for example \"*.*.patients.ssn\"";

pub(super) fn mask(entry: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<MaskRule> {
    let (name, origin) = identify(entry, report);
    let columns = required_columns(entry, report);
    let spec = transform::with(entry, &name, report);
    let (unless, predicates, classification) = common(entry, report);
    if spec == Some(MaskSpec::Keep) && !unless.is_empty() {
        let help = "remove unless, or choose a transform";
        report.error(&entry.key("unless"), &entry.span, "keep hides nothing, so nobody can be exempt from it", help);
    }
    Some(MaskRule { name, columns, spec: spec?, unless, predicates, classification, origin })
}

pub(super) fn detect(entry: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<MaskRule> {
    let (name, origin) = identify(entry, report);
    let columns = required_columns(entry, report);
    let mut find = Vec::new();
    for (text, span) in entry.strings("find", report) {
        match detectors::check(text) {
            Ok(()) if find.iter().any(|known| known == text) => {}
            Ok(()) => find.push(text.to_owned()),
            Err((message, help)) => report.error(&entry.key("find"), &span, message, help),
        }
    }
    if entry.get("find").is_none() {
        let help = format!("add find = [\"ssn\", …]; known: {}", detectors::names().collect::<Vec<_>>().join(", "));
        report.error(&entry.path, &entry.span, "the rule finds nothing", help);
    }
    if let Some(with) = entry.string("with", report)
        && with != "redact"
    {
        let span = entry.get("with").map_or(0..0, toml::Spanned::span);
        let help = "write with = \"redact\", or leave it out";
        report.error(&entry.key("with"), &span, format!("detect cannot replace with {with:?}"), help);
    }
    let (unless, predicates, classification) = common(entry, report);
    Some(MaskRule { name, columns, spec: MaskSpec::Detect { find }, unless, predicates, classification, origin })
}

fn common(entry: &Fields<'_, '_>, report: &mut Report<'_>) -> (Vec<crate::who::Who>, Predicates, Option<String>) {
    let unless = guards::whos(entry, "unless", report);
    let predicates = entry.choice("predicates", &Predicates::NAMES, report).unwrap_or_default();
    let classification = entry.string("classification", report).map(str::to_owned);
    (unless, predicates, classification)
}

fn required_columns(entry: &Fields<'_, '_>, report: &mut Report<'_>) -> Vec<ColumnGlob> {
    if entry.get("columns").is_none() {
        report.error(
            &entry.path,
            &entry.span,
            "the rule names no columns",
            format!("add columns = […]: {COLUMN_HELP}"),
        );
    }
    columns(entry, report)
}

pub(super) fn columns(entry: &Fields<'_, '_>, report: &mut Report<'_>) -> Vec<ColumnGlob> {
    globs(entry, "columns", COLUMN_HELP, report)
}

pub(super) fn globs<const N: usize>(
    entry: &Fields<'_, '_>,
    key: &str,
    help: &str,
    report: &mut Report<'_>,
) -> Vec<Glob<N>> {
    let mut globs = Vec::new();
    for (text, span) in entry.strings(key, report) {
        match Glob::parse(text) {
            Ok(glob) => globs.push(glob),
            Err(complaint) => {
                report.error(&entry.key(key), &span, format!("{text:?} is not a pattern: {complaint}"), help)
            }
        }
    }
    globs
}
