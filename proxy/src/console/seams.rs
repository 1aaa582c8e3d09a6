//! What the console needs from the rest of the proxy, as small traits: it can then be run in tests without a database.

use async_trait::async_trait;
use model::{Identity, Refusal, SessionInfo};
use std::sync::Arc;

/// Verifies bearer tokens.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// The identity that a token proves.
    ///
    /// # Errors
    /// Why it proves none.
    async fn verify(&self, token: &[u8]) -> Result<Identity, Refusal>;
}

#[async_trait]
impl Tokens for crate::identity::Verifier {
    async fn verify(&self, token: &[u8]) -> Result<Identity, Refusal> {
        self.verify(token, model::AuthMethod::OauthBearer).await.map_err(|denied| denied.refusal)
    }
}

/// A session that is running now.
pub type LiveSession = Arc<SessionInfo>;

/// Who ended a session, for the client and the log.
#[derive(Clone, Debug)]
pub struct KilledBy {
    /// What people call them.
    pub name: String,
    /// `issuer|subject`.
    pub recorded: String,
}

/// The sessions that are running now.
pub trait LiveSessions: Send + Sync {
    /// All of them, oldest first.
    fn running(&self) -> Vec<LiveSession>;
    /// Ends one. False when it is not running.
    fn kill(&self, session: &str, by: &KilledBy) -> bool;
}

/// The policy in force.
#[derive(Clone, Debug)]
pub struct PolicyText {
    /// Its version (hex).
    pub version: String,
    /// Its canonical text.
    pub text: String,
    /// When it came into force here, microseconds since the epoch; `None` when it is not known.
    pub since: Option<i64>,
    /// When it stopped; `None` while it is in force, or when it is not known.
    pub until: Option<i64>,
    /// Who changed it and why, as far as the record knows.
    pub by: Option<String>,
}

/// The policies.
pub trait PolicySource: Send + Sync {
    /// The versions that were in force since the proxy began to run, the current one first.
    fn versions(&self) -> Vec<PolicyText>;
}

/// How one part of the proxy is doing.
#[derive(Clone, Debug)]
pub struct HealthLine {
    /// Which part (`record`, `policy`, `issuer https://…`, `datasource ehr`).
    pub part: String,
    /// Whether it works.
    pub well: bool,
    /// In words.
    pub words: String,
    /// Whether the proxy is of no use without it: then load balancers should look elsewhere.
    pub vital: bool,
}

/// How the proxy is doing.
#[async_trait]
pub trait HealthSource: Send + Sync {
    /// Every part that knows how it is doing.
    fn health(&self) -> Vec<HealthLine>;
    /// The databases, asked now or a moment ago.
    async fn upstreams(&self) -> Vec<HealthLine> {
        Vec::new()
    }
    /// The metrics in Prometheus' text format, if they are kept.
    fn metrics(&self) -> Option<String> {
        None
    }

    /// What those should know who are told that new sessions are served, by kind.
    fn warnings(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// What keeps new sessions from being served well now, by kind; empty when nothing does.
    async fn unready(&self) -> Vec<&'static str> {
        Vec::new()
    }
}
