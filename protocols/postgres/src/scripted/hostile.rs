//! Input that nobody meant well: random, cut anywhere, out of order. Nothing panics, nothing grows without bound.

use super::*;
use proptest::prelude::*;

fn conversation_of(both: &[(bool, Vec<u8>)], piece: usize) -> (Vec<u8>, Vec<u8>, Vec<u8>, String) {
    let mut script = Script::new();
    script.foresee = piece.is_multiple_of(2);
    for (client, bytes) in both {
        for piece in bytes.chunks(piece) {
            let fed = if *client { script.try_client(piece) } else { script.try_upstream(piece) };
            fed.expect("both keep to the protocol");
        }
    }
    let prefix = script.conversation.names.at_upstream(b"x", model::StatementId(0));
    let secret = prefix[10..26].to_vec();
    let hide = |bytes: Vec<u8>| {
        let mut bytes = bytes;
        while let Some(at) = memchr::memmem::find(&bytes, &secret) {
            bytes[at..at + 16].fill(b'x');
        }
        bytes
    };
    (hide(script.to_upstream.clone()), script.to_client.clone(), script.journal.clone(), script.logged())
}

/// A session with a bit of everything.
fn session() -> Vec<(bool, Vec<u8>)> {
    let n = |tag| m(tag, b"");
    let copy = [m(b'd', b"1\t12\n3\t"), m(b'd', b"4\n")].concat();
    vec![
        (true, q("SELECT id, ssn FROM patients; SELECT 1")),
        (
            false,
            [t(&["id", "ssn"]), d(&["1", "123-45"]), d(&["2", "x"]), c("SELECT 2"), t(&["a"]), c("SELECT 0"), z(b'I')]
                .concat(),
        ),
        (
            true,
            [p("s", "SELECT ssn FROM patients"), b("", "s", false), e("", 0), s(), p("t", "SELECT 'DENY'"), s()]
                .concat(),
        ),
        (
            false,
            [n(b'1'), n(b'2'), t(&["ssn"]), d(&["123"]), d(&["456"]), c("SELECT 2"), z(b'I'), error("42601"), z(b'I')]
                .concat(),
        ),
        (true, q("COPY patients (id, ssn) TO STDOUT")),
        (false, [m(b'H', &[0, 0, 2, 0, 0, 0, 0]), copy, n(b'c'), c("COPY 2"), z(b'I')].concat()),
        (true, q("COPY patients FROM STDIN")),
        (false, m(b'G', &[0, 0, 1, 0, 0])),
        (true, [m(b'd', b"some data"), n(b'c')].concat()),
        (false, [c("COPY 1"), z(b'I')].concat()),
        (true, q("SELECT name FROM patients")),
        (false, [t(&["name"]), d(&["a name"]), d(&["another name, a bit longer"]), c("SELECT 2"), z(b'I')].concat()),
    ]
}

#[test]
fn cutting_the_input_anywhere_changes_nothing() {
    let whole = conversation_of(&session(), usize::MAX);
    let text = String::from_utf8_lossy(&whole.1).into_owned();
    assert!(!text.contains("123") && text.contains("another name"));
    for piece in 1..80 {
        let pieces = conversation_of(&session(), piece);
        assert_eq!(pieces.0, whole.0, "upstream, pieces of {piece}");
        assert_eq!(pieces.2, whole.2, "journal, pieces of {piece}");
        assert_eq!(pieces.3, whole.3, "log, pieces of {piece}");
        // A row of COPY that spanned frames may go out in one; everything else is the same bytes.
        assert_eq!(pieces.1, whole.1, "client, pieces of {piece}");
    }
}

