//! A relay for tests: what the proxy does between two sockets, with closures where the proxy has policies and a record.

use super::TestDesk;
use affidavit_postgres::Postgres;
use model::{Column, Outcome, Refusal, Statement, StatementId};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wire::{
    Answer, CellAnswer, CellMasker, Conversation, Established, Login, Protocol, Request, Splice, Step, Transport,
};

type Judge = dyn Fn(&Statement) -> Option<Refusal> + Send + Sync;
type Masks = dyn Fn(&Column) -> bool + Send + Sync;

/// What happened, for tests to look at.
#[derive(Default)]
pub struct Seen {
    pub statements: Vec<(StatementId, String)>,
    pub done: Vec<(StatementId, Outcome, bool)>,
    pub rows: u64,
    pub journal: Vec<u8>,
    pub columns: Vec<Arc<[Column]>>,
    pub errors: Vec<String>,
    /// Statements that had no last answer when the session ended.
    pub unanswered: usize,
}

pub struct Rules {
    pub refuse: Box<Judge>,
    pub masks: Box<Masks>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { refuse: Box::new(|_| None), masks: Box::new(|_| false) }
    }
}

/// Listens and serves until the test ends; returns the port.
pub async fn serve(desk: Arc<TestDesk>, rules: Rules) -> (u16, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (seen, rules) = (Arc::new(Mutex::new(Seen::default())), Arc::new(rules));
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("nodelay");
            let (desk, seen, rules) = (desk.clone(), shared.clone(), rules.clone());
            tokio::spawn(async move {
                match Postgres.login(Transport::Plain(stream), desk).await {
                    Ok(Login::Session(session)) => run(*session, &rules, &seen).await,
                    Ok(Login::Finished) => {}
                    Err(error) => seen.lock().unwrap().errors.push(error.to_string()),
                }
            });
        }
    });
    (port, seen)
}

/// Masks text by stars; what is not text becomes NULL.
struct Stars(Vec<bool>);

impl CellMasker for Stars {
    fn masks(&self, column: usize) -> bool {
        self.0[column]
    }

    fn mask(&mut self, _column: usize, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
        if cell.is_none() {
            return CellAnswer::Keep;
        }
        out.extend_from_slice(b"***");
        CellAnswer::Replaced
    }
}

async fn run(session: Established, rules: &Rules, seen: &Mutex<Seen>) {
    let Established { mut client, mut upstream, mut conversation, greeting, client_residue, upstream_residue, .. } =
        session;
    let (mut from_client, mut from_upstream) = (client_residue, upstream_residue);
    if client.write_all(&greeting).await.is_err() {
        return;
    }
    loop {
        let _ = client.flush().await;
        let _ = upstream.flush().await;
        // The answer side first: it may open the way for what the client sent.
        let mut to_client = Vec::new();
        let mut moved = answers(conversation.as_mut(), &mut from_upstream, &mut to_client, rules, seen);
        let mut to_upstream = Vec::new();
        let (ended, asked) =
            requests(conversation.as_mut(), &mut from_client, &mut to_upstream, &mut to_client, rules, seen);
        moved |= asked;
        if client.write_all(&to_client).await.is_err() || upstream.write_all(&to_upstream).await.is_err() {
            break;
        }
        if ended || !seen.lock().unwrap().errors.is_empty() {
            break;
        }
        if moved {
            continue;
        }
        let _ = client.flush().await;
        let _ = upstream.flush().await;
        let read = tokio::select! {
            read = client.read_buf(&mut from_client) => read,
            read = upstream.read_buf(&mut from_upstream) => read,
        };
        if !matches!(read, Ok(count) if count > 0) {
            let mut to_client = Vec::new();
            answers(conversation.as_mut(), &mut from_upstream, &mut to_client, rules, seen);
            let _ = client.write_all(&to_client).await;
            break;
        }
    }
    let _ = client.shutdown().await;
    seen.lock().unwrap().unanswered += conversation.unanswered().len();
}

