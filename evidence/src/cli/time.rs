//! Times on the command line: RFC 3339, a date, or how long ago.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

const DAY: i64 = 86_400_000_000;

/// As [`parse`], for the end of a time: a date means all of that day.
pub(crate) fn parse_end(text: &str) -> Result<i64, String> {
    let whole_day =
        matches!(text, "today" | "yesterday") || Date::parse(text, format_description!("[year]-[month]-[day]")).is_ok();
    parse(text).map(|begin| if whole_day { begin.saturating_add(DAY - 1) } else { begin })
}

/// Reads `2026-11-23T10:00:00Z`, `2026-11-23`, `today`, `yesterday` (its beginning, UTC), or `90s`, `15m`, `2h`, `7d` (ago).
/// Microseconds.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    if let "today" | "yesterday" = text {
        let today = crate::journal::now().div_euclid(DAY) * DAY;
        return Ok(if text == "today" { today } else { today - DAY });
    }
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return micros(moment);
    }
    if let Ok(date) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
        return micros(date.midnight().assume_utc());
    }
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    match number.parse::<i64>() {
        Ok(number) if seconds > 0 && number >= 0 => {
            Ok(crate::journal::now().saturating_sub(number.saturating_mul(seconds).saturating_mul(1_000_000)))
        }
        _ => {
            Err("write 2026-11-23T10:00:00Z, 2026-11-23, today, yesterday, or how long ago: 90s, 15m, 2h, 7d"
                .to_owned())
        }
    }
}

fn micros(moment: OffsetDateTime) -> Result<i64, String> {
    i64::try_from(moment.unix_timestamp_nanos() / 1000).map_err(|_| "that is too far away".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_forms_are_read_and_others_are_not() {
        assert_eq!(parse("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(parse_end("1970-01-02"), Ok(2 * 86_400_000_000 - 1), "all of the day");
        assert_eq!(parse_end("1970-01-02T00:00:00Z"), Ok(86_400_000_000));
        assert_eq!(parse("today").unwrap() - parse("yesterday").unwrap(), 86_400_000_000);
        assert_eq!(parse_end("yesterday").unwrap() + 1, parse("today").unwrap());
        assert!(parse("2h").unwrap() < crate::journal::now() - 7_199_000_000);
        for bad in ["", "h", "-1h", "tomorrow", "2026-13-01", "1y"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
