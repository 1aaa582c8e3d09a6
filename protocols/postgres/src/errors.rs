//! Refusals as ErrorResponse, errors of the upstream as [`ServerMessage`], and what is left of an error's text when it
//! may quote rows.
//!
//! SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>. Which errors quote data was read from the
//! server's own messages: a class is trusted only where every message in it is made of names and numbers that do not
//! come from rows.

use crate::message::fields::{Fields, put_fields};
use model::{Refusal, RefusalKind, ServerMessage, Severity};
use wire::Violation;

/// The SQLSTATE of a refusal.
pub(crate) fn sqlstate(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::NotAuthenticated => "28000",
        RefusalKind::NotAllowed | RefusalKind::Denied | RefusalKind::NeedsApproval => "42501",
        RefusalKind::NotSupported => "0A000",
        RefusalKind::NotUnderstood => "42601",
        RefusalKind::ProtocolViolation => "08P01",
        RefusalKind::CannotRecord => "53100",
        RefusalKind::UpstreamUnavailable | RefusalKind::IssuerUnavailable => "08006",
        RefusalKind::SessionExpired | RefusalKind::ShuttingDown => "57P01",
        RefusalKind::NotNow => "57P03",
        RefusalKind::LimitReached => "53300",
        RefusalKind::Internal => "XX000",
    }
}

/// An error of our own, as the client gets it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Reply {
    /// An error that PostgreSQL itself would give here.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: None, hint: None }
    }

    /// Appends it as an ErrorResponse of this severity (`ERROR`, `FATAL`).
    pub(crate) fn put(&self, severity: &str, out: &mut Vec<u8>) -> Result<(), Violation> {
        let texts = [
            (b'S', Some(severity)),
            (b'V', Some(severity)),
            (b'C', Some(self.code)),
            (b'M', Some(self.message.as_str())),
            (b'D', self.detail.as_deref()),
            (b'H', self.hint.as_deref()),
            (b'R', Some("affidavit")),
        ];
        put_fields(b'E', texts.iter().filter_map(|(code, text)| text.map(|text| (*code, text.as_bytes()))), out)
    }
}

impl From<&Refusal> for Reply {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: sqlstate(refusal.kind),
            message: refusal.message.clone(),
            detail: refusal.rule.as_ref().map(|rule| format!("The rule that decided is \"{rule}\".")),
            hint: refusal.hint.clone(),
        }
    }
}

/// Appends a NoticeResponse of our own.
pub(crate) fn put_notice(text: &str, out: &mut Vec<u8>) -> Result<(), Violation> {
    let fields: [(u8, &[u8]); 5] =
        [(b'S', b"NOTICE"), (b'V', b"NOTICE"), (b'C', b"00000"), (b'M', text.as_bytes()), (b'R', b"affidavit")];
    put_fields(b'N', fields, out)
}

/// insufficient_privilege.
const DENIED: &str = "42501";

/// What an ErrorResponse (`E`) or NoticeResponse (`N`) is.
pub(crate) fn server_message(tag: u8, fields: &Fields<'_>) -> ServerMessage {
    // V is never translated; before 9.6 there was only S.
    let severity = fields.get(b'V').or_else(|| fields.get(b'S')).unwrap_or_default();
    let severity = match severity {
        b"FATAL" | b"PANIC" => Severity::Fatal,
        _ if tag == b'E' => Severity::Error,
        _ => Severity::Notice,
    };
    let code = fields.text(b'C').to_owned();
    let denied = severity == Severity::Error && code == DENIED;
    ServerMessage { severity, code, may_quote_data: may_quote_data(fields), denied }
}

/// Classes whose messages name settings, sessions, resources and transaction states, never a row's value.
const CLASSES: [&str; 10] = ["08", "0B", "25", "2D", "3B", "3D", "40", "53", "55", "57"];
/// Names and syntax: safe where the parser points into the client's own text (field P), for then what it quotes is there.
const ABOUT_THE_TEXT: [&str; 4] = ["42", "0A", "26", "34"];

/// What the server says by one of its functions alone, of names in the client's own text or of nothing: drivers go by these texts
/// (asyncpg prepares a statement again whose plan is out of date).
fn is_fixed(code: &str, fields: &Fields<'_>) -> bool {
    let said_by = fields.text(b'R');
    match code {
        "0A000" => said_by == "RevalidateCachedQuery" && fields.text(b'M') == "cached plan must not change result type",
        "26000" => said_by == "FetchPreparedStatement",
        "34000" => matches!(said_by, "PerformPortalFetch" | "PerformPortalClose"),
        _ => false,
    }
}

fn may_quote_data(fields: &Fields<'_>) -> bool {
    let code = fields.text(b'C');
    let class = code.get(..2).unwrap_or_default();
    // Anybody may RAISE any code with any text, and what runs inside a function reports its inner statement.
    let from_function =
        matches!(fields.text(b'R'), "exec_stmt_raise" | "") || fields.get(b'q').is_some() || fields.get(b'W').is_some();
    let safe = CLASSES.contains(&class)
        || is_fixed(code, fields)
        || (ABOUT_THE_TEXT.contains(&class) && fields.get(b'P').is_some());
    from_function || !safe
}

