//! How the proxy is doing: for people, for load balancers, for Prometheus.

use super::{or_page, page, require, require_viewer};
use crate::console::server::Console;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use minijinja::context;

pub(in crate::console) async fn show(State(console): State<Console>, headers: HeaderMap, uri: Uri) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let answer = async {
        require_viewer(&guest)?;
        let mut lines = console.health().health();
        lines.extend(console.health().upstreams().await);
        let well = lines.iter().all(|line| line.well);
        let parts: Vec<_> = lines
            .iter()
            .map(|line| context! { part => line.part.clone(), well => line.well, words => line.words.clone() })
            .collect();
        let content = context! { parts, well, version => env!("CARGO_PKG_VERSION") };
        Ok(page(&console, &guest, "health.html", "health", content))
    };
    or_page(&console, answer.await)
}

/// Says whether, not what: anyone may ask.
pub(in crate::console) async fn probe(State(console): State<Console>) -> Response {
    if console.health().health().iter().all(|line| line.well || !line.vital) {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not well; the console's health page says what\n").into_response()
    }
}

/// Whether new sessions should be sent here, and if not, why, by kind: no details, since anyone may ask.
pub(in crate::console) async fn ready(State(console): State<Console>) -> Response {
    let unready = console.health().unready().await;
    if unready.is_empty() {
        let words = match console.health().warnings().as_slice() {
            [] => "ready\n".to_owned(),
            warnings => format!("ready, but: {}\n", warnings.join(", ")),
        };
        (StatusCode::OK, words).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", unready.join(", "))).into_response()
    }
}

pub(in crate::console) async fn metrics(State(console): State<Console>) -> Response {
    match console.health().metrics() {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
