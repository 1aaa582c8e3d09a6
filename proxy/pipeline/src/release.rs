//! Release: the only writer to the client. Takes [`Recorded`] answers and [`OwnWords`], nothing else.

use crate::sink::Outgoing;
use crate::{OwnWords, Recorded, SendError};
use evidence::Recorder;
use std::task::{Context, Poll};
use wire::Transport;

/// Bytes on their way to the client. Nothing of the upstream's is in here that has not been recorded.
#[derive(Default)]
pub struct ClientSink {
    out: Outgoing,
}

/// Hands a recorded answer to the client's sink.
pub fn release(recorded: &Recorded<'_>, sink: &mut ClientSink) {
    sink.out.append(recorded.wire());
    if let Some(lsn) = recorded.lsn() {
        sink.out.hold_for(lsn);
    }
}

impl ClientSink {
    /// Says something of our own, after what is on its way.
    pub fn say(&mut self, words: &OwnWords) {
        self.out.append(words.frames());
    }

    /// Bytes not yet taken by the client.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.out.backlog()
    }

    /// Sends what it can. Ready when everything is with the kernel.
    ///
    /// # Errors
    /// The record of it cannot be made durable, or the client is gone.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Transport,
        recorder: &Recorder,
    ) -> Poll<Result<(), SendError>> {
        self.out.poll_send(cx, client, recorder)
    }
}
