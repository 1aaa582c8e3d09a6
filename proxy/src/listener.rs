//! A listener: accepts connections, bounds how many there are, and takes each from login to its end.

use crate::clock;
use crate::desk::{ListenerDesk, Queued};
use crate::proxy::Proxy;
use crate::quiet::Quiet;
use arc_swap::ArcSwapOption;
use model::{AuthMethod, Refusal, RefusalKind, SessionInfo, Timestamp};
use parking_lot::Mutex;
use pipeline::{Ended, Judge, Parts, Patience, Recording, Relay, turn_away};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use wire::{Established, Login, LoginError, Protocol, Transport};

/// Connections at a time that are only told why they are turned away; beyond that they are closed without a word.
const TOLD: usize = 64;
/// How long telling may take.
const TELLING: Duration = Duration::from_secs(5);
/// How long cancelling what a vanished client left running may take.
const CANCELLING: Duration = Duration::from_secs(5);

/// TLS of a listener, as it is now.
pub(crate) struct ListenerTls {
    pub(crate) config: Arc<rustls::ServerConfig>,
    /// The certificate (DER).
    pub(crate) certificate: Arc<[u8]>,
}

/// One configured listener, bound.
pub(crate) struct Listener {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) protocol: Arc<dyn Protocol>,
    pub(crate) datasource: Option<String>,
    /// Names at login have to fit.
    pub(crate) strict_names: bool,
    /// Exchanged when the configuration is read again.
    pub(crate) tls: ArcSwapOption<ListenerTls>,
    /// The address of the configuration.
    pub(crate) configured: SocketAddr,
    /// The address it has.
    pub(crate) address: SocketAddr,
    pub(crate) socket: TcpListener,
}

static TURNED_AWAY: Quiet = Quiet::new();
static UNACCEPTED: Quiet = Quiet::new();
static FAILED: Quiet = Quiet::new();

/// What a connection has been given at the door.
enum Place {
    /// It may log in, and have a session.
    In(Queued, OwnedSemaphorePermit),
    /// It is told why not.
    Out(Refusal, OwnedSemaphorePermit),
}

impl Listener {
    /// Accepts until `stop` resolves.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let logins = Arc::new(Semaphore::new(self.proxy.limits.pending_logins));
        let told = Arc::new(Semaphore::new(TOLD));
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: accepting in a tight loop would not help.
                    UNACCEPTED.say(|kept| tracing::error!(%error, more = kept, "cannot accept a connection"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Some(place) = self.place(peer, &logins, &told) else { continue };
            let listener = self.clone();
            // The socket leaves this loop and joins the one of the thread that will carry the session.
            let stream = stream.into_std();
            self.proxy.workers.spawn(move || async move {
                match stream.and_then(TcpStream::from_std) {
                    Ok(stream) => listener.serve(stream, peer, place).await,
                    Err(error) => tracing::error!(%peer, %error, "a connection could not be handed to its thread"),
                }
            });
        }
    }

