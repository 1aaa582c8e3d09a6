//! The report: what an auditor reads first. Plain HTML with a print style, no scripts, nothing from elsewhere.
//!
//! It is made from the Parquet files alone, so verification makes it again and compares every byte.

use super::controls::CONTROLS;
use super::figures::{Figures, LISTED, collect};
use super::page::{STYLE, bars, escape, table};
use super::scope::Scope;
use crate::error::StoreError;
use crate::search::Archive;
use crate::table::{Record, rfc3339};
use std::collections::BTreeMap;

/// A moment to the second, UTC.
fn moment(record: &Record, name: &str) -> String {
    record.get(name).as_int().map(short).unwrap_or_default()
}

fn short(micros: i64) -> String {
    rfc3339(micros).chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

fn text(record: &Record, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| record.get(name).text()).collect()
}

/// The report.
pub(crate) fn render(archive: &Archive, scope: &Scope) -> Result<String, StoreError> {
    let figures = collect(archive, scope)?;
    let mut out = format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Access report: {origin}</title><style>{STYLE}</style></head><body>\n<h1>Access to protected data</h1>\n<p>Record of <b>{origin}</b>, {words}. Made {made} by {by}. All times are UTC.</p>\n",
        origin = escape(&scope.origin),
        words = escape(&scope.question.words()),
        made = escape(&scope.made.chars().take(19).collect::<String>().replace('T', " ")),
        by = escape(&scope.made_by),
    );
    out.push_str("<nav>");
    let links = SECTIONS.map(|(name, title)| format!("<a href=\"#{name}\">{title}</a>"));
    out.push_str(&links.join(" · "));
    out.push_str("</nav>\n");
    coverage(&mut out, scope, &figures);
    people(&mut out, &figures);
    data(&mut out, &figures);
    decisions(&mut out, &figures);
    approvals(&mut out, &figures);
    policies(&mut out, &figures);
    exceptions(&mut out, &figures);
    retention(&mut out, archive);
    section(&mut out, "readings");
    let rows: Vec<_> = figures
        .accesses
        .iter()
        .map(|record| [vec![moment(record, "ts")], text(record, &["actor", "action", "scope", "finding"])].concat())
        .collect();
    let header = ["when", "who", "did", "what", "finding"];
    table(&mut out, "readings-table", &header, &rows, "None in the segments included.");
    section(&mut out, "controls");
    let rows: Vec<_> = CONTROLS.iter().map(|pair| pair.map(str::to_owned).to_vec()).collect();
    table(&mut out, "controls-table", &["control", "what in this package bears on it"], &rows, "");
    section(&mut out, "verify");
    out.push_str("<p>See <code>VERIFY.md</code>. This page is derived from the Parquet files and the log in <code>store/</code>; verification derives it again. The log's key must reach you by another way than this package.</p>\n</body></html>\n");
    Ok(out)
}

/// The sections, in their order.
const SECTIONS: [(&str, &str); 11] = [
    ("coverage", "Coverage"),
    ("people", "Who was there"),
    ("refused", "Refused logins"),
    ("data", "Protected data touched"),
    ("decisions", "Decisions"),
    ("approvals", "Approvals"),
    ("policies", "Policies"),
    ("exceptions", "Exceptions"),
    ("retention", "Retention and holds"),
    ("readings", "Reviews and readings of the record"),
    ("controls", "Controls"),
];

fn section(out: &mut String, id: &str) {
    let title = SECTIONS.iter().find(|(name, _)| *name == id).map_or("How to verify", |(_, title)| title);
    out.push_str(&format!("<h2 id={id}>{title}</h2>\n"));
}

