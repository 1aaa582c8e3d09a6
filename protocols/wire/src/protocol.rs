//! A protocol and its datasources, as the registry lists them.

use crate::{
    Conversation, Desk, LockPlan, LockReport, LockState, LoginError, NamedRelation, OptionSpec, Options, Sample,
    SampleOrder, Survey, Transport,
};
use async_trait::async_trait;
use model::{Refusal, RefusalKind, Role, SessionInfo, Statement};
use std::fmt;
use std::sync::Arc;

/// A secret that never shows in debug output.
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Wraps the bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the login that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// TLS towards an upstream.
#[derive(Clone)]
pub enum UpstreamTls {
    /// Plain TCP.
    Disabled,
    /// TLS is required; the configuration says how the certificate is checked.
    Required(Arc<rustls::ClientConfig>),
}

/// Where a datasource is and how to log in there.
#[derive(Clone)]
pub struct DatasourceSpec {
    /// Configured name.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// Database at the upstream; `None` lets the protocol's default hold.
    pub database: Option<String>,
    /// User at the upstream.
    pub user: String,
    /// Password at the upstream, if it needs one.
    pub password: Option<Secret>,
    /// TLS.
    pub tls: UpstreamTls,
    /// Seconds after which connecting and logging in is given up.
    pub connect_timeout: std::time::Duration,
    /// What its protocol adds to the configuration ([`Protocol::options`]).
    pub options: Options,
}

/// A datasource cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(pub String);

/// One configured upstream, as its protocol sees it: credentials, cached keys, catalog snapshot.
#[async_trait]
pub trait Datasource: Send + Sync + std::any::Any {
    /// What it was built from.
    fn spec(&self) -> &DatasourceSpec;

    /// Reads the catalog again (single flight); returns the epoch of the snapshot now in force.
    async fn refresh_catalog(&self) -> Result<u64, Refusal>;

    /// Epoch of the snapshot in force; 0 before the first.
    fn catalog_epoch(&self) -> u64;

    /// Whether a definition has run through the proxy since the snapshot in force was read: then it is to be read again
    /// before a statement that depends on it is judged.
    fn is_outdated(&self) -> bool {
        false
    }

    /// What `sql` does, by the catalog in force and default session settings. For `explain` and the console.
    fn analyse(&self, sql: &str) -> Arc<model::Facts>;

    /// The text that is sent in place of `sql`, whose facts these are, when its class asks for masks at the source; or why there
    /// can be none. For `explain`.
    ///
    /// # Errors
    /// Why the masks cannot be put into the text.
    fn substitute(
        &self,
        sql: &str,
        facts: &model::Facts,
        substitution: &model::Substitution,
    ) -> Result<String, String> {
        let _ = (sql, facts, substitution);
        Err("this protocol cannot mask where data is read".to_owned())
    }

    /// The columns of a table or view in the catalog in force, in order; `None` for one it does not know.
    fn columns(&self, table: &model::TableRef) -> Option<Vec<String>>;

    /// Whether names of tables and columns are compared without regard to case (MySQL's columns are; so are its tables
    /// on many systems, and protecting too much is the safe side).
    fn folds_names(&self) -> bool {
        false
    }

    /// Cancels what a session is running.
    async fn cancel(&self, key: &[u8]) -> std::io::Result<()>;

    /// Logs in and out again: the upstream's version, for `check` and health.
    async fn probe(&self) -> Result<String, Refusal>;

    /// Looks at the rights of the proxy's user, at settings and objects, for `affidavit doctor`. Reads the catalog anew.
    async fn survey(&self) -> Result<Survey, Refusal> {
        Err(unsurveyed(self.spec()))
    }

    /// The SQL that makes a user with the least rights that the proxy needs, for the datasource's administrator to run.
    /// `role` names the user; by default it is the configured one.
    async fn hardening(&self, _role: Option<&str>) -> Result<String, Refusal> {
        Err(unsurveyed(self.spec()))
    }

    /// Every relation of users in the catalog, read anew, for working out what the second lock is to keep.
    async fn relations(&self) -> Result<Vec<NamedRelation>, Refusal> {
        Err(unlocked(self.spec()))
    }

    /// The SQL that makes the roles and views of the second lock, or makes them as they should be; for the administrator to
    /// run. `role` names the account; by default it is the configured one.
    async fn lock_sql(&self, _role: Option<&str>, _plan: &LockPlan) -> Result<String, Refusal> {
        Err(unlocked(self.spec()))
    }

