//! Bytes read and not yet understood. An idle session holds no buffer: it borrows one from its thread when it reads.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use wire::Transport;

/// Size of a read. Large enough that a bulk result costs few calls, small enough to stay in the second-level cache.
const CHUNK: usize = 64 * 1024;
/// Buffers that a thread keeps for its sessions.
const SPARE: usize = 16;

thread_local! {
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// What clients may make the proxy keep of messages that are not complete: each message by itself, and those of all sessions
/// together, so that many who begin and never end cannot fill the memory.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// Bytes of one message.
    pub message: usize,
    /// Bytes of all together, beyond what every session has for itself.
    pub together: usize,
    /// How many of them are taken.
    pub taken: Arc<AtomicUsize>,
}

impl Allowance {
    fn take(&self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= self.together);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes read and not yet understood.
#[derive(Default)]
pub(super) struct Inbox {
    /// Initialised throughout; what counts is `start..end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// What the next frame was said to need; grown towards only as bytes really arrive.
    wanted: usize,
    closed: bool,
    /// What of a client is kept is bounded.
    allowance: Option<Allowance>,
    /// Bytes of the allowance that it has taken.
    taken: usize,
}

/// What a read gave.
pub(super) enum Filled {
    /// More bytes are here.
    More,
    /// The peer has closed its side.
    Closed,
    /// Nothing was read, because there is no room for it within this limit.
    NoRoom(&'static str),
}

impl Inbox {
    /// Starts with bytes that the login read too far.
    pub(super) fn with(residue: Vec<u8>, allowance: Option<Allowance>) -> Self {
        let end = residue.len();
        Self { buffer: residue, start: 0, end, wanted: 0, closed: false, allowance, taken: 0 }
    }

    /// The unread bytes.
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Drops bytes that are understood.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        self.wanted = 0;
    }

    /// The next frame needs this many more bytes than there are.
    pub(super) fn want(&mut self, more: usize) {
        self.wanted = more;
    }

    /// Whether the peer has closed its side.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Reads once.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>, transport: &mut Transport) -> Poll<io::Result<Filled>> {
        if self.closed {
            return Poll::Pending;
        }
        if let Err(limit) = self.make_room() {
            return Poll::Ready(Ok(Filled::NoRoom(limit)));
        }
        let mut space = ReadBuf::new(self.buffer.get_mut(self.end..).unwrap_or_default());
        let read = Pin::new(transport).poll_read(cx, &mut space);
        let count = space.filled().len();
        if read.is_pending() {
            self.give_back();
        }
        ready!(read)?;
        self.end = self.end.saturating_add(count);
        if count == 0 {
            self.closed = true;
            return Poll::Ready(Ok(Filled::Closed));
        }
        Poll::Ready(Ok(Filled::More))
    }

    /// Sees to it that there is room for a read. A large frame's buffer doubles as the frame arrives, so that a peer
    /// pays in bytes for the memory it claims.
    fn make_room(&mut self) -> Result<(), &'static str> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.buffer.len() > 4 * CHUNK {
                self.buffer = Vec::new();
            }
        } else if self.start > 0 && self.buffer.len().saturating_sub(self.end) < CHUNK / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
        }
        if self.buffer.is_empty() {
            self.buffer = SPARES.with(|spares| spares.borrow_mut().pop()).unwrap_or_else(|| vec![0; CHUNK]);
        }
        if self.buffer.len().saturating_sub(self.end) < CHUNK / 2 {
            let grown = self.end.saturating_add(self.wanted.min(self.end).max(CHUNK));
            self.allowed(grown)?;
            self.buffer.resize(grown, 0);
        }
        self.settle();
        Ok(())
    }

    /// Takes what a buffer of this size needs of the allowance. The first pieces are every session's own.
    fn allowed(&mut self, size: usize) -> Result<(), &'static str> {
        let Some(allowance) = &self.allowance else { return Ok(()) };
        if self.unread().len().saturating_add(self.wanted) > allowance.message {
            return Err("message_bytes");
        }
        let more = size.saturating_sub(4 * CHUNK).saturating_sub(self.taken);
        if more > 0 && !allowance.take(more) {
            return Err("unfinished_bytes");
        }
        self.taken = self.taken.saturating_add(more);
        Ok(())
    }

    /// Gives back what of the allowance is not needed any more.
    fn settle(&mut self) {
        let needed = self.buffer.len().saturating_sub(4 * CHUNK);
        if let Some(allowance) = self.allowance.as_ref().filter(|_| needed < self.taken) {
            allowance.give_back(self.taken.saturating_sub(needed));
            self.taken = needed;
        }
    }

    /// Returns an empty buffer to the thread.
    fn give_back(&mut self) {
        if self.start == self.end && self.buffer.len() == CHUNK {
            let buffer = std::mem::take(&mut self.buffer);
            self.start = 0;
            self.end = 0;
            SPARES.with(|spares| {
                let mut spares = spares.borrow_mut();
                if spares.len() < SPARE {
                    spares.push(buffer);
                }
            });
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.buffer = Vec::new();
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(inbox: &mut Inbox, bytes: usize) -> Result<(), &'static str> {
        while inbox.end < bytes {
            inbox.want(bytes - inbox.end);
            inbox.make_room()?;
            inbox.end = inbox.buffer.len().min(bytes);
        }
        Ok(())
    }

    #[test]
    fn what_is_unfinished_is_bounded_for_one_and_for_all() {
        let allowance = Allowance { message: 4 << 20, together: 5 << 20, taken: Arc::default() };
        let inbox = || Inbox::with(Vec::new(), Some(allowance.clone()));
        assert_eq!(filled(&mut inbox(), 5 << 20), Err("message_bytes"));
        assert_eq!(allowance.taken.load(Ordering::Relaxed), 0, "what is gone takes nothing");
        let mut first = inbox();
        filled(&mut first, 3 << 20).unwrap();
        assert_eq!(filled(&mut inbox(), 3 << 20), Err("unfinished_bytes"));
        first.consume(3 << 20);
        first.make_room().unwrap();
        assert_eq!(allowance.taken.load(Ordering::Relaxed), 0, "what is understood takes nothing");
        filled(&mut inbox(), 3 << 20).unwrap();
        let mut small: Vec<Inbox> = (0..100).map(|_| inbox()).collect();
        let _large = filled(&mut first, 4 << 20);
        assert!(small.iter_mut().all(|own| filled(own, 100_000).is_ok()), "small messages are everybody's");
    }
}
