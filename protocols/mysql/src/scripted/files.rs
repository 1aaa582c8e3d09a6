//! LOCAL INFILE from both sides: what gets a file, under which name, and what becomes of a request for one that must not
//! be had.

use super::*;

const LOAD: &[u8] = b"\x03LOAD DATA LOCAL INFILE '/tmp/a.csv' INTO TABLE ehr.many";

fn offered() -> Session {
    session(Capabilities::LOCAL_FILES)
}

fn asks(name: &[u8]) -> Vec<u8> {
    frames(1, &[[b"\xfb", name].concat()])
}

/// Sends bytes of the client as they come, in pieces of `cut` bytes.
fn send(session: &mut Session, bytes: &[u8], cut: usize) {
    let mut unread: Vec<u8> = Vec::new();
    for piece in bytes.chunks(cut) {
        unread.extend_from_slice(piece);
        while let Step::Got { consumed, item } = session.conversation.request(&unread).unwrap() {
            let Request::Data(data) = item else { panic!("not data: {item:?}") };
            session.upstream.extend_from_slice(data);
            unread.drain(..consumed);
            if unread.is_empty() {
                break;
            }
        }
    }
    assert!(unread.is_empty());
}

#[test]
fn a_file_is_passed_on_counted_and_hashed() {
    let mut data = frames(2, &[b"1,2\n".to_vec(), vec![b'x'; 300], Vec::new()]);
    let content = [&b"1,2\n"[..], &[b'x'; 300]].concat();
    let digest: String =
        <sha2::Sha256 as sha2::Digest>::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    for cut in [1, 3, 7, 1000] {
        let mut session = offered();
        session.ask(LOAD).unwrap();
        session.upstream.clear();
        session.say(&asks(b"/tmp/a.csv")).unwrap();
        assert_eq!(session.client, asks(b"/tmp/a.csv"));
        session.client.clear();
        send(&mut session, &data, cut);
        assert_eq!(session.upstream, data, "{cut}");
        session.tags.clear();
        session.say(&frames(5, &[OK.to_vec()])).unwrap();
        assert_eq!(session.client, frames(5, &[OK.to_vec()]));
        assert_eq!(session.tags, [format!("LOAD DATA LOCAL 304 bytes sha256:{digest}")]);
        session.ask(b"\x0e").unwrap();
    }
    // An error after it ends the statement as well, and the file stays on record.
    let mut session = offered();
    session.ask(LOAD).unwrap();
    session.say(&asks(b"/tmp/a.csv")).unwrap();
    send(&mut session, &data, 9);
    session.say(&frames(5, &[b"\xff\x26\x04#23000Duplicate entry".to_vec()])).unwrap();
    assert!(session.tags[0].starts_with("LOAD DATA LOCAL 304 bytes"), "{:?}", session.tags);
    // A client that does not want to sends the empty packet at once.
    data = frames(2, &[Vec::new()]);
    let mut session = offered();
    session.ask(LOAD).unwrap();
    session.say(&asks(b"/tmp/a.csv")).unwrap();
    send(&mut session, &data, 9);
    session.say(&frames(3, &[OK.to_vec()])).unwrap();
    assert!(session.tags[0].starts_with("LOAD DATA LOCAL 0 bytes"), "{:?}", session.tags);
}

#[test]
fn ids_wrap_and_a_packet_as_long_as_can_be_needs_another() {
    let mut session = offered();
    session.ask(LOAD).unwrap();
    session.say(&asks(b"/tmp/a.csv")).unwrap();
    let mut payloads = vec![b"x".to_vec(); 260];
    payloads.push(Vec::new());
    let wrapped = frames(2, &payloads);
    send(&mut session, &wrapped, 500);
    session.say(&frames(7, &[OK.to_vec()])).unwrap();
    assert!(session.tags[0].starts_with("LOAD DATA LOCAL 260 bytes"), "{:?}", session.tags);
    let mut session = offered();
    session.ask(LOAD).unwrap();
    session.say(&asks(b"/tmp/a.csv")).unwrap();
    // The empty packet after a full one ends that, and not the file.
    let long = frames(2, &[vec![b'y'; packet::LONGEST], b"z".to_vec(), Vec::new()]);
    send(&mut session, &long, 1 << 20);
    session.say(&frames(6, &[OK.to_vec()])).unwrap();
    assert!(session.tags[0].starts_with("LOAD DATA LOCAL 16777216 bytes"), "{:?}", session.tags);
}

#[test]
fn nobody_else_gets_a_file_and_the_connection_stays() {
    for (capabilities, command, name) in [
        (Capabilities(0), LOAD, &b"/tmp/a.csv"[..]),
        (Capabilities::LOCAL_FILES, LOAD, b"/etc/passwd"),
        (Capabilities::LOCAL_FILES, b"\x03SELECT 1", b"/etc/passwd"),
    ] {
        for answer in [OK.to_vec(), b"\xff\x02\x00#HY000no file".to_vec()] {
            let mut session = session(capabilities);
            session.ask(command).unwrap();
            session.upstream.clear();
            session.say(&asks(name)).unwrap();
            assert!(session.client.is_empty(), "the client is not asked");
            let Step::Got { consumed: 0, item: Request::Forward(Upkeep::Answer, empty) } =
                session.conversation.request(b"").unwrap()
            else {
                panic!("the upstream waits for the empty packet")
            };
            assert_eq!(&*empty, b"\0\0\0\x02");
            assert!(matches!(session.conversation.request(b"\x01\0\0\0\x0e").unwrap(), Step::Need(0)));
            session.say(&frames(3, &[answer])).unwrap();
            let said = String::from_utf8_lossy(&session.client).into_owned();
            assert!(said.contains("LOCAL INFILE is not let through here") && session.client[3] == 1, "{said}");
            assert!(session.events.contains(&"done 1 failed None true".to_owned()), "{:?}", session.events);
            session.ask(b"\x0e").unwrap();
            session.say(&frames(1, &[OK.to_vec()])).unwrap();
        }
    }
}

#[test]
fn a_broken_file_or_a_hasty_server_ends_the_session() {
    let mut session = offered();
    session.ask(LOAD).unwrap();
    session.say(&asks(b"/tmp/a.csv")).unwrap();
    assert!(session.conversation.request(b"\x01\0\0\x07x").is_err(), "a gap");
    let progress = b"\xff\xff\xff\x01\x01\x02\0\0\0\x04busy".to_vec();
    session.client.clear();
    session.say(&frames(9, &[progress])).unwrap();
    assert!(session.client.is_empty(), "progress is not told while the client sends");
    assert!(session.say(&frames(2, &[OK.to_vec()])).is_err(), "an answer before the file is whole");
}
