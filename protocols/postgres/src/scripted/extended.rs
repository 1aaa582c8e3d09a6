//! The extended protocol: attribution in a pipeline, errors until Sync, names, portals, own descriptions.

use super::*;

fn n(tag: u8) -> Vec<u8> {
    m(tag, b"")
}

#[test]
fn a_prepared_statement_described_by_the_client() {
    let mut script = Script::new();
    script.client(&[p("s1", "SELECT ssn FROM patients"), ds("s1"), s()]);
    assert_eq!(script.sent(), "P(~,SELECT ssn FROM patients) D(S ~) S");
    script.upstream(&[n(b'1'), m(b't', b"\0\0"), t(&["ssn"]), z(b'I')]);
    script.told();
    assert_eq!(script.logged(), "1 prepare SELECT ssn FROM patients; 1 done completed");
    script.client(&[b("", "s1", true), e("", 0), s()]);
    assert_eq!(script.sent(), "B(,~) E S", "the columns are known, nothing is asked");
    script.upstream(&[n(b'2'), d(&["123"]), c("SELECT 1"), z(b'I')]);
    assert_eq!(script.told(), "2 D(\\x01\\x03***) C(SELECT 1) Z(I)");
    assert_eq!(
        script.logged(),
        "2 execute SELECT ssn FROM patients; 2 columns 0 ssn; 2 rows 0 1; 2 done completed SELECT 1"
    );
}

#[test]
fn formats_are_those_of_bind() {
    let mut script = Script::new();
    script.client(&[p("s1", "SELECT ssn FROM patients"), ds("s1"), s()]);
    script.upstream(&[n(b'1'), m(b't', b"\0\0"), t(&["ssn"]), z(b'I')]);
    for (binary, encoding) in [(true, model::Encoding::PostgresBinary), (false, model::Encoding::PostgresText)] {
        script.client(&[b("", "s1", binary), e("", 0), s()]);
        script.upstream(&[n(b'2')]);
        let row = d(&["x"]);
        let Ok(Step::Got { consumed: 0, item: Answer::Columns { columns, wire, .. } }) =
            script.conversation.answer(&row)
        else {
            panic!("no columns");
        };
        assert!(wire.is_empty());
        assert_eq!(columns[0].repr.encoding, encoding);
        script.upstream(&[row, c("SELECT 1"), z(b'I')]);
    }
}

#[test]
fn what_was_never_described_is_described_by_us() {
    let mut script = Script::new();
    script.client(&[p("", "SELECT ssn FROM patients"), b("", "", false), e("", 0), s()]);
    assert_eq!(script.sent(), "P(,SELECT ssn FROM patients) B(,) D(P ) E S");
    script.upstream(&[n(b'1'), n(b'2'), t(&["ssn"]), d(&["123"]), c("SELECT 1"), z(b'I')]);
    assert_eq!(script.told(), "1 2 D(\\x01\\x03***) C(SELECT 1) Z(I)", "our description is not the client's");
    // The second time it is known.
    script.client(&[b("", "", false), e("", 0), s()]);
    assert_eq!(script.sent(), "B(,) E S");
    // A client that describes the portal itself is not helped, nor is a statement that returns nothing.
    script.upstream(&[n(b'2'), d(&["1"]), c("SELECT 1"), z(b'I')]);
    script.client(&[p("", "SELECT ssn FROM patients"), b("", "", false), dp(""), e("", 0), s()]);
    assert_eq!(script.sent(), "P(,SELECT ssn FROM patients) B(,) D(P ) E S");
    script.upstream(&[n(b'1'), n(b'2'), t(&["ssn"]), d(&["123"]), c("SELECT 1"), z(b'I')]);
    assert!(script.told().contains("T("));
    script.client(&[p("", "BEGIN"), b("", "", false), e("", 0), s()]);
    assert_eq!(script.sent(), "P(,BEGIN) B(,) E S");
}

#[test]
fn rows_without_columns_end_the_session() {
    let mut script = Script::new();
    script.client(&[p("", "BEGIN"), b("", "", false), e("", 0), s()]);
    script.upstream(&[n(b'1'), n(b'2')]);
    assert!(script.try_upstream(&d(&["123"])).is_err());
}

