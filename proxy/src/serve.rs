//! `affidavit serve`: builds the proxy from its configuration, runs the listeners, and stops in good order.

use crate::assembly::{self, Failure};
use crate::config::{ServerTls, Setup};
use crate::console::wiring;
use crate::listener::{Listener, ListenerTls};
use crate::proxy::Proxy;
use crate::signals::{self, Asked};
use crate::{descriptors, exchange, policy_store, second_lock};
use arc_swap::ArcSwapOption;
use evidence::CannotRecord;
use model::{Refusal, RefusalKind};
use pipeline::Recording;
use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use wire::{Datasource, LockMode, Protocol};

/// Between two readings of a datasource's catalog, when nothing asks for one sooner.
const CATALOG_EVERY: Duration = Duration::from_secs(60);
/// Between two looks at the issuers' keys, when all have theirs.
const KEYS_EVERY: Duration = Duration::from_secs(60);
/// And when some have none.
const MISSING_KEYS_EVERY: Duration = Duration::from_secs(5);
/// How long statements are still answered, by a refusal, once the audit store is lost.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long sessions that are cut may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs the command. Exit code 3 when it could not run.
#[must_use]
pub(crate) fn serve(config: &Path) -> ExitCode {
    init_tracing();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("affidavit: cannot start the runtime: {error}");
            return ExitCode::from(3);
        }
    };
    match runtime.block_on(run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("affidavit: {failure}");
            ExitCode::from(3)
        }
    }
}

/// Logs to standard error; `AFFIDAVIT_LOG` sets the level (`info`, `debug`, `affidavit=trace`).
fn init_tracing() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("AFFIDAVIT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).try_init();
}

async fn run(config: &Path) -> Result<(), Failure> {
    let mut setup = assembly::load(config)?;
    for warning in &setup.warnings {
        tracing::warn!("{warning}");
    }
    let files = descriptors::raise();
    if let Some(fit) = descriptors::sessions_that_fit(&setup, files) {
        tracing::warn!(
            sessions = fit,
            wanted = setup.limits.sessions,
            "the hard limit of open files leaves room for fewer sessions than [limits] sessions: raise it (LimitNOFILE, ulimit -Hn)"
        );
        (setup.limits.sessions, setup.limits.files) = (fit, files);
    }
    let mut asked = signals::listen()?;
    let proxy = assembly::assemble(&setup).await?;
    let (stop, stopping) = watch::channel(false);
    // The console first: a statement that is held finds somebody who can decide about it.
    let mut tasks = wiring::start(&setup, &proxy, stopping.clone()).await?;
    let listeners = bind(&setup, &proxy).await?;
    for datasource in proxy.datasources.values() {
        tasks.push(tokio::spawn(keep_catalog(datasource.clone(), stopping.clone())));
        if second_lock::mode(datasource.as_ref()) != LockMode::Off {
            let (policies, keys, recorder) = (proxy.policies.clone(), proxy.keys.clone(), proxy.recorder.clone());
            let keep = second_lock::keep(datasource.clone(), policies, keys, recorder, stopping.clone());
            tasks.push(tokio::spawn(keep));
        }
    }
    for listener in &listeners {
        tasks.push(tokio::spawn(listener.clone().run(stopping.clone())));
    }
    tasks.push(tokio::spawn(keep_keys(proxy.clone(), stopping.clone())));
    tasks.extend(exchange::wiring::start(&setup, &proxy, stopping.clone()).await?);
    wait_for_the_end(config, &proxy, &listeners, &mut asked).await;
    wind_down(&proxy, setup.limits.shutdown_grace, &mut asked).await;
    let _ = stop.send(true);
    for task in tasks {
        task.abort();
    }
    proxy.denials.flush(&proxy.recorder, true);
    close(&proxy).await
}

