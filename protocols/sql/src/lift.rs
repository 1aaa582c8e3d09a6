//! The literal-lifting scanner: one pass over a text that folds white space and comments and takes literals out.
//!
//! Texts that differ only in literals get the same key and share their facts, so the key must keep every literal that
//! the analysis looks at: positions in ORDER BY, GROUP BY and DISTINCT ON, all of a statement that is not a query or a
//! change of rows, arguments of `set_config` and `current_setting`, and the escape character of `U&""` names. The same
//! pass counts what the bounds of a text are about: an upper bound of how deeply its tree nests, tokens, joins and set
//! operations.

mod comments;
mod levels;
mod literals;
mod names;
mod numbers;
mod places;
mod version_comments;

pub(crate) use places::Place;

use crate::bounds::LARGE_TEXT;
use crate::condense::{Entry, Lists};
use crate::{Dialect, Settings};
use levels::Level;
use names::Last;
use std::ops::Range;

/// Stands for a string literal in a key.
pub(crate) const STRING: u8 = 0x01;
/// Stands for a number.
pub(crate) const NUMBER: u8 = 0x02;
/// Stands for a bit or hexadecimal string.
pub(crate) const BITS: u8 = 0x03;

/// What the scanner found.
#[derive(Debug, Default)]
pub(crate) struct Lifted {
    /// The text with folded white space and placeholder bytes for literals.
    pub(crate) key: Vec<u8>,
    /// An upper bound of the depth of the syntax tree.
    pub(crate) nesting: usize,
    /// Why the text must not be given to a parser.
    pub(crate) refused: Option<&'static str>,
    /// There is a byte of 0x80 or above.
    pub(crate) non_ascii: bool,
    /// Statements that are not empty.
    pub(crate) statements: usize,
    /// Where each token stands, in the key and in the text; with [`Keep::Canonical`] only.
    pub(crate) places: Vec<Place>,
    /// Words, names, literals and symbols, without those in `blanks`.
    pub(crate) tokens: usize,
    /// Words that join.
    pub(crate) joins: usize,
    /// AS before a parenthesis: common table expressions and named windows.
    pub(crate) definitions: usize,
    /// Words for UNION, INTERSECT and EXCEPT.
    pub(crate) set_operations: usize,
    /// What of long lists of literals need not be parsed.
    pub(crate) blanks: Vec<Range<usize>>,
    /// The literals that are not in the key; with [`Keep::Spans`] only.
    pub(crate) literals: Vec<Range<usize>>,
}

/// What becomes of literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// None stays.
    Nothing,
    /// Those stay that the analysis looks at.
    Decisive,
    /// The same, and where the others are is told.
    Spans,
    /// Each is written in a form that every lexer reads alike; contents that are not plain are replaced.
    Canonical,
}

/// How a dialect's text is cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lexis {
    postgres: bool,
    mariadb: bool,
    ansi_quotes: bool,
    backslash: bool,
    /// Bytes of 0x80 and above are letters of names, as they are in UTF-8; in other character sets some are white space.
    high_letters: bool,
    /// The server's version, 0 where it is not known.
    version: u32,
}

impl Lexis {
    pub(crate) fn new(dialect: Dialect, settings: &Settings) -> Self {
        let postgres = dialect == Dialect::Postgres;
        Self {
            postgres,
            mariadb: dialect == Dialect::MariaDb,
            version: settings.server_version,
            ansi_quotes: postgres || settings.sql_mode.ansi_quotes,
            backslash: !postgres && !settings.sql_mode.no_backslash_escapes,
            high_letters: postgres || settings.utf8,
        }
    }
}

/// Scans `sql`.
pub(crate) fn lift(sql: &[u8], lexis: Lexis, keep: Keep) -> Lifted {
    let mut scan = Scan {
        sql,
        at: 0,
        lexis,
        keep,
        out: Lifted { key: Vec::with_capacity(sql.len()), ..Lifted::default() },
        levels: vec![Level::default()],
        total: 0,
        statement: Statement::default(),
        space: false,
        executing: false,
        words: [Word::Other; 2],
        last: Last::Other,
        lists: (sql.len() > LARGE_TEXT).then(Lists::default),
    };
    scan.run();
    scan.out
}

#[derive(Clone, Copy, Default)]
struct Statement {
    begun: bool,
    keep_all: bool,
    keep_next: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Other,
    Sort,
    By,
    Distinct,
    On,
    As,
}