/// What is said in place of a text that may quote data.
fn templated(code: &str) -> &'static str {
    match code {
        "23502" => "a NOT NULL constraint was violated (details withheld by Affidavit)",
        "23503" => "a foreign key constraint was violated (details withheld by Affidavit)",
        "23505" => "a unique constraint was violated (details withheld by Affidavit)",
        "23514" => "a check constraint was violated (details withheld by Affidavit)",
        "22001" => "a value is too long for its type (details withheld by Affidavit)",
        "22003" => "a number is out of range (details withheld by Affidavit)",
        "22012" => "division by zero (details withheld by Affidavit)",
        "22P02" | "22007" | "22008" => "a value does not fit its type (details withheld by Affidavit)",
        _ => match code.get(..2).unwrap_or_default() {
            "00" | "01" | "02" => "a notice of the database (details withheld by Affidavit)",
            "22" => "a value could not be processed (details withheld by Affidavit)",
            "23" => "an integrity constraint was violated (details withheld by Affidavit)",
            "42" => "a name or expression was not accepted (details withheld by Affidavit)",
            "P0" => "a database routine raised an error (details withheld by Affidavit)",
            "XX" => "the database reports an internal error (details withheld by Affidavit)",
            _ => "the database reports an error (details withheld by Affidavit)",
        },
    }
}

/// Appends an error or notice with its severity, code and position, and a template in place of its texts.
pub(crate) fn put_template(tag: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    let fields = Fields::decode(body)?;
    let message = templated(fields.text(b'C'));
    let structural = |code: u8| fields.get(code).map(|value| (code, value));
    let kept =
        [structural(b'S'), structural(b'V'), structural(b'C'), Some((b'M', message.as_bytes())), structural(b'P')];
    put_fields(tag, kept.into_iter().flatten(), out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> ServerMessage {
        server_message(b'E', &Fields::decode(body).unwrap())
    }

    #[test]
    fn a_key_that_is_quoted_is_templated() {
        let body = b"SERROR\0VERROR\0C23505\0Mduplicate key\0DKey (ssn)=(123-45-6789) already exists.\0Rx\0\0";
        assert!(message(body).may_quote_data);
        let mut out = Vec::new();
        put_template(b'E', body, &mut out).unwrap();
        assert!(!out.windows(3).any(|window| window == b"123"));
        assert_eq!(Fields::decode(&out[5..]).unwrap().text(b'C'), "23505");
    }

    #[test]
    fn the_clients_own_text_may_be_quoted_back() {
        assert!(!message(b"SERROR\0C42601\0Msyntax error at or near \"x\"\0P8\0Rscanner_yyerror\0\0").may_quote_data);
        // `ssn::regclass` fails at run time: no position, and the name is a value.
        assert!(message(b"SERROR\0C42P01\0Mrelation \"123-45-6789\" does not exist\0RRangeVar\0\0").may_quote_data);
        // The same inside a function has a context.
        assert!(message(b"SERROR\0C42601\0Mat 123\0P8\0WPL/pgSQL\0Rscanner_yyerror\0\0").may_quote_data);
    }

    #[test]
    fn a_raised_error_is_never_trusted() {
        assert!(message(b"SERROR\0C57014\0M123-45-6789\0Rexec_stmt_raise\0\0").may_quote_data);
        assert!(!message(b"SERROR\0C57014\0Mcanceling statement\0RProcessInterrupts\0\0").may_quote_data);
        let stale = b"SERROR\0C0A000\0Mcached plan must not change result type\0RRevalidateCachedQuery\0\0";
        assert!(!message(stale).may_quote_data);
        assert!(message(b"SERROR\0C0A000\0M123-45-6789\0RRevalidateCachedQuery\0\0").may_quote_data);
        let gone = b"SERROR\0C26000\0Mprepared statement \"s\" does not exist\0RFetchPreparedStatement\0\0";
        assert!(!message(gone).may_quote_data);
        // `cursor_to_xml(ssn::refcursor)` looks a value up.
        assert!(message(b"SERROR\0C34000\0Mcursor \"123\" does not exist\0RSPI_cursor_find\0\0").may_quote_data);
        assert!(!message(b"SFATAL\0C57P01\0Mterminating\0RProcessInterrupts\0\0").may_quote_data);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refusal = Refusal::new(RefusalKind::Denied, "no").hint("ask").rule("r1");
        let mut out = Vec::new();
        Reply::from(&refusal).put("ERROR", &mut out).unwrap();
        let fields = Fields::decode(&out[5..]).unwrap();
        assert_eq!((fields.text(b'C'), fields.text(b'M'), fields.text(b'H')), ("42501", "no", "ask"));
        assert!(fields.text(b'D').contains("r1"));
    }
}
