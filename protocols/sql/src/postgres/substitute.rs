//! Puts masked projections in the place of relations, at the bytes where the text names them. Nothing else changes.
//!
//! The text that comes out is read again: it must name the same relations in the same order, and those that are masked
//! must stand where a projection was put. A mistake in finding a place is therefore an error, never a raw value.

use super::projection::{projection, quoted};
use super::walk::{Place, Qualified};
use crate::{Catalog, Settings};
use model::{Facts, SourceUse, Substitution};
use pg_query::protobuf::{ScanToken, Token};
use std::ops::Range;

/// A text with projections in it, and what was put where.
type Applied = (String, Vec<crate::substitute::Edit>);

struct Edit {
    range: Range<usize>,
    text: String,
}

pub(crate) fn substitute(
    text: &str,
    catalog: &Catalog,
    settings: &Settings,
    facts: &Facts,
    substitution: &Substitution,
) -> Result<Applied, String> {
    let statements = super::read(text, catalog, settings)?;
    let tokens = tokens(text)?;
    if statements.len() != substitution.parts.len() || statements.len() != facts.parts.len() {
        return Err("its statements are not those that were judged".to_owned());
    }
    let mut edits = Vec::new();
    for (((finished, located), masks), part) in statements.iter().zip(&substitution.parts).zip(&facts.parts) {
        let sources = &finished.part.sources;
        if sources.len() != part.sources.len() && !masks.is_empty() || masks.len() > sources.len() {
            return Err("the relations that it names are not those that were judged".to_owned());
        }
        let mut replaced = Vec::new();
        for ((source, place), mask) in sources.iter().zip(&located.places).zip(masks) {
            if mask.columns.is_empty() {
                continue;
            }
            let with = (settings.mask_views.as_deref(), substitution.small_areas.as_slice());
            edits.push(replacement(text, &tokens, source, place, mask, with)?);
            if place.sampled {
                edits.extend(sample(text, &tokens, place)?.map(|(range, _)| Edit { range, text: String::new() }));
            }
            if !place.aliased {
                replaced.push(source.table.table.as_str());
            }
        }
        for name in located.qualified.iter().filter(|name| replaced.contains(&name.relation.as_str())) {
            edits.push(unqualified(&tokens, name)?);
        }
    }
    let applied = apply(text, edits)?;
    verify(&applied, catalog, settings, facts, substitution)?;
    Ok(applied)
}

fn tokens(text: &str) -> Result<Vec<ScanToken>, String> {
    let mut tokens = pg_query::scan(text).map_err(|error| error.to_string())?.tokens;
    tokens.retain(|token| !is(token, Token::SqlComment) && !is(token, Token::CComment));
    Ok(tokens)
}

fn is(token: &ScanToken, kind: Token) -> bool {
    token.token == kind as i32
}

fn start(token: &ScanToken) -> usize {
    usize::try_from(token.start).unwrap_or(usize::MAX)
}

fn end(token: &ScanToken) -> usize {
    usize::try_from(token.end).unwrap_or(usize::MAX)
}

const LOST: &str = "the place of a relation in the text could not be found";

/// The index of the last token of a possibly qualified name that begins at token `at`.
fn end_of_name(tokens: &[ScanToken], mut at: usize) -> usize {
    loop {
        // U&"…" UESCAPE '!'
        if tokens.get(at + 1).is_some_and(|token| is(token, Token::Uescape)) {
            at += 2;
        }
        if !tokens.get(at + 1).is_some_and(|token| is(token, Token::Ascii46)) {
            return at;
        }
        at += 2;
    }
}

fn find(tokens: &[ScanToken], at: usize) -> Result<usize, String> {
    tokens.binary_search_by_key(&at, start).map_err(|_| LOST.to_owned())
}

fn replacement(
    text: &str,
    tokens: &[ScanToken],
    source: &SourceUse,
    place: &Place,
    mask: &model::SourceMask,
    (views, small_areas): (Option<&str>, &[u16]),
) -> Result<Edit, String> {
    let name = find(tokens, place.at)?;
    let (mut first, mut last) = (name, end_of_name(tokens, name));
    let before = |at: usize, back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
    if place.only {
        if before(first, 1).is_some_and(|token| is(token, Token::Only)) {
            first -= 1;
        } else if before(first, 2).is_some_and(|token| is(token, Token::Only)) {
            first -= 2;
            last += 1;
        } else {
            return Err(LOST.to_owned());
        }
    } else if tokens.get(last + 1).is_some_and(|token| is(token, Token::Ascii42)) {
        last += 1;
    }
    // `TABLE patients` is `SELECT * FROM patients`.
    let table = before(first, 1).is_some_and(|token| is(token, Token::Table));
    if table {
        first -= 1;
    }
    let (Some(first), Some(last)) = (tokens.get(first), tokens.get(last)) else { return Err(LOST.to_owned()) };
    let sampling = if place.sampled { sample(text, tokens, place)?.map(|(_, text)| text) } else { None };
    let projection = projection(source, mask, place.only, &sampling.unwrap_or_default(), views, small_areas)?;
    let head = if table { "SELECT * FROM " } else { "" };
    let alias = if place.aliased { String::new() } else { format!(" AS {}", quoted(&source.alias)) };
    Ok(Edit { range: start(first)..end(last), text: format!("{head}{projection}{alias}") })
}