#[test]
fn lengths_that_lie_are_refused_at_once() {
    for tag in *b"QPBEDCHSXdcfpF" {
        let mut script = Script::new();
        assert!(script.try_client(&[tag, 0, 0, 0, 3]).is_err(), "{tag}");
        let mut script = Script::new();
        let large = script.try_client(&[tag, 0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(large.is_err(), tag != b'd', "{}: only data may be that long", char::from(tag));
    }
    for tag in *b"TtnC123sIEZNASGHcK" {
        let mut script = Script::new();
        assert!(script.try_upstream(&[tag, 0x7f, 0xff, 0xff, 0xff]).is_err(), "{tag}");
    }
}

#[test]
fn answers_that_nothing_asked_for_end_the_session() {
    for tag in *b"TtnCD123sIZGHcdKRVWv" {
        let mut script = Script::new();
        let body: &[u8] = match tag {
            b'C' => b"SELECT 1\0",
            b'Z' => b"I",
            b'G' | b'H' => b"\0\0\0",
            b'T' | b'D' | b't' => b"\0\0",
            _ => b"",
        };
        assert!(script.try_upstream(&m(tag, body)).is_err(), "{}", char::from(tag));
    }
}

#[test]
fn operations_in_flight_are_bounded() {
    let mut script = Script::new();
    let syncs = s().repeat(10_000);
    while !script.waiting() {
        script.client(std::slice::from_ref(&syncs));
        assert!(script.to_upstream.len() < 10_000_000, "the queue grows without bound");
    }
    assert!(script.to_upstream.len() > 100_000 * 5, "real pipelines fit");
    // Each answer makes room.
    script.to_upstream.clear();
    script.upstream(&[z(b'I'), z(b'I')]);
    assert_eq!(script.sent(), "S S");
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let names = prop_oneof![Just(""), Just("a"), Just("b")];
    let texts = prop_oneof![
        Just("SELECT ssn FROM patients"),
        Just("SELECT 1; SELECT 2"),
        Just("BEGIN"),
        Just("COPY patients FROM STDIN"),
        Just("COPY patients (id, ssn) TO STDOUT"),
        Just("DENY"),
        Just("SET search_path = x"),
        Just("DEALLOCATE a"),
        Just(""),
    ];
    (0..16_u8, names.clone(), names, texts, proptest::collection::vec(any::<u8>(), 0..12)).prop_map(
        |(kind, name, other, text, raw)| match kind {
            0 | 1 => q(text),
            2 | 3 => p(name, text),
            4 | 5 => b(name, other, raw.len() % 2 == 0),
            6 | 7 => e(name, i32::try_from(raw.len() % 2).unwrap()),
            8 => ds(name),
            9 => dp(name),
            10 => cs(name),
            11 => cp(name),
            12 => m(b'd', &raw),
            13 => m(b'c', b""),
            14 => raw,
            _ => s(),
        },
    )
}

fn any_answer() -> impl Strategy<Value = Vec<u8>> {
    (0..20_u8, proptest::collection::vec(any::<u8>(), 0..12)).prop_map(|(kind, raw)| match kind {
        0 | 1 => t(&["ssn"]),
        2 => t(&["id", "ssn"]),
        3 | 4 => d(&["123"]),
        5 => d(&["1", "123"]),
        6 | 7 => c("SELECT 1"),
        8 | 9 => z([b'I', b'T', b'E'][raw.len() % 3]),
        10 => error("42601"),
        11 => m(b'1', b""),
        12 => m(b'2', b""),
        13 => m(b'3', b""),
        14 => m(b's', b""),
        15 => m(b'n', b""),
        16 => m(b'H', &[0, 0, 2, 0, 0, 0, 0]),
        17 => m(b'd', b"1\t123\n"),
        18 => m(b'G', &[0, 0, 1, 0, 0]),
        _ => raw,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(client in proptest::collection::vec(any::<u8>(), 0..300), upstream in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut script = Script::new();
        let _ = script.try_client(&client);
        let _ = script.try_upstream(&upstream);
    }

    /// Whatever both sides send in whatever order, an `ssn` never passes, and each statement ends at most once.
    #[test]
    fn random_conversations_leak_nothing(steps in proptest::collection::vec((any_request(), any_answer(), any::<bool>()), 1..60)) {
        let mut script = Script::new();
        for (request, answer, first) in steps {
            let fed = if first { script.try_client(&request) } else { script.try_upstream(&answer) };
            if fed.is_err() {
                break;
            }
        }
        let told = String::from_utf8_lossy(&script.to_client).into_owned();
        prop_assert!(!told.contains("123"), "{told}");
        let log = std::mem::take(&mut script.log);
        let mut ended: Vec<_> = log.iter().filter(|line| line.contains(" done ")).map(|line| line.split(' ').next()).collect();
        let all = ended.len();
        ended.sort_unstable();
        ended.dedup();
        prop_assert_eq!(ended.len(), all, "a statement ended twice: {:?}", log);
    }
}
