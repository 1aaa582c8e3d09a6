//! The relay: one task for both directions of a session. It moves bytes between the sockets and the pipeline, and is
//! the only place that knows both; it understands none of them.
//!
//! Backpressure needs no queue: the client is not read while the upstream has bytes to take, and the other way round.

use super::ended::{Ended, Side};
use super::inbox::{Filled, Inbox};
use super::{Holds, Recording};
use crate::pipeline::{self, ClientSink, Estimate, Judge, Opinion, Refused, Ruling, Running, SendError, UpstreamSink};
use model::{Refusal, Statement};
use policies::Keys;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use wire::{Answer, Conversation, Datasource, Established, Request, Splice, Step, Transport};

/// Bytes that may wait for one side before the other is no longer read.
const HIGH_WATER: usize = 256 * 1024;
/// A planner that takes longer has no estimate.
const ESTIMATE_WITHIN: Duration = Duration::from_secs(3);

/// A statement that waits for something before it can be ruled on.
enum Waiting {
    /// For a newer catalog, because it names relations that the present one does not know.
    Catalog(Pin<Box<dyn Future<Output = Result<u64, Refusal>> + Send>>, Box<Statement>),
    /// For the planner's estimate of its rows.
    Estimate(Pin<Box<dyn Future<Output = (Box<Statement>, Estimate)> + Send>>),
    /// For people.
    Approval(Pin<Box<dyn Future<Output = Ruling> + Send>>),
}

/// One running session.
pub(crate) struct Relay {
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
    splice: Splice,
    waiting: Option<Waiting>,
    /// The client's next frame waits for the upstream's answer, so the client is not read without bound.
    client_waits: bool,
    /// Resolves when the session must end: expiry, operator, shutdown.
    stop: Pin<Box<dyn Future<Output = Refusal> + Send>>,
    activity: Arc<AtomicU64>,
}

/// What a session is built from, beside its connections.
pub(crate) struct Parts {
    /// Judges its statements.
    pub(crate) judge: Judge,
    /// Masking keys.
    pub(crate) keys: Arc<Keys>,
    /// Its record.
    pub(crate) recording: Recording,
    /// Where held statements wait.
    pub(crate) holds: Arc<dyn Holds>,
    /// Resolves when the session must end.
    pub(crate) stop: Pin<Box<dyn Future<Output = Refusal> + Send>>,
    /// Counts up as bytes move, for whoever watches for idleness.
    pub(crate) activity: Arc<AtomicU64>,
}

impl Relay {
    /// A relay whose opening is recorded already: the greeting goes out first.
    pub(crate) fn new(established: Established, parts: Parts) -> Self {
        let mut to_client = ClientSink::default();
        to_client.own_words().extend_from_slice(&established.greeting);
        Self {
            client: established.client,
            upstream: established.upstream,
            conversation: established.conversation,
            datasource: established.datasource,
            from_client: Inbox::with(established.client_residue),
            from_upstream: Inbox::with(established.upstream_residue),
            to_client,
            to_upstream: UpstreamSink::default(),
            running: Running::default(),
            judge: parts.judge,
            keys: parts.keys,
            recording: parts.recording,
            holds: parts.holds,
            splice: Splice::default(),
            waiting: None,
            client_waits: false,
            stop: parts.stop,
            activity: parts.activity,
        }
    }

    /// Runs the session to its end and records the end.
    pub(crate) async fn run(mut self) -> Ended {
        let ended = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.recording.close(&self.running.unanswered(), &ended.reason());
        self.last_words(&ended).await;
        ended
    }

