//! Logins against a real PostgreSQL: every method of the upstream, TLS on both sides, and what a client is told.

// A panic is how a test reports.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use model::{Refusal, RefusalKind};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use std::process::{Command, Output};
use std::sync::Arc;
use support::relay::{Rules, serve};
use support::server::{Server, bin};
use support::{TOKEN, TestDesk, datasource, spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::{Protocol, UpstreamTls};

const HBA: &str = "local all all trust
hostssl all tlsonly 127.0.0.1/32 scram-sha-256
hostssl all clear 127.0.0.1/32 password
host all scram 127.0.0.1/32 scram-sha-256
host all md5 127.0.0.1/32 md5
host all open 127.0.0.1/32 trust
host all clear 127.0.0.1/32 password
";

fn prepare(server: &Server) {
    for user in ["scram", "tlsonly", "clear"] {
        server.sql(&format!("CREATE ROLE {user} LOGIN PASSWORD 'päß wörd'"));
    }
    server.sql("SET password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD 'päß wörd'");
    server.sql("CREATE ROLE open LOGIN");
}

async fn psql(port: u16, connection: &str, token: &str, sql: &str) -> Output {
    let conninfo = format!("host=127.0.0.1 port={port} user=ann dbname=ehr {connection}");
    let (token, sql) = (token.to_owned(), sql.to_owned());
    let run = move || {
        Command::new(bin().join("psql"))
            .env("PGPASSWORD", token)
            .args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", &sql, &conninfo])
            .output()
            .expect("psql runs")
    };
    tokio::task::spawn_blocking(run).await.expect("psql ends")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn client_config(ca: &str) -> Arc<rustls::ClientConfig> {
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls_pki_types::CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn server_config(cert: &str, key: &str) -> Arc<rustls::ServerConfig> {
    use rustls_pki_types::pem::PemObject;
    let cert = rustls_pki_types::CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(vec![cert], key).unwrap();
    config.alpn_protocols = affidavit_postgres::Postgres.alpn();
    Arc::new(config)
}

fn certificate() -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    (cert.pem(), key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_into_the_upstream() {
    let (cert, key) = certificate();
    let server = Server::start(HBA, Some((&cert, &key)));
    prepare(&server);
    let tls = UpstreamTls::Required(client_config(&cert));
    let password = Some("päß wörd");
    let who = "SELECT current_user, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())";
    for (user, password, tls, expected) in [
        ("scram", password, UpstreamTls::Disabled, "scram|f"),
        ("scram", password, tls.clone(), "scram|t"),
        ("tlsonly", password, tls.clone(), "tlsonly|t"),
        ("md5", password, UpstreamTls::Disabled, "md5|f"),
        ("clear", password, tls.clone(), "clear|t"),
        ("open", None, UpstreamTls::Disabled, "open|f"),
    ] {
        let datasource = datasource(spec(server.port, user, password, tls));
        let (port, seen) = serve(Arc::new(TestDesk::new(datasource.clone())), Rules::default()).await;
        // Twice: the second login uses the cached SCRAM key.
        for _ in 0..2 {
            let output = psql(port, "sslmode=disable", TOKEN, who).await;
            assert_eq!(out(&output), expected, "{user}: {} {:?}", err(&output), seen.lock().unwrap().errors);
        }
        assert!(datasource.catalog_epoch() >= 1, "the first login reads the catalog");
        let version = datasource.probe().await.unwrap();
        assert!(version.split('.').next().unwrap().parse::<u32>().is_ok(), "{version}");
    }
    for (user, password, tls, expected) in [
        ("clear", password, UpstreamTls::Disabled, "needs TLS"),
        ("scram", None, UpstreamTls::Disabled, "has none configured"),
        ("scram", Some("wrong"), UpstreamTls::Disabled, "password authentication failed"),
    ] {
        let desk = Arc::new(TestDesk::new(datasource(spec(server.port, user, password, tls))));
        let (port, _) = serve(desk.clone(), Rules::default()).await;
        let output = psql(port, "sslmode=disable", TOKEN, who).await;
        assert!(err(&output).contains(expected), "{user}: {}", err(&output));
        assert_eq!(desk.abandoned.lock().unwrap().len(), 1, "the record knows of it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_is_told_at_the_door() {
    let (cert, key) = certificate();
    let server = Server::start(HBA, None);
    prepare(&server);
    let mut tls_desk = TestDesk::new(datasource(spec(server.port, "open", None, UpstreamTls::Disabled)));
    tls_desk.tls = Some(server_config(&cert, &key));
    let tls_desk = Arc::new(tls_desk);
    let (tls_port, seen) = serve(tls_desk.clone(), Rules::default()).await;

    let output = psql(
        tls_port,
        "sslmode=require application_name=report options='-c affidavit.reason=audit -c work_mem=1MB'",
        TOKEN,
        "SHOW work_mem",
    )
    .await;
    assert_eq!(out(&output), "1MB", "{} {:?}", err(&output), seen.lock().unwrap().errors);
    let claim = tls_desk.claims.lock().unwrap().pop().unwrap();
    assert_eq!((claim.user.as_str(), claim.database.as_deref()), ("ann", Some("ehr")));
    assert_eq!((claim.application.as_str(), claim.reason.as_deref()), ("report", Some("audit")));

    let output = psql(tls_port, "sslmode=disable", TOKEN, "SELECT 1").await;
    assert!(err(&output).contains("TLS connections only"), "{}", err(&output));
    let output = psql(tls_port, "sslmode=require", "bad", "SELECT 1").await;
    assert!(
        err(&output).contains("the token is not ours") && err(&output).contains("get a new one"),
        "{}",
        err(&output)
    );
    let large = "x".repeat(70_000);
    let output = psql(tls_port, "sslmode=require", &large, "SELECT 1").await;
    assert!(err(&output).contains("the token is too long"), "{}", err(&output));
    assert_eq!(tls_desk.turned_away.lock().unwrap().len(), 2, "of both the record is told");
    let output = psql(tls_port, "sslmode=require replication=database", TOKEN, "SELECT 1").await;
    assert!(err(&output).contains("replication connections are not supported"), "{}", err(&output));

    // GSS and TLS asked for on a plain listener are answered N, and the client goes on without.
    let plain = Arc::new(TestDesk::new(datasource(spec(server.port, "open", None, UpstreamTls::Disabled))));
    let (port, _) = serve(plain, Rules::default()).await;
    let output = psql(port, "sslmode=prefer gssencmode=prefer", TOKEN, "SELECT 1").await;
    assert_eq!(out(&output), "1", "{}", err(&output));

    // An error of the upstream's login reaches the client as it is.
    let mut missing = spec(server.port, "open", None, UpstreamTls::Disabled);
    missing.database = Some("nowhere".to_owned());
    let (port, _) = serve(Arc::new(TestDesk::new(datasource(missing))), Rules::default()).await;
    let output = psql(port, "sslmode=disable", TOKEN, "SELECT 1").await;
    assert!(err(&output).contains("database \"nowhere\" does not exist"), "{}", err(&output));
}

/// Sends bytes and reads until the connection ends, `enough` has come, or nothing has for half a second.
async fn exchange_until(port: u16, send: &[u8], enough: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(send).await.unwrap();
    let patience = std::time::Duration::from_millis(if enough.is_empty() { 500 } else { 20_000 });
    let mut received = Vec::new();
    while let Ok(Ok(count)) = tokio::time::timeout(patience, stream.read_buf(&mut received)).await {
        if count == 0 || (!enough.is_empty() && received.ends_with(enough)) {
            break;
        }
    }
    received
}

async fn exchange(port: u16, send: &[u8]) -> Vec<u8> {
    exchange_until(port, send, b"").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_first_bytes() {
    let server = Server::start(HBA, None);
    prepare(&server);
    let mut desk = TestDesk::new(datasource(spec(server.port, "open", None, UpstreamTls::Disabled)));
    let (cert, key) = certificate();
    desk.tls = Some(server_config(&cert, &key));
    let (tls_port, seen) = serve(Arc::new(desk), Rules::default()).await;
    let plain = Arc::new(TestDesk::new(datasource(spec(server.port, "open", None, UpstreamTls::Disabled))));
    let (port, _) = serve(plain.clone(), Rules::default()).await;

    // Plaintext behind an SSLRequest never counts as if it came through TLS.
    let ssl = [0, 0, 0, 8, 4, 210, 22, 47];
    let startup = b"\0\0\0\x1b\0\x03\0\0user\0ann\0database\0\0\0\0";
    let received = exchange(tls_port, &[&ssl[..], startup].concat()).await;
    assert!(received.is_empty() || received[0] == b'S' && !received[1..].windows(1).any(|w| w == b"R"), "{received:?}");
    // The client hears of the end before the server has noted why.
    for _ in 0..100 {
        if !seen.lock().unwrap().errors.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!seen.lock().unwrap().errors.is_empty(), "it is an error, not a session");
    assert_eq!(exchange(port, &[&ssl[..], &[0, 0, 0, 8, 4, 210, 22, 48]].concat()).await, b"NN");
    // A bare probe and a cancel request for nothing get no answer.
    assert_eq!(exchange(port, b"").await, b"");
    assert_eq!(exchange(port, &[0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2]).await, b"");
    // Unknown protocol options and a newer minor version are negotiated, then the password is asked for.
    let startup = b"\0\0\0\x20\0\x03\x27\x0fuser\0ann\0_pq_.grease\0\x31\0\0";
    let received = exchange(port, startup).await;
    assert!(
        received.starts_with(b"v\0\0\0\x18\0\x03\0\x02\0\0\0\x01_pq_.grease\0R\0\0\0\x08\0\0\0\x03"),
        "{received:?}"
    );
    // A startup message that claims gigabytes is not waited for.
    assert_eq!(exchange(port, &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0]).await, b"");

    // OAUTHBEARER: discovery, then a token.
    let startup = b"\0\0\0\x27\0\x03\0\0user\0ann\0affidavit.auth\0oauth\0\0";
    assert_eq!(startup.len(), 39);
    let ask = b"R\0\0\0\x15\0\0\0\x0aOAUTHBEARER\0\0";
    let message = |response: &[u8]| {
        let mut message = b"p".to_vec();
        message.extend_from_slice(&u32::try_from(response.len() + 20).unwrap().to_be_bytes());
        message.extend_from_slice(b"OAUTHBEARER\0");
        message.extend_from_slice(&u32::try_from(response.len()).unwrap().to_be_bytes());
        message.extend_from_slice(response);
        message
    };
    let discovery = [&startup[..], &message(b"n,,\x01auth=\x01\x01"), b"p\0\0\0\x05\x01"].concat();
    let received = exchange(port, &discovery).await;
    let text = String::from_utf8_lossy(&received);
    assert!(received.starts_with(ask) && text.contains("https://issuer.test/x") && text.contains("28000"), "{text}");
    let token = format!("n,,\x01auth=Bearer {TOKEN}\x01\x01");
    let login = [&startup[..], &message(token.as_bytes())].concat();
    let received = exchange_until(port, &login, b"Z\0\0\0\x05I").await;
    assert!(received.starts_with(&[&ask[..], b"R\0\0\0\x08\0\0\0\0"].concat()), "{received:?}");
    assert!(received.ends_with(b"Z\0\0\0\x05I"), "{received:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_work_and_can_be_cancelled() {
    let server = Server::start(HBA, None);
    prepare(&server);
    server.sql("CREATE TABLE patients (id int PRIMARY KEY, name text, ssn varchar(11)); GRANT ALL ON patients TO open");
    server.sql("INSERT INTO patients SELECT i, 'name ' || i, '123-45-' || i FROM generate_series(1000, 1999) i");
    let desk = Arc::new(TestDesk::new(datasource(spec(server.port, "open", None, UpstreamTls::Disabled))));
    let refuse = |statement: &model::Statement| {
        let denied = statement.sql.starts_with(b"DELETE");
        denied.then(|| Refusal::new(RefusalKind::Denied, "no deleting").rule("r1"))
    };
    let masks = |column: &model::Column| column.name == "ssn";
    let (port, seen) = serve(desk.clone(), Rules { refuse: Box::new(refuse), masks: Box::new(masks) }).await;

    let output = psql(port, "", TOKEN, "SELECT id, name, ssn FROM patients WHERE id = 1000; SELECT 2").await;
    assert_eq!(out(&output), "1000|name 1000|***\n2", "{} {:?}", err(&output), seen.lock().unwrap().errors);
    let output = psql(port, "", TOKEN, "DELETE FROM patients").await;
    assert!(err(&output).contains("no deleting") && err(&output).contains("r1"), "{}", err(&output));
    assert_eq!(server.sql("SELECT count(*) FROM patients"), "1000");
    for (options, last) in [("", "1999\tname 1999\t***"), ("(FORMAT csv)", "1999,name 1999,***")] {
        let output = psql(
            port,
            "",
            TOKEN,
            &format!("COPY (SELECT id, name, ssn FROM patients ORDER BY id) TO STDOUT {options}"),
        )
        .await;
        assert_eq!(out(&output).lines().last(), Some(last), "{} {:?}", err(&output), seen.lock().unwrap().errors);
        assert_eq!(out(&output).lines().count(), 1000);
        assert!(!out(&output).contains("123-45"));
    }
    let output = psql(port, "", TOKEN, "\\d patients").await;
    assert!(out(&output).contains("ssn"), "{} {:?}", err(&output), seen.lock().unwrap().errors);

    // A cancel request with our key reaches the upstream's session.
    let sleeping = tokio::spawn(async move { psql(port, "", TOKEN, "SELECT pg_sleep(30)").await });
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let (key, upstream) = desk.cancels.lock().unwrap().last().cloned().unwrap();
    assert_eq!(key[..4], upstream[..4], "the process id is the upstream's");
    assert_ne!(key[4..], upstream[4..], "the secret is ours");
    exchange(port, &[&[0, 0, 0, 16, 4, 210, 22, 46], &key[..]].concat()).await;
    let output = sleeping.await.unwrap();
    assert!(err(&output).contains("canceling statement due to user request"), "{}", err(&output));

    let seen = seen.lock().unwrap();
    assert!(seen.errors.is_empty(), "{:?}", seen.errors);
    for (id, sql) in &seen.statements {
        let last: Vec<_> = seen.done.iter().filter(|(done, _, last)| done == id && *last).collect();
        assert!(!last.is_empty(), "{sql} has no last answer");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_tls_needs_its_alpn() {
    let (cert, key) = certificate();
    // Nobody gets as far as an upstream here.
    let mut desk = TestDesk::new(datasource(spec(1, "open", None, UpstreamTls::Disabled)));
    desk.tls = Some(server_config(&cert, &key));
    let (port, seen) = serve(Arc::new(desk), Rules::default()).await;
    for (alpn, welcome) in [(Some(&b"postgresql"[..]), true), (None, false)] {
        let mut config = (*client_config(&cert)).clone();
        config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
        let transport = wire::Transport::dial(&format!("127.0.0.1:{port}")).await.unwrap();
        let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
        let mut transport = transport.connect_tls(Arc::new(config), name).await.unwrap();
        let _ = transport.write_all(b"\0\0\0\x12\0\x03\0\0user\0ann\0\0").await;
        let _ = transport.flush().await;
        let mut answer = [0; 9];
        let read = transport.read_exact(&mut answer).await;
        assert_eq!(read.is_ok() && answer == *b"R\0\0\0\x08\0\0\0\x03", welcome, "{alpn:?}");
    }
    assert!(seen.lock().unwrap().errors.iter().any(|error| error.contains("ALPN")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanged_credentials_log_in_by_scram() {
    let (cert, key) = certificate();
    let server = Server::start(HBA, None);
    prepare(&server);
    let der = |pem: &str| {
        use rustls_pki_types::pem::PemObject;
        rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    };
    let user = "x-23456789bcdfghjkmnpq";
    let verifier = affidavit_postgres::Postgres.verifier(b"right", &[7; 16]).unwrap();
    let desk = |certificate: Option<&str>| {
        let mut desk = TestDesk::new(datasource(spec(server.port, "open", None, UpstreamTls::Disabled)));
        desk.tls = Some(server_config(&cert, &key));
        desk.certificate = certificate.map(der);
        desk.held = Some((user.to_owned(), verifier.clone()));
        Arc::new(desk)
    };
    let (bound, _) = serve(desk(Some(&cert)), Rules::default()).await;
    let (unbound, _) = serve(desk(None), Rules::default()).await;
    // As a client sees it between which and us somebody stands with a certificate of his own.
    let elsewhere = desk(Some(&certificate().0));
    let (intercepted, _) = serve(elsewhere.clone(), Rules::default()).await;
    for (port, user, binding, password, expected) in [
        (bound, user, "require", "right", Ok("1")),
        (bound, user, "disable", "right", Ok("1")),
        (unbound, user, "prefer", "right", Ok("1")),
        (unbound, user, "require", "right", Err("channel binding")),
        (bound, user, "require", "wrong", Err("wrong user name or password")),
        (bound, "x-never", "require", "right", Err("wrong user name or password")),
        (intercepted, user, "prefer", "right", Err("another channel")),
    ] {
        let output =
            psql(port, &format!("user={user} sslmode=require channel_binding={binding}"), password, "SELECT 1").await;
        match expected {
            Ok(answer) => assert_eq!(out(&output), answer, "{user} {binding}: {}", err(&output)),
            Err(words) => assert!(err(&output).contains(words), "{user} {binding}: {}", err(&output)),
        }
    }
    assert!(elsewhere.turned_away.lock().unwrap().iter().any(|words| words.contains("another channel")));
}
