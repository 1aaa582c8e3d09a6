//! Logging in: from a click to a browser session, with nothing to steal on the way.
//!
//! The browser gets a cookie that only its own login can finish with (SameSite=Lax, for the issuer sends it back from
//! another site); the session's cookie comes afterwards and is new (SameSite=Strict).

use super::browser::{Browsers, secret};
use super::oidc::{Attempt, Oidc, OidcError};
use crate::config::ConsoleLogin;
use crate::identity::Clock;
use model::{Identity, Timestamp};
use parking_lot::Mutex;
use reqwest::Url;
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Logins in progress; the oldest gives way.
const MOST: usize = 4096;
/// A login that takes longer begins anew.
const PATIENCE_MICROS: i64 = 10 * 60 * 1_000_000;
/// Longest path to return to (bytes).
const MOST_PATH: usize = 512;

/// A login in progress.
struct Started {
    /// What the browser's cookie says.
    binder: String,
    nonce: String,
    verifier: String,
    /// Where to go afterwards.
    to: String,
    at: Timestamp,
}

/// Login with a browser.
pub struct Login {
    oidc: Oidc,
    started: Mutex<HashMap<String, Started>>,
    clock: Arc<dyn Clock>,
    pub(super) browsers: Browsers,
}

/// A login that is complete.
pub(super) struct Entered {
    /// The session's cookie.
    pub(super) cookie: String,
    /// Seconds that it is good for.
    pub(super) seconds: i64,
    /// Where the visitor wanted to go.
    pub(super) to: String,
    pub(super) identity: Identity,
}

impl Login {
    /// For a console whose address is `public_url`; the issuer must know `{public_url}/login/callback`.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(setup: ConsoleLogin, public_url: &str, clock: Arc<dyn Clock>) -> Result<Self, OidcError> {
        let oidc = Oidc::new(setup, format!("{public_url}/login/callback"), clock.clone())?;
        Ok(Self { oidc, started: Mutex::default(), clock, browsers: Browsers::default() })
    }

    /// The issuer that people log in with.
    pub(super) fn issuer(&self) -> &str {
        self.oidc.issuer()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Begins a login: where to send the browser, and the cookie that ties the answer to it.
    pub(super) async fn start(&self, to: &str) -> Result<(Url, String), OidcError> {
        let (state, binder) = (secret(), secret());
        let started =
            Started { binder: binder.clone(), nonce: secret(), verifier: secret(), to: local_path(to), at: self.now() };
        let attempt = Attempt { state: &state, nonce: &started.nonce, verifier: &started.verifier };
        let url = self.oidc.start(&attempt).await?;
        let mut all = self.started.lock();
        all.retain(|_, other| started.at.0.saturating_sub(other.at.0) < PATIENCE_MICROS);
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, other)| other.at).map(|(state, _)| state.clone())
        {
            all.remove(&oldest);
        }
        all.insert(state, started);
        Ok((url, binder))
    }

    /// Ends a login with what the issuer sent back. It can be tried once.
    pub(super) async fn finish(
        &self,
        back: &Callback,
        binder: Option<&str>,
        former: Option<&str>,
    ) -> Result<Entered, OidcError> {
        let again = |what: &str| OidcError(format!("{what}; begin the login again"));
        let state = back.state.as_deref().unwrap_or_default();
        let started =
            self.started.lock().remove(state).ok_or_else(|| again("this login is unknown, finished or too old"))?;
        let same = binder.is_some_and(|binder| bool::from(binder.as_bytes().ct_eq(started.binder.as_bytes())));
        if !same {
            return Err(again("this login was begun in another browser"));
        }
        if self.now().0.saturating_sub(started.at.0) >= PATIENCE_MICROS {
            return Err(again("this login took too long"));
        }
        // RFC 9207: the answer of one issuer is not another's.
        if back.iss.as_deref().is_some_and(|issuer| issuer != self.oidc.issuer()) {
            return Err(again("the answer came from another issuer"));
        }
        if let Some(error) = &back.error {
            let words: String = error.chars().filter(|c| c.is_ascii_graphic()).take(80).collect();
            return Err(again(&format!("the issuer refused ({words})")));
        }
        let code = back.code.as_deref().ok_or_else(|| again("the issuer sent no code"))?;
        let attempt = Attempt { state, nonce: &started.nonce, verifier: &started.verifier };
        let mut identity = self.oidc.finish(code, &attempt).await?;
        let now = self.now();
        let lasts = i64::try_from(self.oidc.lasts().as_micros()).unwrap_or(i64::MAX);
        let ends = Timestamp(now.0.saturating_add(lasts));
        // An ID token says who logged in, not for how long; the configured session does.
        identity.expires = ends;
        let cookie = self.browsers.enter(identity.clone(), ends, former, now);
        Ok(Entered { cookie, seconds: lasts / 1_000_000, to: started.to, identity })
    }
}

/// What the issuer sends the browser back with.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Callback {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// A path of our own to go to; anything else becomes the start page.
fn local_path(to: &str) -> String {
    let plain = to.starts_with('/')
        && !to.starts_with("//")
        && to.len() <= MOST_PATH
        && to.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'));
    if plain { to.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_paths_are_returned_to() {
        assert_eq!(local_path("/approvals/apr-7f3k-9qxm?x=1"), "/approvals/apr-7f3k-9qxm?x=1");
        for elsewhere in ["", "x", "//evil.example", "https://evil", "/\\evil", "/a\nb", "/\"onload", &"/a".repeat(400)]
        {
            assert_eq!(local_path(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
