//! The report: what an auditor reads first. Plain HTML with a print style, no scripts, nothing from elsewhere.
//!
//! It is made from the Parquet files alone, so verification makes it again and compares every byte.

use super::scope::Scope;
use crate::error::StoreError;
use crate::search::{Archive, Query};
use crate::table::{Record, Table, Value, rfc3339};
use std::collections::{BTreeMap, BTreeSet};

/// The figures of a report.
#[derive(Default)]
struct Figures {
    sessions: BTreeMap<String, [u64; 3]>,
    denied: Vec<Record>,
    open: u64,
    decisions: BTreeMap<String, u64>,
    statuses: BTreeMap<String, u64>,
    masked: BTreeMap<(String, String, String), u64>,
    tables: BTreeMap<String, u64>,
    exceptions: Vec<Record>,
    approvals: Vec<Record>,
    policies: Vec<Record>,
    accesses: Vec<Record>,
    statements: u64,
    rows: u64,
}

/// Exceptions that are listed; the rest is in the CSV files.
const LISTED: usize = 200;

fn each(
    archive: &Archive,
    scope: &Scope,
    table: Table,
    take: &mut dyn FnMut(Record),
) -> Result<(), StoreError> {
    for (record, _) in archive.collect(&Query::new(table), None)? {
        if scope.includes(&record) {
            take(record);
        }
    }
    Ok(())
}

