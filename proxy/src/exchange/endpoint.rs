//! The exchange's own listener, and what it is there for: the token endpoint (RFC 8693).

use super::api;
use super::book::{Issued, instant};
use super::bounded::Bounded;
use super::entrance::{Exchange, slow_down};
use super::request::{ISSUED_TYPE, Problem, Wanted, read};
use crate::console::fail::Fail;
use crate::identity::{Access, Denied, Unverified, Verifier};
use axum::extract::connect_info::Connected;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use evidence::LoginDenied;
use model::{AuthMethod, Identity, Refusal, RefusalKind};
use serde_json::json;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Largest request (bytes): a token of 64 KiB, percent-encoded where it must be.
const MOST_BODY: usize = 128 * 1024;
/// Characters of a client's own words that are recorded.
const MOST_RECORDED: usize = 200;

/// What the endpoint works with.
pub(super) struct Service {
    pub(super) exchange: Exchange,
    pub(super) verifier: Arc<Verifier>,
    pub(super) access: Access,
    /// Protocol of each datasource, by name.
    pub(super) datasources: HashMap<String, String>,
    /// Groups that see and revoke everybody's credentials.
    pub(super) operators: Vec<String>,
    /// Whose tokens are taken.
    pub(super) issuers: Vec<String>,
}

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl<L: Listener<Addr = SocketAddr>> Connected<IncomingStream<'_, Bounded<L>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded<L>>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// All routes.
pub(super) fn router(service: Service) -> Router {
    Router::new()
        .route("/oauth/token", post(token))
        .route("/api/v1/credentials", get(api::list))
        .route("/api/v1/credentials/{user}/revoke", post(api::revoke))
        .route("/.well-known/oauth-protected-resource", get(api::resource))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(Arc::new(service))
}

async fn unknown() -> Response {
    Fail::new(StatusCode::NOT_FOUND, "the token exchange has no such address")
        .hint("POST /oauth/token, GET /api/v1/credentials, POST /api/v1/credentials/USER/revoke")
        .problem()
}

async fn token(
    State(service): State<Arc<Service>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: HeaderMap,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(form) = form.map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "invalid_request", format!("the form cannot be read: {error}"))
        })?;
        let wanted = read(&form)?;
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let identity = service.prove(&wanted, peer, agent).await?;
        let issued = service.clone().issue(&wanted, identity, peer).await?;
        Ok(service.answer(&issued))
    };
    answer.await.unwrap_or_else(|problem: Problem| problem.into_response())
}

impl Service {
    /// Who is asking, if they may use the datasource.
    async fn prove(&self, wanted: &Wanted<'_>, peer: SocketAddr, agent: &str) -> Result<Identity, Problem> {
        let identity = match self.verifier.verify(wanted.token.as_bytes(), AuthMethod::OauthBearer).await {
            Ok(identity) => identity,
            Err(denied) => return Err(self.refuse(wanted, peer, agent, &denied)),
        };
        if let Err(refusal) = self.access.allow(&identity, wanted.datasource) {
            let known = Unverified {
                issuer: Some(identity.issuer.clone()),
                subject: Some(identity.subject.clone()),
                token_id: identity.token_id.clone(),
            };
            self.record(wanted, peer, agent, &refusal, &known, Some(&identity));
            return Err(Problem::target(&refusal));
        }
        Ok(identity)
    }

    /// Refuses a token. Of an address that goes on failing, only the first is recorded.
    fn refuse(&self, wanted: &Wanted<'_>, peer: SocketAddr, agent: &str, denied: &Denied) -> Problem {
        let failed = match denied.refusal.kind {
            RefusalKind::IssuerUnavailable => Ok(()),
            _ => self.exchange.exchange_failed(peer.ip()),
        };
        match failed {
            Ok(()) => {
                self.record(wanted, peer, agent, &denied.refusal, &denied.unverified, None);
                Problem::from(&denied.refusal)
            }
            Err(waits) => {
                let refusal = slow_down(waits);
                if waits.first {
                    self.record(wanted, peer, agent, &refusal, &denied.unverified, None);
                }
                Problem::from(&refusal).retry_after(waits.wait.as_secs().max(1))
            }
        }
    }

    fn record(
        &self,
        wanted: &Wanted<'_>,
        peer: SocketAddr,
        agent: &str,
        refusal: &Refusal,
        unverified: &Unverified,
        proven: Option<&Identity>,
    ) {
        tracing::warn!(client = %peer, %refusal, "token exchange refused");
        let denial = LoginDenied {
            session: evidence::new_session_id(),
            claimed_user: String::new(),
            issuer: unverified.issuer.clone(),
            subject: unverified.subject.clone(),
            name: proven.and_then(|identity| identity.name.clone()),
            groups: proven.map(|identity| identity.groups.clone()).unwrap_or_default(),
            method: proven.map(|identity| identity.method),
            token_id: unverified.token_id.clone(),
            client_addr: peer.to_string(),
            client_app: agent.chars().take(MOST_RECORDED).collect(),
            protocol: "token-exchange".to_owned(),
            datasource: Some(wanted.datasource.chars().take(MOST_RECORDED).collect()),
            database: None,
            tls_version: None,
            reason: None,
            ticket: None,
            refusal: refusal.message.clone(),
        };
        if let Err(error) = self.exchange.book().ledger().denied(&denial) {
            tracing::error!(%error, "a refused token exchange could not be recorded");
        }
    }

    async fn issue(
        self: Arc<Self>,
        wanted: &Wanted<'_>,
        identity: Identity,
        peer: SocketAddr,
    ) -> Result<Issued, Problem> {
        let datasource = wanted.datasource.to_owned();
        let protocol = self.datasources.get(&datasource).cloned().unwrap_or_default();
        let from = peer.ip().to_string();
        let issuing = move || self.exchange.issue(&identity, &datasource, &protocol, &from);
        let issued = tokio::task::spawn_blocking(issuing)
            .await
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", error.to_string()))??;
        let one = &issued.credential;
        tracing::info!(credential = %one.user, user = %one.subject, datasource = %one.datasource, client = %peer, until = %instant(one.expires), "credential issued");
        Ok(issued)
    }

    /// RFC 8693, section 2.2.1. The password is the issued token, and stands there once more under its own name, with what
    /// a connection string needs beside it.
    fn answer(&self, issued: &Issued) -> Response {
        let one = &issued.credential;
        let left = one.expires.0.saturating_sub(self.exchange.book().now().0).max(0) / 1_000_000;
        let body = json!({
            "access_token": *issued.password,
            "issued_token_type": ISSUED_TYPE,
            "token_type": "N_A",
            "expires_in": left,
            "user": one.user,
            "password": *issued.password,
            "datasource": one.datasource,
            "protocol": one.protocol,
            "expires_at": instant(one.expires),
        });
        ([(header::PRAGMA, "no-cache")], Json(body)).into_response()
    }
}
