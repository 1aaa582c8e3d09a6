//! `evidence show` and `evidence replay`: one session, as it went.

use super::Place;
use super::output;
use super::sessions::{self, Session, short_time};
use super::statements::proven;
use crate::error::StoreError;
use crate::search::{Archive, Condition, Query, ResultRow};
use crate::table::{Record, Table, Value};
use crate::visible::{block, json as json_shown, one_line};
use clap::Args;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub(super) struct Show {
    /// Session id, or its beginning.
    #[arg(value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    place: Place,
    /// Rows that are shown of each result.
    #[arg(long, value_name = "N", default_value_t = 10)]
    rows: usize,
    /// File with the key of encrypted statement bodies (hexadecimal).
    #[arg(long, value_name = "FILE")]
    body_key: Option<PathBuf>,
    /// Prints one JSON object with all rows.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Replay {
    /// Session id, or its beginning.
    #[arg(value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    place: Place,
    /// Waits as long as the client did: at this speed (1 is the original, 10 ten times as fast).
    #[arg(long, value_name = "SPEED", conflicts_with = "step")]
    timing: Option<f64>,
    /// Waits for the enter key before each statement.
    #[arg(long)]
    step: bool,
    /// File with the key of encrypted statement bodies (hexadecimal).
    #[arg(long, value_name = "FILE")]
    body_key: Option<PathBuf>,
}

/// A session with all that is recorded of it.
struct Whole {
    session: Session,
    statements: Vec<Record>,
    bodies: BTreeMap<i64, Record>,
    rows: BTreeMap<i64, Vec<ResultRow>>,
    /// Statements whose end no signed head of the journal covered when it was sealed.
    unproven: BTreeSet<i64>,
}

fn load(archive: &Archive, id: &str) -> Result<Whole, StoreError> {
    let session = sessions::find_one(archive, id)?;
    let of = |table| Query::new(table).with(Condition::equals("session_id", session.id()));
    let mut statements: Vec<Record> =
        archive.collect(&of(Table::Statements), None)?.into_iter().map(|(record, _)| record).collect();
    statements.sort_by_key(|record| record.int("statement_id"));
    let bodies = match archive.collect(&of(Table::StatementBodies), None) {
        Ok(bodies) => bodies.into_iter().map(|(record, _)| (record.int("statement_id"), record)).collect(),
        Err(StoreError::Damaged { .. }) if archive.body_key.is_none() => {
            eprintln!("evidence: the exact texts are encrypted (--body-key FILE opens them)");
            BTreeMap::new()
        }
        Err(error) => return Err(error),
    };
    let mut rows: BTreeMap<i64, Vec<ResultRow>> = BTreeMap::new();
    for row in archive.rows(session.id(), None)? {
        rows.entry(row.statement).or_default().push(row);
    }
    let unproven = statements.iter().filter(|record| archive.is_unproven(record));
    let unproven = unproven.map(|record| record.int("statement_id")).collect();
    Ok(Whole { session, statements, bodies, rows, unproven })
}

