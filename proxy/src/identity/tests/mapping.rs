//! From claims to an identity, and every kind of key.

use super::signer::Signer;
use super::{NOW, Stage};
use jsonwebtoken::Algorithm;
use model::{AuthMethod, Identity, Timestamp};
use serde_json::json;

#[tokio::test]
async fn a_good_token_proves_an_identity() {
    let stage = Stage::new().await;
    let identity = stage.verify(&stage.token(&json!({"aud": ["x", "second"]}))).await.unwrap();
    let expected = Identity {
        issuer: stage.issuer.url.clone(),
        subject: "agent-7".to_owned(),
        name: Some("agent@clinic.example".to_owned()),
        groups: vec!["ci-agents".to_owned()],
        expires: Timestamp::from_unix_seconds(NOW + 600),
        method: AuthMethod::TokenAsPassword,
        token_id: Some("t-1".to_owned()),
    };
    assert_eq!(identity, expected);
    let bare = stage.verify(&stage.token(&json!({"email": null, "groups": null, "jti": null}))).await.unwrap();
    assert_eq!((bare.name, bare.groups, bare.token_id), (None, vec![], None));
}

#[tokio::test]
async fn claims_may_have_other_names_and_lie_deeper() {
    let stage = Stage::with(|setup| {
        "uid".clone_into(&mut setup.claims.subject);
        "realm_access.roles".clone_into(&mut setup.claims.groups);
    })
    .await;
    let changes = json!({"uid": "u-1", "realm_access": {"roles": ["a b", "c"]}});
    let identity = stage.verify(&stage.token(&changes)).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.groups), ("u-1", vec!["a b".to_owned(), "c".to_owned()]));
    let flat = json!({"uid": "u-1", "realm_access.roles": "a b  c", "realm_access": {"roles": ["other"]}});
    assert_eq!(
        stage.verify(&stage.token(&flat)).await.unwrap().groups,
        ["a", "b", "c"],
        "a claim of that very name wins"
    );

    let stage = Stage::with(|setup| "https://clinic.example/claims.groups".clone_into(&mut setup.claims.groups)).await;
    let whole = json!({"https://clinic.example/claims.groups": ["x"]});
    assert_eq!(stage.verify(&stage.token(&whole)).await.unwrap().groups, ["x"]);
    let nested = json!({"https://clinic.example/claims": {"groups": ["y"]}});
    assert_eq!(stage.verify(&stage.token(&nested)).await.unwrap().groups, ["y"], "the dots before are part of a name");
}

#[tokio::test]
async fn every_accepted_algorithm_works_with_a_key_of_its_kind_and_no_other() {
    let stage = Stage::new().await;
    let signers = [
        Signer::p256("p256"),
        Signer::p384("p384"),
        Signer::ed25519("ed"),
        Signer::rsa("r1", Algorithm::RS256, None),
        Signer::rsa("r2", Algorithm::RS384, None),
        Signer::rsa("r3", Algorithm::RS512, None),
        Signer::rsa("r4", Algorithm::PS256, Some("PS256")),
    ];
    let mut published: Vec<&Signer> = signers.iter().collect();
    published.push(&stage.signer);
    stage.issuer.publish(&published);
    for signer in &signers {
        let token = signer.token(&stage.claims(&json!({})));
        assert!(stage.verify(&token).await.is_ok(), "{}", signer.jwk);
    }
    let claims = stage.claims(&json!({})).to_string();
    let same_key_other_use = Signer::rsa("r4", Algorithm::RS256, None).token(&stage.claims(&json!({})));
    let refusal = stage.verify(&same_key_other_use).await.unwrap_err();
    assert!(refusal.message.contains("not what the issuer's key is for"), "the issuer says r4 is for PS256: {refusal}");
    let fresh_name = signers[2].token_with(&json!({"alg": "Ed25519", "kid": "ed"}), &claims);
    assert!(stage.verify(&fresh_name).await.is_ok(), "the name of RFC 9864");
}

#[tokio::test]
async fn without_a_key_id_every_suitable_key_is_tried() {
    let stage = Stage::new().await;
    let (second, third) = (Signer::p256("second"), Signer::p256("third"));
    stage.issuer.publish(&[&stage.signer, &Signer::ed25519("ed"), &second]);
    let claims = stage.claims(&json!({})).to_string();
    let anonymous = |signer: &Signer| signer.token_with(&json!({"alg": "ES256"}), &claims);
    assert!(stage.verify(&anonymous(&second)).await.is_ok());
    let refusal = stage.verify(&anonymous(&third)).await.unwrap_err();
    assert!(refusal.message.contains("none of the keys that its issuer publishes"), "{refusal}");
}
