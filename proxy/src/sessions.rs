//! The sessions that are running now: to cancel their statements, to list them, to end them.

use model::{Refusal, SessionId, SessionInfo};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use wire::{CancelTarget, Datasource};

/// How a cancel key leads to an upstream. (`CancelTarget` itself cannot be cloned.)
struct Cancel {
    key: Vec<u8>,
    datasource: Arc<dyn Datasource>,
    upstream_key: Vec<u8>,
}

/// A running session, for listing and ending.
struct Live {
    info: Arc<SessionInfo>,
    stop: watch::Sender<Option<Refusal>>,
}

/// The sessions that are running now.
#[derive(Default)]
pub(crate) struct Sessions {
    cancels: Mutex<HashMap<SessionId, Cancel>>,
    live: Mutex<HashMap<SessionId, Live>>,
}

/// Keeps a session in the list; leaving it takes the session out.
pub(crate) struct Listed {
    sessions: Arc<Sessions>,
    id: SessionId,
}

impl Sessions {
    /// Makes a session cancellable by whoever knows `key`.
    pub(crate) fn offer_cancel(&self, session: SessionId, key: Vec<u8>, target: CancelTarget) {
        let cancel = Cancel { key, datasource: target.datasource, upstream_key: target.key };
        self.cancels.lock().insert(session, cancel);
    }

    /// Finds the session of a cancel key. Every key is compared, each in constant time, so the time taken says nothing
    /// about how much of a guess was right.
    pub(crate) fn find_cancel(&self, key: &[u8]) -> Option<CancelTarget> {
        let cancels = self.cancels.lock();
        let mut found = None;
        for cancel in cancels.values() {
            if bool::from(cancel.key.as_slice().ct_eq(key)) {
                found = Some(cancel);
            }
        }
        found.map(|cancel| CancelTarget { datasource: cancel.datasource.clone(), key: cancel.upstream_key.clone() })
    }

    /// Where a session's statements are cancelled, if anywhere.
    pub(crate) fn cancel_of(&self, session: SessionId) -> Option<CancelTarget> {
        let cancels = self.cancels.lock();
        let cancel = cancels.get(&session)?;
        Some(CancelTarget { datasource: cancel.datasource.clone(), key: cancel.upstream_key.clone() })
    }

    /// Lists a session; the receiver resolves when somebody ends it.
    pub(crate) fn list(self: &Arc<Self>, info: Arc<SessionInfo>) -> (Listed, watch::Receiver<Option<Refusal>>) {
        let (stop, stopped) = watch::channel(None);
        let id = info.id;
        self.live.lock().insert(id, Live { info, stop });
        (Listed { sessions: self.clone(), id }, stopped)
    }

    /// Ends a session. False when it is not running.
    pub(crate) fn end(&self, session: SessionId, refusal: Refusal) -> bool {
        self.live.lock().get(&session).is_some_and(|live| live.stop.send(Some(refusal)).is_ok())
    }

    /// Ends the sessions that `which` takes; how many that were.
    pub(crate) fn end_those(&self, which: impl Fn(&SessionInfo) -> bool, refusal: &Refusal) -> usize {
        let live = self.live.lock();
        live.values().filter(|one| which(&one.info) && one.stop.send(Some(refusal.clone())).is_ok()).count()
    }

    /// Ends all sessions.
    pub(crate) fn end_all(&self, refusal: &Refusal) {
        for live in self.live.lock().values() {
            let _ = live.stop.send(Some(refusal.clone()));
        }
    }

    /// The running sessions, oldest first.
    #[must_use]
    pub(crate) fn running(&self) -> Vec<Arc<SessionInfo>> {
        let mut running: Vec<_> = self.live.lock().values().map(|live| live.info.clone()).collect();
        running.sort_by_key(|info| info.id);
        running
    }

    /// How many sessions are running.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.live.lock().len()
    }

    /// Takes back the cancel key of a login that came to nothing.
    pub(crate) fn forget(&self, session: SessionId) {
        self.cancels.lock().remove(&session);
        self.live.lock().remove(&session);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.sessions.forget(self.id);
    }
}
