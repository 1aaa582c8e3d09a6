//! Errors: a refusal as an ERR packet, and which of the server's errors never quote data of rows.
//! <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>

use crate::message::error::ErrorPacket;
use model::{Facts, Refusal, RefusalKind, ServerMessage, Severity, Verb};

/// The longest text that clients keep (`MYSQL_ERRMSG_SIZE` is 512 bytes, its NUL included).
const LONGEST_TEXT: usize = 511;

/// An error's number and SQLSTATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u16, pub(crate) [u8; 5]);

/// A connection without TLS where TLS is needed (`ER_SECURE_TRANSPORT_REQUIRED`).
pub(crate) const TLS_REQUIRED: Code = Code(3159, *b"HY000");
/// A statement number that does not exist (`ER_UNKNOWN_STMT_HANDLER`).
pub(crate) const UNKNOWN_STATEMENT: Code = Code(1243, *b"HY000");
/// A handshake that cannot be read (`ER_HANDSHAKE_ERROR`).
pub(crate) const BAD_HANDSHAKE: Code = Code(1043, *b"08S01");

/// A syntax error (`ER_PARSE_ERROR`).
const SYNTAX: u16 = 1064;
/// What the server quotes of a text that it cannot read, at most.
const LONGEST_QUOTED: usize = 80;
/// Less than this may stand anywhere.
const SHORTEST_QUOTED: usize = 4;

/// A database that does not exist (`ER_BAD_DB_ERROR`).
pub(crate) const NO_SUCH_DATABASE: Code = Code(1049, *b"42000");
/// A table that does not exist (`ER_NO_SUCH_TABLE`).
pub(crate) const NO_SUCH_TABLE: Code = Code(1146, *b"42S02");

/// What the server would have said of a statement that was refused because it names a table that the catalog does not know,
/// after it was read again for its sake.
pub(crate) fn missing_table(refusal: &Refusal, facts: &Facts, database: Option<&String>) -> Option<String> {
    let about_the_text =
        matches!(refusal.kind, RefusalKind::Denied | RefusalKind::NotUnderstood | RefusalKind::NotSupported);
    if refusal.rule.is_some() || !about_the_text {
        return None;
    }
    // In brackets stands a reason to read the catalog, not a name; and `procedure p` may be one whose body cannot be seen.
    let name = facts.unknown_relations.iter().find(|name| !name.starts_with('(') && !name.contains(' '))?;
    match database.filter(|_| !name.contains('.')) {
        Some(database) => Some(format!("Table '{database}.{name}' doesn't exist")),
        None => Some(format!("Table '{name}' doesn't exist")),
    }
}

/// The number and SQLSTATE of a kind of refusal.
pub(crate) fn code(kind: RefusalKind) -> Code {
    match kind {
        RefusalKind::NotAuthenticated | RefusalKind::IssuerUnavailable => Code(1045, *b"28000"),
        RefusalKind::NotAllowed => Code(1044, *b"42000"),
        RefusalKind::Denied | RefusalKind::NeedsApproval => Code(1142, *b"42000"),
        RefusalKind::NotSupported => Code(1235, *b"42000"),
        RefusalKind::NotUnderstood => Code(1064, *b"42000"),
        RefusalKind::ProtocolViolation => Code(1047, *b"08S01"),
        RefusalKind::CannotRecord => Code(1021, *b"HY000"),
        // Not 2003: MariaDB's clients take the numbers from 2000 on for their own, and call such a packet malformed.
        RefusalKind::UpstreamUnavailable => Code(1429, *b"HY000"),
        RefusalKind::SessionExpired | RefusalKind::ShuttingDown | RefusalKind::NotNow => Code(1053, *b"08S01"),
        RefusalKind::LimitReached => Code(1040, *b"08004"),
        RefusalKind::Internal => Code(1105, *b"HY000"),
    }
}

/// The number and SQLSTATE of the last words of a session: what drivers take for a lost connection.
pub(crate) fn last_code(kind: RefusalKind, mariadb: bool) -> Code {
    match kind {
        RefusalKind::UpstreamUnavailable if mariadb => Code(1927, *b"70100"),
        RefusalKind::UpstreamUnavailable => Code(4031, *b"HY000"),
        other => code(other),
    }
}

