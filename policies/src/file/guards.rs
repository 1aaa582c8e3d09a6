//! `[[deny]]` and `[[approve]]`.

use super::fields::{Fields, Report};
use super::{identify, masks};
use crate::rule::{Approvers, Guard};
use crate::when::{MOST_AT_MOST, USAGES, VerbClass, When};
use crate::who::Who;
use crate::window::{self, Window};
use model::Escalation;
use regex::Regex;

pub(super) const DENY_KEYS: [&str; 4] = ["name", "when", "unless", "hint"];
pub(super) const APPROVE_KEYS: [&str; 9] =
    ["name", "when", "unless", "hint", "approvers", "valid_for", "window", "break_glass", "escalation"];
const WHO_KEYS: [&str; 3] = ["groups", "subjects", "issuers"];
const WHEN_KEYS: [&str; 22] = [
    "verbs",
    "datasources",
    "tables",
    "reads",
    "writes",
    "columns",
    "classifications",
    "protected",
    "predicates",
    "unfiltered",
    "filter_by",
    "at_most",
    "unlimited",
    "groups",
    "subjects",
    "issuers",
    "client_app",
    "matches",
    "hours",
    "days",
    "utc_offset",
    "rows_over",
];

/// A grant is good for this long unless the rule says otherwise.
const VALID_FOR_SECONDS: u64 = 30 * 60;

