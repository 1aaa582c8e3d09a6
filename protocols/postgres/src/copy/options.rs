//! The options of a COPY … TO STDOUT, read from its text: the answer of the server names only text or binary.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, the syntax of today and that of before 9.0. The text was
//! already parsed by the analysis; this looks only for what the analysis does not report. What is not understood is an
//! error, and the statement then counts as not understood.

use crate::lexer::{Token, tokens};
use crate::session::ascii_safe;
use model::Delimited;

/// The options that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) binary: bool,
    pub(super) delimited: Delimited,
}

/// The defaults of the text format.
pub(super) fn text_defaults() -> Delimited {
    Delimited { csv: false, delimiter: b'\t', quote: b'"', escape: b'"', null: b"\\N".to_vec(), header: false }
}

/// Reads the options of the statement with this index among `parts` statements in a text. `safe` says whether in the session's
/// encoding, which COPY writes unless the text asks for another, every byte below 0x80 is a character.
pub(super) fn read(sql: &[u8], index: usize, parts: usize, safe: bool) -> Result<Options, String> {
    let tokens: Vec<Token> = tokens(sql)?.into_iter().map(|(token, _)| token).collect();
    let statements: Vec<&[Token]> =
        tokens.split(|token| *token == Token::Sign(b';')).filter(|statement| !statement.is_empty()).collect();
    if statements.len() != parts {
        return Err("the statements in the text could not be told apart".to_owned());
    }
    let statement = statements.get(index).copied().unwrap_or_default();
    let word = |token: &Token, word: &str| matches!(token, Token::Word(found) if found == word);
    if !statement.first().is_some_and(|token| word(token, "copy")) {
        return Err("it does not begin with COPY".to_owned());
    }
    let mut depth = 0usize;
    let to = statement.windows(2).position(|pair| {
        match pair.first() {
            Some(Token::Sign(b'(')) => depth += 1,
            Some(Token::Sign(b')')) => depth = depth.saturating_sub(1),
            _ => {}
        }
        // The grammar has one rule for both directions, and takes either name in either.
        let stream = |token: &Token| word(token, "stdout") || word(token, "stdin");
        depth == 0 && matches!(pair, [to, name] if word(to, "to") && stream(name))
    });
    let rest = to.and_then(|to| statement.get(to + 2..)).ok_or("TO STDOUT was not found")?;
    let reader = Reader { tokens: rest, found: Found::default() };
    let (options, own_encoding) = reader.read()?;
    // The binary format counts bytes; text finds delimiters among them.
    if !safe && !own_encoding && !options.binary {
        return Err("in the session's encoding, a delimiter may be half of a character".to_owned());
    }
    Ok(options)
}

#[derive(Default)]
struct Found {
    binary: bool,
    csv: bool,
    delimiter: Option<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
    null: Option<Vec<u8>>,
    header: bool,
    /// ENCODING was given, and is one that can be read.
    encoding: bool,
}

