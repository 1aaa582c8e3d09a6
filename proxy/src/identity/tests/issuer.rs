//! A small issuer on loopback: it answers discovery and key set, counts requests, and misbehaves on demand.

use super::signer::Signer;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(super) const DISCOVERY: &str = "/.well-known/openid-configuration";
pub(super) const KEYS: &str = "/keys";

#[derive(Default)]
struct State {
    /// Whole answers by path, head included.
    answers: HashMap<String, Vec<u8>>,
    requests: HashMap<String, usize>,
    delay: Duration,
    down: bool,
}

pub(super) struct Issuer {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Issuer {
    pub(super) async fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        let issuer = Self { url, state, serving };
        issuer.answer_json(DISCOVERY, &json!({"issuer": issuer.url, "jwks_uri": format!("{}{KEYS}", issuer.url)}));
        issuer.publish(signers);
        issuer
    }

    /// From now on these are its keys.
    pub(super) fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk.clone()).collect();
        self.answer_json(KEYS, &json!({ "keys": keys }));
    }

    pub(super) fn answer_json(&self, path: &str, body: &Value) {
        self.answer(path, "200 OK", "", body.to_string().as_bytes());
    }

    pub(super) fn answer(&self, path: &str, status: &str, headers: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
        self.state.lock().answers.insert(path.to_owned(), [head.as_bytes(), body].concat());
    }

    pub(super) fn go_down(&self, down: bool) {
        self.state.lock().down = down;
    }

    pub(super) fn take_time(&self, delay: Duration) {
        self.state.lock().delay = delay;
    }

    pub(super) fn requests(&self, path: &str) -> usize {
        self.state.lock().requests.get(path).copied().unwrap_or_default()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let (answer, delay, down) = {
        let mut state = state.lock();
        *state.requests.entry(path.clone()).or_default() += 1;
        (state.answers.get(&path).cloned(), state.delay, state.down)
    };
    tokio::time::sleep(delay).await;
    let answer = if down {
        Some(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec())
    } else {
        answer
    };
    let answer =
        answer.unwrap_or_else(|| b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec());
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}
