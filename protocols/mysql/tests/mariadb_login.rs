//! Against a real MariaDB: logins that succeed and logins that are told what to do.

mod harness;

use harness::anyone;
use harness::client::{BASE, Client};
use harness::proxy::{Proxy, Upstream, token};
use harness::script::{SETUP, plain};
use harness::server::{Server, certificate};
use rustls_pki_types::pem::PemObject as _;
use std::process::Command;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_of_every_kind() {
    let server = Server::start(SETUP);
    // The CLI through TLS on both hops, ed25519 upstream.
    let (pem, key) = certificate();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()],
            rustls_pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let upstream = Upstream { user: "modern", tls: anyone::tls(), ..plain(server.port) };
    let secure = Proxy::listen(upstream, Some(Arc::new(config))).await;
    assert!(secure.datasource.probe().await.unwrap().contains("MariaDB"));
    let open = Proxy::listen(plain(server.port), None).await;
    let wrong = Proxy::listen(Upstream { password: "wrong", ..plain(server.port) }, None).await;
    let gone = Proxy::listen(plain(1), None).await;
    let ports = (secure.port, open.port, wrong.port, gone.port, server.port);
    tokio::task::spawn_blocking(move || {
        let cli = |port: u16, args: &[&str]| {
            Command::new("mariadb")
                .args(["--no-defaults", "-h", "127.0.0.1", "--batch", "-u", "ann", "--skip-ssl-verify-server-cert"])
                .arg(format!("-P{port}"))
                .args(args)
                .output()
                .unwrap()
        };
        let password = format!("-p{}", token());
        let sql =
            "SELECT id, ssn FROM ehr.patients ORDER BY id; SHOW DATABASES LIKE 'ehr'; SHOW STATUS LIKE 'Ssl_cipher'";
        let out = cli(ports.0, &["--ssl", &password, "-e", sql, "ehr"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert!(text.contains("1\t123-45-6789") && text.contains("Ssl_cipher\tTLS_"), "{text}");
        let plain_text = cli(ports.0, &["--skip-ssl", &password, "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&plain_text.stderr).into_owned();
        assert!(said.contains("3159") && said.contains("only served through TLS"), "{said}");
        let expired = cli(ports.0, &["--ssl", "-pnot-it", "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&expired.stderr).into_owned();
        assert!(said.contains("1045") && said.contains("the token has expired. get a new one"), "{said}");
        let empty = cli(ports.1, &["--password=", "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&empty.stderr).into_owned();
        assert!(said.contains("--enable-cleartext-plugin"), "{said}");

        // What the upstream says of the database is passed on; what it says of our own user is not the client's affair.
        let nowhere = cli(ports.1, &[&password, "-e", "SELECT 1", "nowhere"]);
        let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
        assert!(said.contains("1049") && said.contains("Unknown database 'nowhere'"), "{said}");
        let wrong = cli(ports.2, &[&password, "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert!(said.contains("1429") && said.contains("affidavit doctor --datasource ehr"), "{said}");
        let gone = cli(ports.3, &[&password, "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&gone.stderr).into_owned();
        assert!(said.contains("1429") && said.contains("cannot be used"), "{said}");

        // The greeting is the upstream's but for the challenge, the thread and what is not relayed.
        let (direct, _) = Client::login(ports.4, "direct", None, BASE);
        let (through, _) = Client::login(ports.1, "ann", Some(&token()), BASE);
        let version = |client: &Client| client.greeting.split(|byte| *byte == 0).next().unwrap().to_vec();
        assert_eq!(version(&direct), version(&through));
        assert_eq!(direct.greeting.len(), through.greeting.len());
        // A bare probe.
        drop(std::net::TcpStream::connect(("127.0.0.1", ports.1)).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(500));
        drop(server);
    })
    .await
    .unwrap();
    let said = open.logins.lock().unwrap().clone();
    assert!(said.contains(&"finished".to_owned()), "{said:?}");
}
