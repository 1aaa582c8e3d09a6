//! The relay between two real sockets, with a protocol of lines, a real policy and a real store: what reaches whom, and
//! what is on record by then.

mod lines;

use crate::*;
use async_trait::async_trait;
use evidence::{PolicyOrigin, Recorder, SigningKeySource, StoreConfig};
use lines::Lines;
use model::{AuthMethod, Identity, Refusal, RefusalKind, SessionInfo, TableRef, Timestamp};
use policies::{Keys, Policy};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use wire::{Datasource, DatasourceSpec, Established, Transport, UpstreamTls};

const POLICY: &str = r#"
[[mask]]
name = "ssn"
columns = ["*.*.people.ssn"]
with = "redact"
unless = [{ groups = ["clinicians"] }]

[[deny]]
name = "no secrets"
when = { columns = ["*.*.people.secret"] }

[[approve]]
name = "ask first"
when = { columns = ["*.*.people.salary"] }
approvers = { groups = ["leads"], count = 1 }
"#;

struct People(DatasourceSpec);

/// One policy, for ever.
struct InForce(Arc<Policy>);

impl Policies for InForce {
    fn current(&self) -> Arc<Policy> {
        self.0.clone()
    }
}

/// People who agree to everything that they are asked.
struct Agreeable;

impl Holds for Agreeable {
    fn hold(&self, question: Question) -> Asking {
        let agreed = Agreed::by(format!("agreed to {}", question.statement.id.0));
        let decision = Box::pin(std::future::ready(Ok(agreed)));
        Box::pin(std::future::ready(OnHold { decision, notice: Some("somebody is asked".to_owned()) }))
    }
}

fn never() -> Timestamp {
    Timestamp(0)
}

