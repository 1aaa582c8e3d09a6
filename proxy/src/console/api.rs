//! The JSON API under `/api/v1`: list, show and decide, with a bearer token. `openapi.json` describes it.

use super::access::Visitor;
use super::fail::Fail;
use super::server::Console;
use super::view::ApprovalView;
use crate::approvals::{Approval, ApprovalId, Event};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// Requests in one answer, unless fewer are asked for.
const MOST_LISTED: usize = 200;

/// What a decision says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Words {
    pub(crate) justification: String,
    pub(crate) window: bool,
}

/// The event that an action's name stands for.
pub(crate) fn event(action: &str, words: &Words, visitor: &Visitor) -> Option<Event> {
    let (approver, justification) = (visitor.approver(), words.justification.clone());
    Some(match action {
        "approve" => Event::Approve { approver, justification, window: words.window },
        "deny" => Event::Deny { approver, justification },
        "revoke" => Event::Revoke { approver, justification },
        "review" => Event::Review { approver, finding: justification },
        "withdraw" => Event::Withdraw { person: visitor.person() },
        _ => return None,
    })
}

/// An approval that the visitor may see.
pub(crate) fn find(console: &Console, visitor: &Visitor, id: &str) -> Result<Approval, Fail> {
    let found = id.parse::<ApprovalId>().ok().and_then(|id| console.approvals().get(&id));
    found.filter(|approval| visitor.sees(approval)).ok_or_else(|| Fail::not_found("request"))
}

/// Lets a visitor act on an approval.
pub(crate) fn perform(
    console: &Console,
    visitor: &Visitor,
    id: &str,
    action: &str,
    words: &Words,
) -> Result<Approval, Fail> {
    let approval = find(console, visitor, id)?;
    let event = event(action, words, visitor).ok_or_else(|| Fail::not_found("action"))?;
    let decided = console.approvals().decide(&approval.request().id, &event)?;
    tracing::info!(approval = %approval.request().id, action, by = %visitor.person().recorded(), auth = visitor.auth, "approval");
    Ok(decided)
}

fn view(console: &Console, visitor: &Visitor, approval: &Approval) -> ApprovalView {
    let link = console.approvals().link(&approval.request().id);
    ApprovalView::of(approval, visitor, link, console.approvals().now())
}

/// What the list can be narrowed by.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Narrow {
    state: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn list(
    State(console): State<Console>,
    headers: HeaderMap,
    narrow: Result<Query<Narrow>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let answer = async {
        let visitor = console.bearer(&headers).await?;
        let Query(narrow) = narrow.map_err(|error| Fail::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        let now = console.approvals().now();
        let wanted = |approval: &Approval| {
            visitor.sees(approval) && narrow.state.as_deref().is_none_or(|state| approval.state_at(now) == state)
        };
        let found = console.approvals().list(narrow.limit.unwrap_or(MOST_LISTED).min(MOST_LISTED), wanted);
        let approvals: Vec<_> = found.iter().map(|approval| view(&console, &visitor, approval)).collect();
        Ok(Json(json!({ "approvals": approvals })).into_response())
    };
    answer.await.unwrap_or_else(|fail: Fail| fail.problem())
}

pub(crate) async fn show(State(console): State<Console>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let answer = async {
        let visitor = console.bearer(&headers).await?;
        let approval = find(&console, &visitor, &id)?;
        Ok(Json(view(&console, &visitor, &approval)).into_response())
    };
    answer.await.unwrap_or_else(|fail: Fail| fail.problem())
}

pub(crate) async fn act(
    State(console): State<Console>,
    headers: HeaderMap,
    Path((id, action)): Path<(String, String)>,
    words: Result<Json<Words>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let answer = async {
        let visitor = console.bearer(&headers).await?;
        let Json(words) = words.map_err(|error| Fail::new(error.status(), error.body_text()))?;
        let decided = perform(&console, &visitor, &id, &action, &words)?;
        Ok(Json(view(&console, &visitor, &decided)).into_response())
    };
    answer.await.unwrap_or_else(|fail: Fail| fail.problem())
}

pub(crate) async fn unknown() -> Response {
    Fail::new(StatusCode::NOT_FOUND, "the API has no such address").hint("see /api/v1/openapi.json").problem()
}

/// RFC 9728: which issuers' tokens are taken. A command line finds its login by it.
pub(crate) async fn resource(State(console): State<Console>) -> Response {
    let issuers: Vec<&str> = console.login().map(|login| login.issuer()).into_iter().collect();
    Json(json!({
        "resource": console.public_url(),
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
        "resource_documentation": format!("{}/api/v1/openapi.json", console.public_url()),
    }))
    .into_response()
}

/// The description of this API, for people and generators.
pub(crate) async fn openapi(State(console): State<Console>) -> Response {
    let mut document: Value = serde_json::from_str(include_str!("openapi.json")).unwrap_or_default();
    if let Some(object) = document.as_object_mut() {
        object.insert("servers".to_owned(), json!([{ "url": format!("{}/api/v1", console.public_url()) }]));
    }
    ([(header::CONTENT_TYPE, "application/vnd.oai.openapi+json")], document.to_string()).into_response()
}
