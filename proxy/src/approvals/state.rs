//! The life of an approval, as a pure state machine: events and a clock reading in, history out.
//!
//! ```text
//! requested ─approve×n→ granted ─use→ used
//!     │ deny, cancel, expire │ revoke, expire
//!     ▼                      ▼
//! denied | cancelled | expired | revoked          (nothing leads out of these)
//! ```
//!
//! An emergency begins as granted and owes a review, whatever becomes of it.

use super::entry::{Entry, Step};
use super::event::{Event, FEWEST_WORDS, MOST_WORDS, Objection, Review, State, Vote, list};
use super::grant::Scope;
use super::request::{Approver, Binding, Request};
use model::Timestamp;
use serde::{Deserialize, Serialize};

/// Lines of history kept; a window that is used more often keeps counting, but lists no more.
const MOST_ENTRIES: usize = 500;

/// A request and what has become of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Approval {
    request: Request,
    state: State,
    votes: Vec<Vote>,
    escalated: bool,
    uses: u64,
    review: Option<Review>,
    history: Vec<Entry>,
}

impl Approval {
    /// Whether somebody's connection waits for it from now on.
    pub(crate) fn set_held(&mut self, held: bool) {
        self.request.held = held;
    }

    /// The clock was set back by `back` microseconds: grants end now, waiting goes on for as long as was left.
    pub(crate) fn set_back(&mut self, now: Timestamp, back: i64) {
        self.request.expires = Timestamp(self.request.expires.0.saturating_sub(back).max(now.0));
        if let State::Granted { until, .. } = &mut self.state {
            *until = now;
        }
    }

    /// A new request. An emergency is granted at once.
    #[must_use]
    pub fn open(request: Request) -> Self {
        let at = request.created;
        let asked = Entry {
            at,
            step: Step::Requested,
            by: Some(request.requester.clone()),
            auth: None,
            words: request.reason.clone(),
        };
        let mut approval = Self {
            state: State::Pending,
            votes: Vec::new(),
            escalated: false,
            uses: 0,
            review: None,
            history: vec![asked],
            request,
        };
        if approval.request.terms.break_glass {
            approval.state = State::Granted { scope: Scope::Once, until: approval.good_until(at) };
            approval.review = Some(Review::Due);
            let words = format!("the emergency rule \"{}\" opens at once", approval.request.binding.rule);
            approval.history.push(Entry { at, step: Step::Opened, by: None, auth: None, words: Some(words) });
        }
        approval
    }

    /// What was asked.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Who has agreed so far.
    #[must_use]
    pub fn votes(&self) -> &[Vote] {
        &self.votes
    }