/// Writes an ERR payload for a refusal.
pub(crate) fn put_refusal(out: &mut Vec<u8>, refusal: &Refusal, code: Code) {
    let text = text(refusal);
    ErrorPacket { code: code.0, state: code.1, message: text.as_bytes() }.encode(out);
}

/// Writes an ERR payload as it stands before a greeting: without a SQLSTATE, which the client has not agreed to yet.
pub(crate) fn put_early_refusal(out: &mut Vec<u8>, refusal: &Refusal, code: Code) {
    out.push(0xFF);
    out.extend_from_slice(&code.0.to_le_bytes());
    out.extend_from_slice(text(refusal).as_bytes());
}

/// The refusal in one line, cut at a character where clients would cut it anywhere.
fn text(refusal: &Refusal) -> String {
    let mut text = match &refusal.hint {
        Some(hint) => format!("{}. {hint}", refusal.message),
        None => refusal.message.clone(),
    };
    if text.len() > LONGEST_TEXT {
        let cut = (0..=LONGEST_TEXT - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// What an ERR packet of the upstream is. `facts` are those of the statement that it answers.
pub(crate) fn describe(error: &ErrorPacket<'_>, facts: Option<&Facts>) -> ServerMessage {
    ServerMessage {
        severity: if ends_session(error.code) { Severity::Fatal } else { Severity::Error },
        code: error.state_text(),
        may_quote_data: may_quote_data(error.code, facts),
        denied: is_denied(error.code),
    }
}

/// The server refuses it for want of a right: on a database, table, column, EXPLAIN, routine.
fn is_denied(code: u16) -> bool {
    matches!(code, 1044 | 1142 | 1143 | 1345 | 1370)
}

/// Errors after which the server closes the connection.
fn ends_session(code: u16) -> bool {
    // Shutdown, idle timeout (MySQL, MariaDB), killed connection (MySQL, MariaDB), new connection refused.
    matches!(code, 1053 | 1079 | 1152 | 1184 | 1927 | 1950 | 4031 | 3169)
}

/// Whether the text of an error may quote what is in rows. Listed are those that name only objects, limits or states;
/// everything else may.
fn may_quote_data(code: u16, facts: Option<&Facts>) -> bool {
    match code {
        // Access, unknown database, table, column, function; ambiguous names; wrong counts of columns.
        1040 | 1044 | 1045 | 1046 | 1049 | 1050 | 1051 | 1052 | 1054 | 1058 | 1060 | 1061 | 1064 | 1065 | 1066
        | 1072 | 1091 | 1095 | 1109 | 1110 | 1111 | 1136 | 1142 | 1143 | 1146 | 1149 | 1176 | 1222 | 1227 | 1241
        | 1242 | 1248 | 1305 | 1318 | 1356 | 1370 => {
            // A routine can run a text of its own making, and errors about a text quote it.
            code == 1064 && facts.is_none_or(runs_routines)
        }
        // NULL in a NOT NULL column, no default, too long, out of range: they name the column and the row's number.
        1048 | 1364 | 1406 | 1264 => false,
        // Foreign keys: names only.
        1215 | 1216 | 1217 | 1451 | 1452 => false,
        // Locks, limits, time, shutdown, full disks, read-only servers.
        1021 | 1053 | 1114 | 1153 | 1180 | 1205 | 1206 | 1213 | 1290 | 1317 | 1792 | 1836 | 1969 | 3024 | 1020 => false,
        // Statements and commands that do not exist or are not allowed.
        1047 | 1148 | 1235 | 1243 | 1295 | 1390 | 1461 | 3948 => false,
        _ => true,
    }
}

fn runs_routines(facts: &Facts) -> bool {
    facts.unparsed.is_some()
        || facts.parts.iter().any(|part| part.verb == Verb::Call || part.calls.iter().any(|call| !call.pure))
}

/// The message of a syntax error in the terms of the client's text, where another was sent in its place: the server quotes
/// what was sent, from where it stopped reading. What of the quotation is the client's own stays; a quotation that begins in
/// what was put in is left out, with its line. `None` where nothing is to change.
pub(crate) fn in_client_terms(error: &ErrorPacket<'_>, own: &[u8]) -> Option<Vec<u8>> {
    const NEAR: &[u8] = b" near '";
    const BEHIND: &[u8] = b"' at line ";
    if error.code != SYNTAX {
        return None;
    }
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|window| window == what);
    let begin = find(error.message, NEAR)?;
    let (before, quoted) = (error.message.get(..begin)?, error.message.get(begin + NEAR.len()..)?);
    let end = (0..quoted.len()).rev().find(|at| quoted.get(*at..).is_some_and(|rest| rest.starts_with(BEHIND)))?;
    let quoted = quoted.get(..end)?;
    if find(own, quoted).is_some() {
        return None;
    }
    // The longest beginning that is the client's.
    let shared = (SHORTEST_QUOTED..=quoted.len()).rev().find_map(|length| find(own, quoted.get(..length)?));
    let Some(at) = shared else { return Some([before, b" (near a relation that masks stand in for)"].concat()) };
    let (before_it, rest) = own.split_at_checked(at)?;
    let rest = rest.get(..rest.len().min(LONGEST_QUOTED))?;
    // Not within a character.
    let cut = (0..=rest.len()).rev().find(|at| own.get(before_it.len() + at).is_none_or(|byte| byte & 0xC0 != 0x80))?;
    let line = before_it.iter().filter(|byte| **byte == b'\n').count() + 1;
    Some([before, NEAR, rest.get(..cut)?, BEHIND, line.to_string().as_bytes()].concat())
}

/// The text that stands in for one that may quote data.
pub(crate) fn template(code: u16) -> &'static str {
    match code {
        1062 | 1586 => "Duplicate entry for a unique key (value withheld by Affidavit)",
        1292 | 1366 | 1411 | 1525 => "A value is not valid for its type (value withheld by Affidavit)",
        1690 => "A number is out of range (value withheld by Affidavit)",
        3140..=3160 | 4037 | 4038 => "Invalid JSON (details withheld by Affidavit)",
        1644 => "An error was raised by a routine or trigger (text withheld by Affidavit)",
        1064 => "You have an error in your SQL syntax (details withheld by Affidavit)",
        _ => "The statement failed (details withheld by Affidavit: it touches protected data)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_and_what_next() {
        let mut out = Vec::new();
        let refusal = Refusal::new(RefusalKind::Denied, "no schema changes by agents").hint("ask the owners");
        put_refusal(&mut out, &refusal, code(refusal.kind));
        assert_eq!(out, b"\xff\x76\x04#42000no schema changes by agents. ask the owners");
        let long = Refusal::new(RefusalKind::Denied, "ä".repeat(600));
        out.clear();
        put_refusal(&mut out, &long, code(long.kind));
        assert!(out.len() <= 9 + LONGEST_TEXT);
        assert!(std::str::from_utf8(&out[9..]).unwrap().ends_with("ä…"));
    }

    #[test]
    fn errors_that_quote_values_are_told_from_those_that_do_not() {
        for code in [1062, 1292, 1366, 1105, 1690, 1644, 1064, 9999] {
            assert!(may_quote_data(code, None), "{code}");
        }
        for code in [1054, 1146, 1205, 1213, 1048, 1452] {
            assert!(!may_quote_data(code, None), "{code}");
        }
    }

    #[test]
    fn a_syntax_error_quotes_the_clients_text() {
        let own = b"SELECT upper(ssn)\nFROM patients p WHEER id = 3";
        let of = |near: &str, line: u32| {
            let message = format!("You have an error near '{near}' at line {line}");
            let error = ErrorPacket { code: 1064, state: *b"42000", message: message.as_bytes() };
            in_client_terms(&error, own).map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(of("WHEER id = 3", 2), None, "it is the client's own");
        let expected = "You have an error near 'FROM patients p WHEER id = 3' at line 2";
        assert_eq!(of("FROM (SELECT '***' AS ssn FROM t.patients) p WHEER id = 3", 2).as_deref(), Some(expected));
        let inside = of("(SELECT '***' AS ssn", 2).unwrap();
        assert!(!inside.contains("***"), "{inside}");
    }

    #[test]
    fn no_template_is_longer_than_clients_keep() {
        assert!((0..=u16::MAX).all(|code| template(code).len() <= LONGEST_TEXT));
    }
}
