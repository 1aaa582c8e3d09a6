//! Remembers where masked projections stand in a text, so that a text which differs from one before in literals that decide
//! nothing is not read again.
//!
//! What is remembered is found by the text's own bytes without these literals, white space and comments included, and used for
//! the same masks under the same settings and catalog only. Facts are shared by the same rule; a text whose edits touch a
//! literal, or that is not UTF-8, is read each time.

use crate::lift::Lifted;
use crate::substitute::Edit;
use crate::{Catalog, Settings};
use model::Substitution;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Longest text that is remembered.
const LONGEST: usize = 16 << 10;
/// Bytes of remembered texts and projections, in each of two generations.
const BYTES: usize = 2 << 20;

/// A text without the literals that decide nothing: each is one byte that says its kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    text: Box<[u8]>,
    /// Where in it the literals are.
    holes: Box<[usize]>,
}

/// A text that fits a shape.
pub(crate) struct Shaped<'a> {
    pub(crate) sql: &'a str,
    literals: &'a [Range<usize>],
    shape: Shape,
}

impl<'a> Shaped<'a> {
    /// A scanned text, if it may be remembered.
    pub(crate) fn of(sql: &'a [u8], lifted: &'a Lifted) -> Option<Self> {
        if sql.len() > LONGEST || lifted.refused.is_some() || !lifted.blanks.is_empty() {
            return None;
        }
        let sql = std::str::from_utf8(sql).ok()?;
        let mut text = Vec::with_capacity(sql.len());
        let mut holes = Vec::with_capacity(lifted.literals.len());
        let mut at = 0;
        for literal in &lifted.literals {
            text.extend_from_slice(sql.as_bytes().get(at..literal.start)?);
            holes.push(text.len());
            text.push(0);
            at = literal.end;
        }
        text.extend_from_slice(sql.as_bytes().get(at..)?);
        let shape = Shape { text: text.into(), holes: holes.into() };
        Some(Self { sql, literals: &lifted.literals, shape })
    }

    /// How many bytes more the text has than its shape, before the literal of that number.
    fn grown(&self, literals: usize) -> Option<usize> {
        self.literals
            .iter()
            .take(literals)
            .try_fold(0_usize, |sum, literal| sum.checked_add(literal.len())?.checked_sub(1))
    }

    /// The edits of this text, as they are for every text of the shape; `None` if a literal is part of one.
    fn cut(&self, sent: &str, edits: &[Edit]) -> Option<Vec<Cut>> {
        let cut = |(from, to): &Edit| {
            if self.literals.iter().any(|literal| literal.start < from.end && from.start < literal.end) {
                return None;
            }
            let literals = self.literals.iter().take_while(|literal| literal.end <= from.start).count();
            let grown = self.grown(literals)?;
            let range = from.start.checked_sub(grown)?..from.end.checked_sub(grown)?;
            Some(Cut { literals, range, instead: sent.get(to.clone())?.into() })
        };
        edits.iter().map(cut).collect()
    }

    /// The text with these edits, and where they are in both.
    fn put(&self, cuts: &[Cut]) -> Option<(String, Vec<Edit>)> {
        let mut sent = String::with_capacity(self.sql.len() + cuts.iter().map(|cut| cut.instead.len()).sum::<usize>());
        let (mut edits, mut at) = (Vec::with_capacity(cuts.len()), 0);
        for cut in cuts {
            let grown = self.grown(cut.literals)?;
            let range = cut.range.start + grown..cut.range.end + grown;
            sent.push_str(self.sql.get(at..range.start)?);
            let from = sent.len();
            sent.push_str(&cut.instead);
            at = range.end;
            edits.push((range, from..sent.len()));
        }
        sent.push_str(self.sql.get(at..)?);
        Some((sent, edits))
    }
}

/// An edit of every text of a shape.
#[derive(Clone, Debug)]
struct Cut {
    /// The literals before it.
    literals: usize,
    range: Range<usize>,
    instead: Box<str>,
}

#[derive(Clone, Debug)]
struct Known {
    substitution: Arc<Substitution>,
    settings: Arc<Settings>,
    cuts: Arc<[Cut]>,
}

/// Two generations: when the young one is full, the old one goes.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    epoch: u64,
    young: HashMap<Shape, Vec<Known>>,
    old: HashMap<Shape, Vec<Known>>,
    bytes: usize,
}

