//! Recordings over HTTP: found, replayed, by auditors alone, and never without a record of the look.

use crate::world::*;
use affidavit::console::Recordings;
use evidence::{LogKey, PolicyOrigin, Reader, Recorder, SigningKeySource, StoreConfig, new_session_id};
use model::*;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

const POLICY: &str = "[[mask]]\nname = \"ssn\"\ncolumns = [\"*.*.patients.ssn\"]\nwith = \"redact\"\n";
const ORIGIN: &str = "audit.example.org/test";

/// A store that is being written.
struct Archive {
    folder: tempfile::TempDir,
    recorder: Recorder,
}

fn version() -> PolicyVersion {
    PolicyVersion(Sha256::digest(POLICY.as_bytes()).into())
}

impl Archive {
    fn new(body_key: Option<Vec<u8>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = LogKey::generate(ORIGIN).unwrap().to_text();
        let mut config =
            StoreConfig::new(folder.path(), ORIGIN, SigningKeySource::Text { text, origin: "test".into() });
        config.create = true;
        config.journal.soft_free_bytes = 0;
        config.journal.hard_free_bytes = 0;
        config.body_key = body_key.map(Into::into);
        let (recorder, _) = Recorder::open(config).unwrap();
        recorder.policy_loaded(version(), POLICY, &PolicyOrigin::default()).unwrap();
        recorder.policy_activated(version(), &PolicyOrigin::default()).unwrap();
        Self { folder, recorder }
    }

    fn recordings(&self, body_key: Option<Vec<u8>>) -> Recordings {
        Recordings::new(self.recorder.clone(), self.folder.path().to_owned(), body_key.map(Into::into))
    }

