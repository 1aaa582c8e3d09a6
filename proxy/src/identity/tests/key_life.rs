//! Keys over time: fetched once, renewed quietly, rotated, and never on a stranger's command.

use super::Stage;
use super::issuer::{DISCOVERY, KEYS};
use super::signer::Signer;
use crate::identity::key_cache::UNKNOWN_KEY_PAUSE;
use model::{AuthMethod, RefusalKind};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The token's life is long here, so that only keys age.
fn lasting(stage: &Stage) -> String {
    stage.token(&json!({"exp": super::NOW + 80_000}))
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen within five seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_first_logins_make_one_fetch() {
    let stage = Stage::new().await;
    stage.issuer.take_time(Duration::from_millis(100));
    let token = lasting(&stage);
    let logins: Vec<_> = (0..200)
        .map(|_| {
            let (verifier, token) = (Arc::clone(&stage.verifier), token.clone());
            tokio::spawn(async move { verifier.verify(token.as_bytes(), AuthMethod::TokenAsPassword).await.is_ok() })
        })
        .collect();
    for login in logins {
        assert!(login.await.unwrap());
    }
    assert_eq!((stage.issuer.requests(DISCOVERY), stage.issuer.requests(KEYS)), (1, 1));
}

#[tokio::test]
async fn unknown_key_ids_cause_one_fetch_per_pause() {
    let stage = Stage::new().await;
    assert!(stage.verify(&lasting(&stage)).await.is_ok());
    let stranger = |id: usize| Signer::p256(&format!("stranger-{id}")).token(&stage.claims(&json!({})));
    for id in 0..20 {
        let refusal = stage.verify(&stranger(id)).await.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotAuthenticated);
        assert!(refusal.hint.unwrap().contains("try again in 5 seconds"), "the issuer was asked at this very second");
    }
    assert_eq!(stage.issuer.requests(KEYS), 1);
    for round in 1..=3 {
        stage.clock.advance(Duration::from_secs(30));
        for id in 0..20 {
            assert!(stage.verify(&stranger(id)).await.is_err());
        }
        assert_eq!(stage.issuer.requests(KEYS), 1 + round);
    }
}

#[tokio::test]
async fn strangers_with_unknown_keys_do_not_delay_a_rotated_one() {
    let stage = Stage::new().await;
    assert!(stage.verify(&lasting(&stage)).await.is_ok());
    let next = Signer::ed25519("next");
    stage.issuer.publish(&[&next]);
    let rotated = next.token(&stage.claims(&json!({})));
    let stranger = Signer::p256("stranger").token(&stage.claims(&json!({})));
    let (mut waited, step) = (Duration::ZERO, Duration::from_secs(1));
    while stage.verify(&rotated).await.is_err() {
        for _ in 0..50 {
            assert!(stage.verify(&stranger).await.is_err());
        }
        stage.clock.advance(step);
        waited += step;
        assert!(waited <= UNKNOWN_KEY_PAUSE, "{waited:?}");
    }
    assert!(stage.issuer.requests(KEYS) <= 3, "nor does the issuer hear of each of them");
}

#[tokio::test]
async fn a_new_key_is_found_when_a_token_names_it_and_a_withdrawn_one_is_forgotten() {
    let stage = Stage::new().await;
    let old = lasting(&stage);
    assert!(stage.verify(&old).await.is_ok());
    let next = Signer::ed25519("next");
    stage.issuer.publish(&[&next]);
    stage.clock.advance(Duration::from_secs(31));
    assert!(stage.verify(&old).await.is_ok(), "nobody has noticed yet");
    assert!(stage.verify(&next.token(&stage.claims(&json!({})))).await.is_ok());
    stage.clock.advance(Duration::from_secs(31));
    let refusal = stage.verify(&old).await.unwrap_err();
    assert!(refusal.message.contains("which its issuer does not publish"), "{refusal}");
}

#[tokio::test]
async fn old_keys_serve_while_the_issuer_is_down_but_not_for_ever() {
    let stage = Stage::new().await;
    let token = lasting(&stage);
    assert!(stage.verify(&token).await.is_ok());
    stage.issuer.go_down(true);
    stage.clock.advance(Duration::from_secs(601));
    assert!(stage.verify(&token).await.is_ok(), "stale, and renewed in the background");
    until("a renewal", || stage.issuer.requests(DISCOVERY) == 2).await;
    until("its failure", || stage.verifier.health()[0].failure.is_some()).await;
    for _ in 0..20 {
        assert!(stage.verify(&token).await.is_ok());
    }
    assert_eq!(stage.issuer.requests(DISCOVERY), 2, "a failed renewal is not repeated at once");
    stage.clock.advance(Duration::from_secs(2998));
    assert!(stage.verify(&token).await.is_ok(), "one second before the limit");
    stage.clock.advance(Duration::from_secs(20));
    let refusal = stage.verify(&token).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::IssuerUnavailable);
    assert!(refusal.message.contains("answered 503 Service Unavailable"), "{refusal}");
    stage.issuer.go_down(false);
    stage.clock.advance(Duration::from_secs(3));
    assert!(stage.verify(&token).await.is_ok(), "back again");
    assert_eq!(stage.verifier.health()[0].failure, None);
    assert_eq!(stage.verifier.health()[0].keys, Some((1, Duration::ZERO)));
}

#[tokio::test]
async fn stale_keys_are_renewed_in_the_background_without_anyone_waiting() {
    let stage = Stage::new().await;
    let token = lasting(&stage);
    assert!(stage.verify(&token).await.is_ok());
    stage.issuer.take_time(Duration::from_millis(300));
    stage.clock.advance(Duration::from_secs(601));
    let before = std::time::Instant::now();
    for _ in 0..50 {
        assert!(stage.verify(&token).await.is_ok());
    }
    assert!(before.elapsed() < Duration::from_millis(250), "nobody waits: {:?}", before.elapsed());
    until("the renewal", || stage.verifier.health()[0].keys == Some((1, Duration::ZERO))).await;
    assert_eq!(stage.issuer.requests(KEYS), 2);
}

#[tokio::test]
async fn a_cold_start_with_the_issuer_down_fails_fast_for_everyone() {
    let stage = Stage::new().await;
    stage.issuer.go_down(true);
    let token = lasting(&stage);
    for _ in 0..50 {
        assert_eq!(stage.verify(&token).await.unwrap_err().kind, RefusalKind::IssuerUnavailable);
    }
    assert_eq!(stage.issuer.requests(DISCOVERY), 1);
    stage.issuer.go_down(false);
    stage.clock.advance(Duration::from_secs(2));
    assert!(stage.verify(&token).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_does_not_end_the_fetch_that_others_wait_for() {
    let stage = Stage::new().await;
    stage.issuer.take_time(Duration::from_millis(150));
    let token = lasting(&stage);
    let hasty = tokio::time::timeout(Duration::from_millis(50), stage.verify(&token)).await;
    assert!(hasty.is_err(), "it gave up");
    assert!(stage.verify(&token).await.is_ok());
    assert_eq!(stage.issuer.requests(KEYS), 1);
}

#[tokio::test]
async fn tokens_that_refuse_themselves_never_reach_the_issuer() {
    let stage = Stage::new().await;
    for changes in [json!({"exp": super::NOW - 1}), json!({"aud": "x"}), json!({"iss": "https://evil.example"})] {
        assert!(stage.verify(&stage.token(&changes)).await.is_err());
    }
    assert_eq!(stage.issuer.requests(DISCOVERY), 0);
}
