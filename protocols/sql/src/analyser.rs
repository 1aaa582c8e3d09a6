//! The entry: analyses a text, or finds that a text of the same shape was analysed before.

use crate::apart::apart;
use crate::bounds::{self, Effort, LARGE_TEXT, LONGEST_TEXT};
use crate::condense::condensed;
use crate::lift::{self, Keep, Lexis, Lifted};
use crate::memory::Memory;
use crate::templates::Templates;
use crate::{Catalog, Dialect, Settings};
use model::{ColumnRef, Facts, Kin, Lineage, Opaque, Outputs, Part, Verb};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a front end made of a text.
pub(crate) struct Parsed {
    pub(crate) parts: Vec<Part>,
    pub(crate) unknown_relations: Vec<String>,
}

/// Analyses texts of one dialect and remembers the facts by shape.
#[derive(Debug)]
pub struct Analyser {
    dialect: Dialect,
    memory: Mutex<Memory>,
    templates: Mutex<Templates>,
}

impl Analyser {
    /// An analyser with an empty memory.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, memory: Mutex::new(Memory::default()), templates: Mutex::default() }
    }

    /// An analyser for one session that sees other relations than all others: it remembers less.
    #[must_use]
    pub fn for_session(dialect: Dialect) -> Self {
        Self { dialect, memory: Mutex::new(Memory::small()), templates: Mutex::default() }
    }

    /// What `sql` does. Never fails: what cannot be understood is said in [`Facts::unparsed`] or as opaque.
    ///
    /// Facts are shared between texts that differ only in literals which decide nothing.
    #[must_use]
    pub fn analyse(&self, sql: &[u8], catalog: &Catalog, settings: &Settings) -> Arc<Facts> {
        if sql.len() > LONGEST_TEXT {
            let why =
                format!("the text is longer than {} MiB, which is not analysed: send it in pieces", LONGEST_TEXT >> 20);
            return Arc::new(unparsed(why, String::new(), catalog));
        }
        if sql.len() <= LARGE_TEXT {
            return self.look(sql, catalog, settings, false);
        }
        apart(|| self.look(sql, catalog, settings, true)).unwrap_or_else(|| Arc::new(too_busy(catalog)))
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn templates(&self) -> &Mutex<Templates> {
        &self.templates
    }

    /// The facts, remembered or fresh. `alone`: this is apart from the worker's other sessions already.
    fn look(&self, sql: &[u8], catalog: &Catalog, settings: &Settings, alone: bool) -> Arc<Facts> {
        let lexis = Lexis::new(self.dialect, settings);
        let lifted = lift::lift(sql, lexis, Keep::Decisive);
        // Before anything is remembered: the key of a text that is refused ends where it is, and what is lifted out of another
        // may be what makes the server read it otherwise.
        if let Some(why) = lifted.refused.or_else(|| misread(self.dialect, sql, settings)) {
            return Arc::new(unparsed(why.to_owned(), crate::normalized(self.dialect, sql, settings), catalog));
        }
        if let Some(facts) = self.memory.lock().find(&lifted.key, catalog.epoch(), settings) {
            return facts;
        }
        let job = Job { sql, lifted: &lifted, catalog, settings };
        let facts = if alone { self.fresh(&job, Effort::Thorough) } else { self.fresh_in_turn(&job) };
        // What could not be read now is not remembered: it may be read later.
        let Some(facts) = facts.map(Arc::new) else { return Arc::new(too_busy(catalog)) };
        self.memory.lock().keep(lifted.key, catalog.epoch(), settings, &facts);
        facts
    }

    /// What takes more than a moment is begun again, apart from the worker's other sessions.
    fn fresh_in_turn(&self, job: &Job<'_>) -> Option<Facts> {
        match self.fresh(job, Effort::Quick) {
            Some(facts) => Some(facts),
            None => apart(|| self.fresh(job, Effort::Thorough)).flatten(),
        }
    }

    /// The facts of a text; `None` if that takes more than a quick look, or than there is.
    fn fresh(&self, job: &Job<'_>, effort: Effort) -> Option<Facts> {
        let Job { sql, lifted, catalog, settings } = job;
        let normalized = crate::normalized(self.dialect, sql, settings);
        let text = match readable(self.dialect, sql, lifted, settings) {
            Ok(text) => text,
            Err(why) => return Some(unparsed(why, normalized, catalog)),
        };
        let work = || bounds::deep(self.dialect, lifted.nesting, || self.parse(&text, catalog, settings));
        let parsed = match bounds::within(effort, work) {
            (_, Some(_)) if effort == Effort::Quick => return None,
            (_, Some(what)) => Err(format!("the statement needs too much {what}: simplify it or send it in pieces")),
            // There was no thread with so deep a stack.
            (None, None) => return None,
            (Some(parsed), None) => parsed,
        };
        Some(match parsed {
            Ok(parsed) => Facts {
                parts: parsed.parts,
                unparsed: None,
                fingerprint: fingerprint(&normalized),
                normalized,
                unknown_relations: parsed.unknown_relations,
                catalog_epoch: catalog.epoch(),
            },
            Err(why) => unparsed(why, normalized, catalog),
        })
    }

    fn parse(&self, text: &str, catalog: &Catalog, settings: &Settings) -> Result<Parsed, String> {
        let work = || match self.dialect {
            Dialect::Postgres => crate::postgres::analyse(text, catalog, settings),
            Dialect::Mysql | Dialect::MariaDb => crate::mysql::analyse(self.dialect, text, catalog, settings),
        };
        // The parsers are other people's: a panic of theirs is a text that is not understood.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err("the parser failed on this text: rewrite it".to_owned()))
    }
}

