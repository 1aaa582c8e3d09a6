//! Tables for people, JSON and CSV for machines.

use clap::Args;
use serde_json::Value as Json;
use std::io::{IsTerminal, Write};

/// How to print.
#[derive(Args, Clone, Copy)]
pub(super) struct Format {
    /// Prints a JSON array.
    #[arg(long)]
    pub(super) json: bool,
    /// Prints CSV.
    #[arg(long, conflicts_with = "json")]
    pub(super) csv: bool,
}

impl Format {
    pub(super) fn is_for_people(self) -> bool {
        !self.json && !self.csv
    }
}

/// Columns of the terminal, or none when the output goes elsewhere.
fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    Some(usize::from(size.ws_col).max(40))
}

/// Prints lines; a closed pipe is no error.
pub(super) fn lines(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints JSON objects as one array, an object a line.
pub(super) fn json(objects: &[Json]) {
    let mut out = String::from("[");
    for (at, object) in objects.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        out.push_str(&object.to_string());
    }
    out.push_str("\n]\n");
    lines(&out);
}

/// One field of CSV (RFC 4180). What a spreadsheet would take for a formula is quoted with an apostrophe.
pub(crate) fn csv_field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Prints CSV.
pub(super) fn csv(header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut out = header.join(",");
    out.push_str("\r\n");
    for row in rows {
        out.push_str(&row.iter().map(|field| csv_field(field)).collect::<Vec<_>>().join(","));
        out.push_str("\r\n");
    }
    lines(&out);
}

/// Prints an aligned table. On a terminal the widest column gives way, so that a line stays a line.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) {
    lines(&render(header, rows, width()));
}

fn render(header: &[&str], rows: &[Vec<String>], width: Option<usize>) -> String {
    let clean = |text: &str| -> String {
        let folded: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        folded.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count()).collect();
    for row in &rows {
        for (place, cell) in widths.iter_mut().zip(row) {
            *place = (*place).max(cell.chars().count());
        }
    }
    if let Some(width) = width {
        loop {
            let total: usize = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
            let Some(widest) = widths.iter_mut().max() else { break };
            if total <= width || *widest <= 8 {
                break;
            }
            *widest -= (total - width).min(*widest - 8).max(1);
        }
    }
    let mut out = String::new();
    let mut line = |cells: &[String]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            let mut shown: String = cell.chars().take(*width).collect();
            if cell.chars().count() > *width {
                shown.pop();
                shown.push('…');
            }
            text.push_str(&format!("{shown:<width$}  "));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_give_way_to_the_terminal() {
        let rows = vec![vec!["a".into(), "x".repeat(50)], vec!["bbb".into(), "line\nbreak".into()]];
        assert_eq!(render(&["id", "text"], &rows[1..], None), "id   text\nbbb  line break\n");
        let narrow = render(&["id", "text"], &rows, Some(30));
        assert!(narrow.lines().all(|line| line.chars().count() <= 30), "{narrow}");
        assert!(narrow.contains('…'));
    }

    #[test]
    fn csv_quotes_what_it_must_and_defuses_formulas() {
        assert_eq!(csv_field("a,b"), "\"a,b\"");
        assert_eq!(csv_field("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(csv_field("=1+1"), "'=1+1");
        assert_eq!(csv_field("-5"), "-5");
    }
}
