//! The proxy's relay in small: it permits what it is given unless a text is on its list, masks the columns of that
//! name, and keeps what it would have recorded. It writes to the client only what the conversation handed out.

use model::{Column, Outcome, Refusal, RefusalKind, StatementId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::{Answer, CellAnswer, CellMasker, Established, Request, Splice, Step};

/// What the relay does beyond relaying.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Columns of this name are masked by repeating `masked`.
    pub masked: Vec<String>,
    /// Texts that are refused.
    pub refused: Vec<String>,
    /// Errors that may quote data are replaced.
    pub guarded: bool,
}

/// What would have been recorded.
#[derive(Debug, Default)]
pub struct Record {
    pub statements: Vec<(StatementId, model::Phase, String, Vec<model::Param>)>,
    pub rows: HashMap<(StatementId, u32), (Vec<u8>, u64)>,
    pub columns: HashMap<(StatementId, u32), Arc<[Column]>>,
    pub done: Vec<(StatementId, Outcome, bool)>,
    pub refused: Vec<(StatementId, Refusal)>,
    pub facts: Vec<(String, Arc<model::Facts>)>,
    pub violation: Option<String>,
}

struct Mask<'a> {
    columns: &'a [Column],
    plan: &'a Plan,
}

impl CellMasker for Mask<'_> {
    fn masks(&self, column: usize) -> bool {
        self.plan.masked.iter().any(|name| *name == self.columns[column].name)
    }

    /// Text becomes `***`, an integer 0, everything else NULL.
    fn mask(&mut self, column: usize, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
        let repr = &self.columns[column].repr;
        match (&repr.kind, cell) {
            (_, None) => CellAnswer::Keep,
            (model::Kind::Int { bytes, .. }, _) if repr.encoding == model::Encoding::MysqlBinary => {
                out.resize(out.len() + usize::from(*bytes).max(1).next_power_of_two(), 0);
                CellAnswer::Replaced
            }
            (model::Kind::Int { .. }, _) => {
                out.push(b'0');
                CellAnswer::Replaced
            }
            (model::Kind::Text, _) => {
                out.extend_from_slice(b"***");
                CellAnswer::Replaced
            }
            _ => CellAnswer::Null,
        }
    }
}

/// Runs a session to its end.
pub async fn run(established: Established, plan: Plan, record: Arc<Mutex<Record>>) {
    let record_of = record.clone();
    let mut conversation = established.conversation;
    let (mut client, mut upstream) = (established.client, established.upstream);
    client.write_all(&established.greeting).await.unwrap();
    let (mut from_client, mut from_upstream) = (established.client_residue, established.upstream_residue);
    let mut columns_now: HashMap<(StatementId, u32), Arc<[Column]>> = HashMap::new();
    loop {
        let (mut to_client, mut to_upstream) = (Vec::new(), Vec::new());
        let mut moved = true;
        while moved {
            moved = false;
            let step = conversation.answer(&from_upstream);
            let step = match step {
                Ok(step) => step,
                Err(violation) => {
                    record.lock().unwrap().violation = Some(violation.to_string());
                    let refusal = Refusal::new(RefusalKind::ProtocolViolation, violation.to_string());
                    conversation.farewell(&refusal, &mut to_client);
                    client.write_all(&to_client).await.ok();
                    return;
                }
            };
            if let Step::Got { consumed, item } = step {
                moved = true;
                let mut record = record.lock().unwrap();
                match item {
                    Answer::Columns { statement, result, columns, wire } => {
                        record.columns.insert((statement, result), columns.clone());
                        columns_now.insert((statement, result), columns);
                        to_client.extend_from_slice(&wire);
                    }
                    Answer::Rows(batch) => {
                        let key = (batch.statement, batch.result);
                        assert!(Arc::ptr_eq(&columns_now[&key], &batch.columns), "one Arc for a result");
                        let mut mask = Mask { columns: &batch.columns.clone(), plan: &plan };
                        let mut splice = Splice::default();
                        let masks = (0..batch.columns.len()).any(|column| mask.masks(column));
                        if masks {
                            conversation.splice(&batch, &mut mask, &mut splice).unwrap();
                            to_client.extend_from_slice(&splice.wire);
                        } else {
                            conversation.journal_rows(&batch, &mut splice.journal).unwrap().unwrap();
                            to_client.extend_from_slice(batch.wire);
                        }
                        let entry = record.rows.entry(key).or_default();
                        entry.0.extend_from_slice(&splice.journal);
                        entry.1 += batch.rows;
                    }
                    Answer::Done { statement, outcome, message, last, wire } => {
                        record.done.push((statement, outcome, last));
                        match message.filter(|message| plan.guarded && message.may_quote_data) {
                            Some(message) => conversation.template(&message, &wire, &mut to_client).unwrap(),
                            None => to_client.extend_from_slice(&wire),
                        }
                    }
                    Answer::Message { wire, .. } | Answer::Forward(wire) => to_client.extend_from_slice(&wire),
                    Answer::Absorb => {}
                }
                from_upstream.drain(..consumed);
                continue;
            }
            let step = match conversation.request(&from_client) {
                Ok(step) => step,
                Err(violation) => {
                    record.lock().unwrap().violation = Some(violation.to_string());
                    return;
                }
            };
            if let Step::Got { consumed, item } = step {
                moved = true;
                let mut record = record_of.lock().unwrap();
                match item {
                    Request::Statement(mut statement) => {
                        if !statement.facts.unknown_relations.is_empty() {
                            drop(record);
                            established.datasource.refresh_catalog().await.unwrap();
                            conversation.reanalyse(&mut statement);
                            record = record_of.lock().unwrap();
                        }
                        let text = String::from_utf8_lossy(&statement.sql).into_owned();
                        let refused = plan.refused.contains(&text);
                        record.facts.push((text.clone(), statement.facts.clone()));
                        record.statements.push((statement.id, statement.phase, text, statement.params.clone()));
                        if refused {
                            let refusal = Refusal::new(RefusalKind::Denied, "not today").hint("ask tomorrow");
                            conversation.refuse(&statement, &refusal, &mut to_upstream, &mut to_client);
                        } else {
                            let mut extra = Vec::new();
                            conversation.permit(&statement, &mut to_upstream, &mut extra);
                            to_upstream.extend_from_slice(&statement.wire);
                            to_upstream.extend_from_slice(&extra);
                        }
                    }
                    Request::Refused(statement, refusal) => {
                        conversation.refuse(&statement, &refusal, &mut to_upstream, &mut to_client);
                        record.refused.push((statement.id, refusal));
                    }
                    Request::Forward(_, bytes) => to_upstream.extend_from_slice(&bytes),
                    Request::Data(bytes) => to_upstream.extend_from_slice(bytes),
                    Request::Absorb => {}
                    Request::Reply(bytes) => to_client.extend_from_slice(&bytes),
                    Request::Terminate(bytes) => {
                        to_upstream.extend_from_slice(bytes);
                        drop(record);
                        upstream.write_all(&to_upstream).await.ok();
                        return;
                    }
                }
                from_client.drain(..consumed);
            }
        }
        upstream.write_all(&to_upstream).await.unwrap();
        client.write_all(&to_client).await.unwrap();
        client.flush().await.unwrap();
        upstream.flush().await.unwrap();
        let read = tokio::select! {
            read = client.read_buf(&mut from_client) => read,
            read = upstream.read_buf(&mut from_upstream) => read,
        };
        if read.unwrap_or(0) == 0 {
            return;
        }
    }
}
