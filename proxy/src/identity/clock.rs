//! Time, as something that is passed in: tests decide what time it is.

use model::Timestamp;
use std::time::{Duration, Instant};

/// Two clocks: one tells what time it is, the other how much has passed.
pub trait Clock: Send + Sync {
    /// Wall clock, UTC: what a token's times are compared with.
    fn now(&self) -> Timestamp;
    /// Never goes back, whatever happens to the wall clock: what the age of keys is measured with.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        crate::clock::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}
