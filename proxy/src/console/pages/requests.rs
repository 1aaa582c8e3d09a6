//! Requests: what waits, one in full with its decision, and what has been.

use super::{or_page, page, require};
use crate::approvals::{Approval, Review, State as At};
use crate::console::api::{Words, find, perform};
use crate::console::door::Guest;
use crate::console::fail::Fail;
use crate::console::server::Console;
use crate::console::view::ApprovalView;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Deserialize;

/// Rows on one page.
const MOST_ROWS: usize = 100;

fn views(console: &Console, guest: &Guest, wanted: impl Fn(&Approval) -> bool) -> Vec<Value> {
    let now = console.approvals().now();
    let found = console.approvals().list(MOST_ROWS, |approval| guest.visitor.sees(approval) && wanted(approval));
    found.iter().map(|approval| Value::from(Serde(ApprovalView::of(approval, &guest.visitor, None, now)))).collect()
}

/// Waiting for people, or for a review.
fn open(approval: &Approval) -> bool {
    approval.state() == At::Pending || approval.review() == Some(&Review::Due)
}

pub(in crate::console) async fn pending(State(console): State<Console>, headers: HeaderMap, uri: Uri) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let now = console.approvals().now();
    let waiting = views(&console, &guest, |approval| approval.state_at(now) == "pending");
    let reviews = views(&console, &guest, |approval| approval.review() == Some(&Review::Due));
    let grants = views(&console, &guest, |approval| approval.state_at(now) == "granted" && approval.review().is_none());
    page(&console, &guest, "pending.html", "pending", context! { waiting, reviews, grants })
}

/// What the pending page's script asks now and then: has anything changed?
pub(in crate::console) async fn count(State(console): State<Console>, headers: HeaderMap) -> Response {
    let Some(guest) = console.guest(&headers) else { return Json(serde_json::json!(null)).into_response() };
    let now = console.approvals().now();
    let found = console.approvals().list(MOST_ROWS, |approval| guest.visitor.sees(approval) && open(approval));
    let ids: Vec<_> = found
        .iter()
        .map(|approval| format!("{}:{}:{}", approval.request().id, approval.state_at(now), approval.votes().len()))
        .collect();
    Json(serde_json::json!({ "open": ids })).into_response()
}

#[derive(Debug, Deserialize)]
pub(in crate::console) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
}

pub(in crate::console) async fn history(
    State(console): State<Console>,
    headers: HeaderMap,
    uri: Uri,
    Query(search): Query<Search>,
) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let words = search.q.trim().to_lowercase();
    let now = console.approvals().now();
    let matches = |approval: &Approval| {
        let request = approval.request();
        let named = |text: &str| text.to_lowercase().contains(&words);
        let state = search.state.is_empty() || approval.state_at(now) == search.state;
        state
            && (words.is_empty()
                || named(request.id.as_str())
                || named(request.requester.display())
                || named(&request.requester.subject)
                || named(&request.binding.rule)
                || named(&request.binding.datasource)
                || named(&request.sql)
                || request.ticket.as_deref().is_some_and(named))
    };
    let found = views(&console, &guest, matches);
    let states = ["pending", "granted", "used", "denied", "expired", "cancelled", "revoked"];
    let content = context! { found, states, q => search.q, state => search.state, most => MOST_ROWS };
    page(&console, &guest, "history.html", "history", content)
}

fn detail(console: &Console, guest: &Guest, approval: &Approval, fail: Option<&Fail>, words: &str) -> Response {
    let request = ApprovalView::of(approval, &guest.visitor, None, console.approvals().now());
    let request = Value::from(Serde(request));
    let problem = fail.map(|fail| &fail.message);
    let mut response = page(console, guest, "request.html", "pending", context! { request, problem, words });
    if let Some(fail) = fail {
        *response.status_mut() = fail.status;
    }
    response
}

pub(in crate::console) async fn show(
    State(console): State<Console>,
    headers: HeaderMap,
    uri: Uri,
    Path(id): Path<String>,
) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let answer = find(&console, &guest.visitor, &id).map(|approval| detail(&console, &guest, &approval, None, ""));
    or_page(&console, answer)
}

#[derive(Debug, Deserialize)]
pub(in crate::console) struct Decision {
    csrf: String,
    #[serde(default)]
    justification: String,
    #[serde(default)]
    window: Option<String>,
}

pub(in crate::console) async fn act(
    State(console): State<Console>,
    headers: HeaderMap,
    uri: Uri,
    Path((id, action)): Path<(String, String)>,
    Form(form): Form<Decision>,
) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    if let Err(fail) = console.our_form(&headers, &guest.session, &form.csrf) {
        return super::failed(&console, &fail);
    }
    let words = Words { justification: form.justification, window: form.window.is_some() };
    match perform(&console, &guest.visitor, &id, &action, &words) {
        Ok(approval) => Redirect::to(&format!("/approvals/{}", approval.request().id)).into_response(),
        // The page again, with what speaks against it and what was typed.
        Err(fail) => match find(&console, &guest.visitor, &id) {
            Ok(approval) => detail(&console, &guest, &approval, Some(&fail), &words.justification),
            Err(_) => super::failed(&console, &fail),
        },
    }
}