fn coverage(out: &mut String, scope: &Scope, figures: &Figures) {
    section(out, "coverage");
    out.push_str("<div class=big>\n");
    for (value, name) in [
        (scope.population, "sessions in that time"),
        (scope.sessions.len() as u64, "sessions included"),
        (figures.statements, "statements"),
        (figures.rows, "rows returned"),
        (figures.denied.len() as u64, "logins refused"),
        (figures.open, "sessions without an end yet"),
    ] {
        out.push_str(&format!("<div>{value}<small>{name}</small></div>\n"));
    }
    out.push_str(&format!(
        "</div>\n<p>Segments {} to {} of the store, and all {} leaves of its log.</p>\n",
        scope.first_segment, scope.last_segment, scope.tree_size
    ));
    if scope.question.is_filtered() {
        out.push_str("<p class=note><b>This is a filtered export.</b> It proves that what it holds is genuine and complete against the log, not that the filter was fair: compare the population with what you expect.</p>\n");
    }
    for what in &scope.excluded {
        out.push_str(&format!("<p class=note>Not included: {}</p>\n", escape(what)));
    }
    let days: Vec<(String, u64)> = figures.days.iter().map(|(day, count)| (day.clone(), *count)).collect();
    // A quarter at a glance; longer times are better read from the tables.
    if days.len() <= 92 {
        bars(out, "days", "Statements by day", &days);
    }
}

fn people(out: &mut String, figures: &Figures) {
    section(out, "people");
    let mut most: Vec<(String, u64)> =
        figures.sessions.iter().map(|(name, totals)| (name.clone(), totals[1])).collect();
    most.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    most.truncate(15);
    bars(out, "busiest", "Statements by identity (the 15 with the most)", &most);
    let rows: Vec<Vec<String>> = figures
        .sessions
        .iter()
        .map(|(name, [sessions, statements, rows])| {
            vec![name.clone(), sessions.to_string(), statements.to_string(), rows.to_string()]
        })
        .collect();
    table(out, "people-table", &["identity", "sessions", "statements", "rows"], &rows, "No sessions.");
    section(out, "refused");
    let rows: Vec<Vec<String>> = figures
        .denied
        .iter()
        .take(LISTED)
        .map(|record| {
            let names = ["claimed_user", "user_id", "issuer", "client_addr", "close_reason"];
            [vec![moment(record, "ts")], text(record, &names)].concat()
        })
        .collect();
    let header = ["when", "claimed user", "subject (unproven)", "issuer", "client", "reason"];
    table(out, "refused-table", &header, &rows, "None.");
    if figures.denied.len() > LISTED {
        out.push_str(&format!("<p>The first {LISTED}; all are in csv/sessions.csv.</p>\n"));
    }
}

fn data(out: &mut String, figures: &Figures) {
    section(out, "data");
    out.push_str("<p>Columns under a rule, how they were shown, and in how many returned rows.</p>\n");
    let mut shown: BTreeMap<String, u64> = BTreeMap::new();
    figures.masked.iter().for_each(|((_, _, mask), rows)| *shown.entry(mask.clone()).or_default() += rows);
    bars(out, "shown", "Cells of protected columns, by how they were shown", &shown.into_iter().collect::<Vec<_>>());
    let rows: Vec<Vec<String>> = figures
        .masked
        .iter()
        .map(|((source, class, mask), rows)| vec![source.clone(), class.clone(), mask.clone(), rows.to_string()])
        .collect();
    table(out, "data-table", &["column", "classification", "shown as", "rows"], &rows, "None.");
    let rows: Vec<Vec<String>> =
        figures.tables.iter().map(|(name, count)| vec![name.clone(), count.to_string()]).collect();
    table(out, "tables-table", &["table and access", "statements"], &rows, "No statement touched a table.");
}

fn decisions(out: &mut String, figures: &Figures) {
    section(out, "decisions");
    let rows = |counts: &BTreeMap<String, u64>| -> Vec<Vec<String>> {
        counts.iter().map(|(name, count)| vec![name.clone(), count.to_string()]).collect()
    };
    table(out, "decisions-table", &["decision", "statements"], &rows(&figures.decisions), "None.");
    table(out, "outcomes-table", &["outcome", "statements"], &rows(&figures.statuses), "None.");
}

