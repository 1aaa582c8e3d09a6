//! Holding a statement: what the relay asks of approvals, and what a client is told first.

use super::ask::Ask;
use super::book::{Book, Change, Failed, wakes};
use super::event::Event;
use super::grant::Grant;
use super::log::ApprovalLog;
use super::request::{ApprovalId, Binding};
use super::state::Approval;
use super::store::Store;
use super::ticket::Ticket;
use model::{ColumnRef, Refusal, RefusalKind, Timestamp};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// Tells the time. The proxy gives the wall clock, tests give their own.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Hears of each change after it has taken effect. Must not block.
pub type Listener = Arc<dyn Fn(&Change) + Send + Sync>;

/// What the policy in force calls a column of a datasource.
pub type Classes = Arc<dyn Fn(&str, &ColumnRef) -> Option<String> + Send + Sync>;

/// How statements are held.
#[derive(Clone, Debug)]
pub struct ApprovalsConfig {
    /// How long a request waits for people.
    pub wait: Duration,
    /// Refuse at once with the request's id, instead of letting the connection wait.
    pub reject: bool,
    /// Address of the console, for links. Without a slash at the end.
    pub console_url: Option<String>,
}

pub(super) struct Inner {
    pub(super) config: ApprovalsConfig,
    pub(super) book: Mutex<Book>,
    pub(super) waiting: Mutex<HashMap<ApprovalId, watch::Sender<()>>>,
    pub(super) now: Now,
    listeners: Vec<Listener>,
    classes: OnceLock<Classes>,
}

/// Just-in-time approval. Cheap to clone.
#[derive(Clone)]
pub struct Approvals(pub(super) Arc<Inner>);

/// What became of asking.
pub enum Opened {
    /// People have agreed already (or an emergency rule opened it): run it.
    Granted(Grant),
    /// It waits.
    Held(Held),
    /// It may not run now; the refusal says what to do.
    Refused(Refusal),
}

/// A statement on hold.
pub struct Held {
    /// For the client, where its protocol can carry it.
    pub notice: String,
    /// Resolves to the decision.
    pub ticket: Ticket,
}