struct Reader<'a> {
    tokens: &'a [Token],
    found: Found,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn skip(&mut self, word: &str) {
        if matches!(self.tokens.first(), Some(Token::Word(found)) if found == word) {
            self.next();
        }
    }

    /// The options, and whether an encoding is among them.
    fn read(mut self) -> Result<(Options, bool), String> {
        self.skip("using");
        if matches!(self.tokens.first(), Some(Token::Word(word)) if word == "delimiters") {
            self.next();
            self.found.delimiter = Some(self.byte("DELIMITERS")?);
        }
        self.skip("with");
        if self.tokens.first() == Some(&Token::Sign(b'(')) {
            self.next();
            loop {
                self.option(true)?;
                match self.next() {
                    Some(Token::Sign(b',')) => {}
                    Some(Token::Sign(b')')) => break,
                    _ => return Err("an option does not end where one should".to_owned()),
                }
            }
        }
        while !self.tokens.is_empty() {
            self.option(false)?;
        }
        let csv = self.found.csv;
        let quote = self.found.quote.unwrap_or(b'"');
        let delimited = Delimited {
            csv,
            delimiter: self.found.delimiter.unwrap_or(if csv { b',' } else { b'\t' }),
            quote,
            escape: self.found.escape.unwrap_or(quote),
            null: self.found.null.unwrap_or_else(|| if csv { Vec::new() } else { b"\\N".to_vec() }),
            header: self.found.header,
        };
        Ok((Options { binary: self.found.binary, delimited }, self.found.encoding))
    }

    fn option(&mut self, listed: bool) -> Result<(), String> {
        let Some(Token::Word(name)) = self.next() else { return Err("an option has no name".to_owned()) };
        match name.as_str() {
            "format" if listed => match self.word_or_text()?.as_slice() {
                b"text" => {}
                b"csv" => self.found.csv = true,
                b"binary" => self.found.binary = true,
                _ => return Err("the format is unknown".to_owned()),
            },
            "binary" if !listed => self.found.binary = true,
            "csv" if !listed => self.found.csv = true,
            "header" if listed => self.found.header = self.flag()?,
            "header" => self.found.header = true,
            "freeze" if listed => drop(self.flag()?),
            "freeze" => {}
            "delimiter" | "delimiters" => self.found.delimiter = Some(self.byte("DELIMITER")?),
            "quote" => self.found.quote = Some(self.byte("QUOTE")?),
            "escape" => self.found.escape = Some(self.byte("ESCAPE")?),
            "null" => {
                self.skip("as");
                self.found.null = Some(self.text()?);
            }
            "encoding" => {
                let encoding = self.word_or_text()?;
                if !ascii_safe(&String::from_utf8_lossy(&encoding)) {
                    return Err("in the encoding asked for, a delimiter may be half of a character".to_owned());
                }
                self.found.encoding = true;
            }
            "force_quote" if listed => self.columns(),
            "force" => {
                self.skip("quote");
                self.columns();
            }
            other => return Err(format!("the option {other} is unknown")),
        }
        Ok(())
    }

    fn text(&mut self) -> Result<Vec<u8>, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(text.clone()),
            _ => Err("a string was expected".to_owned()),
        }
    }

    fn word_or_text(&mut self) -> Result<Vec<u8>, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(text.to_ascii_lowercase()),
            Some(Token::Word(word)) => Ok(word.clone().into_bytes()),
            _ => Err("a word was expected".to_owned()),
        }
    }

    fn byte(&mut self, what: &str) -> Result<u8, String> {
        self.skip("as");
        match self.text()?.as_slice() {
            [byte] if byte.is_ascii() => Ok(*byte),
            _ => Err(format!("{what} must be one character")),
        }
    }

    /// A truth value, true when there is none.
    fn flag(&mut self) -> Result<bool, String> {
        match self.tokens.first() {
            None | Some(Token::Sign(b',' | b')')) => return Ok(true),
            _ => {}
        }
        match self.word_or_text()?.as_slice() {
            b"true" | b"on" | b"1" => Ok(true),
            b"false" | b"off" | b"0" => Ok(false),
            _ => Err("a truth value was expected".to_owned()),
        }
    }

    /// Column names or `*`, in parentheses or bare: they do not matter here.
    fn columns(&mut self) {
        if self.tokens.first() == Some(&Token::Sign(b'(')) {
            while !matches!(self.next(), None | Some(Token::Sign(b')'))) {}
            return;
        }
        self.next();
        while self.tokens.first() == Some(&Token::Sign(b','))
            && matches!(self.tokens.get(1), Some(Token::Word(_) | Token::Quoted(_)))
        {
            self.next();
            self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(sql: &str) -> Result<Options, String> {
        read(sql.as_bytes(), 0, 1, true)
    }

    fn delimited(sql: &str) -> Delimited {
        one(sql).unwrap().delimited
    }

    #[test]
    fn defaults() {
        assert_eq!(delimited("COPY t TO STDOUT"), text_defaults());
        assert_eq!(delimited("COPY (SELECT 1) TO STDIN"), text_defaults(), "PHP's pg_copy_to sends that");
        let csv = delimited("copy public.\"T\"\"x\" (a, b) to stdout (format csv);");
        assert_eq!((csv.csv, csv.delimiter, csv.quote, csv.escape), (true, b',', b'"', b'"'));
        assert!(csv.null.is_empty() && !csv.header);
    }

    #[test]
    fn options_of_today() {
        let sql = "COPY (SELECT 'to stdout' AS x, $1 /* to /* stdout */ */ FROM t) TO STDOUT WITH \
             (FORMAT 'csv', HEADER, DELIMITER ';', QUOTE '''', ESCAPE E'\\\\', NULL 'NULL', FORCE_QUOTE (a, \"b)\"), ENCODING utf8)";
        let expected =
            Delimited { csv: true, delimiter: b';', quote: b'\'', escape: b'\\', null: b"NULL".to_vec(), header: true };
        assert_eq!(delimited(sql), expected);
        assert!(!delimited("COPY t TO STDOUT (FORMAT csv, HEADER off, FORCE_QUOTE *)").header);
        assert!(one("COPY t TO STDOUT (FORMAT binary)").unwrap().binary);
    }

    #[test]
    fn options_of_old() {
        let old =
            delimited("COPY t TO STDOUT WITH CSV HEADER DELIMITER AS '|' NULL AS $$-$$ FORCE QUOTE a, b ESCAPE '^'");
        let expected =
            Delimited { csv: true, delimiter: b'|', quote: b'"', escape: b'^', null: b"-".to_vec(), header: true };
        assert_eq!(old, expected);
        assert_eq!(delimited("COPY t TO STDOUT USING DELIMITERS ','").delimiter, b',');
    }

    #[test]
    fn the_right_one_of_several_statements() {
        let sql = b"SELECT ';'; ; COPY t TO STDOUT CSV; -- end;\n";
        assert!(read(sql, 1, 2, true).unwrap().delimited.csv);
        assert!(read(sql, 0, 2, true).is_err());
        assert!(read(sql, 1, 3, true).is_err(), "another number of statements than the analysis saw");
    }

    #[test]
    fn in_an_unsafe_encoding_only_another_encoding_or_binary_can_be_read() {
        for (sql, readable) in [
            ("COPY t TO STDOUT", false),
            ("COPY t TO STDOUT (DELIMITER '|')", false),
            ("COPY t TO STDOUT (FORMAT csv)", false),
            ("COPY t TO STDOUT (ENCODING 'UTF8')", true),
            ("COPY t TO STDOUT (FORMAT binary)", true),
        ] {
            assert_eq!(read(sql.as_bytes(), 0, 1, false).is_ok(), readable, "{sql}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for sql in [
            "COPY t TO STDOUT (FORMAT json)",
            "COPY t TO STDOUT (FORMAT csv, NEWOPTION 1)",
            "COPY t TO STDOUT (ENCODING 'SJIS')",
            "COPY t TO STDOUT (DELIMITER 'ab')",
            "COPY t TO STDOUT (NULL U&'\\0041')",
            "COPY t TO '/tmp/x'",
            "COPY t TO STDOUT (DELIMITER 'x",
            "SELECT 1",
        ] {
            assert!(one(sql).is_err(), "{sql}");
        }
    }
}