    /// A place for a newcomer; `None` when there is not even one to say why.
    fn place(&self, peer: SocketAddr, logins: &Arc<Semaphore>, told: &Arc<Semaphore>) -> Option<Place> {
        let full = |what: &str, key: &str| {
            Refusal::new(RefusalKind::LimitReached, format!("too many {what}"))
                .hint(format!("try again in a moment; [limits] {key} sets how many there may be"))
        };
        let seat = || {
            if *self.proxy.draining.borrow() {
                return Err(
                    Refusal::new(RefusalKind::NotNow, "Affidavit is shutting down").hint("connect again in a moment")
                );
            }
            let address = self.proxy.seats.login(peer.ip(), &self.proxy.limits);
            let address = address.ok_or_else(|| full("logins of your address at a time", "logins_per_address"))?;
            let login = logins.clone().try_acquire_owned();
            let login = login.map_err(|_| full("logins at a time", "pending_logins"))?;
            let slot = self.proxy.slots.clone().try_acquire_owned();
            let slot = slot.map_err(|_| match self.proxy.limits.files {
                None => full("sessions", "sessions"),
                Some(files) => full("sessions", "sessions").hint(format!(
                    "try again in a moment; it is the limit of {files} open files that leaves room for {} only, below what \
                     [limits] sessions allows: whoever runs this proxy can raise it (LimitNOFILE, ulimit -Hn)",
                    self.proxy.limits.sessions
                )),
            })?;
            Ok((Queued { _listener: login, _address: address }, slot))
        };
        match seat() {
            Ok((queued, slot)) => Some(Place::In(queued, slot)),
            Err(refusal) => {
                TURNED_AWAY.say(|kept| tracing::warn!(%peer, %refusal, more = kept, "connection turned away"));
                Some(Place::Out(refusal, told.clone().try_acquire_owned().ok()?))
            }
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, place: Place) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY");
        }
        wire::notice_absence(&stream);
        let (closed, queued, _slot, patience) = match place {
            Place::In(queued, slot) => (None, Some(queued), slot, self.proxy.limits.login_timeout),
            Place::Out(refusal, told) => (Some(refusal), None, told, TELLING),
        };
        let tls = self.tls.load_full();
        let desk = Arc::new(ListenerDesk {
            proxy: self.proxy.clone(),
            protocol: self.protocol.name(),
            datasource: self.datasource.clone(),
            strict_names: self.strict_names,
            tls: tls.as_ref().map(|tls| tls.config.clone()),
            certificate: tls.as_ref().map(|tls| tls.certificate.clone()),
            client: peer,
            listener: self.address,
            closed,
            queued: Mutex::new(queued),
            seats: Mutex::default(),
        });
        let conversation = self.protocol.login(Transport::Plain(stream), desk.clone());
        let outcome = tokio::time::timeout(patience, conversation).await;
        *desk.queued.lock() = None;
        match outcome {
            Ok(Ok(Login::Session(established))) => self.session(*established).await,
            Ok(Ok(Login::Finished)) => {}
            Ok(Err(LoginError::Refused(refusal))) => tracing::debug!(%peer, %refusal, "login refused"),
            Ok(Err(error)) => FAILED.say(|kept| tracing::info!(%peer, %error, more = kept, "login failed")),
            Err(_) => FAILED.say(|kept| tracing::info!(%peer, more = kept, "login took too long")),
        }
    }

    /// Records the opening, runs the session, and is there until its end.
    async fn session(&self, established: Established) {
        let info = Arc::new(established.info.clone());
        let id = info.id;
        let (listed, killed) = self.proxy.sessions.list(info.clone());
        let recording = Recording::new(self.proxy.recorder.clone(), id);
        if let Err(error) = self.proxy.recorder.session_opened(&info, self.proxy.policies.current().version()) {
            tracing::error!(session = %id, %error, "a session could not be recorded, so it is refused");
            turn_away(established, &Recording::refused_session(&error), &recording).await;
            return;
        }
        tracing::info!(session = %id, user = %info.identity.subject, datasource = %info.datasource, client = %info.client_addr, "session open");
        if let Some(revoked) = self.proxy.revoked_meanwhile(&info) {
            self.proxy.sessions.end(id, revoked);
        }
        let activity = Arc::new(AtomicU64::new(0));
        // What years are those of people over 89 moves with the calendar, and a proxy runs for years.
        let keys = Arc::new(self.proxy.keys.as_ref().clone().at(clock::now()));
        let judge =
            Judge::new(self.proxy.policies.clone(), &info, established.datasource.clone(), keys.clone(), clock::now);
        let limits = (info.protocol.clone(), info.datasource.clone());
        let limits = self.proxy.patience.get(&limits).copied().unwrap_or_default();
        let mut draining = self.proxy.draining.subscribe();
        let parts = Parts {
            judge,
            keys,
            recording,
            holds: self.proxy.approvals.holds(&info),
            stop: stop(
                &info,
                killed,
                activity.clone(),
                limits.idle.unwrap_or(self.proxy.limits.idle_timeout),
                limits.session,
            ),
            drain: Box::pin(async move {
                if draining.wait_for(|draining| *draining).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }),
            patience: Patience::new(limits.statement, limits.transaction),
            activity,
            allowance: self.proxy.allowance.clone(),
        };
        let (ended, unfinished) = Relay::new(established, parts).run().await;
        if unfinished {
            self.cancel(id, &ended).await;
        }
        drop(listed);
        tracing::info!(session = %id, reason = %ended.reason(), "session closed");
    }

    /// What a session left running is cancelled: nobody waits for it any more, and it may hold locks.
    async fn cancel(&self, session: model::SessionId, ended: &Ended) {
        if matches!(ended, Ended::UpstreamGone(_)) {
            return;
        }
        let Some(target) = self.proxy.sessions.cancel_of(session) else { return };
        match tokio::time::timeout(CANCELLING, target.datasource.cancel(&target.key)).await {
            Ok(Ok(())) => tracing::info!(%session, "what the session left running was cancelled"),
            Ok(Err(error)) => tracing::warn!(%session, %error, "what the session left running could not be cancelled"),
            Err(_) => tracing::warn!(%session, "what the session left running could not be cancelled in time"),
        }
    }
}

/// Resolves when a session must end: its token expires, its time is over, or somebody ends it.
fn stop(
    info: &SessionInfo,
    mut killed: watch::Receiver<Option<Refusal>>,
    activity: Arc<AtomicU64>,
    idle_timeout: Duration,
    session_timeout: Option<Duration>,
) -> Pin<Box<dyn Future<Output = Refusal> + Send>> {
    let left = time_left(info.identity.expires);
    let exchanged = info.identity.method == AuthMethod::Exchanged;
    let too_old = async move {
        match session_timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    Box::pin(async move {
        tokio::select! {
            () = tokio::time::sleep(left) => {
                let what = if exchanged { "credential" } else { "token" };
                Refusal::new(RefusalKind::SessionExpired, format!("the {what} that opened this session has expired"))
                    .hint(format!("connect again with a fresh {what}"))
            }
            () = idle(activity, idle_timeout) => {
                Refusal::new(RefusalKind::SessionExpired, "the session was idle for too long")
                    .hint("connect again; idle_timeout of the datasource or of [limits] sets how long a session may be idle")
            }
            () = too_old => {
                Refusal::new(RefusalKind::SessionExpired, "the session has lasted as long as a session may here")
                    .hint("connect again; session_timeout of the datasource sets how long")
            }
            refusal = killed.wait_for(Option::is_some) => match refusal {
                Ok(refusal) => (*refusal).clone().unwrap_or_else(shutting_down),
                Err(_) => shutting_down(),
            },
        }
    })
}

/// Resolves when nothing has moved for `timeout`, to within an eighth of it: looking now and then is cheaper than
/// setting a timer at every statement.
async fn idle(activity: Arc<AtomicU64>, timeout: Duration) {
    let mut seen = activity.load(Ordering::Relaxed);
    let mut still = 0;
    while still < 8 {
        tokio::time::sleep(timeout / 8).await;
        let now = activity.load(Ordering::Relaxed);
        still = if now == seen { still + 1 } else { 0 };
        seen = now;
    }
}

fn shutting_down() -> Refusal {
    Refusal::new(RefusalKind::ShuttingDown, "Affidavit is shutting down").hint("connect again in a moment")
}

fn time_left(until: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(until.0.saturating_sub(clock::now().0)).unwrap_or(0))
}