struct Scan<'a> {
    sql: &'a [u8],
    at: usize,
    lexis: Lexis,
    keep: Keep,
    out: Lifted,
    levels: Vec<Level>,
    /// Sum of the levels' runs.
    total: usize,
    statement: Statement,
    space: bool,
    /// Inside a version comment that the server reads.
    executing: bool,
    words: [Word; 2],
    last: Last,
    /// Looks for long lists, in long texts.
    lists: Option<Lists>,
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn in_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.sql.get(self.at.saturating_add(ahead)).copied().unwrap_or(0)
    }

    fn refuse(&mut self, why: &'static str) {
        self.out.refused.get_or_insert(why);
        self.at = self.sql.len();
    }

    fn run(&mut self) {
        while self.at < self.sql.len() && self.out.refused.is_none() {
            self.token();
        }
        if self.executing {
            self.refuse("a version comment is not closed");
        }
        let open: usize = self.levels.iter().map(|level| level.run.max(level.deepest)).sum();
        // A comma ends an expression, but neither a join nor a set operation: those nest all through the text.
        self.out.nesting = self.out.nesting.max(open) + self.levels.len() + self.out.joins + self.out.set_operations;
        if let Some(lists) = self.lists.take() {
            let (blanks, tokens) = lists.finish();
            self.out.tokens = self.out.tokens.saturating_sub(tokens);
            self.out.blanks = blanks;
        }
    }

    fn token(&mut self) {
        let byte = self.peek(0);
        let postgres = self.lexis.postgres;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => {
                self.space = true;
                self.at += 1;
            }
            0x0b if !postgres => {
                self.space = true;
                self.at += 1;
            }
            b'-' if self.peek(1) == b'-' && (postgres || self.peek(2) <= b' ') => self.line_comment(),
            b'#' if !postgres => self.line_comment(),
            b'/' if self.peek(1) == b'*' => self.block_comment(),
            b'*' if self.executing && self.peek(1) == b'/' => self.end_version_comment(),
            b'\'' => self.string(self.at, self.at, b'\'', self.lexis.backslash, STRING),
            b'"' if !self.lexis.ansi_quotes => self.string(self.at, self.at, b'"', self.lexis.backslash, STRING),
            b'"' => self.quoted_name(self.at, b'"'),
            b'`' if !postgres => self.quoted_name(self.at, b'`'),
            b'$' if postgres => self.dollar(),
            b'0'..=b'9' if !postgres => self.mysql_number(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() && !self.after_name() => {
                if postgres {
                    self.number();
                } else {
                    self.fraction();
                }
            }
            b'$' => self.word(),
            _ if starts_word(byte) => self.word(),
            0..=0x1f | 0x7f => self.refuse("the text contains a control character"),
            _ => self.symbol(byte),
        }
    }

    fn separate(&mut self) {
        if self.space && !self.out.key.is_empty() {
            self.out.key.push(b' ');
        }
        self.space = false;
        self.last = Last::Other;
    }

    fn copy(&mut self, from: usize) {
        let text = self.sql.get(from..self.at).unwrap_or_default();
        self.out.key.extend_from_slice(text);
    }

    /// Tells who looks for long lists of a token.
    fn listed(&mut self, tell: impl FnOnce(&mut Lists)) {
        if let Some(lists) = &mut self.lists {
            tell(lists);
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while in_word(self.peek(0)) {
            self.out.non_ascii |= self.peek(0) >= 0x80;
            self.at += 1;
        }
        let word = self.sql.get(start..self.at).unwrap_or_default();
        if self.peek(0) == b'\'' && word.len() == 1 {
            match word.first().map_or(0, |byte| byte | 0x20) {
                b'e' if self.lexis.postgres => return self.string(start, self.at, b'\'', true, STRING),
                b'n' => return self.string(start, self.at, b'\'', self.lexis.backslash, STRING),
                b'b' | b'x' => return self.string(start, self.at, b'\'', false, BITS),
                _ => {}
            }
        }
        if self.lexis.postgres && word.eq_ignore_ascii_case(b"u") && self.peek(0) == b'&' {
            match self.peek(1) {
                b'\'' => return self.string(start, self.at + 1, b'\'', false, STRING),
                b'"' => return self.quoted_name(start, b'"'),
                _ => {}
            }
        }
        let mut lower = [0u8; 16];
        let lower = match lower.get_mut(..word.len()) {
            Some(buffer) => {
                buffer.copy_from_slice(word);
                buffer.make_ascii_lowercase();
                &*buffer
            }
            None => word,
        };
        if !self.is_name(word) {
            return;
        }
        self.begin(lower);
        if self.after_dot() {
            self.count();
            self.remember(Word::Other);
        } else {
            self.keyword(lower);
        }
        self.separate();
        let key = self.out.key.len();
        self.copy(start);
        self.place(key, start);
        self.last = Last::Name;
        let end = self.at;
        let null = lower == b"null";
        self.listed(|lists| if null { lists.literal(Entry::Null, start..end) } else { lists.other() });
    }

    /// Notes the first word of a statement.
    fn begin(&mut self, word: &[u8]) {
        if self.statement.begun {
            return;
        }
        self.statement.begun = true;
        self.out.statements += 1;
        const LIFTED: [&[u8]; 9] =
            [b"select", b"with", b"insert", b"update", b"delete", b"values", b"merge", b"table", b"replace"];
        self.statement.keep_all = !LIFTED.contains(&word);
    }

    fn keyword(&mut self, word: &[u8]) {
        self.count();
        let mut seen = Word::Other;
        match word {
            b"order" | b"group" => seen = Word::Sort,
            b"by" => {
                seen = Word::By;
                if self.words.last() == Some(&Word::Sort) {
                    self.positional(true);
                }
            }
            b"distinct" => seen = Word::Distinct,
            b"as" | b"materialized" => seen = Word::As,
            b"on" if self.words.last() == Some(&Word::Distinct) => seen = Word::On,
            // After a dot it is the name of a column.
            b"limit" | b"having" if self.out.key.last() != Some(&b'.') => self.positional(false),
            // MySQL lets these be names of columns.
            b"offset" | b"fetch" if self.lexis.postgres && self.out.key.last() != Some(&b'.') => self.positional(false),
            b"uescape" => self.statement.keep_next = true,
            b"case" => self.case(),
            b"end" if self.levels.last().is_some_and(|level| level.case) => self.close(),
            b"between" => self.between(),
            b"and" if self.ends_between() => {}
            b"and" | b"or" if self.lexis.postgres => self.settle(),
            b"join" | b"straight_join" => self.out.joins += 1,
            b"union" | b"intersect" | b"except" | b"minus" => self.out.set_operations += 1,
            _ if is_setting_function(word) => self.statement.keep_all = true,
            _ => {}
        }
        self.remember(seen);
    }

    fn remember(&mut self, word: Word) {
        self.words = [self.words[1], word];
    }

    fn symbol(&mut self, byte: u8) {
        match byte {
            b'(' | b'[' => {
                self.begin(b"select");
                self.out.definitions += usize::from(self.words.last() == Some(&Word::As));
                let positional = self.levels.last().is_some_and(|level| level.positional)
                    || self.words == [Word::Distinct, Word::On];
                self.levels.push(Level { positional, ..Level::default() });
                self.too_deep();
                self.listed(|lists| if byte == b'(' { lists.opened() } else { lists.other() });
            }
            b')' | b']' => {
                self.close_cases();
                self.close();
                let end = self.at + 1;
                self.listed(|lists| if byte == b')' { lists.closed(end) } else { lists.other() });
            }
            b',' => {
                self.settle();
                let at = self.at;
                self.listed(|lists| lists.comma(at));
            }
            b'-' | b'+' => {
                self.begin(b"");
                self.count();
                self.listed(Lists::sign);
            }
            b';' => {
                self.listed(Lists::other);
                self.close_cases();
                self.settle();
                self.statement = Statement::default();
                self.positional(false);
            }
            _ => {
                self.begin(b"");
                self.count();
                self.listed(Lists::other);
            }
        }
        let dot = byte == b'.' && self.after_name();
        self.out.tokens += usize::from(matches!(byte, b'(' | b')' | b'[' | b']' | b',' | b';'));
        self.separate();
        let (key, start) = (self.out.key.len(), self.at);
        self.out.key.push(byte);
        self.at += 1;
        self.place(key, start);
        if dot {
            self.last = Last::Dot;
        }
        if !matches!(byte, b'(') {
            self.remember(Word::Other);
        }
    }
}

fn is_setting_function(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"set_config") || name.eq_ignore_ascii_case(b"current_setting")
}

/// The key as a person reads it.
pub(crate) fn readable(key: &[u8]) -> String {
    let bytes: Vec<u8> =
        key.iter().map(|byte| if matches!(*byte, STRING | NUMBER | BITS) { b'?' } else { *byte }).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
