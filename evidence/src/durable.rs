//! Group commit for [`crate::Durability::Strict`]: one thread syncs for everyone who waits.

use crate::error::CannotRecord;
use crate::journal::{Journal, Who};
use crate::recorder::Inner;
use parking_lot::{Condvar, Mutex};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[derive(Default)]
struct Waiting {
    synced: u64,
    wanted: u64,
    wakers: Vec<(u64, Waker)>,
    stopping: bool,
}

/// How far the journal is on the disk, and who waits for it.
#[derive(Default)]
pub(crate) struct Durable {
    waiting: Mutex<Waiting>,
    asked: Condvar,
}

impl Durable {
    pub(crate) fn poll(&self, journal: &Journal, cx: &Context<'_>, lsn: u64) -> Poll<Result<(), CannotRecord>> {
        let mut waiting = self.waiting.lock();
        if waiting.synced >= lsn {
            return Poll::Ready(Ok(()));
        }
        match journal.stopped() {
            None | Some(CannotRecord::Closed) if !waiting.stopping => {}
            reason => return Poll::Ready(Err(reason.unwrap_or(CannotRecord::Closed))),
        }
        if !waiting.wakers.iter().any(|(wanted, waker)| *wanted == lsn && waker.will_wake(cx.waker())) {
            waiting.wakers.push((lsn, cx.waker().clone()));
        }
        waiting.wanted = waiting.wanted.max(lsn);
        self.asked.notify_one();
        Poll::Pending
    }

    /// Starts the thread. It ends when the recorder does.
    pub(crate) fn spawn(inner: &Arc<Inner>) -> std::io::Result<()> {
        let inner = Arc::downgrade(inner);
        std::thread::Builder::new().name("evidence-sync".into()).spawn(move || while sync_once(&inner) {}).map(drop)
    }

    pub(crate) fn stop(&self) {
        let mut waiting = self.waiting.lock();
        waiting.stopping = true;
        waiting.wakers.drain(..).for_each(|(_, waker)| waker.wake());
        self.asked.notify_all();
    }
}

/// Waits for work, syncs once. False when the thread should end.
fn sync_once(inner: &Weak<Inner>) -> bool {
    let Some(inner) = inner.upgrade() else { return false };
    let durable = &inner.durable;
    {
        let mut waiting = durable.waiting.lock();
        if waiting.wanted <= waiting.synced && !waiting.stopping {
            durable.asked.wait_for(&mut waiting, Duration::from_millis(200));
        }
        if waiting.stopping {
            return false;
        }
        if waiting.wanted <= waiting.synced {
            return true;
        }
    }
    let point = inner.journal.sync_point(Who::Sessions);
    let result = point.sync();
    if let Err(error) = &result {
        tracing::error!(%error, "syncing the journal failed; no more records are taken");
        inner.journal.stop(CannotRecord::Poisoned(format!("syncing the journal: {error}")));
    }
    let mut waiting = durable.waiting.lock();
    match result {
        Ok(()) => {
            waiting.synced = waiting.synced.max(point.mark.lsn);
            let synced = waiting.synced;
            let (ready, later) = std::mem::take(&mut waiting.wakers).into_iter().partition(|(lsn, _)| *lsn <= synced);
            waiting.wakers = later;
            let ready: Vec<(u64, Waker)> = ready;
            drop(waiting);
            ready.into_iter().for_each(|(_, waker)| waker.wake());
        }
        Err(_) => {
            // Nothing is synced any more, and the thread has nothing left to do: a second try proves nothing.
            waiting.stopping = true;
            waiting.wakers.drain(..).for_each(|(_, waker)| waker.wake());
            return false;
        }
    }
    true
}
