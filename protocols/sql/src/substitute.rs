//! The door to what is put in the place of protected relations, and to what a prepared text compares its parameters with.

use crate::analyser::{self, readable};
use crate::apart::apart;
use crate::bounds::{self, Effort, LARGE_TEXT};
use crate::lift::{self, Keep, Lexis, Lifted};
use crate::templates::Shaped;
use crate::{Analyser, Catalog, Dialect, Settings, mysql, postgres};
use model::{Facts, Substitution};
use std::ops::Range;
use std::sync::Arc;

/// A text with masked projections in the place of relations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substituted {
    /// The text that is to be sent, in the client's encoding.
    pub text: Vec<u8>,
    /// Where its pieces come from.
    pub origins: Origins,
    /// The same in bytes.
    edits: Vec<Edit>,
}

/// Where the pieces of a text that is sent stand in the client's, so that what the server says of a place can be said of the
/// client's own text. Counted in characters from 0, a character being a byte where the text is not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// The client's piece, and the one that stands for it, in order.
    edits: Vec<(Range<usize>, Range<usize>)>,
    /// The text is not what was read: long lists were cut short, or its characters are not known.
    unknown: bool,
}

impl Origins {
    /// From edits in bytes of the two texts.
    fn of(original: &str, sent: &str, edits: &[Edit]) -> Self {
        let (mut before, mut behind) = (Counter::new(original), Counter::new(sent));
        let counted =
            |(from, to): &Edit| (before.at(from.start)..before.at(from.end), behind.at(to.start)..behind.at(to.end));
        Self { edits: edits.iter().map(counted).collect(), unknown: false }
    }

    /// The place in the client's text of a place in the sent one; what was put in stands where its relation stood. `None` if
    /// that is not known.
    #[must_use]
    pub fn original(&self, sent: usize) -> Option<usize> {
        if self.unknown {
            return None;
        }
        let before = self.edits.iter().take_while(|(_, to)| to.start <= sent).last();
        Some(match before {
            None => sent,
            Some((from, to)) if sent < to.end => from.start,
            Some((from, to)) => from.end + (sent - to.end),
        })
    }
}

/// Counts characters up to byte positions that only grow.
struct Counter<'a> {
    text: &'a str,
    bytes: usize,
    characters: usize,
}

impl<'a> Counter<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, bytes: 0, characters: 0 }
    }

    fn at(&mut self, byte: usize) -> usize {
        self.characters += self.text.get(self.bytes..byte).map_or(0, |piece| piece.chars().count());
        self.bytes = byte;
        self.characters
    }
}

/// Bytes of the client's text, and the bytes that stand for them.
pub(crate) type Edit = (Range<usize>, Range<usize>);

/// A parameter that a prepared text compares with a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedParameter {
    /// Its place among the parameters.
    pub index: usize,
    /// The column's name.
    pub column: String,
    /// The types of the columns of that name among the relations that the text names.
    pub types: Vec<String>,
}

/// `sql` with its protected relations replaced by their masked projections, as `substitution` says; nothing else of it is
/// changed. `facts` are those that the substitution was decided on.
///
/// # Errors
/// Why the text cannot be substituted, for its author.
pub fn substitute(
    dialect: Dialect,
    sql: &[u8],
    facts: &Facts,
    substitution: &Substitution,
    catalog: &Catalog,
    settings: &Settings,
) -> Result<Substituted, String> {
    with_stack(dialect, sql, settings, |lifted| match dialect {
        Dialect::Postgres => {
            let text = readable(dialect, sql, lifted, settings)?;
            let (sent, edits) = postgres::substitute(&text, catalog, settings, facts, substitution)?;
            let utf8 = std::str::from_utf8(sql).is_ok();
            let unknown = !lifted.blanks.is_empty() || !utf8;
            let origins =
                if unknown { Origins { edits: Vec::new(), unknown } } else { Origins::of(&text, &sent, &edits) };
            // A text that is not UTF-8 was read byte by byte; what was put in is ASCII.
            let byte = |character: char| u8::try_from(character).unwrap_or(b'?');
            let text = if utf8 { sent.into_bytes() } else { sent.chars().map(byte).collect() };
            Ok(Substituted { text, origins, edits })
        }
        Dialect::Mysql | Dialect::MariaDb => {
            let (sent, edits) = mysql::substitute(dialect, sql, &facts.parts, substitution, catalog, settings)?;
            let origins = match (std::str::from_utf8(sql), std::str::from_utf8(&sent)) {
                (Ok(original), Ok(sent)) => Origins::of(original, sent, &edits),
                _ => Origins { edits: edits.clone(), unknown: false },
            };
            Ok(Substituted { text: sent, origins, edits })
        }
    })
}

