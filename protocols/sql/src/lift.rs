//! The literal-lifting scanner: one pass over a text that folds white space and comments and takes literals out.
//!
//! Texts that differ only in literals get the same key and share their facts, so the key must keep every literal that
//! the analysis looks at: positions in ORDER BY, GROUP BY and DISTINCT ON, all of a statement that is not a query or a
//! change of rows, arguments of `set_config` and `current_setting`, and the escape character of `U&""` names. The same
//! pass bounds how deeply the parser may nest, because the parsers recurse.

mod literals;
mod numbers;
mod places;

pub(crate) use places::Place;

use crate::{Dialect, Settings};

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
}

/// What becomes of literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// None stays.
    Nothing,
    /// Those stay that the analysis looks at.
    Decisive,
    /// Each is written in a form that every lexer reads alike; contents that are not plain are replaced.
    Canonical,
}

/// How a dialect's text is cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lexis {
    postgres: bool,
    ansi_quotes: bool,
    backslash: bool,
    /// Bytes of 0x80 and above are letters of names, as they are in UTF-8; in other character sets some are white space.
    high_letters: bool,
}

impl Lexis {
    pub(crate) fn new(dialect: Dialect, settings: &Settings) -> Self {
        let postgres = dialect == Dialect::Postgres;
        Self {
            postgres,
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
        words: [Word::Other; 2],
        last: Last::Other,
    };
    scan.run();
    scan.out
}

#[derive(Clone, Copy, Default)]
struct Level {
    run: usize,
    deepest: usize,
    positional: bool,
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
}

/// What stands directly before: nothing keeps `t.limit` from being a name, or `t.1_0`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Name,
    /// The dot behind a name.
    Dot,
    Other,
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
    words: [Word; 2],
    last: Last,
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
        let open: usize = self.levels.iter().map(|level| level.run.max(level.deepest)).sum();
        self.out.nesting = self.out.nesting.max(open) + self.levels.len();
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

    /// In MySQL `t.1x` continues a name after a dot; a number cannot follow a name there.
    fn after_name(&self) -> bool {
        !self.space && self.last == Last::Name
    }

    /// What follows a name and its dot directly is a name, whatever it looks like.
    fn after_dot(&self) -> bool {
        !self.space && self.last == Last::Dot
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

    fn count(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.run += 1;
            self.total += 1;
        }
    }

    fn line_comment(&mut self) {
        while self.at < self.sql.len() && !matches!(self.peek(0), b'\n' | b'\r') {
            if self.peek(0) == 0 {
                return self.refuse("the text contains a NUL byte");
            }
            self.at += 1;
        }
        // MySQL ends such a comment at the line feed only: a carriage return does not hide what follows.
        if self.peek(0) == b'\r' && !self.lexis.postgres && self.peek(1) != b'\n' {
            return self.refuse("a comment contains a carriage return without a line feed");
        }
        self.space = true;
    }

    fn block_comment(&mut self) {
        if !self.lexis.postgres && (self.peek(2) == b'!' || (self.peek(2) == b'M' && self.peek(3) == b'!')) {
            return self.refuse("an executable comment (/*! … */) is not accepted: write its content as plain SQL");
        }
        let opened = self.at;
        let mut depth = 1usize;
        self.at += 2;
        while self.at < self.sql.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') if self.lexis.postgres => {
                    depth += 1;
                    self.at += 2;
                }
                (b'/', b'*') => return self.refuse("a comment within a comment is not accepted"),
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        let hint = self.sql.get(opened..self.at).unwrap_or_default();
                        if !self.lexis.postgres && hint.starts_with(b"/*+") && sets_variables(hint) {
                            return self.refuse("an optimizer hint with SET_VAR is not accepted: use SET");
                        }
                        self.space = true;
                        return;
                    }
                }
                (0, _) => return self.refuse("the text contains a NUL byte"),
                _ => self.at += 1,
            }
        }
        self.refuse("a comment is not closed");
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
    }

    /// Whether the server reads these bytes as the name that we read, and keeps it as it is; refuses the text if not.
    fn is_name(&mut self, name: &[u8]) -> bool {
        if name.is_ascii() || self.lexis.postgres {
            return true;
        }
        if !self.lexis.high_letters {
            self.refuse("outside of strings, the client's character set has letters and spaces of its own: use UTF-8");
            return false;
        }
        // Names are stored in a form of UTF-8 that has no such characters: the server puts a question mark.
        let kept = std::str::from_utf8(name).is_ok_and(|name| name.chars().all(|c| u32::from(c) <= 0xffff));
        if !kept {
            self.refuse("a name holds characters that the server does not keep");
        }
        kept
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
            b"on" if self.words.last() == Some(&Word::Distinct) => seen = Word::On,
            b"limit" | b"having" => self.positional(false),
            // MySQL lets these be names of columns.
            b"offset" | b"fetch" if self.lexis.postgres => self.positional(false),
            b"uescape" => self.statement.keep_next = true,
            b"and" | b"or" if self.lexis.postgres => self.settle(),
            _ if is_setting_function(word) => self.statement.keep_all = true,
            _ => {}
        }
        self.remember(seen);
    }

    fn positional(&mut self, on: bool) {
        if let Some(level) = self.levels.last_mut() {
            level.positional = on;
        }
    }

    fn remember(&mut self, word: Word) {
        self.words = [self.words[1], word];
    }

    /// What comes next on this level does not nest in what came before.
    fn settle(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            self.out.nesting = self.out.nesting.max(self.total);
            self.total -= level.run;
            level.deepest = level.deepest.max(level.run);
            level.run = 0;
        }
    }

    fn symbol(&mut self, byte: u8) {
        match byte {
            b'(' | b'[' => {
                self.begin(b"select");
                let positional = self.levels.last().is_some_and(|level| level.positional)
                    || self.words == [Word::Distinct, Word::On];
                self.levels.push(Level { positional, ..Level::default() });
                if self.levels.len() > 4096 {
                    return self.refuse("the text nests more than 4096 parentheses");
                }
            }
            b')' | b']' => {
                if self.levels.len() > 1
                    && let Some(inner) = self.levels.pop()
                    && let Some(outer) = self.levels.last_mut()
                {
                    let depth = inner.run.max(inner.deepest) + 1;
                    outer.run += depth;
                    self.total = self.total - inner.run + depth;
                }
            }
            b',' => self.settle(),
            b';' => {
                self.settle();
                self.statement = Statement::default();
                self.positional(false);
            }
            _ => {
                self.begin(b"");
                self.count();
            }
        }
        let dot = byte == b'.' && self.after_name();
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

fn sets_variables(hint: &[u8]) -> bool {
    hint.windows(7).any(|window| window.eq_ignore_ascii_case(b"SET_VAR"))
}

/// The key as a person reads it.
pub(crate) fn readable(key: &[u8]) -> String {
    let bytes: Vec<u8> =
        key.iter().map(|byte| if matches!(*byte, STRING | NUMBER | BITS) { b'?' } else { *byte }).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
