//! A console on a free port, with approvals on disk, and a browser that keeps cookies.

use crate::issuer::Issuer;
use affidavit::approvals::*;
use affidavit::config::{ClaimNames, ConsoleLogin, ConsoleRoles, IssuerSetup, SecretSource, Sourced};
use affidavit::console::{
    Console, HealthLine, HealthSource, KilledBy, LiveSession, LiveSessions, Login, Parts, PolicySource, PolicyText,
    Recordings,
};
use affidavit::identity::{SystemClock, Verifier};
use model::*;
use parking_lot::Mutex;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

struct Silent;

impl ApprovalLog for Silent {
    fn record(&self, _: &Logged<'_>) -> Result<(), Unlogged> {
        Ok(())
    }
}

/// The seams' other sides.
#[derive(Default)]
pub(crate) struct Proxy {
    pub(crate) killed: Mutex<Vec<(String, String)>>,
    pub(crate) ill: Mutex<bool>,
}

impl LiveSessions for Proxy {
    fn running(&self) -> Vec<LiveSession> {
        vec![Arc::new(session("agent", "<b>Agent</b>"))]
    }

    fn kill(&self, session: &str, by: &KilledBy) -> bool {
        let running = session == SessionId([7; 16]).to_string();
        if running {
            self.killed.lock().push((session.to_owned(), by.recorded.clone()));
        }
        running
    }
}

impl PolicySource for Proxy {
    fn versions(&self) -> Vec<PolicyText> {
        let version = |version: &str, text: &str| PolicyText {
            version: version.repeat(32),
            text: text.into(),
            since: Some(0),
            until: None,
            by: None,
        };
        vec![
            version("b2", "[[mask]]\nname = \"ssn\"\ncolumns = [\"*.*.*.ssn\"]\nwith = \"redact\"\n"),
            version("a1", "[[mask]]\nname = \"ssn\"\ncolumns = [\"*.*.*.ssn\"]\nwith = \"null\"\n"),
        ]
    }
}

#[async_trait::async_trait]
impl HealthSource for Proxy {
    fn health(&self) -> Vec<HealthLine> {
        let well = !*self.ill.lock();
        vec![HealthLine { part: "record".into(), well, words: "fine".into(), vital: true }]
    }

    async fn upstreams(&self) -> Vec<HealthLine> {
        vec![HealthLine { part: "datasource ehr".into(), well: true, words: "version 15 answers".into(), vital: false }]
    }
}

pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) approvals: Approvals,
    pub(crate) proxy: Arc<Proxy>,
    roots: rustls::RootCertStore,
    _folder: tempfile::TempDir,
}

pub(crate) fn issuer_setup(issuer: &Issuer, audience: &str) -> IssuerSetup {
    IssuerSetup {
        issuer: issuer.url.clone(),
        audience: vec![audience.into()],
        claims: ClaimNames { subject: "sub".into(), name: "email".into(), groups: "groups".into() },
        skew: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(86_400),
        keys_fresh: Duration::from_secs(600),
        keys_keep: Duration::from_secs(3600),
        scope: "openid".into(),
        help: None,
        tls: None,
        ca: None,
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(None).await
    }

    /// With recordings to look at, or without.
    pub(crate) async fn with(recordings: Option<Recordings>) -> Self {
        Self::serving(recordings, false).await
    }

    /// With a certificate for the loopback address that its own browsers trust.
    pub(crate) async fn over_tls() -> Self {
        Self::serving(None, true).await
    }

    async fn serving(recordings: Option<Recordings>, secure: bool) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let issuer = Issuer::start().await;
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if secure { "https" } else { "http" };
        let url = format!("{scheme}://{}", socket.local_addr().unwrap());
        let (tls, roots) = if secure { certified() } else { (None, rustls::RootCertStore::empty()) };
        let folder = tempfile::tempdir().unwrap();
        let config = ApprovalsConfig { wait: Duration::from_secs(900), reject: false, console_url: Some(url.clone()) };
        let now = || Timestamp(crate::issuer::seconds() * 1_000_000);
        let approvals = Approvals::open(config, folder.path(), Arc::new(Silent), Arc::new(now), Vec::new()).unwrap();
        let login = ConsoleLogin {
            issuer: issuer_setup(&issuer, "console"),
            client_id: "console".into(),
            client_secret: Some(Sourced {
                source: SecretSource::Env("TEST".into()),
                secret: wire::Secret::new(b"s:ecret"),
            }),
            scope: "openid groups".into(),
            lasts: Duration::from_secs(600),
        };
        let clock = Arc::new(SystemClock::default());
        let proxy = Arc::new(Proxy::default());
        let roles = |group: &str| vec![group.to_owned()];
        let console = Console::new(Parts {
            approvals: approvals.clone(),
            tokens: Arc::new(Verifier::new(&[issuer_setup(&issuer, "affidavit")], clock.clone()).unwrap()),
            login: Some(Login::new(login, &url, clock).unwrap()),
            roles: ConsoleRoles {
                viewer: roles("staff"),
                approver: roles("privacy-office"),
                auditor: roles("audit"),
                operator: roles("ops"),
            },
            public_url: url.clone(),
            sessions: proxy.clone(),
            policies: proxy.clone(),
            health: proxy.clone(),
            recordings,
        })
        .unwrap();
        tokio::spawn(affidavit::console::serve(console, socket, tls, 256, std::future::pending()));
        Self { url, issuer, approvals, proxy, roots, _folder: folder }
    }

    /// A held statement of someone.
    pub(crate) fn held(&self, subject: &str, sql: &str, need: &ApprovalNeed) -> Held {
        let mut session = session(subject, subject);
        session.identity.issuer.clone_from(&self.issuer.url);
        let (statement, verdict) = (statement(sql), verdict(need));
        let ask = Ask { session: &session, statement: &statement, verdict: &verdict, need, estimated_rows: Some(1234) };
        match self.approvals.ask(&ask) {
            Opened::Held(held) => held,
            _ => panic!("not held"),
        }
    }

    pub(crate) fn state(&self, id: &ApprovalId) -> State {
        self.approvals.get(id).unwrap().state()
    }
}

