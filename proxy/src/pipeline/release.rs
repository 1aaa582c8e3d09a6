//! Release: the only writer to the client. Takes [`Recorded`] answers and the proxy's own words, nothing else.

use super::record::Recorded;
use evidence::{CannotRecord, Lsn, Recorder};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;
use wire::Transport;

/// Bytes on their way to the client. Nothing in here has not been recorded.
#[derive(Default)]
pub(crate) struct ClientSink {
    pending: Vec<u8>,
    sent: usize,
    /// The youngest record among them; with strict durability nothing goes out before it is on disk.
    barrier: Option<Lsn>,
    unflushed: bool,
}

/// Hands a recorded answer to the client's sink.
pub(crate) fn release(recorded: &Recorded<'_>, sink: &mut ClientSink) {
    sink.pending.extend_from_slice(recorded.wire());
    if let Some(lsn) = recorded.lsn() {
        sink.barrier = Some(lsn);
    }
}

impl ClientSink {
    /// The proxy's own words: refusals, notices, the login's last frames. They carry nothing of the upstream's rows.
    pub(crate) fn own_words(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Bytes not yet taken by the client.
    pub(crate) fn backlog(&self) -> usize {
        self.pending.len().saturating_sub(self.sent)
    }

    /// Sends what it can. Ready when everything is with the kernel.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Transport,
        recorder: &Recorder,
    ) -> Poll<Result<(), SendError>> {
        if let Some(lsn) = self.barrier {
            ready!(recorder.poll_durable(cx, lsn)).map_err(SendError::Record)?;
            self.barrier = None;
        }
        send(cx, client, &mut self.pending, &mut self.sent, &mut self.unflushed).map_err(SendError::Io)
    }
}

/// Why a sink cannot send.
pub(crate) enum SendError {
    /// The record is not durable and will not be.
    Record(CannotRecord),
    /// The connection is gone.
    Io(io::Error),
}

/// Writes `pending[sent..]`, then flushes what TLS holds back.
pub(super) fn send(
    cx: &mut Context<'_>,
    transport: &mut Transport,
    pending: &mut Vec<u8>,
    sent: &mut usize,
    unflushed: &mut bool,
) -> Poll<io::Result<()>> {
    while let Some(rest) = pending.get(*sent..).filter(|rest| !rest.is_empty()) {
        let written = ready!(Pin::new(&mut *transport).poll_write(cx, rest))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *sent = sent.saturating_add(written);
        *unflushed = true;
    }
    if *unflushed {
        ready!(Pin::new(&mut *transport).poll_flush(cx))?;
        *unflushed = false;
        *sent = 0;
        pending.clear();
        // An idle session keeps no buffer: ten thousand of them should fit a small machine.
        if pending.capacity() > 4096 {
            *pending = Vec::new();
        }
    }
    Poll::Ready(Ok(()))
}
