//! All credentials of a proxy: each is recorded, then stored, then good. Looking one up never waits for the disk.

use super::credential::{Credential, Revoked, password, user_name};
use super::ledger::{self, Ledger};
use super::store::{Store, StoreError};
use evidence::CannotRecord;
use model::{Identity, Timestamp};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wire::{Protocol, Secret};
use zeroize::Zeroizing;

/// Credentials that one identity may have at a time.
pub(super) const MOST_EACH: usize = 100;
/// Credentials at a time.
const MOST: usize = 10_000;
/// A credential that lasts less is not worth handing out: the token is about to end.
const LEAST: i64 = 2_000_000;
/// What has ended is remembered for an hour, to tell its owner that it has.
const REMEMBERED_MICROS: i64 = 3_600_000_000;

/// Tells the time. The proxy gives the wall clock, tests give their own.
pub(crate) type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why a change did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The token ends too soon.
    #[error("the token expires in less than two seconds, and a credential never outlives it; get a fresh token")]
    TooLate,
    /// The protocol has no verifiers.
    #[error("clients of {0} can only log in with a token: there is no password to exchange it for")]
    NoPasswords(String),
    /// This identity has too many.
    #[error("you were given {MOST_EACH} credentials that would last now; try again when some of them have ended")]
    YouHaveEnough,
    /// There are too many.
    #[error("there are {MOST} credentials already; try again in a few minutes")]
    Full,
    /// No such credential, or none that the person may see.
    #[error("there is no such credential, or it is not yours")]
    Unknown,
    /// The record cannot be written.
    #[error("the audit record cannot be written, so no credential was given out: {0}")]
    Unlogged(#[from] CannotRecord),
    /// The store cannot be written.
    #[error("the credential cannot be stored, so none was given out: {0}")]
    Store(#[from] StoreError),
    /// Nothing is left to revoke.
    #[error("there is nothing to revoke: this credential is {0} already")]
    Over(&'static str),
    /// Revoked, but only until the next start.
    #[error(
        "the credential is revoked and its sessions are ended, but that cannot be stored, so it would be good again after a restart: {0}"
    )]
    NotKept(String),
    /// Revoked, but not recorded.
    #[error("the credential is revoked and its sessions are ended, but the audit record of it cannot be written: {0}")]
    NotRecorded(String),
}

/// A new credential with its password, which exists nowhere else.
pub(crate) struct Issued {
    pub(crate) credential: Credential,
    pub(crate) password: Zeroizing<String>,
}

/// A point in time as people and programs read it.
pub(super) fn instant(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1_000_000))
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{} microseconds after 1970", at.0))
}

/// All credentials.
pub(crate) struct Book {
    credentials: RwLock<HashMap<String, Credential>>,
    /// Held by whoever changes anything, while it is recorded and stored.
    writer: Mutex<()>,
    store: Store,
    ledger: Arc<dyn Ledger>,
    protocols: Vec<Arc<dyn Protocol>>,
    valid_for: Duration,
    now: Now,
    latest: AtomicI64,
}

impl Book {
    /// Opens the book. What was not sealed by this proxy is dropped, loudly.
    pub(super) fn open(
        store: Store,
        ledger: Arc<dyn Ledger>,
        protocols: Vec<Arc<dyn Protocol>>,
        valid_for: Duration,
        now: Now,
    ) -> Result<Self, StoreError> {
        let found = store.load()?;
        if !found.foreign.is_empty() {
            tracing::error!(
                entries = found.foreign.len(),
                "credentials in the store were not sealed with this proxy's signing key, or are damaged; they are dropped"
            );
            store.save(None, &found.foreign, found.clock)?;
        }
        let credentials = found.credentials.into_iter().map(|found| (found.user.clone(), found)).collect();
        Ok(Self {
            credentials: RwLock::new(credentials),
            writer: Mutex::default(),
            store,
            ledger,
            protocols,
            valid_for,
            now,
            latest: AtomicI64::new(found.clock.0),
        })
    }

