//! The desk: what the proxy offers a protocol during login (identity, access, datasource, cancel keys).

use crate::exchange::{Exchange, Rejected, slow_down};
use crate::identity::Unverified;
use crate::proxy::Proxy;
use crate::seats::{Newcomer, Seat};
use async_trait::async_trait;
use model::{AuthMethod, Identity, Refusal, RefusalKind, SessionId};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use wire::{Admission, CancelTarget, Claim, Credential, Datasource, Desk, Discovery, Proof, Secret};

/// One connection's desk.
pub(crate) struct ListenerDesk {
    /// The whole.
    pub(crate) proxy: Arc<Proxy>,
    /// The listener's protocol.
    pub(crate) protocol: &'static str,
    /// The listener's own datasource, if it has one.
    pub(crate) datasource: Option<String>,
    /// Names at login have to fit.
    pub(crate) strict_names: bool,
    /// TLS for the client's side.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// The certificate (DER) of `tls`.
    pub(crate) certificate: Option<Arc<[u8]>>,
    /// The client.
    pub(crate) client: SocketAddr,
    /// The listener's own address.
    pub(crate) listener: SocketAddr,
    /// Why nobody is let in, if so.
    pub(crate) closed: Option<Refusal>,
    /// What a login holds until the client is admitted: a place among those who have proven nothing.
    pub(crate) queued: Mutex<Option<Queued>>,
    /// The session's seats, from its admission to its end.
    pub(crate) seats: Mutex<Vec<Seat>>,
}

/// A place among the logins under way.
pub(crate) struct Queued {
    pub(crate) _listener: OwnedSemaphorePermit,
    pub(crate) _address: Seat,
}

impl ListenerDesk {
    /// The datasource that a client gets: the listener's, else the one that its database names.
    fn find(&self, database: Option<&str>) -> Result<Arc<dyn Datasource>, Refusal> {
        let name = self.datasource.as_deref().or(database).ok_or_else(|| {
            Refusal::new(RefusalKind::NotAllowed, "no datasource was asked for")
                .hint("name the datasource as the database in your connection string")
        })?;
        self.proxy.datasource(self.protocol, name).ok_or_else(|| {
            Refusal::new(RefusalKind::NotAllowed, format!("there is no datasource {name:?} on this listener")).hint(
                "the database in your connection string names the datasource; ask whoever runs Affidavit for its name",
            )
        })
    }

    /// Records a refused login. `proven` is the identity, where only the access was refused.
    fn record_denial(&self, claim: &Claim, refusal: &Refusal, unverified: &Unverified, proven: Option<&Identity>) {
        let denial = evidence::LoginDenied {
            session: evidence::new_session_id(),
            claimed_user: claim.user.clone(),
            issuer: unverified.issuer.clone(),
            subject: unverified.subject.clone(),
            name: proven.and_then(|identity| identity.name.clone()),
            groups: proven.map(|identity| identity.groups.clone()).unwrap_or_default(),
            method: proven.map(|identity| identity.method),
            token_id: unverified.token_id.clone(),
            client_addr: self.client.to_string(),
            client_app: claim.application.clone(),
            protocol: self.protocol.to_owned(),
            datasource: self.datasource.clone().or_else(|| claim.database.clone()),
            database: claim.database.clone(),
            tls_version: None,
            reason: claim.reason.clone(),
            ticket: claim.ticket.clone(),
            refusal: refusal.message.clone(),
        };
        self.proxy.denials.note(&self.proxy.recorder, denial, self.client);
    }

    /// Lets somebody in by an exchanged credential, if the proof fits it and it is still good.
    fn admit_by_proof(&self, proof: &dyn Proof, claim: &Claim) -> Result<Admission, Refusal> {
        let proven = match &self.proxy.exchange {
            Some(exchange) => exchange.prove(self.protocol, &claim.user, proof, self.client.ip()),
            None => {
                let refusal = Refusal::new(RefusalKind::NotAuthenticated, "tokens are not exchanged here");
                Err(Box::new(Rejected { refusal, proven: None }))
            }
        };
        match proven {
            Ok(proven) => self.admit_identity(proven.identity, claim, Some(&proven.datasource)),
            Err(rejected) => {
                match &rejected.proven {
                    Some(identity) => self.record_denial_of(claim, &rejected.refusal, identity),
                    None => self.record_denial(claim, &rejected.refusal, &Unverified::default(), None),
                }
                Err(rejected.refusal)
            }
        }
    }

