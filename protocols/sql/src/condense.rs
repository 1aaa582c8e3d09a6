//! Long lists of literals, made short for the parser: `IN ('a', 'b', …)` with half a million entries says no more than one
//! with ten thousand, and `VALUES (…), (…), …` no more than its first rows. What is left out becomes white space, so every
//! other token keeps its place in the text.
//!
//! Only what every lexer reads alike is left out: strings in single quotes without a backslash, plain digits, NULL.

use std::ops::Range;

/// Entries of a list that stay. No rule may ask for more (`at_most`).
pub(crate) const ENTRIES: usize = 10_000;
/// Rows of literals that stay.
const ROWS: usize = 1_000;
/// Rows with more columns than this are left as they are.
const COLUMNS: usize = 256;

/// What a literal is to a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Text,
    Number,
    Null,
}

/// The innermost pair of parentheses that is open.
#[derive(Debug, Default)]
struct Open {
    /// Entries in an unbroken run.
    run: usize,
    text: bool,
    number: bool,
    /// Everything so far is a literal or a comma.
    plain: bool,
    kinds: Vec<Entry>,
}

/// Where in a list the scanner is.
#[derive(Debug, Default)]
enum Place {
    /// Before an entry; the comma before it, if there is one.
    Before(Option<usize>),
    /// Behind a minus or plus.
    Signed(Option<usize>),
    /// Behind an entry that could be left out, from its comma to its end, with its tokens.
    Behind(Option<(Range<usize>, usize)>),
    #[default]
    Elsewhere,
}

/// Rows of literals one after the other.
#[derive(Debug, Default)]
struct Rows {
    run: usize,
    kinds: Vec<Entry>,
    /// The comma behind the last row.
    comma: Option<usize>,
    /// The last token was the end of a row.
    ended: bool,
}

/// Follows the scanner and finds what may be left out.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    open: Option<Open>,
    place: Place,
    rows: Rows,
    blanks: Vec<Range<usize>>,
    /// Tokens in `blanks`.
    tokens: usize,
}

impl Lists {
    /// What may be left out, and how many tokens that is.
    pub(crate) fn finish(self) -> (Vec<Range<usize>>, usize) {
        (self.blanks, self.tokens)
    }

    pub(crate) fn opened(&mut self) {
        if self.rows.comma.is_none() {
            self.rows = Rows::default();
        }
        self.rows.ended = false;
        self.open = Some(Open { plain: true, ..Open::default() });
        self.place = Place::Before(None);
    }

    pub(crate) fn closed(&mut self, end: usize) {
        self.confirm();
        let row = self.open.take().filter(|open| open.plain && matches!(self.place, Place::Behind(_)));
        self.place = Place::Elsewhere;
        match row {
            Some(row) if row.kinds.len() <= COLUMNS && alike(&self.rows.kinds, &row.kinds) => {
                let comma = self.rows.comma.take();
                self.rows.run += 1;
                if self.rows.kinds.is_empty() {
                    self.rows.kinds = row.kinds;
                } else if let (Some(comma), true) = (comma, self.rows.run > ROWS) {
                    self.blank(comma..end, 2 * row.kinds.len() + 2);
                }
            }
            Some(row) if row.kinds.len() <= COLUMNS => {
                self.rows = Rows { run: 1, kinds: row.kinds, ..Rows::default() };
            }
            _ => self.rows = Rows::default(),
        }
        self.rows.ended = self.rows.run > 0;
    }

    pub(crate) fn comma(&mut self, at: usize) {
        self.confirm();
        if self.open.is_none() {
            self.rows.comma = self.rows.ended.then_some(at);
            self.rows.ended = false;
        } else if matches!(self.place, Place::Behind(_)) {
            self.place = Place::Before(Some(at));
        } else {
            self.place = Place::Before(None);
            self.broken();
        }
    }

    pub(crate) fn sign(&mut self) {
        match self.place {
            Place::Before(comma) => self.place = Place::Signed(comma),
            _ => self.other(),
        }
    }

    pub(crate) fn literal(&mut self, kind: Entry, span: Range<usize>) {
        let (comma, signs) = match std::mem::take(&mut self.place) {
            Place::Before(comma) => (comma, 0),
            Place::Signed(comma) if kind == Entry::Number => (comma, 1),
            _ => return self.other(),
        };
        let Some(open) = &mut self.open else { return self.other() };
        open.run += 1;
        if open.plain && open.kinds.len() <= COLUMNS {
            open.kinds.push(kind);
        }
        let known = match kind {
            Entry::Text => std::mem::replace(&mut open.text, true),
            Entry::Number => std::mem::replace(&mut open.number, true),
            Entry::Null => true,
        };
        let spare = comma.filter(|_| known && open.run > ENTRIES);
        self.place = Place::Behind(spare.map(|comma| (comma..span.end, 2 + signs)));
    }

