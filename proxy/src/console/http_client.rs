//! Outgoing HTTP of console, command line and webhooks: bounded in time and size, following nobody elsewhere.

use reqwest::{Client, RequestBuilder, Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// One request, from connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
/// One answer (bytes).
const MOST_ANSWER: usize = 16 << 20;

/// A client for one host. Without `tls` it can only speak to loopback addresses in the clear.
///
/// # Errors
/// When it cannot be set up; a sentence.
pub(crate) fn client(tls: Option<&Arc<ClientConfig>>, url: &Url) -> Result<Client, String> {
    let config = match tls {
        Some(tls) => ClientConfig::clone(tls),
        None if url.scheme() == "http" && crate::identity::is_loopback(url) => trusting(RootCertStore::empty())?,
        None => return Err(format!("{url} is not encrypted, which is accepted for loopback only")),
    };
    let mut client = Client::builder()
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("affidavit/", env!("CARGO_PKG_VERSION")))
        .use_preconfigured_tls(config);
    if crate::identity::is_loopback(url) {
        client = client.no_proxy();
    }
    client.build().map_err(|error| explain(&error))
}

/// TLS that trusts these roots.
pub(crate) fn trusting(roots: RootCertStore) -> Result<ClientConfig, String> {
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Sends a request and reads a JSON answer, whatever its status.
///
/// # Errors
/// A sentence without a trailing period.
pub(crate) async fn json(request: RequestBuilder) -> Result<(reqwest::StatusCode, Value), String> {
    let mut answer = request.header("accept", "application/json").send().await.map_err(|error| explain(&error))?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| explain(&error))? {
        if body.len() + chunk.len() > MOST_ANSWER {
            return Err(format!("{} answered with more than {MOST_ANSWER} bytes", answer.url()));
        }
        body.extend_from_slice(&chunk);
    }
    let value =
        serde_json::from_slice(&body).map_err(|_| format!("{} answered {status}, not in JSON", answer.url()))?;
    Ok((status, value))
}

/// The innermost cause is what a person needs. The address is left to the caller: it may carry a secret.
pub(crate) fn explain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
