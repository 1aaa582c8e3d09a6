//! Live sessions, and ending them.

use super::{or_page, page, require, require_viewer};
use crate::console::fail::Fail;
use crate::console::seams::KilledBy;
use crate::console::server::Console;
use crate::console::view::time;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::context;
use serde::Deserialize;

/// Sessions on the page.
const MOST_ROWS: usize = 500;

pub(in crate::console) async fn list(State(console): State<Console>, headers: HeaderMap, uri: Uri) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let answer = require_viewer(&guest).map(|()| {
        let running = console.sessions().running();
        let sessions: Vec<_> = running
            .iter()
            .rev()
            .take(MOST_ROWS)
            .map(|session| {
                context! {
                    id => session.id.to_string(),
                    who => session.identity.name.as_deref().unwrap_or(&session.identity.subject),
                    subject => session.identity.subject.clone(),
                    groups => session.identity.groups.clone(),
                    datasource => session.datasource.clone(),
                    protocol => session.protocol.clone(),
                    app => session.client_app.clone(),
                    addr => session.client_addr.clone(),
                    reason => session.reason.clone(),
                    ticket => session.ticket.clone(),
                    since => time(session.opened),
                    until => time(session.identity.expires),
                }
            })
            .collect();
        page(&console, &guest, "sessions.html", "sessions", context! { sessions, count => running.len() })
    });
    or_page(&console, answer)
}

#[derive(Debug, Deserialize)]
pub(in crate::console) struct Ending {
    csrf: String,
}

pub(in crate::console) async fn end(
    State(console): State<Console>,
    headers: HeaderMap,
    uri: Uri,
    Path(id): Path<String>,
    Form(form): Form<Ending>,
) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let end = || {
        console.our_form(&headers, &guest.session, &form.csrf)?;
        if !guest.visitor.roles.operator {
            return Err(Fail::forbidden("operator"));
        }
        let person = guest.visitor.person();
        let by = KilledBy { name: person.display().to_owned(), recorded: person.recorded() };
        if !console.sessions().kill(&id, &by) {
            return Err(Fail::not_found("session").hint("it may have ended by itself"));
        }
        tracing::warn!(session = %id, by = %by.recorded, "a session was ended from the console");
        Ok(Redirect::to("/sessions").into_response())
    };
    or_page(&console, end())
}
