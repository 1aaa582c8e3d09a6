//! All approvals of a proxy: each change is recorded, then stored, then visible. One lock, so races have one winner.

use super::entry::{Entry, Step};
use super::event::{Event, Objection, State};
use super::log::{ApprovalLog, Logged, Unlogged};
use super::request::{ApprovalId, Binding, Request};
use super::state::Approval;
use super::store::{Store, StoreError};
use crate::approvals::Review;
use model::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// What is over is shown in the console for this long (30 days), then only the record has it.
const SHOWN_FOR_MICROS: i64 = 30 * 86_400 * 1_000_000;
/// Requests of one identity that may wait at a time.
pub(crate) const MOST_PENDING_EACH: usize = 32;
/// Requests that may wait at a time.
pub(crate) const MOST_PENDING: usize = 4096;

/// Why a change did not happen. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// No approval has this id.
    #[error("there is no request {0}; is the id complete?")]
    Unknown(ApprovalId),
    /// The rules speak against it.
    #[error(transparent)]
    Objection(#[from] Objection),
    /// The record cannot be written.
    #[error(transparent)]
    Unlogged(#[from] Unlogged),
    /// The store cannot be written.
    #[error("approvals cannot be stored, so nothing was changed: {0}")]
    Store(#[from] StoreError),
    /// Too much waits already.
    #[error("{0} requests are waiting for approval already")]
    Full(usize),
}

/// The wall clock may be set back by this much (µs) between two runs without a consequence.
const CLOCK_SLACK: i64 = 1_000_000;

/// All approvals.
pub struct Book {
    approvals: HashMap<ApprovalId, Approval>,
    store: Store,
    log: Arc<dyn ApprovalLog>,
    clock: Timestamp,
}

/// What changed: the approval as it is now, and the lines added to its history.
pub type Change = (Approval, Vec<Entry>);

impl Book {
    /// Opens the book. Requests whose connection ended with the last run are cancelled, what lapsed is expired.
    ///
    /// # Errors
    /// When the store cannot be read, or the changes cannot be recorded.
    pub fn open(store: Store, log: Arc<dyn ApprovalLog>, now: Timestamp) -> Result<Self, Failed> {
        let (approvals, clock) = store.load()?;
        let approvals = approvals.into_iter().map(|approval| (approval.request().id.clone(), approval)).collect();
        let mut book = Self { approvals, store, log, clock };
        book.set_back(now)?;
        let now = book.time(now);
        let orphans: Vec<_> = book
            .approvals
            .values()
            .filter(|approval| {
                approval.state() == State::Pending && approval.request().held && now < approval.request().expires
            })
            .map(|approval| approval.request().id.clone())
            .collect();
        for id in orphans {
            let why = "the proxy was restarted, which ended the connection that waited".to_owned();
            book.apply(&id, &Event::Cancel { why }, now)?;
        }
        book.tick(now)?;
        Ok(book)
    }

    /// The wall clock was set back since the last run: what was granted until a time that was wrong ends now, and what waits
    /// waits for as long as it had left.
    fn set_back(&mut self, now: Timestamp) -> Result<(), Failed> {
        let back = self.clock.0.saturating_sub(now.0);
        if back <= CLOCK_SLACK {
            return Ok(());
        }
        tracing::warn!(seconds = back / 1_000_000, "the wall clock was set back since the last run; grants end now");
        let live: Vec<ApprovalId> =
            self.approvals.values().filter(|one| !one.state().is_over()).map(|one| one.request().id.clone()).collect();
        for id in live {
            let Some(mut approval) = self.approvals.get(&id).cloned() else { continue };
            approval.set_back(now, back);
            self.store.save(&[&approval], &[], now)?;
            self.approvals.insert(id, approval);
        }
        self.clock = now;
        Ok(())
    }

    /// The clock never runs backwards here: what has expired stays expired.
    pub fn time(&mut self, now: Timestamp) -> Timestamp {
        self.clock = self.clock.max(now);
        self.clock
    }

    /// Adds a request.
    ///
    /// # Errors
    /// When too much waits, or it cannot be recorded or stored.
    pub fn add(&mut self, request: Request) -> Result<Change, Failed> {
        let pending = self.approvals.values().filter(|approval| approval.state() == State::Pending);
        let (mut all, mut own) = (0, 0);
        for approval in pending {
            all += 1;
            own += usize::from(approval.request().requester == request.requester);
        }
        if own >= MOST_PENDING_EACH {
            return Err(Failed::Full(own));
        }
        if all >= MOST_PENDING {
            return Err(Failed::Full(all));
        }
        let now = self.time(request.created);
        let approval = Approval::open(request);
        let added = approval.history().to_vec();
        self.keep(approval, added, None, now)
    }

    /// Lets an event happen.
    ///
    /// # Errors
    /// When the rules object, or it cannot be recorded or stored: then it has not happened.
    pub fn apply(&mut self, id: &ApprovalId, event: &Event, now: Timestamp) -> Result<Change, Failed> {
        let now = self.time(now);
        let mut approval = self.approvals.get(id).ok_or_else(|| Failed::Unknown(id.clone()))?.clone();
        let added = approval.apply(event, now)?;
        if added.is_empty() {
            return Ok((approval, added));
        }
        let by = match event {
            Event::Use { session, statement, .. } => Some((session.as_str(), *statement)),
            _ => None,
        };
        self.keep(approval, added, by, now)
    }

    fn keep(
        &mut self,
        approval: Approval,
        added: Vec<Entry>,
        by: Option<(&str, u64)>,
        now: Timestamp,
    ) -> Result<Change, Failed> {
        let by = by.unwrap_or((&approval.request().session, approval.request().statement));
        let record = |book: &Self| {
            added.iter().try_for_each(|entry| book.log.record(&Logged { approval: &approval, entry, by }))
        };
        // A use is stored first: should the proxy die in between, the grant is spent although nothing ran. The other
        // order could let the record show two uses of one grant.
        let spends = added.iter().any(|entry| entry.step == Step::Used);
        if !spends {
            record(self)?;
        }
        if let Err(error) = self.store.save(&[&approval], &[], now) {
            let id = &approval.request().id;
            tracing::error!(approval = %id, %error, "an approval could not be stored: what was recorded of it just now did not take effect");
            return Err(error.into());
        }
        self.approvals.insert(approval.request().id.clone(), approval.clone());
        if spends {
            record(self)?;
        }
        Ok((approval, added))
    }

    /// A connection begins or ceases to wait for a request. One that nobody waits for stays through a restart: once it is
    /// approved, the very same statement may be sent again.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn set_held(&mut self, id: &ApprovalId, held: bool, now: Timestamp) -> Result<(), Failed> {
        let now = self.time(now);
        let mut approval = self.approvals.get(id).ok_or_else(|| Failed::Unknown(id.clone()))?.clone();
        approval.set_held(held);
        self.store.save(&[&approval], &[], now)?;
        self.approvals.insert(id.clone(), approval);
        Ok(())
    }

    /// Lets time pass for all: expires, escalates, forgets what was over long ago.
    ///
    /// # Errors
    /// When a step cannot be recorded or stored; it is tried again at the next tick, and until then time holds all the same.
    pub fn tick(&mut self, now: Timestamp) -> Result<Vec<Change>, Failed> {
        let now = self.time(now);
        let live: Vec<_> = self
            .approvals
            .values()
            .filter(|approval| !approval.state().is_over())
            .map(|approval| approval.request().id.clone())
            .collect();
        let mut changes = Vec::new();
        for id in live {
            let change = self.apply(&id, &Event::Tick, now)?;
            if !change.1.is_empty() {
                changes.push(change);
            }
        }
        let gone: Vec<_> = self
            .approvals
            .values()
            .filter(|approval| {
                let last = approval.history().last().map_or(approval.request().created, |entry| entry.at);
                let owed = approval.review() == Some(&Review::Due);
                approval.state().is_over() && !owed && now.0.saturating_sub(last.0) > SHOWN_FOR_MICROS
            })
            .map(|approval| approval.request().id.clone())
            .collect();
        if !gone.is_empty() {
            self.store.save(&[], &gone, now)?;
            gone.iter().for_each(|id| drop(self.approvals.remove(id)));
        }
        Ok(changes)
    }

    /// An approval.
    #[must_use]
    pub fn get(&self, id: &ApprovalId) -> Option<&Approval> {
        self.approvals.get(id)
    }

    /// Whether an id is taken.
    #[must_use]
    pub fn knows(&self, id: &ApprovalId) -> bool {
        self.approvals.contains_key(id)
    }

    /// A grant that holds now and covers this statement. Emergencies are for the statement that opened them.
    #[must_use]
    pub fn grant_for(
        &self,
        binding: &Binding,
        now: Timestamp,
        reserved: impl Fn(&ApprovalId) -> bool,
    ) -> Option<ApprovalId> {
        let covers = |approval: &&Approval| {
            let request = approval.request();
            !request.terms.break_glass
                && !reserved(&request.id)
                && match approval.state() {
                    State::Granted { scope: super::Scope::Once, until } => now < until && request.binding == *binding,
                    State::Granted { scope: super::Scope::Window, until } => {
                        now < until && request.binding.same_shape(binding)
                    }
                    _ => false,
                }
        };
        self.approvals.values().find(covers).map(|approval| approval.request().id.clone())
    }

    /// A request for the very same statement that nobody's connection waits for.
    #[must_use]
    pub fn pending_for(&self, binding: &Binding, now: Timestamp) -> Option<&Approval> {
        self.approvals.values().find(|approval| {
            let request = approval.request();
            approval.state() == State::Pending && !request.held && now < request.expires && request.binding == *binding
        })
    }

    /// All of them, newest first.
    #[must_use]
    pub fn all(&self) -> Vec<&Approval> {
        let mut all: Vec<_> = self.approvals.values().collect();
        all.sort_by(|a, b| (b.request().created, &b.request().id).cmp(&(a.request().created, &a.request().id)));
        all
    }
}

/// Whether a change ends the waiting of whoever waits.
#[must_use]
pub(crate) fn wakes(added: &[Entry]) -> bool {
    added.iter().any(|entry| !matches!(entry.step, Step::Approved | Step::Requested | Step::Escalated))
}
