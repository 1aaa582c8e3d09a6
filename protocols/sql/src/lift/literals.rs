//! Literals and quoted names: where they end, and what of them stays.

use super::{BITS, Keep, Last, NUMBER, STRING, Scan, Word, in_word, is_setting_function, starts_word};
use crate::condense::{Entry, Lists};

impl Scan<'_> {
    /// A string whose token starts at `start` and whose opening quote is at `quote_at`.
    pub(super) fn string(&mut self, start: usize, quote_at: usize, quote: u8, backslash: bool, kind: u8) {
        self.at = quote_at + 1;
        loop {
            let byte = self.peek(0);
            if self.at >= self.sql.len() {
                return self.refuse("a string is not closed");
            }
            if byte == 0 && self.lexis.postgres {
                return self.refuse("the text contains a NUL byte");
            }
            if (byte == b'\\' && backslash) || (byte == quote && self.peek(1) == quote) {
                self.at += 2;
            } else {
                self.at += 1;
                if byte == quote {
                    break;
                }
            }
            if byte >= 0x80 {
                self.out.non_ascii = true;
            }
        }
        self.at = self.at.min(self.sql.len());
        self.literal(start, kind);
    }

    pub(super) fn literal(&mut self, start: usize, kind: u8) {
        self.begin(b"");
        self.out.tokens += 1;
        self.entry(start, kind);
        self.separate();
        let key = self.out.key.len();
        let positional = kind != STRING && self.levels.last().is_some_and(|level| level.positional);
        if self.keep == Keep::Canonical {
            self.canonical(start, kind);
        } else if self.keep != Keep::Nothing && (positional || self.statement.keep_all || self.statement.keep_next) {
            self.copy(start);
        } else {
            self.out.key.push(kind);
            if self.keep == Keep::Spans {
                self.out.literals.push(start..self.at);
            }
        }
        self.place(key, start);
        self.statement.keep_next = false;
        self.remember(Word::Other);
    }

    /// Tells who looks for long lists what this literal is to them.
    fn entry(&mut self, start: usize, kind: u8) {
        let span = start..self.at;
        let Some(lists) = &mut self.lists else { return };
        let text = self.sql.get(span.clone()).unwrap_or_default();
        match kind {
            STRING if text.starts_with(b"'") && !text.contains(&b'\\') => lists.literal(Entry::Text, span),
            NUMBER if text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') => {
                lists.literal(Entry::Number, span);
            }
            _ => lists.other(),
        }
    }

    /// Writes a literal so that no escape, prefix or quote of its own matters.
    fn canonical(&mut self, start: usize, kind: u8) {
        let text = self.sql.get(start..self.at).unwrap_or_default();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" ,_-.:%+/@*=".contains(byte);
        match kind {
            NUMBER if text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') => {
                self.out.key.extend_from_slice(text)
            }
            NUMBER => self.out.key.extend_from_slice(b"0.5"),
            BITS => self.out.key.extend_from_slice(b"X'00'"),
            _ => {
                let inner = text.len().checked_sub(1).and_then(|end| text.get(1..end)).unwrap_or_default();
                let inner = if inner.iter().all(plain) { inner } else { b"?" };
                self.out.key.push(b'\'');
                self.out.key.extend_from_slice(inner);
                self.out.key.push(b'\'');
            }
        }
    }

    pub(super) fn quoted_name(&mut self, start: usize, quote: u8) {
        let open = self.sql.get(start..).and_then(|rest| rest.iter().position(|byte| *byte == quote));
        self.at = start + open.unwrap_or(0) + 1;
        let content = self.at;
        loop {
            if self.at >= self.sql.len() {
                return self.refuse("a quoted name is not closed");
            }
            let byte = self.peek(0);
            self.at += 1;
            if byte == quote {
                if self.peek(0) != quote {
                    break;
                }
                self.at += 1;
            } else if byte < b' ' {
                return self.refuse("a quoted name contains a control character");
            } else if byte >= 0x80 {
                self.out.non_ascii = true;
            }
        }
        let name = self.sql.get(content..self.at.saturating_sub(1)).unwrap_or_default();
        if !self.is_name(name) {
            return;
        }
        self.begin(name);
        if is_setting_function(name) || content > start + 1 {
            // `U&"…"` may spell anything.
            self.statement.keep_all = true;
        }
        self.separate();
        let key = self.out.key.len();
        if self.keep == Keep::Canonical {
            self.out.key.push(b'`');
            for byte in name {
                // Signs that lexers read differently get stand-ins that no server keeps in a name of its own.
                match byte {
                    b'`' | b'"' | b'\'' | b';' | b'\\' => {
                        let stand_in = char::from_u32(0xe000 + u32::from(*byte)).unwrap_or('?');
                        self.out.key.extend_from_slice(stand_in.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    other => self.out.key.push(*other),
                }
            }
            self.out.key.push(b'`');
        } else {
            self.copy(start);
        }
        self.place(key, start);
        self.last = Last::Name;
        self.listed(Lists::other);
        self.count();
        self.remember(Word::Other);
    }

    pub(super) fn dollar(&mut self) {
        if self.peek(1).is_ascii_digit() {
            let start = self.at;
            self.at += 1;
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            self.begin(b"");
            self.separate();
            self.copy(start);
            self.out.tokens += 1;
            self.listed(Lists::other);
            return self.remember(Word::Other);
        }
        let start = self.at;
        let mut end = self.at + 1;
        while self.sql.get(end).is_some_and(|byte| in_word(*byte) && *byte != b'$') {
            end += 1;
        }
        if self.sql.get(end) != Some(&b'$') {
            return self.symbol(b'$');
        }
        let tag = self.sql.get(start..=end).unwrap_or_default();
        let body = self.sql.get(end + 1..).unwrap_or_default();
        let Some(close) = find(body, tag) else { return self.refuse("a dollar-quoted string is not closed") };
        self.out.non_ascii |= body.iter().take(close).any(|byte| *byte >= 0x80);
        if body.iter().take(close).any(|byte| *byte == 0) {
            return self.refuse("the text contains a NUL byte");
        }
        self.at = end + 1 + close + tag.len();
        self.literal(start, STRING);
    }

    pub(super) fn number(&mut self) {
        let start = self.at;
        let radix = self.peek(0) == b'0' && matches!(self.peek(1) | 0x20, b'x' | b'b' | b'o');
        let mut kind = NUMBER;
        if radix && self.peek(2).is_ascii_alphanumeric() {
            kind = BITS;
            self.at += 2;
            while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' {
                self.at += 1;
            }
        } else {
            let digits = |scan: &mut Self| {
                while scan.peek(0).is_ascii_digit() || (scan.peek(0) == b'_' && scan.peek(1).is_ascii_digit()) {
                    scan.at += 1;
                }
            };
            digits(self);
            if self.peek(0) == b'.' && self.peek(1) != b'.' {
                self.at += 1;
                digits(self);
            }
            let signed = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(0) | 0x20 == b'e' && self.peek(1 + signed).is_ascii_digit() {
                self.at += 1 + signed;
                digits(self);
            }
        }
        // PostgreSQL reads a name behind the digits; what comes of it is the parser's business.
        if starts_word(self.peek(0)) || self.peek(0) == b'$' {
            while in_word(self.peek(0)) {
                self.out.non_ascii |= self.peek(0) >= 0x80;
                self.at += 1;
            }
            self.begin(b"");
            self.separate();
            self.copy(start);
            self.count();
            self.listed(Lists::other);
            return self.remember(Word::Other);
        }
        self.literal(start, kind);
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len().max(1)).position(|window| window == needle)
}
