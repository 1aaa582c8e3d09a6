//! The second lock: SET ROLE goes out in front of what needs another role, its answer stays here, and the client's packets
//! keep their numbers.

use super::*;
use crate::roles::Roles;
use model::{Class, Role};
use wire::{Datasource as _, LockState};

const SET_WIRE: &[u8] = b"\x03SET ROLE 'affidavit_wire'";
const SET_MASKED: &[u8] = b"\x03SET ROLE 'affidavit_masked'";

fn locked() -> Session {
    let mut session = session(Capabilities(1 << 32));
    session.conversation.datasource.set_lock(LockState::InForce);
    session.conversation.roles = Some(Roles::new("affidavit"));
    session
}

fn sent(session: &mut Session) -> Vec<Vec<u8>> {
    let bytes = std::mem::take(&mut session.upstream);
    let (mut rest, mut payloads) = (bytes.as_slice(), Vec::new());
    while let Some((length, _)) = packet::header(rest) {
        payloads.push(rest[packet::HEADER..packet::HEADER + length].to_vec());
        rest = &rest[packet::HEADER + length..];
    }
    payloads
}

/// One command, by the wire class where it has `ssn` in it; what went out for it, and what the client got.
fn one(session: &mut Session, text: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    session.ask(text).unwrap();
    let sent = sent(session);
    for payload in &sent {
        let own = payload.starts_with(b"\x03SET ROLE");
        session.say(&frames(1, &[OK.to_vec()])).unwrap();
        assert!(!own || session.client.is_empty(), "the answer to a command of ours is not the client's");
    }
    (sent, std::mem::take(&mut session.client))
}

#[test]
fn a_role_is_set_once_and_not_told() {
    let mut session = locked();
    let ok = frames(1, &[OK.to_vec()]);
    assert_eq!(one(&mut session, b"\x03SELECT 1"), (vec![SET_MASKED.to_vec(), b"\x03SELECT 1".to_vec()], ok.clone()));
    assert_eq!(one(&mut session, b"\x03SELECT 2"), (vec![b"\x03SELECT 2".to_vec()], ok.clone()));
    // A column of no table would be something unknown, which may set a role.
    let ssn = b"\x03SELECT 'ssn'".to_vec();
    assert_eq!(one(&mut session, &ssn), (vec![SET_WIRE.to_vec(), ssn.clone()], ok.clone()));
    assert_eq!(one(&mut session, &ssn), (vec![ssn.clone()], ok.clone()));
    for quiet in [&b"\x03BEGIN"[..], b"\x03COMMIT", b"\x03SELECT ROW_COUNT()"] {
        assert_eq!(one(&mut session, quiet).0, [quiet.to_vec()], "it needs no role");
    }
    assert_eq!(one(&mut session, b"\x1f").0, [b"\x1f".to_vec()]);
    session.conversation.stale = false;
    assert_eq!(one(&mut session, &ssn).0, [SET_WIRE.to_vec(), ssn], "COM_RESET_CONNECTION took it");
}

#[test]
fn a_role_that_cannot_be_taken_ends_the_lock() {
    let mut session = locked();
    session.ask(b"\x03SELECT ssn").unwrap();
    session.say(&frames(1, &[b"\xff\xd2\x0d#HY000not granted".to_vec()])).unwrap();
    assert!(session.client.is_empty());
    session.say(&frames(1, &[OK.to_vec()])).unwrap();
    assert_eq!(session.client, frames(1, &[OK.to_vec()]));
    session.client.clear();
    session.upstream.clear();
    session.ask(b"\x03SELECT 1").unwrap();
    assert!(session.upstream.is_empty());
    assert!(String::from_utf8_lossy(&session.client).contains("second lock"));
}

#[test]
fn tables_without_rights_of_the_masked_role_are_read_with_the_other() {
    let mut session = locked();
    let command = frames(0, &[b"\x03SELECT * FROM t".to_vec()]);
    let mut statement = |role| {
        let step = session.conversation.request(&command).unwrap();
        let Step::Got { item: Request::Statement(mut statement), .. } = step else { panic!("a statement") };
        let facts = std::sync::Arc::make_mut(&mut statement.facts);
        facts.parts[0].opaque.clear();
        facts.parts[0].tables = vec![model::TableUse {
            table: model::TableRef { schema: "ehr".to_owned(), table: "t".to_owned() },
            access: model::Access::Read,
            reach: model::Reach::Direct,
        }];
        session.conversation.settle_class(&mut statement, &Class::Untouched, role).unwrap();
        statement.role
    };
    assert_eq!(statement(Role::Masked), Some(Role::Wire), "nobody has looked at it yet");
}