    /// Lets a proven identity in, if it may use the datasource. A credential is good for one datasource `only`.
    fn admit_identity(&self, identity: Identity, claim: &Claim, only: Option<&str>) -> Result<Admission, Refusal> {
        let admitted = self.find(claim.database.as_deref()).and_then(|datasource| {
            let name = &datasource.spec().name;
            if let Some(only) = only.filter(|only| only != name) {
                let message = format!("this credential is for datasource {only:?}, and this is {name:?}");
                return Err(Refusal::new(RefusalKind::NotAllowed, message)
                    .hint(format!("exchange your token again, with audience={name}")));
            }
            self.proxy.access.allow(&identity, name)?;
            if self.strict_names {
                right_user(&identity, &claim.user, &datasource.spec().user)?;
            }
            self.take_seats(&identity, name)?;
            Ok(datasource)
        });
        match admitted {
            Ok(datasource) => Ok(Admission { identity, datasource, session: evidence::new_session_id() }),
            Err(refusal) => {
                self.record_denial_of(claim, &refusal, &identity);
                Err(refusal)
            }
        }
    }

    /// Takes the session's seats, and gives up the place among the logins: a database that is slow to answer holds up
    /// those who wait for it, not those who come to another one.
    fn take_seats(&self, identity: &Identity, name: &str) -> Result<(), Refusal> {
        let newcomer =
            Newcomer { client: self.client.ip(), identity, datasource: (self.protocol, name), listener: self.listener };
        *self.seats.lock() = self.proxy.seats.session(&newcomer, &self.proxy.limits)?;
        *self.queued.lock() = None;
        Ok(())
    }

    fn record_denial_of(&self, claim: &Claim, refusal: &Refusal, identity: &Identity) {
        let known = Unverified {
            issuer: Some(identity.issuer.clone()),
            subject: Some(identity.subject.clone()),
            token_id: identity.token_id.clone(),
        };
        self.record_denial(claim, refusal, &known, Some(identity));
    }
}

/// The name that the client gives as the user's is the token's own subject or name, or that of the datasource's user, which
/// an application names that has changed nothing but host and port. What is exchanged has a name of its own.
fn right_user(identity: &Identity, claimed: &str, upstream: &str) -> Result<(), Refusal> {
    let named = claimed == identity.subject || identity.name.as_deref() == Some(claimed) || claimed == upstream;
    if named || identity.method == AuthMethod::Exchanged {
        return Ok(());
    }
    let refusal = Refusal::new(RefusalKind::NotAuthenticated, format!("user {claimed:?} is not whom the token names"));
    Err(refusal.hint(format!("give {:?} as the user name: this listener has strict_names", identity.subject)))
}

#[async_trait]
impl Desk for ListenerDesk {
    fn strict_names(&self) -> bool {
        self.strict_names
    }

    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls.clone()
    }

    fn closed(&self) -> Option<Refusal> {
        self.closed.clone()
    }

    fn datasource_before_login(&self, database: Option<&str>) -> Result<Arc<dyn Datasource>, Refusal> {
        self.find(database)
    }

    fn challenge(&self, claim: &Claim) -> Result<Option<Secret>, Refusal> {
        let Some(exchange) = &self.proxy.exchange else { return Ok(None) };
        exchange.challenge(self.protocol, &claim.user, self.client.ip()).map_err(|waits| {
            let refusal = slow_down(waits);
            if waits.first {
                self.record_denial(claim, &refusal, &Unverified::default(), None);
            }
            refusal
        })
    }

    fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    async fn admit(&self, credential: Credential<'_>, claim: &Claim) -> Result<Admission, Refusal> {
        let (token, method) = match credential {
            Credential::Password(token) => (token, AuthMethod::TokenAsPassword),
            Credential::Bearer(token) => (token, AuthMethod::OauthBearer),
            Credential::Proof(proof) => return self.admit_by_proof(proof, claim),
        };
        match self.proxy.verifier.verify(token, method).await {
            Ok(identity) => self.admit_identity(identity, claim, None),
            Err(denied) => {
                self.record_denial(claim, &denied.refusal, &denied.unverified, None);
                Err(denied.refusal)
            }
        }
    }

    fn discovery(&self) -> Option<Discovery> {
        self.proxy.verifier.discovery()
    }

    fn turned_away(&self, claim: &Claim, refusal: &Refusal) {
        // A proof that cannot be read is an attempt like one that does not fit.
        if let Some(exchange) = &self.proxy.exchange
            && Exchange::knows_form(&claim.user)
        {
            exchange.login_failed(&claim.user, self.client.ip());
        }
        self.record_denial(claim, refusal, &Unverified::default(), None);
    }

    fn abandoned(&self, admission: &Admission, claim: &Claim, refusal: &Refusal) {
        self.record_denial_of(claim, refusal, &admission.identity);
    }

    fn offer_cancel(&self, session: SessionId, key: Vec<u8>, target: CancelTarget) {
        self.proxy.sessions.offer_cancel(session, key, target);
    }

    fn find_cancel(&self, key: &[u8]) -> Option<CancelTarget> {
        self.proxy.sessions.find_cancel(key)
    }

    fn client_addr(&self) -> String {
        self.client.to_string()
    }
}
