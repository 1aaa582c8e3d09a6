//! The console as an OpenID Connect client: discovery, authorization code with PKCE (RFC 7636), and the ID token.

use super::http_client::{client, json};
use crate::config::ConsoleLogin;
use crate::identity::{Clock, Verifier, discovery_url};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{AuthMethod, Identity};
use reqwest::{Client, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Endpoints older than this are asked for again.
const FRESH: Duration = Duration::from_secs(600);

/// The login cannot go on. Written for the person who tries to log in.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct OidcError(pub String);

/// Where the issuer wants to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) authorization: Url,
    pub(crate) token: Url,
}

/// One login in progress, as the issuer sees it.
pub(crate) struct Attempt<'a> {
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    /// PKCE code verifier.
    pub(crate) verifier: &'a str,
}

/// The console's relation to its issuer.
pub(crate) struct Oidc {
    setup: ConsoleLogin,
    redirect: String,
    http: Client,
    verifier: Verifier,
    endpoints: tokio::sync::Mutex<Option<(Instant, Endpoints)>>,
}

impl Oidc {
    /// `redirect` is the address of our callback, as registered at the issuer.
    pub(crate) fn new(setup: ConsoleLogin, redirect: String, clock: Arc<dyn Clock>) -> Result<Self, OidcError> {
        let issuer = &setup.issuer;
        let url = Url::parse(&issuer.issuer).map_err(|error| OidcError(error.to_string()))?;
        let http = client(issuer.tls.as_ref(), &url).map_err(OidcError)?;
        let verifier =
            Verifier::new(std::slice::from_ref(issuer), clock).map_err(|error| OidcError(error.to_string()))?;
        Ok(Self { redirect, http, verifier, endpoints: tokio::sync::Mutex::default(), setup })
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.setup.issuer.issuer
    }

    pub(crate) fn lasts(&self) -> Duration {
        self.setup.lasts
    }

    /// One visitor asks, the others wait for the same answer.
    async fn endpoints(&self) -> Result<Endpoints, OidcError> {
        let mut known = self.endpoints.lock().await;
        if let Some((at, endpoints)) = known.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(endpoints.clone());
        }
        let found = discover(&self.http, self.issuer()).await?;
        *known = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    /// Where to send the browser.
    pub(crate) async fn start(&self, attempt: &Attempt<'_>) -> Result<Url, OidcError> {
        let mut url = self.endpoints().await?.authorization;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.setup.client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &self.setup.scope)
            .append_pair("state", attempt.state)
            .append_pair("nonce", attempt.nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(attempt.verifier)))
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Trades the code for an ID token and believes it only after every check.
    pub(crate) async fn finish(&self, code: &str, attempt: &Attempt<'_>) -> Result<Identity, OidcError> {
        let endpoints = self.endpoints().await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", attempt.verifier),
        ];
        let mut request = self.http.post(endpoints.token);
        match &self.setup.client_secret {
            // RFC 6749, section 2.3.1: both halves are form-encoded before they are joined.
            Some(secret) => {
                let secret = String::from_utf8_lossy(secret.secret.expose()).into_owned();
                let id: String = form_encode(&self.setup.client_id);
                request = request.basic_auth(id, Some(form_encode(&secret)));
            }
            None => form.push(("client_id", &self.setup.client_id)),
        }
        let body = url_encoded(&form);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let (status, answer) = json(request)
            .await
            .map_err(|cause| OidcError(format!("the issuer {} cannot be asked: {cause}", self.issuer())))?;
        let Some(token) = answer.get("id_token").and_then(Value::as_str).filter(|_| status.is_success()) else {
            let error = answer.get("error").and_then(Value::as_str).unwrap_or("no ID token");
            return Err(OidcError(format!("the issuer {} refused the login: {error}", self.issuer())));
        };
        let identity = self
            .verifier
            .verify(token.as_bytes(), AuthMethod::OauthBearer)
            .await
            .map_err(|denied| OidcError(format!("the issuer's ID token does not hold: {}", denied.refusal)))?;
        self.check_claims(token, attempt.nonce)?;
        Ok(identity)
    }

    /// OpenID Connect Core 1.0, section 3.1.3.7: nonce, and `azp` where the token is for several.
    fn check_claims(&self, verified: &str, nonce: &str) -> Result<(), OidcError> {
        let wrong = |what: &str| Err(OidcError(format!("the issuer's ID token does not hold: {what}")));
        let payload = verified.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
        let claims: Value = serde_json::from_slice(&payload).unwrap_or_default();
        if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
            return wrong("it answers another login (nonce)");
        }
        let several = claims.get("aud").and_then(Value::as_array).is_some_and(|audience| audience.len() > 1);
        match claims.get("azp").and_then(Value::as_str) {
            Some(party) if party != self.setup.client_id => wrong("it was made for another client (azp)"),
            None if several => wrong("it is for several clients and does not say for which (azp)"),
            _ => Ok(()),
        }
    }
}

/// OpenID Connect Discovery 1.0. Endpoints may be on other hosts, but never less protected than the issuer.
async fn discover(http: &Client, issuer: &str) -> Result<Endpoints, OidcError> {
    let document = discovery_document(http, issuer).await.map_err(OidcError)?;
    let endpoint = |name: &str| endpoint(&document, issuer, name).map_err(OidcError);
    Ok(Endpoints { authorization: endpoint("authorization_endpoint")?, token: endpoint("token_endpoint")? })
}

/// The issuer's discovery document, checked to be its own.
pub(crate) async fn discovery_document(http: &Client, issuer: &str) -> Result<Value, String> {
    let (status, document) = json(http.get(discovery_url(issuer)))
        .await
        .map_err(|cause| format!("the issuer {issuer} cannot be asked: {cause}"))?;
    if !status.is_success() || document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(format!("the discovery document of {issuer} is not its own (status {status})"));
    }
    Ok(document)
}

/// One endpoint of a discovery document.
pub(crate) fn endpoint(document: &Value, issuer: &str, name: &str) -> Result<Url, String> {
    let text = document.get(name).and_then(Value::as_str).ok_or(format!("the issuer {issuer} names no {name}"))?;
    let url = Url::parse(text).map_err(|_| format!("the issuer's {name} is not a URL"))?;
    let plain_is_fine = issuer.starts_with("http:") && crate::identity::is_loopback(&url);
    if url.scheme() == "https" || (url.scheme() == "http" && plain_is_fine) {
        return Ok(url);
    }
    Err(format!("the issuer's {name} is not https"))
}

/// `application/x-www-form-urlencoded`. A URL's query has exactly this form, so `Url` is the encoder.
pub(crate) fn url_encoded(pairs: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("http://localhost/") else { return String::new() };
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

fn form_encode(text: &str) -> String {
    let pair = url_encoded(&[("", text)]);
    pair.strip_prefix('=').unwrap_or(&pair).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(url_encoded(&[("a", "b c&d"), ("e", "ü/+")]), "a=b+c%26d&e=%C3%BC%2F%2B");
        assert_eq!(form_encode("s:e c"), "s%3Ae+c");
    }

    #[test]
    fn an_endpoint_is_never_less_protected_than_its_issuer() {
        let document = serde_json::json!({"a": "http://127.0.0.1/x", "b": "https://other/x", "c": "ftp://x/"});
        assert!(endpoint(&document, "https://login", "a").is_err());
        assert!(endpoint(&document, "http://127.0.0.1", "a").is_ok());
        assert!(endpoint(&document, "https://login", "b").is_ok());
        assert!(endpoint(&document, "http://127.0.0.1", "c").is_err());
        assert!(endpoint(&document, "https://login", "d").is_err());
    }
}
