//! The second lock: SET ROLE goes out in front of what needs another role, its answers stay here, and a session that stays
//! in one class sends nothing of ours.

use super::*;
use wire::LockState;

const WIRE: &str = "P(~,SET ROLE \"app_wire\") B(~,~) E(~) C(P ~) C(S ~)";
const MASKED: &str = "P(~,SET ROLE \"app_masked\") B(~,~) E(~) C(P ~) C(S ~)";

/// The upstream has set a role: the answers to our messages, without the Sync's.
fn set() -> Vec<u8> {
    [m(b'1', b""), m(b'2', b""), c("SET"), m(b'3', b""), m(b'3', b"")].concat()
}

/// One Query, and its answer without rows.
fn one(script: &mut Script, sql: &str, tag: &str, state: u8) -> String {
    script.client(&[q(sql)]);
    let sent = script.sent();
    let mut answer = if sent.contains("SET ROLE") { [set(), z(state)].concat() } else { Vec::new() };
    answer.extend([c(tag), z(state)].concat());
    script.upstream(&[answer]);
    assert_eq!(script.told(), format!("C({tag}) Z({})", char::from(state)), "{sql}");
    sent
}

#[test]
fn a_session_of_one_class_sends_nothing_of_ours() {
    let mut script = Script::locked();
    for sql in ["SELECT id FROM patients", "BEGIN", "SELECT 1", "COMMIT", "SELECT 2"] {
        let state = if matches!(sql, "BEGIN" | "SELECT 1") { b'T' } else { b'I' };
        assert_eq!(one(&mut script, sql, sql.split(' ').next().unwrap(), state), format!("Q({sql})"));
    }
    for _ in 0..2 {
        script.client(&[p("", "SELECT 1"), b("", "", false), e("", 0), s()]);
        assert!(!script.sent().contains("SET ROLE"));
        let answers = [m(b'1', b""), m(b'2', b""), m(b'n', b""), c("SELECT 0"), z(b'I')];
        script.upstream(&answers);
        script.told();
    }
}

#[test]
fn another_class_sets_the_role_once() {
    let mut script = Script::locked();
    let ssn = "SELECT ssn FROM patients";
    assert_eq!(one(&mut script, ssn, "SELECT 0", b'I'), format!("{WIRE} S Q({ssn})"));
    assert_eq!(one(&mut script, ssn, "SELECT 0", b'I'), format!("Q({ssn})"));
    assert_eq!(one(&mut script, "SELECT 1", "SELECT 1", b'I'), format!("{MASKED} S Q(SELECT 1)"));
    assert_eq!(one(&mut script, "SELECT 2", "SELECT 1", b'I'), "Q(SELECT 2)");
}

#[test]
fn the_end_of_a_transaction_may_take_the_role_back() {
    let mut script = Script::locked();
    let ssn = "SELECT ssn FROM patients";
    assert_eq!(one(&mut script, "BEGIN", "BEGIN", b'T'), "Q(BEGIN)");
    assert_eq!(one(&mut script, ssn, "SELECT 0", b'T'), format!("{WIRE} S Q({ssn})"));
    assert_eq!(one(&mut script, ssn, "SELECT 0", b'T'), format!("Q({ssn})"));
    assert_eq!(one(&mut script, "COMMIT", "COMMIT", b'I'), "Q(COMMIT)");
    assert_eq!(one(&mut script, ssn, "SELECT 0", b'I'), format!("Q({ssn})"), "committed with the transaction");
    assert_eq!(one(&mut script, "BEGIN", "BEGIN", b'T'), "Q(BEGIN)");
    assert_eq!(one(&mut script, "SELECT 1", "SELECT 1", b'T'), format!("{MASKED} S Q(SELECT 1)"));
    assert_eq!(one(&mut script, "ROLLBACK", "ROLLBACK", b'I'), "Q(ROLLBACK)");
    assert_eq!(one(&mut script, ssn, "SELECT 0", b'I'), format!("{WIRE} S Q({ssn})"), "not known, so set");
    assert_eq!(one(&mut script, "BEGIN", "BEGIN", b'T'), "Q(BEGIN)");
    assert_eq!(one(&mut script, "ROLLBACK", "ROLLBACK", b'I'), "Q(ROLLBACK)");
    assert_eq!(one(&mut script, ssn, "SELECT 0", b'I'), format!("Q({ssn})"), "set before the transaction");
}

#[test]
fn a_failed_transaction_needs_no_role_to_end() {
    let mut script = Script::locked();
    one(&mut script, "BEGIN", "BEGIN", b'T');
    script.client(&[q("SELECT ssn FROM patients WHERE ssn = 'x'")]);
    script.sent();
    script.upstream(&[[set(), z(b'T')].concat(), error("22P02"), z(b'E')]);
    assert_eq!(script.told(), "E(22P02 failed) Z(E)");
    script.client(&[q("SELECT 1")]);
    assert_eq!(script.sent(), "Q(SELECT 1)", "it fails as it is");
    script.upstream(&[error("25P02"), z(b'E')]);
    assert_eq!(script.told(), "E(25P02 failed) Z(E)");
    assert_eq!(one(&mut script, "ROLLBACK", "ROLLBACK", b'I'), "Q(ROLLBACK)");
    assert_eq!(one(&mut script, "SELECT 1", "SELECT 1", b'I'), format!("{MASKED} S Q(SELECT 1)"));
}

