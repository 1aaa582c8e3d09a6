//! Statements: from intent to end, rows between.

use super::state::{Owner, ResultState, Running};
use super::{Assembler, At, Row, Sink, cells};
use crate::error::StoreError;
use crate::record::{Columns, Done, Intent, ResultColumn, RowsHead};
use crate::table::{Body, RowsCommit, RowsOf, SCHEMA_VERSION, Table, Value};
use model::{Kind, SessionId};
use std::collections::BTreeMap;

impl Assembler {
    pub(super) fn intent(&mut self, at: At, intent: Intent, sink: &mut dyn Sink) -> Result<(), StoreError> {
        if !self.state.sessions.contains_key(&intent.session.0) {
            self.opened_implicitly(at, intent.session, sink)?;
        }
        let id = intent.statement.0;
        let session = self.state.sessions.entry(intent.session.0).or_default();
        let running = Running {
            intent,
            sent: at.ts,
            first_row: None,
            rows: 0,
            bytes: 0,
            commit: [0; 32],
            part: None,
            results: BTreeMap::new(),
            tags: Vec::new(),
            affected: None,
        };
        if session.running.insert(id, running).is_some() {
            tracing::error!(statement = id, "a statement's number was used twice; the record holds the later one");
        }
        Ok(())
    }

    fn running(&mut self, session: SessionId, statement: u64, what: &str) -> Option<&mut Running> {
        let found = self.state.sessions.get_mut(&session.0).and_then(|session| session.running.get_mut(&statement));
        if found.is_none() {
            tracing::error!(%session, statement, what, "recorded for a statement that is not running");
        }
        found
    }

    pub(super) fn columns(&mut self, columns: Columns) {
        let Some(running) = self.running(columns.session, columns.statement.0, "columns") else { return };
        let result = running.results.entry(columns.result).or_default();
        result.names = columns.columns.iter().map(|column| column.name.clone()).collect();
        result.raw = columns.columns.iter().map(|column| column.plan.raw).collect();
        result.columns = columns.columns;
    }

