//! Version comments of MySQL and MariaDB (`/*!40101 … */`, `/*M!100100 … */`), read as the server of that version reads them:
//! their content is text of the statement, or they are a comment.
//!
//! <https://dev.mysql.com/doc/refman/9.0/en/comments.html>, <https://mariadb.com/kb/en/comment-syntax/>

use super::Scan;

impl Scan<'_> {
    /// At `/*`: whether a version comment begins here whose content the server reads. Its opening is taken.
    pub(super) fn begins_version_comment(&mut self) -> bool {
        let own = self.lexis.mariadb && self.peek(2) == b'M' && self.peek(3) == b'!';
        let opening = match (own, self.peek(2)) {
            (true, _) => 4,
            (false, b'!') => 3,
            // To MySQL `/*M!` is a comment like any other.
            (false, _) => return false,
        };
        if self.executing {
            self.refuse("a version comment within a version comment is not accepted");
            return true;
        }
        if self.lexis.version == 0 {
            self.refuse("a version comment (/*! … */) cannot be read while the server's version is not known");
            return true;
        }
        let digits = (0..6).take_while(|ahead| self.peek(opening + ahead).is_ascii_digit()).count();
        let read = |count: usize| {
            (0..count).fold(0_u32, |number, ahead| number * 10 + u32::from(self.peek(opening + ahead) - b'0'))
        };
        // Fewer than five digits are no version, but the beginning of the content.
        let (digits, version) = if digits < 5 { (0, 0) } else { (digits, read(digits)) };
        // MariaDB went its own way after MySQL 5.6, and reads nothing that was meant for later ones.
        let foreign = self.lexis.mariadb && !own && (50_700..100_000).contains(&version);
        if version > self.lexis.version || foreign {
            return false;
        }
        self.at += opening + digits;
        (self.executing, self.space) = (true, true);
        true
    }

    /// At the `*/` that ends one.
    pub(super) fn end_version_comment(&mut self) {
        self.at += 2;
        (self.executing, self.space) = (false, true);
    }
}
