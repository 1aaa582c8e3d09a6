//! Where others leave word for the background thread ([`crate::keeper`]), and it for them.

use crate::error::{CannotRecord, StoreError};
use crate::recorder::SealReport;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicU64, Ordering};
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
    rotated_for_spares: bool,
    stop: bool,
    stopped: bool,
    status: Status,
}

/// Where others leave word for the thread.
#[derive(Default)]
pub(crate) struct Signal {
    asked: Mutex<Asked>,
    progress: AtomicU64,
    for_thread: Condvar,
    for_askers: Condvar,
    for_spares: Condvar,
    for_watch: Condvar,
}

impl Signal {
    pub(crate) fn rotated(&self) {
        {
            let mut asked = self.asked.lock();
            asked.rotated = true;
            asked.rotated_for_spares = true;
        }
        self.for_thread.notify_one();
        self.for_spares.notify_one();
    }

    /// The thread that makes spare files waits until one was taken, or for a while. True when the store closes.
    pub(crate) fn wait_for_rotation(&self, at_most: Duration) -> bool {
        let mut asked = self.asked.lock();
        if !asked.rotated_for_spares && !asked.stop {
            self.for_spares.wait_for(&mut asked, at_most);
        }
        asked.rotated_for_spares = false;
        asked.stop || asked.stopped
    }

    /// The sealing has got on by a record.
    pub(crate) fn got_on(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts up while the sealing gets on.
    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Rests for a while, or until the store closes. True when it does.
    pub(crate) fn rest(&self, at_most: Duration) -> bool {
        let mut asked = self.asked.lock();
        if !asked.stop && !asked.stopped {
            self.for_watch.wait_for(&mut asked, at_most);
        }
        asked.stop || asked.stopped
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
        self.for_spares.notify_all();
        self.for_watch.notify_all();
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
