//! A listener: accepts connections, bounds how many there are, and takes each from login to its end.

use crate::clock;
use crate::desk::ListenerDesk;
use crate::pipeline::Judge;
use crate::proxy::Proxy;
use crate::session::{Parts, Recording, Relay};
use model::{AuthMethod, Refusal, RefusalKind, SessionInfo, Timestamp};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use wire::{Established, Login, LoginError, Protocol, Transport};

/// One configured listener, bound.
pub(crate) struct Listener {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) protocol: Arc<dyn Protocol>,
    pub(crate) datasource: Option<String>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// The certificate (DER) of `tls`.
    pub(crate) certificate: Option<Arc<[u8]>>,
    pub(crate) socket: TcpListener,
}

impl Listener {
    /// Accepts until `stop` resolves.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let limits = self.proxy.limits.clone();
        let logins = Arc::new(Semaphore::new(limits.pending_logins));
        let sessions = self.proxy.slots.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: accepting in a tight loop would not help.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (Ok(login), Ok(slot)) = (logins.clone().try_acquire_owned(), sessions.clone().try_acquire_owned())
            else {
                tracing::warn!(%peer, "connection turned away: too many logins or sessions ([limits] in the configuration)");
                continue;
            };
            let listener = self.clone();
            // The socket leaves this loop and joins the one of the thread that will carry the session.
            let stream = stream.into_std();
            self.proxy.workers.spawn(move || async move {
                match stream.and_then(TcpStream::from_std) {
                    Ok(stream) => listener.serve(stream, peer, login).await,
                    Err(error) => tracing::error!(%peer, %error, "a connection could not be handed to its thread"),
                }
                drop(slot);
            });
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, login: tokio::sync::OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY");
        }
        let desk = Arc::new(ListenerDesk {
            proxy: self.proxy.clone(),
            protocol: self.protocol.name(),
            datasource: self.datasource.clone(),
            tls: self.tls.clone(),
            certificate: self.certificate.clone(),
            client: peer,
        });
        let conversation = self.protocol.login(Transport::Plain(stream), desk);
        let outcome = tokio::time::timeout(self.proxy.limits.login_timeout, conversation).await;
        drop(login);
        match outcome {
            Ok(Ok(Login::Session(established))) => self.session(*established).await,
            Ok(Ok(Login::Finished)) => {}
            Ok(Err(LoginError::Refused(refusal))) => tracing::debug!(%peer, %refusal, "login refused"),
            Ok(Err(error)) => tracing::info!(%peer, %error, "login failed"),
            Err(_) => tracing::info!(%peer, "login took too long"),
        }
    }

    /// Records the opening, runs the session, and is there until its end.
    async fn session(&self, mut established: Established) {
        let info = Arc::new(established.info.clone());
        let id = info.id;
        let (listed, killed) = self.proxy.sessions.list(info.clone());
        let recording = Recording::new(self.proxy.recorder.clone(), id);
        if let Err(error) = self.proxy.recorder.session_opened(&info, self.proxy.policies.current().version()) {
            tracing::error!(session = %id, %error, "a session could not be recorded, so it is refused");
            established.greeting.clear();
            Proxy::turn_away(established, &Recording::refusal(&error)).await;
            return;
        }
        tracing::info!(session = %id, user = %info.identity.subject, datasource = %info.datasource, client = %info.client_addr, "session open");
        if let Some(revoked) = self.proxy.revoked_meanwhile(&info) {
            self.proxy.sessions.end(id, revoked);
        }
        let activity = Arc::new(AtomicU64::new(0));
        let judge = Judge::new(&self.proxy.policies, &info, established.datasource.clone());
        let parts = Parts {
            judge,
            // What years are those of people over 89 moves with the calendar, and a proxy runs for years.
            keys: Arc::new(self.proxy.keys.as_ref().clone().at(clock::now())),
            recording,
            holds: self.proxy.approvals.holds(&info),
            stop: stop(&info, killed, activity.clone(), self.proxy.limits.idle_timeout),
            activity,
        };
        let ended = Relay::new(established, parts).run().await;
        drop(listed);
        tracing::info!(session = %id, reason = %ended.reason(), "session closed");
    }
}

/// Resolves when a session must end: its token expires, or somebody ends it.
fn stop(
    info: &SessionInfo,
    mut killed: watch::Receiver<Option<Refusal>>,
    activity: Arc<AtomicU64>,
    idle_timeout: Duration,
) -> Pin<Box<dyn Future<Output = Refusal> + Send>> {
    let left = time_left(info.identity.expires);
    let exchanged = info.identity.method == AuthMethod::Exchanged;
    Box::pin(async move {
        tokio::select! {
            () = tokio::time::sleep(left) => {
                let what = if exchanged { "credential" } else { "token" };
                Refusal::new(RefusalKind::SessionExpired, format!("the {what} that opened this session has expired"))
                    .hint(format!("connect again with a fresh {what}"))
            }
            () = idle(activity, idle_timeout) => {
                Refusal::new(RefusalKind::SessionExpired, "the session was idle for too long")
                    .hint("connect again; [limits] idle_timeout sets how long a session may be idle")
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
