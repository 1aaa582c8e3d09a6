//! The threads that carry sessions: each has an event loop of its own, and a session stays on the one it began on.
//!
//! A statement is four short system calls and a few microseconds of work. A scheduler that hands such work from thread to
//! thread spends more on waking them than on the work, so sessions are dealt out once, to the thread with the fewest, and
//! everything of a session (both sockets, its timers, its buffers) stays warm there. The rest of the process (console,
//! issuers, catalogs) runs on the ordinary runtime beside them.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// One thread's loop, and how many sessions it has.
struct Worker {
    handle: Handle,
    sessions: Arc<AtomicUsize>,
}

/// The threads. Dropping the last clone ends them, and with them whatever still runs there.
#[derive(Clone)]
pub(crate) struct Workers {
    workers: Arc<[Worker]>,
    _running: Arc<watch::Sender<()>>,
}

/// Counts a session in, and out when it is dropped.
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// The system gives no thread, or no event queue.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let (running, _) = watch::channel(());
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let mut ended = running.subscribe();
            std::thread::Builder::new().name(format!("sessions-{number}")).spawn(move || {
                // The sender is dropped with the last `Workers`.
                runtime.block_on(async move { while ended.changed().await.is_ok() {} });
            })?;
            workers.push(Worker { handle, sessions: Arc::default() });
        }
        Ok(Self { workers: workers.into(), _running: Arc::new(running) })
    }

    /// Runs a session on the thread that has the fewest. What `session` makes of its sockets has to be made inside of it:
    /// a socket belongs to the loop on which it is made.
    pub(crate) fn spawn<F>(&self, session: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.sessions.load(Ordering::Relaxed)) else {
            return;
        };
        worker.sessions.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(worker.sessions.clone());
        worker.handle.spawn(async move {
            session().await;
            drop(seat);
        });
    }
}