#[test]
fn after_an_error_everything_up_to_sync_is_skipped() {
    let mut script = Script::new();
    let first = [p("a", "SELECT 1"), p("b", "SELECT 2"), b("", "b", false), e("", 0), s()];
    let second = [p("c", "SELECT 3"), s()];
    script.client(&[first.concat(), second.concat()]);
    script.upstream(&[error("42601"), z(b'I'), n(b'1'), z(b'I')]);
    assert_eq!(script.told(), "E(42601 failed) Z(I) 1 Z(I)");
    let log = script.logged();
    for end in ["1 done failed 42601", "2 done not-executed", "3 done not-executed", "4 done completed"] {
        assert!(log.contains(end), "{end}: {log}");
    }
    assert!(script.conversation.unanswered().is_empty());
    // What was skipped does not exist.
    script.client(&[b("", "b", false), s()]);
    script.upstream(&[error("42601"), z(b'I')]);
    assert_eq!(script.told(), "E(26000 prepared statement \"b\" does not exist) Z(I)");
}

#[test]
fn the_clients_frames_after_an_error_are_dropped_as_the_upstream_drops_them() {
    let mut script = Script::new();
    script.client(&[p("a", "SELEC 1"), m(b'H', b"")]);
    script.upstream(&[error("42601")]);
    script.sent();
    script.client(&[p("b", "SELECT 2"), q("SELECT 3"), b("", "b", false)]);
    assert_eq!(script.sent(), "");
    script.client(&[s()]);
    assert_eq!(script.sent(), "S");
    script.upstream(&[z(b'I')]);
    assert_eq!(script.told(), "E(42601 failed) Z(I)");
    script.client(&[q("SELECT 4")]);
    assert_eq!(script.sent(), "Q(SELECT 4)");
}

#[test]
fn a_refusal_takes_its_place_in_the_pipeline() {
    let mut script = Script::new();
    let denied = [p("", "SELECT 'DENY'"), b("", "", false), e("", 0), s()];
    script.client(&[p("a", "SELECT 1"), denied.concat(), p("c", "SELECT 3"), s()]);
    assert_eq!(script.sent(), "P(~,SELECT 1) P(affidavit_refused,affidavit refused this statement) S P(~,SELECT 3) S");
    script.upstream(&[n(b'1'), error("42601"), z(b'I'), n(b'1'), z(b'I')]);
    assert_eq!(script.told(), "1 E(42501 denied) Z(I) 1 Z(I)");
    let log = script.logged();
    assert!(log.contains("1 done completed; 2 done refused 42501; 3 done completed"), "{log}");
}

#[test]
fn a_refusal_that_the_upstream_skips_is_still_a_refusal() {
    let mut script = Script::new();
    script.client(&[p("a", "SELEC 1"), p("b", "SELECT 'DENY'"), s()]);
    script.upstream(&[error("42601"), z(b'I')]);
    let log = script.logged();
    assert!(log.contains("1 done failed 42601; 2 done refused 42501"), "{log}");
    assert_eq!(script.told(), "E(42601 failed) Z(I)");
}

#[test]
fn a_suspended_portal_is_one_statement() {
    let mut script = Script::new();
    script.client(&[q("BEGIN")]);
    script.upstream(&[c("BEGIN"), z(b'T')]);
    script.client(&[p("s", "SELECT ssn FROM patients"), b("c1", "s", false), e("c1", 1), s()]);
    assert!(script.sent().ends_with("B(~,~) D(P ~) E(~) S"));
    script.upstream(&[n(b'1'), n(b'2'), t(&["ssn"]), d(&["1"]), n(b's'), z(b'T')]);
    script.client(&[q("SELECT 7")]);
    script.upstream(&[t(&["a"]), c("SELECT 0"), z(b'T')]);
    script.logged();
    script.client(&[e("c1", 1), s()]);
    script.upstream(&[d(&["2"]), n(b's'), z(b'T')]);
    assert_eq!(script.logged(), "3 rows 0 1");
    script.told();
    script.client(&[cp("c1"), s()]);
    script.upstream(&[n(b'3'), z(b'T')]);
    assert_eq!(script.logged(), "3 done completed");
    assert_eq!(script.told(), "3 Z(T)");
}

