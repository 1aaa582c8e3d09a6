//! `[[issuers]]`: whose tokens are accepted.

use super::Surroundings;
use super::document::Section;
use super::peers::{ClaimNames, IssuerSetup};
use super::tls;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn issuers(root: &Section<'_>, around: &Surroundings<'_>) -> Vec<IssuerSetup> {
    let mut issuers: Vec<IssuerSetup> = Vec::new();
    let sections = root.sections("issuers");
    if sections.is_empty() && !root.has("issuers") {
        root.wrong("[[issuers]]", "is missing: nobody could log in", "add [[issuers]] with issuer and audience");
    }
    for section in sections {
        let found = issuer(&section, around);
        if let Some(setup) = &found
            && issuers.iter().any(|other| other.issuer == setup.issuer)
        {
            section.wrong(
                "issuer",
                format!("{} is configured twice", setup.issuer),
                "merge the two; audience may list several",
            );
        }
        section.finish();
        issuers.extend(found);
    }
    issuers
}

fn issuer(section: &Section<'_>, around: &Surroundings<'_>) -> Option<IssuerSetup> {
    let issuer =
        section.required("issuer", "\"https://login.example.org\"").and_then(|issuer| usable_url(section, issuer));
    let audience = section.texts("audience").unwrap_or_default();
    if audience.is_empty() || audience.iter().any(String::is_empty) {
        section.wrong(
            "audience",
            "names no audience: tokens that were made for someone else would be accepted",
            "write audience = [\"affidavit\"], the client id or resource that tokens for this proxy carry",
        );
    }
    let claims = section.section("claims");
    let names = ClaimNames {
        subject: claim(&claims, "subject", "sub"),
        name: claim(&claims, "name", "email"),
        groups: claim(&claims, "groups", "groups"),
    };
    claims.finish();
    let skew = section.duration("skew", Duration::ZERO..=5 * 60 * SECOND, 60 * SECOND);
    let max_lifetime = section.duration("max_lifetime", 60 * SECOND..=365 * DAY, DAY);
    let keys = section.section("keys");
    let keys_fresh = keys.duration("refresh", 10 * SECOND..=DAY, 600 * SECOND);
    let keys_keep = keys.duration("keep", 10 * SECOND..=7 * DAY, HOUR);
    if keys_keep < keys_fresh {
        keys.wrong(
            "keep",
            "is shorter than refresh: keys would be thrown away before they are fetched again",
            "make keep at least as long as refresh",
        );
    }
    keys.finish();
    let scope = section.text("scope").unwrap_or_else(|| "openid".to_owned());
    let help = section.text("help");
    let ca = section.text("ca").map(|path| around.resolve(&path));
    let encrypted = issuer.as_ref().is_some_and(|issuer| issuer.starts_with("https:"));
    let tls = if encrypted { tls::client(section, "ca", ca.as_deref()) } else { None };
    if encrypted && tls.is_none() {
        return None;
    }
    Some(IssuerSetup {
        issuer: issuer?,
        audience,
        claims: names,
        skew,
        max_lifetime,
        keys_fresh,
        keys_keep,
        scope,
        help,
        tls,
        ca,
    })
}

fn claim(claims: &Section<'_>, key: &'static str, default: &str) -> String {
    match claims.text(key) {
        Some(name) if name.is_empty() => {
            claims.wrong(key, "is empty", format!("leave it out for {default:?}"));
            default.to_owned()
        }
        Some(name) => name,
        None => default.to_owned(),
    }
}

/// OpenID Connect Discovery 1.0, section 3: https, no query, no fragment. Plain http is for loopback alone.
fn usable_url(section: &Section<'_>, text: String) -> Option<String> {
    let fix = "write it exactly as the tokens' iss claim has it, such as \"https://login.example.org\"";
    let Ok(url) = reqwest::Url::parse(&text) else {
        section.wrong("issuer", format!("{text:?} is not a URL"), fix);
        return None;
    };
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        section.wrong("issuer", "an issuer has no user, query or fragment in its URL", fix);
        return None;
    }
    match url.scheme() {
        "https" => Some(text),
        "http" if crate::identity::is_loopback(&url) => Some(text),
        "http" => {
            section.wrong(
                "issuer",
                format!("{text} is not encrypted: anyone on the way could hand out keys"),
                "use https; http is accepted for loopback only",
            );
            None
        }
        _ => {
            section.wrong("issuer", format!("{text:?} is neither https nor http"), fix);
            None
        }
    }
}