impl Show {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let mut archive = self.place.open("queried", &format!("session {}", self.session))?;
        archive.body_key = self.body_key.as_deref().map(super::config::body_key).transpose()?;
        let whole = load(&archive, &self.session)?;
        if self.json {
            output::lines(&format!("{}\n", json_shown(&whole.json().to_string())));
            return Ok(ExitCode::SUCCESS);
        }
        output::lines(&whole.header());
        for statement in &whole.statements {
            output::lines(&whole.heading(statement));
            whole.results(statement, self.rows);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let mut archive = self.place.open("replayed", &format!("session {}", self.session))?;
        archive.body_key = self.body_key.as_deref().map(super::config::body_key).transpose()?;
        let whole = load(&archive, &self.session)?;
        output::lines(&whole.header());
        let mut last = whole.session.open.int("ts");
        for statement in &whole.statements {
            let at = statement.get("sent").as_int().unwrap_or(statement.int("ts"));
            if self.step {
                let mut line = String::new();
                if std::io::stdin().read_line(&mut line).is_ok_and(|n| n == 0) {
                    break;
                }
            } else if let Some(speed) = self.timing.filter(|speed| *speed > 0.0) {
                let micros = u64::try_from(at - last).unwrap_or(0);
                std::thread::sleep(Duration::from_micros(micros).div_f64(speed).min(Duration::from_secs(3600)));
            }
            last = at;
            output::lines(&format!("\n{}> {}\n", short_time(at), whole.text(statement)));
            whole.results(statement, usize::MAX);
            let outcome = match (statement.str("error_code"), statement.str("tag")) {
                ("", "") => statement.str("status").to_owned(),
                ("", tag) => tag.to_owned(),
                (code, _) => format!("{} with {code}", statement.str("status")),
            };
            output::lines(&format!("{}\n", clean(&outcome)));
            let _ = std::io::stdout().flush();
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A value on one line for people.
fn clean(text: &str) -> String {
    one_line(text).into_owned()
}

/// What a text's own lines begin with, so that none passes for one of ours.
const MORE: &str = "   | ";

impl Whole {
    fn header(&self) -> String {
        let open = &self.session.open;
        let mut out = format!("session     {}\n", self.session.id());
        let mut line = |name: &str, value: String| {
            if !value.is_empty() {
                out.push_str(&format!("{name:<11} {}\n", clean(&value)));
            }
        };
        let groups = match open.get("groups") {
            Value::Strs(groups) => groups.iter().flatten().cloned().collect::<Vec<_>>().join(", "),
            _ => String::new(),
        };
        let text = |name: &str| open.str(name).to_owned();
        line("user", format!("{} ({})", self.session.user(), text("user_id")));
        line("issuer", text("issuer"));
        line("groups", groups);
        line("proven by", text("auth_method"));
        line("claimed", text("claimed_user"));
        line("client", format!("{} {}", text("client_addr"), text("client_app")));
        line(
            "datasource",
            format!("{} ({} {} as {})", text("server"), text("protocol"), text("database"), text("db_user")),
        );
        line("reason", text("reason"));
        line("ticket", text("ticket"));
        line("opened", short_time(open.int("ts")));
        line("policy", text("policy_version"));
        match &self.session.close {
            Some(close) => line("closed", format!("{}: {}", short_time(close.int("ts")), close.str("close_reason"))),
            None if self.session.event() == "denied" => line("refused", text("close_reason")),
            None => line("closed", "not yet".to_owned()),
        }
        out
    }

    /// The statement as it was sent, or without its literals where the exact text cannot be read.
    fn text(&self, statement: &Record) -> String {
        let body = self.bodies.get(&statement.int("statement_id"));
        block(body.map_or(statement.str("sql_normalized"), |body| body.str("sql_text")), MORE)
    }

    fn heading(&self, statement: &Record) -> String {
        let text = |name: &str| statement.get(name).text();
        let mut out = format!("\n#{} {}\n", text("statement_id"), self.text(statement));
        let body = self.bodies.get(&statement.int("statement_id"));
        if let Some(Value::Strs(params)) = body.map(|body| body.get("params"))
            && !params.is_empty()
        {
            let shown: Vec<&str> = params.iter().map(|param| param.as_deref().unwrap_or("NULL")).collect();
            out.push_str(&format!("   parameters: {}\n", clean(&shown.join(", "))));
        }
        let rule = if text("rule").is_empty() { String::new() } else { format!(" by rule `{}`", clean(&text("rule"))) };
        let at = statement.get("sent").as_int().unwrap_or(statement.int("ts"));
        out.push_str(&format!("   {}  {}{rule}; {}", short_time(at), text("decision"), text("status")));
        if !text("error_code").is_empty() {
            out.push_str(&format!(" {}", text("error_code")));
        }
        out.push_str(&format!("; {} rows\n", text("row_count")));
        if !text("class").is_empty() {
            let role = text("role");
            let role = if role.is_empty() { String::new() } else { format!(", as role {}", clean(&role)) };
            out.push_str(&format!("   class {}{role}\n", clean(&text("class"))));
        }
        if let Some(sent) = body.and_then(|body| body.get("sent_sql").as_str()) {
            out.push_str(&format!("   sent: {}\n", block(sent, MORE)));
        }
        if self.unproven.contains(&statement.int("statement_id")) {
            out.push_str("   UNPROVEN: recorded just before a kill, and no signed head of the journal covers it\n");
        }
        if !text("approval_id").is_empty() {
            out.push_str(&format!("   approval {}\n", clean(&text("approval_id"))));
        }
        if let Value::Columns(columns) = statement.get("result_columns") {
            for fields in columns {
                let [name, _, table, column, _, mask, rule, shown @ ..] = fields.as_slice() else { continue };
                let Some(mask) = mask else { continue };
                let raw = shown.first().is_some_and(|shown| shown.as_deref() == Some("raw"));
                let verb = if raw || mask == "keep" { "SHOWN UNMASKED" } else { "masked" };
                let source = match (table, column) {
                    (Some(table), Some(column)) => format!("{table}.{column}"),
                    _ => "of unproven origin".to_owned(),
                };
                let (rule, source) = (clean(rule.as_deref().unwrap_or("-")), clean(&source));
                let name = clean(name.as_deref().unwrap_or("?"));
                out.push_str(&format!("   {verb}: {name} ({source}) by {mask}, rule `{rule}`\n"));
            }
        }
        out
    }

    fn results(&self, statement: &Record, most: usize) {
        let Some(rows) = self.rows.get(&statement.int("statement_id")) else { return };
        let mut rest = rows.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|row| row.result_set == first.result_set).count();
            let (result, tail) = rest.split_at(same);
            rest = tail;
            let header: Vec<&str> = first.columns.iter().map(String::as_str).collect();
            let shown = result.iter().take(most).map(|row| {
                let cells = row.values.iter().map(|value| value.clone().unwrap_or_else(|| "NULL".to_owned()));
                cells.chain(row.overflow.iter().map(|note| format!("[{note}]"))).collect()
            });
            output::table(&header, &shown.collect::<Vec<_>>());
            if result.len() > most {
                output::lines(&format!("… {} more rows (--rows N, --json)\n", result.len() - most));
            }
        }
    }

    fn json(&self) -> Json {
        let statements: Vec<Json> = self
            .statements
            .iter()
            .map(|statement| {
                let number = statement.int("statement_id");
                let mut json = statement.json();
                let rows: Vec<Json> = self.rows.get(&number).into_iter().flatten().map(row_json).collect();
                if let Json::Object(fields) = &mut json {
                    if let Some(body) = self.bodies.get(&number) {
                        fields.insert("sql_text".to_owned(), body.get("sql_text").json());
                        fields.insert("params".to_owned(), body.get("params").json());
                        fields.insert("sent_sql".to_owned(), body.get("sent_sql").json());
                    }
                    fields.insert("rows".to_owned(), Json::Array(rows));
                }
                proven(json, !self.unproven.contains(&number))
            })
            .collect();
        json!({ "session": self.session.json(), "statements": statements })
    }
}

fn row_json(row: &ResultRow) -> Json {
    json!({
        "result_set": row.result_set,
        "row_index": row.row_index,
        "columns": row.columns,
        "values": row.values,
        "overflow": row.overflow,
    })
}
