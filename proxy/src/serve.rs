//! `affidavit serve`: builds the proxy from its configuration, runs the listeners, and stops in good order.

use crate::assembly::{self, Failure};
use crate::config::Setup;
use crate::console::wiring;
use crate::exchange;
use crate::listener::Listener;
use crate::proxy::Proxy;
use model::{Refusal, RefusalKind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use wire::Datasource;

/// Between two readings of a datasource's catalog, when nothing asks for one sooner.
const CATALOG_EVERY: Duration = Duration::from_secs(60);

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
    let setup = assembly::load(config)?;
    for warning in &setup.warnings {
        tracing::warn!("{warning}");
    }
    let proxy = assembly::assemble(&setup).await?;
    let (stop, stopping) = watch::channel(false);
    // The console first: a statement that is held finds somebody who can decide about it.
    let mut tasks = wiring::start(&setup, &proxy, stopping.clone()).await?;
    let listeners = bind(&setup, &proxy).await?;
    for datasource in proxy.datasources.values() {
        tasks.push(tokio::spawn(keep_catalog(datasource.clone(), stopping.clone())));
    }
    for listener in listeners {
        tasks.push(tokio::spawn(listener.run(stopping.clone())));
    }
    tokio::spawn({
        let proxy = proxy.clone();
        async move {
            for (issuer, keys) in proxy.verifier.warm().await {
                match keys {
                    Ok(keys) => tracing::info!(%issuer, keys, "issuer's keys loaded"),
                    Err(error) => {
                        tracing::warn!(%issuer, %error, "issuer's keys cannot be loaded yet; logins will try again")
                    }
                }
            }
        }
    });
    tasks.extend(exchange::wiring::start(&setup, &proxy, stopping.clone()).await?);
    wait_for_the_end(&proxy).await?;
    let _ = stop.send(true);
    wind_down(&proxy, setup.limits.shutdown_grace).await;
    for task in tasks {
        task.abort();
    }
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
        let tls = listener.tls.as_ref().map(|tls| {
            let mut config = (*tls.config).clone();
            config.alpn_protocols = protocol.alpn();
            Arc::new(config)
        });
        let address = socket.local_addr().map_or(listener.address, |address| address);
        tracing::info!(protocol = protocol.name(), %address, tls = tls.is_some(), "listening");
        listeners.push(Arc::new(Listener {
            proxy: proxy.clone(),
            protocol,
            datasource: listener.datasource.clone(),
            certificate: listener.tls.as_ref().map(|tls| tls.certificate.clone()),
            tls,
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

/// Waits for a signal, or for the record to fail for good.
async fn wait_for_the_end(proxy: &Arc<Proxy>) -> Result<(), Failure> {
    let signals =
        |error: std::io::Error| Failure { what: format!("cannot wait for signals: {error}"), fix: String::new() };
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut pulse = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = pulse.tick() => {
                if let Some(error) = proxy.recorder.health().stopped {
                    tracing::error!(%error, "the record failed; ending all sessions");
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Ends the sessions and waits until they have.
async fn wind_down(proxy: &Arc<Proxy>, grace: Duration) {
    tracing::info!(sessions = proxy.sessions.count(), "stopping");
    let refusal =
        Refusal::new(RefusalKind::ShuttingDown, "Affidavit is shutting down").hint("connect again in a moment");
    proxy.sessions.end_all(&refusal);
    let gone = async {
        while proxy.sessions.count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(grace, gone).await.is_err() {
        tracing::warn!(sessions = proxy.sessions.count(), "sessions that did not end in time are cut");
    }
}

/// Seals what is journaled.
async fn close(proxy: &Arc<Proxy>) -> Result<(), Failure> {
    let recorder = proxy.recorder.clone();
    let closed = tokio::task::spawn_blocking(move || recorder.close()).await;
    match closed {
        Ok(Ok(report)) => {
            tracing::info!(segment = report.segment, leaves = report.tree_size, "sealed and closed");
            Ok(())
        }
        Ok(Err(error)) => Err(Failure {
            what: format!("the last records could not be sealed: {error}"),
            fix: "nothing is lost: they are in the journal and will be sealed at the next start".to_owned(),
        }),
        Err(error) => Err(Failure { what: format!("sealing failed: {error}"), fix: String::new() }),
    }
}
