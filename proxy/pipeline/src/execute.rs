//! Execute: journals the intent, then lets the permitted bytes go to the upstream. The only writer to the upstream.

use crate::sink::Outgoing;
use crate::{ClientSink, Housekeeping, OwnWords, Permit, Recording, Refused, Running, SendError};
use evidence::{CannotRecord, Recorder};
use model::OutputPlan;
use std::task::{Context, Poll};
use wire::{Conversation, Transport};

/// Bytes on their way to the upstream. Nothing in here has not been permitted and journaled, but for [`Housekeeping`].
#[derive(Default)]
pub struct UpstreamSink {
    out: Outgoing,
    /// What the adapter puts around a permitted statement.
    before: Vec<u8>,
    after: Vec<u8>,
}

impl UpstreamSink {
    /// Queues what the adapter sends by itself.
    pub fn keep_house(&mut self, housekeeping: &Housekeeping<'_>) {
        tracing::trace!(?housekeeping, "to the upstream");
        self.out.append(housekeeping.frames());
    }

    /// Bytes not yet taken by the upstream.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.out.backlog()
    }

    /// Sends what it can. Ready when everything is with the kernel.
    ///
    /// # Errors
    /// The record of it cannot be made durable, or the upstream is gone.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut Transport,
        recorder: &Recorder,
    ) -> Poll<Result<(), SendError>> {
        self.out.poll_send(cx, upstream, recorder)
    }
}

/// Why a permitted statement was not sent.
#[derive(Debug)]
pub enum Unsent {
    /// It will not be.
    Refused(Refused),
    /// The journal has no room for it until something was sealed: it is to be given to [`execute`] again when there is.
    NoRoom(Permit),
}

/// Journals a permitted statement and queues its bytes. A statement that cannot be journaled comes back, and nothing of it
/// is sent.
///
/// # Errors
/// The record takes it never, or not yet.
pub fn execute(
    permit: Permit,
    recording: &Recording,
    conversation: &mut dyn Conversation,
    running: &mut Running,
    sink: &mut UpstreamSink,
) -> Result<(), Unsent> {
    let lsn = match recording.intent(permit.statement(), permit.verdict(), permit.approval()) {
        Ok(lsn) => lsn,
        Err(CannotRecord::Busy) => return Err(Unsent::NoRoom(permit)),
        Err(error) => return Err(Unsent::Refused(permit.revoke(Recording::refusal(&error)))),
    };
    let verdict = permit.verdict();
    if masks_rows(&verdict.outputs) || masks_rows(&verdict.recorded) {
        conversation.whole_rows(permit.statement().id);
    }
    sink.before.clear();
    sink.after.clear();
    conversation.permit(permit.statement(), &mut sink.before, &mut sink.after);
    sink.out.append(&sink.before);
    sink.out.append(permit.sent());
    sink.out.append(&sink.after);
    sink.out.hold_for(lsn);
    running.started(permit.statement(), verdict.clone());
    Ok(())
}

/// Records a refusal and queues what keeps the protocol in step in the statement's place.
///
/// # Errors
/// The record is lost: the session cannot go on.
pub fn refuse(
    refused: Refused,
    recording: &Recording,
    conversation: &mut dyn Conversation,
    running: &mut Running,
    sink: &mut UpstreamSink,
    client: &mut ClientSink,
) -> Result<(), CannotRecord> {
    let (statement, verdict, refusal) = refused.into_parts();
    // When the record cannot be written the refusal goes out all the same: refusing needs no room, only passing does.
    let recorded = recording.intent(&statement, &verdict, None);
    let (mut in_its_place, mut answer) = (Vec::new(), Vec::new());
    conversation.refuse(&statement, &refusal, &mut in_its_place, &mut answer);
    sink.out.append(&in_its_place);
    let words = OwnWords::refusal(answer);
    if words.is_empty() {
        running.started(&statement, verdict);
    } else {
        // Answered at once: no answer of the upstream will end it.
        client.say(&words);
        recording.refused(statement.id)?;
    }
    match recorded {
        Err(error @ (CannotRecord::Poisoned(_) | CannotRecord::StoreLost(_) | CannotRecord::Closed)) => Err(error),
        _ => Ok(()),
    }
}

fn masks_rows(outputs: &[OutputPlan]) -> bool {
    outputs.iter().any(|plan| match plan {
        OutputPlan::Untouched => false,
        OutputPlan::Columns(columns) => columns.iter().any(|column| column.mask.is_some()),
        OutputPlan::RedactAll(_) => true,
    })
}