#[test]
fn what_is_pipelined_behind_an_end_does_not_rely_on_it() {
    let mut script = Script::locked();
    one(&mut script, "BEGIN", "BEGIN", b'T');
    let ssn = "SELECT ssn FROM patients";
    script.client(&[q(ssn), q("COMMIT"), q(ssn)]);
    assert_eq!(script.sent(), format!("{WIRE} S Q({ssn}) Q(COMMIT) {WIRE} S Q({ssn})"));
    script.upstream(&[[set(), z(b'T')].concat(), error("42P01"), z(b'E'), c("ROLLBACK"), z(b'I')]);
    script.upstream(&[[set(), z(b'I')].concat(), c("SELECT 0"), z(b'I')]);
    assert_eq!(script.told(), "E(42P01 failed) Z(E) C(ROLLBACK) Z(I) C(SELECT 0) Z(I)");
}

#[test]
fn within_a_segment_roles_change_without_ending_it() {
    let mut script = Script::locked();
    script.client(&[p("", "SELECT ssn FROM patients"), b("", "", false), e("", 0)]);
    script.client(&[p("", "SELECT 1"), b("", "", false), e("", 0), s()]);
    let sent = script.sent();
    assert!(sent.starts_with(&format!("{WIRE} S P(,SELECT ssn FROM patients) B(,)")), "{sent}");
    assert!(sent.contains(&format!("E {MASKED} P(,SELECT 1) B(,)")), "{sent}");
    let rows = |tag: &str| [m(b'1', b""), m(b'2', b""), m(b'n', b""), c(tag)].concat();
    script.upstream(&[[set(), z(b'I')].concat(), rows("SELECT 0"), set(), rows("SELECT 1"), z(b'I')]);
    assert_eq!(script.told(), "1 2 C(SELECT 0) 1 2 C(SELECT 1) Z(I)");
    assert_eq!(one(&mut script, "SELECT 2", "SELECT 1", b'I'), "Q(SELECT 2)", "the segment ended well");
}

#[test]
fn a_portal_runs_with_the_role_of_its_statement() {
    let mut script = Script::locked();
    one(&mut script, "BEGIN", "BEGIN", b'T');
    script.client(&[p("w", "SELECT ssn FROM patients"), p("m", "SELECT 1"), s()]);
    script.sent();
    let parsed = [set(), z(b'T'), m(b'1', b""), set(), m(b'1', b""), z(b'T')].concat();
    script.upstream(&[parsed]);
    script.told();
    script.client(&[b("a", "w", false), b("b", "m", false), e("a", 1), e("b", 1), s()]);
    let sent = script.sent();
    let roles: Vec<&str> = sent.split("SET ROLE \"app_").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(roles, ["wire", "masked", "wire", "masked"], "{sent}");
}

#[test]
fn clients_take_no_roles() {
    let mut script = Script::locked();
    for sql in [
        "SET ROLE app_wire",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION app",
        "SELECT set_config('role', 'app_wire', false)",
        "ALTER ROLE app_masked PASSWORD 'x'",
        "GRANT app_wire TO app_masked",
    ] {
        script.client(&[q(sql)]);
        assert_eq!(script.sent(), "Q(affidavit refused this statement)", "{sql}");
        script.upstream(&[error("42601"), z(b'I')]);
        assert!(script.told().contains("E(42501 roles, "), "{sql}");
    }
}

#[test]
fn what_resets_the_role_makes_us_set_it_again() {
    let mut script = Script::locked();
    one(&mut script, "DISCARD ALL", "DISCARD ALL", b'I');
    script.client(&[q("SELECT 1")]);
    // The settings are asked for first, as ever.
    assert_eq!(script.sent(), ASKED);
    script.upstream(&[shown("public", b'I')]);
    assert_eq!(script.sent(), format!("{MASKED} S Q(SELECT 1)"));
}

#[test]
fn a_lock_out_of_order_lets_nothing_run() {
    let mut script = Script::locked();
    script.conversation.source.set_lock(LockState::Broken("role app_wire does not exist".into()));
    script.client(&[q("SELECT 1")]);
    assert_eq!(script.sent(), "Q(affidavit refused this statement)");
    script.upstream(&[error("42601"), z(b'I')]);
    let told = script.told();
    assert!(told.contains("second lock") && told.contains("role app_wire does not exist"), "{told}");
}

#[test]
fn a_role_that_cannot_be_taken_ends_the_lock() {
    let mut script = Script::locked();
    script.client(&[q("SELECT ssn FROM patients")]);
    script.sent();
    script.upstream(&[error("42501"), z(b'I'), error("42501"), z(b'I')]);
    assert_eq!(script.told(), "E(42501 failed) Z(I)", "the masked role may not read it");
    script.client(&[q("SELECT 1")]);
    assert_eq!(script.sent(), "Q(affidavit refused this statement)");
}
