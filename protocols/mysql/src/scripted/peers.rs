//! Peers that break the protocol, hang up, or send noise.

use super::*;
use proptest::prelude::*;

#[test]
fn hostile_upstreams_end_the_session_and_nothing_of_theirs_is_passed_on() {
    let [count, id, ssn] = columns();
    let result = [count.clone(), id.clone(), ssn.clone(), EOF.to_vec()];
    let good = frames(1, &result);
    for (what, bytes) in [
        ("a wrong sequence id", frames(2, &[OK.to_vec()])),
        (
            "a gap among the definitions",
            [frames(1, std::slice::from_ref(&count)), frames(3, std::slice::from_ref(&id))].concat(),
        ),
        ("a gap among the rows", [good.clone(), frames(6, &[b"\x011\x01x".to_vec()])].concat()),
        ("a count beyond all results", frames(1, &[b"\xfd\xff\xff\x01".to_vec()])),
        ("bytes after the count", frames(1, &[b"\x01\x01".to_vec()])),
        ("a definition cut short", frames(1, &[count.clone(), id[..9].to_vec(), ssn.clone(), EOF.to_vec()])),
        ("an empty packet", frames(1, &[Vec::new()])),
        ("an OK cut short", frames(1, &[b"\0\0".to_vec()])),
        ("an ERR cut short", frames(1, &[b"\xff\x01".to_vec()])),
        ("no EOF", frames(1, &[count.clone(), id.clone(), ssn.clone(), OK.to_vec()])),
        ("a row cut short", [good.clone(), frames(5, &[b"\x011\x09x".to_vec()])].concat()),
        ("a row too long", [good.clone(), frames(5, &[b"\x011\x01x\x01y".to_vec()])].concat()),
        ("a row without cells", [good.clone(), frames(5, &[Vec::new()])].concat()),
        ("words nobody asked for", [frames(1, &[OK.to_vec()]), frames(0, &[OK.to_vec()])].concat()),
    ] {
        for masked in [false, true] {
            let mut session = session(Capabilities(0));
            session.masked = masked;
            session.ask(b"\x03SELECT 1").unwrap();
            if what == "words nobody asked for" {
                session.say(&frames(1, &[OK.to_vec()])).unwrap();
                session.client.clear();
                assert!(session.say(&frames(0, &[OK.to_vec()])).is_err());
                assert!(session.client.is_empty());
                continue;
            }
            assert!(session.say(&bytes).is_err(), "{what}");
            assert!(session.client.is_empty() || session.client == good, "{what}");
            let due = if session.client.is_empty() { 1 } else { 5 };
            let mut out = Vec::new();
            session.conversation.farewell(&Refusal::new(RefusalKind::ProtocolViolation, "bad"), &mut out);
            assert_eq!(out[3], due, "{what}: the last words come in sequence");
        }
    }
}

#[test]
fn last_words_come_in_sequence() {
    let refusal = Refusal::new(RefusalKind::SessionExpired, "the token has expired");
    let [count, id, ssn] = columns();
    let mut session = session(Capabilities(0));
    let mut out = Vec::new();
    session.conversation.farewell(&refusal, &mut out);
    assert_eq!(out[3], 1, "to an idle client: the answer to its next command");
    session.ask(b"\x03SELECT 1").unwrap();
    session.say(&frames(1, &[count, id, ssn, EOF.to_vec(), b"\x011\x01x".to_vec()])).unwrap();
    out.clear();
    session.conversation.farewell(&refusal, &mut out);
    assert_eq!((out[3], out[4]), (6, 0xFF), "among the rows: where the next row was due");
    out.clear();
    session.conversation.goodbye(&mut out);
    assert_eq!(out, [1, 0, 0, 0, 1]);
}

#[test]
fn last_words_stand_in_the_place_of_what_is_withheld() {
    let refusal = Refusal::new(RefusalKind::CannotRecord, "the audit store is lost");
    let [count, id, ssn] = columns();
    let definitions = frames(1, &[count, id, ssn, EOF.to_vec()]);
    let row = frames(5, &[b"\x011\x01x".to_vec()]);
    let end = frames(6, &[EOF.to_vec()]);
    for (released, withheld, due) in [
        (vec![], &definitions, 1),
        (vec![&definitions], &row, 5),
        // Nothing is due any more once the end was understood.
        (vec![&definitions, &row], &end, 6),
    ] {
        let mut session = session(Capabilities(0));
        session.ask(b"\x03SELECT 1").unwrap();
        released.into_iter().for_each(|bytes| session.say(bytes).unwrap());
        let step = session.conversation.answer(withheld).unwrap();
        assert!(matches!(step, Step::Got { consumed, .. } if consumed == withheld.len()));
        session.conversation.withheld();
        let mut out = Vec::new();
        session.conversation.farewell(&refusal, &mut out);
        assert_eq!((out[3], out[4]), (due, 0xFF));
    }
    let mut out = Vec::new();
    session(Capabilities(0)).conversation.turn_away(&refusal, &mut out);
    assert_eq!((out[3], out[4]), (2, 0xFF), "in the place of the packet that ends the login");
}

#[test]
fn clients_that_break_the_protocol() {
    let mut session = session(Capabilities(0));
    assert!(session.ask_raw(b"\x01\0\0\x01\x0e").is_err(), "a command's sequence id is 0");
    assert!(session.ask(b"").is_err(), "no command byte");
    assert!(session.conversation.request(b"\xff\xff\xff\0").is_ok_and(|step| matches!(step, Step::Need(0xFF_FFFF))));
    session.ask(b"\x17\x01\0").unwrap();
    session.ask(b"\x12").unwrap();
    session.ask(b"\x1b\x09\0").unwrap();
    session.ask(b"\x19\x09\0\0\0").unwrap();
    let events = ["refused 1 ProtocolViolation", "refused 2 NotSupported", "refused 3 ProtocolViolation", "absorbed"];
    assert_eq!(session.events, events);
    assert!(session.upstream.is_empty());
}

#[test]
fn a_server_that_hangs_up_may_say_why() {
    let mut session = session(Capabilities(0));
    session.say(&frames(0, &[b"\xff\xbf\x0f#08S01idle for too long".to_vec()])).unwrap();
    assert_eq!(session.events, ["message 08S01 Fatal"]);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(command in prop::sample::select(answers()), noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut session = session(Capabilities(1 << 32));
        let _ = session.ask(&command.0);
        let _ = session.say(&noise);
        let _ = session.conversation.request(&noise);
    }

    #[test]
    fn damaged_answers_never_panic(
        at in any::<prop::sample::Index>(),
        which in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        masked in any::<bool>(),
    ) {
        let mut all = answers();
        let damaged = which.index(all.len());
        let at = at.index(all[damaged].1.len());
        all[damaged].1[at] = byte;
        let mut session = session(Capabilities(1 << 32));
        session.masked = masked;
        for (command, answer) in all {
            let mut wire = Vec::new();
            packet::put(&mut wire, 0, &command);
            if !session.unread.is_empty() || !session.conversation.due.is_empty() || session.ask_raw(&wire).is_err() || session.say(&answer).is_err() {
                break;
            }
        }
    }

    #[test]
    fn damaged_commands_never_panic(code in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut session = session(Capabilities(1 << 27));
        let mut payload = vec![code];
        payload.extend_from_slice(&body);
        let _ = session.ask(&payload);
    }
}
