//! `[approvals]` and `[limits]`: how the service behaves.

use super::document::Section;
use super::setup::{ApprovalsSetup, Limits, OnHold};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn approvals(root: &Section<'_>) -> ApprovalsSetup {
    let section = root.section("approvals");
    let wait = section.duration("wait", SECOND..=7 * DAY, 15 * 60 * SECOND);
    let on_hold = match section.text("on_hold").as_deref() {
        None | Some("wait") => OnHold::Wait,
        Some("reject") => OnHold::Reject,
        Some(other) => {
            section.wrong(
                "on_hold",
                format!("{other:?} is not a way to hold a statement"),
                "write \"wait\" or \"reject\"",
            );
            OnHold::Reject
        }
    };
    section.finish();
    ApprovalsSetup { wait, on_hold }
}

pub(crate) fn limits(root: &Section<'_>) -> Limits {
    let section = root.section("limits");
    let count = |key, range, default: usize| {
        section.count(key, range).and_then(|count| usize::try_from(count).ok()).unwrap_or(default)
    };
    let sessions = count("sessions", 1..=1_000_000, 10_000);
    let limits = Limits {
        sessions,
        pending_logins: count("pending_logins", 1..=100_000, 512),
        logins_per_address: count("logins_per_address", 1..=100_000, 64),
        sessions_per_address: count("sessions_per_address", 1..=1_000_000, 2_000),
        sessions_per_identity: count("sessions_per_identity", 1..=1_000_000, 500),
        sessions_per_datasource: count("sessions_per_datasource", 1..=1_000_000, sessions),
        sessions_per_listener: count("sessions_per_listener", 1..=1_000_000, sessions),
        console_connections: count("console_connections", 8..=100_000, 256),
        login_timeout: section.duration("login_timeout", SECOND..=600 * SECOND, 30 * SECOND),
        idle_timeout: section.duration("idle_timeout", SECOND..=30 * DAY, 8 * 3600 * SECOND),
        message_bytes: section.size("message_bytes", 64 << 10..=1 << 30, 64 << 20),
        unfinished_bytes: section.size("unfinished_bytes", 1 << 20..=1 << 40, 512 << 20),
        shutdown_grace: section.duration("shutdown_grace", Duration::ZERO..=3600 * SECOND, 10 * SECOND),
        threads: count("threads", 1..=1024, std::thread::available_parallelism().map_or(1, usize::from)),
        files: None,
    };
    section.finish();
    limits
}