    /// The time. It never runs backwards here: what has expired stays expired.
    pub(super) fn now(&self) -> Timestamp {
        let now = (self.now)().0;
        Timestamp(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
    }

    fn protocol(&self, name: &str) -> Option<&Arc<dyn Protocol>> {
        self.protocols.iter().find(|protocol| protocol.name() == name)
    }

    /// Gives out a credential. Takes milliseconds and waits for the disk.
    pub(super) fn issue(
        &self,
        identity: &Identity,
        datasource: &str,
        protocol: &str,
        from: &str,
    ) -> Result<Issued, Failed> {
        let none = || Failed::NoPasswords(protocol.to_owned());
        let (user, password) = (user_name(), password());
        let salt = self.store.keys().salt(&user);
        let spoken = self.protocol(protocol).ok_or_else(none)?;
        let verifier = spoken.verifier(password.as_bytes(), &salt).ok_or_else(none)?;
        let writer = self.writer.lock();
        let now = self.now();
        let lasts = i64::try_from(self.valid_for.as_micros()).unwrap_or(i64::MAX);
        let expires = Timestamp(now.0.saturating_add(lasts).min(identity.expires.0));
        if expires.0.saturating_sub(now.0) < LEAST {
            return Err(Failed::TooLate);
        }
        self.forget(now)?;
        let (mut all, mut own) = (0, 0);
        // Revoked ones count until they would have ended, or whoever revokes and asks again could fill the book.
        for credential in self.credentials.read().values().filter(|credential| now < credential.expires) {
            all += 1;
            own += usize::from(credential.is_of(identity));
        }
        match (own >= MOST_EACH, all >= MOST) {
            (true, _) => return Err(Failed::YouHaveEnough),
            (_, true) => return Err(Failed::Full),
            (false, false) => {}
        }
        let credential = Credential {
            user,
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            name: identity.name.clone(),
            groups: identity.groups.clone(),
            token_id: identity.token_id.clone(),
            datasource: datasource.to_owned(),
            protocol: protocol.to_owned(),
            verifier,
            from: from.to_owned(),
            issued: now,
            expires,
            revoked: None,
        };
        self.ledger.accessed(&ledger::issued(&credential))?;
        self.store.save(Some(&credential), &[], now).inspect_err(|error| {
            tracing::error!(credential = %credential.user, %error, "a credential could not be stored: it was recorded, and not given out");
        })?;
        self.credentials.write().insert(credential.user.clone(), credential.clone());
        drop(writer);
        Ok(Issued { credential, password })
    }

    /// A credential, whatever became of it.
    pub(super) fn get(&self, user: &str) -> Option<Credential> {
        self.credentials.read().get(user).cloned()
    }

    /// Whether it opens anything now.
    pub(super) fn is_good(&self, user: &str) -> bool {
        let now = self.now();
        self.credentials.read().get(user).is_some_and(|credential| credential.is_good(now))
    }

    /// The verifier for a user name, at a listener of this protocol; a decoy where there is none. `None` where the protocol has
    /// no verifiers at all.
    pub(super) fn verifier(&self, protocol: &str, user: &str) -> Option<Secret> {
        // Made in either case, so that both take as long.
        let decoy = self.protocol(protocol)?.decoy(&self.store.keys().salt(user))?;
        let held = self.credentials.read();
        let real = held.get(user).filter(|credential| credential.protocol == protocol);
        Some(real.map_or(decoy, |credential| credential.verifier.clone()))
    }

    /// Takes a credential back and ends what it opened, by `end`, which says how many sessions that were. This comes first, so
    /// that it holds whatever becomes of the rest.
    pub(super) fn revoke(
        &self,
        user: &str,
        by: &Identity,
        why: Option<String>,
        end: impl FnOnce() -> usize,
    ) -> Result<(Credential, usize), Failed> {
        let _writer = self.writer.lock();
        let now = self.now();
        let revoked = {
            let mut credentials = self.credentials.write();
            let credential = credentials.get_mut(user).ok_or(Failed::Unknown)?;
            if !credential.is_good(now) {
                return Err(Failed::Over(credential.state(now)));
            }
            let by = by.name.clone().unwrap_or_else(|| by.subject.clone());
            credential.revoked = Some(Revoked { by, why, at: now });
            credential.clone()
        };
        let ended = end();
        let actor = format!("{}|{}", by.issuer, by.subject);
        let stored = self.store.save(Some(&revoked), &[], now).map_err(|error| error.to_string());
        let recorded =
            self.ledger.accessed(&ledger::revoked(&revoked, &actor, ended)).map_err(|error| error.to_string());
        stored.map_err(Failed::NotKept)?;
        recorded.map_err(Failed::NotRecorded)?;
        Ok((revoked, ended))
    }

    /// The record.
    pub(super) fn ledger(&self) -> &dyn Ledger {
        self.ledger.as_ref()
    }

    /// Those that `wanted` takes, newest first.
    pub(super) fn list(&self, wanted: impl Fn(&Credential) -> bool) -> Vec<Credential> {
        let mut found: Vec<_> =
            self.credentials.read().values().filter(|credential| wanted(credential)).cloned().collect();
        found.sort_by(|a, b| (b.issued, &b.user).cmp(&(a.issued, &a.user)));
        found
    }

    /// Forgets what ended an hour ago, or all that has ended where that is too much.
    fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        let remembered = if self.credentials.read().len() > 2 * MOST { 0 } else { REMEMBERED_MICROS };
        let ended = |credential: &Credential| now.0.saturating_sub(credential.expires.0) > remembered;
        let gone: Vec<String> =
            self.credentials.read().values().filter(|one| ended(one)).map(|one| one.user.clone()).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.store.save(None, &gone, now)?;
        let mut credentials = self.credentials.write();
        gone.iter().for_each(|user| drop(credentials.remove(user)));
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