    /// Tells both sides, as far as their protocol and their patience allow.
    async fn last_words(&mut self, ended: &Ended) {
        if let Some(refusal) = ended.farewell() {
            self.conversation.farewell(&refusal, self.to_client.own_words());
        }
        let mut goodbye = Vec::new();
        self.conversation.goodbye(&mut goodbye);
        pipeline::forward(&goodbye, &mut self.to_upstream);
        let both = std::future::poll_fn(|cx| {
            let client = self.to_client.poll_send(cx, &mut self.client, self.recording.recorder());
            let upstream = self.to_upstream.poll_send(cx, &mut self.upstream, self.recording.recorder());
            if client.is_ready() && upstream.is_ready() { Poll::Ready(()) } else { Poll::Pending }
        });
        // A peer that does not read cannot hold the session open.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), both).await;
        let close = async {
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.client).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.upstream).await;
        };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), close).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            match self.turn(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(ended) => return Poll::Ready(ended),
            }
        }
    }

    /// One round: send, settle what waits, read and understand each side. True when anything moved.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        self.check_stop(cx)?;
        let client_clear = self.send_client(cx)?;
        let upstream_clear = self.send_upstream(cx)?;
        let mut moved = self.poll_waiting(cx)?;
        // A full journal stops the reading, so that what is read can always be recorded. One that takes nothing any more
        // does not: its refusal has to reach the client.
        if self.recording.recorder().poll_room(cx).is_ready() {
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
                    self.conversation.reanalyse(&mut statement);
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
            Some(Waiting::Approval(mut ruling)) => match ruling.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Approval(ruling));
                    Ok(false)
                }
                Poll::Ready(ruling) => {
                    self.obey(ruling)?;
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
            Poll::Ready(Err(error)) => return Err(Ended::ClientGone(Some(error))),
        }
        Ok(moved)
    }

    fn understand_client(&mut self) -> Result<bool, Ended> {
        let mut moved = false;
        while self.waiting.is_none() && self.to_upstream.backlog() < HIGH_WATER {
            let step = self.conversation.request(self.from_client.unread());
            match step.map_err(|violation| Ended::Violation(violation, Side::Client))? {
                Step::Need(more) => {
                    self.client_waits = more == 0;
                    self.from_client.want(more);
                    break;
                }
                Step::Got { consumed, item } => {
                    moved = true;
                    let statement = match item {
                        Request::Forward(bytes) => {
                            pipeline::forward(&bytes, &mut self.to_upstream);
                            None
                        }
                        Request::Data(bytes) => {
                            pipeline::forward(bytes, &mut self.to_upstream);
                            None
                        }
                        Request::Absorb => None,
                        Request::Reply(bytes) => {
                            self.to_client.own_words().extend_from_slice(&bytes);
                            None
                        }
                        Request::Terminate(_) => return Err(Ended::Goodbye),
                        Request::Statement(statement) => Some((statement, None)),
                        Request::Refused(statement, refusal) => Some((statement, Some(refusal))),
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
    fn consider(&mut self, statement: Box<Statement>) -> Result<(), Ended> {
        if statement.facts.unknown_relations.is_empty() || !self.judge.may_refresh(&statement.facts) {
            return self.judge(statement);
        }
        let datasource = self.datasource.clone();
        let refresh = async move { datasource.refresh_catalog().await };
        self.waiting = Some(Waiting::Catalog(Box::pin(refresh), statement));
        Ok(())
    }

    /// judge → approve → execute.
    fn judge(&mut self, statement: Box<Statement>) -> Result<(), Ended> {
        self.judge_by(statement, Estimate::NotAsked)
    }

    fn judge_by(&mut self, statement: Box<Statement>, estimate: Estimate) -> Result<(), Ended> {
        match self.judge.judge(statement, self.running.shown(), estimate) {
            Opinion::Ready(judged) => self.obey(pipeline::approve(judged)),
            Opinion::Ask(statement) => {
                let datasource = self.datasource.clone();
                let ask = async move {
                    let asked = tokio::time::timeout(ESTIMATE_WITHIN, datasource.estimate(&statement)).await;
                    (statement, Estimate::Asked(asked.unwrap_or(None)))
                };
                self.waiting = Some(Waiting::Estimate(Box::pin(ask)));
                Ok(())
            }
        }
    }

    fn obey(&mut self, ruling: Ruling) -> Result<(), Ended> {
        match ruling {
            Ruling::Permit(permit) => {
                let sent = pipeline::execute(
                    permit,
                    &self.recording,
                    self.conversation.as_mut(),
                    &mut self.running,
                    &mut self.to_upstream,
                );
                sent.or_else(|refused| self.refuse(refused))
            }
            Ruling::Refused(refused) => self.refuse(refused),
            Ruling::Held(judged) => {
                let held = self.holds.hold(judged);
                if let Some(notice) = held.notice {
                    self.conversation.notice(&notice, self.to_client.own_words());
                }
                self.waiting = Some(Waiting::Approval(held.ruling));
                Ok(())
            }
        }
    }

    fn refuse(&mut self, refused: Refused) -> Result<(), Ended> {
        pipeline::refuse(
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
        let mut moved = self.understand_upstream()?;
        if self.to_client.backlog() >= HIGH_WATER {
            return Ok(moved);
        }
        match self.from_upstream.poll_fill(cx, &mut self.upstream) {
            Poll::Pending => {}
            Poll::Ready(Ok(Filled::More)) => {
                self.understand_upstream()?;
                moved = true;
            }
            Poll::Ready(Ok(Filled::Closed)) => return Err(Ended::UpstreamGone(None)),
            Poll::Ready(Err(error)) => return Err(Ended::UpstreamGone(Some(error))),
        }
        Ok(moved)
    }

    /// mask → record → release, for everything that the upstream has said so far.
    fn understand_upstream(&mut self) -> Result<bool, Ended> {
        let mut moved = false;
        while self.to_client.backlog() < HIGH_WATER {
            let step = self.conversation.answer(self.from_upstream.unread());
            match step.map_err(|violation| Ended::Violation(violation, Side::Upstream))? {
                Step::Need(more) => {
                    self.from_upstream.want(more);
                    break;
                }
                Step::Got { consumed, item } => {
                    moved = true;
                    let answer: Answer<'_> = item;
                    let masked = pipeline::mask(
                        answer,
                        &mut self.running,
                        self.conversation.as_mut(),
                        &self.judge,
                        &self.keys,
                        &mut self.splice,
                    )
                    .map_err(|violation| Ended::Violation(violation, Side::Upstream))?;
                    let recorded = pipeline::record(masked, &self.recording, &mut self.running)
                        .map_err(|error| Ended::Closed(Recording::refusal(&error)))?;
                    pipeline::release(&recorded, &mut self.to_client);
                    drop(recorded);
                    self.from_upstream.consume(consumed);
                }
            }
        }
        Ok(moved)
    }
}
