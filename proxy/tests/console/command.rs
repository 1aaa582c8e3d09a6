//! `affidavit approvals` as a person runs it.

use crate::world::{World, need};
use affidavit::approvals::State;
use std::process::Output;

async fn affidavit(world: &World, token: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_affidavit"));
    command.arg("approvals").args(arguments).env("AFFIDAVIT_CONSOLE", &world.url).env_remove("AFFIDAVIT_TOKEN");
    if let Some(token) = token {
        command.env("AFFIDAVIT_TOKEN", token);
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_show_deny_and_exit_codes() {
    let world = World::start().await;
    let held = world.held("agent", "select *\n from t", &need(1));
    let id = held.ticket.id().clone();
    let token = world.issuer.token("ann", &["privacy-office"]);
    let list = affidavit(&world, Some(&token), &["list"]).await;
    assert!(out(&list).contains(id.as_str()) && out(&list).contains("select * from t"), "{}{}", out(&list), err(&list));
    let show = affidavit(&world, Some(&token), &["show", &id.as_str().to_uppercase()]).await;
    assert!(out(&show).contains("select *\n from t"), "{}", out(&show));
    let json = affidavit(&world, Some(&token), &["show", id.as_str(), "--json"]).await;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&json.stdout).unwrap()["id"], id.as_str());
    let short = affidavit(&world, Some(&token), &["approve", id.as_str(), "-m", "x"]).await;
    assert_eq!(short.status.code(), Some(1));
    assert!(err(&short).contains("a justification is needed"), "{}", err(&short));
    let missing = affidavit(&world, Some(&token), &["approve", id.as_str()]).await;
    assert_eq!(missing.status.code(), Some(2), "clap asks for the justification");
    let nobody = affidavit(&world, None, &["list"]).await;
    assert_eq!(nobody.status.code(), Some(2));
    assert!(err(&nobody).contains("--client-id"), "{}", err(&nobody));
    let deny = affidavit(&world, Some(&token), &["deny", id.as_str(), "-m", "use the view"]).await;
    assert_eq!((deny.status.code(), world.state(&id)), (Some(0), State::Denied), "{}", err(&deny));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_device_flow_logs_in_and_approves() {
    let world = World::start().await;
    let held = world.held("agent", "select 1", &need(1));
    let id = held.ticket.id().clone();
    world.issuer.logs_in("ann", &["privacy-office"]);
    let approve =
        affidavit(&world, None, &["approve", id.as_str(), "-m", "needed tonight", "--client-id", "affidavit-login"])
            .await;
    assert_eq!(approve.status.code(), Some(0), "{}", err(&approve));
    assert!(err(&approve).contains("WDJB-MJHT"), "{}", err(&approve));
    assert!(out(&approve).contains("is granted"), "{}", out(&approve));
    assert_eq!(held.ticket.decided().await.unwrap().approval().as_str(), id.as_str());
}
