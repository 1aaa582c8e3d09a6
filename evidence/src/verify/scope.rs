//! What a package says of itself is derived again: which sessions the question picks, how many the time holds, which segments
//! they lie in, what was left out. A filter that was struck out of `scope.json` does not make a part pass for the whole.

use super::report::{Checks, name};
use crate::error::StoreError;
use crate::export::{CUT, NO_BODIES, Scope, is_cut, segments};
use crate::search::{Archive, Query};
use crate::table::Table;
use std::collections::{BTreeMap, BTreeSet};

const FORMATS: [&str; 2] = ["affidavit package 1", "affidavit package 2"];

pub(super) fn check(
    archive: &Archive,
    scope: &Scope,
    names: &BTreeSet<String>,
    checks: &mut Checks,
) -> Result<(), StoreError> {
    let mut wrong = |what: String| checks.fail(name::DERIVED, "data/scope.json", what);
    if !FORMATS.contains(&scope.format.as_str()) {
        wrong(format!("`{}` is not a format that this program knows", scope.format));
    }
    if archive.manifests().iter().any(|manifest| manifest.predicate.head.writer != scope.writer) {
        wrong("it names another writer".to_owned());
    }
    let (population, sessions) = scope.question.sessions(archive)?;
    if sessions != scope.sessions {
        let what = format!("its question picks {} sessions here, it lists {}", sessions.len(), scope.sessions.len());
        wrong(what);
    }
    let range = segments(archive, &scope.sessions)?;
    if (range.start, range.end.saturating_sub(1)) != (scope.first_segment, scope.last_segment) {
        wrong(format!("its sessions lie in segments {} to {}", range.start, range.end.saturating_sub(1)));
    }
    // Sessions that began in the time asked for may lie in segments that are not here.
    let (mut whole, mut most) = (!scope.cut, 0);
    for segment in archive.manifests().iter().map(|manifest| &manifest.predicate) {
        for file in segment.files.iter().filter(|file| file.table == Table::Sessions.name()) {
            if scope.question.overlaps(file.first_ts, file.last_ts) {
                most += file.rows;
                whole &= range.contains(&segment.segment);
            }
        }
    }
    if scope.population < population || scope.population > most || (whole && scope.population != population) {
        wrong(format!("it says that {} sessions began in that time, here are {population}", scope.population));
    }
    if !scope.question.is_filtered() && (scope.cut || scope.population != sessions.len() as u64) {
        wrong("nothing but time narrows its question, yet sessions of that time are left out".to_owned());
    }
    let mut expected = Vec::new();
    expected.extend((!scope.has_bodies()).then_some(NO_BODIES));
    expected.extend(scope.cut.then_some(CUT));
    if scope.excluded != expected {
        wrong("what it says is left out is not what a package leaves out".to_owned());
    }
    let bodies = format!("data/store/{}/", Table::StatementBodies.name());
    if !scope.has_bodies() && names.iter().any(|name| name.starts_with(&bodies)) {
        wrong("exact texts are here, though it says that they are left out".to_owned());
    }
    left_out(archive, scope, &mut wrong)
}

/// Counts what a filtered package holds of each table and segment, and holds the rest against what it says.
fn left_out(archive: &Archive, scope: &Scope, wrong: &mut dyn FnMut(String)) -> Result<(), StoreError> {
    let mut expected = Vec::new();
    for manifest in archive.manifests().iter().filter(|_| scope.cut) {
        let segment = &manifest.predicate;
        if segment.segment > scope.last_segment {
            continue;
        }
        let mut rows: BTreeMap<Table, u64> = BTreeMap::new();
        for file in &segment.files {
            let Some(table) = Table::by_name(&file.table).filter(|table| is_cut(*table)) else { continue };
            let early = segment.segment < scope.first_segment && table != Table::Approvals;
            if !early && (table != Table::StatementBodies || scope.has_bodies()) {
                *rows.entry(table).or_default() += file.rows;
            }
        }
        for (table, stated) in rows {
            let mut here = 0;
            archive.search_segment(&Query::new(table), manifest, &mut |_| here += 1)?;
            if stated > here {
                expected.push((segment.segment, table.name(), stated - here));
            }
        }
    }
    let said: Vec<_> = scope.left_out.iter().map(|left| (left.segment, left.table.as_str(), left.records)).collect();
    if said != expected {
        wrong("the counts of what was left out are not those of the manifests and the files".to_owned());
    }
    Ok(())
}
