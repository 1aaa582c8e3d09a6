//! Asking an issuer for its keys: OpenID Connect Discovery 1.0, then its JWK Set. Bounded in time, size and reach.

use super::keys::{Key, read_set};
use super::wording::shown;
use super::{is_loopback, strict_json};
use crate::config::IssuerSetup;
use async_trait::async_trait;
use reqwest::{Client, Url, redirect};
use serde_json::{Map, Value};
use std::time::Duration;

/// One request, from connecting to the last byte.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// One answer (bytes).
const MAX_ANSWER: usize = 1 << 20;
/// Key sets have a type of their own (RFC 7517, section 8.5), which strict servers insist on.
const ACCEPT: &str = "application/json, application/jwk-set+json";
/// Redirects that are followed, within the same scheme, host and port.
const MAX_REDIRECTS: usize = 3;

/// The HTTP client of an issuer cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for issuer {issuer} cannot be set up: {cause}")]
pub struct HttpError {
    issuer: String,
    cause: String,
}

/// Where keys come from.
#[async_trait]
pub(crate) trait KeySource: Send + Sync {
    /// Fetches the keys. The error is a sentence without a trailing period.
    async fn fetch(&self) -> Result<Vec<Key>, String>;
}

/// An issuer on the network.
pub(crate) struct HttpSource {
    client: Client,
    issuer: String,
    discovery: Url,
}

impl HttpSource {
    pub(crate) fn new(setup: &IssuerSetup) -> Result<Self, HttpError> {
        let broken = |cause: String| HttpError { issuer: setup.issuer.clone(), cause };
        let discovery = discovery_url(&setup.issuer);
        let discovery = Url::parse(&discovery).map_err(|error| broken(error.to_string()))?;
        let mut client = Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .redirect(redirect::Policy::custom(same_origin_only))
            .user_agent(concat!("affidavit/", env!("CARGO_PKG_VERSION")));
        if let Some(tls) = &setup.tls {
            client = client.use_preconfigured_tls(rustls::ClientConfig::clone(tls)).https_only(true);
        } else {
            // Nothing but plain loopback is asked, yet the client insists on a TLS setup: one that trusts nobody.
            let nobody = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
                rustls::crypto::ring::default_provider(),
            ))
            .with_safe_default_protocol_versions()
            .map_err(|error| broken(error.to_string()))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
            client = client.use_preconfigured_tls(nobody);
        }
        if is_loopback(&discovery) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| broken(explain(&error)))?;
        Ok(Self { client, issuer: setup.issuer.clone(), discovery })
    }

    /// The key set's address may be on another host (many issuers do that), but never less protected.
    fn key_set_url(&self, document: &Map<String, Value>) -> Result<Url, String> {
        let text = document
            .get("jwks_uri")
            .and_then(Value::as_str)
            .ok_or("its discovery document names no key set (jwks_uri)")?;
        let url = Url::parse(text).map_err(|_| format!("its key set's address {} is not a URL", shown(text)))?;
        let plain_is_fine = self.discovery.scheme() == "http" && is_loopback(&url);
        if url.scheme() == "https" || (url.scheme() == "http" && plain_is_fine) {
            return Ok(url);
        }
        Err(format!("its key set's address {} is not https", shown(text)))
    }

    async fn get(&self, url: &Url) -> Result<Map<String, Value>, String> {
        let mut answer =
            self.client.get(url.clone()).header("accept", ACCEPT).send().await.map_err(|error| explain(&error))?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("{url} answered {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| explain(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(format!("{url} answered with more than {MAX_ANSWER} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        strict_json::object(&body).map_err(|error| format!("the answer of {url} cannot be read: {error}"))
    }
}

#[async_trait]
impl KeySource for HttpSource {
    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let document = self.get(&self.discovery).await?;
        let named = document.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if named != self.issuer {
            return Err(format!(
                "{} says that it is issuer {}, not {}",
                self.discovery,
                shown(named),
                shown(&self.issuer)
            ));
        }
        let url = self.key_set_url(&document)?;
        read_set(&self.get(&url).await?)
    }
}

/// OpenID Connect Discovery 1.0, section 4: a slash at the issuer's end is not doubled.
pub(crate) fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

fn same_origin_only(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let from = attempt.previous().last();
    if from.is_none_or(|from| from.origin() != attempt.url().origin()) {
        return attempt.error("it redirects to another host, which is not followed");
    }
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("it redirects too often");
    }
    attempt.follow()
}

/// The innermost cause is what a person needs; the outer ones only say that a request failed.
fn explain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let place = error.url().map_or_else(String::new, |url| format!("{url}: "));
    if error.is_timeout() {
        return format!("{place}no answer within {} seconds", REQUEST_TIMEOUT.as_secs());
    }
    format!("{place}{cause}")
}
