//! Comments: white space, where they are nothing else.

use super::Scan;

impl Scan<'_> {
    pub(super) fn line_comment(&mut self) {
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

    pub(super) fn block_comment(&mut self) {
        if !self.lexis.postgres && self.begins_version_comment() {
            return;
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
}

fn sets_variables(hint: &[u8]) -> bool {
    hint.windows(7).any(|window| window.eq_ignore_ascii_case(b"SET_VAR"))
}
