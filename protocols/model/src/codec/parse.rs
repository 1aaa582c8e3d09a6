//! Reading the text forms of both engines: ISO dates and times, UUIDs, truth values.

use super::calendar::{Date, DateTime};
use super::value::hex_pair;

pub(super) fn postgres_bool(text: &str) -> Option<bool> {
    match text {
        "t" => Some(true),
        "f" => Some(false),
        _ => None,
    }
}

pub(super) fn mysql_bool(text: &str) -> Option<bool> {
    text.parse::<i64>().ok().map(|value| value != 0)
}

/// Splits ` BC` off.
fn era(text: &str) -> (&str, bool) {
    text.strip_suffix(" BC").map_or((text, false), |rest| (rest, true))
}

/// `YYYY-MM-DD`, of an era. Month and day may be 0 (MySQL).
fn ymd(text: &str, before_christ: bool) -> Option<Date> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    if year.len() < 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let year: i32 = number(year)?;
    let date = Date { year: if before_christ { 1 - year } else { year }, month: number(month)?, day: number(day)? };
    (date.month <= 12 && date.day <= 31 && (date.is_zero() || date.exists())).then_some(date)
}

/// Digits only: `str::parse` would take a sign too.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `YYYY-MM-DD[ BC]`.
pub(super) fn date(text: &str) -> Option<Date> {
    let (text, before_christ) = era(text);
    ymd(text, before_christ)
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff][±HH[:MM[:SS]]][ BC]`.
pub(super) fn datetime(text: &str) -> Option<DateTime> {
    let (text, before_christ) = era(text);
    let (date, clock) = text.split_once([' ', 'T'])?;
    let date = ymd(date, before_christ)?;
    let (clock, offset) = match clock.find(['+', '-']) {
        Some(at) => {
            let (clock, zone) = clock.split_at_checked(at)?;
            (clock, Some(zone_seconds(zone)?))
        }
        None => (clock, None),
    };
    let micros = time(clock).filter(|micros| (0..=86_400_000_000).contains(micros))?;
    Some(DateTime { date, micros, offset })
}

fn zone_seconds(text: &str) -> Option<i32> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text.strip_prefix('+')), |rest| (-1, Some(rest)));
    let mut parts = rest?.split(':');
    let mut seconds = number::<i32>(parts.next()?)? * 3600;
    for unit in [60, 1] {
        seconds += parts.next().map_or(Some(0), number::<i32>)? * unit;
    }
    (parts.next().is_none() && seconds < 100_000).then_some(sign * seconds)
}

/// `[-]HH[H]:MM:SS[.ffffff]` in microseconds.
pub(super) fn time(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (clock, fraction) = text.split_once('.').map_or((text, ""), |(clock, fraction)| (clock, fraction));
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) =
        (number::<i64>(parts.next()?)?, number::<i64>(parts.next()?)?, number::<i64>(parts.next()?)?);
    if parts.next().is_some() || hours > 838 || minutes > 59 || seconds > 59 || fraction.len() > 6 {
        return None;
    }
    let scale = 10_i64.pow(6 - u32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() { 0 } else { number::<i64>(fraction)? * scale };
    Some(sign * ((hours * 3600 + minutes * 60 + seconds) * 1_000_000 + fraction))
}

/// A hyphenated UUID.
pub(super) fn uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|at| bytes.get(*at) != Some(&b'-')) {
        return None;
    }
    let mut digits = bytes.iter().filter(|byte| **byte != b'-');
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        *byte = hex_pair(*digits.next()?, *digits.next()?)?;
    }
    digits.next().is_none().then_some(uuid)
}
