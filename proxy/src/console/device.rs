//! Logging in from a terminal: the OAuth 2.0 device authorization grant (RFC 8628).

use super::command::Stopped;
use super::http_client::json;
use super::oidc::{discovery_document, endpoint, url_encoded};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Between two questions, when the issuer names no other pause (RFC 8628, section 3.5).
const PAUSE: Duration = Duration::from_secs(5);
/// Longest that a person is waited for, whatever the issuer says.
const MOST_PATIENCE: Duration = Duration::from_secs(1800);

pub(crate) fn form(request: RequestBuilder, pairs: &[(&str, &str)]) -> RequestBuilder {
    request.header("content-type", "application/x-www-form-urlencoded").body(url_encoded(pairs))
}

/// Shows a code, waits until the person has confirmed it in a browser, and returns the access token.
pub(super) async fn log_in(http: &Client, issuer: &str, client_id: &str) -> Result<String, Stopped> {
    let document = discovery_document(http, issuer).await.map_err(Stopped::broken)?;
    let device = endpoint(&document, issuer, "device_authorization_endpoint").map_err(|error| {
        Stopped::broken(format!("{error}: it cannot log you in here; get a token otherwise and give it with --token"))
    })?;
    let token = endpoint(&document, issuer, "token_endpoint").map_err(Stopped::broken)?;
    let ask = form(http.post(device), &[("client_id", client_id), ("scope", "openid profile email groups")]);
    let (status, answer) = json(ask).await.map_err(Stopped::broken)?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let (Some(code), Some(user_code), Some(place), true) =
        (text("device_code"), text("user_code"), text("verification_uri"), status.is_success())
    else {
        let error = text("error").unwrap_or("no device code");
        return Err(Stopped::broken(format!("the issuer {issuer} refused the login: {error}")));
    };
    match text("verification_uri_complete") {
        Some(complete) => eprintln!("To log in, open {complete}\nand confirm the code {user_code}."),
        None => eprintln!("To log in, open {place}\nand enter the code {user_code}."),
    }
    let seconds = |name: &str| answer.get(name).and_then(Value::as_u64).map(Duration::from_secs);
    let mut pause = seconds("interval").unwrap_or(PAUSE);
    let patience = seconds("expires_in").unwrap_or(MOST_PATIENCE).min(MOST_PATIENCE);
    let begun = Instant::now();
    while begun.elapsed() < patience {
        tokio::time::sleep(pause).await;
        let grant = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", code),
            ("client_id", client_id),
        ];
        // A connection that fails is asked again a little later (section 3.5).
        let Ok((_, answer)) = json(form(http.post(token.clone()), &grant)).await else {
            pause = (pause * 2).min(Duration::from_secs(60));
            continue;
        };
        if let Some(token) = answer.get("access_token").and_then(Value::as_str) {
            return Ok(token.to_owned());
        }
        match answer.get("error").and_then(Value::as_str) {
            Some("authorization_pending") => {}
            Some("slow_down") => pause += PAUSE,
            Some("access_denied") => return Err(Stopped::refused("the login was refused in the browser")),
            Some("expired_token") => break,
            other => {
                return Err(Stopped::broken(format!("the issuer refused the login: {}", other.unwrap_or("no token"))));
            }
        }
    }
    Err(Stopped::refused("nobody confirmed the code in time; begin again"))
}