#[test]
fn portals_end_with_their_transaction() {
    let mut script = Script::new();
    script.client(&[p("s", "SELECT 1"), b("", "s", false), e("", 1), b("never", "s", false), s()]);
    script.upstream(&[n(b'1'), n(b'2'), t(&["a"]), d(&["1"]), n(b's'), n(b'2'), t(&["a"]), z(b'I')]);
    let log = script.logged();
    assert!(log.contains("2 done completed") && log.contains("3 done not-executed"), "{log}");
    script.told();
    script.client(&[e("", 1), s()]);
    script.upstream(&[error("42601"), z(b'I')]);
    assert_eq!(script.told(), "E(34000 portal \"\" does not exist) Z(I)");
    assert!(script.conversation.unanswered().is_empty());
}

#[test]
fn a_name_taken_over_by_sql_is_not_ours() {
    let mut script = Script::new();
    script.client(&[q("DECLARE c1 CURSOR FOR SELECT ssn FROM patients")]);
    script.upstream(&[c("DECLARE CURSOR"), z(b'T')]);
    script.sent();
    // Its description is no secret, and psycopg asks for it.
    script.client(&[dp("c1"), s()]);
    assert_eq!(script.sent(), "D(P c1) S");
    script.upstream(&[t(&["ssn"]), z(b'T')]);
    // The protocol's portals are another namespace: this reaches no cursor of SQL.
    script.client(&[e("c1", 0), s()]);
    assert_eq!(script.sent(), "P(affidavit_refused,affidavit refused this statement) S");
    script.upstream(&[error("42601"), z(b'E')]);
    assert!(script.told().ends_with("E(34000 portal \"c1\" does not exist) Z(E)"));
}

#[test]
fn a_skipped_parse_does_not_leave_an_older_statement_under_its_name() {
    let mut script = Script::new();
    script.client(&[p("", "SELECT ssn FROM patients"), s()]);
    script.upstream(&[n(b'1'), z(b'I')]);
    script.sent();
    script.client(&[p("s", "SELECT 2"), s()]);
    script.upstream(&[n(b'1'), z(b'I')]);
    script.sent();
    // The first Bind fails, so the upstream skips the Parse and keeps the old unnamed statement. The second Bind must not
    // be taken for one of the harmless text.
    let parts = [b("", "s", false), p("", "SELECT 1"), s(), b("", "", false), e("", 0), s()];
    script.client(&parts);
    assert_eq!(script.sent(), "B(,~) D(P ) P(,SELECT 1) S", "the second Bind waits");
    script.upstream(&[error("22P02"), z(b'I')]);
    assert_eq!(script.sent(), "B(,) D(P ) E S", "it is the old statement, and known to be");
    script.told();
    script.upstream(&[n(b'2'), t(&["ssn"]), d(&["123"]), c("SELECT 1"), z(b'I')]);
    assert!(!script.told().contains("123"));
    assert!(script.logged().contains("execute SELECT ssn FROM patients"));
}

#[test]
fn an_unacknowledged_name_waits() {
    let mut script = Script::new();
    script.client(&[p("", "SELECT ssn FROM patients"), s()]);
    script.upstream(&[n(b'1'), z(b'I')]);
    script.sent();
    script.client(&[p("", "SELECT 1"), s(), b("", "", false), e("", 0), s()]);
    assert_eq!(script.sent(), "P(,SELECT 1) S", "which statement it will be is not known yet");
    script.upstream(&[error("53200"), z(b'I')]);
    // The failed Parse dropped the unnamed statement.
    assert_eq!(script.sent(), "P(affidavit_refused,affidavit refused this statement) S");
}

