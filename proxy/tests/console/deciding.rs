//! Deciding in the browser.

use crate::world::{Browser, World, need};
use affidavit::approvals::{Scope, State};
use model::ApprovalNeed;

const SQL: &str = "select '<script>alert(1)</script>' from encounters -- \u{202e}";

#[tokio::test]
async fn a_request_is_shown_whole_and_inert_and_approved_with_a_reason() {
    let world = World::start().await;
    let held = world.held("agent", SQL, &need(1));
    let id = held.ticket.id().clone();
    let waiting = tokio::spawn(held.ticket.decided());
    let browser = Browser::log_in(&world, "ann", &["privacy-office"]).await;
    assert!(browser.page("/").await.contains(id.as_str()));
    let page = browser.page(&format!("/approvals/{id}")).await;
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script>alert"), "escaped");
    assert!(page.contains("U+202E") && page.contains("nightly &lt;report&gt;") && page.contains("1234"), "{page}");
    let csrf = browser.csrf().await;
    let path = format!("/approvals/{id}/approve");

    assert_eq!(browser.post(&path, &[("justification", "a good reason")]).await.status(), 422, "no token at all");
    assert_eq!(browser.post(&path, &[("csrf", "guess"), ("justification", "a good reason")]).await.status(), 403);
    let answer = browser.post(&path, &[("csrf", &csrf), ("justification", " ")]).await;
    assert_eq!(answer.status(), 422);
    assert!(answer.text().await.unwrap().contains("a justification is needed"));
    assert_eq!(world.state(&id), State::Pending);

    assert_eq!(browser.post(&path, &[("csrf", &csrf), ("justification", "a good reason")]).await.status(), 303);
    assert_eq!(waiting.await.unwrap().unwrap().approval(), &id);
    assert!(browser.page(&format!("/approvals/{id}")).await.contains("a good reason"));
}

#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let world = World::start().await;
    let held = world.held("agent", SQL, &need(1));
    let id = held.ticket.id().clone();
    let browser = Browser::log_in(&world, "ann", &["privacy-office"]).await;
    let csrf = browser.csrf().await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = browser
            .http
            .post(format!("{}/approvals/{id}/approve", world.url))
            .header(name, value)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("csrf={csrf}&justification=good+reason"));
        assert_eq!(browser.send(request).await.status(), 403, "{name}: {value}");
    }
    assert_eq!(world.state(&id), State::Pending);
}

#[tokio::test]
async fn nobody_approves_their_own_and_strangers_see_nothing() {
    let world = World::start().await;
    let held = world.held("agent", SQL, &need(1));
    let id = held.ticket.id().clone();
    let own = Browser::log_in(&world, "agent", &["privacy-office", "ops", "staff"]).await;
    assert!(own.page(&format!("/approvals/{id}")).await.contains("This is your own statement"));
    let form = [("csrf", &*own.csrf().await), ("justification", "I say so")].map(|(a, b)| (a, b.to_owned()));
    let form: Vec<_> = form.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let answer = own.post(&format!("/approvals/{id}/approve"), &form).await;
    assert_eq!(answer.status(), 403);
    assert!(answer.text().await.unwrap().contains("this is your own statement"));
    let stranger = Browser::log_in(&world, "eve", &["sales"]).await;
    assert_eq!(stranger.get(&format!("/approvals/{id}")).await.status(), 404);
    assert!(!stranger.page("/").await.contains(id.as_str()));
    let viewer = Browser::log_in(&world, "vic", &["staff"]).await;
    let page = viewer.page(&format!("/approvals/{id}")).await;
    assert!(page.contains("You cannot decide here") && !page.contains("formaction"), "{page}");
    let csrf = viewer.csrf().await;
    let path = format!("/approvals/{id}/approve");
    assert_eq!(viewer.post(&path, &[("csrf", &csrf), ("justification", "good reason")]).await.status(), 403);
    assert_eq!(world.state(&id), State::Pending);
}

#[tokio::test]
async fn two_people_and_a_window() {
    let world = World::start().await;
    let held = world.held("agent", SQL, &ApprovalNeed { window: true, ..need(2) });
    let id = held.ticket.id().clone();
    let path = format!("/approvals/{id}/approve");
    let form = |csrf: &str| {
        vec![
            ("csrf".to_owned(), csrf.to_owned()),
            ("justification".to_owned(), "agreed by us".to_owned()),
            ("window".to_owned(), "1".to_owned()),
        ]
    };
    for (who, status) in [("ann", 303), ("ann", 409), ("bob", 303)] {
        let browser = Browser::log_in(&world, who, &["privacy-office"]).await;
        let form = form(&browser.csrf().await);
        let form: Vec<_> = form.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(browser.post(&path, &form).await.status(), status, "{who}");
    }
    assert!(matches!(world.state(&id), State::Granted { scope: Scope::Window, .. }));
}

#[tokio::test]
async fn sessions_are_ended_by_operators_only() {
    let world = World::start().await;
    let session = model::SessionId([7; 16]).to_string();
    let viewer = Browser::log_in(&world, "vic", &["staff"]).await;
    let page = viewer.page("/sessions").await;
    assert!(page.contains("&lt;b&gt;Agent") && !page.contains("<b>Agent"), "{page}");
    let csrf = viewer.csrf().await;
    assert_eq!(viewer.post(&format!("/sessions/{session}/end"), &[("csrf", &csrf)]).await.status(), 403);
    let operator = Browser::log_in(&world, "ops", &["ops"]).await;
    let csrf = operator.csrf().await;
    assert_eq!(operator.post("/sessions/none/end", &[("csrf", &csrf)]).await.status(), 404);
    assert_eq!(operator.post(&format!("/sessions/{session}/end"), &[("csrf", &csrf)]).await.status(), 303);
    assert_eq!(*world.proxy.killed.lock(), [(session, format!("{}|ops", world.issuer.url))]);
}

#[tokio::test]
async fn policies_show_what_changed_and_health_what_is_wrong() {
    let world = World::start().await;
    let browser = Browser::log_in(&world, "vic", &["staff"]).await;
    let page = browser.page("/policies").await;
    assert!(page.contains("- with = &quot;null&quot;") && page.contains("+ with = &quot;redact&quot;"), "{page}");
    assert!(page.contains("changed") && page.contains("“ssn” <b>for everyone</b>"), "{page}");
    let (old, new) = ("a1".repeat(32), "b2".repeat(32));
    let compared = browser.page(&format!("/policies?from={}&to={}", &new[..12], &old[..12])).await;
    assert!(compared.contains("- with = &quot;redact&quot;"), "the other way round: {compared}");
    assert_eq!(browser.get("/policies?from=ff&to=a1").await.status(), 404);
    let health = browser.page("/health").await;
    assert!(health.contains("all well") && health.contains("datasource ehr"), "{health}");
    assert_eq!(browser.get("/healthz").await.status(), 200);
    *world.proxy.ill.lock() = true;
    assert_eq!(browser.get("/healthz").await.status(), 503);
    assert!(browser.page("/health").await.contains("not well"));
    let nobody = Browser::log_in(&world, "eve", &[]).await;
    for path in ["/sessions", "/policies", "/health"] {
        assert_eq!(nobody.get(path).await.status(), 403, "{path}");
    }
}