fn collect(archive: &Archive, scope: &Scope) -> Result<Figures, StoreError> {
    let mut figures = Figures::default();
    let mut user = BTreeMap::new();
    let mut closed = BTreeSet::new();
    each(archive, scope, Table::Sessions, &mut |record| {
        let id = record.str("session_id").to_owned();
        match record.str("event") {
            "open" => {
                let name = format!("{} ({})", record.str("user_email"), record.str("user_id"));
                figures.sessions.entry(name.clone()).or_default()[0] += 1;
                user.insert(id, name);
            }
            "close" => drop(closed.insert(id)),
            _ => figures.denied.push(record),
        }
    })?;
    figures.open = (user.len() - user.keys().filter(|id| closed.contains(*id)).count()) as u64;
    each(archive, scope, Table::Statements, &mut |record| {
        let rows = u64::try_from(record.int("row_count")).unwrap_or(0);
        figures.statements += 1;
        figures.rows += rows;
        if let Some(totals) = user.get(record.str("session_id")).and_then(|name| figures.sessions.get_mut(name)) {
            totals[1] += 1;
            totals[2] += rows;
        }
        *figures.decisions.entry(record.str("decision").to_owned()).or_default() += 1;
        *figures.statuses.entry(record.str("status").to_owned()).or_default() += 1;
        if let Value::Strs(tables) = record.get("tables") {
            tables.iter().flatten().for_each(|table| *figures.tables.entry(table.clone()).or_default() += 1);
        }
        if let Value::Columns(columns) = record.get("result_columns") {
            for [name, _, table, column, classification, mask, _] in columns {
                if classification.as_deref() == Some("open") {
                    continue;
                }
                let source = match (table, column) {
                    (Some(table), Some(column)) => format!("{table}.{column}"),
                    _ => format!("{} (origin not proven)", name.as_deref().unwrap_or_default()),
                };
                let mask = mask.clone().unwrap_or_else(|| "shown unmasked by rule".to_owned());
                let class = classification.clone().unwrap_or_default();
                *figures.masked.entry((source, class, mask)).or_default() += rows;
            }
        }
        if !matches!(record.str("status"), "completed" | "not-executed") && figures.exceptions.len() < LISTED {
            figures.exceptions.push(record);
        }
    })?;
    each(archive, scope, Table::Approvals, &mut |record| figures.approvals.push(record))?;
    each(archive, scope, Table::PolicyVersions, &mut |record| figures.policies.push(record))?;
    for table in [Table::Reviews, Table::AuditAccesses] {
        each(archive, scope, table, &mut |record| figures.accesses.push(record))?;
    }
    Ok(figures)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn table(out: &mut String, header: &[&str], rows: &[Vec<String>], none: &str) {
    if rows.is_empty() {
        out.push_str(&format!("<p class=none>{none}</p>\n"));
        return;
    }
    out.push_str("<table><thead><tr>");
    header.iter().for_each(|name| out.push_str(&format!("<th>{}</th>", escape(name))));
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| out.push_str(&format!("<td>{}</td>", escape(cell))));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// A bar chart: who ran how many statements.
fn bars(out: &mut String, values: &[(String, u64)]) {
    let most = values.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    let height = values.len() * 26;
    out.push_str(&format!("<svg viewBox=\"0 0 720 {height}\" role=img aria-label=\"Statements by identity\">\n"));
    for (at, (name, value)) in values.iter().enumerate() {
        let (y, width) = (at * 26, (value * 400).div_ceil(most));
        let short: String = name.chars().take(36).collect();
        out.push_str(&format!(
            "<text x=250 y={} text-anchor=end>{}</text><rect x=258 y={} width={width} height=16 /><text x={} y={}>{value}</text>\n",
            y + 16,
            escape(&short),
            y + 4,
            266 + width,
            y + 16
        ));
    }
    out.push_str("</svg>\n");
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}h1{font-size:1.7rem}h2{margin-top:2.2rem;border-bottom:1px solid #ccc}table{border-collapse:collapse;width:100%;font-size:13px}th,td{text-align:left;padding:.3rem .5rem;border-bottom:1px solid #ddd;vertical-align:top;overflow-wrap:anywhere}th{background:#f4f5f7}.none{color:#666}.big{display:flex;gap:2rem;flex-wrap:wrap}.big div{font-size:1.6rem}.big small{display:block;font-size:.8rem;color:#555}svg{width:100%;max-width:720px;font-size:12px}rect{fill:#3b6ea5}@media print{body{margin:0;max-width:none;font-size:11px}h2{break-after:avoid}tr,svg{break-inside:avoid}thead{display:table-header-group}}";

/// Controls, and what in the package bears on them.
const CONTROLS: [[&str; 2]; 9] = [
    ["HIPAA 164.312(a)(1) access control", "Sessions carry the proven identity; statements the decision and the rule (Sessions, Decisions)."],
    ["HIPAA 164.312(b) audit controls", "Every statement is recorded before it is sent, every row as the client saw it (csv, store)."],
    ["HIPAA 164.312(d) authentication", "Issuer, subject and method of each login; refused logins (Sessions, Refused logins)."],
    ["HIPAA 164.308(a)(1)(ii)(D) activity review", "Reviews and readings of the record are recorded themselves (Reviews and readings)."],
    ["HIPAA 164.316(b)(2)(i) retention", "Six years from creation or from when it was last in effect; the log shows what is there (Coverage)."],
    ["NIST 800-53 AU-3, AU-8, AU-12", "Content, times and generation of records: the schema is in README.md."],
    ["NIST 800-53 AU-9, AU-10", "Hash chains, signed manifests and a transparency log protect the record; VERIFY.md repeats the check."],
    ["NIST 800-53 AU-5, AU-11", "A store that cannot record refuses statements; retention is by signed leaves."],
    ["SOC 2 CC6, CC7, CC8", "Access by rule, exceptions, and every change of policy with its author (Policies, Exceptions)."],
];

/// The report.
pub(crate) fn render(archive: &Archive, scope: &Scope) -> Result<String, StoreError> {
    let figures = collect(archive, scope)?;
    let mut out = format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>Access report: {origin}</title><style>{STYLE}</style></head><body>\n<h1>Access to protected data</h1>\n<p>Record of <b>{origin}</b>, {words}. Made {made} by {by}.</p>\n",
        origin = escape(&scope.origin),
        words = escape(&scope.question.words()),
        made = escape(&scope.made),
        by = escape(&scope.made_by),
    );
    coverage(&mut out, scope, &figures);
    people(&mut out, &figures);
    data(&mut out, &figures);
    decisions(&mut out, &figures);
    let text = |record: &Record, names: &[&str]| -> Vec<String> {
        names.iter().map(|name| record.get(name).text()).collect()
    };
    out.push_str("<h2>Approvals</h2>\n");
    let names = ["ts", "approval_id", "event", "requester", "approver", "justification", "scope", "valid_until"];
    let rows: Vec<_> = figures.approvals.iter().map(|record| text(record, &names)).collect();
    table(&mut out, &names, &rows, "No statement in scope needed one.");
    out.push_str("<h2>Policies</h2>\n<p>The text of every version is in <code>policies/</code>.</p>\n");
    let names = ["ts", "event", "version", "effective_from", "effective_until", "author", "change_reason", "git_commit"];
    let rows: Vec<_> = figures.policies.iter().map(|record| text(record, &names)).collect();
    table(&mut out, &names, &rows, "None.");
    out.push_str("<h2>Exceptions</h2>\n<p>Statements that were refused, failed, cancelled or interrupted.</p>\n");
    let names = ["ts", "session_id", "statement_id", "decision", "rule", "status", "error_code", "sql_normalized"];
    let rows: Vec<_> = figures.exceptions.iter().map(|record| text(record, &names)).collect();
    table(&mut out, &names, &rows, "None.");
    if figures.exceptions.len() == LISTED {
        out.push_str(&format!("<p>The first {LISTED}; all are in csv/statements.csv.</p>\n"));
    }
    out.push_str("<h2>Reviews and readings of the record</h2>\n");
    let names = ["ts", "actor", "action", "scope", "finding"];
    let rows: Vec<_> = figures.accesses.iter().map(|record| text(record, &names)).collect();
    table(&mut out, &names, &rows, "None in the segments included.");
    out.push_str("<h2>Controls</h2>\n");
    let rows: Vec<_> = CONTROLS.iter().map(|pair| pair.map(str::to_owned).to_vec()).collect();
    table(&mut out, &["control", "what in this package bears on it"], &rows, "");
    out.push_str("<h2>How to verify</h2>\n<p>See <code>VERIFY.md</code>. This page is derived from the Parquet files in <code>store/</code>; verification derives it again and compares every byte. The log's key must reach you by another way than this package.</p>\n</body></html>\n");
    Ok(out)
}

fn coverage(out: &mut String, scope: &Scope, figures: &Figures) {
    out.push_str("<h2>Coverage</h2>\n<div class=big>\n");
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
        out.push_str("<p><b>This is a filtered export.</b> It proves that what it holds is genuine and complete against the log, not that the filter was fair: compare the population with what you expect.</p>\n");
    }
    for what in &scope.excluded {
        out.push_str(&format!("<p>Not included: {}</p>\n", escape(what)));
    }
}

