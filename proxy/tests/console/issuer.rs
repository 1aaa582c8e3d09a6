//! An OpenID provider in the test's own process: it logs in whoever the test says, and can be told to cheat.

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who logs in, and how the provider behaves.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    pub(crate) subject: String,
    pub(crate) groups: Vec<String>,
    /// Put this nonce into the ID token instead of the right one.
    pub(crate) nonce: Option<String>,
    /// Make the ID token for this audience instead of the console.
    pub(crate) audience: Option<String>,
}

struct Code {
    challenge: String,
    nonce: String,
    redirect: String,
}

pub(crate) struct Issuer {
    pub(crate) url: String,
    key: EcdsaKeyPair,
    pub(crate) behaviour: Mutex<Behaviour>,
    codes: Mutex<HashMap<String, Code>>,
    polls: Mutex<u32>,
}

pub(crate) fn seconds() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

impl Issuer {
    pub(crate) async fn start() -> Arc<Self> {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let issuer = Arc::new(Self {
            url: format!("http://{}", socket.local_addr().unwrap()),
            key,
            behaviour: Mutex::default(),
            codes: Mutex::default(),
            polls: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/device", post(device))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(socket, router).await });
        issuer
    }

    /// A signed token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "ES256", "typ": "JWT", "kid": "k"})), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// An access token for the proxy.
    pub(crate) fn token(&self, subject: &str, groups: &[&str]) -> String {
        let now = seconds();
        self.sign(&json!({"iss": self.url, "sub": subject, "aud": "affidavit", "iat": now, "exp": now + 600,
            "email": format!("{subject}@example.org"), "groups": groups}))
    }

    pub(crate) fn logs_in(&self, subject: &str, groups: &[&str]) {
        let groups = groups.iter().map(ToString::to_string).collect();
        *self.behaviour.lock() = Behaviour { subject: subject.into(), groups, ..Behaviour::default() };
    }
}

async fn discovery(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    let url = &issuer.url;
    Json(json!({
        "issuer": url, "jwks_uri": format!("{url}/jwks"), "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"), "device_authorization_endpoint": format!("{url}/device"),
    }))
}

async fn jwks(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    let point = issuer.key.public_key().as_ref();
    let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    Json(json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "use": "sig",
        "x": coordinate(1..33), "y": coordinate(33..65)}]}))
}

async fn authorize(State(issuer): State<Arc<Issuer>>, Query(query): Query<HashMap<String, String>>) -> Redirect {
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["client_id"], "console");
    let code = format!("code-{}", issuer.codes.lock().len());
    let (challenge, nonce) = (query["code_challenge"].clone(), query["nonce"].clone());
    let redirect = query["redirect_uri"].clone();
    issuer.codes.lock().insert(code.clone(), Code { challenge, nonce, redirect: redirect.clone() });
    Redirect::to(&format!("{redirect}?code={code}&state={}", query["state"]))
}

async fn token(
    State(issuer): State<Arc<Issuer>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    if form["grant_type"].ends_with("device_code") {
        let mut polls = issuer.polls.lock();
        *polls += 1;
        if *polls < 2 {
            return (StatusCode::BAD_REQUEST, Json(json!({"error": "authorization_pending"}))).into_response();
        }
        let behaviour = issuer.behaviour.lock().clone();
        let groups: Vec<&str> = behaviour.groups.iter().map(String::as_str).collect();
        return Json(json!({"access_token": issuer.token(&behaviour.subject, &groups)})).into_response();
    }
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let Some(code) = issuer.codes.lock().remove(&form["code"]) else { return refuse("invalid_grant") };
    let basic = format!("Basic {}", STANDARD.encode("console:s%3Aecret"));
    if headers["authorization"] != basic.as_str() {
        return refuse("invalid_client");
    }
    let proven = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"])) == code.challenge;
    if !proven || form["redirect_uri"] != code.redirect {
        return refuse("invalid_grant");
    }
    let (behaviour, now) = (issuer.behaviour.lock().clone(), seconds());
    let id_token = issuer.sign(&json!({
        "iss": issuer.url, "sub": behaviour.subject, "aud": behaviour.audience.unwrap_or("console".into()),
        "iat": now, "exp": now + 60, "nonce": behaviour.nonce.unwrap_or(code.nonce), "groups": behaviour.groups,
        "email": format!("{}@example.org", behaviour.subject),
    }));
    Json(json!({"id_token": id_token, "access_token": "opaque", "token_type": "Bearer"})).into_response()
}

async fn device(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    Json(json!({"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": format!("{}/activate", issuer.url),
        "expires_in": 60, "interval": 1}))
}
