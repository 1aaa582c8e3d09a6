//! The words of a procedure's body or of a CALL, under the server's usual `sql_mode`.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A word, number or user variable.
    Word(&'t str),
    /// A name in backticks, quotes included.
    Quoted(&'t str),
    /// A string, quotes included.
    Text(&'t str),
    /// Anything else.
    Symbol(char),
}

impl Token<'_> {
    /// The word in upper case.
    pub(super) fn word(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.to_uppercase()),
            _ => None,
        }
    }

    /// Whether it is this word, given in upper case.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own.eq_ignore_ascii_case(word))
    }

    /// As a name.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some((*word).to_owned()),
            Self::Quoted(quoted) => Some(quoted.trim_matches('`').replace("``", "`")),
            _ => None,
        }
    }

    /// Appends it as it stood.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Word(text) | Self::Quoted(text) | Self::Text(text) => out.push_str(text),
            Self::Symbol(symbol) => out.push(*symbol),
        }
    }
}

/// The tokens of a text; `None` where it cannot be read for certain: executable comments, what does not end. An operator of
/// two characters is two symbols.
pub(super) fn scan(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => {
                let length = quoted(rest, first)?;
                let token = rest.get(..length)?;
                tokens.push(if first == '`' { Token::Quoted(token) } else { Token::Text(token) });
                length
            }
            '#' => line(rest),
            '-' if rest
                .strip_prefix("--")
                .is_some_and(|after| after.chars().next().is_none_or(char::is_whitespace)) =>
            {
                line(rest)
            }
            '/' if rest.starts_with("/*") => {
                if rest.starts_with("/*!") || rest.starts_with("/*M!") || rest.starts_with("/*+") {
                    return None;
                }
                rest.get(2..)?.find("*/")? + 4
            }
            _ if first.is_whitespace() => first.len_utf8(),
            _ if in_word(first) => {
                let end = rest.find(|c: char| !in_word(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest.get(..end)?));
                end
            }
            _ => {
                tokens.push(Token::Symbol(first));
                first.len_utf8()
            }
        };
        rest = rest.get(length..)?;
    }
    Some(tokens)
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '@') || !c.is_ascii()
}

fn line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Bytes of what begins with this quote, its end included.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, next)) = chars.next() {
        if next == '\\' && quote != '`' {
            chars.next()?;
        } else if next == quote && chars.next_if(|(_, after)| *after == quote).is_none() {
            return Some(at + quote.len_utf8());
        }
    }
    None
}
