//! Puts masked projections in the place of relations in a text, at the relations' own bytes; nothing else of it changes.
//!
//! The text that comes out is read again: it must name the same relations in the same order, the masked ones within what was
//! put in and no others. A mistake in finding a place is therefore an error, never a raw value.

use super::gate;
use super::item_names::alias;
use super::projection::{projection, quoted};
use super::source::Source;
use super::walk::{Named, Walked, walk};
use crate::substitute::Edit;
use crate::{Catalog, ComparedParameter, Dialect, Settings};
use model::{Part, SourceMask, Substitution};
use std::ops::Range;

/// A change of the client's text.
struct Splice {
    bytes: Range<usize>,
    instead: String,
}

/// The text with the relations of each part replaced as `substitution` says.
pub(crate) fn substitute(
    dialect: Dialect,
    sql: &[u8],
    parts: &[Part],
    substitution: &Substitution,
    catalog: &Catalog,
    settings: &Settings,
) -> Result<(Vec<u8>, Vec<Edit>), String> {
    let statements = gate::statements(sql, dialect, settings)?;
    if statements.len() != parts.len() || parts.len() != substitution.parts.len() {
        return Err("the text has another number of statements than were judged".to_owned());
    }
    let mut splices = Vec::new();
    for ((statement, part), masks) in statements.iter().zip(parts).zip(&substitution.parts) {
        if masks.iter().all(|mask| mask.columns.is_empty()) {
            continue;
        }
        let read = super::explain::readable(statement)
            .ok_or_else(|| "a statement of this kind cannot be computed over masks".to_owned())?;
        let (parsed, source) = gate::parse(&read)?;
        let walked = walk(&parsed, &source, settings.case_sensitive_names)?
            .ok_or_else(|| "a statement of this kind cannot be computed over masks".to_owned())?;
        let masks = (masks.as_slice(), substitution.small_areas.as_slice());
        replace(sql, &walked, &source, part, masks, (catalog, settings.mask_views.as_deref()), &mut splices)?;
    }
    // What ends where something else begins comes first.
    splices.sort_by_key(|splice| (splice.bytes.start, splice.bytes.end));
    let mut text = Vec::with_capacity(sql.len() + 256);
    let mut put = Vec::new();
    let mut done = 0;
    for splice in splices {
        if splice.bytes.start < done {
            return Err("two places in the text overlap".to_owned());
        }
        text.extend_from_slice(sql.get(done..splice.bytes.start).ok_or("a place in the text is none")?);
        put.push((splice.bytes.clone(), text.len()..text.len() + splice.instead.len()));
        text.extend_from_slice(splice.instead.as_bytes());
        done = splice.bytes.end;
    }
    text.extend_from_slice(sql.get(done..).ok_or("a place in the text is none")?);
    let again = gate::statements(&text, dialect, settings)?;
    if again.len() != statements.len() {
        return Err("with its masks the text has another number of statements".to_owned());
    }
    for (statement, masks) in again.iter().zip(&substitution.parts) {
        if masks.iter().any(|mask| !mask.columns.is_empty()) {
            verify(statement, masks, &put, settings)?;
        }
    }
    Ok((text, put))
}

/// Whether a statement with its masks names what it named before, and masked relations only within what was put in.
fn verify(statement: &Source, masks: &[SourceMask], put: &[Edit], settings: &Settings) -> Result<(), String> {
    let otherwise = || "with its masks the statement reads otherwise: rewrite it".to_owned();
    let read = super::explain::readable(statement).ok_or_else(otherwise)?;
    let (parsed, source) = gate::parse(&read)?;
    let walked = walk(&parsed, &source, settings.case_sensitive_names)?.ok_or_else(otherwise)?;
    let within =
        |bytes: &Range<usize>| put.iter().any(|(_, range)| range.start <= bytes.start && bytes.end <= range.end);
    let fits =
        |(named, mask): (&Named, &SourceMask)| named.bytes.as_ref().is_some_and(within) != mask.columns.is_empty();
    let same = walked.sources.len() == masks.len() && walked.sources.iter().zip(masks).all(fits);
    if same { Ok(()) } else { Err(otherwise()) }
}

