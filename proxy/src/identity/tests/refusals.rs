//! Every way in which a token can be wrong, and the words for it.

use super::signer::{Signer, base64url};
use super::{NOW, Stage, setup};
use crate::identity::{Unverified, Verifier};
use model::{AuthMethod, RefusalKind};
use serde_json::{Value, json};
use std::sync::Arc;

/// Expects a refusal whose text holds `words`.
async fn refused(stage: &Stage, token: &str, words: &str) {
    let refusal = stage.verify(token).await.expect_err(words);
    assert_eq!(refusal.kind, RefusalKind::NotAuthenticated, "{refusal}");
    assert!(refusal.to_string().contains(words), "expected {words:?} in: {refusal}");
    assert!(refusal.hint.is_some(), "what to do next is missing: {refusal}");
    assert!(!refusal.message.ends_with('.'), "{refusal}");
}

#[tokio::test]
async fn claims_that_are_wrong() {
    let stage = Stage::new().await;
    let at = |offset: i64| json!(NOW + offset);
    for (changes, words) in [
        (json!({"exp": at(-185)}), "the token expired 3 minutes ago (2027-01-15T07:56:55Z)"),
        (json!({"exp": at(0)}), "the token expired 0 seconds ago"),
        (json!({"exp": at(-1)}), "get a fresh one from http://127.0.0.1:"),
        (json!({"exp": null}), "the token never expires (it has no exp)"),
        (json!({"exp": "soon"}), "the token's exp is not a time"),
        (json!({"exp": -5}), "the token's exp is not a time"),
        (json!({"exp": 1e300}), "the token's exp is not a time"),
        (json!({"exp": u64::MAX}), "the token's exp is not a time"),
        (json!({"exp": [NOW + 60]}), "the token's exp is not a time"),
        (json!({"nbf": at(300)}), "the token is not valid before 2027-01-15T08:05:00Z, 5 minutes from now"),
        (json!({"nbf": "x"}), "the token's nbf is not a time"),
        (json!({"iat": at(300)}), "the token was issued in the future (2027-01-15T08:05:00Z, 5 minutes from now)"),
        (json!({"iat": "x"}), "the token's iat is not a time"),
        (json!({"iat": at(-10), "exp": at(86_400)}), "valid for 86410 seconds; this proxy accepts at most 24 hours"),
        (
            json!({"iat": null, "exp": at(30 * 86_400)}),
            "the token is valid for 30 days; this proxy accepts at most 24 hours",
        ),
        (json!({"aud": "billing"}), "the token is for audience [billing]; this proxy accepts [affidavit, second]"),
        (json!({"aud": ["billing", "x"]}), "the token is for audience [billing, x]"),
        (json!({"aud": []}), "the token is for audience []"),
        (json!({"aud": null}), "the token names no audience"),
        (json!({"aud": {"affidavit": true}}), "the token names no audience"),
        (json!({"aud": ["affidavit", 7]}), "the token names no audience"),
        (json!({"aud": "Affidavit"}), "the token is for audience [Affidavit]"),
        (
            json!({"iss": "https://evil.example"}),
            "the token was issued by \"https://evil.example\"; this proxy accepts [http://127.0.0.1:",
        ),
        (json!({"iss": format!("{}/", stage.issuer.url)}), "compared letter by letter"),
        (json!({"iss": null}), "does not say who issued it (iss)"),
        (json!({"iss": ["x"]}), "does not say who issued it (iss)"),
        (json!({"sub": null}), "does not say whom it is for (it has no \"sub\")"),
        (json!({"sub": ""}), "\"sub\" cannot identify anyone"),
        (json!({"sub": 7}), "\"sub\" cannot identify anyone"),
        (json!({"sub": "a\u{0}b"}), "\"sub\" cannot identify anyone"),
        (json!({"sub": "x".repeat(513)}), "\"sub\" cannot identify anyone"),
        (json!({"groups": ["a", 7]}), "groups (\"groups\") are not all texts"),
        (json!({"groups": {"a": true}}), "neither a list nor a text"),
        (json!({"groups": ["a\n"]}), "holds control characters"),
        (json!({"groups": vec!["g"; 2001]}), "names 2001 groups; at most 2000"),
    ] {
        refused(&stage, &stage.token(&changes), words).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_a_little_off_is_forgiven_for_the_future_only() {
    let stage = Stage::new().await;
    let changes = json!({"nbf": NOW + 60, "iat": NOW + 60});
    assert!(stage.verify(&stage.token(&changes)).await.is_ok());
    refused(&stage, &stage.token(&json!({"nbf": NOW + 61})), "not valid before").await;
    refused(&stage, &stage.token(&json!({"iat": NOW + 61})), "issued in the future").await;
    refused(&stage, &stage.token(&json!({"exp": NOW})), "expired").await;
    let fraction = json!({"exp": 1_800_000_001.9_f64, "iat": 1_799_999_999.5_f64});
    assert_eq!(stage.verify(&stage.token(&fraction)).await.unwrap().expires.0, 1_800_000_001_000_000);
}

#[tokio::test]
async fn headers_that_are_wrong() {
    let stage = Stage::new().await;
    let claims = stage.claims(&json!({})).to_string();
    for (header, words) in [
        (json!({"alg": "none"}), "the token is not signed (alg: none)"),
        (json!({"alg": "NONE", "kid": "first"}), "the token is not signed"),
        (json!({"alg": "HS256", "kid": "first"}), "shared secret (HS256)"),
        (json!({"alg": "HS512", "kid": "first"}), "shared secret (HS512)"),
        (json!({"alg": "PS512", "kid": "first"}), "signed with \"PS512\", which is not accepted here"),
        (json!({"alg": "es256", "kid": "first"}), "signed with \"es256\", which is not accepted here"),
        (json!({"kid": "first"}), "does not say how it is signed (alg)"),
        (json!({"alg": 7}), "does not say how it is signed (alg)"),
        (json!({"alg": "ES256", "kid": 7}), "key id (kid) is not a text"),
        (json!({"alg": "ES256", "kid": "first", "crit": ["exp"], "exp": 1}), "demands extensions (crit)"),
        (
            json!({"alg": "ES256", "kid": "first", "typ": "logout+jwt"}),
            "of type \"logout+jwt\", which is not for logging in",
        ),
        (json!({"alg": "ES256", "kid": "first", "typ": 7}), "which is not for logging in"),
        (json!({"alg": "RS256", "kid": "first"}), "signed with RS256, which is not what the issuer's key is for"),
        (json!({"alg": "ES384", "kid": "first"}), "signed with ES384, which is not what the issuer's key is for"),
    ] {
        refused(&stage, &stage.signer.token_with(&header, &claims), words).await;
    }
    for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        let header = json!({"alg": "ES256", "kid": "first", "typ": kind});
        assert!(stage.verify(&stage.signer.token_with(&header, &claims)).await.is_ok(), "{kind}");
    }
}

#[tokio::test]
async fn texts_that_are_no_tokens() {
    let stage = Stage::new().await;
    let good = stage.token(&json!({}));
    let unsigned =
        format!("{}.{}.", base64url(br#"{"alg":"none"}"#), base64url(stage.claims(&json!({})).to_string().as_bytes()));
    let twice = stage.claims(&json!({})).to_string().replacen('{', "{\"sub\":\"admin\",", 1);
    let header = json!({"alg": "ES256", "kid": "first"});
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    for (text, words) in [
        (String::new(), "no token was sent"),
        (" \n".to_owned(), "no token was sent"),
        ("hunter2".to_owned(), "this looks like a password, not a token"),
        ("a.b.c".to_owned(), "this looks like a password, not a token"),
        ("pass.word.".to_owned(), "this looks like a password, not a token"),
        (format!("Bearer {good}"), "begins with the word Bearer"),
        ("a.b.c.d.e".to_owned(), "the token is encrypted (JWE)"),
        (unsigned, "the token is not signed (alg: none)"),
        ("x".repeat(65_537), "the token is 65537 bytes long; the most that is accepted is 65536"),
        (format!("{}!", good), "its signature is not base64url"),
        (good.replacen('.', ".*", 1), "its middle part is not base64url"),
        (stage.signer.token_with(&header, &twice), "the same key stands in it twice"),
        (stage.signer.token_with(&header, &deep), "nested too deeply"),
        (stage.signer.token_with(&header, "[]"), "it is not a JSON object"),
        (stage.signer.token_with(&header, "{"), "the token's claims cannot be read"),
    ] {
        refused(&stage, &text, words).await;
    }
    assert!(stage.verify(&format!("  {good}\r\n")).await.is_ok(), "white space around a token is the shell's");
    let not_text = stage.verifier.verify(b"\xff\xfe", AuthMethod::TokenAsPassword).await.unwrap_err();
    assert!(not_text.refusal.message.contains("looks like a password"));
    assert_eq!(stage.issuer.requests(super::issuer::KEYS), 1, "the issuer was asked only for the good token");
}

#[tokio::test]
async fn signatures_that_are_wrong() {
    let stage = Stage::new().await;
    let other = Signer::p256("first");
    refused(&stage, &other.token(&stage.claims(&json!({}))), "the token's signature is wrong").await;
    let good = stage.token(&json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    refused(&stage, &format!("{signed}."), "the token's signature is wrong").await;
    let (header, _) = signed.split_once('.').unwrap();
    let forged = base64url(stage.claims(&json!({"groups": ["dba"]})).to_string().as_bytes());
    refused(&stage, &format!("{header}.{forged}.{signature}"), "the token's signature is wrong").await;
    let stranger = Signer::p256("stranger");
    refused(
        &stage,
        &stranger.token(&stage.claims(&json!({}))),
        "signed with key \"stranger\", which its issuer does not publish",
    )
    .await;
    // The public key used as a shared secret: the classic confusion. It must not even be tried.
    let header = json!({"alg": "HS256", "kid": "first"});
    let signed = format!(
        "{}.{}",
        base64url(header.to_string().as_bytes()),
        base64url(stage.claims(&json!({})).to_string().as_bytes())
    );
    let secret = jsonwebtoken::EncodingKey::from_secret(stage.signer.jwk.to_string().as_bytes());
    let tag = jsonwebtoken::crypto::sign(signed.as_bytes(), &secret, jsonwebtoken::Algorithm::HS256).unwrap();
    refused(&stage, &format!("{signed}.{tag}"), "shared secret").await;
}

#[tokio::test]
async fn every_change_of_one_character_is_refused() {
    let stage = Stage::new().await;
    let good = stage.token(&json!({}));
    assert!(stage.verify(&good).await.is_ok());
    for at in 0..good.len() {
        for other in [b'A', b'B', b'_', b'.', b'=', b' ', 0, 0xff] {
            let mut bytes = good.clone().into_bytes();
            if std::mem::replace(&mut bytes[at], other) != other {
                let result = stage.verifier.verify(&bytes, AuthMethod::TokenAsPassword).await;
                assert!(result.is_err(), "byte {at} as {other} is let through: {}", String::from_utf8_lossy(&bytes));
            }
        }
    }
    for end in 0..good.len() {
        assert!(
            stage.verifier.verify(&good.as_bytes()[..end], AuthMethod::TokenAsPassword).await.is_err(),
            "cut at {end}"
        );
    }
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_is_ignored() {
    let stage = Stage::new().await;
    let attacker = Signer::p256("mine");
    let header = json!({"alg": "ES256", "kid": "first", "jwk": attacker.jwk, "jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/"});
    let token = attacker.token_with(&header, &stage.claims(&json!({})).to_string());
    refused(&stage, &token, "the token's signature is wrong").await;
}

#[tokio::test]
async fn an_issuer_cannot_speak_for_another() {
    let stage = Stage::new().await;
    let (second_signer, clock) = (Signer::p256("first"), Arc::clone(&stage.clock));
    let second = super::Issuer::start(&[&second_signer]).await;
    let setups = [setup(&stage.issuer.url), setup(&second.url)];
    let verifier = Verifier::new(&setups, clock as Arc<dyn crate::identity::Clock>).unwrap();
    let claims = stage.claims(&json!({}));
    let denied = verifier.verify(second_signer.token(&claims).as_bytes(), AuthMethod::OauthBearer).await.unwrap_err();
    assert!(denied.refusal.message.contains("signature is wrong"), "{}", denied.refusal);
    let own = stage.claims(&json!({"iss": second.url}));
    assert!(verifier.verify(second_signer.token(&own).as_bytes(), AuthMethod::OauthBearer).await.is_ok());
}

#[tokio::test]
async fn what_a_refused_token_says_of_itself_is_kept_apart_for_the_record() {
    let stage = Stage::new().await;
    let says = |issuer: &str, subject: &str| Unverified {
        issuer: Some(issuer.to_owned()),
        subject: Some(subject.to_owned()),
        token_id: Some("t-1".to_owned()),
    };
    let denied = |token: String| {
        let verifier = Arc::clone(&stage.verifier);
        async move { verifier.verify(token.as_bytes(), AuthMethod::TokenAsPassword).await.unwrap_err().unverified }
    };
    let expired = stage.token(&json!({"exp": NOW - 9, "sub": "a\u{1b}[0m".repeat(100)}));
    let seen = denied(expired).await;
    assert_eq!(seen.issuer.as_deref(), Some(stage.issuer.url.as_str()));
    assert!(
        seen.subject.as_ref().is_some_and(|subject| subject.len() == 200 && !subject.contains('\u{1b}')),
        "{seen:?}"
    );
    let claims: Value = stage.claims(&json!({"iss": "https://evil.example", "sub": "root"}));
    let unsigned = stage.signer.token_with(&json!({"alg": "none"}), &claims.to_string());
    assert_eq!(denied(unsigned).await, says("https://evil.example", "root"));
    assert_eq!(denied("hunter2".to_owned()).await, Unverified::default());
}
