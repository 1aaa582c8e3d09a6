//! The JSON API.

use crate::issuer::seconds;
use crate::world::{World, need, plain_http};
use affidavit::approvals::State;
use serde_json::{Value, json};

async fn call(world: &World, token: Option<&str>, method: &str, path: &str, body: Value) -> (u16, Value) {
    let mut request = plain_http().request(method.parse().unwrap(), format!("{}/api/v1{path}", world.url));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if method == "POST" {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn tokens_are_checked_before_anything_else() {
    let world = World::start().await;
    let now = seconds();
    let with = |aud: &str, exp: i64| {
        world.issuer.sign(&json!({"iss": world.issuer.url, "sub": "ann", "aud": aud, "iat": now - 900, "exp": exp, "groups": ["privacy-office"]}))
    };
    let forged = world.issuer.token("ann", &["privacy-office"]).replace('A', "B");
    for token in [
        None,
        Some(""),
        Some("x.y.z"),
        Some(&*with("other", now + 600)),
        Some(&*with("affidavit", now - 300)),
        Some(&*forged),
    ] {
        let (status, answer) = call(&world, token, "GET", "/approvals", Value::Null).await;
        assert_eq!(status, 401, "{token:?}: {answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer}");
    }
}

#[tokio::test]
async fn list_show_and_decide() {
    let world = World::start().await;
    let held = world.held("agent", "select 1", &need(2));
    let id = held.ticket.id().to_string();
    let (ann, bob) = (world.issuer.token("ann", &["privacy-office"]), world.issuer.token("bob", &["privacy-office"]));
    let (status, answer) = call(&world, Some(&ann), "GET", "/approvals?state=pending", Value::Null).await;
    assert_eq!((status, answer["approvals"][0]["id"].as_str()), (200, Some(id.as_str())));
    let (_, answer) = call(&world, Some(&ann), "GET", "/approvals?state=used", Value::Null).await;
    assert_eq!(answer["approvals"], json!([]));
    let act = format!("/approvals/{id}/approve");
    let why = json!({"justification": "needed tonight"});
    let (status, answer) = call(&world, Some(&ann), "POST", &act, json!({"justification": "x"})).await;
    assert_eq!(status, 422, "{answer}");
    let (status, answer) =
        call(&world, Some(&ann), "POST", &act, json!({"justification": "needed", "windows": true})).await;
    assert_eq!(status, 422, "unknown fields are refused: {answer}");
    let (status, answer) = call(&world, Some(&ann), "POST", &act, why.clone()).await;
    assert_eq!((status, &answer["state"], answer["agreed"].as_array().unwrap().len()), (200, &json!("pending"), 1));
    assert_eq!(call(&world, Some(&ann), "POST", &act, why.clone()).await.0, 409);
    let (status, answer) = call(&world, Some(&bob), "POST", &act, why).await;
    assert_eq!((status, &answer["state"]), (200, &json!("granted")));
    assert_eq!(held.ticket.decided().await.unwrap().approval().as_str(), id.as_str());
    let (_, answer) = call(&world, Some(&bob), "GET", &format!("/approvals/{id}"), Value::Null).await;
    assert_eq!((&answer["state"], &answer["uses"]), (&json!("used"), &json!(1)));
}

#[tokio::test]
async fn what_is_not_yours_does_not_exist() {
    let world = World::start().await;
    let held = world.held("agent", "select 1", &need(1));
    let id = held.ticket.id().clone();
    let eve = world.issuer.token("eve", &["sales"]);
    let why = json!({"justification": "because I want"});
    for path in [
        format!("/approvals/{id}/approve"),
        "/approvals/apr-2222-2222/approve".into(),
        "/approvals/..%2f..%2fx/approve".into(),
    ] {
        assert_eq!(call(&world, Some(&eve), "POST", &path, why.clone()).await.0, 404, "{path}");
    }
    assert_eq!(call(&world, Some(&eve), "GET", "/approvals", Value::Null).await.1["approvals"], json!([]));
    assert_eq!(world.state(&id), State::Pending);
    let deny = format!("/approvals/{id}/deny");
    let ann = world.issuer.token("ann", &["privacy-office"]);
    assert_eq!(call(&world, Some(&ann), "POST", &deny, why).await.0, 200);
    assert!(held.ticket.decided().await.unwrap_err().message.contains("because I want"));
}

#[tokio::test]
async fn a_cookie_is_no_token_and_the_description_is_public() {
    let world = World::start().await;
    let browser = crate::world::Browser::log_in(&world, "ann", &["privacy-office"]).await;
    assert_eq!(browser.get("/api/v1/approvals").await.status(), 401);
    let document: Value = browser.get("/api/v1/openapi.json").await.json().await.unwrap();
    assert_eq!(document["servers"][0]["url"], format!("{}/api/v1", world.url));
    assert!(document["paths"]["/approvals/{id}/{action}"]["post"].is_object());
}
