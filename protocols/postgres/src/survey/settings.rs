//! Settings, as they hold for the proxy's user, that write statements with their literals, or parameters, into the
//! server's log: identifiers that people look up would stand there unmasked.
//! <https://www.postgresql.org/docs/current/runtime-config-logging.html>

use super::{Me, text};
use crate::link::Link;
use std::io;
use wire::{Finding, Severity};

const WHY: &str = "literals of statements, which may be identifiers, end up in a file that nobody masks";

/// A setting: its name, whether a value writes something down, how much that matters, and the value that does not.
type Quiet = (&'static str, fn(&str) -> bool, Severity, &'static str);

fn is_positive_or_zero(value: &str) -> bool {
    value.parse::<i64>().is_ok_and(|value| value >= 0)
}

fn is_not_zero(value: &str) -> bool {
    value != "0"
}

fn is_on(value: &str) -> bool {
    value == "on"
}

pub(super) const QUIET: [Quiet; 12] = [
    ("log_statement", |value| value != "none", Severity::Medium, "none"),
    ("log_min_duration_statement", is_positive_or_zero, Severity::Medium, "-1"),
    ("log_min_duration_sample", is_positive_or_zero, Severity::Medium, "-1"),
    ("log_parameter_max_length_on_error", is_not_zero, Severity::Medium, "0"),
    // As the server comes, it logs the text of every statement that fails.
    ("log_min_error_statement", |value| value != "panic", Severity::Low, "panic"),
    ("log_transaction_sample_rate", is_not_zero, Severity::Medium, "0"),
    ("debug_print_parse", is_on, Severity::Medium, "off"),
    ("debug_print_rewritten", is_on, Severity::Medium, "off"),
    ("debug_print_plan", is_on, Severity::Medium, "off"),
    ("auto_explain.log_min_duration", is_positive_or_zero, Severity::Medium, "-1"),
    ("pgaudit.log", |value| !matches!(value, "" | "none"), Severity::Medium, "none"),
    ("pgaudit.log_parameter", is_on, Severity::Medium, "off"),
];

/// Settings that write values down.
pub(super) async fn settings(link: &mut Link, me: &Me) -> io::Result<Vec<Finding>> {
    let names: Vec<String> = QUIET.iter().map(|(name, ..)| super::literal(name)).collect();
    let rows = link
        .query(&format!("SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ({})", names.join(", ")))
        .await?;
    let value = |name: &str| rows.iter().find(|row| text(row, 0) == name).map(|row| text(row, 1));
    let loud = QUIET.iter().filter(|(name, writes, ..)| value(name).is_some_and(writes));
    Ok(loud
        .map(|(name, _, severity, quiet)| Finding {
            severity: *severity,
            check: "log-literals",
            what: format!("{name} is {}", value(name).unwrap_or_default()),
            why: WHY,
            fix: vec![set(&me.quoted(), name, quiet)],
        })
        .collect())
}

/// Sets it for the role's sessions only.
pub(super) fn set(role: &str, name: &str, value: &str) -> String {
    format!("ALTER ROLE {role} SET {name} = {};", super::literal(value))
}
