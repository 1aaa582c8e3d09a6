//! How the console says no: a status, a sentence, and what to do. Pages and API render the same thing.

use crate::approvals::{Failed, Objection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{Refusal, RefusalKind};
use serde_json::json;

/// A request that was turned down.
#[derive(Clone, Debug)]
pub(crate) struct Fail {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fail {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}, or it is not yours to see"))
    }

    pub(crate) fn forbidden(needs: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, format!("this needs the role {needs}, which none of your groups has"))
            .hint("whoever runs Affidavit sets roles in [console] roles")
    }

    /// The API's answer: RFC 9457 problem details.
    pub(crate) fn problem(&self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.message,
        });
        if let (Some(hint), Some(object)) = (&self.hint, body.as_object_mut()) {
            object.insert("hint".to_owned(), json!(hint));
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body.to_string()).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("Bearer realm=\"affidavit\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Refusal> for Fail {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::NotAuthenticated => StatusCode::UNAUTHORIZED,
            RefusalKind::IssuerUnavailable => StatusCode::BAD_GATEWAY,
            _ => StatusCode::FORBIDDEN,
        };
        Self { status, message: refusal.message, hint: refusal.hint }
    }
}

impl From<Failed> for Fail {
    fn from(failed: Failed) -> Self {
        let status = match &failed {
            Failed::Unknown(_) => return Self::not_found("request"),
            Failed::Objection(objection) => match objection {
                Objection::OwnStatement | Objection::NotAnApprover { .. } | Objection::NotTheRequester => {
                    StatusCode::FORBIDDEN
                }
                Objection::LoginExpired => StatusCode::UNAUTHORIZED,
                Objection::NoJustification | Objection::LongJustification | Objection::NoWindow(_) => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                Objection::NotPending(_)
                | Objection::AlreadyAgreed
                | Objection::NotGranted(_)
                | Objection::NotThisStatement(_)
                | Objection::NothingToReview => StatusCode::CONFLICT,
            },
            Failed::Unlogged(_) | Failed::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Failed::Full(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        // The store's own words name files: they are for the log, not for the visitor.
        if let Failed::Store(error) = &failed {
            tracing::error!(%error, "approvals cannot be stored");
            return Self::new(status, "the decision cannot be stored, so nothing was changed")
                .hint("tell whoever runs Affidavit");
        }
        Self::new(status, failed.to_string())
    }
}