/// The text as the parser may have it, or why not.
pub(crate) fn readable(dialect: Dialect, sql: &[u8], lifted: &Lifted, settings: &Settings) -> Result<String, String> {
    if let Some(why) = lifted.refused {
        return Err(why.to_owned());
    }
    if let Some(why) = misread(dialect, sql, settings) {
        return Err(why.to_owned());
    }
    if let Some(why) = bounds::exceeded(dialect, lifted) {
        return Err(why);
    }
    if lifted.statements > 1 && !settings.multi_statements {
        return Err("several statements in one text are not enabled: send them one by one".to_owned());
    }
    let short = (!lifted.blanks.is_empty()).then(|| condensed(sql, &lifted.blanks));
    let sql = short.as_deref().unwrap_or(sql);
    Ok(match std::str::from_utf8(sql) {
        Ok(text) => text.to_owned(),
        // Every byte below 0x80 is itself, so only the spelling of names and literals is lost.
        Err(_) => sql.iter().map(|byte| char::from(*byte)).collect(),
    })
}

/// Why the server may see other tokens in these bytes than the scanner does.
pub(crate) fn misread(dialect: Dialect, sql: &[u8], settings: &Settings) -> Option<&'static str> {
    // Without a backslash a string means the same either way.
    if dialect == Dialect::Postgres && !settings.standard_conforming_strings && sql.contains(&b'\\') {
        return Some(
            "standard_conforming_strings is off or not known here, and the text has a backslash: set it to on first",
        );
    }
    let hidden = !settings.ascii_safe_encoding && !sql.is_ascii();
    hidden.then_some("the client's character set hides where characters end: use UTF-8")
}

/// A text with what its scan gave.
struct Job<'a> {
    sql: &'a [u8],
    lifted: &'a Lifted,
    catalog: &'a Catalog,
    settings: &'a Settings,
}

fn too_busy(catalog: &Catalog) -> Facts {
    let why = "too many large statements are being read at once: send it again in a moment";
    unparsed(why.to_owned(), String::new(), catalog)
}

fn unparsed(why: String, normalized: String, catalog: &Catalog) -> Facts {
    Facts {
        parts: Vec::new(),
        unparsed: Some(why),
        fingerprint: fingerprint(&normalized),
        normalized,
        unknown_relations: Vec::new(),
        catalog_epoch: catalog.epoch(),
    }
}

fn fingerprint(normalized: &str) -> String {
    let digest = Sha256::digest(normalized.as_bytes());
    hex::encode(digest.get(..8).unwrap_or_default())
}

/// Completes a part: lists the kin of every column that it names.
pub(crate) fn complete(finished: crate::lineage::Finished, catalog: &Catalog, parsed: &mut Parsed) {
    let mut part = finished.part;
    let mut named: BTreeSet<ColumnRef> = part.predicates.iter().map(|predicate| predicate.column.clone()).collect();
    if let Outputs::Known(columns) = &part.outputs {
        for column in columns {
            match &column.lineage {
                Lineage::Bare(column) => drop(named.insert(column.clone())),
                Lineage::Derived(columns) => named.extend(columns.iter().cloned()),
                Lineage::Unknown(_) => {}
            }
        }
    }
    for write in &part.writes {
        named.extend(write.sources.iter().chain(&write.target).cloned());
    }
    // A value whose origin is not known reaches as far as it likes.
    let mut unknown: BTreeSet<String> = BTreeSet::new();
    match &part.outputs {
        Outputs::Known(columns) => {
            for column in columns {
                if let Lineage::Unknown(why) = &column.lineage {
                    unknown.insert(why.clone());
                }
            }
        }
        Outputs::Unknown(why) if !matches!(part.verb, Verb::Show | Verb::Explain) => drop(unknown.insert(why.clone())),
        _ => {}
    }
    for what in unknown {
        let opaque = Opaque { what, reaches_data: true };
        if !part.opaque.contains(&opaque) {
            part.opaque.push(opaque);
        }
    }
    for column in &named {
        let shown = finished.shown.iter().filter(|(base, _)| base == column).map(|(_, view)| view.clone());
        let kin: BTreeSet<ColumnRef> = shown.chain(catalog.kin(column)).collect();
        part.kin.extend(kin.into_iter().map(|also| Kin { column: column.clone(), also }));
    }
    parsed.parts.push(part);
    parsed.unknown_relations.extend(finished.unknown_relations);
}
