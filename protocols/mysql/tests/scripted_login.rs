//! Logins at upstreams that no installed server plays: MySQL's caching_sha2_password step by step, and servers that lie,
//! stall or ramble. The library that plays a whole server (opensrv-mysql) answers what it does not know with a made-up
//! OK, so these are written by hand.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests report by panicking, also outside of the marked functions"
)]

mod harness;

use harness::proxy::{Proxy, Upstream};
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use wire::{Options, UpstreamTls};

const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";

/// Plays an upstream for one connection and gives what it did.
fn upstream(play: impl FnOnce(&mut TcpStream) -> Vec<u8> + Send + 'static) -> (u16, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        play(&mut stream)
    });
    (port, thread)
}

fn send(stream: &mut TcpStream, sequence: u8, payload: &[u8]) {
    let mut wire = u32::try_from(payload.len()).unwrap().to_le_bytes()[..3].to_vec();
    wire.push(sequence);
    wire.extend_from_slice(payload);
    stream.write_all(&wire).ok();
}

fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).unwrap();
    let mut payload = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
    stream.read_exact(&mut payload).unwrap();
    payload
}

/// A greeting of MySQL, for this plugin.
fn greeting(plugin: &[u8]) -> Vec<u8> {
    let mut payload = b"\x0a9.7.4\0\x07\0\0\0abcdefgh\0\xff\xf7\xff\x02\0\xff\xdf\x15".to_vec();
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"ijklmnopqrst\0");
    payload.extend_from_slice(plugin);
    payload.push(0);
    payload
}

/// What comes of a login at an upstream that plays like this, and what it heard.
async fn probe(play: impl FnOnce(&mut TcpStream) -> Vec<u8> + Send + 'static) -> (Result<String, String>, Vec<u8>) {
    let (port, thread) = upstream(play);
    let upstream = Upstream {
        port,
        user: "affidavit",
        password: "secret",
        database: None,
        tls: UpstreamTls::Disabled,
        options: Options::default(),
    };
    let proxy = Proxy::listen(upstream, None).await;
    let result = proxy.datasource.probe().await.map_err(|refusal| refusal.to_string());
    let heard = tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    (result, heard)
}

/// The answer to the challenge: SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce).
fn scramble() -> Vec<u8> {
    let once = Sha256::digest(b"secret");
    let twice = Sha256::digest(once);
    let mask = Sha256::new().chain_update(twice).chain_update(NONCE).finalize();
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

#[tokio::test]
async fn caching_sha2_takes_the_fast_path() {
    let (result, heard) = probe(|stream| {
        send(stream, 0, &greeting(b"caching_sha2_password"));
        let response = receive(stream);
        send(stream, 2, &[1, 3]);
        send(stream, 3, b"\0\0\0\x02\0\0\0");
        response
    })
    .await;
    assert_eq!(result.unwrap(), "9.7.4");
    assert!(heard.windows(32).any(|window| window == scramble()), "the scramble is in the handshake response");
    assert!(!heard.windows(6).any(|window| window == b"secret"));
}

#[tokio::test]
async fn caching_sha2_never_sends_the_password_without_tls() {
    let (result, heard) = probe(|stream| {
        send(stream, 0, &greeting(b"caching_sha2_password"));
        let mut heard = receive(stream);
        send(stream, 2, &[1, 4]);
        stream.read_to_end(&mut heard).ok();
        heard
    })
    .await;
    let said = result.unwrap_err();
    assert!(said.contains("set tls for this datasource"), "{said}");
    assert!(!heard.windows(6).any(|window| window == b"secret"));
}

#[tokio::test]
async fn a_server_may_switch_and_is_not_given_the_password_for_it() {
    for (plugin, why) in [
        (&b"mysql_clear_password"[..], "needs TLS"),
        (b"sha256_password", "needs TLS"),
        (b"parsec", "does not speak"),
        (b"dialog", "does not speak"),
    ] {
        let (result, heard) = probe(move |stream| {
            send(stream, 0, &greeting(b"mysql_native_password"));
            let mut heard = receive(stream);
            send(stream, 2, &[&b"\xfe"[..], plugin, b"\0", NONCE, b"\0"].concat());
            stream.read_to_end(&mut heard).ok();
            heard
        })
        .await;
        let said = result.unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(!heard.windows(6).any(|window| window == b"secret"));
    }
    let (result, heard) = probe(|stream| {
        send(stream, 0, &greeting(b"mysql_native_password"));
        receive(stream);
        send(stream, 2, &[&b"\xfecaching_sha2_password\0"[..], NONCE, b"\0"].concat());
        let answer = receive(stream);
        send(stream, 4, &[1, 3]);
        send(stream, 5, b"\0\0\0\x02\0\0\0");
        answer
    })
    .await;
    assert_eq!((result.unwrap().as_str(), heard), ("9.7.4", scramble()));
}

#[tokio::test]
async fn servers_that_lie_or_ramble_are_given_up() {
    type Play = fn(&mut TcpStream) -> Vec<u8>;
    let plays: [(&str, Play, &str); 8] = [
        (
            "full",
            |stream| {
                send(stream, 0, b"\xff\x10\x04Too many connections");
                vec![]
            },
            "1040 (Too many connections)",
        ),
        (
            "old",
            |stream| {
                send(stream, 0, b"\x095.0\0");
                vec![]
            },
            "not protocol version 10",
        ),
        (
            "a sequence that does not begin at 0",
            |stream| {
                send(stream, 4, &greeting(b"x"));
                vec![]
            },
            "sequence id 4",
        ),
        (
            "without plugins",
            |stream| {
                let mut old = greeting(b"");
                old[25] = 0; // The upper capabilities, PLUGIN_AUTH among them.
                send(stream, 0, &old);
                vec![]
            },
            "too old",
        ),
        (
            "endless data",
            |stream| {
                send(stream, 0, &greeting(b"caching_sha2_password"));
                receive(stream);
                (2..40).for_each(|sequence| send(stream, sequence, &[1, 3]));
                vec![]
            },
            "has no end",
        ),
        (
            "huge",
            |stream| {
                stream.write_all(&[0xFF, 0xFF, 0xFF, 0]).ok();
                vec![]
            },
            "more than 65536 bytes",
        ),
        ("gone", |_| vec![], "cannot be used"),
        (
            "old passwords",
            |stream| {
                send(stream, 0, &greeting(b"mysql_native_password"));
                receive(stream);
                send(stream, 2, b"\xfe");
                vec![]
            },
            "pre-4.1",
        ),
    ];
    for (what, play, expected) in plays {
        let (result, _) = probe(play).await;
        let said = result.unwrap_err();
        assert!(said.contains(expected), "{what}: {said}");
    }
}

/// An upstream that the proxy asks for its catalog, and which does not let it in: what it heard after that. Nobody else may
/// come, since nobody is admitted.
fn only_ourselves(stream: &mut TcpStream) -> Vec<u8> {
    send(stream, 0, &greeting(b"caching_sha2_password"));
    receive(stream);
    send(stream, 2, b"\xff\x15\x04#28000not you");
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).ok();
    heard
}

