//! Where a session takes a statement that has to wait for people.

use crate::pipeline::{Judged, Ruling};
use std::future::Future;
use std::pin::Pin;

/// Holds statements until people have decided.
pub(crate) trait Holds: Send + Sync {
    /// Asks for approval. `notice` is what the client may be told at once, where its protocol can carry it.
    /// It may wait for a disk first.
    fn hold(&self, judged: Judged) -> Holding;
}

/// A statement that is being put on hold.
pub(crate) type Holding = Pin<Box<dyn Future<Output = Held> + Send>>;

/// A statement on hold.
pub(crate) struct Held {
    /// Resolves when it is decided.
    pub(crate) ruling: Pin<Box<dyn Future<Output = Ruling> + Send>>,
    /// For the client, at once.
    pub(crate) notice: Option<String>,
}
