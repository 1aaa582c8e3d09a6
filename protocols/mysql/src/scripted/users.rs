//! COM_CHANGE_USER from both sides.

use super::*;

const CHANGE: &[u8] = b"\x11ann\0\x02xyehr\0\x2d\0mysql_native_password\0";
const SWITCH: &[u8] = b"\x16\0\0\x01\xfemysql_clear_password\0";

fn plugged() -> Session {
    session(Capabilities::PLUGIN_AUTH)
}

/// What the conversation wants to tell the upstream by itself.
fn own_words(session: &mut Session) -> Vec<u8> {
    match session.conversation.request(b"").unwrap() {
        Step::Got { consumed: 0, item: Request::Forward(Upkeep::Answer, frames) } => frames.into_owned(),
        other => panic!("{other:?}"),
    }
}

fn token(session: &mut Session, token: &[u8]) {
    let mut wire = Vec::new();
    packet::put(&mut wire, 2, token);
    session.ask_raw(&wire).unwrap();
}

#[test]
fn the_same_token_resets_the_session() {
    let mut session = plugged();
    for (command, answer) in &answers()[11..14] {
        session.ask(command).unwrap();
        session.say(answer).unwrap();
    }
    assert_eq!(session.conversation.unanswered(), [model::StatementId(3)], "a cursor is open");
    session.client.clear();
    session.upstream.clear();
    session.ask(CHANGE).unwrap();
    assert_eq!(session.client, SWITCH);
    assert!(session.upstream.is_empty(), "the upstream hears nothing before the token is there");
    session.client.clear();
    token(&mut session, b"token\0");
    assert!(
        session.upstream.starts_with(b"\x27\0\0\0\x11affidavit\0\0ehr\0\x2d\0mysql_clear_password\0"),
        "{:?}",
        session.upstream
    );
    assert!(session.events.contains(&"run 4 \"COM_CHANGE_USER ann, database ehr\"".to_owned()), "{:?}", session.events);
    session.say(&frames(1, &[b"\xfemysql_native_password\0abcdefghijklmnopqrst\0".to_vec()])).unwrap();
    assert!(session.client.is_empty(), "nor does the client hear of our own login");
    assert_eq!(own_words(&mut session), b"\0\0\0\x02", "an empty password");
    let mut out = Vec::new();
    session.conversation.farewell(&Refusal::new(RefusalKind::ShuttingDown, "bye"), &mut out);
    assert_eq!(out[3], 3, "last words come in the client's sequence");
    session.say(&frames(3, &[OK.to_vec()])).unwrap();
    assert_eq!(session.client, frames(3, &[OK.to_vec()]));
    assert!(session.events.contains(&"done 4 completed None true".to_owned()));
    while session.understand().unwrap() {}
    assert!(session.conversation.unanswered().is_empty(), "the cursor is closed");
    session.ask(b"\x17\x01\0\0\0\0\x01\0\0\0\0\0\x02yo").unwrap();
    assert!(session.events.last().unwrap().starts_with("refused"), "prepared statements are forgotten");
    session.ask(b"\x03SELECT id FROM patients").unwrap();
    assert_eq!(session.asked, 1, "and the settings are asked for");
}

#[test]
fn another_token_changes_nothing() {
    for other in [&b"another\0"[..], b"\0", b"", b"token\0\0"] {
        let mut session = plugged();
        session.ask(CHANGE).unwrap();
        session.client.clear();
        token(&mut session, other);
        let said = String::from_utf8_lossy(&session.client).into_owned();
        assert!(said.contains("open a new connection") && said.contains("#28000") && session.client[3] == 3, "{said}");
        assert!(session.upstream.is_empty());
        session.ask(b"\x0e").unwrap();
    }
}

#[test]
fn an_exchanged_credential_is_told_to_open_another_connection() {
    let mut session = plugged();
    session.conversation.opened_by = None;
    session.ask(CHANGE).unwrap();
    assert_eq!(session.events, ["refused 1 NotSupported"]);
    assert!(String::from_utf8_lossy(&session.client).contains("open a new connection"));
    session.ask(b"\x0e").unwrap();
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut session = plugged();
    session.ask(b"\x11ann\0\x09xy").unwrap();
    assert_eq!(session.events, ["refused 1 ProtocolViolation"]);
    session.ask(CHANGE).unwrap();
    let mut wire = Vec::new();
    packet::put(&mut wire, 5, b"token\0");
    assert!(session.conversation.request(&wire).is_err(), "a gap");
    // The upstream does not take us back: in our words, for its own speak of another user.
    let mut session = plugged();
    session.ask(CHANGE).unwrap();
    token(&mut session, b"token\0");
    session.client.clear();
    session.say(&frames(1, &[b"\xff\x15\x04#28000Access denied for user 'affidavit'@'x'".to_vec()])).unwrap();
    let said = String::from_utf8_lossy(&session.client).into_owned();
    assert!(said.contains("datasource ehr cannot be used") && session.client[3] == 3, "{said}");
    // It wants the password in the clear, without TLS.
    let mut session = plugged();
    session.ask(CHANGE).unwrap();
    token(&mut session, b"token\0");
    assert!(session.say(&frames(1, &[b"\xfemysql_clear_password\0\0".to_vec()])).is_err());
    // Or goes on for ever.
    let mut session = plugged();
    session.ask(CHANGE).unwrap();
    token(&mut session, b"token\0");
    session.say(&frames(1, &[b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0".to_vec()])).unwrap();
    own_words(&mut session);
    let endless: Vec<Vec<u8>> = vec![b"\x01\x03".to_vec(); 40];
    assert!(session.say(&frames(3, &endless)).is_err());
}
