//! Coming and going: the welcome page, the login's two ends, and leaving.

use super::{failed, or_page, require, show};
use crate::console::door::cookie;
use crate::console::fail::Fail;
use crate::console::login::Callback;
use crate::console::oidc::{OidcError, url_encoded};
use crate::console::server::Console;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::context;
use serde::Deserialize;

/// Seconds that a login may take.
const LOGIN_SECONDS: i64 = 600;

#[derive(Debug, Deserialize)]
pub(in crate::console) struct Whither {
    #[serde(default)]
    to: String,
    #[serde(default)]
    left: Option<String>,
}

fn no_login() -> Fail {
    Fail::new(StatusCode::NOT_FOUND, "nobody can log in with a browser here: no client_id is configured")
        .hint("set client_id in [console], or use the API with a bearer token")
}

fn not_now(error: &OidcError) -> Fail {
    Fail::new(StatusCode::BAD_GATEWAY, error.to_string()).hint("begin at the login page again")
}

pub(in crate::console) async fn welcome(State(console): State<Console>, Query(whither): Query<Whither>) -> Response {
    let Some(login) = console.login() else { return failed(&console, &no_login()) };
    let start = format!("/login/start?{}", url_encoded(&[("to", &whither.to)]));
    let content = context! { start, issuer => login.issuer(), left => whither.left.is_some() };
    show(&console, StatusCode::OK, "welcome.html", content)
}

pub(in crate::console) async fn start(State(console): State<Console>, Query(whither): Query<Whither>) -> Response {
    let Some(login) = console.login() else { return failed(&console, &no_login()) };
    match login.start(&whither.to).await {
        Ok((url, binder)) => {
            let names = console.cookies();
            let mut response = Redirect::to(url.as_str()).into_response();
            // Lax: the issuer sends the browser back from another site.
            let cookie = names.set(names.login, &binder, LOGIN_SECONDS, "Lax");
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => failed(&console, &not_now(&error)),
    }
}

pub(in crate::console) async fn callback(
    State(console): State<Console>,
    headers: HeaderMap,
    Query(back): Query<Callback>,
) -> Response {
    let Some(login) = console.login() else { return failed(&console, &no_login()) };
    let names = console.cookies();
    let forget = names.set(names.login, "", 0, "Lax");
    let finished = login.finish(&back, cookie(&headers, names.login), cookie(&headers, names.session)).await;
    let mut response = match finished {
        Ok(entered) => {
            tracing::info!(subject = %entered.identity.subject, issuer = %entered.identity.issuer, "console login");
            // A page, not a redirect: the strict cookie goes along only with what begins on our own site.
            let mut response = show(&console, StatusCode::OK, "entered.html", context! { to => entered.to });
            let cookie = names.set(names.session, &entered.cookie, entered.seconds, "Strict");
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => failed(&console, &not_now(&error)),
    };
    response.headers_mut().append(header::SET_COOKIE, forget);
    response
}

#[derive(Debug, Deserialize)]
pub(in crate::console) struct Leaving {
    csrf: String,
}

pub(in crate::console) async fn leave(
    State(console): State<Console>,
    headers: HeaderMap,
    uri: Uri,
    Form(form): Form<Leaving>,
) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let answer = console.our_form(&headers, &guest.session, &form.csrf).map(|()| {
        let names = console.cookies();
        if let (Some(login), Some(cookie)) = (console.login(), cookie(&headers, names.session)) {
            login.browsers.leave(cookie);
        }
        let mut response = Redirect::to("/login?left=1").into_response();
        response.headers_mut().append(header::SET_COOKIE, names.set(names.session, "", 0, "Strict"));
        let clear = HeaderValue::from_static("\"cache\"");
        response.headers_mut().insert(header::HeaderName::from_static("clear-site-data"), clear);
        response
    });
    or_page(&console, answer)
}