    /// How often it was used.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.uses
    }

    /// The review that it owes or had.
    #[must_use]
    pub fn review(&self) -> Option<&Review> {
        self.review.as_ref()
    }

    /// Everything that happened, oldest first.
    #[must_use]
    pub fn history(&self) -> &[Entry] {
        &self.history
    }

    /// Groups whose members may decide now.
    #[must_use]
    pub fn deciders(&self) -> Vec<String> {
        let terms = &self.request.terms;
        let more = if self.escalated { terms.escalate_to.as_slice() } else { &[] };
        terms.groups.iter().chain(more).cloned().collect()
    }

    /// Whether this person could agree or refuse now, and if not, why.
    ///
    /// # Errors
    /// The objection that deciding would meet.
    pub fn may_decide(&self, approver: &Approver, now: Timestamp) -> Result<(), Objection> {
        self.entitled(approver, now)?;
        if self.votes.iter().any(|vote| vote.person == approver.person) {
            return Err(Objection::AlreadyAgreed);
        }
        if self.state != State::Pending || now >= self.request.expires {
            return Err(Objection::NotPending(self.state_at(now)));
        }
        Ok(())
    }

    /// Lets an event happen, and says which lines it added to the history. After an objection nothing has changed.
    ///
    /// # Errors
    /// Why it cannot happen.
    pub fn apply(&mut self, event: &Event, now: Timestamp) -> Result<Vec<Entry>, Objection> {
        match event {
            Event::Approve { approver, justification, window } => self.approve(approver, justification, *window, now),
            Event::Deny { approver, justification } => {
                self.may_decide(approver, now)?;
                let words = reasoned(justification)?;
                self.state = State::Denied;
                Ok(self.note(Step::Denied, Some(approver), Some(words), now))
            }
            Event::Revoke { approver, justification } => {
                self.entitled(approver, now)?;
                self.granted_at(now)?;
                let words = reasoned(justification)?;
                self.state = State::Revoked;
                Ok(self.note(Step::Revoked, Some(approver), Some(words), now))
            }
            Event::Withdraw { person } => {
                if *person != self.request.requester {
                    return Err(Objection::NotTheRequester);
                }
                if self.state != State::Pending || now >= self.request.expires {
                    self.granted_at(now)?;
                }
                self.state = State::Cancelled;
                Ok(self.note(Step::Cancelled, None, Some("withdrawn by the requester".to_owned()), now))
            }
            Event::Cancel { why } => {
                // A grant outlives the connection: the same statement may be sent again.
                if self.state != State::Pending {
                    return Err(Objection::NotPending(self.state_at(now)));
                }
                self.state = State::Cancelled;
                Ok(self.note(Step::Cancelled, None, Some(why.clone()), now))
            }
            Event::Use { binding, session, statement } => self.take(binding, (session, *statement), now),
            Event::Review { approver, finding } => {
                if self.review != Some(Review::Due) {
                    return Err(Objection::NothingToReview);
                }
                self.entitled(approver, now)?;
                let finding = reasoned(finding)?;
                self.review = Some(Review::Done { by: approver.person.clone(), finding: finding.clone(), at: now });
                Ok(self.note(Step::Reviewed, Some(approver), Some(finding), now))
            }
            Event::Tick => Ok(self.tick(now)),
        }
    }

    /// Not the requester, in one of the groups, with a login that still holds.
    fn entitled(&self, approver: &Approver, now: Timestamp) -> Result<(), Objection> {
        if approver.person == self.request.requester {
            return Err(Objection::OwnStatement);
        }
        let groups = self.deciders();
        if !groups.iter().any(|group| approver.groups.contains(group)) {
            return Err(Objection::NotAnApprover { rule: self.request.binding.rule.clone(), groups });
        }
        if now >= approver.expires {
            return Err(Objection::LoginExpired);
        }
        Ok(())
    }

    fn approve(
        &mut self,
        approver: &Approver,
        justification: &str,
        window: bool,
        now: Timestamp,
    ) -> Result<Vec<Entry>, Objection> {
        self.may_decide(approver, now)?;
        if window && !self.request.terms.window {
            return Err(Objection::NoWindow(self.request.binding.rule.clone()));
        }
        let words = reasoned(justification)?;
        self.votes.push(Vote {
            person: approver.person.clone(),
            auth: approver.auth.clone(),
            justification: words.clone(),
            window,
            at: now,
        });
        let mut added = self.note(Step::Approved, Some(approver), Some(words), now);
        if self.votes.len() >= self.request.needed() {
            // Where approvers differ, the narrower choice holds.
            let scope = if self.votes.iter().all(|vote| vote.window) { Scope::Window } else { Scope::Once };
            self.state = State::Granted { scope, until: self.good_until(now) };
            added.extend(self.note(Step::Granted, None, None, now));
        }
        Ok(added)
    }

    fn take(&mut self, binding: &Binding, by: (&str, u64), now: Timestamp) -> Result<Vec<Entry>, Objection> {
        let scope = self.granted_at(now)?;
        let ours = &self.request.binding;
        let same = |what, same: bool| if same { Ok(()) } else { Err(Objection::NotThisStatement(what)) };
        same("the identity", ours.issuer == binding.issuer && ours.subject == binding.subject)?;
        same("the datasource", ours.datasource == binding.datasource)?;
        same("the policy in force", ours.policy == binding.policy && ours.rule == binding.rule)?;
        same("the statement", ours.fingerprint == binding.fingerprint && ours.effect_sha256 == binding.effect_sha256)?;
        if scope == Scope::Once {
            same("the statement's text", ours.sql_sha256 == binding.sql_sha256)?;
            same("a parameter", ours.params_sha256 == binding.params_sha256)?;
            same("something", ours == binding)?;
            self.state = State::Used;
        } else {
            same("something", ours.same_shape(binding))?;
        }
        self.uses = self.uses.saturating_add(1);
        let words = format!("by statement {} of session {}", by.1, by.0);
        Ok(self.note(Step::Used, None, Some(words), now))
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Entry> {
        let lapsed = match self.state {
            State::Pending if now >= self.request.expires => Some("nobody decided in time"),
            State::Granted { until, .. } if now >= until => Some("the grant's time is over"),
            _ => None,
        };
        if let Some(why) = lapsed {
            self.state = State::Expired;
            return self.note(Step::Expired, None, Some(why.to_owned()), now);
        }
        let due = self.request.terms.escalate_at.is_some_and(|at| now >= at);
        if self.state == State::Pending && due && !self.escalated {
            self.escalated = true;
            let words = format!("{} may decide now too", list(&self.request.terms.escalate_to));
            return self.note(Step::Escalated, None, Some(words), now);
        }
        Vec::new()
    }

    /// The scope of a grant that holds now.
    fn granted_at(&self, now: Timestamp) -> Result<Scope, Objection> {
        match self.state {
            State::Granted { scope, until } if now < until => Ok(scope),
            _ => Err(Objection::NotGranted(self.state_at(now))),
        }
    }

    /// The state's name, with time taken into account even before the next tick.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> &'static str {
        match self.state {
            State::Pending if now >= self.request.expires => State::Expired.as_str(),
            State::Granted { until, .. } if now >= until => State::Expired.as_str(),
            state => state.as_str(),
        }
    }

    fn good_until(&self, now: Timestamp) -> Timestamp {
        let seconds = i64::try_from(self.request.terms.valid_for_seconds).unwrap_or(i64::MAX);
        Timestamp(now.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    fn note(&mut self, step: Step, by: Option<&Approver>, words: Option<String>, at: Timestamp) -> Vec<Entry> {
        let entry = Entry { at, step, by: by.map(|by| by.person.clone()), auth: by.map(|by| by.auth.clone()), words };
        if self.history.len() < MOST_ENTRIES || step != Step::Used {
            self.history.push(entry.clone());
        }
        vec![entry]
    }
}

/// A justification that says something.
fn reasoned(words: &str) -> Result<String, Objection> {
    let words = words.trim();
    if words.len() > MOST_WORDS {
        return Err(Objection::LongJustification);
    }
    if words.chars().filter(|letter| letter.is_alphanumeric()).count() < FEWEST_WORDS {
        return Err(Objection::NoJustification);
    }
    Ok(words.to_owned())
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
