//! The queue of undelivered messages: small, on disk, oldest first.

use redb::{Database, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// `RECEIVER:SEQUENCE` → JSON of [`Message`].
const MESSAGES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("messages");
/// Messages that wait for one receiver; the oldest gives way.
const MOST: usize = 1000;

/// A message as it will be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// The same at each attempt, so that the receiver can tell a repetition.
    pub(super) id: String,
    /// When it happened (seconds since the epoch).
    pub(super) at: i64,
    pub(super) body: String,
}

/// Opens `webhooks.redb`, for the proxy's user only: messages name people.
pub(super) fn open(folder: &Path) -> Result<Database, String> {
    let file = folder.join("webhooks.redb");
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(&file).map_err(|error| failed(&error))?);
    let database = Database::create(&file).map_err(|error| failed(&error))?;
    let write = database.begin_write().map_err(|error| failed(&error))?;
    write.open_table(MESSAGES).map_err(|error| failed(&error))?;
    write.commit().map_err(|error| failed(&error))?;
    Ok(database)
}

/// The messages of one receiver. The disk failing loses webhooks, never a decision: it is logged and that is all.
pub(super) struct Queue {
    database: Arc<Database>,
    receiver: String,
    next: AtomicU64,
}

impl Queue {
    /// The URL may be a secret, so its hash names the queue.
    pub(super) fn new(database: Arc<Database>, url: &str) -> Result<Self, String> {
        let receiver = Sha256::digest(url).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let queue = Self { database, receiver, next: AtomicU64::new(0) };
        let newest =
            queue.waiting().map_err(|error| error.to_string())?.last().map_or(0, |last| last.saturating_add(1));
        queue.next.store(newest, Ordering::Relaxed);
        Ok(queue)
    }

    fn waiting(&self) -> Result<Vec<u64>, redb::Error> {
        let read = self.database.begin_read()?;
        let table = read.open_table(MESSAGES)?;
        let range = table.range((self.receiver.as_str(), 0)..=(self.receiver.as_str(), u64::MAX))?;
        range.map(|item| Ok(item?.0.value().1)).collect()
    }

    /// Adds a message; when too many wait, the oldest goes.
    pub(super) fn add(&self, message: &Message) {
        if let Err(error) = self.try_add(message) {
            tracing::error!(%error, "a webhook's message cannot be queued and is lost");
        }
    }

    fn try_add(&self, message: &Message) -> Result<(), redb::Error> {
        let waiting = self.waiting()?;
        let bytes = serde_json::to_vec(message).unwrap_or_default();
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(MESSAGES)?;
            let surplus = (waiting.len() + 1).saturating_sub(MOST);
            for sequence in waiting.iter().take(surplus) {
                table.remove((self.receiver.as_str(), *sequence))?;
            }
            let sequence = self.next.fetch_add(1, Ordering::Relaxed);
            table.insert((self.receiver.as_str(), sequence), bytes.as_slice())?;
        }
        Ok(write.commit()?)
    }

    /// The oldest message.
    pub(super) fn first(&self) -> Option<(u64, Message)> {
        let first = || -> Result<Option<(u64, Vec<u8>)>, redb::Error> {
            let read = self.database.begin_read()?;
            let table = read.open_table(MESSAGES)?;
            let mut range = table.range((self.receiver.as_str(), 0)..=(self.receiver.as_str(), u64::MAX))?;
            range
                .next()
                .map(|item| item.map(|(key, value)| (key.value().1, value.value().to_vec())))
                .transpose()
                .map_err(Into::into)
        };
        match first() {
            Ok(Some((sequence, bytes))) => match serde_json::from_slice(&bytes) {
                Ok(message) => Some((sequence, message)),
                Err(_) => {
                    self.remove(sequence);
                    None
                }
            },
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, "a webhook's queue cannot be read");
                None
            }
        }
    }

    /// Forgets a message.
    pub(super) fn remove(&self, sequence: u64) {
        let remove = || -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            write.open_table(MESSAGES)?.remove((self.receiver.as_str(), sequence))?;
            Ok(write.commit()?)
        };
        if let Err(error) = remove() {
            tracing::error!(%error, "a webhook's message cannot be taken out of its queue; it will be sent again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_first_bounded_and_kept_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let message = |n: usize| Message { id: n.to_string(), at: 0, body: String::new() };
        {
            let database = Arc::new(open(folder.path()).unwrap());
            let queue = Queue::new(database.clone(), "https://a").unwrap();
            let other = Queue::new(database, "https://b").unwrap();
            (0..3).for_each(|n| queue.add(&message(n)));
            assert_eq!(other.first(), None);
            let (sequence, first) = queue.first().unwrap();
            assert_eq!(first, message(0));
            queue.remove(sequence);
        }
        let queue = Queue::new(Arc::new(open(folder.path()).unwrap()), "https://a").unwrap();
        assert_eq!(queue.first().unwrap().1, message(1));
        queue.add(&message(3));
        assert_eq!(queue.waiting().unwrap().len(), 3);
    }
}
