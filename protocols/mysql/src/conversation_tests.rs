//! Conversations scripted from both sides, without sockets: what a server may say, what it must not, and that it makes no
//! difference how the bytes are cut.

use crate::conversation::{MysqlConversation, Parts};
use crate::datasource::{MysqlDatasource, Owner};
use crate::message::capability::Capabilities;
use crate::message::column::ColumnDefinition;
use crate::message::column::tests::encode as definition;
use crate::message::packet;
use crate::values;
use model::{AuthMethod, Identity, Refusal, RefusalKind, Timestamp};
use proptest::prelude::*;
use std::time::Duration;
use wire::{
    Answer, CellAnswer, CellMasker, Conversation, DatasourceSpec, Request, Splice, Step, UpstreamTls, Violation,
};

/// Masks the second column by `***`.
struct Second;

impl CellMasker for Second {
    fn masks(&self, column: usize) -> bool {
        column == 1
    }

    fn mask(&mut self, _: usize, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
        match cell {
            None => CellAnswer::Keep,
            Some(b"gone") => CellAnswer::Null,
            Some(_) => {
                out.extend_from_slice(b"***");
                CellAnswer::Replaced
            }
        }
    }
}

/// A session between two scripts.
struct Session {
    conversation: MysqlConversation,
    client: Vec<u8>,
    upstream: Vec<u8>,
    journal: Vec<u8>,
    events: Vec<String>,
    unread: Vec<u8>,
    cut: usize,
    masked: bool,
    refuse: bool,
    asked: usize,
}

fn session(capabilities: Capabilities) -> Session {
    let spec = DatasourceSpec {
        name: "ehr".to_owned(),
        address: "127.0.0.1:3306".to_owned(),
        database: None,
        user: "affidavit".to_owned(),
        password: None,
        tls: UpstreamTls::Disabled,
        connect_timeout: Duration::from_secs(1),
    };
    let datasource = MysqlDatasource::new(spec).unwrap();
    let owner = Owner::of(&Identity {
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
        name: None,
        groups: Vec::new(),
        expires: Timestamp(0),
        method: AuthMethod::TokenAsPassword,
        token_id: None,
    });
    let parts = Parts {
        thread: datasource.enter(7, owner.clone()),
        owner,
        mariadb: true,
        capabilities,
        settings: sql::Settings::default(),
        datasource,
    };
    Session {
        conversation: MysqlConversation::new(parts),
        client: Vec::new(),
        upstream: Vec::new(),
        journal: Vec::new(),
        events: Vec::new(),
        unread: Vec::new(),
        cut: usize::MAX,
        masked: false,
        refuse: false,
        asked: 0,
    }
}

fn frames(first: u8, payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = first;
    for payload in payloads {
        sequence = packet::put(&mut out, sequence, payload);
    }
    out
}

fn column(name: &'static [u8], column_type: u8) -> Vec<u8> {
    let (schema, org_table): (&[u8], &[u8]) = (b"ehr", b"patients");
    let (collation, length, flags) = (45, 400, 0);
    definition(&ColumnDefinition { schema, org_table, name, org_name: name, collation, length, column_type, flags })
}

fn columns() -> [Vec<u8>; 3] {
    [vec![2], column(b"id", values::LONG), column(b"ssn", values::VAR_STRING)]
}

const EOF: &[u8] = b"\xfe\0\0\x02\0";
const EOF_MORE: &[u8] = b"\xfe\0\0\x0a\0";
const OK: &[u8] = b"\0\x01\0\x02\0\0\0";

/// The answer to our own question for the settings, in a session without DEPRECATE_EOF.
fn settings_answer() -> Vec<u8> {
    let name = column(b"x", values::VAR_STRING);
    frames(
        1,
        &[vec![3], name.clone(), name.clone(), name, EOF.to_vec(), b"\0\x07utf8mb4\x03ehr".to_vec(), EOF.to_vec()],
    )
}

impl Session {
    /// The client sends a command, which is permitted unless the session refuses.
    fn ask(&mut self, payload: &[u8]) -> Result<(), Violation> {
        let mut wire = Vec::new();
        packet::put(&mut wire, 0, payload);
        self.ask_raw(&wire)
    }

