//! The door: who is asking, by cookie or bearer token, and whether a form is really ours.

use super::access::Visitor;
use super::browser::BrowserSession;
use super::fail::Fail;
use super::server::Console;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

/// Longest bearer token (bytes).
const MOST_TOKEN: usize = 64 * 1024;

/// Cookies of the console. `__Host-` binds them to this host, to TLS and to the whole site.
pub(crate) struct CookieNames {
    pub(crate) session: &'static str,
    pub(crate) login: &'static str,
    secure: bool,
}

impl CookieNames {
    /// Browsers take `__Host-` over TLS only.
    pub(crate) fn of(public_url: &str) -> Self {
        if public_url.starts_with("https:") {
            Self { session: "__Host-affidavit", login: "__Host-affidavit-login", secure: true }
        } else {
            Self { session: "affidavit", login: "affidavit-login", secure: false }
        }
    }

    /// A `Set-Cookie` value; zero seconds takes it away.
    pub(crate) fn set(&self, name: &str, value: &str, seconds: i64, same_site: &str) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// A cookie of the request.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// Someone who is logged in with a browser.
pub(crate) struct Guest {
    pub(crate) visitor: Visitor,
    pub(crate) session: BrowserSession,
}

impl Console {
    /// Who the cookie says is asking.
    pub(crate) fn guest(&self, headers: &HeaderMap) -> Option<Guest> {
        let login = self.login()?;
        let session = login.browsers.find(cookie(headers, self.cookies().session)?, login.now())?;
        let visitor = Visitor::new(session.identity.clone(), self.roles(), "console login");
        Some(Guest { visitor, session })
    }

    /// Who the bearer token says is asking.
    pub(crate) async fn bearer(&self, headers: &HeaderMap) -> Result<Visitor, Fail> {
        let missing = || {
            Fail::new(StatusCode::UNAUTHORIZED, "no token came with the request")
                .hint("send Authorization: Bearer TOKEN, with a token of a configured issuer")
        };
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
        let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.len() > MOST_TOKEN {
            return Err(missing());
        }
        let identity = self.tokens().verify(token.trim().as_bytes()).await?;
        Ok(Visitor::new(identity, self.roles(), "bearer token"))
    }

    /// A form counts only when it comes from a page that we gave to this very session.
    pub(crate) fn our_form(&self, headers: &HeaderMap, session: &BrowserSession, csrf: &str) -> Result<(), Fail> {
        let foreign = || {
            Fail::new(StatusCode::FORBIDDEN, "this form did not come from the console, so nothing was changed")
                .hint("open the page again and repeat what you did")
        };
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
        if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site"))
            && site != "same-origin"
        {
            return Err(foreign());
        }
        if let Some(origin) = text(header::ORIGIN)
            && origin != self.public_url()
        {
            return Err(foreign().hint(format!("the console's address is {}; use it there", self.public_url())));
        }
        if session.made(csrf) { Ok(()) } else { Err(foreign()) }
    }
}