    /// Holds the roles of the database against what they should be.
    async fn examine_lock(&self, _plan: &LockPlan) -> Result<LockReport, Refusal> {
        Err(unlocked(self.spec()))
    }

    /// Says whether the second lock is in force from now on. What that means for sessions and statements is the mode's to
    /// say (see [`LockMode`]).
    fn set_lock(&self, _state: LockState) {}

    /// Whether it is.
    fn lock(&self) -> LockState {
        LockState::Unknown
    }

    /// The role that a statement runs with whose class asks for `wanted`, as the second lock stands; `None` where whatever role
    /// was taken stays.
    fn role(&self, _statement: &Statement, wanted: Role) -> Option<Role> {
        Some(wanted)
    }

    /// Reads a bounded sample of a table's columns, for counting what their values look like.
    async fn sample(&self, _order: &SampleOrder<'_>) -> Result<Sample, Refusal> {
        Err(unsurveyed(self.spec()))
    }

    /// How many rows the planner thinks that a statement brings into its answer or changes, however it wraps them up. Asked
    /// over a connection of the proxy's own, before the statement is judged; nothing of it runs. `None` when there is no
    /// saying (see [`crate::plannable`]), which counts as too many.
    async fn estimate(&self, _statement: &Statement) -> Option<u64> {
        None
    }

    /// For a protocol to get its own type back.
    fn as_any(&self) -> &dyn std::any::Any;
}

fn unlocked(spec: &DatasourceSpec) -> Refusal {
    Refusal::new(RefusalKind::NotSupported, format!("the protocol of datasource {:?} has no second lock", spec.name))
        .hint("leave second_lock out of its section")
}

fn unsurveyed(spec: &DatasourceSpec) -> Refusal {
    Refusal::new(
        RefusalKind::NotSupported,
        format!("the protocol of datasource {:?} has no survey of its upstreams", spec.name),
    )
    .hint("leave this datasource out with --datasource")
}

/// A session whose login is complete on both sides. Nothing of the upstream has been sent to the client beyond login.
pub struct Established {
    /// The client's connection.
    pub client: Transport,
    /// The upstream's connection.
    pub upstream: Transport,
    /// Protocol state from here on.
    pub conversation: Box<dyn Conversation>,
    /// For the record.
    pub info: SessionInfo,
    /// Frames that tell the client it is in; sent once the opening is recorded.
    pub greeting: Vec<u8>,
    /// Bytes of the client already read beyond its login.
    pub client_residue: Vec<u8>,
    /// Bytes of the upstream already read beyond its login.
    pub upstream_residue: Vec<u8>,
    /// The datasource.
    pub datasource: Arc<dyn Datasource>,
}

/// How a connection's first exchange ended.
pub enum Login {
    /// A session.
    Session(Box<Established>),
    /// Nothing more to do: a cancel request was served, a probe went away.
    Finished,
}

/// A database protocol.
#[async_trait]
pub trait Protocol: Send + Sync {
    /// Name in the configuration and the record.
    fn name(&self) -> &'static str;

    /// Port that clients of this protocol expect.
    fn default_port(&self) -> u16;

    /// Whether a listener may leave the datasource to the client's choice of database.
    fn datasource_by_database(&self) -> bool;

    /// ALPN protocols that a listener of this protocol offers over TLS, most preferred first.
    fn alpn(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// What is kept of the password of an exchanged credential: enough to check a client's proof of it ([`crate::Proof`]),
    /// not enough to give one. In a form of the protocol's own; the salt is different for each user name. `None` where the
    /// protocol's clients can only send tokens.
    fn verifier(&self, password: &[u8], salt: &[u8; 16]) -> Option<Secret> {
        let _ = (password, salt);
        None
    }

    /// A verifier of the same form that no password fits, as cheap to make as a real one is to look up. `None` as for
    /// [`Protocol::verifier`].
    fn decoy(&self, salt: &[u8; 16]) -> Option<Secret> {
        let _ = salt;
        None
    }

    /// Keys that this protocol adds to `[[datasources]]`.
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    /// Sets up a datasource. Does not connect.
    fn datasource(&self, spec: DatasourceSpec) -> Result<Arc<dyn Datasource>, SpecError>;

    /// Conducts a login over a fresh connection. The caller bounds the time.
    async fn login(&self, client: Transport, desk: Arc<dyn Desk>) -> Result<Login, LoginError>;
}
