//! The desk: what the proxy offers a protocol during login. The protocol asks, the desk decides and records.

use crate::Datasource;
use async_trait::async_trait;
use model::{Identity, Refusal, SessionId};
use std::sync::Arc;

/// What the client says about itself, unproven.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// User name of the startup message.
    pub user: String,
    /// Database asked for, if any.
    pub database: Option<String>,
    /// `application_name`, `program_name`, possibly empty.
    pub application: String,
    /// Reason given at login.
    pub reason: Option<String>,
    /// Ticket given at login.
    pub ticket: Option<String>,
}

/// What the client shows as proof.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A token that came as a clear-text password.
    Password(&'a [u8]),
    /// A token that came through SASL OAUTHBEARER.
    Bearer(&'a [u8]),
}

/// Where a client may get a token: the answer to an OAUTHBEARER client that came without one (RFC 7628).
#[derive(Clone, Debug)]
pub struct Discovery {
    /// URL of the issuer's discovery document.
    pub openid_configuration: String,
    /// Scopes to ask for.
    pub scope: String,
}

/// A proven identity, admitted to one datasource. Only a desk that checked both hands it out.
pub struct Admission {
    /// Who.
    pub identity: Identity,
    /// Where to.
    pub datasource: Arc<dyn Datasource>,
    /// The session's id, already in the record.
    pub session: SessionId,
}

/// A running session's upstream side, as a cancel request needs it.
pub struct CancelTarget {
    /// The datasource that the session talks to.
    pub datasource: Arc<dyn Datasource>,
    /// What the adapter needs to cancel there (PostgreSQL: the upstream's pid and secret).
    pub key: Vec<u8>,
}

/// How a login ended without a session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// It was refused, and the client has been told.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The peer broke the protocol.
    #[error("protocol violation: {0}")]
    Violation(String),
    /// The connection broke.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
}

/// What the proxy offers a protocol during login, one per connection.
#[async_trait]
pub trait Desk: Send + Sync {
    /// TLS for the client's side; `None` on a plain loopback listener.
    fn tls(&self) -> Option<Arc<rustls::ServerConfig>>;

    /// The datasource that the listener is bound to, or that `database` names. For protocols whose upstream speaks
    /// before the client has proven anything (MySQL); rate limits apply.
    fn datasource_before_login(&self, database: Option<&str>) -> Result<Arc<dyn Datasource>, Refusal>;

    /// Verifies the proof, finds the datasource and checks that the identity may use it. A refusal is recorded here;
    /// the protocol only has to tell the client.
    async fn admit(&self, credential: Credential<'_>, claim: &Claim) -> Result<Admission, Refusal>;

    /// Where a client may get a token.
    fn discovery(&self) -> Option<Discovery>;

    /// Records that a client was turned away before its proof could be looked at (no TLS, a token that is too long, a kind
    /// of connection that is not supported).
    fn turned_away(&self, claim: &Claim, refusal: &Refusal) {
        let _ = (claim, refusal);
    }

    /// Records that an admitted login came to nothing (the upstream refused).
    fn abandoned(&self, admission: &Admission, claim: &Claim, refusal: &Refusal);

    /// Makes a session cancellable: `key` is what its client was given. It ends with the session.
    fn offer_cancel(&self, session: SessionId, key: Vec<u8>, target: CancelTarget);

    /// Looks up a cancel key, in constant time for each key.
    fn find_cancel(&self, key: &[u8]) -> Option<CancelTarget>;

    /// The address of the client, for the record.
    fn client_addr(&self) -> String;
}
