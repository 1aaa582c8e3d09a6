//! Who the proxy talks to, validated: issuers of tokens, clients at listeners, upstream databases and who may use them.

use super::secret::Sourced;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wire::{DatasourceSpec, Options, UpstreamTls};

/// Which claims become which part of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// Unique within the issuer. Default `sub`.
    pub subject: String,
    /// For people to read. Default `email`.
    pub name: String,
    /// Array of strings or space-separated string; may be a dotted path (`realm_access.roles`). Default `groups`.
    pub groups: String,
}

/// One of `[[issuers]]`.
#[derive(Clone, Debug)]
pub struct IssuerSetup {
    /// The issuer identifier, compared exactly with `iss`.
    pub issuer: String,
    /// Accepted audiences; a token must name one of them.
    pub audience: Vec<String>,
    /// Claim mapping.
    pub claims: ClaimNames,
    /// How far the issuer's clock may be ahead of ours (`nbf`, `iat`). At most 5 minutes.
    pub skew: Duration,
    /// Tokens that live longer than this are refused.
    pub max_lifetime: Duration,
    /// Keys older than this are fetched again in the background.
    pub keys_fresh: Duration,
    /// Keys older than this are not used any more, even if the issuer cannot be reached.
    pub keys_keep: Duration,
    /// Scopes that a client should ask for (RFC 7628 discovery).
    pub scope: String,
    /// Where people get a token, shown in refusals; else the issuer's URL is.
    pub help: Option<String>,
    /// TLS towards the issuer; `None` for a plain loopback issuer.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The file of root certificates that replaces the system's.
    pub ca: Option<PathBuf>,
}

/// TLS of a listener: certificate chain and key are loaded and fit each other.
#[derive(Clone)]
pub struct ServerTls {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Ready to serve, without ALPN: whoever needs it clones and sets it.
    pub config: Arc<rustls::ServerConfig>,
    /// The server's own certificate (DER): what clients bind their logins to.
    pub certificate: Arc<[u8]>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("cert", &self.cert).field("key", &self.key).finish_non_exhaustive()
    }
}

/// One of `[[listeners]]`.
#[derive(Clone, Debug)]
pub struct ListenerSetup {
    /// Registered name of the protocol.
    pub protocol: String,
    /// Where to listen.
    pub address: SocketAddr,
    /// The datasource behind it; `None` lets the requested database name it.
    pub datasource: Option<String>,
    /// Names at login have to fit: the user's to the token, the database's to the datasource.
    pub strict_names: bool,
    /// `None` only on loopback and with `insecure_loopback = true`.
    pub tls: Option<ServerTls>,
}

/// How the upstream's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamCheck {
    /// `verify-full`: chain and host name.
    Full,
    /// `require`: encrypted, but to whoever answers.
    EncryptOnly,
    /// `disable`: plain TCP.
    Plain,
}

impl UpstreamCheck {
    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "verify-full",
            Self::EncryptOnly => "require",
            Self::Plain => "disable",
        }
    }
}

/// Who may use a datasource: all of the named conditions hold, each by any of its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowRule {
    /// Any of these groups, exactly. Empty: no condition.
    pub groups: Vec<String>,
    /// The subject matches any of these globs (`*` is any run of characters). Empty: no condition.
    pub subjects: Vec<String>,
    /// The identity comes from this issuer.
    pub issuer: Option<String>,
}

/// How long sessions of a datasource may take over what; `None` is no limit of the datasource's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatienceSetup {
    /// A statement that runs longer is cancelled, and its session ends.
    pub statement: Option<Duration>,
    /// A transaction in which nothing happens for this long is rolled back, and its session ends.
    pub transaction: Option<Duration>,
    /// A session without traffic ends after this. Default: `[limits] idle_timeout`.
    pub idle: Option<Duration>,
    /// A session ends after this, whatever it does.
    pub session: Option<Duration>,
}

/// One of `[[datasources]]`.
#[derive(Clone)]
pub struct DatasourceSetup {
    /// Its name: what clients ask for and rules mention.
    pub name: String,
    /// Registered name of the protocol.
    pub protocol: String,
    /// `host:port`.
    pub address: String,
    /// Database at the upstream.
    pub database: Option<String>,
    /// User at the upstream.
    pub user: String,
    /// Password at the upstream.
    pub password: Option<Sourced>,
    /// How the certificate is checked.
    pub check: UpstreamCheck,
    /// The file of root certificates that replaces the system's.
    pub ca: Option<PathBuf>,
    /// TLS, ready to use.
    pub tls: UpstreamTls,
    /// Connecting and logging in is given up after this.
    pub connect_timeout: Duration,
    /// How long its sessions may take over what.
    pub patience: PatienceSetup,
    /// What its protocol adds.
    pub options: Options,
    /// Who may use it: any rule suffices; none means nobody.
    pub allow: Vec<AllowRule>,
    /// Whom a refused person should ask.
    pub contact: Option<String>,
}

impl DatasourceSetup {
    /// What its protocol needs to set it up.
    #[must_use]
    pub fn spec(&self) -> DatasourceSpec {
        DatasourceSpec {
            name: self.name.clone(),
            address: self.address.clone(),
            database: self.database.clone(),
            user: self.user.clone(),
            password: self.password.as_ref().map(|password| password.secret.clone()),
            tls: self.tls.clone(),
            connect_timeout: self.connect_timeout,
            options: self.options.clone(),
        }
    }
}

impl fmt::Debug for DatasourceSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatasourceSetup")
            .field("name", &self.name)
            .field("protocol", &self.protocol)
            .field("address", &self.address)
            .field("tls", &self.check.as_str())
            .finish_non_exhaustive()
    }
}
