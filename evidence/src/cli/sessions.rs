//! `evidence sessions`, and what other commands need to know of sessions.

use super::output::{self, Format};
use super::{Place, time};
use crate::error::StoreError;
use crate::search::{Archive, Condition, Query};
use crate::table::{Record, Table, Value, rfc3339};
use clap::Args;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Filters by who and where, shared by sessions and statements.
#[derive(Args, Clone, Default)]
pub(crate) struct Who {
    /// Subject or e-mail address of the identity.
    #[arg(long, value_name = "USER")]
    pub(crate) identity: Option<String>,
    /// Name of the datasource.
    #[arg(long, value_name = "NAME")]
    pub(crate) datasource: Option<String>,
    /// Session id, or its beginning.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
}

/// Filters by time.
#[derive(Args, Clone, Default)]
pub(crate) struct When {
    /// From this time on: 2026-11-23T10:00:00Z, 2026-11-23, today, yesterday, or 90s, 15m, 2h, 7d ago.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) from: Option<i64>,
    /// Until this time; a date means all of that day.
    #[arg(long, value_name = "TIME", value_parser = time::parse_end)]
    pub(crate) to: Option<i64>,
}

impl Who {
    pub(super) fn is_set(&self) -> bool {
        self.identity.is_some() || self.datasource.is_some() || self.session.is_some()
    }

    /// An identity or a datasource that the record has never seen is a mistake, not an empty answer: the nearest are named.
    pub(super) fn known(&self, archive: &Archive) -> Result<(), StoreError> {
        let asked = [
            ("identity", &self.identity, &["user_id", "user_email"][..]),
            ("datasource", &self.datasource, &["server"][..]),
        ];
        for (what, value, columns) in asked {
            let Some(value) = value else { continue };
            let mut seen = std::collections::BTreeSet::new();
            archive.search(&Query::new(Table::Sessions), &mut |record, _| {
                let texts = columns.iter().map(|column| record.str(column)).filter(|text| !text.is_empty());
                seen.extend(texts.map(str::to_owned));
                Ok(true)
            })?;
            if !seen.contains(value) {
                return Err(StoreError::Config(super::near::unknown(what, value, seen.iter().map(String::as_str))));
            }
        }
        Ok(())
    }

    fn matches(&self, open: &Record) -> bool {
        self.identity.as_deref().is_none_or(|who| open.str("user_id") == who || open.str("user_email") == who)
            && self.datasource.as_deref().is_none_or(|name| open.str("server") == name)
            && self.session.as_deref().is_none_or(|id| open.str("session_id").starts_with(id))
    }
}

#[derive(Args)]
pub(super) struct Sessions {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    when: When,
    /// Only logins that were refused.
    #[arg(long)]
    denied: bool,
    /// The newest this many. Default: 100 for people, all for --json and --csv.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    format: Format,
}

/// A session: its opening (or denial), and its closing if there is one.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) open: Record,
    pub(crate) close: Option<Record>,
    unsealed: bool,
}

impl Session {
    /// A session of which only the opening is of interest.
    pub(super) fn opened(open: Record) -> Self {
        Self { open, close: None, unsealed: false }
    }

    pub(crate) fn id(&self) -> &str {
        self.open.str("session_id")
    }

    /// `open` while it lasts, `close` when it ended, `denied` when the login was refused.
    pub(super) fn event(&self) -> &str {
        self.close.as_ref().unwrap_or(&self.open).str("event")
    }

    pub(crate) fn json(&self) -> Json {
        let mut json = self.open.json();
        if let Json::Object(fields) = &mut json {
            fields.insert("opened".to_owned(), self.open.get("ts").json());
            fields.insert("event".to_owned(), Json::from(self.event()));
            fields.insert("sealed".to_owned(), Json::from(!self.unsealed));
            if let Some(close) = &self.close {
                fields.insert("closed".to_owned(), close.get("ts").json());
                for name in ["close_reason", "final_hash", "statement_count", "rows_returned", "bytes_returned"] {
                    fields.insert(name.to_owned(), close.get(name).json());
                }
            }
        }
        json
    }

    pub(super) fn user(&self) -> String {
        match (self.open.str("user_email"), self.open.str("user_id"), self.open.str("claimed_user")) {
            ("", "", claimed) => format!("({claimed})"),
            ("", id, _) => id.to_owned(),
            (email, _, _) => email.to_owned(),
        }
    }

    fn row(&self) -> Vec<String> {
        let totals = self.close.as_ref();
        let reason = totals.unwrap_or(&self.open).str("close_reason");
        vec![
            self.id().to_owned(),
            short_time(self.open.int("ts")),
            match (self.event(), self.unsealed) {
                (event, true) => format!("{event} (not sealed)"),
                (event, false) => event.to_owned(),
            },
            self.user(),
            self.open.str("server").to_owned(),
            self.open.str("client_addr").to_owned(),
            totals.map(|close| close.get("statement_count").text()).unwrap_or_default(),
            totals.map(|close| close.get("rows_returned").text()).unwrap_or_default(),
            if reason.is_empty() { self.open.str("reason").to_owned() } else { reason.to_owned() },
        ]
    }
}

