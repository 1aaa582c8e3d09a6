//! Where console and approvals meet the running proxy: what `serve` starts, and what the console's seams lead to.

use super::proxy_health::ProxyHealth;
use super::server::Parts;
use super::{Console, KilledBy, LiveSession, LiveSessions, Login, PolicySource, PolicyText, Recordings};
use crate::approvals::{Approvals, ApprovalsConfig, Listener, webhook};
use crate::assembly::{self, Failure};
use crate::clock;
use crate::config::{OnHold, Setup, StorePlace};
use crate::identity::SystemClock;
use crate::proxy::{PolicyStore, Proxy};
use crate::sessions::Sessions;
use evidence::Recorder;
use model::{Refusal, RefusalKind, SessionId};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Versions of the policy that are kept to look at.
const MOST_VERSIONS: usize = 50;

/// Opens the approvals; without a console nobody could decide, so there are none.
pub(crate) fn approvals(setup: &Setup, recorder: &Recorder) -> Result<Option<Approvals>, Failure> {
    let Some(console) = &setup.console else { return Ok(None) };
    let StorePlace::Local(folder) = &setup.store.place else { return Ok(None) };
    let cannot = |what: String| Failure {
        what: format!("approvals cannot be opened: {what}"),
        fix: "is another proxy running on this store?".to_owned(),
    };
    let url = Some(console.public_url.clone());
    let webhooks = webhook::start(&setup.webhooks, folder, url.clone()).map_err(cannot)?;
    let listeners: Vec<Listener> = webhooks.into_iter().collect();
    let config = ApprovalsConfig {
        wait: setup.approvals.wait,
        reject: setup.approvals.on_hold == OnHold::Reject,
        console_url: url,
    };
    // By the record's time, which nobody sets: a jump of the wall clock lengthens no window.
    Approvals::open(config, folder, Arc::new(recorder.clone()), Arc::new(evidence::steady_now), listeners)
        .map(Some)
        .map_err(|error| cannot(error.to_string()))
}

/// Starts the console, if one is configured.
pub(crate) async fn start(
    setup: &Setup,
    proxy: &Arc<Proxy>,
    stopping: watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, Failure> {
    let (Some(console), Some(approvals)) = (&setup.console, &proxy.decisions) else { return Ok(Vec::new()) };
    let failure = |what: String| Failure { what: format!("the console cannot start: {what}"), fix: String::new() };
    let login = match &console.login {
        Some(login) => Some(
            Login::new(login.clone(), &console.public_url, Arc::new(SystemClock::default()))
                .map_err(|error| failure(error.to_string()))?,
        ),
        None => None,
    };
    let socket = TcpListener::bind(console.address).await.map_err(|error| Failure {
        what: format!("the console cannot listen on {}: {error}", console.address),
        fix: "another program may be there, or the address is not this machine's".to_owned(),
    })?;
    let policies = Arc::new(Policies::new(proxy.policies.clone()));
    let follow = tokio::spawn(policies.clone().follow());
    let parts = Parts {
        approvals: approvals.clone(),
        tokens: proxy.verifier.clone(),
        login,
        roles: console.roles.clone(),
        public_url: console.public_url.clone(),
        sessions: proxy.sessions.clone(),
        policies,
        health: Arc::new(ProxyHealth::new(proxy.clone())),
        recordings: match &setup.store.place {
            StorePlace::Local(folder) => {
                Some(Recordings::new(proxy.recorder.clone(), folder.clone(), assembly::body_key(setup)?))
            }
            StorePlace::Remote(_) => None,
        },
    };
    let served = Console::new(parts).map_err(|error| failure(error.to_string()))?;
    let tls = console.tls.as_ref().map(|tls| tls.config.clone());
    tracing::info!(address = %console.address, url = %console.public_url, tls = tls.is_some(), "console");
    let most = setup.limits.console_connections;
    let mut stopping = stopping;
    let stop = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let serving = tokio::spawn(async move {
        if let Err(error) = super::serve(served, socket, tls, most, stop).await {
            tracing::error!(%error, "the console stopped");
        }
    });
    Ok(vec![serving, follow, tokio::spawn(approvals.clone().run())])
}

impl LiveSessions for Sessions {
    fn running(&self) -> Vec<LiveSession> {
        self.running()
    }

    fn kill(&self, session: &str, by: &KilledBy) -> bool {
        let Ok(id) = uuid::Uuid::parse_str(session) else { return false };
        let refusal =
            Refusal::new(RefusalKind::ShuttingDown, format!("{} ended this session from the console", by.name))
                .hint("ask them, or connect again");
        self.end(SessionId(*id.as_bytes()), refusal)
    }
}

/// The policies that were in force since the proxy began to run.
struct Policies {
    store: Arc<PolicyStore>,
    seen: Mutex<Vec<PolicyText>>,
}

impl Policies {
    fn new(store: Arc<PolicyStore>) -> Self {
        let policies = Self { store, seen: Mutex::default() };
        policies.note();
        policies
    }

    fn note(&self) {
        let policy = self.store.current();
        let version = policy.version().to_string();
        let mut seen = self.seen.lock();
        if seen.first().is_none_or(|first| first.version != version) {
            let text = policy.canonical().to_owned();
            seen.insert(0, PolicyText { version, text, since: Some(clock::now().0), until: None, by: None });
            seen.truncate(MOST_VERSIONS);
        }
    }

    async fn follow(self: Arc<Self>) {
        let mut versions = self.store.versions();
        while versions.changed().await.is_ok() {
            self.note();
        }
    }
}

impl PolicySource for Policies {
    fn versions(&self) -> Vec<PolicyText> {
        self.note();
        self.seen.lock().clone()
    }
}
