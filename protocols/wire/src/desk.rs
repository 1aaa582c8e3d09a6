//! The desk: what the proxy offers a protocol during login. The protocol asks, the desk decides and records.

use crate::{Datasource, Secret};
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
    /// A proof of the password of an exchanged credential, which the claim's user names.
    Proof(&'a dyn Proof),
}

/// A client's proof that it knows a password which it does not send (SCRAM, caching_sha2_password): what it said, with
/// everything that was said before and that the proof is over. The adapter only reads it off the wire; whether it holds is
/// asked by the desk, of a verifier that the desk itself has looked up.
pub trait Proof: Send + Sync {
    /// Whether it fits a verifier of the adapter's own making ([`crate::Protocol::verifier`]). Secrets are compared in
    /// constant time; a verifier that does not decode fits nothing.
    fn fits(&self, verifier: &Secret) -> bool;
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

    /// Why nobody is let in here at the moment, if so: the proxy stops, or has too many connections. Told before anything
    /// else is asked; no proof is looked at.
    fn closed(&self) -> Option<Refusal> {
        None
    }

    /// The datasource that the listener is bound to, or that `database` names. For protocols whose upstream speaks
    /// before the client has proven anything (MySQL); rate limits apply.
    fn datasource_before_login(&self, database: Option<&str>) -> Result<Arc<dyn Datasource>, Refusal>;

    /// The verifier that a client is challenged by when its claim names an exchanged credential: `None` when the user name
    /// is not of their form, so that a token is due. A name of that form which nobody holds gets a decoy, the same salt
    /// each time, so that what a client is asked does not tell which names exist. To let anybody in by it takes
    /// [`Desk::admit`], which looks the credential up again.
    ///
    /// # Errors
    /// When this address has failed too often; recorded here.
    fn challenge(&self, claim: &Claim) -> Result<Option<Secret>, Refusal> {
        let _ = claim;
        Ok(None)
    }

    /// The certificate (DER) that clients of this listener see, for channel binding; `None` without TLS.
    fn certificate(&self) -> Option<&[u8]> {
        None
    }

    /// Verifies the proof, finds the datasource and checks that the identity may use it. A refusal is recorded here;
    /// the protocol only has to tell the client.
    async fn admit(&self, credential: Credential<'_>, claim: &Claim) -> Result<Admission, Refusal>;

    /// Where a client may get a token.
    fn discovery(&self) -> Option<Discovery>;

    /// Whether this listener takes nothing but the names that fit: a client that asks for another database than the
    /// datasource's is told that there is none.
    fn strict_names(&self) -> bool {
        false
    }

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
