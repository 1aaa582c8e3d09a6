//! From a credential to a proven identity: the one place where a token is believed.

use super::claims;
use super::clock::Clock;
use super::fetch::{HttpError, HttpSource, discovery_url};
use super::key_cache::{KeyCache, Miss};
use super::keys::{self, Tried};
use super::token::{Token, Unverified, take_apart};
use super::wording::{lasting, list, shown};
use crate::config::IssuerSetup;
use model::{AuthMethod, Identity, Refusal, RefusalKind};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A login that was refused, with what the token said about itself for the record.
#[derive(Clone, Debug)]
pub struct Denied {
    /// What the client is told.
    pub refusal: Refusal,
    /// What the token claims. Not verified.
    pub unverified: Unverified,
}

/// How an issuer is doing, for health and `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerHealth {
    /// Which.
    pub issuer: String,
    /// Keys in use and their age; `None` before the first fetch.
    pub keys: Option<(usize, Duration)>,
    /// Whether tokens can be checked: there are keys, and they are not too old to be believed.
    pub usable: bool,
    /// What went wrong at the last attempt, if it failed.
    pub failure: Option<String>,
}

struct Issuer {
    setup: IssuerSetup,
    cache: Arc<KeyCache>,
}

/// Verifies tokens of the configured issuers. Cheap to share; one for the whole process.
pub struct Verifier {
    issuers: Vec<Issuer>,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// Sets up the issuers. Does not connect.
    ///
    /// # Errors
    /// When an HTTP client cannot be made.
    pub fn new(issuers: &[IssuerSetup], clock: Arc<dyn Clock>) -> Result<Self, HttpError> {
        let issuer = |setup: &IssuerSetup| {
            let source = Box::new(HttpSource::new(setup)?);
            let cache = KeyCache::new(source, Arc::clone(&clock), setup.keys_fresh, setup.keys_keep);
            Ok(Issuer { setup: setup.clone(), cache })
        };
        Ok(Self { issuers: issuers.iter().map(issuer).collect::<Result<_, _>>()?, clock: Arc::clone(&clock) })
    }

    /// Verifies a credential as it came from the client.
    ///
    /// # Errors
    /// [`RefusalKind::NotAuthenticated`] with a reason for each way in which a token can be wrong, or
    /// [`RefusalKind::IssuerUnavailable`] when the keys to check it cannot be had.
    pub async fn verify(&self, credential: &[u8], method: AuthMethod) -> Result<Identity, Box<Denied>> {
        let token = take_apart(credential).map_err(|malformed| {
            let (refusal, unverified) = *malformed;
            Box::new(Denied { refusal, unverified })
        })?;
        let denied = |refusal| Box::new(Denied { refusal, unverified: Unverified::of(&token.claims) });
        let issuer = self.issuer(&token).map_err(denied)?;
        // What a token says of itself is enough to refuse it, so this comes before asking anyone for keys.
        claims::check(&token.claims, &issuer.setup, self.now_seconds()).map_err(denied)?;
        issuer.check_signature(&token).await.map_err(denied)?;
        claims::identity(&token.claims, &issuer.setup, method).map_err(denied)
    }

    fn now_seconds(&self) -> i64 {
        self.clock.now().0.div_euclid(1_000_000)
    }

    fn issuer(&self, token: &Token<'_>) -> Result<&Issuer, Refusal> {
        let named = token.claims.get("iss").and_then(Value::as_str);
        if let Some(issuer) = named.and_then(|named| self.issuers.iter().find(|issuer| issuer.setup.issuer == named)) {
            return Ok(issuer);
        }
        let accepted = list(self.issuers.iter().map(|issuer| issuer.setup.issuer.as_str()));
        let message = match named {
            Some(named) => format!("the token was issued by {}; this proxy accepts {accepted}", shown(named)),
            None => format!("the token does not say who issued it (iss); this proxy accepts {accepted}"),
        };
        Err(Refusal::new(RefusalKind::NotAuthenticated, message)
            .hint("get a token from an accepted issuer; the name is compared letter by letter"))
    }

