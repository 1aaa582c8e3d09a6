//! SQL as HTML: coloured for reading, and with everything made visible that could deceive a reader.
//!
//! The colours are by shape alone, engine-neutral and total: any text comes out, escaped, with every character in place.
//! Characters that reorder, hide or imitate (bidirectional controls, zero-width characters, other controls) are shown by
//! their code point, so that what an approver reads is what runs.

use std::fmt::Write;

/// Words that structure a statement. Colour is all that hangs on this list.
const KEYWORDS: &[&str] = &[
    "all",
    "alter",
    "analyze",
    "and",
    "any",
    "as",
    "asc",
    "begin",
    "between",
    "by",
    "call",
    "case",
    "cast",
    "commit",
    "copy",
    "create",
    "cross",
    "database",
    "declare",
    "default",
    "delete",
    "desc",
    "distinct",
    "do",
    "drop",
    "else",
    "end",
    "except",
    "execute",
    "exists",
    "explain",
    "fetch",
    "filter",
    "for",
    "from",
    "full",
    "function",
    "grant",
    "group",
    "having",
    "if",
    "ilike",
    "in",
    "index",
    "inner",
    "insert",
    "intersect",
    "into",
    "is",
    "join",
    "lateral",
    "left",
    "like",
    "limit",
    "load",
    "merge",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "prepare",
    "procedure",
    "recursive",
    "replace",
    "returning",
    "revoke",
    "right",
    "rollback",
    "schema",
    "select",
    "set",
    "show",
    "table",
    "then",
    "to",
    "truncate",
    "union",
    "unique",
    "update",
    "using",
    "values",
    "view",
    "when",
    "where",
    "window",
    "with",
];

/// HTML of a statement.
pub(crate) fn highlight(sql: &str) -> String {
    let mut html = String::with_capacity(sql.len() * 2);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (class, length) = token(rest, first);
        let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match class {
            Some(class) => {
                let _ = write!(html, "<span class=\"{class}\">");
                escape(text, &mut html);
                html.push_str("</span>");
            }
            None => escape(text, &mut html),
        }
        rest = after;
    }
    html
}

/// The class of the token at the start, and its length in bytes (at least one character).
fn token(rest: &str, first: char) -> (Option<&'static str>, usize) {
    if rest.starts_with("--") || first == '#' {
        return (Some("c"), rest.find('\n').unwrap_or(rest.len()));
    }
    if let Some(inside) = rest.strip_prefix("/*") {
        return (Some("c"), inside.find("*/").map_or(rest.len(), |end| end + 4));
    }
    match first {
        '\'' => (Some("s"), quoted(rest, '\'')),
        '"' | '`' => (Some("q"), quoted(rest, first)),
        '0'..='9' => (Some("n"), run(rest, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_')),
        '$' | '?' | ':' => (Some("p"), 1 + run(rest.get(1..).unwrap_or_default(), |c| c.is_ascii_digit())),
        c if c.is_alphabetic() || c == '_' => {
            let length = run(rest, |c| c.is_alphanumeric() || c == '_' || c == '$');
            let word = rest.get(..length).unwrap_or_default().to_ascii_lowercase();
            (KEYWORDS.binary_search(&word.as_str()).is_ok().then_some("k"), length)
        }
        other => (None, other.len_utf8()),
    }
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !belongs(c)).unwrap_or(text.len())
}

/// Up to the closing quote. A doubled quote, or one after a backslash, does not close (engines differ on the latter; it
/// is only colour).
fn quoted(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return at + quote.len_utf8();
            }
        }
    }
    text.len()
}

/// Escapes for HTML and makes the invisible visible.
pub(crate) fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' | '\t' => html.push(character),
            hidden if deceives(hidden) => {
                let _ =
                    write!(html, "<span class=\"u\" title=\"invisible character\">U+{:04X}</span>", u32::from(hidden));
            }
            plain => html.push(plain),
        }
    }
}

/// Controls, bidirectional marks, zero-width and other characters that a reader does not see.
fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00a0}' | '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
            | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_by_shape() {
        assert_eq!(
            highlight("SELECT ssn FROM p WHERE a = 'x''y' AND b > 1.5 -- note"),
            "<span class=\"k\">SELECT</span> ssn <span class=\"k\">FROM</span> p <span class=\"k\">WHERE</span> a = \
             <span class=\"s\">&#39;x&#39;&#39;y&#39;</span> <span class=\"k\">AND</span> b &gt; <span class=\"n\">1.5</span> \
             <span class=\"c\">-- note</span>"
        );
        assert_eq!(highlight("$1"), "<span class=\"p\">$1</span>");
        assert_eq!(highlight("/* open"), "<span class=\"c\">/* open</span>");
    }

    #[test]
    fn keywords_are_sorted_for_the_search() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn markup_stays_text() {
        assert_eq!(highlight("<script>"), "&lt;script&gt;");
        assert!(!highlight("'</span><img src=x onerror=alert(1)>").contains("<img"));
    }

    #[test]
    fn what_a_reader_cannot_see_is_spelled_out() {
        let html = highlight("a\u{202e}b\u{200b}c\u{0}d");
        assert!(html.contains("U+202E") && html.contains("U+200B") && html.contains("U+0000"), "{html}");
    }

    proptest! {
        #[test]
        fn any_text_comes_out_whole(sql in any::<String>()) {
            let html = highlight(&sql);
            // Without tags and entities, the text is there again, the invisible as its code point.
            let mut text = String::new();
            let mut rest = html.as_str();
            while let Some(at) = rest.find('<') {
                text.push_str(&rest[..at]);
                let end = rest[at..].find('>').unwrap();
                rest = &rest[at + end + 1..];
            }
            text.push_str(rest);
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
            let expected: String = sql.chars().map(|c| {
                if c != '\n' && c != '\t' && deceives(c) { format!("U+{:04X}", u32::from(c)) } else { c.to_string() }
            }).collect();
            prop_assert_eq!(text, expected);
        }
    }
}