/// A time for people: to the second, UTC.
pub(super) fn short_time(micros: i64) -> String {
    rfc3339(micros).chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// The sessions that match, oldest first.
pub(crate) fn find(
    archive: &Archive,
    who: &Who,
    when: &When,
    limit: Option<usize>,
) -> Result<Vec<Session>, StoreError> {
    let mut query = Query::new(Table::Sessions).between(when.from, when.to);
    if let Some(id) = who.session.as_deref().filter(|id| id.len() == 36) {
        query = query.with(Condition::equals("session_id", id));
    }
    if let Some(identity) = &who.identity {
        query = query.with(Condition::Either(&["user_id", "user_email"], identity.clone()));
    }
    let mut open = Vec::new();
    archive.search(&query, &mut |record, unsealed| {
        if record.str("event") != "close" && who.matches(&record) {
            open.push((record, unsealed));
        }
        Ok(limit.is_none_or(|limit| open.len() < limit))
    })?;
    // A session ends after it began; ids sort by their beginnings, so that few row groups are looked at.
    let ids = open.iter().map(|(open, _)| open.str("session_id").to_owned()).collect();
    let first = open.iter().map(|(open, _)| open.int("ts")).min();
    let query = Query::new(Table::Sessions).between(first, None).with(Condition::In("session_id", ids));
    let mut closed = BTreeMap::new();
    archive.search(&query.with(Condition::equals("event", "close")), &mut |record, unsealed| {
        closed.insert(record.str("session_id").to_owned(), (record, unsealed));
        Ok(true)
    })?;
    open.reverse();
    Ok(open
        .into_iter()
        .map(|(open, unsealed)| {
            let close = closed.remove(open.str("session_id"));
            let unsealed = close.as_ref().map_or(unsealed, |(_, unsealed)| *unsealed);
            Session { open, close: close.map(|(close, _)| close), unsealed }
        })
        .collect())
}

/// The one session that an id, or its beginning, means.
pub(crate) fn find_one(archive: &Archive, id: &str) -> Result<Session, StoreError> {
    let who = Who { session: Some(id.to_owned()), ..Who::default() };
    let mut found = find(archive, &who, &When::default(), None)?;
    match (found.len(), found.pop()) {
        (1, Some(session)) => Ok(session),
        (0, _) | (_, None) => Err(StoreError::Config(format!("no session begins with `{id}`"))),
        (many, _) => Err(StoreError::Config(format!("{many} sessions begin with `{id}`; give more of the id"))),
    }
}

impl Sessions {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let archive = self.place.open("queried", "sessions")?;
        let limit = self.limit.or(self.format.is_for_people().then_some(100));
        // One more than is shown, to know whether there is more.
        let ask = limit.map(|limit| limit.saturating_add(1)).filter(|_| !self.denied);
        let mut found = find(&archive, &self.who, &self.when, ask)?;
        if self.denied {
            found.retain(|session| session.event() == "denied");
        }
        if found.is_empty() {
            self.who.known(&archive)?;
        }
        let more = newest(&mut found, limit);
        if self.format.json {
            output::json(&found.iter().map(Session::json).collect::<Vec<_>>());
        } else if self.format.csv {
            let header: Vec<&str> = Table::Sessions.columns().map(|column| column.name).collect();
            let records = found.iter().flat_map(|session| std::iter::once(&session.open).chain(&session.close));
            output::csv(&header, records.map(|record| record.values.iter().map(Value::text).collect()));
        } else {
            let header =
                ["session", "opened (UTC)", "state", "user", "datasource", "client", "stmts", "rows", "reason"];
            output::table(&header, &found.iter().map(Session::row).collect::<Vec<_>>());
            footer(&archive, found.len(), "sessions", more);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Keeps the newest of what was found, oldest first; whether there was more.
pub(super) fn newest<T>(found: &mut Vec<T>, limit: Option<usize>) -> bool {
    let more = limit.map_or(0, |limit| found.len().saturating_sub(limit));
    found.drain(..more);
    more > 0
}

/// What a person should know about what was just listed.
pub(super) fn footer(archive: &Archive, found: usize, what: &str, more: bool) {
    let unsealed = archive.unsealed(Table::Sessions) + archive.unsealed(Table::Statements);
    let mut text = format!("\n{found} {what}");
    if more {
        text.push_str(", the newest; --limit N shows more");
    }
    if unsealed > 0 {
        text.push_str(&format!("; {unsealed} records in the journal are shown but not sealed yet"));
    }
    output::lines(&format!("{text}\n"));
}