    async fn world(&self) -> World {
        World::with(Some(self.recordings(None))).await
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn open(&self, subject: &str) -> SessionId {
        let id = new_session_id();
        let info = SessionInfo { id, ..session(subject, &format!("{subject}@example.org")) };
        self.recorder.session_opened(&info, version()).unwrap();
        id
    }

    /// A statement over a table, with `rows` rows of a name and a masked number.
    fn run(&self, session: SessionId, id: u64, sql: &str, table: &str, rows: usize) {
        self.judged(session, id, sql, table, Decision::Allow);
        let masks = [
            ColumnMask { mask: None, rule: None, source: None },
            ColumnMask { mask: Some(MaskSpec::Redact), rule: Some("ssn".into()), source: None },
        ];
        let columns = ["name", "ssn"].map(|name| Column {
            name: name.into(),
            type_name: "text".into(),
            repr: Repr { kind: Kind::Text, encoding: Encoding::PostgresText },
            nullable: None,
            max_chars: None,
            announced: None,
        });
        self.recorder.columns(session, StatementId(id), 0, &columns, &masks, &[]).unwrap();
        let bytes: Vec<u8> = (0..rows).flat_map(|row| data_row(&[&format!("row {row} of {id} <i>"), "***"])).collect();
        let rows = rows.try_into().unwrap();
        self.recorder.rows(session, StatementId(id), 0, &RowLayout::Framed, rows, &bytes).unwrap();
        self.done(session, id, Status::Completed);
    }

    fn judged(&self, session: SessionId, id: u64, sql: &str, table: &str, decision: Decision) {
        let table = TableRef { schema: "public".into(), table: table.into() };
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
        let normalized = sql.split('\'').step_by(2).collect::<Vec<_>>().join("?");
        let facts = Facts {
            parts: vec![part],
            unparsed: None,
            normalized,
            fingerprint: "0123456789abcdef".into(),
            unknown_relations: vec![],
            catalog_epoch: 1,
        };
        let statement = Statement {
            id: StatementId(id),
            phase: Phase::Simple,
            sql: bytes::Bytes::copy_from_slice(sql.as_bytes()),
            params: vec![],
            prepared: None,
            sent: None,
            role: None,
            facts: Arc::new(facts),
            wire: bytes::Bytes::new(),
        };
        let rule = matches!(decision, Decision::Deny(_)).then(|| "no vault".to_owned());
        let verdict = Verdict {
            decision,
            rule,
            policy: version(),
            outputs: vec![],
            recorded: vec![],
            guard_messages: true,
            class: model::Class::Wire,
            role: model::Role::Wire,
        };
        self.recorder.intent(session, &statement, &verdict, None).unwrap();
    }

    fn done(&self, session: SessionId, id: u64, status: Status) {
        let outcome = Outcome { status, tag: "SELECT".into(), affected: None, error_code: None };
        self.recorder.done(session, StatementId(id), &outcome, true).unwrap();
    }

    /// What the record knows of looks, oldest first: `actor action scope`.
    fn looks(&self) -> Vec<String> {
        let found = Reader::open(self.path(), None).unwrap().accesses("", 1000).unwrap();
        let text = |one: &serde_json::Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let line = |one| [text(one, "actor"), text(one, "action"), text(one, "scope")].join(" ");
        found.iter().rev().map(line).collect()
    }
}

/// A DataRow, byte for byte.
fn data_row(cells: &[&str]) -> Vec<u8> {
    let mut body = u16::try_from(cells.len()).unwrap().to_be_bytes().to_vec();
    for cell in cells {
        body.extend_from_slice(&i32::try_from(cell.len()).unwrap().to_be_bytes());
        body.extend_from_slice(cell.as_bytes());
    }
    let mut row = vec![b'D'];
    row.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    row.extend_from_slice(&body);
    row
}

/// Two sessions: the agent's with three statements, one of them refused, and somebody else's.
fn filled(archive: &Archive) -> SessionId {
    let id = archive.open("agent");
    archive.run(id, 1, "SELECT name, ssn FROM patients WHERE name = 'Zzyzx'", "patients", 2);
    let no = Refusal::new(RefusalKind::Denied, "not this table");
    archive.judged(id, 2, "SELECT * FROM vault", "vault", Decision::Deny(no));
    archive.done(id, 2, Status::Refused);
    archive.run(id, 3, "SELECT name, ssn FROM patients", "patients", 250);
    let other = archive.open("nurse");
    archive.run(other, 1, "SELECT 1", "wards", 1);
    archive.recorder.session_closed(other, "done").unwrap();
    id
}

#[tokio::test]
async fn an_auditor_finds_a_session_and_steps_through_it_sealed_or_not() {
    let archive = Archive::new(None);
    let id = filled(&archive);
    let world = archive.world().await;
    let auditor = Browser::log_in(&world, "ada", &["audit"]).await;
    for sealed in [false, true] {
        if sealed {
            archive.recorder.seal_now().unwrap();
        }
        let found = auditor.page("/recordings?who=agent").await;
        assert!(found.contains(&format!("/recordings/{id}\"")) && !found.contains("nurse"), "{found}");
        let found = auditor.page("/recordings?table=patients").await;
        assert!(found.contains(&format!("/recordings/{id}/1\"")) && found.contains(&format!("/recordings/{id}/3\"")));
        assert!(!found.contains(&format!("/recordings/{id}/2\"")));
        let found = auditor.page("/recordings?decision=deny&from=1h").await;
        assert!(found.contains(&format!("/recordings/{id}/2\"")) && found.contains("no vault"), "{found}");
        let found = auditor.page("/recordings?text=zzyZX").await;
        assert!(
            found.contains(&format!("/recordings/{id}/1\"")) && !found.contains("Zzyzx"),
            "shown by shape: {found}"
        );
        assert!(auditor.page("/recordings?who=nobody").await.contains("Nothing found"));

        let whole = auditor.page(&format!("/recordings/{id}")).await;
        assert!(whole.contains("agent@example.org") && whole.contains("running"), "{whole}");
        assert!(whole.contains("not sealed yet") != sealed, "sealed {sealed}: {whole}");
        let first = auditor.page(&format!("/recordings/{id}/1")).await;
        for part in ["Zzyzx", "row 0 of 1 &lt;i&gt;", "row 1 of 1", "***", "redact", "rel=\"next\""] {
            assert!(first.contains(part), "{part}: {first}");
        }
        assert!(!first.contains("rel=\"prev\"") && !first.contains("<i>row"), "{first}");
        let second = auditor.page(&format!("/recordings/{id}/2")).await;
        assert!(second.contains("rel=\"next\"") && second.contains("rel=\"prev\"") && second.contains("No rows"));
        let third = auditor.page(&format!("/recordings/{id}/3")).await;
        assert!(third.contains("row 99 of 3") && !third.contains("row 100 of 3") && third.contains("?rows=100"));
        let last = auditor.page(&format!("/recordings/{id}/3?rows=200")).await;
        assert!(last.contains("row 249 of 3") && !last.contains("row 199 of 3") && last.contains("rows 201 to 250"));
    }
    for path in ["/recordings/nonsense", &format!("/recordings/{id}/4"), &format!("/recordings/{}", new_session_id())] {
        assert_eq!(auditor.get(path).await.status(), 404, "{path}");
    }
    let wrong = auditor.get("/recordings?from=someday").await;
    assert_eq!(wrong.status(), 400);
    assert!(wrong.text().await.unwrap().contains("15m, 2h, 7d"));
}

#[tokio::test]
async fn only_auditors_look() {
    let archive = Archive::new(None);
    let id = filled(&archive);
    let world = archive.world().await;
    for (who, group) in [("vic", "staff"), ("ann", "privacy-office"), ("oli", "ops"), ("eve", "nobody")] {
        let browser = Browser::log_in(&world, who, &[group]).await;
        assert!(!browser.page("/").await.contains("href=\"/recordings\""), "{who}");
        for path in
            ["/recordings", "/recordings?who=agent", &format!("/recordings/{id}"), &format!("/recordings/{id}/1")]
        {
            let answer = browser.get(path).await;
            assert_eq!(answer.status(), 403, "{who} {path}");
            assert!(!answer.text().await.unwrap().contains("agent@"), "{who} {path}");
        }
    }
    let stranger = Browser::new(&world);
    assert_eq!(stranger.get(&format!("/recordings/{id}/1")).await.status(), 303);
    assert_eq!(archive.looks(), Vec::<String>::new(), "who sees nothing has not looked");
}

#[tokio::test]
async fn every_look_is_in_the_record_before_anything_is_shown() {
    let archive = Archive::new(None);
    let id = filled(&archive);
    let world = archive.world().await;
    let auditor = Browser::log_in(&world, "ada", &["audit"]).await;
    let actor = format!("{}|ada (console login)", world.issuer.url);
    auditor.page("/recordings").await;
    assert_eq!(archive.looks(), Vec::<String>::new(), "an empty form is no look");
    auditor.page("/recordings?who=agent&text=123-45-6789").await;
    auditor.page(&format!("/recordings/{id}")).await;
    auditor.page(&format!("/recordings/{id}/1")).await;
    let expected = [
        format!("{actor} queried statements, of agent, with a text of 11 characters"),
        format!("{actor} replayed session {id}: its statements from 1"),
        format!("{actor} replayed session {id}: statement 1"),
    ];
    assert_eq!(archive.looks(), expected);
    // A look at what is not there is a look.
    assert_eq!(auditor.get(&format!("/recordings/{id}/77")).await.status(), 404);
    assert_eq!(archive.looks().len(), 4);
    let whole = auditor.page(&format!("/recordings/{id}")).await;
    assert!(whole.contains("Who looked at this session") && whole.contains("|ada"), "{whole}");
    // The record takes nothing any more: nobody sees anything.
    archive.recorder.clone().close().unwrap();
    for path in ["/recordings?who=agent", &format!("/recordings/{id}"), &format!("/recordings/{id}/1")] {
        let answer = auditor.get(path).await;
        assert_eq!(answer.status(), 503, "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("cannot be recorded") && !page.contains("agent@") && !page.contains("row 0"), "{page}");
    }
}

#[tokio::test]
async fn a_full_journal_is_sealed_before_it_is_read() {
    let archive = Archive::new(None);
    let id = archive.open("agent");
    for number in 1..=5_100 {
        archive.run(id, number, "SELECT name, ssn FROM patients", "patients", 1);
    }
    let before = archive.recorder.health();
    assert!(before.journaled - before.sealed > 20_000, "{before:?}");
    let world = archive.world().await;
    let auditor = Browser::log_in(&world, "ada", &["audit"]).await;
    let last = auditor.page(&format!("/recordings/{id}/5100")).await;
    assert!(last.contains("row 0 of 5100") && last.contains("rel=\"prev\""), "{last}");
    let after = archive.recorder.health();
    assert!(after.sealed >= before.journaled, "a look costs no more memory than a little journal does: {after:?}");
}

#[tokio::test]
async fn encrypted_texts_are_shown_only_where_the_key_is() {
    let key = vec![9_u8; 32];
    let archive = Archive::new(Some(key.clone()));
    let id = filled(&archive);
    archive.recorder.seal_now().unwrap();
    for (given, shown) in [(None, false), (Some(key), true)] {
        let world = World::with(Some(archive.recordings(given))).await;
        let auditor = Browser::log_in(&world, "ada", &["audit"]).await;
        let page = auditor.page(&format!("/recordings/{id}/1")).await;
        assert_eq!(page.contains("Zzyzx"), shown, "{page}");
        assert_eq!(page.contains("is encrypted"), !shown, "{page}");
        assert!(page.contains("row 0 of 1"), "the rows are masked, not encrypted");
        let found = auditor.page("/recordings?text=Zzyzx").await;
        assert_eq!(found.contains(&format!("/recordings/{id}/1\"")), shown, "{found}");
        assert_eq!(found.contains("only texts without their literals were searched"), !shown);
    }
}

#[tokio::test]
async fn policies_come_from_the_record() {
    let archive = Archive::new(None);
    let newer = POLICY.replace("redact", "null");
    let version = PolicyVersion(Sha256::digest(newer.as_bytes()).into());
    let origin =
        PolicyOrigin { author: Some("ann".into()), change_reason: Some("ticket 7".into()), ..PolicyOrigin::default() };
    archive.recorder.policy_loaded(version, &newer, &origin).unwrap();
    archive.recorder.policy_activated(version, &origin).unwrap();
    let world = archive.world().await;
    let viewer = Browser::log_in(&world, "vic", &["staff"]).await;
    let page = viewer.page("/policies").await;
    let (at, before) =
        (page.find(&version.to_string()[..16]).unwrap(), page.find(&self::version().to_string()[..16]).unwrap());
    assert!(at < before && page.contains("in force"), "{page}");
    assert!(
        page.contains("ann, ticket 7") && page.contains("masks by: was &quot;redact&quot;, is &quot;null&quot;"),
        "{page}"
    );
}
