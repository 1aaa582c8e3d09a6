//! The small API beside the token endpoint: whoever was given credentials lists and revokes them; operators do so for everybody.

use super::book::{Failed, instant};
use super::credential::Credential;
use super::endpoint::{Peer, Service};
use super::entrance::slow_down;
use crate::console::fail::Fail;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{AuthMethod, Identity};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// Fewest letters and digits of a reason, as for approvals.
const FEWEST_WORDS: usize = 3;
/// Most characters of a reason.
const MOST_WORDS: usize = 4096;

impl Service {
    async fn visitor(&self, headers: &HeaderMap, peer: SocketAddr) -> Result<Visitor, Fail> {
        let missing = || {
            Fail::new(StatusCode::UNAUTHORIZED, "no token came with the request")
                .hint("send Authorization: Bearer TOKEN, with a token of a configured issuer")
        };
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
        let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing());
        }
        match self.verifier.verify(token.trim().as_bytes(), AuthMethod::OauthBearer).await {
            Ok(identity) => {
                let operator = self.operators.iter().any(|group| identity.groups.contains(group));
                Ok(Visitor { identity, operator })
            }
            Err(denied) => match self.exchange.exchange_failed(peer.ip()) {
                Ok(()) => Err(Fail::from(denied.refusal)),
                Err(waits) => {
                    let refusal = slow_down(waits);
                    Err(Fail { status: StatusCode::TOO_MANY_REQUESTS, message: refusal.message, hint: refusal.hint })
                }
            },
        }
    }

    fn view(&self, credential: &Credential) -> Value {
        json!({
            "user": credential.user,
            "state": credential.state(self.exchange.book().now()),
            "issuer": credential.issuer,
            "subject": credential.subject,
            "name": credential.name,
            "datasource": credential.datasource,
            "protocol": credential.protocol,
            "from": credential.from,
            "issued": instant(credential.issued),
            "expires": instant(credential.expires),
            "revoked": credential.revoked.as_ref().map(|revoked| json!({
                "by": revoked.by, "why": revoked.why, "at": instant(revoked.at),
            })),
            "sessions": self.exchange.open_sessions(&credential.user),
        })
    }
}

/// Whoever calls the API.
struct Visitor {
    identity: Identity,
    operator: bool,
}

impl Visitor {
    fn sees(&self, credential: &Credential) -> bool {
        self.operator || credential.is_of(&self.identity)
    }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        let visitor = service.visitor(&headers, peer).await?;
        let found = service.exchange.book().list(|credential| visitor.sees(credential));
        let views: Vec<_> = found.iter().map(|credential| service.view(credential)).collect();
        Ok(Json(json!({ "credentials": views })).into_response())
    };
    answer.await.unwrap_or_else(|fail: Fail| fail.problem())
}

/// What comes with a revocation.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Words {
    justification: String,
}

pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Path(user): Path<String>,
    headers: HeaderMap,
    words: Result<Json<Words>, JsonRejection>,
) -> Response {
    let answer = async {
        let visitor = service.visitor(&headers, peer).await?;
        let Json(words) = words.map_err(|error| Fail::new(error.status(), error.body_text()))?;
        let book = service.exchange.book();
        let found = book.get(&user).filter(|credential| visitor.sees(credential));
        let credential = found.ok_or_else(|| Fail::not_found("credential"))?;
        let why = words.justification.trim().to_owned();
        if !credential.is_of(&visitor.identity)
            && why.chars().filter(|letter| letter.is_alphanumeric()).count() < FEWEST_WORDS
        {
            return Err(Fail::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "a justification is needed to revoke somebody else's credential: say in a few words why",
            ));
        }
        let why = Some(why).filter(|why| !why.is_empty()).map(|why| why.chars().take(MOST_WORDS).collect());
        let revoking = {
            let (service, by) = (service.clone(), visitor.identity.clone());
            move || service.exchange.revoke(&user, &by, why)
        };
        let revoked = tokio::task::spawn_blocking(revoking).await;
        let (credential, ended) = revoked
            .map_err(|error| Fail::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
            .map_err(|failed| Fail::new(status(&failed), failed.to_string()))?;
        tracing::info!(credential = %credential.user, by = %visitor.identity.subject, ended, "credential revoked");
        let mut view = service.view(&credential);
        if let Some(object) = view.as_object_mut() {
            object.insert("sessions_ended".to_owned(), json!(ended));
        }
        Ok(Json(view).into_response())
    };
    answer.await.unwrap_or_else(|fail: Fail| fail.problem())
}

fn status(failed: &Failed) -> StatusCode {
    match failed {
        Failed::Unknown => StatusCode::NOT_FOUND,
        Failed::Over(_) => StatusCode::CONFLICT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// RFC 9728: which issuers' tokens are taken. A command line finds its login by it.
pub(super) async fn resource(State(service): State<Arc<Service>>) -> Response {
    Json(json!({ "authorization_servers": service.issuers, "bearer_methods_supported": ["header"] })).into_response()
}
