//! KILL: a person may end what they run themselves (it is how `mysql` cancels on Ctrl-C), and nobody else's. All sessions
//! share one user upstream, so the server would not tell them apart.

use super::{Command, session_facts};
use crate::conversation::{DraftKind, MysqlConversation};
use crate::message::{command, packet};
use bytes::Bytes;
use model::{Phase, Refusal, RefusalKind};
use sql::{Dialect, Settings};
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

/// What a KILL is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// This thread.
    Thread(u32),
    /// The session's own (`CONNECTION_ID()`).
    Own,
}

/// What is known of a text that mentions KILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    /// None of its statements is one.
    No,
    /// It is nothing but `KILL [HARD|SOFT] [CONNECTION|QUERY] aim`.
    At(Aim),
    /// One of its statements is a KILL that cannot be checked.
    Unclear,
}

/// Reads a text as its server does, comments left out.
pub(super) fn read(sql: &[u8], dialect: Dialect, settings: &Settings) -> Kill {
    if !mentions(sql) {
        return Kill::No;
    }
    let statements =
        std::str::from_utf8(sql).ok().and_then(|text| sql::canonical_statements(dialect, text, settings).ok());
    let Some(statements) = statements else { return if begins(sql) { Kill::Unclear } else { Kill::No } };
    let is_kill = |text: &String| {
        let first = text.split(|c: char| !c.is_ascii() || !is_word(u8::try_from(c).unwrap_or(0))).next();
        first.is_some_and(|word| word.eq_ignore_ascii_case("kill"))
    };
    match statements.as_slice() {
        [one] if is_kill(one) => aim(one).map_or(Kill::Unclear, Kill::At),
        all if all.iter().any(is_kill) => Kill::Unclear,
        _ => Kill::No,
    }
}

/// The aim of one canonical KILL.
fn aim(text: &str) -> Option<Aim> {
    let text = text.to_ascii_lowercase().replace('(', " ( ").replace(')', " ) ");
    let mut words = text.split_ascii_whitespace().peekable();
    words.next().filter(|word| *word == "kill")?;
    for optional in [["hard", "soft"], ["connection", "query"]] {
        words.next_if(|word| optional.contains(word));
    }
    let rest: Vec<&str> = words.collect();
    match rest.as_slice() {
        ["connection_id", "(", ")"] => Some(Aim::Own),
        [number] if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse().ok().map(Aim::Thread),
        _ => None,
    }
}

/// The text with the upstream's number in place of the one that the client was told; `None` when they are the same. The text
/// is canonical, so the number is its last word.
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
    /// What is known of a text that may be a KILL.
    pub(super) fn read_kill(&self, sql: &[u8]) -> Kill {
        read(sql, self.dialect(), &self.settings)
    }

    /// KILL by itself: of a thread of one's own it passes.
    pub(super) fn kill<'a>(&mut self, command: &Command<'_>, sql: Bytes, aim: Aim) -> Request<'a> {
        let Aim::Thread(number) = aim else {
            return self.hand_out_kill(command, sql, Bytes::copy_from_slice(command.frames));
        };
        self.kill_thread(command, sql, number, |conversation, sql, thread| {
            let text = std::str::from_utf8(sql).unwrap_or_default();
            let read = sql::canonical_statements(conversation.dialect(), text, &conversation.settings);
            let canonical = read.ok().and_then(|statements| statements.into_iter().next()).unwrap_or_default();
            let Some(sql) = renumbered(canonical.as_bytes(), number, thread) else {
                return Bytes::copy_from_slice(command.frames);
            };
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
        let wire = wire(self, &sql, thread);
        self.hand_out_kill(command, sql, wire)
    }

    fn hand_out_kill<'a>(&mut self, command: &Command<'_>, sql: Bytes, wire: Bytes) -> Request<'a> {
        let facts = session_facts("KILL ?");
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
    fn kills_are_read_as_the_server_reads_them() {
        let settings = Settings { server_version: 101_114, ..Settings::default() };
        for (text, expected) in [
            ("KILL 5", Kill::At(Aim::Thread(5))),
            (" kill query 17 ; ", Kill::At(Aim::Thread(17))),
            ("KILL HARD CONNECTION 9;", Kill::At(Aim::Thread(9))),
            ("/* ApplicationName=X 1 */ KILL QUERY 5", Kill::At(Aim::Thread(5))),
            ("KILL /* x */ QUERY 5 -- x", Kill::At(Aim::Thread(5))),
            ("KILL QUERY 5 # x", Kill::At(Aim::Thread(5))),
            ("/*!50000 KILL 5 */", Kill::At(Aim::Thread(5))),
            ("KILL CONNECTION_ID()", Kill::At(Aim::Own)),
            ("KILL ?", Kill::Unclear),
            ("KILL USER bob", Kill::Unclear),
            ("KILL QUERY ID 5", Kill::Unclear),
            ("KILL 5; SELECT 1", Kill::Unclear),
            ("SELECT 1; KILL 5", Kill::Unclear),
            ("KILL 5 + 1", Kill::Unclear),
            ("KILL @x", Kill::Unclear),
            ("KILL 99999999999", Kill::Unclear),
            ("SELECT 'KILL 5'", Kill::No),
            ("SELECT kill FROM t -- kill", Kill::No),
            ("SELECT 5", Kill::No),
        ] {
            assert_eq!(read(text.as_bytes(), Dialect::MariaDb, &settings), expected, "{text}");
        }
    }

    #[test]
    fn the_number_of_the_greeting_becomes_the_upstreams() {
        let text = |sql: &str| renumbered(sql.as_bytes(), 1_073_741_829, 17).map(|sql| String::from_utf8(sql).unwrap());
        assert_eq!(text("KILL QUERY 1073741829"), Some("KILL QUERY 17".to_owned()));
        assert_eq!(text(" kill 1073741829 ; "), Some(" kill 17 ; ".to_owned()));
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
