//! The request of a token exchange (RFC 8693, section 2.1), read strictly, and how it is refused (section 2.2.2).

use super::book::Failed;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{Refusal, RefusalKind};
use serde_json::json;

/// The only grant type of this endpoint.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What a token may be called.
pub(super) const TOKEN_TYPES: [&str; 3] = [
    "urn:ietf:params:oauth:token-type:access_token",
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:jwt",
];
/// What comes back.
pub(super) const ISSUED_TYPE: &str = "urn:affidavit:token-type:database-credential";

/// What is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted<'r> {
    /// The token, unverified.
    pub(super) token: &'r str,
    /// The datasource's name.
    pub(super) datasource: &'r str,
}

/// Why there is no credential.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// The code of RFC 6749, section 5.2, or RFC 8693.
    error: &'static str,
    words: String,
    hint: Option<String>,
    retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: &'static str, words: impl Into<String>) -> Self {
        Self { status, error, words: words.into(), hint: None, retry_after: None }
    }

    fn invalid(words: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", words)
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The address has to wait for so many seconds.
    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The datasource is none, or not theirs.
    pub(super) fn target(refusal: &Refusal) -> Self {
        let problem = Self::new(StatusCode::BAD_REQUEST, "invalid_target", refusal.message.clone());
        Self { hint: refusal.hint.clone(), ..problem }
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let (status, error) = match refusal.kind {
            RefusalKind::IssuerUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            RefusalKind::LimitReached => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
            _ => (StatusCode::BAD_REQUEST, "invalid_request"),
        };
        Self { hint: refusal.hint.clone(), ..Self::new(status, error, refusal.message.clone()) }
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match &failed {
            Failed::TooLate | Failed::Over(_) | Failed::Unknown => Self::invalid(failed.to_string()),
            Failed::NoPasswords(_) => Self::new(StatusCode::BAD_REQUEST, "invalid_target", failed.to_string()),
            Failed::YouHaveEnough | Failed::Full => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", failed.to_string())
            }
            Failed::Unlogged(_) | Failed::Store(_) | Failed::NotKept(_) | Failed::NotRecorded(_) => {
                // The store's own words name files: they are for the log.
                tracing::error!(error = %failed, "the token exchange cannot work");
                let words = "the credential cannot be recorded and stored, so none was given out";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", words).hint("tell whoever runs Affidavit")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let words = match &self.hint {
            Some(hint) => format!("{}; {hint}", self.words),
            None => self.words,
        };
        // RFC 6749 allows printable ASCII but for quotes and backslashes here, and some clients insist.
        let words: String = words
            .chars()
            .map(|letter| match letter {
                '"' => '\'',
                '\\' => '/',
                ' '..='~' => letter,
                _ => '?',
            })
            .collect();
        let mut response = axum::Json(json!({ "error": self.error, "error_description": words })).into_response();
        *response.status_mut() = self.status;
        if let Some(value) = self.retry_after.and_then(|seconds| HeaderValue::from_str(&seconds.to_string()).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

/// Reads the form. A parameter may stand there once; one that would change what is asked for and is not supported is refused
/// rather than ignored.
pub(super) fn read(form: &[(String, String)]) -> Result<Wanted<'_>, Problem> {
    let one = |name: &str| {
        let mut found =
            form.iter().filter(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str());
        match (found.next(), found.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(Problem::invalid(format!("{name} stands in the request more than once"))),
        }
    };
    match one("grant_type")? {
        Some(GRANT) => {}
        Some(_) => {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "only tokens are exchanged here",
            )
            .hint(format!("send grant_type={GRANT}")));
        }
        None => return Err(Problem::invalid("there is no grant_type").hint(format!("send grant_type={GRANT}"))),
    }
    let types = || format!("send subject_token_type={}", TOKEN_TYPES.join(" or "));
    match one("subject_token_type")? {
        Some(kind) if TOKEN_TYPES.contains(&kind) => {}
        Some(_) => return Err(Problem::invalid("the token is of a type that is not accepted here").hint(types())),
        None => return Err(Problem::invalid("there is no subject_token_type").hint(types())),
    }
    if one("actor_token")?.is_some() || one("actor_token_type")?.is_some() {
        return Err(Problem::invalid("acting for somebody else (actor_token) is not supported")
            .hint("send the token of whoever is to be on record"));
    }
    if one("requested_token_type")?.is_some_and(|kind| kind != ISSUED_TYPE) {
        return Err(Problem::invalid("the requested token type cannot be issued here")
            .hint(format!("leave requested_token_type out, or send {ISSUED_TYPE}")));
    }
    if one("scope")?.is_some() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_scope", "credentials have no scopes")
            .hint("name the datasource with audience; policies decide the rest"));
    }
    let datasource = match (one("audience")?, one("resource")?) {
        (Some(name), None) | (None, Some(name)) => name,
        (Some(a), Some(b)) if a == b => a,
        (Some(_), Some(_)) => {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid_target",
                "audience and resource name two datasources",
            )
            .hint("a credential is for one: ask twice"));
        }
        (None, None) => {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_target", "no datasource is named")
                .hint("send audience=NAME, the name of a datasource"));
        }
    };
    let token = one("subject_token")?.ok_or_else(|| {
        Problem::invalid("there is no subject_token").hint("send an OIDC token of a configured issuer")
    })?;
    Ok(Wanted { token, datasource })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(changes: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
        let mut form: Vec<(String, String)> = [
            ("grant_type", GRANT),
            ("subject_token", "a.b.c"),
            ("subject_token_type", TOKEN_TYPES[0]),
            ("audience", "ehr"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
        for (name, value) in changes {
            form.retain(|(key, _)| key != name);
            form.extend(value.map(|value| ((*name).to_owned(), value.to_owned())));
        }
        form
    }

    #[test]
    fn a_sound_request() {
        let wanted = Wanted { token: "a.b.c", datasource: "ehr" };
        assert_eq!(read(&form(&[])).unwrap(), wanted);
        for kind in TOKEN_TYPES {
            assert_eq!(read(&form(&[("subject_token_type", Some(kind))])).unwrap(), wanted);
        }
        assert_eq!(read(&form(&[("audience", None), ("resource", Some("ehr"))])).unwrap(), wanted);
        assert_eq!(
            read(&form(&[("requested_token_type", Some(ISSUED_TYPE)), ("unknown", Some("1"))])).unwrap(),
            wanted
        );
    }

    #[test]
    fn everything_else_is_refused_with_its_code() {
        for (changes, error, words) in [
            (&[("grant_type", None)][..], "invalid_request", "grant_type"),
            (&[("grant_type", Some("authorization_code"))], "unsupported_grant_type", "only tokens"),
            (&[("subject_token", None)], "invalid_request", "subject_token"),
            (&[("subject_token", Some(""))], "invalid_request", "subject_token"),
            (&[("subject_token_type", None)], "invalid_request", "subject_token_type"),
            (&[("subject_token_type", Some("urn:ietf:params:oauth:token-type:saml2"))], "invalid_request", "type"),
            (&[("actor_token", Some("x"))], "invalid_request", "actor_token"),
            (&[("requested_token_type", Some(TOKEN_TYPES[0]))], "invalid_request", "cannot be issued"),
            (&[("scope", Some("openid"))], "invalid_scope", "scopes"),
            (&[("audience", None)], "invalid_target", "no datasource"),
            (&[("resource", Some("other"))], "invalid_target", "two datasources"),
        ] {
            let problem = read(&form(changes)).unwrap_err();
            assert_eq!(problem.error, error, "{changes:?}");
            assert!(problem.words.contains(words), "{}", problem.words);
        }
        let mut twice = form(&[]);
        twice.push(("audience".to_owned(), "billing".to_owned()));
        assert!(read(&twice).unwrap_err().words.contains("more than once"));
    }
}
