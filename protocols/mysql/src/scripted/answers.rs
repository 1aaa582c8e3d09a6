//! What answers mean, and what becomes of statements that are refused or left behind.

use super::*;

#[test]
fn unmasked_answers_pass_as_they_are_and_every_statement_ends_once() {
    let session = run(usize::MAX, false);
    let sent: Vec<u8> = answers().into_iter().flat_map(|(_, answer)| answer).collect();
    assert_eq!(session.client, sent);
    let events = session.events.join("\n");
    for line in [
        "columns 1/0 [\"id\", \"ssn\"]",
        "done 3 completed Some(1) true",
        "done 4 failed None true",
        "done 5 failed None true",
        "columns 6/2 [\"id\", \"ssn\"]",
        "done 6 completed Some(5) false",
        "param Some([104, 105])",
        "done 12 completed None true",
    ] {
        assert!(events.contains(line), "{line} in\n{events}");
    }
    let ended = session.events.iter().filter(|event| event.starts_with("done") && event.ends_with("true")).count();
    assert_eq!(ended, session.events.iter().filter(|event| event.starts_with("run")).count());
    assert!(session.conversation.unanswered().is_empty());
    assert!(
        session
            .journal
            .starts_with(b"D\0\0\0\x12\0\x02\0\0\0\x011\0\0\0\x03abcD\0\0\0\x0f\0\x02\0\0\0\x012\xff\xff\xff\xff")
    );
}

#[test]
fn it_makes_no_difference_how_the_bytes_are_cut() {
    for masked in [false, true] {
        let whole = run(usize::MAX, masked);
        for cut in 1..40 {
            let pieces = run(cut, masked);
            assert_eq!(whole.client, pieces.client, "{cut}");
            assert_eq!(whole.events, pieces.events, "{cut}");
            assert_eq!(whole.journal, pieces.journal, "{cut}");
        }
    }
}

#[test]
fn masked_cells_are_replaced_in_text_binary_and_cursor_rows() {
    let session = run(usize::MAX, true);
    let holds = |haystack: &[u8], needle: &[u8]| haystack.windows(needle.len()).any(|window| window == needle);
    for haystack in [&session.client, &session.journal] {
        assert!(!holds(haystack, b"abc") && holds(haystack, b"***"));
    }
    // Text: NULL stays NULL, empty does not stay empty. Binary: `gone` sets the NULL bit.
    assert!(holds(&session.client, b"\x06\0\0\x05\x011\x03***\x03\0\0\x06\x012\xfb\x06\0\0\x07\x013\x03***"));
    assert!(holds(&session.client, b"\x0a\0\0\x05\0\0\x07\0\0\0\x03***"));
    assert!(holds(&session.client, b"\x06\0\0\x01\0\x08\x08\0\0\0\x05\0\0\x02\xfe"));
}

