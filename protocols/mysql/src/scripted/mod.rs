//! Conversations scripted from both sides, without sockets: what a server may say, what it must not, and that it makes no
//! difference how the bytes are cut.

mod answers;
mod files;
mod peers;
mod roles;
mod users;

use crate::conversation::{MysqlConversation, Parts};
use crate::datasource::{MysqlDatasource, Owner};
use crate::message::capability::Capabilities;
use crate::message::column::ColumnDefinition;
use crate::message::column::tests::encode as definition;
use crate::message::packet;
use crate::values;
use model::{AuthMethod, Class, Identity, Refusal, RefusalKind, Role, Timestamp};
use std::time::Duration;
use wire::{
    Answer, CellAnswer, CellMasker, Conversation, DatasourceSpec, Request, Splice, Step, Upkeep, UpstreamTls, Violation,
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
    tags: Vec<String>,
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
        options: wire::Options::default(),
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
        thread: datasource.enter(7, 0x4000_0007, owner.clone()),
        login_sequence: 2,
        owner,
        opened_by: Some(crate::credential::OpenedBy::credential(b"token")),
        upstream_encrypted: false,
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
        tags: Vec::new(),
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
    definition(&ColumnDefinition {
        schema,
        org_table,
        name,
        org_name: name,
        collation,
        length,
        column_type,
        flags,
        json: false,
    })
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
        &[
            vec![4],
            name.clone(),
            name.clone(),
            name.clone(),
            name,
            EOF.to_vec(),
            b"\0\x07utf8mb4\x03ehr\x010".to_vec(),
            EOF.to_vec(),
        ],
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
        if let (0, Request::Forward(_, question)) = (consumed, &item) {
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
            Request::Statement(mut statement) => {
                let wire = statement.sql.windows(3).any(|text| text == b"ssn");
                let (class, role) = if wire { (Class::Wire, Role::Wire) } else { (Class::Untouched, Role::Masked) };
                if let Err(refusal) = self.conversation.settle_class(&mut statement, &class, role) {
                    self.conversation.refuse(&statement, &refusal, &mut self.upstream, &mut self.client);
                    return Ok(());
                }
                let mut extra = Vec::new();
                self.conversation.permit(&statement, &mut self.upstream, &mut extra);
                assert!(extra.is_empty());
                self.upstream.extend_from_slice(&statement.wire);
                self.events.push(format!("run {} {:?}", statement.id.0, String::from_utf8_lossy(&statement.sql)));
                for param in &statement.params {
                    self.events.push(format!("param {:?}", param.value.as_deref()));
                }
            }
            Request::Forward(_, bytes) => self.upstream.extend_from_slice(&bytes),
            Request::Absorb => self.events.push("absorbed".to_owned()),
            Request::Terminate(_) => self.events.push("bye".to_owned()),
            Request::Data(bytes) => self.upstream.extend_from_slice(bytes),
            Request::Reply(bytes) => self.client.extend_from_slice(&bytes),
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
                self.tags.push(outcome.tag.clone());
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
