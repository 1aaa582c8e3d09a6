//! Log lines by kind, with counts: what happens ten thousand times a second is said once in a while, and how often it was.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Between two lines of a kind.
const EVERY: Duration = Duration::from_secs(10);

/// One kind of line.
pub(crate) struct Quiet(Mutex<State>);

struct State {
    said: Option<Instant>,
    kept: u64,
}

impl Quiet {
    /// A kind that was not said yet.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State { said: None, kept: 0 }))
    }

    /// Says it, or counts it. `say` is given how often it was kept quiet since.
    pub(crate) fn say(&self, say: impl FnOnce(u64)) {
        let mut state = self.0.lock();
        if state.said.is_some_and(|at| at.elapsed() < EVERY) {
            state.kept += 1;
            return;
        }
        let kept = std::mem::take(&mut state.kept);
        state.said = Some(Instant::now());
        drop(state);
        say(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_rest_are_counted() {
        let quiet = Quiet::new();
        let mut said = Vec::new();
        for _ in 0..1000 {
            quiet.say(|kept| said.push(kept));
        }
        assert_eq!(said, [0]);
        quiet.0.lock().said = None;
        quiet.say(|kept| said.push(kept));
        assert_eq!(said, [0, 999]);
    }
}
