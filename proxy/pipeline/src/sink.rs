//! What both directions have in common: bytes that wait for a socket, and for the record of them to be on disk.

use evidence::{CannotRecord, Lsn, Recorder};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;
use wire::Transport;

/// An idle session keeps no buffer larger than this: ten thousand of them should fit a small machine.
const KEPT: usize = 4096;

/// Bytes on their way to one side. The two sinks hold one each, and decide what comes in.
#[derive(Default)]
pub(crate) struct Outgoing {
    pending: Vec<u8>,
    sent: usize,
    /// The youngest record among them; with strict durability nothing goes out before it is on disk.
    barrier: Option<Lsn>,
    unflushed: bool,
}

/// Why a sink cannot send.
#[derive(Debug)]
pub enum SendError {
    /// The record is not durable and will not be.
    Record(CannotRecord),
    /// The connection is gone.
    Io(io::Error),
}

impl Outgoing {
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Nothing goes out before this record is durable.
    pub(crate) fn hold_for(&mut self, record: Lsn) {
        self.barrier = Some(record);
    }

    /// Bytes not yet taken by the peer.
    pub(crate) fn backlog(&self) -> usize {
        self.pending.len().saturating_sub(self.sent)
    }

    /// Sends what it can. Ready when everything is with the kernel.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
        recorder: &Recorder,
    ) -> Poll<Result<(), SendError>> {
        if let Some(lsn) = self.barrier {
            ready!(recorder.poll_durable(cx, lsn)).map_err(SendError::Record)?;
            self.barrier = None;
        }
        self.poll_write(cx, transport).map_err(SendError::Io)
    }

    /// Writes what is left, then flushes what TLS holds back.
    fn poll_write(&mut self, cx: &mut Context<'_>, transport: &mut Transport) -> Poll<io::Result<()>> {
        while let Some(rest) = self.pending.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut *transport).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent = self.sent.saturating_add(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut *transport).poll_flush(cx))?;
            self.unflushed = false;
            self.sent = 0;
            self.pending.clear();
            if self.pending.capacity() > KEPT {
                self.pending = Vec::new();
            }
        }
        Poll::Ready(Ok(()))
    }
}