pub(super) fn deny(entry: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<Guard> {
    guard(entry, None, report)
}

pub(super) fn approve(entry: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<Guard> {
    let help = "write approvers = { groups = [\"privacy-office\"], count = 1 }";
    let mut approvers = Approvers {
        groups: Vec::new(),
        count: 1,
        valid_for_seconds: duration(entry, "valid_for", report).unwrap_or(VALID_FOR_SECONDS),
        window: entry.boolean("window", report).unwrap_or(false),
        break_glass: entry.boolean("break_glass", report).unwrap_or(false),
        escalation: None,
    };
    match entry.table("approvers", &["groups", "count"], report) {
        Some(table) => {
            approvers.groups = table.owned_strings("groups", report);
            if table.get("groups").is_none() {
                report.error(&table.path, &table.span, "nobody may approve", help);
            }
            let count = table.number("count", report).unwrap_or(1);
            approvers.count =
                u32::try_from(count).ok().filter(|count| (1..=100).contains(count)).unwrap_or_else(|| {
                    report.error(
                        &table.key("count"),
                        &table.span,
                        format!("{count} people cannot approve"),
                        "write 1 to 100",
                    );
                    1
                });
        }
        None if entry.get("approvers").is_none() => {
            report.error(&entry.path, &entry.span, "the rule names no approvers", help);
        }
        None => {}
    }
    if let Some(table) = entry.table("escalation", &["after", "groups"], report) {
        let groups = table.owned_strings("groups", report);
        let after = duration(&table, "after", report);
        if table.get("groups").is_none() || table.get("after").is_none() {
            let help = "write escalation = { after = \"10m\", groups = [\"security\"] }";
            report.error(&table.path, &table.span, "the escalation says not after what time, or to whom", help);
        }
        approvers.escalation = after.map(|after_seconds| Escalation { after_seconds, groups });
    }
    guard(entry, Some(approvers), report)
}

fn guard(entry: &Fields<'_, '_>, approvers: Option<Approvers>, report: &mut Report<'_>) -> Option<Guard> {
    let (name, origin) = identify(entry, report);
    let unless = whos(entry, "unless", report);
    let hint = entry.string("hint", report).map(str::to_owned);
    let help = "add when = { … }; when = { verbs = [\"any\"] } means every statement";
    let Some(fields) = entry.table("when", &WHEN_KEYS, report) else {
        if entry.get("when").is_none() {
            report.error(&entry.path, &entry.span, "the rule has no condition", help);
        }
        return None;
    };
    if fields.is_empty() {
        report.error(&fields.path, &fields.span, "the condition is empty", help);
        return None;
    }
    let when = when(&fields, report);
    Some(Guard { name, when, unless, hint, approvers, origin })
}

fn when(fields: &Fields<'_, '_>, report: &mut Report<'_>) -> When {
    let table_help = "write datasource.schema.table, for example \"*.*.encounters\"";
    let column_help = "write datasource.schema.table.column, for example \"*.*.encounters.patient_id\"";
    let at_most = at_most(fields, report);
    When {
        verbs: fields.choices("verbs", &VerbClass::NAMES, report),
        datasources: fields.owned_strings("datasources", report),
        tables: masks::globs(fields, "tables", table_help, report),
        reads: masks::globs(fields, "reads", table_help, report),
        writes: masks::globs(fields, "writes", table_help, report),
        columns: masks::columns(fields, report),
        classifications: fields.owned_strings("classifications", report),
        protected: fields.boolean("protected", report),
        predicates: fields.choices("predicates", &USAGES, report),
        unfiltered: fields.boolean("unfiltered", report),
        filter_by: masks::globs(fields, "filter_by", column_help, report),
        at_most,
        unlimited: fields.boolean("unlimited", report),
        who: who(fields, report),
        client_app: regex(fields, "client_app", report),
        matches: regex(fields, "matches", report),
        window: time_window(fields, report),
        rows_over: fields.number("rows_over", report),
    }
}

/// How many values may filter, and whether `filter_by` and `at_most` have something to say at all.
fn at_most(fields: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<u32> {
    for key in ["filter_by", "at_most"] {
        if let Some(value) = fields.get(key)
            && fields.get("unfiltered").is_none()
        {
            let help = "add unfiltered = true, or remove it";
            report.error(&fields.key(key), &value.span(), format!("{key} alone asks nothing"), help);
        }
    }
    let most = fields.number("at_most", report)?;
    if (1..=MOST_AT_MOST).contains(&most) {
        return u32::try_from(most).ok();
    }
    let span = fields.get("at_most").map_or(0..0, toml::Spanned::span);
    let help = format!("write a number from 1 to {MOST_AT_MOST}");
    report.error(&fields.key("at_most"), &span, format!("{most} values cannot be asked for"), help);
    None
}

fn regex(fields: &Fields<'_, '_>, key: &str, report: &mut Report<'_>) -> Option<Regex> {
    let text = fields.string(key, report)?;
    match Regex::new(text) {
        Ok(regex) => Some(regex),
        Err(error) => {
            let span = fields.get(key).map_or(0..0, toml::Spanned::span);
            let reason = error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let help = "correct the expression (Rust regex syntax; single quotes spare the backslashes)";
            report.error(&fields.key(key), &span, format!("this is not a regular expression: {reason}"), help);
            None
        }
    }
}

fn time_window(fields: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<Window> {
    let span = |key| fields.get(key).map_or(0..0, toml::Spanned::span);
    let hours = fields.string("hours", report).and_then(|text| {
        let hours = window::parse_hours(text);
        if hours.is_none() {
            let help = "write from and to with two digits each, like \"22:00-06:00\"";
            report.error(&fields.key("hours"), &span("hours"), format!("{text:?} is not a span of hours"), help);
        }
        hours
    });
    let numbered: Vec<(&str, u8)> = window::DAYS.iter().copied().zip(0..).collect();
    let days = fields.choices("days", &numbered, report).into_iter().fold(0, |days, day| days | 1 << day);
    let offset = fields.string("utc_offset", report).and_then(|text| {
        let offset = window::parse_offset(text);
        if offset.is_none() {
            let help = "write \"+01:00\", \"-08:00\" or \"Z\"";
            report.error(&fields.key("utc_offset"), &span("utc_offset"), format!("{text:?} is not an offset"), help);
        }
        offset
    });
    if fields.get("hours").is_none() && fields.get("days").is_none() {
        if fields.get("utc_offset").is_some() {
            let help = "add hours or days, or remove it";
            report.error(&fields.key("utc_offset"), &span("utc_offset"), "an offset alone says no time", help);
        }
        return None;
    }
    let days = if days == 0 { Window::EVERY_DAY } else { days };
    Some(Window { hours, days, offset: offset.unwrap_or(0) })
}

fn who(fields: &Fields<'_, '_>, report: &mut Report<'_>) -> Who {
    Who {
        groups: fields.owned_strings("groups", report),
        subjects: fields.owned_strings("subjects", report),
        issuers: fields.owned_strings("issuers", report),
    }
}

/// A list of descriptions of people, like `unless`.
pub(super) fn whos(entry: &Fields<'_, '_>, key: &str, report: &mut Report<'_>) -> Vec<Who> {
    let Some(value) = entry.get(key) else { return Vec::new() };
    let path = entry.key(key);
    let help = format!("write {key} = [{{ groups = [\"…\"] }}]");
    let Some(items) = value.get_ref().as_array() else {
        report.error(&path, &value.span(), format!("this is of type {}", value.get_ref().type_str()), help);
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items {
        let Some(table) = item.get_ref().as_table() else {
            report.error(&path, &item.span(), "this entry describes nobody", help.clone());
            continue;
        };
        let who = who(&Fields::new(table, path.clone(), item.span(), &WHO_KEYS, report), report);
        if who.is_anyone() {
            report.error(&path, &item.span(), "this entry would be everybody", help.clone());
        }
        found.push(who);
    }
    found
}

fn duration(fields: &Fields<'_, '_>, key: &str, report: &mut Report<'_>) -> Option<u64> {
    let text = fields.string(key, report)?;
    let found = seconds(text);
    if found.is_none() {
        let span = fields.get(key).map_or(0..0, toml::Spanned::span);
        let help = "write a number and a unit: \"90s\", \"30m\", \"8h\" or \"2d\"";
        report.error(&fields.key(key), &span, format!("{text:?} is not a duration"), help);
    }
    found
}

/// Reads `90s`, `30m`, `8h`, `2d`.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|seconds| *seconds > 0)
}
