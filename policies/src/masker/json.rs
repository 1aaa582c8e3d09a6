//! JSON: every leaf passes through the transform, the structure and the keys stay. One pass over the text, no tree.

use crate::transform::Transform;
use std::io::Write as _;

/// Nesting deeper than this is redacted whole.
const MAX_DEPTH: u32 = 512;

/// Appends the document with masked leaves. `None` if it is not JSON; `out` may then have been begun.
pub(super) fn mask(transform: &Transform, text: &str, leaves: &mut (String, Vec<u8>), out: &mut Vec<u8>) -> Option<()> {
    let mut walk = Walk { transform, rest: text, leaves, out };
    walk.value(0)?;
    walk.space();
    walk.rest.is_empty().then_some(())
}

struct Walk<'a> {
    transform: &'a Transform,
    rest: &'a str,
    leaves: &'a mut (String, Vec<u8>),
    out: &'a mut Vec<u8>,
}

impl<'a> Walk<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let (head, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(head)
    }

    fn copy(&mut self, bytes: usize) -> Option<()> {
        let head = self.take(bytes)?;
        self.out.extend_from_slice(head.as_bytes());
        Some(())
    }

    fn space(&mut self) {
        let length = self.rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        let _ = self.copy(length);
    }

    fn peek(&self) -> Option<u8> {
        self.rest.bytes().next()
    }

    fn value(&mut self, depth: u32) -> Option<()> {
        self.space();
        match self.peek()? {
            open @ (b'{' | b'[') if depth < MAX_DEPTH => self.container(open == b'{', depth),
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            _ if self.rest.starts_with("null") => self.copy(4),
            _ if self.rest.starts_with("true") => self.replace(4, b"false"),
            _ if self.rest.starts_with("false") => self.replace(5, b"false"),
            _ => None,
        }
    }

    fn replace(&mut self, bytes: usize, with: &[u8]) -> Option<()> {
        self.take(bytes)?;
        self.out.extend_from_slice(with);
        Some(())
    }

    fn container(&mut self, object: bool, depth: u32) -> Option<()> {
        let close = if object { b'}' } else { b']' };
        self.copy(1)?;
        self.space();
        if self.peek()? == close {
            return self.copy(1);
        }
        loop {
            if object {
                self.space();
                let length = string_length(self.rest)?;
                self.copy(length)?;
                self.space();
                self.peek().filter(|byte| *byte == b':')?;
                self.copy(1)?;
            }
            self.value(depth + 1)?;
            self.space();
            match self.peek()? {
                b',' => self.copy(1)?,
                byte if byte == close => return self.copy(1),
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let length =
            self.rest.bytes().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count();
        let text = self.take(length)?;
        // Integers as a bigint column would hold them; fractions say little that could be masked, and become 0.
        let masked = text.parse::<i64>().ok().and_then(|value| self.transform.int(value.into(), 8, true));
        write!(self.out, "{}", masked.unwrap_or(0)).ok()
    }

    fn string(&mut self) -> Option<()> {
        let length = string_length(self.rest)?;
        let quoted = self.take(length)?;
        let (plain, masked) = &mut *self.leaves;
        plain.clear();
        masked.clear();
        unescape(quoted.get(1..length - 1)?, plain)?;
        if !self.transform.text(plain, masked) {
            masked.clear();
            masked.extend_from_slice(b"***");
        }
        let masked = std::str::from_utf8(masked).ok()?;
        self.out.push(b'"');
        for character in masked.chars() {
            match character {
                '"' => self.out.extend_from_slice(b"\\\""),
                '\\' => self.out.extend_from_slice(b"\\\\"),
                control if control < ' ' => write!(self.out, "\\u{:04x}", u32::from(control)).ok()?,
                other => self.out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.out.push(b'"');
        Some(())
    }
}

/// Bytes of the string that `text` begins with, its quotes included.
fn string_length(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    if bytes.next()?.1 != b'"' {
        return None;
    }
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => {
                bytes.next()?;
            }
            _ => {}
        }
    }
    None
}

/// Resolves the escapes of RFC 8259 section 7.
fn unescape(text: &str, out: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (plain, escaped) = rest.split_at_checked(at)?;
        out.push_str(plain);
        let mut characters = escaped.chars();
        characters.next()?;
        match characters.next()? {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'u' => {
                let mut unit = hex4(&mut characters)?;
                if (0xd800..0xdc00).contains(&unit) {
                    characters.as_str().starts_with("\\u").then_some(())?;
                    characters.nth(1)?;
                    let low = hex4(&mut characters)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    unit = 0x1_0000 + (unit - 0xd800) * 0x400 + low;
                }
                out.push(char::from_u32(unit)?);
            }
            literal @ ('"' | '\\' | '/') => out.push(literal),
            _ => return None,
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    Some(())
}

fn hex4(characters: &mut std::str::Chars<'_>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit * 16 + characters.next()?.to_digit(16)?;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> Option<String> {
        let mut out = Vec::new();
        mask(&Transform::Partial { keep: 2 }, text, &mut Default::default(), &mut out)?;
        String::from_utf8(out).ok()
    }

    #[test]
    fn leaves_are_masked_and_the_structure_stays() {
        let text =
            r#" {"ssn" : "12345", "n": [1, 23456, -1.5e3, true, false, null, {}], "k": {"a\"b": "x\\u00e9\ny"}} "#;
        let expected =
            r#" {"ssn" : "***45", "n": [0, 56, 0, false, false, null, {}], "k": {"a\"b": "**\u000ay"}} "#.to_owned();
        assert_eq!(masked(&text.replace("\\\\u", "\\u")), Some(expected));
        assert_eq!(masked(r#""\ud83d\ude00abc""#).as_deref(), Some(r#""**bc""#));
        assert_eq!(masked("[]").as_deref(), Some("[]"));
    }

    #[test]
    fn what_is_not_json_is_not_passed_on() {
        for text in
            ["", "{", "[1", "{\"a\"}", "{\"a\":}", "nul", "\"a", "\"\\", "1 2", "{1:2}", "\"\\ud800x\"", "\"\\q\""]
        {
            assert_eq!(masked(text), None, "{text}");
        }
        assert_eq!(masked(&"[".repeat(100_000)), None, "deep nesting ends the walk, not the stack");
    }
}
