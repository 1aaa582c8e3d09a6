//! MySQL's numbers, and the names that look like numbers, as the server's own lexer reads them.
//! <https://dev.mysql.com/doc/refman/9.0/en/identifiers.html>: "Identifiers may begin with a digit but unless quoted may
//! not consist solely of digits." `0x41` and `0b1` are literals; `0X41`, `0o7`, `1_0`, `0xg` and `0x` are names.

use super::{BITS, Keep, Last, NUMBER, Scan, Word, in_word};

impl Scan<'_> {
    /// A token that begins with a digit.
    pub(super) fn mysql_number(&mut self) {
        let start = self.at;
        if self.after_dot() {
            return self.digit_name(start);
        }
        let radix: Option<fn(&u8) -> bool> = match (self.peek(0), self.peek(1)) {
            (b'0', b'x') => Some(u8::is_ascii_hexdigit),
            (b'0', b'b') => Some(|digit| matches!(digit, b'0' | b'1')),
            _ => None,
        };
        if let Some(is_digit) = radix {
            self.at += 2;
            self.skip(is_digit);
            if self.at > start + 2 && !in_word(self.peek(0)) {
                return self.literal(start, BITS);
            }
            return self.digit_name(start);
        }
        self.skip(u8::is_ascii_digit);
        if in_word(self.peek(0)) {
            return if self.exponent() { self.literal(start, NUMBER) } else { self.digit_name(start) };
        }
        if self.peek(0) == b'.' {
            self.at += 1;
            self.skip(u8::is_ascii_digit);
            self.exponent();
        }
        self.literal(start, NUMBER);
    }

    /// `.5`, `.5e3`.
    pub(super) fn fraction(&mut self) {
        let start = self.at;
        self.at += 1;
        self.skip(u8::is_ascii_digit);
        self.exponent();
        self.literal(start, NUMBER);
    }

    /// `e10`, `E-3`: whether there is one. The number ends there even where letters follow.
    fn exponent(&mut self) -> bool {
        let signed = usize::from(matches!(self.peek(1), b'+' | b'-'));
        let found = self.peek(0) | 0x20 == b'e' && self.peek(1 + signed).is_ascii_digit();
        if found {
            self.at += 1 + signed;
            self.skip(u8::is_ascii_digit);
        }
        found
    }

    fn skip(&mut self, wanted: impl Fn(&u8) -> bool) {
        while self.sql.get(self.at).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    /// A name that begins with a digit. The parser gets it in quotes: it would read some of them as numbers.
    fn digit_name(&mut self, start: usize) {
        while in_word(self.peek(0)) {
            self.out.non_ascii |= self.peek(0) >= 0x80;
            self.at += 1;
        }
        let name = self.sql.get(start..self.at).unwrap_or_default();
        if !self.is_name(name) {
            return;
        }
        self.begin(b"");
        self.separate();
        let key = self.out.key.len();
        if self.keep == Keep::Canonical {
            self.out.key.push(b'`');
            self.copy(start);
            self.out.key.push(b'`');
        } else {
            self.copy(start);
        }
        self.place(key, start);
        self.count();
        self.listed(crate::condense::Lists::other);
        self.remember(Word::Other);
        self.last = Last::Name;
    }
}
