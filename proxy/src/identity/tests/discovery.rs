//! What an issuer may answer, and what is not taken from it.

use super::Stage;
use super::issuer::{DISCOVERY, Issuer, KEYS};
use super::signer::{Signer, base64url};
use model::RefusalKind;
use serde_json::{Value, json};

/// Expects that no key can be had, for a reason that holds `words`.
async fn unavailable(stage: &Stage, words: &str) {
    let refusal = stage.verify(&stage.token(&json!({}))).await.expect_err(words);
    assert_eq!(refusal.kind, RefusalKind::IssuerUnavailable, "{refusal}");
    assert!(refusal.message.contains(words), "expected {words:?} in: {refusal}");
}

#[tokio::test]
async fn a_discovery_document_must_be_the_issuers_own_and_point_to_a_protected_key_set() {
    for (change, words) in [
        (
            json!({"issuer": "https://evil.example"}),
            "says that it is issuer \"https://evil.example\", not \"http://127.0.0.1:",
        ),
        (json!({"issuer": null}), "says that it is issuer \"\""),
        (json!({"jwks_uri": null}), "names no key set (jwks_uri)"),
        (json!({"jwks_uri": "keys"}), "is not a URL"),
        (json!({"jwks_uri": "http://keys.example/keys"}), "\"http://keys.example/keys\" is not https"),
        (json!({"jwks_uri": "file:///etc/passwd"}), "is not https"),
    ] {
        let stage = Stage::new().await;
        let mut document = json!({"issuer": stage.issuer.url, "jwks_uri": format!("{}{KEYS}", stage.issuer.url)});
        for (name, value) in change.as_object().unwrap() {
            document[name] = value.clone();
        }
        stage.issuer.answer_json(DISCOVERY, &document);
        unavailable(&stage, words).await;
    }
}

#[tokio::test]
async fn answers_are_bounded_and_strict() {
    let big = vec![b' '; (1 << 20) + 1];
    for (path, status, body, words) in [
        (DISCOVERY, "404 Not Found", &b""[..], "answered 404 Not Found"),
        (KEYS, "500 Internal Server Error", b"", "answered 500"),
        (DISCOVERY, "200 OK", b"<html>", "cannot be read"),
        (DISCOVERY, "200 OK", br#"{"issuer":"a","issuer":"b"}"#, "the same key stands in it twice"),
        (KEYS, "200 OK", &big, "answered with more than 1048576 bytes"),
        (KEYS, "200 OK", b"{}", "has no list of keys"),
        (KEYS, "200 OK", br#"{"keys":[]}"#, "has no key that can check a signature"),
        (KEYS, "200 OK", br#"{"keys":[7,null,{"kty":"oct","k":"AAAA"}]}"#, "has no key that can check a signature"),
    ] {
        let stage = Stage::new().await;
        stage.issuer.answer(path, status, "", body);
        unavailable(&stage, words).await;
    }
}

#[tokio::test]
async fn redirects_are_followed_within_the_issuers_origin_only() {
    let stage = Stage::new().await;
    stage.issuer.answer("/moved", "200 OK", "", json!({"keys": [stage.signer.jwk]}).to_string().as_bytes());
    stage.issuer.answer(KEYS, "302 Found", "location: /moved\r\n", b"");
    assert!(stage.verify(&stage.token(&json!({}))).await.is_ok());

    let (stage, elsewhere) = (Stage::new().await, Issuer::start(&[&Signer::p256("first")]).await);
    stage.issuer.answer(KEYS, "302 Found", &format!("location: {}{KEYS}\r\n", elsewhere.url), b"");
    unavailable(&stage, "it redirects to another host, which is not followed").await;
    assert_eq!(elsewhere.requests(KEYS), 0);

    let stage = Stage::new().await;
    stage.issuer.answer(KEYS, "302 Found", &format!("location: {KEYS}\r\n"), b"");
    unavailable(&stage, "it redirects too often").await;
}

#[tokio::test]
async fn keys_that_cannot_check_signatures_safely_are_left_out() {
    let good = Signer::p256("good").jwk;
    let changed = |changes: Value| {
        let mut jwk = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    };
    let short_rsa = json!({"kty": "RSA", "n": base64url(&[0xc1; 128]), "e": "AQAB"});
    for (jwk, why) in [
        (changed(json!({"use": "enc"})), "for encryption"),
        (changed(json!({"key_ops": ["sign"]})), "not for verifying"),
        (changed(json!({"alg": "HS256"})), "a symmetric algorithm"),
        (changed(json!({"crv": "P-521"})), "an unsupported curve"),
        (changed(json!({"x": "AAAA"})), "a coordinate that is too short"),
        (changed(json!({"kty": "OKP", "crv": "X25519"})), "a key for key agreement"),
        (short_rsa, "1024 bits"),
    ] {
        let stage = Stage::new().await;
        stage.issuer.answer_json(KEYS, &json!({ "keys": [jwk] }));
        let refusal = stage.verify(&stage.token(&json!({}))).await.expect_err(why);
        assert!(refusal.message.contains("has no key that can check a signature"), "{why}: {refusal}");
    }
    let stage = Stage::new().await;
    stage.issuer.answer_json(KEYS, &json!({ "keys": vec![good; 65] }));
    unavailable(&stage, "has 65 keys; at most 64").await;
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_named() {
    let stage = Stage::new().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let setup = super::setup(&format!("http://{free}"));
    let clock = std::sync::Arc::clone(&stage.clock) as std::sync::Arc<dyn crate::identity::Clock>;
    let verifier = crate::identity::Verifier::new(&[setup], clock).unwrap();
    let (issuer, result) = verifier.warm().await.remove(0);
    assert_eq!(issuer, format!("http://{free}"));
    let problem = result.unwrap_err();
    assert!(problem.contains(&issuer) && problem.contains("Connection refused"), "{problem}");
    assert_eq!(
        verifier.discovery().unwrap().openid_configuration,
        format!("http://{free}/.well-known/openid-configuration")
    );
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_given_up_in_time() {
    let stage = Stage::new().await;
    stage.issuer.take_time(std::time::Duration::from_secs(60));
    let before = std::time::Instant::now();
    unavailable(&stage, "no answer within 5 seconds").await;
    assert!(before.elapsed() < std::time::Duration::from_secs(8), "{:?}", before.elapsed());
}