/// One line for each approval, from its request to its use.
fn approvals(out: &mut String, figures: &Figures) {
    section(out, "approvals");
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for record in &figures.approvals {
        let id = record.str("approval_id");
        if !lines.iter().any(|(known, _)| known == id) {
            let first = [vec![moment(record, "ts")], text(record, &["requester", "scope"])].concat();
            lines.push((id.to_owned(), [first, vec![String::new(); 2], vec![id.to_owned()]].concat()));
        }
        let Some((_, line)) = lines.iter_mut().find(|(known, _)| known == id) else { continue };
        let (event, who) = (record.str("event"), record.str("approver"));
        let by = if who.is_empty() { String::new() } else { format!(" by {who}") };
        let step = format!("{} {event}{by}", moment(record, "ts"));
        if let [_, _, _, history, why, _] = line.as_mut_slice() {
            *history = if history.is_empty() { step } else { format!("{history}; {step}") };
            let reason = record.str("justification");
            if !reason.is_empty() && event != "requested" {
                *why = if why.is_empty() { reason.to_owned() } else { format!("{why}; {reason}") };
            }
        }
    }
    let rows: Vec<Vec<String>> = lines.into_iter().map(|(_, line)| line).collect();
    let header = ["asked", "who asked", "for", "what happened", "justification", "id"];
    table(out, "approvals-table", &header, &rows, "No statement in scope needed one.");
}

fn policies(out: &mut String, figures: &Figures) {
    section(out, "policies");
    out.push_str("<p>The text of every version is in <code>policies/</code>.</p>\n");
    let rows: Vec<_> = figures
        .policies
        .iter()
        .map(|record| {
            let moments = ["effective_from", "effective_until"].map(|name| moment(record, name)).to_vec();
            let what = [vec![moment(record, "ts")], text(record, &["event", "version"])].concat();
            [what, moments, text(record, &["author", "change_reason", "git_commit"])].concat()
        })
        .collect();
    let header = ["when", "event", "version", "in force from", "until", "author", "reason", "commit"];
    table(out, "policies-table", &header, &rows, "None.");
}

fn exceptions(out: &mut String, figures: &Figures) {
    section(out, "exceptions");
    out.push_str("<p>Statements that were refused, failed, cancelled or interrupted.</p>\n");
    let names = ["decision", "rule", "status", "error_code", "sql_normalized", "session_id", "statement_id"];
    let rows: Vec<_> =
        figures.exceptions.iter().map(|record| [vec![moment(record, "ts")], text(record, &names)].concat()).collect();
    let header = ["when", "decision", "rule", "outcome", "error", "statement", "session", "number"];
    table(out, "exceptions-table", &header, &rows, "None.");
    if figures.exceptions.len() == LISTED {
        out.push_str(&format!("<p>The first {LISTED}; all are in csv/statements.csv.</p>\n"));
    }
}

/// Terms, holds and removals, as the log states them.
fn retention(out: &mut String, archive: &Archive) {
    section(out, "retention");
    let ledger = &archive.ledger;
    let Some(terms) = &ledger.terms else {
        out.push_str("<p class=none>No retention is configured: nothing is ever removed.</p>\n");
        return;
    };
    let days = terms.keep / 86_400_000_000;
    let people = terms.signers.iter().map(|key| escape(key)).collect::<Vec<_>>().join(", ");
    out.push_str(&format!(
        "<p>Kept for {days} days at least. Any two of these may order what follows: <code>{people}</code></p>\n"
    ));
    let rows: Vec<Vec<String>> = ledger
        .holds
        .iter()
        .map(|(id, hold)| {
            let end = hold.released.as_ref().map_or_else(
                || "holds".to_owned(),
                |(at, by)| format!("released {} by {}", short(*at), by.join(" and ")),
            );
            let (from, to) = (hold.from.map(short).unwrap_or_default(), hold.to.map(short).unwrap_or_default());
            vec![short(hold.added), hold.by.clone(), hold.reason.clone(), from, to, end, id.clone()]
        })
        .collect();
    let header = ["added", "by", "reason", "covers from", "until", "state", "hold"];
    table(out, "holds-table", &header, &rows, "No legal hold.");
    let rows: Vec<Vec<String>> = ledger
        .tombstones
        .iter()
        .map(|tombstone| {
            let segments = crate::retention::words(&tombstone.segments);
            vec![short(tombstone.time), segments, tombstone.order.reason.clone(), tombstone.by.join(" and ")]
        })
        .collect();
    table(out, "pruned-table", &["when", "segments removed", "reason", "ordered by"], &rows, "Nothing was removed.");
}
