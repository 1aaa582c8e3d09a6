//! Recordings: finding a session, and going through it statement by statement with the rows that its client saw.

use super::{or_page, page, require};
use crate::console::door::Guest;
use crate::console::fail::Fail;
use crate::console::recordings::{Look, Recordings};
use crate::console::replay::{self, Step};
use crate::console::server::Console;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use evidence::{Filter, parse_time};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};

/// Sessions or statements on one page.
const MOST_ROWS: usize = 100;
/// Statements of a session on one page.
const MOST_STATEMENTS: i64 = 100;
/// Looks at a session that are listed.
const MOST_LOOKS: usize = 20;

/// What the search form asks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::console) struct Search {
    who: String,
    datasource: String,
    from: String,
    to: String,
    table: String,
    text: String,
    decision: String,
    approval: String,
}

impl Search {
    /// What is asked of the record; statements are looked for when something about them is asked.
    fn filter(&self) -> Result<(Filter, bool), Fail> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let moment = |name: &str, text: &str| {
            let time = given(text).map(|text| parse_time(&text)).transpose();
            time.map_err(|how| Fail::new(StatusCode::BAD_REQUEST, format!("\"{name}\" is not a time: {how}")))
        };
        let filter = Filter {
            identity: given(&self.who),
            datasource: given(&self.datasource),
            from: moment("from", &self.from)?,
            to: moment("until", &self.to)?,
            table: given(&self.table),
            text: given(&self.text),
            decision: given(&self.decision),
            approval: given(&self.approval),
        };
        let about_statements =
            [&filter.table, &filter.text, &filter.decision, &filter.approval].iter().any(|field| field.is_some());
        Ok((filter, about_statements))
    }

    /// For the record. The text that was looked for may be a protected value, so only its length is told.
    fn words(&self, about_statements: bool) -> String {
        let mut words = String::from(if about_statements { "statements" } else { "sessions" });
        let fields = [
            ("of", &self.who),
            ("on", &self.datasource),
            ("from", &self.from),
            ("until", &self.to),
            ("over", &self.table),
            ("decided", &self.decision),
            ("under", &self.approval),
        ];
        for (name, value) in fields.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let value: String = value.trim().chars().take(200).collect();
            words.push_str(&format!(", {name} {value}"));
        }
        if !self.text.trim().is_empty() {
            words.push_str(&format!(", with a text of {} characters", self.text.trim().chars().count()));
        }
        words
    }
}

/// Auditors only, and only where there is a store to read.
fn require_auditor<'c>(console: &'c Console, guest: &Guest) -> Result<&'c Recordings, Fail> {
    if !guest.visitor.roles.auditor {
        return Err(Fail::forbidden("auditor"));
    }
    let missing = || Fail::new(StatusCode::NOT_FOUND, "this console has no record to read");
    console.recordings().ok_or_else(missing)
}

pub(in crate::console) async fn search(
    State(console): State<Console>,
    headers: HeaderMap,
    uri: Uri,
    Query(search): Query<Search>,
) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let asked = uri.query().is_some_and(|query| !query.is_empty());
    let answer = find(&console, &guest, &search, asked).await;
    match answer {
        // The form again, with what was typed.
        Err(fail) if fail.status == StatusCode::BAD_REQUEST => {
            let content = context! { search => Value::from(Serde(search)), asked => false, problem => fail.message };
            let mut response = page(&console, &guest, "recordings.html", "recordings", content);
            *response.status_mut() = fail.status;
            response
        }
        other => or_page(&console, other),
    }
}

async fn find(console: &Console, guest: &Guest, search: &Search, asked: bool) -> Result<Response, Fail> {
    let recordings = require_auditor(console, guest)?;
    let form = Value::from(Serde(search.clone()));
    if !asked {
        // An empty form is no look at anything.
        return Ok(page(console, guest, "recordings.html", "recordings", context! { search => form, asked }));
    }
    let (filter, about_statements) = search.filter()?;
    let look = Look { action: "queried", scope: search.words(about_statements) };
    let (found, closed) = recordings
        .look(&guest.visitor, look, move |reader| {
            if about_statements {
                reader.statements(&filter, MOST_ROWS)
            } else {
                reader.sessions(&filter, MOST_ROWS).map(|found| (found, false))
            }
        })
        .await?;
    let (found, most) = (Value::from(Serde(found)), MOST_ROWS);
    let content = context! { search => form, asked, about_statements, found, closed, most };
    Ok(page(console, guest, "recordings.html", "recordings", content))
}

/// A session's id as the store writes it.
fn session_id(text: &str) -> Result<String, Fail> {
    uuid::Uuid::parse_str(text).map(|id| id.to_string()).map_err(|_| Fail::not_found("session"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct From {
    from: Option<i64>,
}

pub(in crate::console) async fn session(
    State(console): State<Console>,
    headers: HeaderMap,
    uri: Uri,
    Path(id): Path<String>,
    Query(begin): Query<From>,
) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let from = begin.from.unwrap_or(1).max(1);
    let shown = async {
        let recordings = require_auditor(&console, &guest)?;
        let id = session_id(&id)?;
        let look = Look { action: "replayed", scope: format!("session {id}: its statements from {from}") };
        let last = from.saturating_add(MOST_STATEMENTS - 1);
        let found = recordings
            .look(&guest.visitor, look, move |reader| {
                let Some(session) = reader.session(&id)? else { return Ok(None) };
                let mut statements = reader.statements_of(&id, from..=last.saturating_add(1))?;
                let more = statements.len() > usize::try_from(MOST_STATEMENTS).unwrap_or(usize::MAX);
                statements.truncate(usize::try_from(MOST_STATEMENTS).unwrap_or(usize::MAX));
                Ok(Some((session, statements, more, reader.accesses(&id, MOST_LOOKS)?)))
            })
            .await?;
        let (session, statements, more, looks) = found.ok_or_else(|| Fail::not_found("session"))?;
        let content = context! {
            session => Value::from(Serde(session)), statements => Value::from(Serde(statements)),
            looks => Value::from(Serde(looks)), from, before => (from > 1).then_some((from - MOST_STATEMENTS).max(1)),
            after => more.then_some(last.saturating_add(1)),
        };
        Ok(page(&console, &guest, "recording.html", "recordings", content))
    };
    or_page(&console, shown.await)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct Rows {
    rows: u64,
}

pub(in crate::console) async fn statement(
    State(console): State<Console>,
    headers: HeaderMap,
    uri: Uri,
    Path((id, number)): Path<(String, i64)>,
    Query(window): Query<Rows>,
) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let shown = async {
        let recordings = require_auditor(&console, &guest)?;
        let id = session_id(&id)?;
        let scope = match window.rows {
            0 => format!("session {id}: statement {number}"),
            rows => format!("session {id}: statement {number}, rows from {rows}"),
        };
        let look = Look { action: "replayed", scope };
        let read = move |reader: &evidence::Reader| Step::read(reader, &id, number, window.rows);
        let step = recordings.look(&guest.visitor, look, read).await?.ok_or_else(|| Fail::not_found("statement"))?;
        Ok(page(&console, &guest, "replay.html", "recordings", replay::shown(step, window.rows)))
    };
    or_page(&console, shown.await)
}
