//! KILL: a person may end what they run themselves (it is how `mysql` cancels on Ctrl-C), and nobody else's. All sessions
//! share one user upstream, so the server would not tell them apart.

use super::{Command, session_facts};
use crate::conversation::{DraftKind, MysqlConversation};
use crate::message::{command, packet};
use bytes::Bytes;
use model::{Phase, Refusal, RefusalKind};
use std::sync::Arc;
use wire::{Cursor, Request};

/// Whether the word KILL stands anywhere in the text.
pub(super) fn mentions(sql: &[u8]) -> bool {
    sql.windows(4).enumerate().any(|(at, window)| {
        window.eq_ignore_ascii_case(b"kill")
            && !at.checked_sub(1).and_then(|before| sql.get(before)).is_some_and(|byte| is_word(*byte))
            && !sql.get(at + 4).is_some_and(|byte| is_word(*byte))
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// Whether a statement of the text may begin with KILL: the word follows nothing, a semicolon, a comment or a bracket.
pub(super) fn begins(sql: &[u8]) -> bool {
    let mut before = b';';
    let mut at = 0;
    while let Some(byte) = sql.get(at) {
        let word = sql.get(at..at + 4).is_some_and(|word| word.eq_ignore_ascii_case(b"kill"));
        // A version number ends an executable comment's opening; `/` and a line's end close comments.
        if word && (matches!(before, b';' | b'/' | b'\n' | b'!' | b'\'' | b'"' | b'`') || before.is_ascii_digit()) {
            return true;
        }
        if !matches!(byte, b' ' | b'\t' | b'\r' | 0x0B | 0x0C) {
            before = *byte;
        }
        at += 1;
    }
    false
}

/// The number in a text that is nothing but `KILL [HARD|SOFT] [CONNECTION|QUERY] number`.
pub(super) fn parse(sql: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(sql).ok()?.trim_ascii();
    let text = text.strip_suffix(';').unwrap_or(text);
    let mut words = text.split_ascii_whitespace().peekable();
    words.next().filter(|word| word.eq_ignore_ascii_case("kill"))?;
    for optional in [["hard", "soft"], ["connection", "query"]] {
        words.next_if(|word| optional.iter().any(|known| word.eq_ignore_ascii_case(known)));
    }
    let number = words.next()?;
    if words.next().is_some() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse().ok()
}

/// The text with the upstream's number in place of the one that the client was told; `None` when they are the same. The text
/// is one that [`parse`] has read, so the number is its last word.
fn renumbered(sql: &[u8], number: u32, thread: u32) -> Option<Vec<u8>> {
    let end = sql.iter().rposition(u8::is_ascii_digit)? + 1;
    let start = sql.get(..end)?.iter().rposition(|byte| !byte.is_ascii_digit())? + 1;
    let (before, after) = (sql.get(..start)?, sql.get(end..)?);
    (number != thread).then(|| [before, thread.to_string().as_bytes(), after].concat())
}

/// What a KILL that could not be read is told.
pub(super) fn alone() -> Refusal {
    Refusal::new(RefusalKind::NotSupported, "this KILL cannot be checked")
        .hint("send KILL [CONNECTION|QUERY] with the number of one of your own connections, by itself, not prepared")
}

impl MysqlConversation {
    /// KILL of a thread: one's own passes.
    pub(super) fn kill<'a>(&mut self, command: &Command<'_>, sql: Bytes, number: u32) -> Request<'a> {
        self.kill_thread(command, sql, number, |conversation, sql, thread| {
            let Some(sql) = renumbered(sql, number, thread) else { return Bytes::copy_from_slice(command.frames) };
            let mut out = Vec::new();
            let start = packet::begin(&mut out);
            out.push(command::QUERY);
            if conversation.query_attributes {
                out.extend_from_slice(&[0, 1]);
            }
            out.extend_from_slice(&sql);
            packet::finish(&mut out, start, 0);
            out.into()
        })
    }

    fn kill_thread<'a>(
        &mut self,
        command: &Command<'_>,
        sql: Bytes,
        number: u32,
        wire: impl FnOnce(&Self, &[u8], u32) -> Bytes,
    ) -> Request<'a> {
        let Some(thread) = self.datasource.thread_of(&self.owner, number) else {
            let message = format!("connection {number} is not one of yours");
            let refusal = Refusal::new(RefusalKind::NotAllowed, message)
                .hint("you can end your own; an operator of Affidavit can end any session");
            return self.refuse_command(command, &String::from_utf8_lossy(&sql), refusal, None);
        };
        let facts = session_facts("KILL ?");
        let wire = wire(self, &sql, thread);
        let statement = self.statement(Phase::Simple, sql, Vec::new(), Arc::new(facts), wire);
        self.hand_out(command, statement, DraftKind::Kill)
    }

    /// COM_PROCESS_KILL.
    pub(super) fn process_kill<'a>(&mut self, command: &Command<'_>) -> Request<'a> {
        match Cursor::new(command.body).u32_le() {
            Ok(number) => {
                let sql = Bytes::from(format!("KILL {number}"));
                self.kill_thread(command, sql, number, |_, _, thread| {
                    let mut payload = vec![command::PROCESS_KILL];
                    payload.extend_from_slice(&thread.to_le_bytes());
                    let mut out = Vec::new();
                    packet::put(&mut out, 0, &payload);
                    out.into()
                })
            }
            Err(_) => self.malformed(command, "malformed COM_PROCESS_KILL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_kills_are_read() {
        for (text, number) in [
            ("KILL 5", Some(5)),
            (" kill query 17 ; ", Some(17)),
            ("KILL HARD CONNECTION 9;", Some(9)),
            ("KILL USER bob", None),
            ("KILL QUERY ID 5", None),
            ("KILL 5; SELECT 1", None),
            ("KILL 5 /* x */", None),
            ("KILL @x", None),
            ("KILL 99999999999", None),
            ("SELECT 5", None),
        ] {
            assert_eq!(parse(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn the_number_of_the_greeting_becomes_the_upstreams() {
        let text = |sql: &str| renumbered(sql.as_bytes(), 2_147_483_653, 17).map(|sql| String::from_utf8(sql).unwrap());
        assert_eq!(text("KILL QUERY 2147483653"), Some("KILL QUERY 17".to_owned()));
        assert_eq!(text(" kill 2147483653 ; "), Some(" kill 17 ; ".to_owned()));
        assert_eq!(renumbered(b"KILL 17", 17, 17), None);
    }

    #[test]
    fn hidden_kills_are_seen() {
        for text in
            ["SELECT 1;KILL 5", "/* x */ kill 5", "-- x\nKILL 5", "/*!50000 KILL 5 */", "/*!KILL 5*/", "kill\n5"]
        {
            assert!(mentions(text.as_bytes()) && begins(text.as_bytes()), "{text}");
        }
        for text in ["SELECT skill FROM t", "SELECT 'killer'", "UPDATE kills SET x = 1"] {
            assert!(!mentions(text.as_bytes()), "{text}");
        }
        assert!(!begins(b"SELECT kill FROM t"));
    }
}