fn requests(
    conversation: &mut dyn Conversation,
    input: &mut Vec<u8>,
    upstream: &mut Vec<u8>,
    client: &mut Vec<u8>,
    rules: &Rules,
    seen: &Mutex<Seen>,
) -> (bool, bool) {
    let mut moved = false;
    loop {
        let (consumed, statement) = match conversation.request(input) {
            Err(violation) => {
                seen.lock().unwrap().errors.push(violation.to_string());
                return (true, moved);
            }
            Ok(Step::Need(_)) => return (false, moved),
            Ok(Step::Got { consumed, item }) => match item {
                Request::Forward(_, bytes) => {
                    upstream.extend_from_slice(&bytes);
                    (consumed, None)
                }
                Request::Data(bytes) => {
                    upstream.extend_from_slice(bytes);
                    (consumed, None)
                }
                Request::Absorb | Request::Reply(_) => (consumed, None),
                Request::Terminate(_) => return (true, moved),
                Request::Statement(statement) => (consumed, Some((statement, None))),
                Request::Refused(statement, refusal) => (consumed, Some((statement, Some(refusal)))),
            },
        };
        moved = true;
        input.drain(..consumed);
        let Some((statement, refusal)) = statement else { continue };
        seen.lock().unwrap().statements.push((statement.id, String::from_utf8_lossy(&statement.sql).into_owned()));
        match refusal.or_else(|| (rules.refuse)(&statement)) {
            Some(refusal) => conversation.refuse(&statement, &refusal, upstream, client),
            None => {
                let mut extra = Vec::new();
                conversation.permit(&statement, upstream, &mut extra);
                upstream.extend_from_slice(&statement.wire);
                upstream.extend_from_slice(&extra);
            }
        }
    }
}

fn answers(
    conversation: &mut dyn Conversation,
    input: &mut Vec<u8>,
    client: &mut Vec<u8>,
    rules: &Rules,
    seen: &Mutex<Seen>,
) -> bool {
    let mut moved = false;
    loop {
        let bytes = std::mem::take(input);
        let step = conversation.answer(&bytes);
        let mut seen = seen.lock().unwrap();
        let consumed = match step {
            Err(violation) => {
                seen.errors.push(violation.to_string());
                return moved;
            }
            Ok(Step::Need(_)) => {
                drop(seen);
                *input = bytes;
                return moved;
            }
            Ok(Step::Got { consumed, item }) => {
                match item {
                    Answer::Columns { columns, wire, .. } => {
                        seen.columns.push(columns);
                        client.extend_from_slice(&wire);
                    }
                    Answer::Rows(batch) => {
                        seen.rows += batch.rows;
                        let mut masker = Stars(batch.columns.iter().map(|column| (rules.masks)(column)).collect());
                        let mut splice = Splice::default();
                        if masker.0.contains(&true) {
                            if let Err(violation) = conversation.splice(&batch, &mut masker, &mut splice) {
                                seen.errors.push(violation.to_string());
                            }
                            let journal = if splice.journal.is_empty() { &splice.wire } else { &splice.journal };
                            seen.journal.extend_from_slice(journal);
                            client.extend_from_slice(&splice.wire);
                        } else {
                            let mut journal = Vec::new();
                            match conversation.journal_rows(&batch, &mut journal) {
                                Ok(Some(())) => seen.journal.extend_from_slice(&journal),
                                Ok(None) => seen.journal.extend_from_slice(batch.wire),
                                Err(violation) => seen.errors.push(violation.to_string()),
                            }
                            client.extend_from_slice(batch.wire);
                        }
                    }
                    Answer::Done { statement, outcome, last, wire, .. } => {
                        seen.done.push((statement, outcome, last));
                        client.extend_from_slice(&wire);
                    }
                    Answer::Message { wire, .. } | Answer::Forward(wire) => client.extend_from_slice(&wire),
                    Answer::Absorb => {}
                }
                consumed
            }
        };
        moved = true;
        *input = bytes;
        input.drain(..consumed);
    }
}
