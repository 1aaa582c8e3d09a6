//! The console over TLS, from the login to a decision: what a browser is told there and what it is not told without.

use crate::world::*;
use affidavit::approvals::State;

#[tokio::test]
async fn over_tls_cookies_are_bound_to_the_host_and_the_browser_comes_back_over_tls_only() {
    let world = World::over_tls().await;
    let held = world.held("agent", "select * from encounters", &need(1));
    let id = held.ticket.id().clone();
    let browser = Browser::log_in(&world, "ann", &["privacy-office"]).await;
    let names: Vec<String> = browser.cookies.lock().keys().cloned().collect();
    assert_eq!(names, ["__Host-affidavit"], "the login's own cookie is gone");
    let answer = browser.get("/").await;
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    assert_eq!(answer.status(), 200);
    let form = [("csrf", browser.csrf().await), ("justification", "seen over TLS".to_owned())];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(browser.post(&format!("/approvals/{id}/approve"), &form).await.status(), 303);
    assert!(held.ticket.decided().await.is_ok());
    assert_eq!(world.state(&id), State::Used);
    // A browser that does not trust the certificate does not get that far.
    assert!(plain_http().get(&world.url).send().await.is_err());
    // Plain HTTP on the same port is not answered.
    let plain = world.url.replace("https:", "http:");
    assert!(plain_http().get(plain).send().await.is_err());
}