    /// Anything else.
    pub(crate) fn other(&mut self) {
        self.place = Place::Elsewhere;
        self.broken();
        self.rows = Rows::default();
    }

    fn broken(&mut self) {
        if let Some(open) = &mut self.open {
            open.plain = false;
            open.run = 0;
        }
    }

    /// The entry before this comma or parenthesis ends here: it can be left out.
    fn confirm(&mut self) {
        if let Place::Behind(spare) = &mut self.place
            && let Some((span, tokens)) = spare.take()
        {
            self.blank(span, tokens);
        }
    }

    fn blank(&mut self, span: Range<usize>, tokens: usize) {
        // Entries of a row that goes as a whole are not counted twice.
        while self.blanks.last().is_some_and(|last| last.start >= span.start) {
            self.blanks.pop();
        }
        self.tokens += tokens;
        match self.blanks.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => self.blanks.push(span),
        }
    }
}

/// Whether two rows have the same kinds of literals; NULL is of any kind.
fn alike(one: &[Entry], other: &[Entry]) -> bool {
    let fits = |(one, other): (&Entry, &Entry)| one == other || *one == Entry::Null || *other == Entry::Null;
    one.is_empty() || (one.len() == other.len() && one.iter().zip(other).all(fits))
}

/// The text without what is left out.
pub(crate) fn condensed(sql: &[u8], blanks: &[Range<usize>]) -> Vec<u8> {
    let mut text = sql.to_vec();
    for blank in blanks {
        if let Some(bytes) = text.get_mut(blank.clone()) {
            bytes.fill(b' ');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::bounds::LARGE_TEXT;
    use crate::lift::{Keep, Lexis, lift};
    use crate::{Dialect, Settings};

    fn left(dialect: Dialect, sql: &str) -> (String, usize) {
        // Short texts are left alone: a comment makes it long.
        let text = format!("{sql} /* {} */", "x".repeat(LARGE_TEXT));
        let lifted = lift(text.as_bytes(), Lexis::new(dialect, &Settings::default()), Keep::Nothing);
        assert_eq!(lifted.refused, None);
        let short = super::condensed(text.as_bytes(), &lifted.blanks);
        assert_eq!(short.len(), text.len());
        let short = String::from_utf8(short).unwrap();
        (short.split_whitespace().collect::<Vec<_>>().join(" "), lifted.tokens)
    }

    #[test]
    fn long_lists_keep_their_first_entries() {
        for (entry, other) in [("7", "8"), ("'a''b'", "'c'"), ("-1.5", "2")] {
            let list = format!("{entry}, ").repeat(10_000);
            let sql = format!("SELECT 1 FROM t WHERE a IN ({list}{other}, {other}) AND b IN (ssn, 1)");
            let (text, tokens) = left(Dialect::Mysql, &sql);
            assert!(!text.contains(other), "{entry}: {:.40}", text.rsplit_once("AND").unwrap().0);
            assert!(text.contains("AND b IN (ssn, 1)") && tokens < 40_000);
            assert_eq!(text.matches(entry).count(), 10_000);
        }
    }

    #[test]
    fn only_literals_of_a_known_kind_that_stand_alone_go() {
        for kept in ["ssn", "1_0", "0x41", "'a' 'b'", "8 + ssn", "(SELECT ssn)", "$1", "'a\\'", "1a", "N'x'", "'t'"] {
            let sql = format!("SELECT 1 FROM t WHERE a IN ({}{kept})", "7, ".repeat(10_005));
            let (text, _) = left(Dialect::Postgres, &sql);
            assert!(text.replace(' ', "").contains(&kept.replace(' ', "")), "{kept}: {}", &text[text.len() - 60_000..]);
        }
    }

    #[test]
    fn long_values_keep_their_first_rows() {
        let sql =
            format!("INSERT INTO t VALUES {}(9, 'z'), (now(), 'y'), (5, 'x')", "(1, 'a'), (-2, NULL), ".repeat(2_000));
        let (text, tokens) = left(Dialect::Postgres, &sql);
        assert_eq!(text.matches("(1, 'a')").count(), 500);
        assert!(!text.contains("'z'") && text.contains("(now(), 'y'), (5, 'x')"), "{}", &text[text.len() - 33_000..]);
        assert!(tokens < 10_000, "{tokens}");
    }
}
