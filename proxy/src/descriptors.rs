//! File descriptors: the soft limit is raised to the hard one, and what is left after the console's and the record's share is
//! what the data path may have. Running out in the middle of the day would close doors at random.

use crate::config::Setup;
use rustix::process::{Resource, getrlimit, setrlimit};

/// What the process has open for itself: journal, log, databases of its own, standard streams, event queues.
const OWN: u64 = 256;
/// A session: the client's socket and the upstream's.
const SESSION: u64 = 2;

/// Raises the soft limit to the hard one. How many descriptors there may be; `None` without a limit.
pub(crate) fn raise() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files cannot be raised to the hard one");
        }
    }
    getrlimit(Resource::Nofile).current
}

/// How many sessions fit beside everything else, if that is fewer than the configuration allows.
pub(crate) fn sessions_that_fit(setup: &Setup, descriptors: Option<u64>) -> Option<usize> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let limits = &setup.limits;
    // The exchange has as many connections as the console; each session may need one more for a moment, to cancel.
    let listeners = count(setup.listeners.len()).saturating_mul(count(limits.pending_logins));
    let others = OWN.saturating_add(count(limits.console_connections).saturating_mul(4)).saturating_add(listeners);
    let left = descriptors?.saturating_sub(others) / SESSION;
    let fit = usize::try_from(left).unwrap_or(usize::MAX).max(1);
    (fit < limits.sessions).then_some(fit)
}