    /// Where a client may get a token (RFC 7628): the first issuer, since the answer has room for one.
    #[must_use]
    pub fn discovery(&self) -> Option<wire::Discovery> {
        self.issuers.first().map(|issuer| wire::Discovery {
            openid_configuration: discovery_url(&issuer.setup.issuer),
            scope: issuer.setup.scope.clone(),
        })
    }

    /// Fetches every issuer's keys, so that the first login need not wait: the number of keys, or what went wrong.
    pub async fn warm(&self) -> Vec<(String, Result<usize, String>)> {
        let mut results = Vec::new();
        for issuer in &self.issuers {
            let keys = issuer
                .cache
                .keys()
                .await
                .map(|set| set.keys.len())
                .map_err(|miss| issuer.unavailable(&miss).to_string());
            results.push((issuer.setup.issuer.clone(), keys));
        }
        results
    }

    /// How the issuers are doing.
    #[must_use]
    pub fn health(&self) -> Vec<IssuerHealth> {
        let health = |issuer: &Issuer| IssuerHealth {
            issuer: issuer.setup.issuer.clone(),
            keys: issuer.cache.state(),
            usable: issuer.cache.state().is_some_and(|(_, age)| age < issuer.setup.keys_keep),
            failure: issuer.cache.failure(),
        };
        self.issuers.iter().map(health).collect()
    }
}

impl Issuer {
    async fn check_signature(&self, token: &Token<'_>) -> Result<(), Refusal> {
        let known = self.cache.keys().await.map_err(|miss| self.unavailable(&miss))?;
        let tried = match keys::check(&known.keys, token) {
            Tried::UnknownKey => match self.cache.newer_than(&known).await {
                Ok(newer) => keys::check(&newer.keys, token),
                Err(Miss::Failed(cause)) => return Err(self.unavailable(&Miss::Failed(cause))),
                Err(Miss::Paused(pause)) => {
                    let wait = lasting(pause.max(Duration::from_secs(1)));
                    return Err(self.unknown_key(token).hint(format!(
                        "if the issuer has just changed its keys, try again in {wait}; else get a fresh token"
                    )));
                }
            },
            other => other,
        };
        let refuse = |message: String| Err(Refusal::new(RefusalKind::NotAuthenticated, message).hint(self.fresh_one()));
        match tried {
            Tried::Genuine => Ok(()),
            Tried::UnknownKey => Err(self.unknown_key(token)),
            Tried::Forged => {
                refuse("the token's signature is wrong: it was not made by this issuer, or it was altered".to_owned())
            }
            Tried::WrongAlgorithm => refuse(format!(
                "the token is signed with {:?}, which is not what the issuer's key is for",
                token.algorithm
            )),
        }
    }

    fn fresh_one(&self) -> String {
        format!("get a fresh one from {}", self.setup.help.as_deref().unwrap_or(&self.setup.issuer))
    }

    fn unknown_key(&self, token: &Token<'_>) -> Refusal {
        let message = match &token.key_id {
            Some(id) => format!("the token is signed with key {}, which its issuer does not publish", shown(id)),
            None => "the token is signed with none of the keys that its issuer publishes".to_owned(),
        };
        Refusal::new(RefusalKind::NotAuthenticated, message).hint(self.fresh_one())
    }

    fn unavailable(&self, miss: &Miss) -> Refusal {
        let cause = match miss {
            Miss::Failed(cause) => cause.clone(),
            Miss::Paused(pause) => format!("it was asked a moment ago and will be asked again in {}", lasting(*pause)),
        };
        let message = format!(
            "the keys of issuer {} cannot be had, so no token of it can be checked: {cause}",
            self.setup.issuer
        );
        Refusal::new(RefusalKind::IssuerUnavailable, message)
            .hint("try again in a moment; if it stays, tell whoever runs this proxy")
    }
}