    pub(super) fn rows(
        &mut self,
        at: At,
        head: &RowsHead,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<(), StoreError> {
        let mut cells = std::mem::take(&mut self.cells);
        let owner = self.state.sessions.get(&head.session.0).map(|session| session.owner.clone()).unwrap_or_default();
        let outcome = match self.running(head.session, head.statement.0, "rows") {
            Some(running) => {
                running.bytes += bytes.len() as u64;
                if head.rows > 0 {
                    running.first_row.get_or_insert(at.ts);
                }
                let session = head.session.to_string();
                let mut out = Out { at, of: rows_of(&session, head, &owner), head, cells: &mut cells, sink };
                feed(running, bytes, &mut out)
            }
            None => Ok(()),
        };
        self.cells = cells;
        outcome
    }

    pub(super) fn done(&mut self, at: At, done: &Done, sink: &mut dyn Sink) -> Result<(), StoreError> {
        let Some(running) = self.running(done.session, done.statement.0, "the end") else { return Ok(()) };
        if !done.tag.is_empty() {
            running.tags.push(done.tag.clone());
        }
        if let Some(affected) = done.affected {
            running.affected = Some(running.affected.unwrap_or(0).saturating_add(affected));
        }
        if !done.last {
            return Ok(());
        }
        self.ended(at, done.session, done.statement.0, &done.status, done.error_code.clone(), sink)
    }

    pub(super) fn interrupted(
        &mut self,
        at: At,
        session: SessionId,
        statement: u64,
        sink: &mut dyn Sink,
    ) -> Result<(), StoreError> {
        self.ended(at, session, statement, "interrupted", None, sink)
    }

    /// Shows the statements that have no end yet, without ending anything for good: the assembler is of no further use.
    pub(crate) fn running_now(&mut self, lsn: u64, ts: i64, sink: &mut dyn Sink) -> Result<(), StoreError> {
        let sessions = self.state.sessions.iter();
        let running: Vec<([u8; 16], u64)> =
            sessions.flat_map(|(id, session)| session.running.keys().map(|number| (*id, *number))).collect();
        for (id, statement) in running {
            self.ended(At { lsn, ts }, SessionId(id), statement, "running", None, sink)?;
        }
        Ok(())
    }

    fn ended(
        &mut self,
        at: At,
        id: SessionId,
        statement: u64,
        status: &str,
        error_code: Option<String>,
        sink: &mut dyn Sink,
    ) -> Result<(), StoreError> {
        let Some(session) = self.state.sessions.get_mut(&id.0) else { return Ok(()) };
        let Some(mut running) = session.running.remove(&statement) else { return Ok(()) };
        let (session_seq, owner) = (session.seq, session.owner.clone());
        self.finish_streams(at, id, &mut running, sink)?;
        running.commit_part();
        if let Some(session) = self.state.sessions.get_mut(&id.0) {
            session.statements += 1;
            session.rows += running.rows;
            session.bytes += running.bytes;
        }
        let body_commit = self.body(at, id, &running.intent, sink)?;
        let intent = running.intent;
        let kind = kind_of(&intent.phase, &intent.command);
        let (refusal, hint) = intent.refusal.map_or((None, None), |(refusal, hint)| (Some(refusal), hint));
        let not_sent = matches!(intent.decision.as_str(), "deny" | "hold") || status == "refused";
        let own = vec![
            Value::Str(id.to_string()),
            Value::from(intent.statement.0),
            Value::from(session_seq),
            Value::Str(intent.command),
            Value::Str(intent.fingerprint),
            Value::Str(intent.normalized),
            Value::Strs(intent.params.iter().map(|(repr, value)| masked_param(&repr.kind, value)).collect()),
            Value::strs(intent.tables),
            Value::Columns(running.results.values().flat_map(|result| &result.columns).map(describe).collect()),
            Value::Str(intent.decision),
            intent.rule.into(),
            Value::Str(intent.policy.to_string()),
            intent.approval.into(),
            Value::time((!not_sent).then_some(running.sent)),
            Value::time(running.first_row),
            Value::Time(at.ts),
            Value::from(status),
            error_code.into(),
            Value::from(running.rows),
            running.affected.map_or(Value::Null, Value::from),
            Value::from(running.bytes),
            if running.rows > 0 { Value::Str(hex::encode(running.commit)) } else { Value::Null },
            Value::Str(hex::encode(body_commit)),
            Value::Str(intent.phase),
            intent.prepared.map_or(Value::Null, Value::from),
            Value::Str(running.tags.join("; ")),
            owner.user_id.into(),
            owner.user_email.into(),
            owner.issuer.into(),
            owner.datasource.into(),
            Value::from(kind),
            refusal.into(),
            hint.into(),
            Value::strs(intent.used),
            intent.class.into(),
            intent.role.into(),
        ];
        self.session_record(Table::Statements, at, id, own, sink)
    }

    /// What a cut stream left: an unfinished row is kept as one that overflows.
    fn finish_streams(
        &mut self,
        at: At,
        id: SessionId,
        running: &mut Running,
        sink: &mut dyn Sink,
    ) -> Result<(), StoreError> {
        let session = id.to_string();
        let owner = self.state.sessions.get(&id.0).map(|session| session.owner.clone()).unwrap_or_default();
        let mut cells = std::mem::take(&mut self.cells);
        let numbers: Vec<u32> = running.results.keys().copied().collect();
        for number in numbers {
            let Some(mut result) = running.results.remove(&number) else { continue };
            let head = RowsHead {
                session: id,
                statement: running.intent.statement,
                result: number,
                rows: 0,
                layout: model::RowLayout::Framed,
            };
            let left = result.stream.finish(&result.columns, &mut cells);
            if let Some(overflow) = left {
                let of = rows_of(&session, &head, &owner);
                let mut out = Out { at, of, head: &head, cells: &mut cells, sink };
                out.emit(running, &mut result, overflow.as_deref())?;
            }
            running.results.insert(number, result);
        }
        self.cells = cells;
        Ok(())
    }

    fn body(&mut self, at: At, id: SessionId, intent: &Intent, sink: &mut dyn Sink) -> Result<[u8; 32], StoreError> {
        let salt: [u8; 32] = rand::random();
        let sql = cells::text_or_hex(&intent.sql);
        let params: Vec<Option<String>> = intent
            .params
            .iter()
            .map(|(repr, value)| {
                value.as_ref().map(|value| {
                    let mut out = String::new();
                    cells::render(Some(repr), value, &mut out);
                    out
                })
            })
            .collect();
        let statement = i64::try_from(intent.statement.0).unwrap_or(i64::MAX);
        let sent = intent.sent_sql.as_deref().map(cells::text_or_hex);
        let session = id.to_string();
        let body = Body { session: &session, statement, sql: &sql, params: &params, sent: sent.as_deref() };
        let commit = body.commit(SCHEMA_VERSION, &salt);
        let own = vec![
            Value::Str(session),
            Value::Int(statement),
            Value::Str(sql),
            Value::Strs(params),
            Value::Str(hex::encode(salt)),
            sent.into(),
        ];
        let record = self.plain(Table::StatementBodies, at, own);
        sink.record(record, at.ts)?;
        Ok(commit)
    }
}

/// Where the rows of one journal record go.
struct Out<'a> {
    at: At,
    of: RowsOf<'a>,
    head: &'a RowsHead,
    cells: &'a mut cells::Cells,
    sink: &'a mut dyn Sink,
}

