//! One walk over the parser's tree that leaves nothing out: the stored relations that a statement names, each with its
//! place, and every use of a column's name.
//!
//! Nodes are taken apart field by field, never with `..`: a field that a new parser adds does not compile. A kind of node
//! that is not read here is an error, and the statement is not understood. Beside it a count at run time: a word of the
//! text that spells a relation and that the walk has not come by makes the statement one that is not understood.

mod alterations;
mod calls;
mod changes;
mod definitions;
mod expressions;
mod names;
mod queries;
mod relations;

use super::queries::Lowered;
use super::source::Source;
use crate::ir::Name;
use model::{ColumnUse, ColumnUses, Placement, UseContext};
use sqlparser::ast::Statement;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// A stored relation where the text names it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: Name,
    pub(super) placement: Placement,
    /// The alias, or its own name.
    pub(super) alias: String,
    /// The text gives the alias itself.
    pub(super) aliased: bool,
    /// Its bytes in the client's text; `None` where it has none.
    pub(super) bytes: Option<Range<usize>>,
}

/// A name with a schema before it where a column is named.
#[derive(Clone, Debug)]
pub(super) struct Qualified {
    /// The relation's name.
    pub(super) table: String,
    /// The bytes of the schema and its dot.
    pub(super) schema: Range<usize>,
}

/// An item of a select list that the server names by its text.
#[derive(Clone, Debug)]
pub(super) struct Unnamed {
    /// Where its SELECT stands.
    pub(super) select: usize,
    /// Its place in the list.
    pub(super) index: usize,
    /// The relations that it names, among the sources.
    pub(super) sources: Range<usize>,
}

/// What one statement names.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) sources: Vec<Named>,
    pub(super) uses: ColumnUses,
    pub(super) qualified: Vec<Qualified>,
    /// Items of select lists that have no name of their own and name relations.
    pub(super) unnamed: Vec<Unnamed>,
    /// Functions that it calls.
    pub(super) calls: Vec<Name>,
    /// Parameters compared with a column, by their place among the parameters.
    pub(super) compared: Vec<(usize, ColumnUse)>,
    /// Where names stand that the walk has come by.
    seen: HashSet<usize>,
}

/// What becomes of the rows of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows<'w> {
    /// They are the result, or are handed on to it by name.
    Result,
    /// The same, and rows are compared with each other.
    Compared,
    /// Only whether there are any.
    Exists,
    /// They are used within an expression or stored.
    Apart(Seat<'w>),
}

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seat<'w> {
    /// The construct around it, for people.
    what: &'w str,
    /// Within a condition or an order of rows.
    condition: bool,
}

impl<'w> Seat<'w> {
    const fn other(what: &'w str) -> Self {
        Self { what, condition: false }
    }

    const fn condition(what: &'w str) -> Self {
        Self { what, condition: true }
    }

    /// Within another construct in the same place.
    const fn within(self, what: &str) -> Seat<'_> {
        Seat { what, condition: self.condition }
    }

    fn context(self) -> UseContext {
        let what = self.what.to_owned();
        if self.condition { UseContext::Condition(what) } else { UseContext::Other(what) }
    }
}

/// Walks over one statement.
pub(super) struct Walk<'s> {
    source: &'s Source,
    /// Names compare by case.
    sensitive: bool,
    walked: Walked,
    known: HashSet<ColumnUse>,
    joins: u32,
    /// How many queries deep.
    depth: usize,
    /// Where the SELECT of the list that is walked over stands.
    select: Option<usize>,
    /// Names of common table expressions that can be seen.
    ctes: Vec<String>,
    /// The clause that locks what is read.
    locking: Option<&'static str>,
    /// The alias of the row that INSERT … AS alias inserts.
    inserted: Option<String>,
    /// Within ON DUPLICATE KEY UPDATE and not in a subquery of it.
    upserting: bool,
    /// Parameters by where they stand.
    parameters: HashMap<usize, usize>,
}

/// Walks over a statement; `None` for a kind that is told by its words alone.
pub(super) fn walk(statement: &Statement, source: &Source, sensitive: bool) -> Lowered<Option<Walked>> {
    let mut walk = Walk::new(source, sensitive);
    match statement {
        Statement::Query(query) => walk.query(query, Rows::Result)?,
        Statement::Insert(insert) => walk.insert(insert)?,
        Statement::Update(update) => walk.update(update)?,
        Statement::Delete(delete) => walk.delete(delete)?,
        other => {
            if !walk.definition(other)? {
                return Ok(None);
            }
        }
    }
    Ok(Some(walk.walked))
}

impl<'s> Walk<'s> {
    fn new(source: &'s Source, sensitive: bool) -> Self {
        let tokens = super::gate::tokens(&source.text);
        let marks = tokens.iter().filter_map(|token| match token {
            super::gate::Token::Symbol(sign) if *sign == "?" => {
                Some(sign.as_ptr().addr().saturating_sub(source.text.as_ptr().addr()))
            }
            _ => None,
        });
        Self {
            source,
            sensitive,
            walked: Walked::default(),
            known: HashSet::new(),
            joins: 0,
            depth: 0,
            select: None,
            ctes: Vec::new(),
            locking: None,
            inserted: None,
            upserting: false,
            parameters: marks.enumerate().map(|(index, at)| (at, index)).collect(),
        }
    }
}

impl Walked {
    /// A word of the text that spells a relation and that the walk has not come by.
    pub(super) fn missed<'t>(&self, source: &'t Source, spells: impl Fn(&str) -> bool) -> Option<&'t str> {
        super::gate::tokens(&source.text).into_iter().find_map(|token| {
            let (super::gate::Token::Word(word) | super::gate::Token::Quoted(word)) = token else { return None };
            let at = word.as_ptr().addr().saturating_sub(source.text.as_ptr().addr());
            let quoted = usize::from(matches!(token, super::gate::Token::Quoted(_)));
            let seen = self.seen.contains(&at.saturating_sub(quoted));
            (!seen && spells(word)).then_some(word)
        })
    }
}