async fn bind(setup: &Setup, proxy: &Arc<Proxy>) -> Result<Vec<Arc<Listener>>, Failure> {
    let mut listeners = Vec::new();
    for listener in &setup.listeners {
        let protocol = assembly::protocol(&listener.protocol)?;
        let socket = TcpListener::bind(listener.address).await.map_err(|error| Failure {
            what: format!("cannot listen on {}: {error}", listener.address),
            fix: "another program may be there, or the address is not this machine's".to_owned(),
        })?;
        let tls = listener.tls.as_ref().map(|tls| Arc::new(listener_tls(tls, protocol.as_ref())));
        let address = socket.local_addr().map_or(listener.address, |address| address);
        tracing::info!(protocol = protocol.name(), %address, tls = tls.is_some(), "listening");
        listeners.push(Arc::new(Listener {
            proxy: proxy.clone(),
            protocol,
            datasource: listener.datasource.clone(),
            strict_names: listener.strict_names,
            tls: ArcSwapOption::new(tls),
            configured: listener.address,
            address,
            socket,
        }));
    }
    Ok(listeners)
}

/// Reads the catalog at the start and now and then; a failure is told once, not every time.
async fn keep_catalog(datasource: Arc<dyn Datasource>, mut stopping: watch::Receiver<bool>) {
    let mut failing = false;
    loop {
        match datasource.refresh_catalog().await {
            Ok(_) => failing = false,
            Err(refusal) if !failing => {
                failing = true;
                tracing::warn!(datasource = %datasource.spec().name, %refusal, "the catalog cannot be read");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(CATALOG_EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Loads the issuers' keys at the start and renews them, so that neither the first login nor readiness waits for somebody
/// to log in: where readiness keeps clients away, nobody would. What changes is told, not every attempt.
async fn keep_keys(proxy: Arc<Proxy>, mut stopping: watch::Receiver<bool>) {
    let mut known = HashMap::new();
    loop {
        for (issuer, keys) in proxy.verifier.warm().await {
            if known.insert(issuer.clone(), keys.is_ok()) == Some(keys.is_ok()) {
                continue;
            }
            match keys {
                Ok(keys) => tracing::info!(%issuer, keys, "issuer's keys loaded"),
                Err(error) => {
                    tracing::warn!(%issuer, %error, "issuer's keys cannot be loaded; it is asked again and again")
                }
            }
        }
        let every = if known.values().all(|loaded| *loaded) { KEYS_EVERY } else { MISSING_KEYS_EVERY };
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

fn listener_tls(tls: &ServerTls, protocol: &dyn Protocol) -> ListenerTls {
    let mut config = (*tls.config).clone();
    config.alpn_protocols = protocol.alpn();
    ListenerTls { config: Arc::new(config), certificate: tls.certificate.clone() }
}

/// Waits for a signal, or for the record to fail for good. A store that is lost is no reason to go away: whoever connects
/// is told, and health says so.
async fn wait_for_the_end(
    config: &Path,
    proxy: &Arc<Proxy>,
    listeners: &[Arc<Listener>],
    asked: &mut mpsc::Receiver<Asked>,
) {
    let mut pulse = tokio::time::interval(Duration::from_secs(1));
    let mut lost = false;
    loop {
        tokio::select! {
            asked = asked.recv() => match asked {
                Some(Asked::Reload) => reload(config, proxy, listeners).await,
                Some(Asked::Stop) | None => return,
            },
            _ = pulse.tick() => {
                proxy.denials.flush(&proxy.recorder, false);
                match proxy.recorder.health().stopped {
                    None => {}
                    Some(reason @ CannotRecord::StoreLost(_)) if !lost => {
                        lost = true;
                        tokio::spawn(end_for_loss(proxy.clone(), reason));
                    }
                    Some(CannotRecord::StoreLost(_)) => {}
                    Some(error) => {
                        tracing::error!(%error, "the record failed; ending all sessions");
                        proxy.sessions.end_all(&Recording::refusal(&error));
                        return;
                    }
                }
            }
        }
    }
}

/// Statements are refused already; whoever asks for one within a moment is told why. Then the sessions end.
async fn end_for_loss(proxy: Arc<Proxy>, reason: CannotRecord) {
    tokio::time::sleep(LAST_ANSWERS).await;
    tracing::error!(sessions = proxy.sessions.count(), "the audit store is lost; ending all sessions");
    proxy.sessions.end_all(&Recording::refusal(&reason));
}

/// Takes up what has changed in the policies, and the certificates of listeners.
async fn reload(config: &Path, proxy: &Arc<Proxy>, listeners: &[Arc<Listener>]) {
    tracing::info!("reading policies and certificates again");
    let policies = proxy.policies.clone();
    let looked = tokio::task::spawn_blocking(move || {
        // A folder is taken up when a second look finds it at rest.
        let first = policies.look();
        if first != policy_store::Looked::Settling {
            return first;
        }
        std::thread::sleep(Duration::from_millis(200));
        policies.look()
    });
    match looked.await {
        Ok(looked) => tracing::info!(policies = ?looked, "policies were looked at"),
        Err(error) => tracing::error!(%error, "looking for new policies failed; the policy in force stays"),
    }
    let setup = match assembly::load(config) {
        Ok(setup) => setup,
        Err(failure) => {
            tracing::error!(%failure, "the configuration cannot be read again; everything stays as it is");
            return;
        }
    };
    for listener in listeners {
        let now = setup.listeners.iter().find(|one| one.address == listener.configured);
        if let Some(tls) = now.and_then(|one| one.tls.as_ref()) {
            listener.tls.store(Some(Arc::new(listener_tls(tls, listener.protocol.as_ref()))));
        }
    }
    tracing::info!("certificates of listeners are as they lie there now; other changes need a restart");
}

/// Drains: no new sessions, those that are at rest end, those in a transaction or a statement may finish it, requests that wait
/// for people are parked. When `grace` is over, or at a second signal, what is left is cut.
async fn wind_down(proxy: &Arc<Proxy>, grace: Duration, asked: &mut mpsc::Receiver<Asked>) {
    tracing::info!(sessions = proxy.sessions.count(), ?grace, "stopping");
    if let Some(approvals) = &proxy.decisions {
        approvals.park();
    }
    proxy.draining.send_replace(true);
    let gone = async {
        while proxy.sessions.count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let again = async {
        while let Some(what) = asked.recv().await {
            if what == Asked::Stop {
                return;
            }
        }
        std::future::pending().await
    };
    let why = tokio::select! {
        () = gone => return,
        () = tokio::time::sleep(grace) => "their time is over",
        () = again => "a second signal came",
    };
    tracing::warn!(sessions = proxy.sessions.count(), why, "sessions that did not end by themselves are cut");
    let refusal =
        Refusal::new(RefusalKind::ShuttingDown, "Affidavit is shutting down").hint("connect again in a moment");
    proxy.sessions.end_all(&refusal);
    let cut = async {
        while proxy.sessions.count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(LAST_WORDS, cut).await.is_err() {
        tracing::warn!(sessions = proxy.sessions.count(), "sessions that do not take their last words are dropped");
    }
}

/// Seals what is journaled.
async fn close(proxy: &Arc<Proxy>) -> Result<(), Failure> {
    let recorder = proxy.recorder.clone();
    // Why no more was taken, if that is why it ends.
    let failed = recorder.health().stopped;
    let closed = tokio::task::spawn_blocking(move || recorder.close()).await;
    match closed {
        Ok(Ok(report)) => {
            tracing::info!(segment = report.segment, leaves = report.tree_size, "sealed and closed");
            failed.map_or(Ok(()), |error| {
                Err(Failure {
                    what: format!("the record failed: {error}"),
                    fix: "what was recorded is sealed; see to the disk of the store, then start again".to_owned(),
                })
            })
        }
        Ok(Err(error)) if matches!(proxy.recorder.health().stopped, Some(CannotRecord::StoreLost(_))) => Err(Failure {
            what: format!("the last records could not be sealed: {error}"),
            fix: "bring the store back as it was: journal and all; evidence verify PATH --key VKEY --head FILE names what is lost"
                .to_owned(),
        }),
        Ok(Err(error)) => Err(Failure {
            what: format!("the last records could not be sealed: {error}"),
            fix: "nothing is lost: they are in the journal and will be sealed at the next start".to_owned(),
        }),
        Err(error) => Err(Failure { what: format!("sealing failed: {error}"), fix: String::new() }),
    }
}
