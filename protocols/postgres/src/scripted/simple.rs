//! The simple protocol, what is refused in it, and what arrives unasked.

use super::*;

#[test]
fn a_query_and_its_masked_answer() {
    let mut script = Script::new();
    script.client(&[q("SELECT id, ssn FROM patients")]);
    assert_eq!(script.sent(), "Q(SELECT id, ssn FROM patients)");
    script.upstream(&[t(&["id", "ssn"]), d(&["1", "123-45-6789"]), d(&["2", "x"]), c("SELECT 2"), z(b'I')]);
    let told = script.told();
    assert!(told.ends_with("C(SELECT 2) Z(I)") && !told.contains("123"), "{told}");
    assert_eq!(
        script.logged(),
        "1 simple SELECT id, ssn FROM patients; 1 columns 0 id,ssn; 1 rows 0 2; 1 done completed SELECT 2"
    );
    assert_eq!(script.journal, [d(&["1", "***"]), d(&["2", "***"])].concat());
    assert!(script.conversation.unanswered().is_empty());
}

#[test]
fn columns_come_with_their_origin() {
    let mut script = Script::new();
    script.client(&[q("SELECT ssn FROM patients")]);
    let input = t(&["ssn"]);
    let Ok(Step::Got { item: Answer::Columns { columns, .. }, .. }) = script.conversation.answer(&input) else {
        panic!("no columns");
    };
    let announced = columns[0].announced.as_ref().map(ToString::to_string);
    assert_eq!(announced.as_deref(), Some("public.patients.ssn"));
}

#[test]
fn several_statements_in_one_text() {
    let mut script = Script::new();
    script.client(&[q("SELECT 1; SELECT ssn FROM patients; BEGIN")]);
    script.upstream(&[t(&["a"]), d(&["1"]), c("SELECT 1"), t(&["ssn"]), d(&["x"]), c("SELECT 1"), c("BEGIN"), z(b'T')]);
    let text = "SELECT 1; SELECT ssn FROM patients; BEGIN";
    assert_eq!(
        script.logged(),
        format!(
            "1 simple {text}; 1 columns 0 a; 1 rows 0 1; 1 part completed SELECT 1; 1 columns 1 ssn; 1 rows 1 1; \
             1 part completed SELECT 1; 1 done completed BEGIN"
        )
    );
}

#[test]
fn an_error_ends_all_parts() {
    let mut script = Script::new();
    script.client(&[q("SELECT 1; SELECT 2"), q("SELECT 3")]);
    script.upstream(&[t(&["a"]), d(&["1"]), c("SELECT 1"), error("22012"), z(b'I')]);
    assert!(script.logged().ends_with("1 part completed SELECT 1; 1 done failed 22012"));
    script.upstream(&[t(&["a"]), c("SELECT 0"), z(b'I')]);
    assert!(script.logged().ends_with("2 done completed SELECT 0"));
}

#[test]
fn an_empty_query() {
    let mut script = Script::new();
    script.client(&[q(" -- nothing")]);
    script.upstream(&[m(b'I', b""), z(b'I')]);
    assert_eq!(script.told(), "I Z(I)");
    assert!(script.logged().ends_with("1 done completed"));
}

#[test]
fn a_refused_query_fails_for_real() {
    let mut script = Script::new();
    script.client(&[q("BEGIN")]);
    script.upstream(&[c("BEGIN"), z(b'T')]);
    script.told();
    script.client(&[q("SELECT 'DENY'"), q("SELECT 1")]);
    assert!(script.sent().ends_with("Q(affidavit refused this statement) Q(SELECT 1)"));
    script.upstream(&[error("42601"), z(b'E'), error("25P02"), z(b'E')]);
    assert_eq!(script.told(), "E(42501 denied) Z(E) E(25P02 failed) Z(E)");
    assert!(script.logged().contains("2 done refused 42501; 3 done failed 25P02"));
}

