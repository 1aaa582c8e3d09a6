//! An issuer's keys, kept: one fetch at a time, in the background where old keys will do, and never because a stranger
//! wants it more often than the pauses below allow.

use super::clock::Clock;
use super::fetch::KeySource;
use super::keys::Key;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// After an attempt, unknown key ids cause no other for this long: their choice is the client's. A key that the issuer has just
/// begun to use is not known for as long at most.
pub(crate) const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(5);
/// After a failed attempt, logins that need keys are answered with the same failure for this long.
pub(crate) const FAILURE_PAUSE: Duration = Duration::from_secs(2);
/// After a failed attempt in the background, the next waits this long.
const BACKGROUND_PAUSE: Duration = Duration::from_secs(15);

/// Keys, as of one fetch.
pub(crate) struct KeySet {
    pub(crate) keys: Vec<Key>,
    /// Counts fetches, from 1.
    generation: u64,
    /// Monotonic time of the fetch.
    fetched: Duration,
}

/// Why there are no (new) keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// The issuer was asked a moment ago; not again for this long.
    Paused(Duration),
    /// It was asked, and this went wrong.
    Failed(String),
}

#[derive(Default)]
struct Flight {
    started: Option<Duration>,
    failure: Option<String>,
}

pub(crate) struct KeyCache {
    source: Box<dyn KeySource>,
    clock: Arc<dyn Clock>,
    fresh: Duration,
    keep: Duration,
    current: ArcSwapOption<KeySet>,
    in_background: AtomicBool,
    flight: Mutex<Flight>,
}

impl KeyCache {
    pub(crate) fn new(source: Box<dyn KeySource>, clock: Arc<dyn Clock>, fresh: Duration, keep: Duration) -> Arc<Self> {
        Arc::new(Self {
            source,
            clock,
            fresh,
            keep,
            current: ArcSwapOption::empty(),
            in_background: AtomicBool::new(false),
            flight: Mutex::default(),
        })
    }

    /// Keys that may be used now. Past `fresh` they are renewed in the background; past `keep` the caller waits.
    pub(crate) async fn keys(self: &Arc<Self>) -> Result<Arc<KeySet>, Miss> {
        let current = self.current.load_full();
        let age = |set: &KeySet| self.clock.monotonic().saturating_sub(set.fetched);
        match current {
            Some(set) if age(&set) < self.keep => {
                if age(&set) >= self.fresh {
                    self.renew_in_background(set.generation);
                }
                Ok(set)
            }
            Some(old) => self.fetch_after(old.generation, FAILURE_PAUSE).await,
            None => self.fetch_after(0, FAILURE_PAUSE).await,
        }
    }

    /// Keys newer than `seen`, for a key id that it does not hold.
    pub(crate) async fn newer_than(self: &Arc<Self>, seen: &KeySet) -> Result<Arc<KeySet>, Miss> {
        self.fetch_after(seen.generation, UNKNOWN_KEY_PAUSE).await
    }

    /// Number of keys and their age, if there are any.
    pub(crate) fn state(&self) -> Option<(usize, Duration)> {
        let set = self.current.load_full()?;
        Some((set.keys.len(), self.clock.monotonic().saturating_sub(set.fetched)))
    }

    /// What went wrong last, if the last attempt failed and none is under way.
    pub(crate) fn failure(&self) -> Option<String> {
        self.flight.try_lock().ok()?.failure.clone()
    }

    fn renew_in_background(self: &Arc<Self>, seen: u64) {
        if self.in_background.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(Miss::Failed(cause)) = this.fetch_alone(seen, BACKGROUND_PAUSE).await {
                tracing::warn!(cause, "the issuer's keys could not be renewed; the old ones serve for now");
            }
            this.in_background.store(false, Ordering::Release);
        });
    }

    /// In a task of its own: a client that hangs up while others wait for the same fetch must not end it.
    async fn fetch_after(self: &Arc<Self>, seen: u64, pause: Duration) -> Result<Arc<KeySet>, Miss> {
        let this = Arc::clone(self);
        let task = tokio::spawn(async move { this.fetch_alone(seen, pause).await });
        task.await.unwrap_or_else(|error| Err(Miss::Failed(format!("the request was given up ({error})"))))
    }

    async fn fetch_alone(&self, seen: u64, pause: Duration) -> Result<Arc<KeySet>, Miss> {
        let mut flight = self.flight.lock().await;
        // Whoever had the lock before may have brought what this caller needs.
        let current = self.current.load_full();
        let generation = current.as_ref().map_or(0, |set| set.generation);
        if let Some(set) = current
            && set.generation > seen
        {
            return Ok(set);
        }
        let now = self.clock.monotonic();
        if let Some(started) = flight.started {
            let since = now.saturating_sub(started);
            if since < pause {
                return Err(flight.failure.clone().map_or(Miss::Paused(pause.saturating_sub(since)), Miss::Failed));
            }
        }
        flight.started = Some(now);
        match self.source.fetch().await {
            Ok(keys) => {
                let set = Arc::new(KeySet { keys, generation: generation + 1, fetched: now });
                self.current.store(Some(Arc::clone(&set)));
                flight.failure = None;
                Ok(set)
            }
            Err(cause) => {
                flight.failure = Some(cause.clone());
                Err(Miss::Failed(cause))
            }
        }
    }
}
