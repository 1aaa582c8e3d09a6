//! Tokens against a real verifier, which asks a small issuer on loopback for its keys.

mod discovery;
mod encrypted;
mod issuer;
mod key_life;
mod mapping;
mod refusals;
mod signer;

use super::{Clock, Verifier};
use crate::config::{ClaimNames, IssuerSetup};
use issuer::Issuer;
use model::{AuthMethod, Identity, Refusal, Timestamp};
use serde_json::{Value, json};
use signer::Signer;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// What time it is in these tests: 2027-01-15T08:00:00Z.
const NOW: i64 = 1_800_000_000;

/// Stands still until it is told to go on.
struct TestClock(AtomicI64);

impl TestClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_secs()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(NOW + self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// An issuer, a verifier that knows it, and a signer whose key it publishes.
struct Stage {
    issuer: Issuer,
    verifier: Arc<Verifier>,
    clock: Arc<TestClock>,
    signer: Signer,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(adjust: impl FnOnce(&mut IssuerSetup)) -> Self {
        let signer = Signer::p256("first");
        let issuer = Issuer::start(&[&signer]).await;
        let clock = Arc::new(TestClock(AtomicI64::new(0)));
        let mut setup = setup(&issuer.url);
        adjust(&mut setup);
        let verifier = Verifier::new(&[setup], Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        Self { issuer, verifier: Arc::new(verifier), clock, signer }
    }

    /// Claims that are fine, with `changes` on top; a null removes a claim.
    fn claims(&self, changes: &Value) -> Value {
        let now = self.clock.now().0 / 1_000_000;
        let mut claims = json!({
            "iss": self.issuer.url, "sub": "agent-7", "aud": "affidavit", "email": "agent@clinic.example",
            "iat": now - 10, "exp": now + 600, "jti": "t-1", "groups": ["ci-agents"],
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    /// A good token with some claims changed.
    fn token(&self, changes: &Value) -> String {
        self.signer.token(&self.claims(changes))
    }

    async fn verify(&self, token: &str) -> Result<Identity, Refusal> {
        let result = self.verifier.verify(token.as_bytes(), AuthMethod::TokenAsPassword).await;
        result.map_err(|denied| {
            for part in token.split('.').filter(|part| part.len() > 8) {
                assert!(!denied.refusal.to_string().contains(part), "a refusal repeats the token");
            }
            denied.refusal
        })
    }
}

fn setup(url: &str) -> IssuerSetup {
    IssuerSetup {
        issuer: url.to_owned(),
        audience: vec!["affidavit".to_owned(), "second".to_owned()],
        claims: ClaimNames { subject: "sub".to_owned(), name: "email".to_owned(), groups: "groups".to_owned() },
        skew: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(86_400),
        keys_fresh: Duration::from_secs(600),
        keys_keep: Duration::from_secs(3600),
        scope: "openid".to_owned(),
        help: None,
        tls: None,
        ca: None,
    }
}
