//! The door to the audit record: who was given a credential, who took one back, who was refused one.
//!
//! Issue and revocation stand among the accesses (`evidence accesses`: actor, action, scope); refusals stand where refused logins
//! do; the use of a credential is the opening of a session whose `claimed_user` is the credential's name and whose `auth_method` is
//! `exchanged-credential`.

use super::credential::Credential;
use evidence::{AccessEvent, CannotRecord, LoginDenied, Recorder};

/// Where it is recorded.
pub(crate) trait Ledger: Send + Sync {
    /// A credential was issued or revoked.
    fn accessed(&self, event: &AccessEvent) -> Result<(), CannotRecord>;
    /// An exchange, or a login by a credential, was refused.
    fn denied(&self, denial: &LoginDenied) -> Result<(), CannotRecord>;
}

impl Ledger for Recorder {
    fn accessed(&self, event: &AccessEvent) -> Result<(), CannotRecord> {
        self.accessed(event).map(drop)
    }

    fn denied(&self, denial: &LoginDenied) -> Result<(), CannotRecord> {
        self.login_denied(denial).map(drop)
    }
}

/// The record of an issue.
pub(super) fn issued(credential: &Credential) -> AccessEvent {
    AccessEvent {
        actor: format!("{}|{}", credential.issuer, credential.subject),
        action: "credential issued".to_owned(),
        scope: scope(credential),
        finding: None,
        package_hash: None,
    }
}

/// The record of a revocation by `actor` (`issuer|subject`).
pub(super) fn revoked(credential: &Credential, actor: &str, ended: usize) -> AccessEvent {
    let why = credential.revoked.as_ref().and_then(|revoked| revoked.why.clone());
    AccessEvent {
        actor: actor.to_owned(),
        action: "credential revoked".to_owned(),
        scope: format!("{}; sessions ended: {ended}", scope(credential)),
        finding: why,
        package_hash: None,
    }
}

fn scope(credential: &Credential) -> String {
    format!(
        "{} of {}|{} for datasource {} until {}, asked for from {}{}",
        credential.user,
        credential.issuer,
        credential.subject,
        credential.datasource,
        super::book::instant(credential.expires),
        credential.from,
        credential.token_id.as_ref().map(|id| format!(", by token {id}")).unwrap_or_default()
    )
}
