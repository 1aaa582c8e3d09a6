//! The relay: one task for both directions of a session. It moves bytes between the sockets and the pipeline, and is
//! the only place that knows both; it understands none of them.
//!
//! Backpressure needs no queue: the client is not read while the upstream has bytes to take, and the other way round.

mod ended;
mod inbox;
mod parting;
mod patience;
#[cfg(test)]
mod tests;

use crate::{
    Approved, Asking, ClientSink, Deciding, Estimate, Held, Holds, Housekeeping, Judge, Opinion, OwnWords, Permit,
    Recording, Refused, Ruling, Running, SendError, Splices, Understood, Unsent, UpstreamSink, Wish,
};
pub use ended::{Ended, Side};
pub use inbox::Allowance;
use inbox::{Filled, Inbox};
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
use std::time::Duration;
use wire::{Conversation, Datasource, Established, Step, Transport};

/// Bytes that may wait for one side before the other is no longer read.
const HIGH_WATER: usize = 256 * 1024;
/// Rounds of one session before the other sessions of its thread have theirs.
const TURNS: usize = 4;
/// A read of this much at once is of a large answer.
const BULK: usize = 32 * 1024;
/// Steps of the upstream that are recorded before the journal is asked for room again.
const STEPS_WITHOUT_ASKING: u32 = 8;
/// A planner that takes longer has no estimate.
const ESTIMATE_WITHIN: Duration = Duration::from_secs(3);