    fn ask_raw(&mut self, wire: &[u8]) -> Result<(), Violation> {
        let Step::Got { mut consumed, mut item } = self.conversation.request(wire)? else { panic!("needs more") };
        if let (0, Request::Forward(question)) = (consumed, &item) {
            // It wants to know the settings first.
            assert!(question.windows(10).any(|window| window == b"@@sql_mode"));
            assert!(matches!(self.conversation.request(wire)?, Step::Need(0)));
            self.say(&settings_answer())?;
            self.asked += 1;
            let Step::Got { consumed: again, item: next } = self.conversation.request(wire)? else { panic!("more") };
            (consumed, item) = (again, next);
        }
        assert_eq!(consumed, wire.len());
        match item {
            Request::Statement(statement) if self.refuse => {
                let refusal = Refusal::new(RefusalKind::Denied, "no");
                self.conversation.refuse(&statement, &refusal, &mut self.upstream, &mut self.client);
            }
            Request::Refused(statement, refusal) => {
                self.events.push(format!("refused {} {:?}", statement.id.0, refusal.kind));
                self.conversation.refuse(&statement, &refusal, &mut self.upstream, &mut self.client);
            }
            Request::Statement(statement) => {
                let mut extra = Vec::new();
                self.conversation.permit(&statement, &mut extra);
                assert!(extra.is_empty());
                self.upstream.extend_from_slice(&statement.wire);
                self.events.push(format!("run {} {:?}", statement.id.0, String::from_utf8_lossy(&statement.sql)));
                for param in &statement.params {
                    self.events.push(format!("param {:?}", param.value.as_deref()));
                }
            }
            Request::Forward(bytes) => self.upstream.extend_from_slice(&bytes),
            Request::Absorb => self.events.push("absorbed".to_owned()),
            Request::Terminate(_) => self.events.push("bye".to_owned()),
            Request::Data(_) => panic!("no bulk data here"),
        }
        Ok(())
    }

    /// The upstream speaks, in pieces of `cut` bytes.
    fn say(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        for piece in bytes.chunks(self.cut.min(bytes.len().max(1))) {
            self.unread.extend_from_slice(piece);
            while self.understand()? {}
        }
        Ok(())
    }

    fn understand(&mut self) -> Result<bool, Violation> {
        let unread = std::mem::take(&mut self.unread);
        let step = self.conversation.answer(&unread)?;
        let Step::Got { consumed, item } = step else {
            self.unread = unread;
            return Ok(false);
        };
        match item {
            Answer::Columns { statement, result, columns, wire } => {
                let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
                self.events.push(format!("columns {}/{result} {names:?}", statement.0));
                self.client.extend_from_slice(&wire);
            }
            Answer::Rows(batch) => {
                let mut splice = Splice::default();
                if self.masked {
                    self.conversation.splice(&batch, &mut Second, &mut splice)?;
                    self.client.extend_from_slice(&splice.wire);
                } else {
                    self.conversation.journal_rows(&batch, &mut splice.journal)?;
                    self.client.extend_from_slice(batch.wire);
                }
                self.journal.extend_from_slice(&splice.journal);
            }
            Answer::Done { statement, outcome, last, wire, .. } => {
                let affected = outcome.affected;
                self.events.push(format!("done {} {} {affected:?} {last}", statement.0, outcome.status.as_str()));
                self.client.extend_from_slice(&wire);
            }
            Answer::Message { message, wire, .. } => {
                self.events.push(format!("message {} {:?}", message.code, message.severity));
                self.client.extend_from_slice(&wire);
            }
            Answer::Forward(wire) => self.client.extend_from_slice(&wire),
            Answer::Absorb => {}
        }
        self.unread = unread[consumed..].to_vec();
        Ok(true)
    }
}

