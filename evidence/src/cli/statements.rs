//! `evidence statements`.

use super::Place;
use super::near;
use super::output::{self, Format};
use super::sessions::{self, When, Who, footer, short_time};
use crate::error::StoreError;
use crate::export::touches;
use crate::search::{Archive, Condition, Query};
use crate::table::{Record, Table, Value};
use clap::Args;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

/// Which statements: shared with [`crate::Reader`].
#[derive(Args, Clone, Default)]
pub(crate) struct Which {
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) when: When,
    /// Statements that touch this table (`patients` or `public.patients`).
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// Statements that returned this column (`ssn`, `patients.ssn`).
    #[arg(long, value_name = "NAME")]
    pub(crate) column: Option<String>,
    /// Statements that returned a column of this classification: protected, exempt (shown unmasked by rule), open.
    #[arg(long, value_name = "WORD", value_parser = classification)]
    pub(crate) classification: Option<String>,
    /// Text in the statement or in its parameters, whatever the case.
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Fingerprint of the statement's shape.
    #[arg(long, value_name = "HEX")]
    pub(crate) fingerprint: Option<String>,
    /// Decision: allow, deny, hold, approved.
    #[arg(long, value_name = "WORD", value_parser = decision)]
    pub(crate) decision: Option<String>,
    /// Where protected values were masked: untouched, wire, at-source; refused for those that did not run.
    #[arg(long, value_name = "WORD", value_parser = class)]
    pub(crate) class: Option<String>,
    /// How it ended: completed, failed, refused, cancelled, interrupted, not-executed, running.
    #[arg(long, value_name = "WORD", value_parser = status)]
    pub(crate) status: Option<String>,
    /// Error code (SQLSTATE, or MySQL's number); `any` for all that have one.
    #[arg(long, value_name = "CODE")]
    pub(crate) error: Option<String>,
    /// Approval that it used.
    #[arg(long, value_name = "ID")]
    pub(crate) approval: Option<String>,
    /// Statements that returned at least this many rows.
    #[arg(long, value_name = "N")]
    pub(crate) min_rows: Option<i64>,
}

#[derive(Args)]
pub(super) struct Statements {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    which: Which,
    /// Adds the exact text and the parameters, which may hold protected values (JSON only).
    #[arg(long, requires = "json")]
    with_bodies: bool,
    /// File with the key of encrypted statement bodies (hexadecimal).
    #[arg(long, value_name = "FILE")]
    body_key: Option<PathBuf>,
    /// The newest this many. Default: 100 for people, all for --json and --csv.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Says on standard error how many files and row groups were read, and how many were ruled out.
    #[arg(long)]
    touched: bool,
    #[command(flatten)]
    format: Format,
}

