//! One step of a replay: a statement as it was sent, what was decided, and its rows as the client got them.

use evidence::{Reader, RecordedRow, StoreError, Text};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde_json::Value as Json;

/// Rows on one page.
const MOST_ROWS: u64 = 100;
/// How far to look for the statement before and after. Numbers are given out one by one, so the next is near.
const NEAR: i64 = 8;
/// Longer cells are cut, and say so (characters).
const MOST_CELL: usize = 2000;

/// What is read for one step.
pub(crate) struct Step {
    session: Json,
    statement: Json,
    before: Option<i64>,
    after: Option<i64>,
    /// When the statement before it was sent.
    since: Option<String>,
    text: Text,
    rows: Vec<RecordedRow>,
    more: bool,
}

impl Step {
    /// A statement of a session; `None` when there is none of that number.
    pub(crate) fn read(reader: &Reader, id: &str, number: i64, skip: u64) -> Result<Option<Self>, StoreError> {
        let Some(session) = reader.session(id)? else { return Ok(None) };
        let mut near = reader.statements_of(id, number.saturating_sub(NEAR)..=number.saturating_add(NEAR))?;
        let of = |statement: &Json| statement.get("statement_id").and_then(Json::as_i64);
        let Some(at) = near.iter().position(|statement| of(statement) == Some(number)) else { return Ok(None) };
        let (before, after) = (at.checked_sub(1).and_then(|at| near.get(at)), near.get(at.saturating_add(1)));
        let sent = |statement: &Json| statement.get("sent").and_then(Json::as_str).map(str::to_owned);
        let (since, before, after) = (before.and_then(sent), before.and_then(of), after.and_then(of));
        let statement = near.swap_remove(at);
        let mut rows = reader.rows(id, number, skip..skip.saturating_add(MOST_ROWS).saturating_add(1))?;
        let most = usize::try_from(MOST_ROWS).unwrap_or(usize::MAX);
        let more = rows.len() > most;
        rows.truncate(most);
        Ok(Some(Self { session, statement, before, after, since, text: reader.text(id, number)?, rows, more }))
    }
}

/// What the page's template gets.
pub(crate) fn shown(step: Step, skip: u64) -> Value {
    let text = |name: &str| step.statement.get(name).and_then(Json::as_str).unwrap_or_default();
    let (sql, sent_sql, params, exact) = match &step.text {
        Text::Exact { sql, sent, params } => (sql.clone(), sent.clone(), params.clone(), "exact"),
        Text::Closed => (text("sql_normalized").to_owned(), None, Vec::new(), "closed"),
        Text::Missing => (text("sql_normalized").to_owned(), None, Vec::new(), "missing"),
    };
    let opened = step.session.get("opened").and_then(Json::as_str).unwrap_or_default();
    let sent = text("sent");
    let masks = step.statement.get("result_columns").and_then(Json::as_array).cloned().unwrap_or_default();
    let results: Vec<Value> = step
        .rows
        .chunk_by(|a, b| a.result_set == b.result_set && a.columns == b.columns)
        .map(|rows| result(rows, &masks))
        .collect();
    let count = u64::try_from(step.rows.len()).unwrap_or(0);
    context! {
        session => Value::from(Serde(step.session.clone())),
        statement => Value::from(Serde(step.statement.clone())),
        before => step.before,
        after => step.after,
        into_session => seconds(opened, sent),
        waited => step.since.as_deref().and_then(|since| seconds(since, sent)),
        took => seconds(sent, text("end")),
        sql, sent_sql, params, exact, results,
        first_row => skip.saturating_add(1),
        last_row => skip.saturating_add(count),
        rows_before => (skip > 0).then(|| skip.saturating_sub(MOST_ROWS)),
        rows_after => step.more.then(|| skip.saturating_add(MOST_ROWS)),
    }
}

/// One result: its header, with the masks of its columns, and rows.
fn result(rows: &[RecordedRow], masks: &[Json]) -> Value {
    let names = rows.first().map(|row| row.columns.as_slice()).unwrap_or_default();
    let columns: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            // Only where names agree: the statement lists the columns of its first result.
            let mask = masks.get(at).filter(|mask| mask.get("name").and_then(Json::as_str) == Some(name));
            let mask = mask.and_then(|mask| mask.get("mask")).and_then(Json::as_str);
            context! { name, mask }
        })
        .collect();
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let cells: Vec<Option<String>> = row.values.iter().map(|value| value.as_deref().map(cut)).collect();
            context! { cells, overflow => row.overflow.clone() }
        })
        .collect();
    context! { columns, rows }
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(MOST_CELL) {
        None => value.to_owned(),
        Some((at, _)) => format!("{}… ({} bytes)", value.get(..at).unwrap_or_default(), value.len()),
    }
}

/// The time between two moments of the record, as people say it.
fn seconds(from: &str, to: &str) -> Option<String> {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    let moment = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let millis = (moment(to)? - moment(from)?).whole_milliseconds();
    Some(match millis {
        ..1 => "less than 1 ms".to_owned(),
        1..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        60_000..7_200_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
        _ => format!("{} h {} min", millis / 3_600_000, millis % 3_600_000 / 60_000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_between_are_said_as_people_do() {
        let from = "2026-11-23T10:00:00.000000Z";
        for (to, said) in [
            ("2026-11-23T10:00:00.000400Z", "less than 1 ms"),
            ("2026-11-23T10:00:00.012000Z", "12 ms"),
            ("2026-11-23T10:00:12.340000Z", "12.3 s"),
            ("2026-11-23T10:12:05.000000Z", "12 min 5 s"),
            ("2026-11-23T13:30:00.000000Z", "3 h 30 min"),
        ] {
            assert_eq!(seconds(from, to).as_deref(), Some(said), "{to}");
        }
        assert_eq!(seconds(from, ""), None);
    }

    #[test]
    fn long_cells_say_that_they_were_cut() {
        assert_eq!(cut("abc"), "abc");
        assert!(cut(&"é".repeat(3000)).ends_with("… (6000 bytes)"));
    }
}