/// A statement that waits for something before it can be ruled on.
enum Waiting {
    /// For a newer catalog, because it names relations that the present one does not know.
    Catalog(Pin<Box<dyn Future<Output = Result<u64, Refusal>> + Send>>, Understood),
    /// For the planner's estimate of its rows.
    Estimate(Pin<Box<dyn Future<Output = (Understood, Estimate)> + Send>>),
    /// For its request to be written down.
    Asking(Held, Asking),
    /// For room in the journal: it is permitted and cannot be recorded yet.
    Room(Box<Permit>),
    /// For people.
    Approval(Held, Deciding),
}

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

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        match self.waiting.take() {
            None => Ok(false),
            Some(Waiting::Catalog(mut refresh, mut statement)) => match refresh.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Catalog(refresh, statement));
                    Ok(false)
                }
                Poll::Ready(result) => {
                    if let Err(refusal) = result {
                        tracing::warn!(%refusal, "the catalog could not be refreshed; judging by the old one");
                    }
                    statement.read_again(self.conversation.as_mut());
                    self.judge(statement)?;
                    Ok(true)
                }
            },
            Some(Waiting::Estimate(mut ask)) => match ask.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Estimate(ask));
                    Ok(false)
                }
                Poll::Ready((statement, estimate)) => {
                    self.judge_by(statement, estimate)?;
                    Ok(true)
                }
            },
            Some(Waiting::Asking(held, mut asking)) => match asking.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Asking(held, asking));
                    Ok(false)
                }
                Poll::Ready(asked) => {
                    let notice = asked.notice.and_then(|text| OwnWords::notice(self.conversation.as_mut(), &text));
                    if let Some(notice) = notice {
                        self.to_client.say(&notice);
                    }
                    self.waiting = Some(Waiting::Approval(held, asked.decision));
                    Ok(true)
                }
            },
            Some(Waiting::Room(permit)) => match self.recording.recorder().poll_room(cx, false) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Room(permit));
                    Ok(false)
                }
                // A journal that takes nothing any more says so to the statement.
                Poll::Ready(_) => {
                    self.execute(*permit)?;
                    Ok(true)
                }
            },
            Some(Waiting::Approval(held, mut deciding)) => match deciding.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Approval(held, deciding));
                    Ok(false)
                }
                Poll::Ready(decision) => {
                    self.obey(held.decided(decision))?;
                    Ok(true)
                }
            },
        }
    }

    /// While a statement is held, the client is read only to notice that it went away.
    fn watch_held_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        if self.from_client.unread().len() >= HIGH_WATER {
            return Ok(false);
        }
        match self.from_client.poll_fill(cx, &mut self.client) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(Filled::More)) => Ok(true),
            Poll::Ready(Ok(Filled::Closed)) => Err(Ended::ClientGone(None)),
            Poll::Ready(Ok(Filled::NoRoom(limit))) => Err(no_room(limit)),
            Poll::Ready(Err(error)) => Err(Ended::ClientGone(Some(error))),
        }
    }

    fn read_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        let mut moved = self.understand_client()?;
        let full = self.client_waits && self.from_client.unread().len() >= HIGH_WATER;
        if self.waiting.is_some() || full || self.to_upstream.backlog() >= HIGH_WATER {
            return Ok(moved);
        }
        match self.from_client.poll_fill(cx, &mut self.client) {
            Poll::Pending => {}
            Poll::Ready(Ok(Filled::More)) => {
                self.understand_client()?;
                moved = true;
            }
            Poll::Ready(Ok(Filled::Closed)) => return Err(Ended::ClientGone(None)),
            Poll::Ready(Ok(Filled::NoRoom(limit))) => return Err(no_room(limit)),
            Poll::Ready(Err(error)) => return Err(Ended::ClientGone(Some(error))),
        }
        Ok(moved)
    }

    fn understand_client(&mut self) -> Result<bool, Ended> {
        let mut moved = false;
        while self.waiting.is_none() && self.to_upstream.backlog() < HIGH_WATER {
            let step = crate::understand(self.conversation.as_mut(), self.from_client.unread());
            match step.map_err(|violation| Ended::Violation(violation, Side::Client))? {
                Step::Need(more) => {
                    self.client_waits = more == 0;
                    self.from_client.want(more);
                    break;
                }
                Step::Got { consumed, item } => {
                    moved = true;
                    let statement = match item {
                        Wish::Housekeeping(housekeeping) => {
                            self.to_upstream.keep_house(&housekeeping);
                            None
                        }
                        Wish::Answered(words) => {
                            self.to_client.say(&words);
                            None
                        }
                        Wish::Nothing => None,
                        Wish::Goodbye => return Err(Ended::Goodbye),
                        Wish::Statement(statement) => Some((statement, None)),
                        Wish::Impossible(statement, refusal) => Some((statement, Some(refusal))),
                    };
                    self.from_client.consume(consumed);
                    match statement {
                        None => {}
                        Some((statement, None)) => self.consider(statement)?,
                        Some((statement, Some(refusal))) => {
                            let refused = self.judge.out_of_hand(statement, refusal);
                            self.refuse(refused)?;
                        }
                    }
                }
            }
        }
        Ok(moved)
    }

    /// A new statement: refresh the catalog first if it names what the catalog does not know.
    fn consider(&mut self, understood: Understood) -> Result<(), Ended> {
        self.bulk = false;
        let facts = &understood.statement().facts;
        if facts.unknown_relations.is_empty() || !self.judge.may_refresh(facts) {
            return self.judge(understood);
        }
        let datasource = self.datasource.clone();
        let refresh = async move { datasource.refresh_catalog().await };
        self.waiting = Some(Waiting::Catalog(Box::pin(refresh), understood));
        Ok(())
    }

    /// judge → approve → settle → execute.
    fn judge(&mut self, understood: Understood) -> Result<(), Ended> {
        self.judge_by(understood, Estimate::NotAsked)
    }

    fn judge_by(&mut self, understood: Understood, estimate: Estimate) -> Result<(), Ended> {
        match self.judge.judge(understood, &self.running, estimate) {
            Opinion::Ready(judged) => self.obey(crate::approve(judged)),
            Opinion::Ask(understood) => {
                let datasource = self.datasource.clone();
                let ask = async move {
                    let asked =
                        tokio::time::timeout(ESTIMATE_WITHIN, datasource.estimate(understood.statement())).await;
                    (understood, Estimate::Asked(asked.unwrap_or(None)))
                };
                self.waiting = Some(Waiting::Estimate(Box::pin(ask)));
                Ok(())
            }
        }
    }

    fn obey(&mut self, ruling: Ruling) -> Result<(), Ended> {
        match ruling {
            Ruling::Approved(approved) => self.send(approved),
            Ruling::Refused(refused) => self.refuse(refused),
            Ruling::Held(held) => {
                let asking = self.holds.hold(held.question());
                self.waiting = Some(Waiting::Asking(held, asking));
                Ok(())
            }
        }
    }

    fn send(&mut self, approved: Approved) -> Result<(), Ended> {
        match crate::settle(approved, self.conversation.as_mut()) {
            Ok(permit) => self.execute(permit),
            Err(refused) => self.refuse(refused),
        }
    }

    fn execute(&mut self, permit: Permit) -> Result<(), Ended> {
        let sent = crate::execute(
            permit,
            &self.recording,
            self.conversation.as_mut(),
            &mut self.running,
            &mut self.to_upstream,
        );
        match sent {
            Ok(()) => Ok(()),
            Err(Unsent::Refused(refused)) => self.refuse(refused),
            Err(Unsent::NoRoom(permit)) => {
                self.waiting = Some(Waiting::Room(Box::new(permit)));
                Ok(())
            }
        }
    }

    fn refuse(&mut self, refused: Refused) -> Result<(), Ended> {
        crate::refuse(
            refused,
            &self.recording,
            self.conversation.as_mut(),
            &mut self.running,
            &mut self.to_upstream,
            &mut self.to_client,
        )
        .map_err(|error| Ended::Closed(Recording::refusal(&error)))
    }

    fn read_upstream(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        let mut moved = self.understand_upstream(cx)?;
        if self.to_client.backlog() >= HIGH_WATER {
            return Ok(moved);
        }
        match self.from_upstream.poll_fill(cx, &mut self.upstream) {
            Poll::Pending => {}
            Poll::Ready(Ok(Filled::More)) => {
                self.bulk |= self.from_upstream.unread().len() >= BULK;
                self.understand_upstream(cx)?;
                moved = true;
            }
            Poll::Ready(Ok(Filled::Closed)) => return Err(Ended::UpstreamGone(None)),
            Poll::Ready(Ok(Filled::NoRoom(limit))) => return Err(no_room(limit)),
            Poll::Ready(Err(error)) => return Err(Ended::UpstreamGone(Some(error))),
        }
        Ok(moved)
    }

    /// hear → mask → record → release, for everything that the upstream has said so far.
    fn understand_upstream(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        let mut moved = false;
        let mut steps = 0_u32;
        while self.to_client.backlog() < HIGH_WATER {
            // What was read at once may be more than the journal has room for: it is looked at again when there is.
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(STEPS_WITHOUT_ASKING)
                && self.recording.recorder().poll_room(cx, self.bulk).is_pending()
            {
                break;
            }
            let step = crate::hear(self.conversation.as_mut(), self.from_upstream.unread());
            match step.map_err(|violation| Ended::Violation(violation, Side::Upstream))? {
                Step::Need(more) => {
                    self.from_upstream.want(more);
                    break;
                }
                Step::Got { consumed, item: heard } => {
                    moved = true;
                    let masked = crate::mask(
                        heard,
                        &mut self.running,
                        self.conversation.as_mut(),
                        &self.judge,
                        &self.keys,
                        &mut self.splices,
                    )
                    .map_err(|violation| Ended::Violation(violation, Side::Upstream));
                    let recorded = masked.and_then(|masked| {
                        crate::record(masked, &self.recording, &mut self.running)
                            .map_err(|error| Ended::Closed(Recording::refusal(&error)))
                    });
                    let recorded = recorded.inspect_err(|_| self.conversation.withheld())?;
                    crate::release(&recorded, &mut self.to_client);
                    drop(recorded);
                    self.from_upstream.consume(consumed);
                }
            }
        }
        Ok(moved)
    }
}
