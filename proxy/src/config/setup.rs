//! The validated setup: what `affidavit.toml` means, in types that cannot hold a contradiction.

use super::peers::{DatasourceSetup, IssuerSetup, ListenerSetup, ServerTls};
use super::secret::Sourced;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A configuration that was checked as a whole.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The file it came from; relative paths were resolved against its folder.
    pub file: PathBuf,
    /// `[store]`
    pub store: StoreSetup,
    /// `[[issuers]]`, at least one, each issuer once.
    pub issuers: Vec<IssuerSetup>,
    /// `[[listeners]]`, at least one, each address once.
    pub listeners: Vec<ListenerSetup>,
    /// `[[datasources]]`, at least one, each name once.
    pub datasources: Vec<DatasourceSetup>,
    /// `[policies]`
    pub policies: PoliciesSetup,
    /// `[masking]`: needed by rules that make tokens, hashes and fake names.
    pub masking: Option<MaskingSetup>,
    /// `[approvals]`
    pub approvals: ApprovalsSetup,
    /// `[console]`: absent means none is served.
    pub console: Option<ConsoleSetup>,
    /// `[exchange]`: absent means that tokens are not exchanged.
    pub exchange: Option<ExchangeSetup>,
    /// `[[webhooks]]`: who is told of requests and decisions.
    pub webhooks: Vec<WebhookSetup>,
    /// `[limits]`
    pub limits: Limits,
    /// What someone should look at, though the proxy runs.
    pub warnings: Vec<super::Problem>,
}

/// Where the record is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// A directory on this machine.
    Local(PathBuf),
    /// An object store, such as `s3://bucket/prefix`.
    Remote(String),
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Remote(url) => f.write_str(url),
        }
    }
}

/// What an acknowledged record survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The proxy's death (`kill -9`), not the machine's.
    Process,
    /// The machine's death too: fsync before forwarding and before release.
    Strict,
}

impl Durability {
    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Strict => "strict",
        }
    }
}

/// When a segment is sealed: whichever comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSetup {
    /// Rows in it.
    pub rows: u64,
    /// Bytes journaled for it.
    pub bytes: u64,
    /// Time since its first record.
    pub age: Duration,
}

/// Who signs the log.
#[derive(Clone, Debug)]
pub enum SigningKey {
    /// This process, with a key.
    Key(Sourced),
    /// A program and its arguments; see [`evidence::SigningKeySource::Command`].
    Command(Vec<String>),
}

impl fmt::Display for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.source.fmt(f),
            Self::Command(argv) => write!(f, "with the program {}", argv.join(" ")),
        }
    }
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct StoreSetup {
    /// Where the record is kept.
    pub place: StorePlace,
    /// Whether a store may be made where there is none and none is remembered; else `evidence init` makes it.
    pub create: bool,
    /// The file outside of the store that remembers the log's head.
    pub head: Option<PathBuf>,
    /// Local directory of a remote store's journal; a local store keeps it inside its own directory.
    pub journal: Option<PathBuf>,
    /// Name of the transparency log (C2SP checkpoint origin).
    pub origin: String,
    /// The log's private signing key, as `evidence keys generate` wrote it, or the program that has it.
    pub signing_key: SigningKey,
    /// Encrypts the exact texts and parameters of statements at rest: 16 or 32 bytes, as hexadecimal digits.
    pub body_key: Option<Sourced>,
    /// How long the record is kept; without it nothing is ever removed.
    pub retention: Option<evidence::Retention>,
    /// What an acknowledged record survives.
    pub durability: Durability,
    /// When a segment is sealed.
    pub segment: SegmentSetup,
    /// A wall clock that is set by no more than this goes unmentioned; a larger step becomes a signed leaf of the log.
    pub clock_slack: Duration,
}

/// `[policies]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoliciesSetup {
    /// The folder of `*.toml` policy files.
    pub path: PathBuf,
    /// A changed folder that lacks rules of the policy in force takes over without `affidavit policy activate`.
    pub allow_weaker: bool,
}

/// `[masking]`
#[derive(Clone, Debug)]
pub struct MaskingSetup {
    /// Master secret that token, hash and name keys are derived from; at least 32 bytes.
    pub key: Sourced,
    /// Tokens of different tenants are unrelated.
    pub tenant: String,
    /// Three-digit ZIP areas of 20,000 people or fewer; `None` for those of the 2000 census.
    pub small_zip_areas: Option<Vec<u16>>,
}

