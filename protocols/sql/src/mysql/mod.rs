//! MySQL and MariaDB: `sqlparser` behind a strict gate.
//!
//! The parser never sees the client's text. The scanner, which knows the session's `sql_mode`, writes every token in a form
//! that all lexers read alike (`gate`), and what the parser made of it must contain every word that it was given. A text
//! that does not pass is not analysed.

mod bodies;
mod changes;
mod definitions;
mod explain;
mod expressions;
mod functions;
mod gate;
mod item_names;
mod maintenance;
mod projection;
mod queries;
mod reader;
mod set;
mod show;
mod source;
mod sources;
mod spelling;
mod statements;
mod substitute;
mod walk;

use crate::analyser::{Parsed, complete};
use crate::ir::Query;
use crate::lineage::Tracer;
use crate::sequence::{Moved, Sequence, defined, runs_unseen};
use crate::{Catalog, Dialect, Settings};
pub(crate) use functions::{nature, never_fails};
use model::{Part, SettingChange};
pub(crate) use projection::mask_views;
use sqlparser::ast::Statement;
pub(crate) use substitute::{compared, substitute};

/// What a text does.
pub(crate) fn analyse(dialect: Dialect, text: &str, catalog: &Catalog, settings: &Settings) -> Result<Parsed, String> {
    if settings.sql_mode.foreign_grammar {
        return Err("sql_mode or the client's character set gives texts another grammar: set it back".to_owned());
    }
    let mut parsed = Parsed { parts: Vec::new(), unknown_relations: Vec::new() };
    let (mut sequence, mut path, mut relexed) = (Sequence::default(), None, false);
    for source in gate::statements(text.as_bytes(), dialect, settings)? {
        if relexed {
            return Err("a SET in the same text changes how what follows it is read: send them one by one".to_owned());
        }
        let mut tracer = Tracer::new(dialect, catalog, settings);
        tracer.made = sequence.made();
        if let Some(path) = &path {
            Vec::clone_from(&mut tracer.path, path);
        }
        let ended = statements::statement(&source, &mut tracer)?;
        let named = ended.walked.map(|(walked, source)| sources::sources(walked, &source, &mut tracer)).transpose()?;
        let mut finished = tracer.draft.finish(ended.verb, ended.outputs, ended.filtered, ended.limited);
        let understood = finished.part.opaque.len();
        sequence.unsettle(&mut finished.part, catalog);
        if let Some((sources, mut uses)) = named {
            let unsettled = finished.part.opaque.iter().skip(understood).map(|opaque| opaque.what.clone());
            if let Some(uses) = &mut uses {
                uses.beyond.extend(unsettled);
            }
            (finished.part.sources, finished.part.uses) = (sources, uses);
        }
        relexed = finished.part.settings.iter().any(|change| changes_reading(&change.name));
        let moved = moved(&finished.part);
        let fresh = finished.fresh.take().filter(|_| matches!(moved, Moved::Names(_)));
        if !fresh.is_some_and(|fresh| sequence.note_fresh(fresh)) {
            path = sequence.note(moved).or(path);
        }
        complete(finished, catalog, &mut parsed);
    }
    Ok(parsed)
}

/// The statements of a text as the server of these settings reads them, each in a form that all lexers read alike: comments
/// are gone, version comments count or not.
///
/// # Errors
/// Why the text cannot be read.
pub fn canonical_statements(dialect: Dialect, text: &str, settings: &Settings) -> Result<Vec<String>, String> {
    let statements = gate::statements(text.as_bytes(), dialect, settings)?;
    Ok(statements.into_iter().map(|source| source.text).collect())
}

/// Whether a setting decides where tokens of a text end.
fn changes_reading(setting: &str) -> bool {
    ["sql_mode", "character_set", "charset", "names", "collation"].iter().any(|word| setting.contains(word))
}

/// What a part may do to the meaning of names in those after it.
fn moved(part: &Part) -> Moved {
    if runs_unseen(part) || !part.opaque.is_empty() {
        return Moved::All;
    }
    match part.settings.iter().find(|change| change.name == "database") {
        Some(SettingChange { value: Some(name), .. }) => Moved::Path(vec![name.clone()]),
        Some(_) => Moved::All,
        None => defined(part),
    }
}

/// The query of a view's definition.
pub(crate) fn view_query(dialect: Dialect, definition: &str) -> Result<Query, String> {
    let mut texts = gate::statements(definition.as_bytes(), dialect, &Settings::default())?;
    match (texts.pop(), texts.is_empty()) {
        (Some(source), true) => match gate::parse(&source)?.0 {
            Statement::Query(query) => queries::Lower::default().query(&query),
            _ => Err("it is not a query".to_owned()),
        },
        _ => Err("it is not one query".to_owned()),
    }
}