#[tokio::test]
async fn clients_that_stall_or_lie_get_nowhere() {
    // Two upstream connections' worth of greetings: one a client.
    for (what, bytes, expected) in [
        ("a response of a client before 4.1", &b"\x08\0\0\x01\0\0\0\0\0\0\0\0"[..], "refused"),
        ("a wrong sequence", b"\x01\0\0\x05\0", "sequence id 5 where 1 was due"),
        ("a length beyond any token", b"\xff\xff\xff\x01", "more than"),
        (
            "TLS that is not offered",
            b"\x20\0\0\x01\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            "TLS was asked for",
        ),
    ] {
        let (port, thread) = upstream(only_ourselves);
        let upstream = Upstream {
            port,
            user: "affidavit",
            password: "secret",
            database: None,
            tls: UpstreamTls::Disabled,
            options: Options::default(),
        };
        let proxy = Proxy::listen(upstream, None).await;
        let listening = proxy.port;
        let heard = tokio::task::spawn_blocking(move || {
            let mut client = TcpStream::connect(("127.0.0.1", listening)).unwrap();
            let greeting = receive(&mut client);
            assert!(greeting.starts_with(b"\x0a9.7.4\0"));
            assert!(greeting[10] >= 0x40, "the thread's number is our own: nobody has been dialled for this client");
            assert!(!greeting.windows(8).any(|window| window == b"abcdefgh"), "the challenge is our own");
            client.write_all(bytes).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).ok();
            drop(client);
            thread.join().unwrap()
        })
        .await
        .unwrap();
        assert!(heard.is_empty(), "{what}: the upstream heard nothing of it");
        let said = proxy.logins.lock().unwrap().join("\n");
        assert!(said.contains(expected), "{what}: {said}");
        assert!(proxy.claims.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn plain_text_behind_the_request_for_tls_is_not_taken_for_what_came_through_it() {
    let (port, thread) = upstream(only_ourselves);
    let upstream = Upstream {
        port,
        user: "affidavit",
        password: "secret",
        database: None,
        tls: UpstreamTls::Disabled,
        options: Options::default(),
    };
    let (certificate, key) = harness::server::certificate();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![rustls_pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            rustls_pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let proxy = Proxy::listen(upstream, Some(std::sync::Arc::new(config))).await;
    let listening = proxy.port;
    let heard = tokio::task::spawn_blocking(move || {
        let mut client = TcpStream::connect(("127.0.0.1", listening)).unwrap();
        receive(&mut client);
        // PROTOCOL_41, SSL, SECURE_CONNECTION, PLUGIN_AUTH: 32 bytes, and a whole login right behind them.
        let mut request = 0x0008_8A00_u32.to_le_bytes().to_vec();
        request.resize(32, 0);
        let token = harness::proxy::token();
        let mut login = request.clone();
        login.extend_from_slice(b"ann\0");
        login.push(0);
        login.extend_from_slice(b"mysql_clear_password\0");
        let mut bytes = b"\x20\0\0\x01".to_vec();
        bytes.extend_from_slice(&request);
        bytes.extend_from_slice(&u32::try_from(login.len()).unwrap().to_le_bytes()[..3]);
        bytes.push(2);
        bytes.extend_from_slice(&login);
        bytes.extend_from_slice(token.as_bytes());
        client.write_all(&bytes).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).ok();
        assert!(!answer.windows(20).any(|window| window == b"mysql_clear_password"), "it answered the login");
        drop(client);
        thread.join().unwrap()
    })
    .await
    .unwrap();
    assert!(heard.is_empty(), "the upstream hears of no login");
    assert!(proxy.claims.lock().unwrap().is_empty(), "nobody was asked to admit it");
}
