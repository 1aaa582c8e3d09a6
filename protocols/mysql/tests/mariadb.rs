//! Against a real MariaDB: the oracle is the same client doing the same thing directly.

mod harness;

use harness::client::{BASE, DEPRECATE_EOF, MARIADB, SESSION_TRACK};
use harness::proxy::Proxy;
use harness::script::{SETUP, compare, plain, script};
use harness::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_the_same_byte_for_byte() {
    let server = Server::start(SETUP);
    let proxy = Proxy::listen(plain(server.port), None).await;
    let ports = (server.port, proxy.port);
    tokio::task::spawn_blocking(move || {
        for capabilities in
            [BASE, BASE | DEPRECATE_EOF, BASE | DEPRECATE_EOF | SESSION_TRACK | MARIADB, (BASE | SESSION_TRACK) & !1]
        {
            compare(ports.0, ports.1, capabilities, &script());
        }
        drop(server);
    })
    .await
    .unwrap();
    let record = proxy.record.lock().unwrap();
    assert_eq!(record.violation, None);
    let claim = proxy.claims.lock().unwrap()[0].clone();
    assert_eq!((claim.user.as_str(), claim.application.as_str()), ("ann", "oracle"));
    assert_eq!((claim.reason.as_deref(), claim.ticket.as_deref()), (Some("audit"), Some("T-1")));
    // Every statement ended exactly once.
    let mut ended: Vec<_> = record.done.iter().filter(|(_, _, last)| *last).map(|(id, ..)| id.0).collect();
    let sessions = 4;
    assert_eq!(ended.len(), record.statements.len());
    ended.sort_unstable();
    let per_session = u64::try_from(record.statements.len() / sessions).unwrap();
    assert!(ended.iter().enumerate().all(|(at, id)| *id == u64::try_from(at / sessions).unwrap() + 1), "{per_session}");
    let long = record
        .statements
        .iter()
        .find(|(.., params)| params.iter().any(|param| param.value.as_deref() == Some(b"hello you")));
    assert!(long.is_some(), "long data is recorded as a parameter");
    let bulk = record.statements.iter().filter(|(.., params)| params.len() == 3 && params[1].value.is_none()).count();
    assert_eq!(bulk, sessions, "three rows of one parameter each");
}
