//! Tables for people, JSON and CSV for machines.

use crate::visible::{self, one_line};
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

/// As `println!`, but a closed pipe is no error and every value in it is kept from driving the terminal.
macro_rules! say {
    () => { $crate::cli::output::lines("\n") };
    ($($arg:tt)*) => { $crate::cli::output::said(&format!($($arg)*)) };
}
pub(super) use say;

/// Prints one saying; its own line feeds are kept, for they are ours.
pub(super) fn said(text: &str) {
    let shown: Vec<_> = text.split('\n').map(one_line).collect();
    lines(&format!("{}\n", shown.join("\n")));
}

/// Prints JSON objects as one array, an object a line.
pub(super) fn json(objects: &[Json]) {
    let mut out = String::from("[");
    for (at, object) in objects.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        out.push_str(&visible::json(&object.to_string()));
    }
    out.push_str("\n]\n");
    lines(&out);
}

/// One field of CSV (RFC 4180). What a spreadsheet would take for a formula is quoted with an apostrophe.
pub(crate) fn csv_field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', ';', '"', '\n', '\r', '\t']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Prints CSV: exactly, unless it goes to a terminal.
pub(super) fn csv(header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    if std::io::stdout().is_terminal() {
        let shown = |field: &String| csv_field(&one_line(field));
        lines(&format!("{}\n", header.join(",")));
        rows.for_each(|row| lines(&format!("{}\n", row.iter().map(shown).collect::<Vec<_>>().join(","))));
        return;
    }
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

/// Characters of a cell that are shown at most; JSON and CSV have all of them.
const WIDEST: usize = 2000;

fn render(header: &[&str], rows: &[Vec<String>], width: Option<usize>) -> String {
    // Cut before it is looked at: one giant value is no reason to walk it, nor to pad every other line to its length.
    let clean = |text: &str| -> String {
        let end = text.char_indices().nth(WIDEST).map_or(text.len(), |(at, _)| at);
        let (kept, rest) = text.split_at(end);
        let mut shown = one_line(kept).split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        if !rest.is_empty() {
            shown.push_str(&format!("… ({} bytes)", text.len()));
        }
        shown
    };
    let header: Vec<String> = header.iter().map(|name| clean(name)).collect();
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
            // Not by the formatter: it panics at widths beyond 65,535.
            let pad = width.saturating_sub(shown.chars().count()) + 2;
            text.push_str(&shown);
            text.extend(std::iter::repeat_n(' ', pad));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&header);
    rows.iter().for_each(|row| line(row));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_give_way_to_the_terminal() {
        let rows = vec![vec!["a".into(), "x".repeat(50)], vec!["bbb".into(), "line\nbreak".into()]];
        assert_eq!(render(&["id", "text"], &rows[1..], None), "id   text\nbbb  line⏎break\n");
        let narrow = render(&["id", "text"], &rows, Some(30));
        assert!(narrow.lines().all(|line| line.chars().count() <= 30), "{narrow}");
        assert!(narrow.contains('…'));
    }

    #[test]
    fn one_giant_value_breaks_nothing() {
        let rows = vec![vec!["A".repeat(70_000), "x".into()], vec!["b".into(), "y".into()]];
        let shown = render(&["text", "n"], &rows, None);
        assert_eq!(shown.lines().count(), 3);
        assert!(shown.contains("(70000 bytes)") && shown.lines().all(|line| line.chars().count() < 2100), "{shown}");
    }

    #[test]
    fn no_value_draws_a_line_or_drives_the_terminal() {
        let rows = vec![vec!["a\nforged  line".into(), "\u{1b}[2J\u{202e}".into()]];
        assert_eq!(render(&["a", "b"], &rows, None), "a              b\na⏎forged line  ⟨U+001B⟩[2J⟨U+202E⟩\n");
    }

    #[test]
    fn csv_quotes_what_it_must_and_defuses_formulas() {
        assert_eq!(csv_field("a,b"), "\"a,b\"");
        assert_eq!(csv_field("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(csv_field("=1+1"), "'=1+1");
        assert_eq!(csv_field("-5"), "-5");
        assert_eq!(csv_field("a;=1+1"), "\"a;=1+1\"", "a spreadsheet may part fields at semicolons");
    }
}
