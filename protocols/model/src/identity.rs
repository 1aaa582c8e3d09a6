//! Who is asking: what the token proves, beside what the client merely claims.

use crate::Timestamp;

/// How an identity was proven at login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// An OIDC token sent as the clear-text password (PostgreSQL password message, `mysql_clear_password`).
    TokenAsPassword,
    /// SASL `OAUTHBEARER` (RFC 7628).
    OauthBearer,
    /// A short-lived credential that was exchanged for a token earlier.
    Exchanged,
}

impl AuthMethod {
    /// The name that the record and the console show.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenAsPassword => "token-as-password",
            Self::OauthBearer => "oauthbearer",
            Self::Exchanged => "exchanged-credential",
        }
    }
}

/// A proven identity. Built only from a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The issuer's identifier (`iss`), exactly as configured and discovered.
    pub issuer: String,
    /// The subject (`sub` or the configured claim): unique within the issuer.
    pub subject: String,
    /// A name for people (`email` or the configured claim), if the token has one. Never used to decide.
    pub name: Option<String>,
    /// Groups from the configured claim, in the token's order.
    pub groups: Vec<String>,
    /// When the proof ends (`exp`). No session outlives it.
    pub expires: Timestamp,
    /// How it was proven.
    pub method: AuthMethod,
    /// The token's own identifier (`jti`), if it has one.
    pub token_id: Option<String>,
}
