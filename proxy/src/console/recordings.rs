//! Recordings: the one door to what sessions did. Nothing is read before the record says who looks, and at what.

use super::access::Visitor;
use super::fail::Fail;
use axum::http::StatusCode;
use evidence::{AccessEvent, CannotRecord, Reader, Recorder, StoreError};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Readings at a time: each walks files, and the proxy has other work.
const AT_A_TIME: usize = 2;
/// Records that may wait in the journal when a reader opens the store. It takes them into memory (about 2 KiB each), so
/// when there are more they are sealed first.
const MOST_UNSEALED: u64 = 20_000;

/// The store that the console reads. Cheap to clone.
#[derive(Clone)]
pub struct Recordings(Arc<Inner>);

struct Inner {
    recorder: Recorder,
    store: PathBuf,
    body_key: Option<Zeroizing<Vec<u8>>>,
    turns: Semaphore,
}

/// What someone is about to look at.
pub(crate) struct Look {
    /// `queried` or `replayed`.
    pub(crate) action: &'static str,
    /// In words, without any literal of a statement: they may be protected values.
    pub(crate) scope: String,
}

impl Recordings {
    /// Of the store in `store`, which `recorder` writes. `body_key` opens encrypted texts of statements.
    #[must_use]
    pub fn new(recorder: Recorder, store: PathBuf, body_key: Option<Zeroizing<Vec<u8>>>) -> Self {
        Self(Arc::new(Inner { recorder, store, body_key, turns: Semaphore::new(AT_A_TIME) }))
    }

    /// Writes down who looks at what; once that is kept, reads.
    pub(crate) async fn look<T, F>(&self, visitor: &Visitor, look: Look, read: F) -> Result<T, Fail>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let person = visitor.person();
        let event = AccessEvent {
            actor: format!("{} ({})", person.recorded(), visitor.auth),
            action: look.action.to_owned(),
            scope: look.scope,
            finding: None,
            package_hash: None,
        };
        let inner = &self.0;
        let noted = inner.recorder.accessed(&event).map_err(|error| unnoted(&error))?;
        std::future::poll_fn(|cx| inner.recorder.poll_durable(cx, noted)).await.map_err(|error| unnoted(&error))?;
        self.read(read).await
    }

    /// Reads what is no recording of anyone: the versions of the policy.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, Fail>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let _turn = self.0.turns.acquire().await.map_err(|error| unreadable(&error))?;
        let inner = self.0.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let record = inner.recorder.health();
            if record.journaled.saturating_sub(record.sealed) > MOST_UNSEALED {
                inner.recorder.seal_now()?;
            }
            let key = inner.body_key.as_deref().map(Vec::as_slice);
            Reader::open(&inner.store, key).and_then(|reader| read(&reader))
        });
        reading.await.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))
    }
}

/// Who cannot be written down is shown nothing.
fn unnoted(error: &CannotRecord) -> Fail {
    tracing::error!(%error, "a look at a recording could not be recorded, so nothing was shown");
    Fail::new(StatusCode::SERVICE_UNAVAILABLE, "your looking cannot be recorded just now, so nothing is shown")
        .hint("tell whoever runs Affidavit; the health page says what is wrong with the record")
}

/// The store's own words name files: they are for the log.
fn unreadable(error: &dyn std::fmt::Display) -> Fail {
    tracing::error!(%error, "the record cannot be read");
    Fail::new(StatusCode::SERVICE_UNAVAILABLE, "the record cannot be read just now")
        .hint("tell whoever runs Affidavit; the log says why")
}