impl Analyser {
    /// The same, remembered: a text that differs from one before in literals which decide nothing is not read again.
    ///
    /// # Errors
    /// Why the text cannot be substituted, for its author.
    pub fn substitute(
        &self,
        sql: &[u8],
        facts: &Facts,
        substitution: &Arc<Substitution>,
        catalog: &Catalog,
        settings: &Settings,
    ) -> Result<Substituted, String> {
        let dialect = self.dialect();
        let lifted = lift::lift(sql, Lexis::new(dialect, settings), Keep::Spans);
        let shaped = Shaped::of(sql, &lifted)
            .filter(|_| facts.catalog_epoch == catalog.epoch() && analyser::misread(dialect, sql, settings).is_none());
        if let Some(shaped) = &shaped
            && let Some((text, edits)) = self.templates().lock().find(shaped, catalog, settings, substitution)
        {
            let origins = Origins::of(shaped.sql, &text, &edits);
            return Ok(Substituted { text: text.into_bytes(), origins, edits });
        }
        let put = substitute(dialect, sql, facts, substitution, catalog, settings)?;
        if let (Some(shaped), Ok(sent)) = (shaped, std::str::from_utf8(&put.text)) {
            self.templates().lock().keep(shaped, catalog, settings, substitution, (sent, &put.edits));
        }
        Ok(put)
    }
}

/// The parameters of a prepared text that are compared with columns. Empty for engines that tell parameters' types by
/// themselves.
///
/// # Errors
/// Why the text cannot be read.
pub fn compared_parameters(
    dialect: Dialect,
    sql: &[u8],
    facts: &Facts,
    settings: &Settings,
) -> Result<Vec<ComparedParameter>, String> {
    match dialect {
        Dialect::Postgres => Ok(Vec::new()),
        Dialect::Mysql | Dialect::MariaDb => {
            with_stack(dialect, sql, settings, |_| mysql::compared(dialect, sql, &facts.parts, settings))
        }
    }
}

/// Parsers recurse and try: a text is read within the same bounds as when it was analysed.
fn with_stack<T: Send>(
    dialect: Dialect,
    sql: &[u8],
    settings: &Settings,
    work: impl FnOnce(&Lifted) -> Result<T, String> + Send,
) -> Result<T, String> {
    let lifted = lift::lift(sql, Lexis::new(dialect, settings), Keep::Nothing);
    if let Some(why) = bounds::exceeded(dialect, &lifted) {
        return Err(why);
    }
    let work = || {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&lifted)))
            .unwrap_or_else(|_| Err("the parser failed on this text: rewrite it".to_owned()))
    };
    let bounded = || bounds::within(Effort::Thorough, || bounds::deep(dialect, lifted.nesting, work));
    let done = if sql.len() > LARGE_TEXT { apart(bounded) } else { Some(bounded()) };
    match done {
        Some((_, Some(what))) => Err(format!("the statement needs too much {what}: simplify it or send it in pieces")),
        Some((Some(done), None)) => done,
        Some((None, None)) | None => {
            Err("too many large statements are being read at once: send it again in a moment".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_clients_text() {
        let (original, sent) = ("SELECT 'é', x FROM p WHERE x", "SELECT 'é', x FROM (SELECT '*' AS x) AS p WHERE x");
        let at = |text: &str, what: &str| text.find(what).unwrap();
        let edit = (at(original, "p W")..at(original, " W"), at(sent, "(S")..at(sent, " W"));
        let origins = Origins::of(original, sent, &[edit]);
        let character = |text: &str, byte: usize| text[..byte].chars().count();
        assert_eq!(origins.original(3), Some(3));
        let inside = character(sent, at(sent, "'*'"));
        assert_eq!(origins.original(inside), Some(character(original, at(original, "p W"))));
        let behind = (character(sent, at(sent, "WHERE")), character(original, at(original, "WHERE")));
        assert_eq!(origins.original(behind.0), Some(behind.1));
        assert_eq!(Origins { edits: Vec::new(), unknown: true }.original(3), None);
    }
}
