//! Logging in by a credential: what the desk asks before it lets anybody in, and how a credential's sessions end with it.

use super::attempts::{Attempts, Waits};
use super::book::{Book, Failed, Issued, instant};
use super::credential::{Credential, is_user_name};
use crate::sessions::Sessions;
use model::{AuthMethod, Identity, Refusal, RefusalKind, SessionInfo};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use wire::{Proof, Secret};

/// The sessions that are running now, as far as credentials opened them.
pub(crate) trait OpenSessions: Send + Sync {
    /// Ends those of a credential; how many.
    fn end(&self, user: &str, refusal: &Refusal) -> usize;
    /// How many a credential has.
    fn count(&self, user: &str) -> usize;
}

fn opened_by(info: &SessionInfo, user: &str) -> bool {
    info.identity.method == AuthMethod::Exchanged && info.claimed_user == user
}

impl OpenSessions for Sessions {
    fn end(&self, user: &str, refusal: &Refusal) -> usize {
        self.end_those(|info| opened_by(info, user), refusal)
    }

    fn count(&self, user: &str) -> usize {
        self.running().iter().filter(|info| opened_by(info, user)).count()
    }
}

/// A login by a credential that is refused.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// What the client is told.
    pub(crate) refusal: Refusal,
    /// Whose credential it is, where the password was right.
    pub(crate) proven: Option<Identity>,
}

/// A proven credential.
#[derive(Debug)]
pub(crate) struct Proven {
    /// Whose it is.
    pub(crate) identity: Identity,
    /// The one datasource that it opens.
    pub(crate) datasource: String,
}

struct Inner {
    book: Book,
    /// Logins by credentials. Who fails too often is not even challenged for a while.
    logins: Attempts,
    /// Exchanges. A good token is taken all the same: the jobs of a whole company may come from one address, and one of them
    /// that goes on sending an expired token must not lock the others out.
    exchanges: Attempts,
    sessions: Arc<dyn OpenSessions>,
}

/// The exchange, for the desk and for its own endpoint. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Exchange(Arc<Inner>);

impl Exchange {
    pub(super) fn new(book: Book, sessions: Arc<dyn OpenSessions>) -> Self {
        Self(Arc::new(Inner { book, logins: Attempts::default(), exchanges: Attempts::default(), sessions }))
    }

    /// What a client that claims this user name is challenged by; `None` when it is none of ours.
    pub(crate) fn challenge(&self, protocol: &str, user: &str, address: IpAddr) -> Result<Option<Secret>, Waits> {
        if !is_user_name(user) {
            return Ok(None);
        }
        self.0.logins.may(address, user, Instant::now())?;
        Ok(self.0.book.verifier(protocol, user))
    }

    /// A login of this address by a credential has failed.
    pub(crate) fn login_failed(&self, user: &str, address: IpAddr) {
        self.0.logins.failed(address, user, Instant::now());
    }

    /// An exchange by this address has failed, and it may have to wait before the next failure is of interest.
    pub(super) fn exchange_failed(&self, address: IpAddr) -> Result<(), Waits> {
        let now = Instant::now();
        let may = self.0.exchanges.may(address, "", now);
        self.0.exchanges.failed(address, "", now);
        may
    }

    /// Whether a user name has the form of a credential's.
    pub(crate) fn knows_form(user: &str) -> bool {
        is_user_name(user)
    }

    /// Holds a proof against what is kept of the credential that the client names.
    pub(crate) fn prove(
        &self,
        protocol: &str,
        user: &str,
        proof: &dyn Proof,
        address: IpAddr,
    ) -> Result<Proven, Box<Rejected>> {
        let book = &self.0.book;
        let fits = book.verifier(protocol, user).is_some_and(|verifier| proof.fits(&verifier));
        // Looked up again only for who has the password, so that a wrong one takes as long for every name.
        let credential = fits.then(|| book.get(user)).flatten().filter(|credential| credential.protocol == protocol);
        let Some(credential) = credential else {
            self.login_failed(user, address);
            let refusal =
                Refusal::new(RefusalKind::NotAuthenticated, "the user name or password of this credential is wrong")
                    .hint("exchange a token for a fresh one: both end after a while");
            return Err(Box::new(Rejected { refusal, proven: None }));
        };
        let identity = credential.identity();
        if credential.is_good(book.now()) {
            return Ok(Proven { identity, datasource: credential.datasource });
        }
        let refusal = Refusal::new(RefusalKind::NotAuthenticated, over(&credential))
            .hint("exchange a fresh token for a fresh credential");
        Err(Box::new(Rejected { refusal, proven: Some(identity) }))
    }

    /// Whether a credential is still good: asked once more when its session has been listed, so that none slips between a
    /// revocation and the list.
    pub(crate) fn still_good(&self, user: &str) -> bool {
        self.0.book.is_good(user)
    }

    /// Gives out a credential. Takes milliseconds and waits for the disk.
    pub(super) fn issue(
        &self,
        identity: &Identity,
        datasource: &str,
        protocol: &str,
        from: &str,
    ) -> Result<Issued, Failed> {
        self.0.book.issue(identity, datasource, protocol, from)
    }

    /// Takes a credential back and ends its sessions; how many. Waits for the disk.
    pub(super) fn revoke(&self, user: &str, by: &Identity, why: Option<String>) -> Result<(Credential, usize), Failed> {
        let refusal = taken_back(by.name.as_deref().unwrap_or(&by.subject));
        self.0.book.revoke(user, by, why, || self.0.sessions.end(user, &refusal))
    }

    /// The book.
    pub(super) fn book(&self) -> &Book {
        &self.0.book
    }

    /// Sessions that a credential has open.
    pub(super) fn open_sessions(&self, user: &str) -> usize {
        self.0.sessions.count(user)
    }
}

/// What became of a credential that is no longer good.
fn over(credential: &Credential) -> String {
    match &credential.revoked {
        Some(revoked) => format!("this credential was revoked by {} at {}", revoked.by, instant(revoked.at)),
        None => format!("this credential expired at {}", instant(credential.expires)),
    }
}

/// What the sessions of a revoked credential are told.
pub(crate) fn taken_back(by: &str) -> Refusal {
    Refusal::new(RefusalKind::SessionExpired, format!("the credential that opened this session was revoked by {by}"))
        .hint("ask them, or exchange a fresh token")
}

/// What an address is told that has to wait.
pub(crate) fn slow_down(waits: Waits) -> Refusal {
    let seconds = waits.wait.as_secs().max(1);
    Refusal::new(RefusalKind::LimitReached, "too many attempts with this user name have failed from this address")
        .hint(format!("try again in {seconds} s"))
}
