//! Where the exchange meets the running proxy: what `serve` opens and starts.

use super::book::Book;
use super::bounded::{Bounded, LIFE};
use super::endpoint::{Peer, Service, router};
use super::entrance::Exchange;
use super::seal::Keys;
use super::store::Store;
use crate::assembly::Failure;
use crate::clock;
use crate::config::{Setup, SigningKey, StorePlace};
use crate::console::headers;
use crate::console::tls::TlsListener;
use crate::proxy::Proxy;
use crate::sessions::Sessions;
use axum::middleware::from_fn;
use evidence::Recorder;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Opens the credentials, if an exchange is configured.
pub(crate) fn open(setup: &Setup, recorder: &Recorder, sessions: &Arc<Sessions>) -> Result<Option<Exchange>, Failure> {
    let Some(exchange) = &setup.exchange else { return Ok(None) };
    let StorePlace::Local(folder) = &setup.store.place else { return Ok(None) };
    let cannot = |what: String| {
        Failure {
        what: format!("exchanged credentials cannot be opened: {what}"),
        fix: "is another proxy running on this store? a damaged credentials.redb can be moved away: clients exchange again"
            .to_owned(),
    }
    };
    // Where a program signs the log there is no secret of it here; the masking key is the other one that this proxy holds.
    let secret = match (&setup.store.signing_key, &setup.masking) {
        (SigningKey::Key(key), _) => &key.secret,
        (SigningKey::Command(_), Some(masking)) => &masking.key.secret,
        (SigningKey::Command(_), None) => {
            return Err(Failure {
                what: "the token exchange has no secret to seal its credentials with: a program signs the log"
                    .to_owned(),
                fix: "give [masking] a key".to_owned(),
            });
        }
    };
    let keys = Keys::derive(secret.expose()).ok_or_else(|| cannot("no key".to_owned()))?;
    let store = Store::open(folder, keys).map_err(|error| cannot(error.to_string()))?;
    let ledger = Arc::new(recorder.clone());
    let book = Book::open(store, ledger, registry::protocols(), exchange.valid_for, Arc::new(clock::now))
        .map_err(|error| cannot(error.to_string()))?;
    Ok(Some(Exchange::new(book, sessions.clone())))
}

/// Starts the endpoint, if one is configured.
pub(crate) async fn start(
    setup: &Setup,
    proxy: &Arc<Proxy>,
    mut stopping: watch::Receiver<bool>,
) -> Result<Option<JoinHandle<()>>, Failure> {
    let (Some(configured), Some(exchange)) = (&setup.exchange, &proxy.exchange) else { return Ok(None) };
    let failure = |error: std::io::Error| Failure {
        what: format!("the token exchange cannot listen on {}: {error}", configured.address),
        fix: "another program may be there, or the address is not this machine's".to_owned(),
    };
    let socket = TcpListener::bind(configured.address).await.map_err(failure)?;
    let address = socket.local_addr().map_or(configured.address, |address| address);
    let service = Service {
        exchange: exchange.clone(),
        verifier: proxy.verifier.clone(),
        access: proxy.access.clone(),
        datasources: setup.datasources.iter().map(|one| (one.name.clone(), one.protocol.clone())).collect(),
        operators: configured.operators.clone(),
        issuers: setup.issuers.iter().map(|issuer| issuer.issuer.clone()).collect(),
    };
    let most = setup.limits.console_connections;
    let stop = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    tracing::info!(%address, tls = configured.tls.is_some(), "token exchange");
    let report = |served: std::io::Result<()>| {
        if let Err(error) = served {
            tracing::error!(%error, "the token exchange stopped");
        }
    };
    let serving = match &configured.tls {
        Some(tls) => {
            let mut config = (*tls.config).clone();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            let listener = TlsListener::new(socket, Arc::new(config)).map_err(failure)?;
            let app =
                router(service).layer(from_fn(headers::insist_on_tls)).into_make_service_with_connect_info::<Peer>();
            tokio::spawn(async move {
                report(axum::serve(Bounded::new(listener, most, LIFE), app).with_graceful_shutdown(stop).await)
            })
        }
        None => {
            let app = router(service).layer(from_fn(headers::protect)).into_make_service_with_connect_info::<Peer>();
            tokio::spawn(async move {
                report(axum::serve(Bounded::new(socket, most, LIFE), app).with_graceful_shutdown(stop).await)
            })
        }
    };
    Ok(Some(serving))
}