#[test]
fn names_that_exist_or_do_not() {
    let mut script = Script::new();
    script.client(&[p("s", "SELECT 1"), s()]);
    script.upstream(&[n(b'1'), z(b'I')]);
    script.client(&[p("s", "SELECT 2"), s()]);
    script.upstream(&[error("42601"), z(b'I')]);
    assert!(script.told().contains("E(42P05 prepared statement \"s\" already exists)"));
    script.client(&[cs("s"), cs("unknown"), cp("unknown"), p("s", "SELECT 2"), s()]);
    assert!(script.sent().contains("C(S ~) C(S unknown) C(P unknown) P(~,SELECT 2) S"));
    script.upstream(&[n(b'3'), n(b'3'), n(b'3'), n(b'1'), z(b'I')]);
    assert_eq!(script.told(), "3 3 3 1 Z(I)");
}

#[test]
fn deallocate_reaches_the_renamed_statement() {
    let mut script = Script::new();
    script.client(&[p("_pg3_0", "SELECT 1"), s()]);
    script.upstream(&[n(b'1'), z(b'I')]);
    let name = String::from_utf8(script.conversation.statements[&b"_pg3_0"[..]].server_name.clone()).unwrap();
    script.sent();
    script.client(&[q("DEALLOCATE _pg3_0")]);
    assert_eq!(script.sent(), format!("Q(DEALLOCATE \\\"{name}\\\")"));
    script.upstream(&[c("DEALLOCATE"), z(b'I')]);
    assert!(!script.conversation.statements.contains_key(&b"_pg3_0"[..]));
    script.client(&[p("a", "SELECT 1"), s()]);
    script.upstream(&[n(b'1'), z(b'I')]);
    script.client(&[q("DISCARD ALL")]);
    script.upstream(&[c("DISCARD ALL"), z(b'I')]);
    assert!(script.conversation.statements.is_empty());
}

#[test]
fn a_portal_can_be_moved_by_sql() {
    let mut script = Script::new();
    script.client(&[q("BEGIN"), p("", "SELECT 1"), b("c1", "", false), e("c1", 1), s()]);
    script.upstream(&[c("BEGIN"), z(b'T'), n(b'1'), n(b'2'), t(&["a"]), d(&["1"]), n(b's'), z(b'T')]);
    let name = String::from_utf8(script.conversation.names.at_upstream(b"c1", model::StatementId(3))).unwrap();
    script.sent();
    script.client(&[q("MOVE FORWARD 5 FROM c1")]);
    assert_eq!(script.sent(), format!("Q(MOVE FORWARD 5 FROM \\\"{name}\\\")"));
}

#[test]
fn our_names_are_translated_back_in_errors() {
    let mut script = Script::new();
    script.client(&[p("s1", "SELECT 1"), s(), b("", "s1", false)]);
    script.upstream(&[n(b'1'), z(b'I')]);
    let name = String::from_utf8(script.conversation.statements[&b"s1"[..]].server_name.clone()).unwrap();
    let text = format!("SERROR\0C26000\0Mprepared statement \"{name}\" does not exist\0Rx\0\0");
    script.upstream(&[m(b'E', text.as_bytes())]);
    assert!(script.told().ends_with("E(26000 prepared statement \"s1\" does not exist)"));
}

#[test]
fn an_error_at_sync_skips_nothing() {
    let mut script = Script::new();
    script.client(&[p("s", "SELECT 1"), b("", "s", false), e("", 0), s(), p("t", "SELECT 2"), s()]);
    script.upstream(&[n(b'1'), n(b'2'), t(&["a"]), c("SELECT 0"), error("23505"), z(b'I'), n(b'1'), z(b'I')]);
    let log = script.logged();
    assert!(log.contains("0 message 23505") && log.ends_with("3 done completed"), "{log}");
}

fn outputs(script: &mut Script, message: &[u8]) -> String {
    let Ok(Step::Got { item: Request::Statement(statement), consumed }) = script.conversation.request(message) else {
        panic!("no statement");
    };
    assert_eq!(consumed, message.len());
    script.conversation.permit(&statement, &mut Vec::new(), &mut Vec::new());
    format!("{:?}", statement.facts.parts[0].outputs)
}

