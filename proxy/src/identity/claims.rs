//! What a token claims: whom it is for, when it holds, and whom it proves.

use super::wording::{instant, lasting, list, shown};
use crate::config::{ClaimNames, IssuerSetup};
use model::{AuthMethod, Identity, Refusal, RefusalKind, Timestamp};
use serde_json::{Map, Value};
use std::time::Duration;

type Claims = Map<String, Value>;

/// Groups of one identity at most.
const MAX_GROUPS: usize = 2000;
/// Bytes in a subject, a group or a name at most.
const MAX_NAME: usize = 512;

fn refuse(issuer: &IssuerSetup, message: impl Into<String>) -> Refusal {
    let place = issuer.help.as_deref().unwrap_or(&issuer.issuer);
    Refusal::new(RefusalKind::NotAuthenticated, message).hint(format!("get a fresh one from {place}"))
}

/// Audience and times (RFC 7519, section 4.1). `now` is in seconds since the epoch.
///
/// `skew` is granted to what lies in the future (`nbf`, `iat`). `exp` gets none: a session never outlives its token, so
/// admitting an expired one would only open a session that must close at once.
pub(crate) fn check(claims: &Claims, issuer: &IssuerSetup, now: i64) -> Result<(), Refusal> {
    audience(claims, issuer)?;
    let skew = i64::try_from(issuer.skew.as_secs()).unwrap_or(0);
    let Some(expires) = seconds(claims, "exp", issuer)? else {
        return Err(refuse(issuer, "the token never expires (it has no exp)"));
    };
    if expires <= now {
        return Err(refuse(issuer, format!("the token expired {} ago ({})", between(expires, now), instant(expires))));
    }
    let not_before = seconds(claims, "nbf", issuer)?;
    if let Some(begin) = not_before.filter(|begin| *begin > now.saturating_add(skew)) {
        let message = format!("the token is not valid before {}, {} from now", instant(begin), between(now, begin));
        return Err(
            refuse(issuer, message).hint("wait until then; if that is wrong, compare the clocks of issuer and proxy")
        );
    }
    let issued = seconds(claims, "iat", issuer)?;
    if let Some(issued) = issued.filter(|issued| *issued > now.saturating_add(skew)) {
        let message =
            format!("the token was issued in the future ({}, {} from now)", instant(issued), between(now, issued));
        return Err(refuse(issuer, message).hint("compare the clocks of issuer and proxy"));
    }
    let lifetime = between_seconds(issued.or(not_before).unwrap_or(now), expires);
    if lifetime > issuer.max_lifetime {
        let most = lasting(issuer.max_lifetime);
        let long = Some(lasting(lifetime)).filter(|long| *long != most);
        let long = long.unwrap_or_else(|| format!("{} seconds", lifetime.as_secs()));
        let message = format!("the token is valid for {long}; this proxy accepts at most {most}");
        return Err(refuse(issuer, message).hint("ask the issuer for a token with a shorter life"));
    }
    Ok(())
}

fn between(from: i64, to: i64) -> String {
    lasting(between_seconds(from, to))
}

fn between_seconds(from: i64, to: i64) -> Duration {
    Duration::from_secs(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

fn audience(claims: &Claims, issuer: &IssuerSetup) -> Result<(), Refusal> {
    let named: Option<Vec<&str>> = match claims.get("aud") {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(several)) => several.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let accepted = list(issuer.audience.iter().map(String::as_str));
    let ask = |refusal: Refusal| refusal.hint(format!("ask the issuer for a token with audience {accepted}"));
    let Some(named) = named else {
        return Err(ask(refuse(issuer, format!("the token names no audience (aud); this proxy accepts {accepted}"))));
    };
    if named.iter().any(|name| issuer.audience.iter().any(|accepted| accepted == name)) {
        return Ok(());
    }
    Err(ask(refuse(issuer, format!("the token is for audience {}; this proxy accepts {accepted}", list(named)))))
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction.
fn seconds(claims: &Claims, name: &str, issuer: &IssuerSetup) -> Result<Option<i64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        // Well within what i64 and calendars hold, so the cast below is exact but for the fraction.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by the filter")]
        Some(number).filter(|number| (0.0..1e11).contains(number)).map(|number| number.floor() as i64)
    });
    match whole.filter(|whole| (0..100_000_000_000).contains(whole)) {
        Some(whole) => Ok(Some(whole)),
        None => Err(refuse(issuer, format!("the token's {name} is not a time"))),
    }
}

/// The identity that the claims of a verified, checked token prove.
pub(crate) fn identity(claims: &Claims, issuer: &IssuerSetup, method: AuthMethod) -> Result<Identity, Refusal> {
    let names = &issuer.claims;
    let mapping = |refusal: Refusal| {
        refusal.hint("correct the issuer's claims, or claims = { … } of the issuer in affidavit.toml")
    };
    let subject = match find(claims, &names.subject) {
        Some(Value::String(subject)) if is_name(subject) => subject.clone(),
        Some(_) => {
            return Err(mapping(refuse(
                issuer,
                format!("the token's {} cannot identify anyone", shown(&names.subject)),
            )));
        }
        None => {
            return Err(mapping(refuse(
                issuer,
                format!("the token does not say whom it is for (it has no {})", shown(&names.subject)),
            )));
        }
    };
    let groups = groups(claims, names).map_err(|what| mapping(refuse(issuer, what)))?;
    let text = |name: &str| find(claims, name).and_then(Value::as_str).filter(|text| is_name(text)).map(str::to_owned);
    let expires = seconds(claims, "exp", issuer)?.unwrap_or(0);
    Ok(Identity {
        issuer: issuer.issuer.clone(),
        subject,
        name: text(&names.name),
        groups,
        expires: Timestamp::from_unix_seconds(expires),
        method,
        token_id: claims.get("jti").and_then(Value::as_str).filter(|id| is_name(id)).map(str::to_owned),
    })
}

/// An array of texts, or one text with spaces between groups (as `scope` is written). Absent means none.
fn groups(claims: &Claims, names: &ClaimNames) -> Result<Vec<String>, String> {
    let place = shown(&names.groups);
    let groups: Vec<String> = match find(claims, &names.groups) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split_ascii_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => {
            let texts: Option<_> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            texts.ok_or_else(|| format!("the token's groups ({place}) are not all texts"))?
        }
        Some(_) => return Err(format!("the token's groups ({place}) are neither a list nor a text")),
    };
    if groups.len() > MAX_GROUPS {
        return Err(format!("the token names {} groups; at most {MAX_GROUPS} are accepted", groups.len()));
    }
    if !groups.iter().all(|group| is_name(group)) {
        return Err(format!("one of the token's groups ({place}) is empty, too long or holds control characters"));
    }
    Ok(groups)
}

/// A claim by its name, which may hold dots of its own (`https://example.org/groups`), or by a dotted path.
fn find<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(at, _)| {
        let (head, tail) = (path.get(..at)?, path.get(at + 1..)?);
        find(claims.get(head)?.as_object()?, tail)
    })
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control)
}