/// What a client sees while its statement waits for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHold {
    /// The connection waits.
    Wait,
    /// An error with the request's id; the client retries after approval.
    Reject,
}

/// `[approvals]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalsSetup {
    /// How long a statement is held.
    pub wait: Duration,
    /// What its client sees.
    pub on_hold: OnHold,
}

/// `[console]`
#[derive(Clone, Debug)]
pub struct ConsoleSetup {
    /// Where to listen.
    pub address: SocketAddr,
    /// `None` only on loopback.
    pub tls: Option<ServerTls>,
    /// What people type into their browser, without a slash at the end. Default: the address.
    pub public_url: String,
    /// How people log in; `None` leaves only the API with bearer tokens.
    pub login: Option<ConsoleLogin>,
    /// Which groups may do what.
    pub roles: ConsoleRoles,
}

/// `[exchange]`: tokens for short-lived user names and passwords.
#[derive(Clone, Debug)]
pub struct ExchangeSetup {
    /// Where to listen.
    pub address: SocketAddr,
    /// `None` only on loopback and with `insecure_loopback = true`.
    pub tls: Option<ServerTls>,
    /// How long a credential lasts at most; never longer than its token. Default 15 min.
    pub valid_for: Duration,
    /// Groups that see and revoke everybody's credentials; the console's operators are among them.
    pub operators: Vec<String>,
}

/// Login to the console: OpenID Connect, authorization code with PKCE.
#[derive(Clone, Debug)]
pub struct ConsoleLogin {
    /// The issuer, with the console's client id as its only audience.
    pub issuer: IssuerSetup,
    /// The console's client id there.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<Sourced>,
    /// Scopes asked for.
    pub scope: String,
    /// How long a login lasts; groups are read again after it. Default 1 h.
    pub lasts: Duration,
}

/// Which groups hold which role in the console. Whoever may decide a request by its rule sees that request anyway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsoleRoles {
    /// Sees requests, live sessions, policies and health.
    pub viewer: Vec<String>,
    /// As a viewer; decides where a rule names the group.
    pub approver: Vec<String>,
    /// As a viewer: recordings are searched and replayed with `evidence`, not in the console.
    pub auditor: Vec<String>,
    /// As a viewer; ends sessions.
    pub operator: Vec<String>,
}

/// Shape of a webhook's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFormat {
    /// Our own JSON, signed with HMAC-SHA256.
    Json,
    /// What Slack's incoming webhooks take.
    Slack,
}

/// One of `[[webhooks]]`
#[derive(Clone, Debug)]
pub struct WebhookSetup {
    /// Where messages go. For Slack it is a secret by itself.
    pub url: String,
    /// Key of the signature.
    pub secret: Option<Sourced>,
    /// Shape of the message.
    pub format: WebhookFormat,
    /// TLS towards it; `None` for plain loopback.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at a time. Default 10,000.
    pub sessions: usize,
    /// Connections that have not logged in yet. Default 512.
    pub pending_logins: usize,
    /// Connections of one address (for IPv6 one /64) that have not logged in yet. Default 64.
    pub logins_per_address: usize,
    /// Sessions of one address at a time. Default 2,000.
    pub sessions_per_address: usize,
    /// Sessions of one identity at a time. Default 500.
    pub sessions_per_identity: usize,
    /// Sessions of one datasource at a time. Default: as many as there may be.
    pub sessions_per_datasource: usize,
    /// Sessions of one listener at a time. Default: as many as there may be.
    pub sessions_per_listener: usize,
    /// Connections to the console, and to the token exchange, at a time. Default 256.
    pub console_connections: usize,
    /// A login that takes longer is given up. Default 30 s.
    pub login_timeout: Duration,
    /// A session without traffic is closed after this. Default 8 h: a pooled connection may sleep over lunch.
    pub idle_timeout: Duration,
    /// Bytes in one message of a client, and in one row that is masked. Default 64 MiB.
    pub message_bytes: u64,
    /// Bytes of messages that are not complete, of all clients together. Default 512 MiB.
    pub unfinished_bytes: u64,
    /// How long sessions may finish after the order to stop. Default 10 s.
    pub shutdown_grace: Duration,
    /// Threads that carry sessions. Default: one for each processor.
    pub threads: usize,
    /// The hard limit of open files, where it left room for fewer sessions than are configured. Found out at start.
    pub files: Option<u64>,
}