impl Templates {
    /// The text with its masks, if one of its shape was substituted so before.
    pub(crate) fn find(
        &self,
        shaped: &Shaped<'_>,
        catalog: &Catalog,
        settings: &Settings,
        substitution: &Arc<Substitution>,
    ) -> Option<(String, Vec<Edit>)> {
        if self.epoch != catalog.epoch() {
            return None;
        }
        let known = [&self.young, &self.old].into_iter().filter_map(|known| known.get(&shaped.shape)).flatten();
        let same = |known: &&Known| {
            let masks = Arc::ptr_eq(&known.substitution, substitution) || known.substitution.is_same_as(substitution);
            masks && *known.settings == *settings
        };
        let cuts = known.into_iter().find(same)?.cuts.clone();
        shaped.put(&cuts)
    }

    /// Remembers what became of a text.
    pub(crate) fn keep(
        &mut self,
        shaped: Shaped<'_>,
        catalog: &Catalog,
        settings: &Settings,
        substitution: &Arc<Substitution>,
        (sent, edits): (&str, &[Edit]),
    ) {
        let Some(cuts) = shaped.cut(sent, edits) else { return };
        if catalog.epoch() < self.epoch {
            return;
        }
        if catalog.epoch() > self.epoch {
            *self = Self { epoch: catalog.epoch(), ..Self::default() };
        }
        self.bytes += shaped.shape.text.len() + sent.len();
        if self.bytes > BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        let known =
            Known { substitution: substitution.clone(), settings: Arc::new(settings.clone()), cuts: cuts.into() };
        self.young.entry(shaped.shape).or_default().push(known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lift::{Keep, Lexis, lift};
    use crate::{Dialect, Settings};

    fn with_shape<T>(sql: &str, work: impl FnOnce(Shaped<'_>) -> T) -> T {
        let lifted = lift(sql.as_bytes(), Lexis::new(Dialect::Postgres, &Settings::default()), Keep::Spans);
        work(Shaped::of(sql.as_bytes(), &lifted).unwrap())
    }

    fn shape(sql: &str) -> Shape {
        with_shape(sql, |shaped| shaped.shape)
    }

    #[test]
    fn literals_that_decide_nothing_leave_a_shape() {
        assert_eq!(shape("SELECT 'é', a FROM p WHERE b = 12"), shape("SELECT 'other', a FROM p WHERE b = 3"));
        for other in [
            "SELECT 'x', a FROM p  WHERE b = 1",
            "SELECT 'x', a FROM p WHERE b = 1 /* x */",
            "SELECT 'x', a FROM p WHERE b = 1 ORDER BY 1",
        ] {
            assert_ne!(shape(other), shape("SELECT 'x', a FROM p WHERE b = 1"), "{other}");
        }
        assert_ne!(shape("SELECT a FROM p ORDER BY 1"), shape("SELECT a FROM p ORDER BY 2"));
    }

    #[test]
    fn an_edit_moves_with_the_literals_before_it() {
        let first = "SELECT 'x', a FROM p WHERE b = 1 AND EXISTS (SELECT 2 FROM p)";
        let place =
            |text: &str, nth: usize| text.match_indices("FROM p").nth(nth).map(|(at, _)| at + 5..at + 6).unwrap();
        let edits = [(place(first, 0), 0..3), (place(first, 1), 3..6)];
        let cuts = with_shape(first, |shaped| shaped.cut("(1)(2)", &edits).unwrap());
        let second = "SELECT 'längst', a FROM p WHERE b = 1234 AND EXISTS (SELECT 56789 FROM p)";
        let (sent, edits) = with_shape(second, |shaped| shaped.put(&cuts).unwrap());
        assert_eq!(sent, "SELECT 'längst', a FROM (1) WHERE b = 1234 AND EXISTS (SELECT 56789 FROM (2))");
        assert_eq!(
            edits.iter().map(|(from, _)| from.clone()).collect::<Vec<_>>(),
            [place(second, 0), place(second, 1)]
        );
        assert!(edits.iter().all(|(_, to)| sent[to.clone()].starts_with('(')));
    }

    #[test]
    fn what_holds_a_literal_is_not_remembered() {
        let text = "SELECT a FROM p TABLESAMPLE SYSTEM (10)";
        let whole = text.find("p T").unwrap()..text.len();
        assert!(with_shape(text, |shaped| shaped.cut("x", &[(whole, 0..1)]).is_none()));
    }
}