/// Every shape of answer, one after the other.
fn answers() -> Vec<(Vec<u8>, Vec<u8>)> {
    let [count, id, ssn] = columns();
    let result = |rows: &[&[u8]], end: &[u8]| {
        let mut payloads = vec![count.clone(), id.clone(), ssn.clone(), EOF.to_vec()];
        payloads.extend(rows.iter().map(|row| row.to_vec()));
        payloads.push(end.to_vec());
        payloads
    };
    let error = b"\xff\x26\x04#23000Duplicate entry 'x'".to_vec();
    let mut several = result(&[b"\x011\x03abc"], EOF_MORE);
    several.push(b"\0\x05\0\x0a\0\0\0".to_vec());
    several.extend(result(&[b"\x012\xfb"], EOF));
    let mut progress = vec![b"\xff\xff\xff\x01\x01\x02\0\0\0\x04busy".to_vec()];
    progress.extend(result(&[], EOF));
    vec![
        (b"\x03SELECT 1".to_vec(), frames(1, &result(&[b"\x011\x03abc", b"\x012\xfb", b"\x013\0"], EOF))),
        (b"\x03SELECT 2".to_vec(), frames(1, &result(&[], EOF))),
        (b"\x03UPDATE".to_vec(), frames(1, &[OK.to_vec()])),
        (b"\x03ERR".to_vec(), frames(1, std::slice::from_ref(&error))),
        (b"\x03ERR LATER".to_vec(), frames(1, &result(&[b"\x011\x03abc"], &error))),
        (b"\x03SEVERAL".to_vec(), frames(1, &several)),
        (b"\x03SLOW".to_vec(), frames(1, &progress)),
        (b"\x0e".to_vec(), frames(1, &[OK.to_vec()])),
        (b"\x09".to_vec(), frames(1, &[b"Uptime: 1".to_vec()])),
        (b"\x02ehr".to_vec(), frames(1, &[OK.to_vec()])),
        (b"\x04patients\0%".to_vec(), frames(1, &[id.clone(), ssn.clone(), EOF.to_vec()])),
        (
            b"\x16SELECT ?".to_vec(),
            frames(
                1,
                &[
                    b"\0\x01\0\0\0\x02\0\x01\0\0\0\0".to_vec(),
                    id.clone(),
                    EOF.to_vec(),
                    id.clone(),
                    ssn.clone(),
                    EOF.to_vec(),
                ],
            ),
        ),
        (
            b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x02hi".to_vec(),
            frames(1, &result(&[b"\0\0\x07\0\0\0\x03abc", b"\0\x08\x08\0\0\0", b"\0\x0c"], EOF)),
        ),
        (
            b"\x17\x01\0\0\0\x01\x01\0\0\0\0\0\x02yo".to_vec(),
            frames(1, &[count.clone(), id.clone(), ssn.clone(), b"\xfe\0\0\x42\0".to_vec()]),
        ),
        (
            b"\x1c\x01\0\0\0\x01\0\0\0".to_vec(),
            frames(1, &[b"\0\0\x07\0\0\0\x03abc".to_vec(), b"\xfe\0\0\x42\0".to_vec()]),
        ),
        (
            b"\x1c\x01\0\0\0\x01\0\0\0".to_vec(),
            frames(1, &[b"\0\0\x08\0\0\0\x04gone".to_vec(), b"\xfe\0\0\x82\0".to_vec()]),
        ),
        (b"\x1f".to_vec(), frames(1, &[OK.to_vec()])),
    ]
}

fn run(cut: usize, masked: bool) -> Session {
    let mut session = session(Capabilities(1 << 32));
    session.cut = cut;
    session.masked = masked;
    for (command, answer) in answers() {
        session.ask(&command).unwrap();
        session.say(&answer).unwrap();
        assert!(session.unread.is_empty(), "{command:?}");
    }
    session
}

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
        ("a file is asked for", frames(1, &[b"\xfb/etc/passwd".to_vec()])),
        ("a count beyond all tables", frames(1, &[b"\xfc\xff\xff".to_vec()])),
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
    session.ask(b"\x03SELECT 1").unwrap();
    assert_eq!(session.asked, 1);
    assert!(session.conversation.settings.ascii_safe_encoding);
    assert_eq!(session.conversation.settings.search_path, ["ehr"]);
    let relayed = session.client.len();
    assert_eq!(relayed, 33, "three OKs, and nothing of our own question");
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
    let session = session(Capabilities(0));
    let facts = |sql: &str| session.conversation.facts(sql.as_bytes(), &session.conversation.settings);
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
