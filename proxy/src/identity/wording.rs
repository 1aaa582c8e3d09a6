//! Words for refusals: durations and times as people say them, and foreign text made harmless.

use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Characters of foreign text that a message repeats at most.
const SHOWN: usize = 80;

/// Text of a token or a peer for a message: quoted, short, one line.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String =
        text.chars().take(SHOWN).map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    format!("\"{short}\"")
}

/// A length of time, rounded down to its largest unit: `3 minutes`.
pub(crate) fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A point in time, from seconds since the epoch: `2026-03-01T12:00:00Z`.
pub(crate) fn instant(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} seconds after 1970"))
}

/// `[a, b]`, each made harmless, at most five.
pub(crate) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut parts: Vec<String> =
        items.into_iter().take(6).map(|item| shown(item).trim_matches('"').to_owned()).collect();
    if parts.len() > 5 {
        parts.truncate(5);
        parts.push("…".to_owned());
    }
    format!("[{}]", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_break_a_line_or_flood_a_log() {
        assert_eq!(shown("a\nb\u{1b}[31m"), "\"a?b?[31m\"");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), SHOWN + 3);
        assert_eq!(list(["a", "b\r\n"]), "[a, b??]");
        assert_eq!(list(["1", "2", "3", "4", "5", "6", "7"]), "[1, 2, 3, 4, 5, …]");
    }

    #[test]
    fn time_is_said_as_people_say_it() {
        assert_eq!(lasting(Duration::from_secs(1)), "1 second");
        assert_eq!(lasting(Duration::from_secs(185)), "3 minutes");
        assert_eq!(lasting(Duration::from_secs(90_000)), "25 hours");
        assert_eq!(lasting(Duration::from_secs(2_592_000)), "30 days");
        assert_eq!(instant(1_772_366_400), "2026-03-01T12:00:00Z");
        assert_eq!(instant(i64::MAX), "9223372036854775807 seconds after 1970");
    }
}