#[test]
fn what_comes_unasked_is_passed_or_marked() {
    let mut script = Script::new();
    let status = m(b'S', b"client_encoding\0SJIS\0");
    script.upstream(&[m(b'N', b"SNOTICE\0C01000\0Mhello\0\0"), m(b'A', b"\0\0\0\x07c\0payload\0"), status.clone()]);
    assert_eq!(script.logged(), "0 message 01000; 0 message 00000");
    script.client(&[q("SELECT 1")]);
    script.upstream(&[t(&["a"]), status, d(&["1"]), m(b'N', b"SNOTICE\0C01000\0Mhello\0\0"), c("SELECT 1"), z(b'I')]);
    assert!(script.logged().contains("1 message 01000"));
    assert!(script.conversation.session.settings().is_some_and(|settings| !settings.ascii_safe_encoding));
}

#[test]
fn templates_keep_codes_and_drop_texts() {
    let mut script = Script::new();
    let notification = m(b'A', b"\0\0\0\x07chan\x00123-45-6789\0");
    let message = model::ServerMessage {
        severity: model::Severity::Notice,
        code: String::new(),
        may_quote_data: true,
        denied: false,
    };
    let wire = [error("23505"), notification].concat();
    let mut out = Vec::new();
    script.conversation.template(&message, &wire, &mut out).unwrap();
    script.to_client = out;
    let told = script.told();
    let expected =
        "E(23505 a unique constraint was violated (details withheld by Affidavit)) A(\\x07chan) N(00000 the payload";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn a_fatal_error_ends_the_statement_that_runs() {
    let mut script = Script::new();
    script.client(&[q("SELECT 1"), q("SELECT 2")]);
    script.upstream(&[m(b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating\0RProcessInterrupts\0\0")]);
    assert!(script.logged().ends_with("1 done failed 57P01"));
    assert_eq!(script.conversation.unanswered().len(), 1, "the second is recorded as interrupted");
}

#[test]
fn changed_settings_are_asked_for_before_the_next_text() {
    let mut script = Script::new();
    script.client(&[q("SET search_path = other"), q("SELECT 1")]);
    assert_eq!(script.sent(), "Q(SET search_path = other)");
    assert!(script.waiting());
    script.upstream(&[c("SET"), z(b'I')]);
    assert_eq!(script.told(), "C(SET) Z(I)");
    assert_eq!(script.sent(), ASKED);
    script.upstream(&[shown("other", b'I')]);
    assert_eq!(script.told(), "", "the client does not see our question");
    assert_eq!(script.sent(), "Q(SELECT 1)");
    let path = script.conversation.session.settings().unwrap().search_path.clone();
    assert_eq!(path, ["pg_temp", "pg_catalog", "other"]);
    // SET of something else needs no question.
    script.upstream(&[t(&["ssn"]), c("SELECT 0"), z(b'I')]);
    script.client(&[q("SET application_name = x"), q("SELECT 1")]);
    assert_eq!(script.sent(), "Q(SET application_name = x) Q(SELECT 1)");
}

#[test]
fn a_rollback_may_undo_settings() {
    let mut script = Script::new();
    script.client(&[q("BEGIN")]);
    script.upstream(&[c("BEGIN"), z(b'T')]);
    script.client(&[q("SET LOCAL search_path = other")]);
    script.upstream(&[c("SET"), z(b'T')]);
    script.client(&[q("ROLLBACK")]);
    assert!(script.sent().ends_with("Q(ROLLBACK)"), "it depends on no question");
    script.upstream(&[c("ROLLBACK"), z(b'I')]);
    script.client(&[q("SELECT 1")]);
    assert_eq!(script.sent(), ASKED, "the path may be the old one again");
    script.upstream(&[shown("public", b'I')]);
    assert_eq!(script.sent(), "Q(SELECT 1)");
    script.upstream(&[t(&["a"]), c("SELECT 0"), z(b'I')]);
    script.client(&[q("BEGIN")]);
    script.upstream(&[c("BEGIN"), z(b'T')]);
    script.client(&[q("ROLLBACK"), q("SELECT 1")]);
    assert_eq!(script.sent(), "Q(BEGIN) Q(ROLLBACK) Q(SELECT 1)", "nothing was changed in between");
}

/// lo_open(7) as libpq sends it.
const LO_OPEN: &[u8] = b"\0\0\x03\xb8\0\x01\0\x01\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x04\0\x04\0\0\0\x01";

#[test]
fn a_function_call_is_a_statement_like_any_other() {
    let mut script = Script::new();
    script.client(&[m(b'F', LO_OPEN)]);
    assert!(script.sent().starts_with("F("));
    script.upstream(&[m(b'V', b"\0\0\0\x04\0\0\0\0"), z(b'T')]);
    assert!(script.told().starts_with("V("));
    let logged = script.logged();
    assert!(
        logged
            .starts_with("1 simple SELECT pg_catalog.lo_open($1, $2); 1 done completed FUNCTION CALL 4 bytes sha256:")
    );
    // A value that nothing asked for ends the session.
    script.client(&[q("SELECT 1")]);
    assert!(script.try_upstream(&m(b'V', b"\0\0\0\x01x")).is_err());
}

#[test]
fn a_function_that_is_not_known_is_no_sql() {
    let mut script = Script::new();
    script.client(&[m(b'F', b"\0\0\0\x01\0\0\0\0\0\0")]);
    assert_eq!(script.logged(), "1 simple -- function call message: OID 1 with 0 arguments");
    assert!(script.conversation.live[0].facts.unparsed.is_some());
    assert!(script.try_client(&m(b'F', b"\0\0\0\x01\0\x05")).is_err(), "it is cut");
}

#[test]
fn the_end_of_a_transaction_waits_for_no_question() {
    let mut script = Script::new();
    script.client(&[q("SET search_path = other")]);
    script.upstream(&[c("SET"), z(b'T')]);
    script.sent();
    for text in ["ROLLBACK;", "/* pool */ rollback", "RESET ALL", "DISCARD ALL", "COMMIT", "BEGIN", "SET ROLE x"] {
        script.client(&[q(text)]);
        assert_eq!(script.sent(), format!("Q({text})"));
        script.upstream(&[c("SET"), z(b'T')]);
    }
    script.client(&[q("SELECT 1")]);
    assert!(!script.sent().contains("SELECT 1"), "what names something waits for the answer");
}

#[test]
fn in_a_failed_transaction_a_refusal_is_what_the_server_says_there() {
    let mut script = Script::new();
    script.client(&[q("BEGIN")]);
    script.upstream(&[c("BEGIN"), z(b'E')]);
    script.client(&[q("SELECT ssn FROM patients -- DENY")]);
    script.upstream(&[error("42601"), z(b'E')]);
    assert!(script.told().contains("E(25P02 current transaction is aborted"));
    script.client(&[q("ROLLBACK; SELECT 1 -- DENY")]);
    script.upstream(&[error("42601"), z(b'E')]);
    assert!(script.told().starts_with("E(42501 denied)"), "it would not have been refused there");
}

#[test]
fn a_text_with_our_names_is_refused() {
    let mut script = Script::new();
    script.client(&[p("s", "SELECT 1"), s()]);
    let name = script.conversation.statements[&b"s"[..]].server_name.clone();
    script.upstream(&[m(b'1', b""), z(b'I')]);
    script.client(&[q(&format!("DEALLOCATE {}", String::from_utf8(name).unwrap()))]);
    assert!(script.sent().ends_with("Q(affidavit refused this statement)"));
}

#[test]
fn goodbye_notice_and_farewell() {
    let mut script = Script::new();
    script.client(&[m(b'X', b"")]);
    assert_eq!(script.logged(), "terminate");
    let refusal = Refusal::new(RefusalKind::SessionExpired, "the token expired");
    let mut out = Vec::new();
    assert!(script.conversation.notice("held", &mut out));
    script.conversation.farewell(&refusal, &mut out);
    script.to_client = out;
    assert_eq!(script.told(), "N(00000 held) E(57P01 the token expired)");
    let mut out = Vec::new();
    script.conversation.goodbye(&mut out);
    assert_eq!(out, m(b'X', b""));
    // In the middle of a row there is no room for words.
    script.client(&[q("SELECT 1")]);
    let row = d(&["a long enough row"]);
    script.upstream(&[t(&["a"]), d(&["1"]), row[..9].to_vec()]);
    script.upstream(&[row[9..12].to_vec()]);
    let mut out = Vec::new();
    assert!(!script.conversation.notice("held", &mut out));
    script.conversation.farewell(&refusal, &mut out);
    assert!(out.is_empty());
}