fn rows_of<'a>(session: &'a str, head: &RowsHead, owner: &'a Owner) -> RowsOf<'a> {
    RowsOf {
        session,
        statement: i64::try_from(head.statement.0).unwrap_or(i64::MAX),
        user_id: owner.user_id.as_deref(),
        datasource: owner.datasource.as_deref(),
    }
}

fn feed(running: &mut Running, bytes: &[u8], out: &mut Out<'_>) -> Result<(), StoreError> {
    // Taken out while its rows are given away, so that the statement can be changed beside it.
    let mut result = running.results.remove(&out.head.result).unwrap_or_default();
    let mut stream = std::mem::take(&mut result.stream);
    let mut rest = bytes;
    let outcome = loop {
        match stream.next(&out.head.layout, &mut rest, &result.columns, out.cells) {
            None => break Ok(()),
            Some(overflow) => {
                if let Err(error) = out.emit(running, &mut result, overflow.as_deref()) {
                    break Err(error);
                }
            }
        }
    };
    result.stream = stream;
    running.results.insert(out.head.result, result);
    outcome
}

impl Out<'_> {
    fn emit(
        &mut self,
        running: &mut Running,
        result: &mut ResultState,
        overflow: Option<&str>,
    ) -> Result<(), StoreError> {
        for at in result.names.len()..self.cells.len() {
            result.names.push(format!("column {}", at + 1));
        }
        let columns = result.names.get(..self.cells.len()).unwrap_or_default();
        let row = Row {
            lsn: self.at.lsn,
            ts: self.at.ts,
            of: self.of,
            result_set: i64::from(self.head.result),
            row_index: i64::try_from(result.rows).unwrap_or(i64::MAX),
            columns,
            values: self.cells,
            overflow,
            raw: &result.raw,
        };
        let part = running.part.get_or_insert_with(|| RowsCommit::new(SCHEMA_VERSION, &self.of));
        let names = columns.iter().map(|name| Some(name.as_str()));
        part.row(row.result_set, row.row_index, names, self.cells.iter(), overflow, row.shown());
        self.sink.row(&row)?;
        result.rows += 1;
        running.rows += 1;
        running.first_row.get_or_insert(self.at.ts);
        Ok(())
    }
}

/// What a record counts as: `prepare` runs nothing, `session` is housekeeping of the connection, the rest are queries.
fn kind_of(phase: &str, command: &str) -> &'static str {
    let housekeeping = |verb: &str| matches!(verb, "set" | "show" | "transaction" | "session" | "empty");
    if phase == "prepare" {
        "prepare"
    } else if command.split(';').all(housekeeping) {
        "session"
    } else {
        "query"
    }
}

/// A column of a result, as `result_columns` shows it.
fn describe(column: &ResultColumn) -> Vec<Option<String>> {
    let plan = &column.plan;
    let classification = match (&plan.mask, &plan.rule) {
        (Some(mask), _) if mask == "keep" || plan.raw => "exempt",
        (Some(_), _) => "protected",
        (None, Some(_)) => "exempt",
        (None, None) => "open",
    };
    vec![
        Some(column.name.clone()),
        Some(column.type_name.clone()),
        plan.source.as_ref().map(|source| source.0.clone()),
        plan.source.as_ref().map(|source| source.1.clone()),
        Some(classification.to_owned()),
        plan.mask.clone(),
        plan.rule.clone(),
        match (&plan.mask, plan.raw) {
            (_, true) => Some("raw".to_owned()),
            (Some(mask), false) if mask != "keep" => Some("masked".to_owned()),
            _ => None,
        },
    ]
}

/// What the open record says of a parameter: its kind, never its value.
fn masked_param(kind: &Kind, value: &Option<Vec<u8>>) -> Option<String> {
    value.as_ref()?;
    Some(cells::kind_name(kind).to_owned())
}
