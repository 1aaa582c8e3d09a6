//! What the tests share: a key, a store in a temporary folder, and short ways to make the vocabulary's types.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod journal;

use bytes::Bytes;
use evidence::{LogKey, PolicyOrigin, Recorder, Recovery, SigningKeySource, StoreConfig, new_session_id};
use model::*;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

pub const ORIGIN: &str = "audit.example.org/test";
pub const POLICY: &str = "[[mask]]\nname = \"ssn\"\ncolumns = [\"*.*.patients.ssn\"]\nwith = \"redact\"\n";

/// A store's key, fixed so that a test can open its store twice.
pub fn key() -> LogKey {
    use base64::Engine;
    let seed = [7u8; 32];
    let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
    let mut id = Sha256::new();
    id.update(ORIGIN);
    id.update(b"\n\x01");
    id.update(public.as_bytes());
    let id = hex::encode(&id.finalize()[..4]);
    let mut bytes = vec![1];
    bytes.extend_from_slice(&seed);
    let secret = base64::engine::general_purpose::STANDARD.encode(bytes);
    LogKey::parse(&format!("PRIVATE+KEY+{ORIGIN}+{id}+{secret}")).unwrap()
}

pub fn vkey() -> String {
    key().verifier().to_string()
}

/// A configuration that suits small tests: little disk, no minimum of free space.
pub fn config(path: &Path) -> StoreConfig {
    let source = SigningKeySource::Text { text: key().to_text(), origin: "test key".into() };
    let mut config = StoreConfig::new(path, ORIGIN, source);
    config.create = true;
    config.journal.file_bytes = 4 << 20;
    config.journal.max_bytes = 64 << 20;
    config.journal.soft_free_bytes = 0;
    config.journal.hard_free_bytes = 0;
    // What a head covers when a test looks must not hang on how long it took; those about heads want many.
    config.heads = std::time::Duration::from_secs(3600);
    config
}

pub fn version(content: &str) -> PolicyVersion {
    PolicyVersion(Sha256::digest(content.as_bytes()).into())
}

/// Opens the store and records the test policy as loaded and active.
pub fn open(config: StoreConfig) -> (Recorder, Recovery) {
    let (recorder, recovery) = Recorder::open(config).unwrap();
    recorder.policy_loaded(version(POLICY), POLICY, &PolicyOrigin::default()).unwrap();
    recorder.policy_activated(version(POLICY), &PolicyOrigin::default()).unwrap();
    (recorder, recovery)
}

pub fn info(id: SessionId, subject: &str) -> SessionInfo {
    SessionInfo {
        id,
        opened: Timestamp(1_763_900_000_000_000),
        identity: Identity {
            issuer: "https://login.example.org".into(),
            subject: subject.into(),
            name: Some(format!("{subject}@example.org")),
            groups: vec!["ci-agents".into()],
            expires: Timestamp(4_000_000_000_000_000),
            method: AuthMethod::TokenAsPassword,
            token_id: None,
        },
        claimed_user: "agent".into(),
        client_addr: "127.0.0.1:5000".into(),
        client_app: "psql".into(),
        protocol: "postgres".into(),
        datasource: "ehr".into(),
        database: "ehr".into(),
        upstream_user: "affidavit".into(),
        server_version: "15.1".into(),
        tls_version: Some("TLSv1.3".into()),
        reason: Some("nightly report".into()),
        ticket: None,
    }
}

pub fn session(recorder: &Recorder, subject: &str) -> SessionId {
    let id = new_session_id();
    recorder.session_opened(&info(id, subject), version(POLICY)).unwrap();
    id
}

pub fn text_column(name: &str) -> Column {
    Column {
        name: name.into(),
        type_name: "text".into(),
        repr: Repr { kind: Kind::Text, encoding: Encoding::PostgresText },
        nullable: None,
        max_chars: None,
        announced: None,
    }
}

pub fn statement(id: u64, sql: &str) -> Statement {
    let table = TableRef { schema: "public".into(), table: "patients".into() };
    let part = Part {
        verb: Verb::Select,
        tables: vec![TableUse { table, access: Access::Read, reach: Reach::Direct }],
        outputs: Outputs::Unknown("test".into()),
        predicates: vec![],
        writes: vec![],
        calls: vec![],
        opaque: vec![],
        settings: vec![],
        kin: vec![],
        sources: vec![],
        uses: None,
        verbs: Vec::new(),
        reads: Vec::new(),
        filtered: true,
        limited: false,
    };
    Statement {
        id: StatementId(id),
        phase: Phase::Simple,
        sql: Bytes::copy_from_slice(sql.as_bytes()),
        params: vec![],
        prepared: None,
        sent: None,
        role: None,
        facts: Arc::new(Facts {
            parts: vec![part],
            unparsed: None,
            normalized: sql.to_lowercase(),
            fingerprint: hex::encode(&Sha256::digest(sql.as_bytes())[..8]),
            unknown_relations: vec![],
            catalog_epoch: 1,
        }),
        wire: Bytes::new(),
    }
}

pub fn verdict() -> Verdict {
    Verdict {
        decision: Decision::Allow,
        rule: None,
        policy: version(POLICY),
        outputs: vec![],
        recorded: vec![],
        guard_messages: true,
        class: model::Class::Wire,
        role: model::Role::Wire,
    }
}

/// A DataRow, byte for byte.
pub fn data_row(cells: &[Option<&str>]) -> Vec<u8> {
    let mut body = u16::try_from(cells.len()).unwrap().to_be_bytes().to_vec();
    for cell in cells {
        match cell {
            None => body.extend_from_slice(&(-1i32).to_be_bytes()),
            Some(text) => {
                body.extend_from_slice(&i32::try_from(text.len()).unwrap().to_be_bytes());
                body.extend_from_slice(text.as_bytes());
            }
        }
    }
    let mut row = vec![b'D'];
    row.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    row.extend_from_slice(&body);
    row
}

pub fn completed(rows: u64) -> Outcome {
    Outcome { status: Status::Completed, tag: format!("SELECT {rows}"), affected: None, error_code: None }
}

/// A whole statement: intent, columns, `rows` rows of two cells, end.
pub fn run(recorder: &Recorder, session: SessionId, id: u64, sql: &str, rows: u64) {
    let masks = [
        ColumnMask { mask: None, rule: None, source: None },
        ColumnMask {
            mask: Some(MaskSpec::Redact),
            rule: Some("ssn".into()),
            source: Some(ColumnRef { schema: "public".into(), table: "patients".into(), column: "ssn".into() }),
        },
    ];
    recorder.intent(session, &statement(id, sql), &verdict(), None).unwrap();
    recorder.columns(session, StatementId(id), 0, &[text_column("name"), text_column("ssn")], &masks, &[]).unwrap();
    let mut bytes = Vec::new();
    for row in 0..rows {
        bytes.extend_from_slice(&data_row(&[Some(&format!("row {row} of {id}")), Some("***")]));
    }
    recorder.rows(session, StatementId(id), 0, &RowLayout::Framed, rows, &bytes).unwrap();
    recorder.done(session, StatementId(id), &completed(rows), true).unwrap();
}

/// Copies a store, journal included.
pub fn copy_store(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_store(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
