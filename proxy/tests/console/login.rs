//! Logging in and out, and what must not work.

use crate::world::{Browser, World};
use reqwest::header::{LOCATION, SET_COOKIE};

#[tokio::test]
async fn a_login_ends_where_the_visitor_wanted_to_go_with_a_new_strict_cookie() {
    let world = World::start().await;
    world.issuer.logs_in("ann", &["privacy-office"]);
    let browser = Browser::new(&world);
    let away = browser.get("/history?q=x").await;
    assert_eq!(away.headers()[LOCATION], "/login?to=%2Fhistory%3Fq%3Dx");
    assert!(browser.page("/login?to=%2Fhistory%3Fq%3Dx").await.contains("start?to=%2Fhistory%3Fq%3Dx"));
    let start = browser.get("/login/start?to=/history?q=x").await;
    let binder = start.headers()[SET_COOKIE].to_str().unwrap();
    assert!(binder.starts_with("affidavit-login=") && binder.contains("HttpOnly; SameSite=Lax"), "{binder}");
    let issuer = browser.http.get(start.headers()[LOCATION].to_str().unwrap()).send().await.unwrap();
    browser.cookies.lock().insert("affidavit".into(), "planted-by-someone".into());
    let entered = browser.get(issuer.headers()[LOCATION].to_str().unwrap()).await;
    let cookies: Vec<_> =
        entered.headers().get_all(SET_COOKIE).iter().map(|c| c.to_str().unwrap().to_owned()).collect();
    assert!(
        cookies.iter().any(|c| c.starts_with("affidavit=") && c.contains("HttpOnly; SameSite=Strict")),
        "{cookies:?}"
    );
    assert!(cookies.iter().any(|c| c.starts_with("affidavit-login=;") && c.contains("Max-Age=0")), "{cookies:?}");
    assert_ne!(browser.cookies.lock()["affidavit"], "planted-by-someone");
    assert!(entered.text().await.unwrap().contains("url=&#x2f;history?q=x"));
    assert!(browser.page("/").await.contains("ann@example.org"));
}

#[tokio::test]
async fn logging_in_again_changes_the_cookie_and_ends_the_former_session() {
    let world = World::start().await;
    let browser = Browser::log_in(&world, "ann", &[]).await;
    let former = browser.cookies.lock()["affidavit"].clone();
    let start = browser.get("/login/start").await;
    let issuer = browser.http.get(start.headers()[LOCATION].to_str().unwrap()).send().await.unwrap();
    browser.get(issuer.headers()[LOCATION].to_str().unwrap()).await;
    assert_ne!(browser.cookies.lock()["affidavit"], former);
    browser.cookies.lock().insert("affidavit".into(), former);
    assert_eq!(browser.get("/").await.status(), 303);
}

#[tokio::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_asked() {
    let world = World::start().await;
    world.issuer.logs_in("ann", &[]);
    let browser = Browser::new(&world);
    let start = browser.get("/login/start").await;
    let issuer = browser.http.get(start.headers()[LOCATION].to_str().unwrap()).send().await.unwrap();
    let back = issuer.headers()[LOCATION].to_str().unwrap().to_owned();

    let victim = Browser::new(&world);
    let answer = victim.get(&back).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().await.unwrap().contains("begun in another browser"));
    let answer = browser.get(&back).await;
    assert!(answer.text().await.unwrap().contains("unknown, finished or too old"), "tried once, over");
    assert_eq!(browser.get("/login/callback?code=x&state=guess").await.status(), 502);
    assert_eq!(browser.get("/").await.status(), 303);
}

#[tokio::test]
async fn an_id_token_for_another_login_or_another_client_is_refused() {
    let world = World::start().await;
    for (nonce, audience, words) in [
        (Some("other".to_owned()), None, "answers another login (nonce)"),
        (None, Some("affidavit".to_owned()), "audience"),
    ] {
        world.issuer.logs_in("ann", &[]);
        {
            let mut behaviour = world.issuer.behaviour.lock();
            (behaviour.nonce, behaviour.audience) = (nonce, audience);
        }
        let browser = Browser::new(&world);
        let start = browser.get("/login/start").await;
        let issuer = browser.http.get(start.headers()[LOCATION].to_str().unwrap()).send().await.unwrap();
        let answer = browser.get(issuer.headers()[LOCATION].to_str().unwrap()).await;
        assert_eq!(answer.status(), 502);
        let page = answer.text().await.unwrap();
        assert!(page.contains(words), "{words}: {page}");
        assert_eq!(browser.get("/").await.status(), 303);
    }
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let world = World::start().await;
    world.issuer.logs_in("ann", &[]);
    let browser = Browser::new(&world);
    let start = browser.get("/login/start?to=//evil.example/x").await;
    let issuer = browser.http.get(start.headers()[LOCATION].to_str().unwrap()).send().await.unwrap();
    let page = browser.get(issuer.headers()[LOCATION].to_str().unwrap()).await.text().await.unwrap();
    assert!(page.contains("url=&#x2f;\"") && !page.contains("evil"), "{page}");
}

#[tokio::test]
async fn leaving_ends_the_session_on_our_side_too() {
    let world = World::start().await;
    let browser = Browser::log_in(&world, "ann", &[]).await;
    let cookie = browser.cookies.lock()["affidavit"].clone();
    let csrf = browser.csrf().await;
    assert_eq!(browser.post("/logout", &[("csrf", "guess")]).await.status(), 403);
    assert_eq!(browser.post("/logout", &[("csrf", &csrf)]).await.status(), 303);
    browser.cookies.lock().insert("affidavit".into(), cookie);
    assert_eq!(browser.get("/").await.status(), 303);
}

#[tokio::test]
async fn every_answer_is_protected() {
    let world = World::start().await;
    let browser = Browser::new(&world);
    for path in ["/login", "/nonsense", "/healthz", "/assets/console.css", "/api/v1/approvals"] {
        let answer = browser.get(path).await;
        let header =
            |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert!(path.starts_with("/assets") || header("cache-control") == "no-store", "{path}");
    }
}