pub(crate) fn need(count: u32) -> ApprovalNeed {
    ApprovalNeed {
        rule: "full history".into(),
        approver_groups: vec!["privacy-office".into()],
        count,
        valid_for_seconds: 600,
        ..ApprovalNeed::default()
    }
}

fn verdict(need: &ApprovalNeed) -> Verdict {
    Verdict {
        decision: Decision::Hold(need.clone()),
        rule: Some(need.rule.clone()),
        policy: PolicyVersion([1; 32]),
        outputs: Vec::new(),
        recorded: vec![],
        guard_messages: true,
        class: model::Class::Wire,
        role: model::Role::Wire,
    }
}

fn statement(sql: &str) -> Statement {
    let facts = Facts {
        parts: Vec::new(),
        unparsed: None,
        normalized: sql.into(),
        fingerprint: "0123456789abcdef".into(),
        unknown_relations: Vec::new(),
        catalog_epoch: 1,
    };
    Statement {
        id: StatementId(1),
        phase: Phase::Simple,
        sql: bytes::Bytes::copy_from_slice(sql.as_bytes()),
        params: Vec::new(),
        prepared: None,
        sent: None,
        role: None,
        facts: Arc::new(facts),
        wire: bytes::Bytes::new(),
    }
}

pub(crate) fn session(subject: &str, name: &str) -> SessionInfo {
    SessionInfo {
        id: SessionId([7; 16]),
        opened: Timestamp(0),
        identity: Identity {
            issuer: "https://login".into(),
            subject: subject.into(),
            name: Some(name.into()),
            groups: vec!["ci-agents".into()],
            expires: Timestamp(i64::MAX),
            method: AuthMethod::TokenAsPassword,
            token_id: None,
        },
        claimed_user: subject.into(),
        client_addr: "127.0.0.1:5".into(),
        client_app: "psql".into(),
        protocol: "postgres".into(),
        datasource: "ehr".into(),
        database: "ehr".into(),
        upstream_user: "affidavit".into(),
        server_version: "15".into(),
        tls_version: None,
        reason: Some("nightly <report>".into()),
        ticket: None,
    }
}

/// A browser: cookies, no redirects unless told.
pub(crate) struct Browser {
    pub(crate) http: reqwest::Client,
    pub(crate) cookies: Mutex<BTreeMap<String, String>>,
    pub(crate) base: String,
}

/// A server's configuration for 127.0.0.1, and what trusts it.
fn certified() -> (Option<Arc<rustls::ServerConfig>>, rustls::RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let server = rustls::ServerConfig::builder().with_no_client_auth();
    (Some(Arc::new(server.with_single_cert(vec![made.cert.der().clone()], key).unwrap())), roots)
}

pub(crate) fn plain_http() -> reqwest::Client {
    http(rustls::RootCertStore::empty())
}

fn http(roots: rustls::RootCertStore) -> reqwest::Client {
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .use_preconfigured_tls(tls)
        .no_proxy()
        .build()
        .unwrap()
}

impl Browser {
    pub(crate) fn new(world: &World) -> Self {
        Self { http: http(world.roots.clone()), cookies: Mutex::default(), base: world.url.clone() }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let cookies: Vec<_> = self.cookies.lock().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.lock().remove(name);
            } else {
                self.cookies.lock().insert(name.into(), value.into());
            }
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        self.send(self.http.get(url)).await
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
        let mut body = reqwest::Url::parse("http://x").unwrap();
        body.query_pairs_mut().extend_pairs(form);
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("origin", &self.base)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.query().unwrap_or_default().to_owned());
        self.send(request).await
    }

    /// The whole login.
    pub(crate) async fn log_in(world: &World, subject: &str, groups: &[&str]) -> Self {
        world.issuer.logs_in(subject, groups);
        let browser = Self::new(world);
        let start = browser.get("/login/start?to=/history").await;
        let issuer = browser.http.get(start.headers()[LOCATION].to_str().unwrap()).send().await.unwrap();
        let entered = browser.get(issuer.headers()[LOCATION].to_str().unwrap()).await;
        assert_eq!(entered.status(), 200);
        browser
    }

    /// The token that this browser's forms carry.
    pub(crate) async fn csrf(&self) -> String {
        let page = self.page("/").await;
        page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}