#[async_trait]
impl Datasource for People {
    fn spec(&self) -> &DatasourceSpec {
        &self.0
    }
    async fn refresh_catalog(&self) -> Result<u64, Refusal> {
        Ok(1)
    }
    fn catalog_epoch(&self) -> u64 {
        1
    }
    fn analyse(&self, _sql: &str) -> Arc<model::Facts> {
        panic!("the protocol of lines brings its own facts")
    }
    fn columns(&self, _table: &TableRef) -> Option<Vec<String>> {
        Some(["id", "ssn", "secret", "salary"].map(str::to_owned).to_vec())
    }
    async fn cancel(&self, _key: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    async fn probe(&self) -> Result<String, Refusal> {
        Ok("lines".to_owned())
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A session in the middle of two sockets that the test holds the other ends of.
struct Bench {
    client: BufReader<TcpStream>,
    upstream: BufReader<TcpStream>,
    recorder: Recorder,
    relay: tokio::task::JoinHandle<String>,
    stop: Option<oneshot::Sender<Refusal>>,
    folder: tempfile::TempDir,
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

impl Bench {
    async fn new() -> Self {
        Self::of("agents").await
    }

    /// A session of somebody in a group.
    async fn of(group: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = evidence::LogKey::generate("test.example/log").unwrap();
        let source = SigningKeySource::Text { text: key.to_text(), origin: "test".to_owned() };
        let mut config = StoreConfig::new(folder.path().join("audit"), "test.example/log", source);
        config.create = true;
        let (recorder, _) = Recorder::open(config).unwrap();
        let policy = Arc::new(Policy::parse(&[("test.toml".to_owned(), POLICY.to_owned())]).unwrap());
        let origin = PolicyOrigin::default();
        recorder.policy_loaded(policy.version(), policy.canonical(), &origin).unwrap();
        recorder.policy_activated(policy.version(), &origin).unwrap();
        let (client, client_side) = pair().await;
        let (upstream, upstream_side) = pair().await;
        let spec = DatasourceSpec {
            name: "people".to_owned(),
            address: String::new(),
            database: None,
            user: String::new(),
            password: None,
            tls: UpstreamTls::Disabled,
            connect_timeout: Duration::from_secs(1),
            options: wire::Options::default(),
        };
        let datasource: Arc<dyn Datasource> = Arc::new(People(spec));
        let mut info = session_info();
        info.identity.groups = vec![group.to_owned()];
        recorder.session_opened(&info, policy.version()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let keys = Arc::new(Keys::new(&[7; 32], "test"));
        let parts = Parts {
            judge: Judge::new(Arc::new(InForce(policy)), &info, datasource.clone(), keys.clone(), never),
            keys,
            recording: Recording::new(recorder.clone(), info.id),
            holds: Arc::new(Agreeable),
            stop: Box::pin(async move {
                match stopped.await {
                    Ok(refusal) => refusal,
                    Err(_) => std::future::pending().await,
                }
            }),
            allowance: Allowance { message: 64 << 20, together: 64 << 20, taken: Arc::default() },
            drain: Box::pin(std::future::pending()),
            patience: Patience::new(None, None),
            activity: Arc::new(AtomicU64::new(0)),
        };
        let established = Established {
            client: Transport::Plain(client_side),
            upstream: Transport::Plain(upstream_side),
            conversation: Box::new(Lines::default()),
            info,
            greeting: b"welcome\n".to_vec(),
            client_residue: Vec::new(),
            upstream_residue: Vec::new(),
            datasource,
        };
        let relay = tokio::spawn(async move { Relay::new(established, parts).run().await.0.reason() });
        let mut bench = Self {
            client: BufReader::new(client),
            upstream: BufReader::new(upstream),
            recorder,
            relay,
            stop: Some(stop),
            folder,
        };
        assert_eq!(bench.client_gets().await, "welcome");
        bench
    }

    async fn client_says(&mut self, line: &str) {
        self.client.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn upstream_says(&mut self, line: &str) {
        self.upstream.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn client_gets(&mut self) -> String {
        next_line(&mut self.client).await
    }

    async fn upstream_gets(&mut self) -> String {
        next_line(&mut self.upstream).await
    }

    /// Every byte below the store, after the session and the recorder are closed.
    async fn stored(self) -> (String, Vec<u8>) {
        let reason = tokio::time::timeout(Duration::from_secs(10), self.relay).await.unwrap().unwrap();
        self.recorder.close().unwrap();
        let mut bytes = Vec::new();
        let mut folders = vec![self.folder.path().join("audit")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { bytes.extend(std::fs::read(path).unwrap()) }
            }
        }
        (reason, bytes)
    }
}

async fn next_line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_line(&mut line)).await.expect("a line in time").unwrap();
    line.trim_end().to_owned()
}

fn session_info() -> SessionInfo {
    let identity = Identity {
        issuer: "https://issuer.example".to_owned(),
        subject: "agent".to_owned(),
        name: None,
        groups: vec!["agents".to_owned()],
        expires: Timestamp(i64::MAX),
        method: AuthMethod::TokenAsPassword,
        token_id: None,
    };
    SessionInfo {
        id: evidence::new_session_id(),
        opened: never(),
        identity,
        claimed_user: "agent".to_owned(),
        client_addr: "127.0.0.1:1".to_owned(),
        client_app: String::new(),
        protocol: "lines".to_owned(),
        datasource: "people".to_owned(),
        database: "people".to_owned(),
        upstream_user: "affidavit".to_owned(),
        server_version: "1".to_owned(),
        tls_version: None,
        reason: None,
        ticket: None,
    }
}

/// Whether any file below a folder contains a text.
fn holds(folder: &std::path::Path, needle: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { holds(&path, needle) } else { contains(&std::fs::read(&path).unwrap(), needle) }
    })
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_column_is_masked_and_its_raw_value_is_nowhere() {
    let mut bench = Bench::new().await;
    bench.client_says("Q ssn").await;
    assert_eq!(bench.upstream_gets().await, "Q ssn", "what was judged is what is sent");
    for line in ["C ssn", "R CANARY-900-12-3456", "D"] {
        bench.upstream_says(line).await;
    }
    assert_eq!(bench.client_gets().await, "C ssn");
    assert_eq!(bench.client_gets().await, "R ***");
    assert_eq!(bench.client_gets().await, "D");
    bench.client_says("X").await;
    let (reason, stored) = bench.stored().await;
    assert_eq!(reason, "client terminated");
    assert!(!contains(&stored, "CANARY"), "a raw protected value was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_exempt_sees_the_value_and_the_record_holds_the_mask_and_says_so() {
    // Proven to be the column, and only announced as it.
    for question in ["Q ssn", "Q id"] {
        let mut bench = Bench::of("clinicians").await;
        bench.client_says(question).await;
        bench.upstream_gets().await;
        for line in ["C ssn", "R CANARY-900-12-3456", "D"] {
            bench.upstream_says(line).await;
        }
        assert_eq!(bench.client_gets().await, "C ssn");
        assert_eq!(bench.client_gets().await, "R CANARY-900-12-3456", "{question}");
        assert_eq!(bench.client_gets().await, "D");
        bench.client_says("X").await;
        let folder = bench.folder.path().join("audit");
        bench.relay.await.unwrap();
        bench.recorder.clone().seal_now().unwrap();
        let reader = evidence::Reader::open(&folder, None).unwrap();
        let statement = reader.statements(&evidence::Filter::default(), 1).unwrap().0.remove(0);
        let column = &statement["result_columns"][0];
        assert_eq!((&column["mask"], &column["shown"]), (&"redact".into(), &"raw".into()), "{statement}");
        assert_eq!(column["classification"], "exempt");
        assert_eq!(statement["user_id"], "agent");
        let rows = reader.rows(statement["session_id"].as_str().unwrap(), 1, 0..10).unwrap();
        assert_eq!(rows[0].values, [Some("***".to_owned())], "{question}");
        bench.recorder.close().unwrap();
        assert!(!holds(&folder, "CANARY"), "{question}: a raw protected value was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_announced_as_another_than_it_was_proven_to_be_is_redacted() {
    let mut bench = Bench::new().await;
    bench.client_says("Q id").await;
    bench.upstream_gets().await;
    for line in ["C ssn", "R CANARY", "D"] {
        bench.upstream_says(line).await;
    }
    assert_eq!(bench.client_gets().await, "C ssn");
    assert_eq!(bench.client_gets().await, "R ***");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_statement_never_reaches_the_upstream() {
    let mut bench = Bench::new().await;
    bench.client_says("Q secret").await;
    assert!(bench.client_gets().await.starts_with("refused: "));
    bench.client_says("H").await;
    assert_eq!(bench.upstream_gets().await, "H", "the first thing the upstream ever sees");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_statement_runs_once_people_agreed_and_the_record_names_the_approval() {
    let mut bench = Bench::new().await;
    bench.client_says("Q salary").await;
    assert_eq!(bench.client_gets().await, "notice: somebody is asked");
    assert_eq!(bench.upstream_gets().await, "Q salary");
    bench.upstream_says("D").await;
    assert_eq!(bench.client_gets().await, "D");
    bench.client_says("X").await;
    let folder = bench.folder.path().join("audit");
    bench.relay.await.unwrap();
    bench.recorder.clone().seal_now().unwrap();
    let reader = evidence::Reader::open(&folder, None).unwrap();
    let statement = reader.statements(&evidence::Filter::default(), 1).unwrap().0.remove(0);
    assert_eq!(statement["approval_id"], "agreed to 1", "{statement}");
    bench.recorder.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_comes_back_with_other_bytes_than_were_judged_is_not_sent() {
    let mut bench = Bench::new().await;
    bench.client_says("Q other id").await;
    let words = bench.client_gets().await;
    assert!(words.starts_with("refused: ") && words.contains("another"), "{words}");
    bench.client_says("H").await;
    assert_eq!(bench.upstream_gets().await, "H", "the first thing the upstream ever sees");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_errors_over_protected_tables_are_withheld() {
    let mut bench = Bench::new().await;
    bench.client_says("Q ssn").await;
    bench.upstream_gets().await;
    bench.upstream_says("E invalid input: CANARY").await;
    assert_eq!(bench.client_gets().await, "E 22P02 withheld");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_nothing_ends_the_session_and_is_not_passed() {
    let mut bench = Bench::new().await;
    bench.upstream_says("R CANARY").await;
    let words = bench.client_gets().await;
    assert!(words.starts_with("farewell: ") && !words.contains("CANARY"), "{words}");
    let (reason, _) = bench.stored().await;
    assert!(reason.starts_with("upstream: "), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_must_end_says_why_and_its_open_statement_is_interrupted() {
    let mut bench = Bench::new().await;
    bench.client_says("Q id").await;
    bench.upstream_gets().await;
    let refusal = Refusal::new(RefusalKind::SessionExpired, "the token that opened this session has expired");
    bench.stop.take().unwrap().send(refusal).unwrap();
    assert_eq!(bench.client_gets().await, "farewell: the token that opened this session has expired");
    let mut rest = Vec::new();
    bench.client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    let (reason, _) = bench.stored().await;
    assert!(reason.contains("expired"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_nothing_passes() {
    let mut bench = Bench::new().await;
    bench.recorder.clone().close().unwrap();
    bench.client_says("Q id").await;
    let words = bench.client_gets().await;
    assert!(words.contains("cannot be written"), "{words}");
    let mut sent = Vec::new();
    bench.upstream.read_to_end(&mut sent).await.unwrap();
    assert_eq!(sent, b"X\n", "the upstream saw a goodbye and no statement");
}