#[test]
fn refusals_keep_what_the_client_believes_it_has_sent() {
    let [_, id, _] = columns();
    let mut session = session(Capabilities(0));
    session.ask(b"\x16INSERT ?").unwrap();
    session.say(&frames(1, &[b"\0\x01\0\0\0\0\0\x01\0\0\0\0".to_vec(), id, EOF.to_vec()])).unwrap();
    session.ask(b"\x18\x01\0\0\0\0\0long").unwrap();
    session.refuse = true;
    session.upstream.clear();
    session.client.clear();
    session.ask(b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfc\0").unwrap();
    assert_eq!(session.client, b"\x0b\0\0\x01\xff\x76\x04#42000no", "answered at once, in sequence");
    assert_eq!(session.upstream, b"\x05\0\0\0\x1a\x01\0\0\0", "the long data is taken back");
    let mut wire = Vec::new();
    packet::put(&mut wire, 0, b"\x0e");
    assert!(matches!(session.conversation.request(&wire), Ok(Step::Need(0))), "not before that is done");
    session.say(&frames(1, &[OK.to_vec()])).unwrap();
    assert_eq!(session.client.len(), 15, "the client does not hear of it");
    session.refuse = false;
    session.upstream.clear();
    session.ask(b"\x17\x01\0\0\0\0\x01\0\0\0\0\0\x02hi").unwrap();
    assert_eq!(session.upstream, b"\x11\0\0\0\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfc\0\x02hi", "with the types");
    session.say(&frames(1, &[OK.to_vec()])).unwrap();
    session.upstream.clear();
    session.ask(b"\x17\x01\0\0\0\0\x01\0\0\0\0\0\x02hi").unwrap();
    assert_eq!(session.upstream, b"\x0f\0\0\0\x17\x01\0\0\0\0\x01\0\0\0\0\0\x02hi", "which are there now");
}

#[test]
fn a_closed_cursor_ends_its_statement() {
    for close in [&b"\x19\x01\0\0\0"[..], b"\x1a\x01\0\0\0"] {
        let mut session = session(Capabilities(0));
        for (command, answer) in &answers()[11..14] {
            session.ask(command).unwrap();
            session.say(answer).unwrap();
        }
        assert_eq!(session.conversation.unanswered(), [model::StatementId(3)]);
        session.ask(close).unwrap();
        if close[0] == 0x1A {
            session.say(&frames(1, &[OK.to_vec()])).unwrap();
        } else {
            session.say(b"").unwrap();
            while session.understand().unwrap() {}
        }
        assert!(session.events.contains(&"done 3 completed None true".to_owned()), "{:?}", session.events);
        assert!(session.conversation.unanswered().is_empty());
    }
}

#[test]
fn settings_are_asked_for_before_the_next_text_and_not_before_a_look_at_the_warnings() {
    let mut session = session(Capabilities(0));
    session.ask(b"\x1f").unwrap();
    session.say(&frames(1, &[OK.to_vec()])).unwrap();
    session.ask(b"\x0e").unwrap();
    session.say(&frames(1, &[OK.to_vec()])).unwrap();
    session.ask(b"\x03SHOW WARNINGS").unwrap();
    assert_eq!(session.asked, 0);
    session.say(&frames(1, &[OK.to_vec()])).unwrap();
    session.ask(b"\x03SELECT ROW_COUNT() AS n").unwrap();
    assert_eq!(
        session.asked, 0,
        "what means the same under every setting needs no question, which would wipe this out"
    );
    session.say(&frames(1, &[OK.to_vec()])).unwrap();
    session.ask(b"\x03SELECT id FROM patients").unwrap();
    assert_eq!(session.asked, 1);
    assert!(session.conversation.settings.ascii_safe_encoding);
    assert_eq!(session.conversation.settings.search_path, ["ehr"]);
    let relayed = session.client.len();
    assert_eq!(relayed, 44, "four OKs, and nothing of our own question");
}

#[test]
fn an_ok_follows_out_parameters_also_where_their_end_forgets_to_say_so() {
    // MySQL forgets, MariaDB does not.
    for end in [EOF, b"\xfe\0\0\x0a\x10"] {
        let [count, id, ssn] = columns();
        let mut session = session(Capabilities(0));
        session.ask(b"\x16CALL two(?)").unwrap();
        session.say(&answers()[11].1).unwrap();
        session.ask(b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x02hi").unwrap();
        let row = b"\0\0\x07\0\0\0\x03abc".to_vec();
        let answer = [count, id, ssn, b"\xfe\0\0\x0a\x10".to_vec(), row, end.to_vec(), OK.to_vec()];
        session.say(&frames(1, &answer)).unwrap();
        let ends = ["done 2 completed None false".to_owned(), "done 2 completed Some(1) true".to_owned()];
        assert!(session.events.ends_with(&ends), "{:?}", session.events);
    }
}

#[test]
fn what_the_analysis_says_decides_when_the_settings_are_asked_for() {
    let mut session = session(Capabilities(0));
    let settings = session.conversation.settings.clone();
    let mut facts = |sql: &str| session.conversation.facts(sql.as_bytes(), &settings);
    for sql in ["USE `ehr`", "SHOW COLUMNS FROM `patients`", "SELECT 1", "SHOW WARNINGS", "SET NAMES utf8mb4"] {
        assert_eq!(facts(sql).unparsed, None, "{sql}");
    }
    for sql in [
        "USE `ehr`",
        "SET NAMES latin1",
        "SET sql_mode = ''",
        "SET @@session.sql_mode = @x",
        "CALL p()",
        "SELECT f(1)",
        "SELEC",
    ] {
        assert!(crate::settings::may_change(&facts(sql)), "{sql}: {:?}", facts(sql));
    }
    for sql in [
        "SELECT 1",
        "SELECT 1 + 1",
        "SET autocommit = 0",
        "SET @x = 1",
        "START TRANSACTION",
        "COMMIT",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET time_zone = '+00:00'",
    ] {
        assert!(!crate::settings::may_change(&facts(sql)), "{sql}: {:?}", facts(sql));
    }
}

#[test]
fn a_row_may_begin_like_an_ok_a_null_or_an_end() {
    // 0x00: an empty first cell. 0xFB: a first cell that is NULL. 0xFE: a first cell of 16 MiB or more. Each would be
    // something else as the first packet of an answer.
    let [count, id, ssn] = columns();
    let mut long = b"\xfe".to_vec();
    long.extend_from_slice(&(packet::LONGEST as u64 + 1).to_le_bytes());
    long.resize(long.len() + packet::LONGEST + 1, b'x');
    long.extend_from_slice(b"\x03abc");
    let rows = [b"\0\x03abc".to_vec(), b"\xfb\x03abc".to_vec(), b"\xfb\xfb".to_vec(), long];
    for (capabilities, end) in
        [(Capabilities(0), EOF.to_vec()), (Capabilities::DEPRECATE_EOF, b"\xfe\0\0\x02\0\0\0".to_vec())]
    {
        for masked in [false, true] {
            let mut session = session(capabilities);
            session.masked = masked;
            let mut payloads = vec![count.clone(), id.clone(), ssn.clone()];
            if capabilities.0 == 0 {
                payloads.push(EOF.to_vec());
            }
            payloads.extend(rows.iter().cloned());
            payloads.push(end.clone());
            session.ask(b"\x03SELECT 1").unwrap();
            let answer = frames(1, &payloads);
            session.say(&answer).unwrap();
            assert_eq!(session.events.last().unwrap(), "done 1 completed None true", "{:?}", session.events);
            assert_eq!(session.client == answer, !masked);
            assert!(!masked || !session.client.windows(4).any(|window| window == b"\x03abc"));
            assert_eq!(session.client.len(), answer.len(), "the mask is as long as what it hides");
        }
    }
}