impl Statements {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let scope = if self.with_bodies { "statements with their texts" } else { "statements" };
        let mut archive = self.place.open("queried", scope)?;
        archive.body_key = self.body_key.as_deref().map(super::config::body_key).transpose()?;
        let limit = self.limit.or(self.format.is_for_people().then_some(100));
        let (query, closed) = self.which.query(&archive)?;
        if closed {
            eprintln!(
                "evidence: the exact texts are encrypted (--body-key FILE opens them); literals are not searched"
            );
        }
        // One more than is shown, to know whether there is more.
        let mut found = archive.collect(&query, limit.map(|limit| limit.saturating_add(1)))?;
        if found.is_empty() {
            self.which.who.known(&archive)?;
        }
        let more = sessions::newest(&mut found, limit);
        if self.touched {
            let touched = archive.touched();
            eprintln!(
                "evidence: {} files read, {} ruled out by time; {} row groups read, {} ruled out by statistics or bloom filters",
                touched.files, touched.files_skipped, touched.groups, touched.groups_skipped
            );
        }
        if self.format.csv {
            let header: Vec<&str> = Table::Statements.columns().map(|column| column.name).collect();
            let rows = found.iter().map(|(record, _)| record.values.iter().map(Value::text).collect());
            output::csv(&header, rows);
            return Ok(ExitCode::SUCCESS);
        }
        let sessions = sessions_of(&archive, &found)?;
        if self.format.json {
            let bodies = if self.with_bodies { bodies(&archive, &found)? } else { BTreeMap::new() };
            let objects: Vec<Json> =
                found.iter().map(|(record, unsealed)| json(record, *unsealed, &sessions, &bodies)).collect();
            let unproven = |record: &Record| archive.is_unproven(record);
            let objects: Vec<Json> = objects
                .into_iter()
                .zip(&found)
                .map(|(object, (record, _))| proven(object, !unproven(record)))
                .collect();
            output::json(&objects);
        } else {
            let header = ["time (UTC)", "user", "datasource", "decision", "status", "rows", "statement", "session"];
            let rows: Vec<Vec<String>> =
                found.iter().map(|(record, unsealed)| row(&archive, record, *unsealed, &sessions)).collect();
            output::table(&header, &rows);
            footer(&archive, found.len(), "statements", more);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Which {
    /// The search, and whether exact texts are left out of it because they are encrypted and no key is there.
    pub(crate) fn query(&self, archive: &Archive) -> Result<(Query, bool), StoreError> {
        let mut closed = false;
        let mut query = Query::new(Table::Statements).between(self.when.from, self.when.to);
        if self.who.is_set() {
            // A session may have begun long before the statements that are looked for.
            let when = When { from: None, to: self.when.to };
            let ids = sessions::find(archive, &self.who, &when, None)?;
            query = query.with(Condition::In("session_id", ids.iter().map(|s| s.id().to_owned()).collect()));
        }
        for (column, value) in [
            ("fingerprint", &self.fingerprint),
            ("decision", &self.decision),
            ("class", &self.class),
            ("status", &self.status),
        ] {
            if let Some(value) = value {
                query = query.with(Condition::equals(column, value));
            }
        }
        match self.error.as_deref() {
            Some("any") => query = query.with(Condition::Test(Box::new(|record| !record.str("error_code").is_empty()))),
            Some(code) => query = query.with(Condition::equals("error_code", code)),
            None => {}
        }
        if let Some(approval) = &self.approval {
            query = query.with(Condition::equals("approval_id", approval));
        }
        if let Some(class) = self.classification.clone() {
            query = query.with(Condition::Test(Box::new(move |record| match record.get("result_columns") {
                Value::Columns(columns) => {
                    columns.iter().any(|column| column.get(4).and_then(Option::as_deref) == Some(&class))
                }
                _ => false,
            })));
        }
        if let Some(table) = self.table.clone() {
            query = query.with(Condition::Test(Box::new(move |record| touches(record, &table))));
        }
        if let Some(column) = self.column.clone() {
            query = query.with(Condition::Test(Box::new(move |record| returns(record, &column))));
        }
        if let Some(least) = self.min_rows {
            query = query.with(Condition::Test(Box::new(move |record| record.int("row_count") >= least)));
        }
        if let Some(text) = &self.text {
            let (condition, without) = self.text_condition(archive, text)?;
            (query, closed) = (query.with(condition), without);
        }
        Ok((query, closed))
    }

    /// In the text without literals, or in the exact one where it can be read.
    fn text_condition(&self, archive: &Archive, text: &str) -> Result<(Condition, bool), StoreError> {
        let bodies = Query::new(Table::StatementBodies)
            .between(self.when.from, self.when.to)
            .with(Condition::contained(&["sql_text", "params", "sent_sql"], text));
        let mut closed = false;
        // Keys only: a short text is in many bodies, and all of them together need not fit into memory.
        let mut exact = BTreeSet::new();
        let searched = archive.search(&bodies, &mut |record, _| {
            exact.insert(key(&record));
            Ok(true)
        });
        match searched {
            Ok(_) => {}
            Err(StoreError::Damaged { .. }) if archive.body_key.is_none() => closed = true,
            Err(error) => return Err(error),
        }
        let text = text.to_lowercase();
        let condition = Condition::Test(Box::new(move |record: &Record| {
            record.str("sql_normalized").to_lowercase().contains(&text) || exact.contains(&key(record))
        }));
        Ok((condition, closed))
    }
}

fn decision(text: &str) -> Result<String, String> {
    let also = [("allowed", "allow"), ("denied", "deny"), ("held", "hold"), ("approve", "approved")];
    near::word(text, &["allow", "deny", "hold", "approved"], &also)
}

fn class(text: &str) -> Result<String, String> {
    near::word(text, &["untouched", "wire", "at-source", "refused"], &[("source", "at-source"), ("denied", "refused")])
}

fn status(text: &str) -> Result<String, String> {
    let words = ["completed", "failed", "refused", "cancelled", "interrupted", "not-executed", "running"];
    near::word(text, &words, &[("canceled", "cancelled"), ("denied", "refused"), ("complete", "completed")])
}

fn classification(text: &str) -> Result<String, String> {
    near::word(text, &["protected", "exempt", "open"], &[("unmasked", "exempt"), ("masked", "protected")])
}

fn key(record: &Record) -> (String, i64) {
    (record.str("session_id").to_owned(), record.int("statement_id"))
}

fn returns(record: &Record, column: &str) -> bool {
    let Value::Columns(columns) = record.get("result_columns") else { return false };
    columns.iter().any(|fields| {
        let [name, _, table, source, ..] = fields.as_slice() else { return false };
        let full = |column: &String| table.as_ref().map(|table| format!("{table}.{column}"));
        let full = source.as_ref().and_then(full);
        let ends = full.as_deref().is_some_and(|full| {
            full.strip_suffix(column).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        });
        ends || name.as_deref() == Some(column)
    })
}

/// The sessions of the statements that were found.
pub(crate) fn sessions_of(
    archive: &Archive,
    found: &[(Record, bool)],
) -> Result<BTreeMap<String, sessions::Session>, StoreError> {
    let ids: BTreeSet<String> = found.iter().map(|(record, _)| record.str("session_id").to_owned()).collect();
    let newest = found.iter().map(|(record, _)| record.int("ts")).max();
    let mut map = BTreeMap::new();
    let query = Query::new(Table::Sessions).between(None, newest).with(Condition::In("session_id", ids.clone()));
    archive.search(&query, &mut |record, _| {
        if record.str("event") == "open" {
            map.insert(record.str("session_id").to_owned(), sessions::Session::opened(record));
        }
        Ok(map.len() < ids.len())
    })?;
    Ok(map)
}

fn bodies(archive: &Archive, found: &[(Record, bool)]) -> Result<BTreeMap<(String, i64), Record>, StoreError> {
    let ids: BTreeSet<String> = found.iter().map(|(record, _)| record.str("session_id").to_owned()).collect();
    let query = Query::new(Table::StatementBodies).with(Condition::In("session_id", ids));
    Ok(archive.collect(&query, None)?.into_iter().map(|(record, _)| (key(&record), record)).collect())
}

pub(crate) fn json(
    record: &Record,
    unsealed: bool,
    sessions: &BTreeMap<String, sessions::Session>,
    bodies: &BTreeMap<(String, i64), Record>,
) -> Json {
    let mut json = record.json();
    if let Json::Object(fields) = &mut json {
        fields.insert("sealed".to_owned(), Json::from(!unsealed));
        if let Some(session) = sessions.get(record.str("session_id")) {
            for name in ["user_id", "user_email", "server", "protocol", "database", "client_app"] {
                fields.insert(name.to_owned(), session.open.get(name).json());
            }
        }
        if let Some(body) = bodies.get(&key(record)) {
            for name in ["sql_text", "params", "sent_sql"] {
                fields.insert(name.to_owned(), body.get(name).json());
            }
        }
    }
    json
}

/// What is said of a record that no signed head of the journal covered when it was sealed.
pub(crate) fn proven(mut object: Json, proven: bool) -> Json {
    if let (Json::Object(fields), false) = (&mut object, proven) {
        fields.insert("proven".to_owned(), Json::from(false));
    }
    object
}

fn row(
    archive: &Archive,
    record: &Record,
    unsealed: bool,
    sessions: &BTreeMap<String, sessions::Session>,
) -> Vec<String> {
    let session = sessions.get(record.str("session_id"));
    let status = record.str("status");
    let code = record.str("error_code");
    vec![
        short_time(record.get("sent").as_int().unwrap_or(record.int("ts"))),
        session.map(sessions::Session::user).unwrap_or_default(),
        session.map(|session| session.open.str("server").to_owned()).unwrap_or_default(),
        match record.str("rule") {
            "" => record.str("decision").to_owned(),
            rule => format!("{} ({rule})", record.str("decision")),
        },
        match (code, unsealed) {
            ("", false) if archive.is_unproven(record) => format!("{status} (unproven)"),
            ("", false) => status.to_owned(),
            ("", true) => format!("{status} (not sealed)"),
            (code, _) => format!("{status} {code}"),
        },
        record.get("row_count").text(),
        record.str("sql_normalized").to_owned(),
        record.str("session_id").to_owned(),
    ]
}
