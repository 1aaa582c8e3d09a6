//! Approvals on a terminal. What comes from a request is stripped of control characters: it was written by others.

use serde_json::Value;
use std::fmt::Write;

/// Text from a request, safe for a terminal.
pub(crate) fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.chars().map(|c| if c.is_control() && c != '\n' { '�' } else { c }).collect(),
        Some(other) => other.to_string(),
    }
}

fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    value.pointer(path)
}

/// A table of requests.
pub(super) fn list(answer: &Value) {
    let empty = Vec::new();
    let approvals = at(answer, "/approvals").and_then(Value::as_array).unwrap_or(&empty);
    if approvals.is_empty() {
        println!("no such requests that you may see");
        return;
    }
    let head = ["REQUEST", "STATE", "AGREED", "WHO", "DATASOURCE", "RULE", "LAPSES", "STATEMENT"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for approval in approvals {
        let agreed = at(approval, "/agreed").and_then(Value::as_array).map_or(0, Vec::len);
        let sql: String =
            text(at(approval, "/sql")).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
        rows.push(vec![
            text(at(approval, "/id")),
            text(at(approval, "/state")),
            format!("{agreed}/{}", text(at(approval, "/needed"))),
            text(at(approval, "/requester/display")),
            text(at(approval, "/datasource")),
            text(at(approval, "/rule")),
            text(at(approval, "/expires")),
            sql,
        ]);
    }
    aligned(&rows);
}

/// Prints rows in columns as wide as what is in them.
pub(crate) fn aligned(rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        println!("{}", line.trim_end());
    }
}

/// One request in full.
pub(super) fn show(approval: &Value) {
    let line = |label: &str, value: String| println!("{label:<12}{value}");
    line("request", format!("{} ({})", text(at(approval, "/id")), text(at(approval, "/state"))));
    line(
        "who",
        format!(
            "{} = {} at {}",
            text(at(approval, "/requester/display")),
            text(at(approval, "/requester/subject")),
            text(at(approval, "/requester/issuer"))
        ),
    );
    line("reason", format!("{}, ticket {}", text(at(approval, "/reason")), text(at(approval, "/ticket"))));
    line("where", format!("{}, rule {:?}", text(at(approval, "/datasource")), text(at(approval, "/rule"))));
    let list = |path: &str, show: &dyn Fn(&Value) -> String| -> Vec<String> {
        at(approval, path).and_then(Value::as_array).map(|all| all.iter().map(show).collect()).unwrap_or_default()
    };
    let tables = list("/picture/tables", &|table| format!("{} {}", text(table.get("access")), text(table.get("name"))));
    line("touches", tables.join(", "));
    let columns = list("/picture/columns", &|column| {
        let mask = column.get("mask").and_then(Value::as_str).unwrap_or("in the clear");
        format!("{} ({mask})", text(column.get("name")))
    });
    line("shows", columns.join(", "));
    for warning in list("/picture/warnings", &|warning| text(Some(warning))) {
        line("beware", warning);
    }
    let agreed = list("/agreed", &|person| text(person.get("display")));
    line(
        "approvers",
        format!(
            "{} of {}; {}",
            agreed.len(),
            text(at(approval, "/needed")),
            list("/approvers", &|group| text(Some(group))).join(", ")
        ),
    );
    line("lapses", text(at(approval, "/expires")));
    println!("\n{}\n", text(at(approval, "/sql")));
    for (index, param) in list("/params", &|param| text(Some(param))).iter().enumerate() {
        println!("${} = {param}", index.saturating_add(1));
    }
    for entry in list("/history", &|entry| {
        let by = entry.pointer("/by/display").map_or(String::new(), |by| format!(" by {}", text(Some(by))));
        let words = entry
            .get("words")
            .filter(|words| !words.is_null())
            .map_or(String::new(), |words| format!(": {}", text(Some(words))));
        format!("{}  {}{by}{words}", text(entry.get("at")), text(entry.get("step")))
    }) {
        println!("{entry}");
    }
}

/// What a decision led to.
pub(super) fn decided(approval: &Value) {
    let agreed = at(approval, "/agreed").and_then(Value::as_array).map_or(0, Vec::len);
    println!(
        "{} is {} ({agreed} of {} agreed)",
        text(at(approval, "/id")),
        text(at(approval, "/state")),
        text(at(approval, "/needed"))
    );
}
