//! The relay: one task for both directions of a session. It moves bytes between the sockets and the pipeline, and is
//! the only place that knows both; it understands none of them.
//!
//! Backpressure needs no queue: the client is not read while the upstream has bytes to take, and the other way round.

mod client;
mod ended;
mod inbox;
mod parting;
mod patience;
mod statement;
#[cfg(test)]
mod tests;
mod upstream;
mod waiting;

use crate::{ClientSink, Holds, Housekeeping, Judge, OwnWords, Recording, Running, SendError, Splices, UpstreamSink};
pub use ended::{Ended, Side};
pub use inbox::Allowance;
use inbox::Inbox;
use model::{Refusal, RefusalKind};
pub use parting::turn_away;
use patience::Doing;
pub use patience::Patience;
use policies::Keys;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use waiting::Waiting;
use wire::{Conversation, Datasource, Established, Transport};

/// Bytes that may wait for one side before the other is no longer read.
const HIGH_WATER: usize = 256 * 1024;
/// Rounds of one session before the other sessions of its thread have theirs.
const TURNS: usize = 4;

/// One running session.
pub struct Relay {
    client: Transport,
    upstream: Transport,
    conversation: Box<dyn Conversation>,
    datasource: Arc<dyn Datasource>,
    from_client: Inbox,
    from_upstream: Inbox,
    to_client: ClientSink,
    to_upstream: UpstreamSink,
    running: Running,
    judge: Judge,
    keys: Arc<Keys>,
    recording: Recording,
    holds: Arc<dyn Holds>,
    splices: Splices,
    waiting: Option<Waiting>,
    /// The client's next frame waits for the upstream's answer, so the client is not read without bound.
    client_waits: bool,
    /// The answer to the present statement is large: it waits for room in the journal before those of others do.
    bulk: bool,
    /// Resolves when the session must end: expiry, operator, shutdown.
    stop: Pin<Box<dyn Future<Output = Refusal> + Send>>,
    /// Resolves when the session is to end once nothing is under way.
    drain: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    patience: Patience,
    activity: Arc<AtomicU64>,
}

/// What a session is built from, beside its connections.
pub struct Parts {
    /// Judges its statements.
    pub judge: Judge,
    /// Masking keys.
    pub keys: Arc<Keys>,
    /// Its record.
    pub recording: Recording,
    /// Where held statements wait.
    pub holds: Arc<dyn Holds>,
    /// Resolves when the session must end.
    pub stop: Pin<Box<dyn Future<Output = Refusal> + Send>>,
    /// Resolves when the session is to end outside of a transaction: the proxy stops.
    pub drain: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// How long a statement may run, and a transaction may rest.
    pub patience: Patience,
    /// Counts up as bytes move, for whoever watches for idleness.
    pub activity: Arc<AtomicU64>,
    /// What it may keep of messages that are not complete.
    pub allowance: Allowance,
}

/// A message that is too large, or one more than there is memory for.
fn no_room(limit: &str) -> Ended {
    let text = format!("the message is larger than there is room for ([limits] {limit})");
    Ended::Closed(Refusal::new(RefusalKind::LimitReached, text).hint("send it in smaller pieces, or later"))
}

fn stopping() -> Refusal {
    Refusal::new(RefusalKind::ShuttingDown, "Affidavit is shutting down")
}

impl Relay {
    /// A relay whose opening is recorded already: the greeting goes out first.
    #[must_use]
    pub fn new(established: Established, parts: Parts) -> Self {
        let mut to_client = ClientSink::default();
        to_client.say(&OwnWords::greeting(established.greeting));
        Self {
            client: established.client,
            upstream: established.upstream,
            conversation: established.conversation,
            datasource: established.datasource,
            from_client: Inbox::with(established.client_residue, Some(parts.allowance)),
            from_upstream: Inbox::with(established.upstream_residue, None),
            to_client,
            to_upstream: UpstreamSink::default(),
            running: Running::default(),
            judge: parts.judge,
            keys: parts.keys,
            recording: parts.recording,
            holds: parts.holds,
            splices: Splices::default(),
            waiting: None,
            client_waits: false,
            bulk: false,
            stop: parts.stop,
            drain: Some(parts.drain),
            patience: parts.patience,
            activity: parts.activity,
        }
    }

    /// Runs the session to its end and records the end. Also whether something is left running upstream.
    pub async fn run(mut self) -> (Ended, bool) {
        let ended = std::future::poll_fn(|cx| self.poll(cx)).await;
        let unfinished = self.running.is_busy();
        self.recording.close(&self.running.unanswered(), &ended.reason());
        self.last_words(&ended).await;
        (ended, unfinished)
    }

