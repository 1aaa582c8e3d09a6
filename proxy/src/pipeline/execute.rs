//! Execute: journals the intent, then lets the permitted bytes go to the upstream. The only writer to the upstream.

use super::approve::{Permit, Refused};
use super::release::{SendError, send};
use super::{ClientSink, Running};
use crate::session::Recording;
use evidence::{CannotRecord, Lsn, Recorder};
use model::OutputPlan;
use std::task::{Context, Poll, ready};
use wire::{Conversation, Transport};

/// Bytes on their way to the upstream. Nothing in here has not been permitted and journaled.
#[derive(Default)]
pub(crate) struct UpstreamSink {
    pending: Vec<u8>,
    sent: usize,
    barrier: Option<Lsn>,
    unflushed: bool,
    extra: Vec<u8>,
}

impl UpstreamSink {
    /// Bytes not yet taken by the upstream.
    pub(crate) fn backlog(&self) -> usize {
        self.pending.len().saturating_sub(self.sent)
    }

    /// Sends what it can. Ready when everything is with the kernel.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut Transport,
        recorder: &Recorder,
    ) -> Poll<Result<(), SendError>> {
        if let Some(lsn) = self.barrier {
            ready!(recorder.poll_durable(cx, lsn)).map_err(SendError::Record)?;
            self.barrier = None;
        }
        send(cx, upstream, &mut self.pending, &mut self.sent, &mut self.unflushed).map_err(SendError::Io)
    }
}

/// Why a permitted statement was not sent.
pub(crate) enum Unsent {
    /// It will not be.
    Refused(Refused),
    /// The journal has no room for it until something was sealed: it is to be given to [`execute`] again when there is.
    NoRoom(Permit),
}

/// Journals a permitted statement and queues its original bytes. A statement that cannot be journaled comes back, and nothing
/// of it is sent.
pub(crate) fn execute(
    mut permit: Permit,
    recording: &Recording,
    conversation: &mut dyn Conversation,
    running: &mut Running,
    sink: &mut UpstreamSink,
) -> Result<(), Unsent> {
    if !permit.settled
        && let Err(refusal) =
            conversation.settle_class(&mut permit.statement, &permit.verdict.class, permit.verdict.role)
    {
        return Err(Unsent::Refused(permit.revoke(refusal)));
    }
    permit.settled = true;
    let recorded = recording.intent(&permit.statement, &permit.verdict, permit.approval.as_deref());
    let lsn = match recorded {
        Ok(lsn) => lsn,
        Err(CannotRecord::Busy) => return Err(Unsent::NoRoom(permit)),
        Err(error) => return Err(Unsent::Refused(permit.revoke(Recording::refusal(&error)))),
    };
    if masks_rows(&permit.verdict.outputs) || masks_rows(&permit.verdict.recorded) {
        conversation.whole_rows(permit.statement.id);
    }
    sink.extra.clear();
    conversation.permit(&permit.statement, &mut sink.pending, &mut sink.extra);
    sink.pending.extend_from_slice(&permit.statement.wire);
    sink.pending.extend_from_slice(&sink.extra);
    sink.barrier = Some(lsn);
    running.started(&permit.statement, permit.verdict);
    Ok(())
}

/// Records a refusal and queues what keeps the protocol in step in the statement's place.
pub(crate) fn refuse(
    refused: Refused,
    recording: &Recording,
    conversation: &mut dyn Conversation,
    running: &mut Running,
    sink: &mut UpstreamSink,
    client: &mut ClientSink,
) -> Result<(), CannotRecord> {
    let Refused { statement, verdict, refusal } = refused;
    // When the record cannot be written the refusal goes out all the same: refusing needs no room, only passing does.
    let recorded = recording.intent(&statement, &verdict, None);
    let before = client.own_words().len();
    conversation.refuse(&statement, &refusal, &mut sink.pending, client.own_words());
    if client.own_words().len() > before {
        // Answered at once: no answer of the upstream will end it.
        recording.refused(statement.id)?;
    } else {
        running.started(&statement, verdict);
    }
    match recorded {
        Err(error @ (CannotRecord::Poisoned(_) | CannotRecord::StoreLost(_) | CannotRecord::Closed)) => Err(error),
        _ => Ok(()),
    }
}

/// Queues housekeeping bytes of the client: they start nothing that was not permitted before.
pub(crate) fn forward(bytes: &[u8], sink: &mut UpstreamSink) {
    sink.pending.extend_from_slice(bytes);
}

fn masks_rows(outputs: &[OutputPlan]) -> bool {
    outputs.iter().any(|plan| match plan {
        OutputPlan::Untouched => false,
        OutputPlan::Columns(columns) => columns.iter().any(|column| column.mask.is_some()),
        OutputPlan::RedactAll(_) => true,
    })
}
