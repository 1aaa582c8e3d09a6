//! The pages. Each handler finds out who is asking, looks at what they may see, and fills a template.

pub(super) mod assets;
pub(super) mod entrance;
pub(super) mod health;
pub(super) mod policies;
pub(super) mod recordings;
pub(super) mod requests;
pub(super) mod sessions;

use super::door::Guest;
use super::fail::Fail;
use super::server::Console;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Redirect, Response};
use minijinja::{Value, context};

/// The visitor, or the way to the login.
fn require(console: &Console, headers: &HeaderMap, uri: &Uri) -> Result<Guest, Box<Response>> {
    console.guest(headers).ok_or_else(|| {
        let to = super::oidc::url_encoded(&[("to", uri.path_and_query().map_or("/", |path| path.as_str()))]);
        Box::new(Redirect::to(&format!("/login?{to}")).into_response())
    })
}

/// Every role sees what a viewer sees.
fn require_viewer(guest: &Guest) -> Result<(), Fail> {
    if guest.visitor.roles.viewer { Ok(()) } else { Err(Fail::forbidden("viewer")) }
}

/// A page for someone who is logged in.
fn page(console: &Console, guest: &Guest, name: &str, here: &str, content: Value) -> Response {
    let visitor = &guest.visitor;
    let me = context! {
        display => visitor.person().display(),
        roles => visitor.roles.names(),
        groups => visitor.identity.groups.clone(),
        viewer => visitor.roles.viewer,
        auditor => visitor.roles.auditor,
        operator => visitor.roles.operator,
    };
    let frame = context! { me, here, csrf => guest.session.csrf.clone() };
    show(console, StatusCode::OK, name, context! { ..content, ..frame })
}

/// A page without a visitor, or with one already in the context.
fn show(console: &Console, status: StatusCode, name: &str, content: Value) -> Response {
    match console.renderer().render(name, content) {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(page = name, %error, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be rendered; the log says why").into_response()
        }
    }
}

/// A page that says no.
fn failed(console: &Console, fail: &Fail) -> Response {
    let title = fail.status.canonical_reason().unwrap_or("Error");
    show(
        console,
        fail.status,
        "fail.html",
        context! { title, message => fail.message.clone(), hint => fail.hint.clone() },
    )
}

/// Runs a handler's body; what it refuses becomes a page.
fn or_page(console: &Console, answer: Result<Response, Fail>) -> Response {
    answer.unwrap_or_else(|fail| failed(console, &fail))
}

pub(super) async fn unknown(State(console): State<Console>) -> Response {
    failed(&console, &Fail::new(StatusCode::NOT_FOUND, "the console has no such page").hint("begin at the start page"))
}