fn replace(
    sql: &[u8],
    walked: &Walked,
    source: &Source,
    part: &Part,
    (masks, small_areas): (&[SourceMask], &[u16]),
    (catalog, views): (&Catalog, Option<&str>),
    splices: &mut Vec<Splice>,
) -> Result<(), String> {
    let stored: Vec<_> = walked.stored(part).collect();
    if stored.len() != part.sources.len() || masks.len() != part.sources.len() {
        return Err("the text names other relations than were judged".to_owned());
    }
    let names = |column: &str| {
        let named = walked.uses.uses.iter().filter_map(|used| used.name.as_deref());
        named.chain(walked.uses.any.iter().map(String::as_str)).any(|name| name.to_lowercase() == column.to_lowercase())
    };
    for ((named, used), mask) in stored.iter().zip(&part.sources).zip(masks) {
        if mask.columns.is_empty() {
            continue;
        }
        let bytes = named.bytes.clone().ok_or_else(|| format!("{} has no place in the text", used.table))?;
        let own = projection(&used.table, mask, small_areas, catalog, names, views)?;
        let alias = if named.aliased { String::new() } else { format!(" AS {}", quoted(&named.alias)) };
        let (bytes, before) = table_statement(sql, bytes);
        splices.push(Splice { bytes, instead: format!("{before}{own}{alias}") });
    }
    // A subquery goes by its alias alone: `db.patients.ssn` is `patients.ssn` now.
    let replaced = |table: &str| {
        let of = |(named, mask): (&&Named, &SourceMask)| {
            !mask.columns.is_empty() && named.alias.to_lowercase() == table.to_lowercase()
        };
        stored.iter().zip(masks).any(of)
    };
    for item in &walked.unnamed {
        let masked = masks.get(item.sources.clone()).unwrap_or_default().iter().any(|mask| !mask.columns.is_empty());
        if let Some((end, alias)) = masked.then(|| alias(sql, source, item)).flatten() {
            splices.push(Splice { bytes: end..end, instead: alias });
        }
    }
    for qualified in &walked.qualified {
        if replaced(&qualified.table) {
            splices.push(Splice { bytes: qualified.schema.clone(), instead: String::new() });
        }
    }
    Ok(())
}

/// `TABLE patients` reads a relation where no subquery may stand: the word becomes `SELECT * FROM`.
fn table_statement(sql: &[u8], bytes: Range<usize>) -> (Range<usize>, &'static str) {
    let before = sql.get(..bytes.start).unwrap_or_default().trim_ascii_end();
    let word = before.len().checked_sub(5).and_then(|at| before.get(at..).map(|word| (at, word)));
    match word {
        Some((at, word)) if word.eq_ignore_ascii_case(b"table") && bytes.start > before.len() => {
            (at..bytes.end, "SELECT * FROM ")
        }
        _ => (bytes, ""),
    }
}

/// The parameters that a text compares with columns.
pub(crate) fn compared(
    dialect: Dialect,
    sql: &[u8],
    parts: &[Part],
    settings: &Settings,
) -> Result<Vec<ComparedParameter>, String> {
    let statements = gate::statements(sql, dialect, settings)?;
    let mut compared = Vec::new();
    for (statement, part) in statements.iter().zip(parts) {
        let Some(read) = super::explain::readable(statement) else { continue };
        let (parsed, source) = gate::parse(&read)?;
        let Some(walked) = walk(&parsed, &source, settings.case_sensitive_names)? else { continue };
        for (index, used) in walked.compared {
            let Some(name) = used.name else { continue };
            let columns = part.sources.iter().flat_map(|source| source.columns.iter());
            let own = columns.filter(|column| column.name.to_lowercase() == name.to_lowercase());
            let types = own.map(|column| column.type_name.clone()).collect();
            compared.push(ComparedParameter { index, column: name, types });
        }
    }
    Ok(compared)
}