    /// Tells both sides, as far as their protocol and their patience allow.
    async fn last_words(&mut self, ended: &Ended) {
        if let Some(refusal) = ended.farewell() {
            self.to_client.say(&OwnWords::farewell(self.conversation.as_mut(), &refusal));
        }
        self.to_upstream.keep_house(&Housekeeping::goodbye(self.conversation.as_ref()));
        let client = (&mut self.to_client, &mut self.client);
        parting::part(client, (&mut self.to_upstream, &mut self.upstream), &self.recording).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        for _ in 0..TURNS {
            match self.turn(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(ended) => return Poll::Ready(ended),
            }
        }
        // There is more to do, after the others of this thread have had theirs.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One round: send, settle what waits, read and understand each side. True when anything moved.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        self.check_stop(cx)?;
        self.check_patience(cx)?;
        let client_clear = self.send_client(cx)?;
        let upstream_clear = self.send_upstream(cx)?;
        self.check_drain(cx, client_clear)?;
        let mut moved = self.poll_waiting(cx)?;
        // A full journal stops the reading, so that what is read can always be recorded. One that takes nothing any more
        // does not: its refusal has to reach the client.
        if self.recording.recorder().poll_room(cx, self.bulk).is_ready() {
            if client_clear || self.to_client.backlog() < HIGH_WATER {
                moved |= self.read_upstream(cx)?;
            }
            if self.waiting.is_none() && (upstream_clear || self.to_upstream.backlog() < HIGH_WATER) {
                moved |= self.read_client(cx)?;
            } else if self.waiting.is_some() {
                moved |= self.watch_held_client(cx)?;
            }
        }
        if moved {
            self.activity.fetch_add(1, Ordering::Relaxed);
        }
        // What a look at either side queued goes out in the same wake-up.
        if !moved && (self.to_client.backlog() > 0 && client_clear || self.to_upstream.backlog() > 0 && upstream_clear)
        {
            moved = true;
        }
        Ok(moved)
    }

    fn check_stop(&mut self, cx: &mut Context<'_>) -> Result<(), Ended> {
        match self.stop.as_mut().poll(cx) {
            Poll::Ready(refusal) => Err(Ended::Closed(refusal)),
            Poll::Pending => Ok(()),
        }
    }

    /// Ends a session whose statement runs for too long, or whose transaction rests for too long.
    fn check_patience(&mut self, cx: &mut Context<'_>) -> Result<(), Ended> {
        let doing = match (self.waiting.is_some(), self.running.oldest(), self.conversation.in_transaction()) {
            // People have their own time limit.
            (true, _, _) | (false, None, false) => Doing::Nothing,
            (false, Some(statement), _) => Doing::Statement(statement),
            (false, None, true) => Doing::Transaction,
        };
        match self.patience.poll(cx, doing) {
            Poll::Ready(refusal) => Err(Ended::Closed(refusal)),
            Poll::Pending => Ok(()),
        }
    }

    /// Ends a session that is at rest, when the proxy stops. One in a transaction goes on until that is over; a statement
    /// that waits for people is parked, which its request has heard of already.
    fn check_drain(&mut self, cx: &mut Context<'_>, client_clear: bool) -> Result<(), Ended> {
        if let Some(drain) = &mut self.drain {
            if drain.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            self.drain = None;
        }
        let parked = matches!(self.waiting, Some(Waiting::Approval(..)));
        let busy = self.running.is_busy() || self.to_client.backlog() > 0 || !client_clear;
        if parked {
            return Err(Ended::Closed(
                stopping()
                    .hint("the request stays: once it is approved, connect again and send the very same statement"),
            ));
        }
        if self.waiting.is_none() && !busy && !self.conversation.in_transaction() {
            return Err(Ended::Closed(stopping().hint("connect again in a moment")));
        }
        Ok(())
    }

    fn send_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        match self.to_client.poll_send(cx, &mut self.client, self.recording.recorder()) {
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Pending => Ok(false),
            Poll::Ready(Err(SendError::Record(error))) => Err(Ended::Closed(Recording::refusal(&error))),
            Poll::Ready(Err(SendError::Io(error))) => Err(Ended::ClientGone(Some(error))),
        }
    }

    fn send_upstream(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        match self.to_upstream.poll_send(cx, &mut self.upstream, self.recording.recorder()) {
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Pending => Ok(false),
            Poll::Ready(Err(SendError::Record(error))) => Err(Ended::Closed(Recording::refusal(&error))),
            // The upstream may have said why before it hung up: its last words are still to be read.
            Poll::Ready(Err(SendError::Io(error))) if self.from_upstream.closed() => {
                Err(Ended::UpstreamGone(Some(error)))
            }
            Poll::Ready(Err(SendError::Io(_))) => Ok(false),
        }
    }
}
