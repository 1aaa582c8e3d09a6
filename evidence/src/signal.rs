//! Where others leave word for the background thread ([`crate::keeper`]), and it for them.

use crate::error::{CannotRecord, StoreError};
use crate::recorder::SealReport;
use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// What the thread last did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) report: SealReport,
    pub(crate) error: Option<String>,
}

#[derive(Default)]
struct Asked {
    seals: u64,
    answered: u64,
    failed: Option<String>,
    rotated: bool,
    stop: bool,
    stopped: bool,
    status: Status,
}

/// Where others leave word for the thread.
#[derive(Default)]
pub(crate) struct Signal {
    asked: Mutex<Asked>,
    for_thread: Condvar,
    for_askers: Condvar,
}

impl Signal {
    pub(crate) fn rotated(&self) {
        self.asked.lock().rotated = true;
        self.for_thread.notify_one();
    }

    pub(crate) fn status(&self) -> Status {
        self.asked.lock().status.clone()
    }

    pub(crate) fn seal_and_wait(&self) -> Result<SealReport, StoreError> {
        let mut asked = self.asked.lock();
        if asked.stopped {
            return Err(CannotRecord::Closed.into());
        }
        asked.seals += 1;
        let mine = asked.seals;
        self.for_thread.notify_one();
        while asked.answered < mine && !asked.stopped {
            self.for_askers.wait(&mut asked);
        }
        match &asked.failed {
            Some(error) => Err(StoreError::Config(format!("sealing failed: {error}"))),
            None => Ok(asked.status.report.clone()),
        }
    }

    pub(crate) fn stop(&self) {
        self.asked.lock().stop = true;
        self.for_thread.notify_one();
    }

    /// What the thread last did.
    pub(crate) fn set(&self, report: SealReport, error: Option<String>) {
        self.asked.lock().status = Status { report, error };
    }

    /// The thread waits for a request, or for a while. The number of the newest sealing that was asked for, and whether to stop.
    pub(crate) fn wait(&self, at_most: Duration) -> (u64, bool) {
        let mut asked = self.asked.lock();
        if asked.seals == asked.answered && !asked.rotated && !asked.stop {
            self.for_thread.wait_for(&mut asked, at_most);
        }
        asked.rotated = false;
        (asked.seals, asked.stop)
    }

    /// Whether somebody waits for the sealing of that number.
    pub(crate) fn is_unanswered(&self, number: u64) -> bool {
        number > self.asked.lock().answered
    }

    /// The sealings up to that number are done, or failed.
    pub(crate) fn answer(&self, number: u64, failed: Option<String>) {
        let mut asked = self.asked.lock();
        if number > asked.answered {
            asked.answered = number;
            asked.failed = failed;
            self.for_askers.notify_all();
        }
    }

    /// The thread has ended: nobody need wait any longer.
    pub(crate) fn stopped(&self) {
        self.asked.lock().stopped = true;
        self.for_askers.notify_all();
    }
}