/// Runs what may wait for the disk without holding up the other tasks of this worker.
pub(super) fn off_the_worker<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl Approvals {
    /// Opens the store in `folder` and takes up where the last run ended.
    ///
    /// # Errors
    /// When the store cannot be opened, or what changed with the restart cannot be recorded.
    pub fn open(
        config: ApprovalsConfig,
        folder: &Path,
        log: Arc<dyn ApprovalLog>,
        now: Now,
        listeners: Vec<Listener>,
    ) -> Result<Self, Failed> {
        let book = Book::open(Store::open(folder)?, log, now())?;
        Ok(Self(Arc::new(Inner {
            config,
            book: Mutex::new(book),
            waiting: Mutex::default(),
            now,
            listeners,
            classes: OnceLock::new(),
        })))
    }

    /// Lets requests say which classifications a statement touches. Said once; later calls change nothing.
    pub fn know_classes(&self, classes: Classes) {
        let _ = self.0.classes.set(classes);
    }

    /// Lets time pass: expires and escalates. Runs until dropped.
    pub async fn run(self) {
        let mut pulse = tokio::time::interval(TICK);
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pulse.tick().await;
            if let Err(error) = self.tick() {
                tracing::error!(%error, "approvals cannot expire in the record; they are treated as expired all the same");
            }
        }
    }

    /// One look at the clock.
    ///
    /// # Errors
    /// When what lapsed cannot be recorded or stored.
    pub fn tick(&self) -> Result<(), Failed> {
        let changes = off_the_worker(|| self.0.book.lock().tick((self.0.now)()))?;
        changes.iter().for_each(|change| self.tell(change));
        Ok(())
    }

    /// Asks for approval of a statement.
    #[must_use]
    pub fn ask(&self, ask: &Ask<'_>) -> Opened {
        off_the_worker(|| self.ask_now(ask))
    }

    fn ask_now(&self, ask: &Ask<'_>) -> Opened {
        let binding = Box::new(ask.binding());
        let by = (ask.session.id.to_string(), ask.statement.id.0);
        let mut book = self.0.book.lock();
        let now = book.time((self.0.now)());
        let reserved = |id: &ApprovalId| self.0.waiting.lock().contains_key(id);
        if let Some(id) = book.grant_for(&binding, now, reserved) {
            return self.spend(&mut book, &id, &binding, &by);
        }
        if self.0.config.reject
            && let Some(pending) = book.pending_for(&binding, now)
        {
            return Opened::Refused(self.needs_approval(pending));
        }
        // Parked when the proxy stopped: whoever sends it again waits for the same request.
        let parked = (!self.0.config.reject && !ask.need.break_glass).then(|| book.pending_for(&binding, now));
        if let Some(parked) = parked.flatten().cloned()
            && book.set_held(&parked.request().id, true, now).is_ok()
        {
            return self.wait_for(&parked, binding, by);
        }
        let id = std::iter::repeat_with(ApprovalId::random).find(|id| !book.knows(id));
        let Some(id) = id else { return Opened::Refused(internal("no approval id is free")) };
        let held = !self.0.config.reject && !ask.need.break_glass;
        let mut request = match ask.request(id.clone(), now, self.0.config.wait, held) {
            Ok(request) => request,
            Err(refusal) => return Opened::Refused(refusal),
        };
        if let Some(classes) = self.0.classes.get() {
            request.picture.classified = ask.classified(&|column| classes(&ask.session.datasource, column));
        }
        let change = match book.add(request) {
            Ok(change) => change,
            Err(failed) => return Opened::Refused(cannot_ask(&failed, &ask.need.rule)),
        };
        self.tell(&change);
        if ask.need.break_glass {
            tracing::warn!(approval = %id, rule = %ask.need.rule, requester = %change.0.request().requester.recorded(),
                datasource = %ask.session.datasource, "EMERGENCY ACCESS was opened and must be reviewed");
            return self.spend(&mut book, &id, &binding, &by);
        }
        if !held {
            return Opened::Refused(self.needs_approval(&change.0));
        }
        self.wait_for(&change.0, binding, by)
    }

    fn wait_for(&self, approval: &Approval, binding: Box<Binding>, by: (String, u64)) -> Opened {
        let (wake, woken) = watch::channel(());
        let id = approval.request().id.clone();
        self.0.waiting.lock().insert(id.clone(), wake);
        let notice = self.notice(approval);
        Opened::Held(Held { notice, ticket: Ticket { approvals: self.clone(), id, binding, by, woken } })
    }

    /// Uses a grant.
    pub(super) fn spend(&self, book: &mut Book, id: &ApprovalId, binding: &Binding, by: &(String, u64)) -> Opened {
        let event = Event::Use { binding: Box::new(binding.clone()), session: by.0.clone(), statement: by.1 };
        match book.apply(id, &event, (self.0.now)()) {
            Ok(change) => {
                self.tell(&change);
                Opened::Granted(Grant::of(id.clone()))
            }
            Err(Failed::Objection(objection)) => {
                let message = format!("approval {id} does not cover this statement any more: {objection}");
                Opened::Refused(Refusal::new(RefusalKind::NeedsApproval, message).hint("send it again to ask anew"))
            }
            Err(failed) => Opened::Refused(cannot_ask(&failed, &binding.rule)),
        }
    }

    /// Lets a person's decision, or any other event, happen.
    ///
    /// # Errors
    /// When the rules object, or the decision cannot be recorded or stored: then it has not happened.
    pub fn decide(&self, id: &ApprovalId, event: &Event) -> Result<Approval, Failed> {
        let change = off_the_worker(|| self.0.book.lock().apply(id, event, (self.0.now)()))?;
        self.tell(&change);
        Ok(change.0)
    }

    /// The proxy stops: requests whose connections end with it stay, and are there again after the restart.
    pub fn park(&self) {
        let waiting: Vec<ApprovalId> = self.0.waiting.lock().keys().cloned().collect();
        let park = |id: &ApprovalId| off_the_worker(|| self.0.book.lock().set_held(id, false, (self.0.now)()));
        for (id, error) in waiting.iter().filter_map(|id| park(id).err().map(|error| (id, error))) {
            tracing::error!(approval = %id, %error, "a request could not be parked; it is cancelled with its connection");
        }
    }

    /// An approval.
    #[must_use]
    pub fn get(&self, id: &ApprovalId) -> Option<Approval> {
        self.0.book.lock().get(id).cloned()
    }

    /// The approvals that `wanted` keeps, newest first, at most `limit`.
    #[must_use]
    pub fn list(&self, limit: usize, wanted: impl Fn(&Approval) -> bool) -> Vec<Approval> {
        self.0.book.lock().all().into_iter().filter(|approval| wanted(approval)).take(limit).cloned().collect()
    }

    /// Now, by the clock of approvals.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.book.lock().time((self.0.now)())
    }

    /// Where a person decides about it.
    #[must_use]
    pub fn link(&self, id: &ApprovalId) -> Option<String> {
        self.0.config.console_url.as_ref().map(|url| format!("{url}/approvals/{id}"))
    }

    fn tell(&self, change: &Change) {
        if wakes(&change.1)
            && let Some(wake) = self.0.waiting.lock().get(&change.0.request().id)
        {
            let _ = wake.send(());
        }
        self.0.listeners.iter().for_each(|listener| listener(change));
    }

    fn place(&self, id: &ApprovalId) -> String {
        self.link(id).unwrap_or_else(|| format!("affidavit approvals show {id}"))
    }

    fn notice(&self, approval: &Approval) -> String {
        let request = approval.request();
        let people = match request.needed() {
            1 => "someone".to_owned(),
            n => format!("{n} people"),
        };
        format!(
            "affidavit: this statement waits for approval. Request {}, rule \"{}\": {people} from {} must agree within {}. {}",
            request.id,
            request.binding.rule,
            request.terms.groups.join(", "),
            lasting(self.0.config.wait),
            self.place(&request.id)
        )
    }

    fn needs_approval(&self, approval: &Approval) -> Refusal {
        let request = approval.request();
        let votes = match (approval.votes().len(), request.needed()) {
            (_, 1) => String::new(),
            (given, needed) => format!(", {given} of {needed} have agreed"),
        };
        let message = format!("this statement needs approval: request {}{votes}", request.id);
        Refusal::new(RefusalKind::NeedsApproval, message).rule(request.binding.rule.clone()).hint(format!(
            "once someone from {} has agreed at {}, send the very same statement again",
            request.terms.groups.join(", "),
            self.place(&request.id)
        ))
    }
}

fn cannot_ask(failed: &Failed, rule: &str) -> Refusal {
    let (kind, hint) = match failed {
        Failed::Full(_) => (RefusalKind::LimitReached, "wait until some of them are decided"),
        Failed::Unlogged(_) | Failed::Store(_) => {
            (RefusalKind::CannotRecord, "tell whoever runs Affidavit; your statement was not run")
        }
        Failed::Unknown(_) | Failed::Objection(_) => (RefusalKind::Internal, "send the statement again"),
    };
    Refusal::new(kind, format!("this statement needs approval, which cannot be asked for: {failed}"))
        .hint(hint)
        .rule(rule)
}

pub(super) fn internal(what: &str) -> Refusal {
    Refusal::new(RefusalKind::Internal, format!("approval failed: {what}")).hint("send the statement again")
}

/// A duration as people say it.
pub(super) fn lasting(duration: Duration) -> String {
    match duration.as_secs() {
        1 => "1 second".to_owned(),
        seconds @ 0..=119 => format!("{seconds} seconds"),
        seconds @ 120..=7199 => format!("{} minutes", seconds / 60),
        seconds => format!("{} hours", seconds / 3600),
    }
}
