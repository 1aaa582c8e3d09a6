//! The tokens of a text, for what the analysis does not report: the options of COPY, the names of cursors and of SQL's
//! prepared statements.
//!
//! <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>. The analysis has parsed the text before; what this
//! does not understand is an error, and the statement then counts as not understood.

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An unquoted word, lower case; numbers too.
    Word(String),
    /// A quoted identifier's value.
    Quoted(String),
    /// A string's value.
    Text(Vec<u8>),
    /// Anything else, byte by byte.
    Sign(u8),
}

/// Takes a text apart, as PostgreSQL's scanner does with `standard_conforming_strings` on. Each token comes with its place.
pub(crate) fn tokens(sql: &[u8]) -> Result<Vec<(Token, usize)>, String> {
    let mut tokens: Vec<(Token, usize)> = Vec::new();
    let mut rest = sql;
    while let Some((first, after)) = rest.split_first() {
        let at = sql.len() - rest.len();
        rest = match (first, after) {
            (b'-', [b'-', ..]) => {
                let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                rest.get(end..).unwrap_or_default()
            }
            (b'/', [b'*', ..]) => comment(rest)?,
            (b'\'', _) => text(after, at, false, &mut tokens)?,
            (b'e' | b'E', [b'\'', after @ ..]) => text(after, at, true, &mut tokens)?,
            (b'u' | b'U', [b'&', b'\'' | b'"', ..]) => return Err("it has a Unicode escape string".to_owned()),
            (b'"', _) => {
                let end = identifier_end(after).ok_or("a quoted name does not end")?;
                let name = after.get(..end - 1).unwrap_or_default();
                tokens.push((Token::Quoted(String::from_utf8_lossy(name).replace("\"\"", "\"")), at));
                after.get(end..).unwrap_or_default()
            }
            (b'$', _) => dollar(rest, at, &mut tokens)?,
            (byte, _) if byte.is_ascii_whitespace() || *byte == 0x0b => after,
            (byte, _) if byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii() => {
                let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii();
                let (word, after) = rest.split_at(rest.iter().take_while(part).count());
                tokens.push((Token::Word(String::from_utf8_lossy(word).to_ascii_lowercase()), at));
                after
            }
            (byte, after) => {
                tokens.push((Token::Sign(*byte), at));
                after
            }
        };
    }
    Ok(tokens)
}

fn comment(sql: &[u8]) -> Result<&[u8], String> {
    let (mut rest, mut depth) = (sql, 0usize);
    loop {
        rest = match rest {
            [b'/', b'*', after @ ..] => {
                depth += 1;
                after
            }
            [b'*', b'/', after @ ..] => {
                depth -= 1;
                if depth == 0 {
                    return Ok(after);
                }
                after
            }
            [_, after @ ..] => after,
            [] => return Err("a comment does not end".to_owned()),
        };
    }
}

fn text<'a>(after: &'a [u8], at: usize, escapes: bool, tokens: &mut Vec<(Token, usize)>) -> Result<&'a [u8], String> {
    let (mut rest, mut value) = (after, Vec::new());
    loop {
        rest = match rest {
            [b'\'', b'\'', after @ ..] => {
                value.push(b'\'');
                after
            }
            [b'\'', after @ ..] => {
                tokens.push((Token::Text(value), at));
                return Ok(after);
            }
            [b'\\', escaped, after @ ..] if escapes => {
                value.push(match escaped {
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'0'..=b'7' | b'x' | b'u' | b'U' => return Err("it has a numeric escape".to_owned()),
                    other => *other,
                });
                after
            }
            [byte, after @ ..] => {
                value.push(*byte);
                after
            }
            [] => return Err("a string does not end".to_owned()),
        };
    }
}

fn identifier_end(after: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', after.get(at..)?)? + 1;
        if after.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// A dollar-quoted string, or a parameter.
fn dollar<'a>(sql: &'a [u8], at: usize, tokens: &mut Vec<(Token, usize)>) -> Result<&'a [u8], String> {
    let tail = sql.get(1..).unwrap_or_default();
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || !byte.is_ascii();
    let tag = tail.iter().take_while(part).count();
    let starts_with_digit = tail.first().is_some_and(u8::is_ascii_digit);
    if starts_with_digit || tail.get(tag) != Some(&b'$') {
        tokens.push((Token::Sign(b'$'), at));
        return Ok(tail);
    }
    let (quote, body) = sql.split_at(tag + 2);
    let end = memchr::memmem::find(body, quote).ok_or("a dollar-quoted string does not end")?;
    let (value, after) = body.split_at(end);
    tokens.push((Token::Text(value.to_vec()), at));
    Ok(after.get(quote.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_their_places() {
        let found = tokens(b"FETCH /* a /* b */ */ \"C\"\"d\" -- e\n'x''y' E'\\n' $a$z$a$ $1;").unwrap();
        let expected = [
            (Token::Word("fetch".to_owned()), 0),
            (Token::Quoted("C\"d".to_owned()), 22),
            (Token::Text(b"x'y".to_vec()), 34),
            (Token::Text(b"\n".to_vec()), 41),
            (Token::Text(b"z".to_vec()), 47),
            (Token::Sign(b'$'), 55),
            (Token::Word("1".to_owned()), 56),
            (Token::Sign(b';'), 57),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        for text in ["'a", "\"a", "/* a", "$a$ b", "E'\\x41'", "U&'a'"] {
            assert!(tokens(text.as_bytes()).is_err(), "{text}");
        }
    }
}