/// The TABLESAMPLE clause behind a relation: it moves into the projection, because nothing else can be sampled.
fn sample(text: &str, tokens: &[ScanToken], place: &Place) -> Result<Option<(Range<usize>, String)>, String> {
    let name = end_of_name(tokens, find(tokens, place.at)?);
    let rest = tokens.get(name..).unwrap_or_default();
    let Some(offset) = rest.iter().take(8).position(|token| is(token, Token::Tablesample)) else {
        return Err(LOST.to_owned());
    };
    let mut at = name + offset;
    let first = at;
    loop {
        // The method's or REPEATABLE's arguments.
        while tokens.get(at).is_some_and(|token| !is(token, Token::Ascii40)) {
            at += 1;
        }
        let mut depth = 0usize;
        loop {
            let Some(token) = tokens.get(at) else { return Err(LOST.to_owned()) };
            if is(token, Token::Select) {
                return Err("TABLESAMPLE with a subquery over a relation with protected columns".to_owned());
            }
            depth = if is(token, Token::Ascii40) { depth + 1 } else { depth };
            depth = if is(token, Token::Ascii41) { depth.saturating_sub(1) } else { depth };
            if depth == 0 {
                break;
            }
            at += 1;
        }
        if !tokens.get(at + 1).is_some_and(|token| is(token, Token::Repeatable)) {
            break;
        }
        at += 1;
    }
    let (Some(first), Some(last)) = (tokens.get(first), tokens.get(at)) else { return Err(LOST.to_owned()) };
    let range = start(first)..end(last);
    let clause = text.get(range.clone()).unwrap_or_default().to_owned();
    Ok(Some((range, clause)))
}

/// `public.patients.ssn` is `patients.ssn` where a projection has no schema.
fn unqualified(tokens: &[ScanToken], name: &Qualified) -> Result<Edit, String> {
    let first = find(tokens, name.at)?;
    let mut at = first;
    for _ in 0..name.extra {
        while tokens.get(at).is_some_and(|token| !is(token, Token::Ascii46)) {
            at += 1;
        }
        at += 1;
    }
    let (Some(first), Some(kept)) = (tokens.get(first), tokens.get(at)) else { return Err(LOST.to_owned()) };
    Ok(Edit { range: start(first)..start(kept), text: String::new() })
}

fn apply(text: &str, mut edits: Vec<Edit>) -> Result<Applied, String> {
    edits.sort_by_key(|edit| edit.range.start);
    let mut out = String::with_capacity(text.len() * 2);
    let mut done = Vec::with_capacity(edits.len());
    let mut at = 0;
    for edit in edits {
        out.push_str(text.get(at..edit.range.start).ok_or(LOST)?);
        let from = out.len();
        out.push_str(&edit.text);
        done.push((edit.range.clone(), from..out.len()));
        at = edit.range.end;
    }
    out.push_str(text.get(at..).ok_or(LOST)?);
    Ok((out, done))
}

/// Reads the text that is to be sent.
fn verify(
    (text, edits): &Applied,
    catalog: &Catalog,
    settings: &Settings,
    facts: &Facts,
    substitution: &Substitution,
) -> Result<(), String> {
    let statements = super::read(text, catalog, settings)?;
    let differs = || Err("the text that would be sent names other relations than were judged".to_owned());
    if statements.len() != facts.parts.len() {
        return differs();
    }
    // A view of the second lock may stand for a relation.
    let stands_for = |new: &model::TableRef, old: &model::TableRef| {
        let view = |only| settings.mask_views.as_deref().map(|schema| crate::mask_views::view(schema, old, only));
        new == old || [false, true].into_iter().any(|only| view(only).as_ref() == Some(new))
    };
    let inserted = |at: usize| edits.iter().any(|(_, range)| range.contains(&at));
    for (((finished, located), part), masks) in statements.iter().zip(&facts.parts).zip(&substitution.parts) {
        let sources = &finished.part.sources;
        let same = sources.len() == part.sources.len()
            && sources.iter().zip(&part.sources).all(|(new, old)| stands_for(&new.table, &old.table));
        if !same && !masks.is_empty() {
            return differs();
        }
        for (place, mask) in located.places.iter().zip(masks) {
            if mask.columns.is_empty() == inserted(place.at) {
                return differs();
            }
        }
    }
    Ok(())
}
