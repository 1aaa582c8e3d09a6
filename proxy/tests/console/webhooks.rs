//! Webhooks: signed, repeated until taken, and without SQL.

use crate::world::{World, need};
use affidavit::approvals::*;
use affidavit::config::{SecretSource, Sourced, WebhookFormat, WebhookSetup};
use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

type Taken = Arc<Mutex<Vec<(HeaderMap, String)>>>;

async fn take(Shared(taken): Shared<Taken>, headers: HeaderMap, body: String) -> StatusCode {
    let mut taken = taken.lock();
    taken.push((headers, body));
    // The first attempt fails: the message has to come again.
    if taken.len() == 1 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
}

#[tokio::test]
async fn signed_repeated_and_without_the_statement() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let taken = Taken::default();
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", socket.local_addr().unwrap());
    let router = Router::new().route("/hook", post(take)).with_state(taken.clone());
    tokio::spawn(async move { axum::serve(socket, router).await });

    let folder = tempfile::tempdir().unwrap();
    let secret = Sourced { source: SecretSource::Env("TEST".into()), secret: wire::Secret::new(b"k") };
    let setup = |format| WebhookSetup { url: url.clone(), secret: Some(secret.clone()), format, tls: None };
    let setups = [setup(WebhookFormat::Json)];
    let listener = webhook::start(&setups, folder.path(), Some("https://console".into())).unwrap().unwrap();

    let world = World::start().await;
    let held = world.held("agent", "select 'CANARY-4711' from t", &need(1));
    let approval = world.approvals.get(held.ticket.id()).unwrap();
    let entries = approval.history().to_vec();
    listener(&(approval, entries));
    for _ in 0..100 {
        if taken.lock().len() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let taken = taken.lock();
    assert_eq!(taken.len(), 2, "once refused, once taken");
    assert_eq!(taken[0].1, taken[1].1);
    assert_eq!(taken[0].0["affidavit-delivery"], taken[1].0["affidavit-delivery"], "a repetition can be told");
    let (headers, body) = &taken[1];
    assert!(!body.contains("CANARY"), "{body}");
    assert!(body.contains("\"approval.requested\"") && body.contains("https://console/approvals/apr-"), "{body}");
    let signature = headers["affidavit-signature"].to_str().unwrap();
    let (seconds, given) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"k").unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(given, expected);
}
