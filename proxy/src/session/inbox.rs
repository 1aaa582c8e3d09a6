//! Bytes read and not yet understood. An idle session holds no buffer: it borrows one from its thread when it reads.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
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
}

/// What a read gave.
pub(super) enum Filled {
    /// More bytes are here.
    More,
    /// The peer has closed its side.
    Closed,
}

impl Inbox {
    /// Starts with bytes that the login read too far.
    pub(super) fn with(residue: Vec<u8>) -> Self {
        let end = residue.len();
        Self { buffer: residue, start: 0, end, wanted: 0, closed: false }
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
        self.make_room();
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
    fn make_room(&mut self) {
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
            self.buffer.resize(grown, 0);
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