fn people(out: &mut String, figures: &Figures) {
    out.push_str("<h2>Sessions by identity</h2>\n");
    let mut most: Vec<(String, u64)> = figures.sessions.iter().map(|(name, totals)| (name.clone(), totals[1])).collect();
    most.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    most.truncate(15);
    if !most.is_empty() {
        bars(out, &most);
    }
    let rows: Vec<Vec<String>> = figures
        .sessions
        .iter()
        .map(|(name, [sessions, statements, rows])| {
            vec![name.clone(), sessions.to_string(), statements.to_string(), rows.to_string()]
        })
        .collect();
    table(out, &["identity", "sessions", "statements", "rows"], &rows, "No sessions.");
    out.push_str("<h2>Refused logins</h2>\n");
    let rows: Vec<Vec<String>> = figures
        .denied
        .iter()
        .take(LISTED)
        .map(|record| {
            let mut row = vec![rfc3339(record.int("ts"))];
            let names = ["claimed_user", "user_id", "issuer", "client_addr", "close_reason"];
            row.extend(names.map(|name| record.get(name).text()));
            row
        })
        .collect();
    table(out, &["time", "claimed user", "subject (unproven)", "issuer", "client", "reason"], &rows, "None.");
}

fn data(out: &mut String, figures: &Figures) {
    out.push_str("<h2>Protected data touched</h2>\n<p>Columns under a rule, and in how many returned rows.</p>\n");
    let rows: Vec<Vec<String>> = figures
        .masked
        .iter()
        .map(|((source, class, mask), rows)| vec![source.clone(), class.clone(), mask.clone(), rows.to_string()])
        .collect();
    table(out, &["column", "classification", "shown as", "rows"], &rows, "None.");
    out.push_str("<h2>Tables</h2>\n");
    let rows: Vec<Vec<String>> =
        figures.tables.iter().map(|(name, count)| vec![name.clone(), count.to_string()]).collect();
    table(out, &["table and access", "statements"], &rows, "None.");
}

fn decisions(out: &mut String, figures: &Figures) {
    out.push_str("<h2>Decisions</h2>\n");
    let rows = |counts: &BTreeMap<String, u64>| -> Vec<Vec<String>> {
        counts.iter().map(|(name, count)| vec![name.clone(), count.to_string()]).collect()
    };
    table(out, &["decision", "statements"], &rows(&figures.decisions), "None.");
    table(out, &["outcome", "statements"], &rows(&figures.statuses), "None.");
}
