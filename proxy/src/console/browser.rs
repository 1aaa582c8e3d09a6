//! Browser sessions: what a login leaves in the browser (one opaque cookie) and what we remember of it.
//!
//! They live in memory: after a restart people log in again. Only hashes of the cookies are kept.

use model::{Identity, Timestamp};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use subtle::ConstantTimeEq;

/// Sessions at a time; the oldest gives way.
const MOST: usize = 10_000;

/// A secret of 256 bits in URL-safe base64.
pub(crate) fn secret() -> String {
    use base64::Engine;
    let bytes: [u8; 32] = rand::random();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

type Hash = [u8; 32];

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// One logged-in browser.
#[derive(Clone, Debug)]
pub(crate) struct BrowserSession {
    /// Who.
    pub(crate) identity: Identity,
    /// What each form of this session carries.
    pub(crate) csrf: String,
    /// When it ends.
    pub(crate) ends: Timestamp,
}

impl BrowserSession {
    /// Whether a form came from a page of this session.
    pub(crate) fn made(&self, csrf: &str) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(csrf.as_bytes()))
    }
}

/// All logged-in browsers.
#[derive(Default)]
pub(crate) struct Browsers {
    sessions: Mutex<HashMap<Hash, BrowserSession>>,
}

impl Browsers {
    /// Starts a session and returns its cookie. A cookie that the browser already had is worth nothing afterwards.
    pub(crate) fn enter(&self, identity: Identity, ends: Timestamp, former: Option<&str>, now: Timestamp) -> String {
        let cookie = secret();
        let mut sessions = self.sessions.lock();
        if let Some(former) = former {
            sessions.remove(&hash(former));
        }
        sessions.retain(|_, session| now < session.ends);
        if sessions.len() >= MOST
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.ends).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(hash(&cookie), BrowserSession { identity, csrf: secret(), ends });
        cookie
    }

    /// The session of a cookie.
    pub(crate) fn find(&self, cookie: &str, now: Timestamp) -> Option<BrowserSession> {
        self.sessions.lock().get(&hash(cookie)).filter(|session| now < session.ends).cloned()
    }

    /// Ends a session.
    pub(crate) fn leave(&self, cookie: &str) {
        self.sessions.lock().remove(&hash(cookie));
    }
}