#[test]
fn fetch_and_execute_keep_the_plan_behind_the_name() {
    let mut script = Script::new();
    script.client(&[q("BEGIN"), q("DECLARE c CURSOR FOR SELECT ssn FROM patients")]);
    script.upstream(&[c("BEGIN"), z(b'T'), c("DECLARE CURSOR"), z(b'T')]);
    assert!(outputs(&mut script, &q("FETCH 10 FROM c")).contains("ColumnRef"), "the column is known");
    script.upstream(&[t(&["ssn"]), d(&["123"]), c("FETCH 1"), z(b'T')]);
    script.client(&[q("PREPARE p AS SELECT ssn FROM patients WHERE id = $1")]);
    script.upstream(&[c("PREPARE"), z(b'T')]);
    assert!(outputs(&mut script, &q("EXECUTE p (1)")).contains("ColumnRef"));
    script.upstream(&[t(&["ssn"]), c("SELECT 0"), z(b'T')]);
    // A DECLARE that fails teaches nothing.
    script.client(&[q("DECLARE d CURSOR FOR SELECT 1")]);
    script.upstream(&[error("42P03"), z(b'E')]);
    assert!(outputs(&mut script, &q("FETCH d")).contains("Unknown"));
}

#[test]
fn a_name_is_not_believed_after_what_may_have_replaced_it() {
    let declared = || {
        let mut script = Script::new();
        script.client(&[q("BEGIN"), q("DECLARE c CURSOR FOR SELECT 1")]);
        script.upstream(&[c("BEGIN"), z(b'T'), c("DECLARE CURSOR"), z(b'T')]);
        script
    };
    // Several statements at once.
    let mut script = declared();
    script.client(&[q("CLOSE c; DECLARE c CURSOR FOR SELECT ssn FROM patients")]);
    script.upstream(&[c("CLOSE CURSOR"), c("DECLARE CURSOR"), z(b'T')]);
    assert!(matches!(script.conversation.request(&q("FETCH c")), Ok(Step::Got { consumed: 0, .. })), "settings first");
    script.upstream(&[shown("public", b'T')]);
    assert!(outputs(&mut script, &q("FETCH c")).contains("Unknown"));
    // While the replacement is on its way, FETCH waits.
    let mut script = declared();
    script.client(&[q("CLOSE c"), q("DECLARE c CURSOR FOR SELECT ssn FROM patients"), q("FETCH c")]);
    assert!(script.waiting());
    script.upstream(&[c("CLOSE CURSOR"), z(b'T'), c("DECLARE CURSOR"), z(b'T')]);
    assert!(!script.waiting());
    // Bound before, executed after.
    let mut script = declared();
    script.client(&[p("", "FETCH c"), b("f", "", false), s()]);
    script.upstream(&[n(b'1'), n(b'2'), t(&["a"]), z(b'T')]);
    script.client(&[q("CLOSE c"), q("DECLARE c CURSOR FOR SELECT ssn FROM patients")]);
    script.upstream(&[c("CLOSE CURSOR"), z(b'T'), c("DECLARE CURSOR"), z(b'T')]);
    script.sent();
    script.client(&[e("f", 0), s()]);
    assert_eq!(script.sent(), "P(affidavit_refused,affidavit refused this statement) S");
}

#[test]
fn a_statement_described_on_the_way_to_its_execution() {
    let mut script = Script::new();
    script.client(&[p("", "SELECT ssn FROM patients"), ds(""), b("", "", false), e("", 0), s()]);
    assert_eq!(script.sent(), "P(,SELECT ssn FROM patients) D(S ) B(,) E S", "nothing is asked beside it");
    script.upstream(&[n(b'1'), m(b't', b"\0\0"), t(&["ssn"]), n(b'2'), d(&["123"]), c("SELECT 1"), z(b'I')]);
    assert!(script.told().ends_with("2 D(\\x01\\x03***) C(SELECT 1) Z(I)"));
    assert!(script.logged().contains("2 columns 0 ssn; 2 rows 0 1; 2 done completed SELECT 1"));
}
