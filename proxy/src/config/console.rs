//! What `[console]` says beyond its address, and `[[webhooks]]`: who logs in to decide, and who is told.

use super::document::Section;
use super::peers::IssuerSetup;
use super::secret::{Exposure, Sourced, secret};
use super::setup::{ConsoleLogin, ConsoleRoles, WebhookFormat, WebhookSetup};
use super::{Surroundings, tls};
use reqwest::Url;
use std::net::SocketAddr;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// The address that people and links use: `public_url`, else the listener's own.
pub(crate) fn public_url(section: &Section<'_>, address: Option<SocketAddr>, encrypted: bool) -> String {
    let scheme = if encrypted { "https" } else { "http" };
    let own = address.map(|address| format!("{scheme}://{address}")).unwrap_or_default();
    let Some(text) = section.text("public_url") else { return own };
    let fix = "write what people type into their browser, such as \"https://affidavit.example.org\"";
    match Url::parse(&text) {
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && crate::identity::is_loopback(&url)) => {
            if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
                section.wrong("public_url", "has a path or query: the console needs a host of its own", fix);
            }
            text.trim_end_matches('/').to_owned()
        }
        Ok(_) => {
            section.wrong("public_url", format!("{text:?} is not https: logins would travel in the clear"), fix);
            own
        }
        Err(_) => {
            section.wrong("public_url", format!("{text:?} is not a URL"), fix);
            own
        }
    }
}

/// How people log in with a browser; `None` without a client id, which leaves only the API.
pub(crate) fn login(section: &Section<'_>, around: &Surroundings<'_>, issuers: &[IssuerSetup]) -> Option<ConsoleLogin> {
    let issuer = section.text("issuer");
    let client_id = section.text("client_id");
    let client_secret = secret(section, "client_secret", around, Exposure::Warns);
    let scope = section.text("scope").unwrap_or_else(|| "openid profile email groups".to_owned());
    let lasts = section.duration("session", MINUTE..=24 * 60 * MINUTE, 60 * MINUTE);
    let client_id = match client_id {
        Some(id) if !id.trim().is_empty() => id,
        Some(_) => {
            section.wrong("client_id", "is empty", "write the client id that the issuer gave to this console");
            return None;
        }
        None if issuer.is_some() || client_secret.is_some() => {
            section.wrong(
                "client_id",
                "is missing, so nobody can log in",
                "write the client id that the issuer gave to this console",
            );
            return None;
        }
        None => return None,
    };
    let found = match &issuer {
        Some(named) => issuers.iter().find(|issuer| issuer.issuer == *named),
        None => issuers.first(),
    };
    let Some(found) = found else {
        section.wrong("issuer", "is none of [[issuers]]", "name one of them, letter by letter");
        return None;
    };
    // The ID token is made for this client, not for the database.
    let issuer = IssuerSetup { audience: vec![client_id.clone()], ..found.clone() };
    Some(ConsoleLogin { issuer, client_id, client_secret, scope, lasts })
}

/// Which groups may do what.
pub(crate) fn roles(section: &Section<'_>) -> ConsoleRoles {
    let roles = section.section("roles");
    let groups = |key| roles.texts(key).unwrap_or_default();
    let found = ConsoleRoles {
        viewer: groups("viewer"),
        approver: groups("approver"),
        auditor: groups("auditor"),
        operator: groups("operator"),
    };
    roles.finish();
    found
}

/// `[[webhooks]]`.
pub(crate) fn webhooks(root: &Section<'_>, around: &Surroundings<'_>) -> Vec<WebhookSetup> {
    root.sections("webhooks").into_iter().filter_map(|section| webhook(section, around)).collect()
}

fn webhook(section: Section<'_>, around: &Surroundings<'_>) -> Option<WebhookSetup> {
    let url = section.required("url", "\"https://hooks.example.org/affidavit\"");
    let key = secret(&section, "secret", around, Exposure::Warns);
    let format = match section.text("format").as_deref() {
        None | Some("json") => WebhookFormat::Json,
        Some("slack") => WebhookFormat::Slack,
        Some(other) => {
            section.wrong("format", format!("{other:?} is not a format"), "write \"json\" or \"slack\"");
            WebhookFormat::Json
        }
    };
    if format == WebhookFormat::Json && key.is_none() && !section.has("secret") {
        section.wrong(
            "secret",
            "is missing: the receiver could not tell our messages from forged ones",
            "write secret = { file = \"…\" }, and give the receiver the same",
        );
    }
    let url = url.and_then(|text| match Url::parse(&text) {
        Ok(url) if url.scheme() == "https" => Some(url),
        Ok(url) if url.scheme() == "http" && crate::identity::is_loopback(&url) => Some(url),
        _ => {
            section.wrong("url", "is not an https address", "messages name people and statements: use https");
            None
        }
    });
    let tls = match url.as_ref().map(Url::scheme) {
        Some("https") => tls::client(&section, "url", None),
        _ => None,
    };
    section.finish();
    Some(WebhookSetup { url: url?.to_string(), secret: key, format, tls })
}

/// Where a secret came from, for `check`.
pub(crate) fn shown(secret: Option<&Sourced>) -> serde_json::Value {
    secret.map_or(serde_json::Value::Null, |secret| secret.source.to_string().into())
}
