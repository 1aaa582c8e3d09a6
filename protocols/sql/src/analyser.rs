//! The entry: analyses a text, or finds that a text of the same shape was analysed before.

use crate::lift::{self, Keep, Lexis, Lifted};
use crate::memory::Memory;
use crate::{Catalog, Dialect, Settings};
use model::{ColumnRef, Facts, Kin, Lineage, Opaque, Outputs, Part, Verb};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Longest text that is analysed, in bytes.
pub const LONGEST_TEXT: usize = 4 << 20;
/// Syntax trees deeper than this are not built.
fn deepest_tree(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Postgres => 5_000,
        Dialect::Mysql | Dialect::MariaDb => 2_000,
    }
}

/// How much stack a front end may need, measured in debug builds and doubled: the depth up to which a caller's 2 MiB are
/// enough, and the bytes for each level beyond.
pub(crate) fn stack_needs(dialect: Dialect) -> (usize, usize) {
    match dialect {
        Dialect::Postgres => (24, 64 << 10),
        // sqlparser's frames are large.
        Dialect::Mysql | Dialect::MariaDb => (14, 128 << 10),
    }
}

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
}

impl Analyser {
    /// An analyser with an empty memory.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, memory: Mutex::new(Memory::default()) }
    }

    /// An analyser for one session that sees other relations than all others: it remembers less.
    #[must_use]
    pub fn for_session(dialect: Dialect) -> Self {
        Self { dialect, memory: Mutex::new(Memory::small()) }
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
        let lexis = Lexis::new(self.dialect, settings);
        let lifted = lift::lift(sql, lexis, Keep::Decisive);
        if let Some(facts) = self.memory.lock().find(&lifted.key, catalog.epoch(), settings) {
            return facts;
        }
        let facts = Arc::new(self.fresh(sql, &lifted, lexis, catalog, settings));
        if lifted.refused.is_none() {
            self.memory.lock().keep(lifted.key, catalog.epoch(), settings, &facts);
        }
        facts
    }

    fn fresh(&self, sql: &[u8], lifted: &Lifted, lexis: Lexis, catalog: &Catalog, settings: &Settings) -> Facts {
        let normalized = lift::readable(&lift::lift(sql, lexis, Keep::Nothing).key);
        let text = match self.readable(sql, lifted, settings) {
            Ok(text) => text,
            Err(why) => return unparsed(why, normalized, catalog),
        };
        let parsed = if lifted.nesting <= stack_needs(self.dialect).0 {
            self.parse(&text, catalog, settings)
        } else {
            self.parse_deep(&text, lifted.nesting, catalog, settings)
        };
        match parsed {
            Ok(parsed) => Facts {
                parts: parsed.parts,
                unparsed: None,
                fingerprint: fingerprint(&normalized),
                normalized,
                unknown_relations: parsed.unknown_relations,
                catalog_epoch: catalog.epoch(),
            },
            Err(why) => unparsed(why, normalized, catalog),
        }
    }

    /// The text as the parser may have it, or why not.
    fn readable(&self, sql: &[u8], lifted: &Lifted, settings: &Settings) -> Result<String, String> {
        if let Some(why) = lifted.refused {
            return Err(why.to_owned());
        }
        if self.dialect == Dialect::Postgres && !settings.standard_conforming_strings {
            return Err("standard_conforming_strings is off: set it to on".to_owned());
        }
        if lifted.nesting > deepest_tree(self.dialect) {
            return Err("the text nests too deeply: simplify it or send it in pieces".to_owned());
        }
        if lifted.statements > 1 && !settings.multi_statements {
            return Err("several statements in one text are not enabled: send them one by one".to_owned());
        }
        match std::str::from_utf8(sql) {
            Ok(text) if text.is_ascii() || settings.ascii_safe_encoding => Ok(text.to_owned()),
            Ok(_) => Err("the client's character set hides where characters end: use UTF-8".to_owned()),
            // Every byte below 0x80 is itself, so only the spelling of names and literals is lost.
            Err(_) if settings.ascii_safe_encoding => Ok(sql.iter().map(|byte| char::from(*byte)).collect()),
            Err(_) => Err("the text is not UTF-8 and the client's character set hides where characters end".to_owned()),
        }
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

    /// Parsers and their trees recurse: deep texts get a stack of their own.
    fn parse_deep(&self, text: &str, depth: usize, catalog: &Catalog, settings: &Settings) -> Result<Parsed, String> {
        let stack = (4 << 20) + depth * stack_needs(self.dialect).1;
        on_stack(stack, || self.parse(text, catalog, settings))
            .unwrap_or_else(|| Err("no thread could be had to read a text of this depth: try again".to_owned()))
    }
}

/// Runs `work` on a thread with so many bytes of stack; `None` when there is none or it fails.
pub(crate) fn on_stack<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(bytes).spawn_scoped(scope, work).ok()?;
        thread.join().ok()
    })
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
