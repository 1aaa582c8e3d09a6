//! MySQL's binary result set values to the text that the text protocol shows.
//!
//! Format: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>. Cells come without
//! the length byte of length-encoded values, so a DATE is 0 or 4 bytes, a DATETIME 0, 4, 7 or 11, a TIME 0, 8 or 12.

use super::calendar::{self, Date, DateTime};
use super::{float, hex};
use crate::Kind;
use std::fmt::Write;

/// Appends the text; `None` (with `out` possibly begun) when the bytes are not this kind's.
pub(super) fn render(kind: &Kind, cell: &[u8], out: &mut String) -> Option<()> {
    match kind {
        Kind::Int { signed, .. } => {
            let _ = write!(out, "{}", int(cell, *signed)?);
        }
        Kind::Bool => {
            let _ = write!(out, "{}", int(cell, true)?);
        }
        Kind::Year => {
            let _ = write!(out, "{:04}", u16::from_le_bytes(cell.try_into().ok()?));
        }
        Kind::Float { .. } => match cell.len() {
            4 => float::push_f32(out, f32::from_le_bytes(cell.try_into().ok()?), float::MYSQL),
            8 => float::push_f64(out, f64::from_le_bytes(cell.try_into().ok()?), float::MYSQL),
            _ => return None,
        },
        Kind::Date => calendar::push_date(out, datetime(cell)?.date),
        Kind::Timestamp | Kind::TimestampTz => push_datetime(out, datetime(cell)?),
        Kind::Time | Kind::TimeTz | Kind::Interval => push_time(out, time_micros(cell)?),
        Kind::Bit => push_bits(out, cell),
        Kind::Decimal
        | Kind::Uuid
        | Kind::Char
        | Kind::Text
        | Kind::Enum { .. }
        | Kind::Json
        | Kind::Jsonb
        | Kind::Bytes
        | Kind::Network => out.push_str(std::str::from_utf8(cell).ok()?),
        Kind::Array { .. } | Kind::Composite | Kind::Unknown => return None,
    }
    Some(())
}

/// `BIT` is bytes in both protocols; this is how the mysql command line shows them.
pub(super) fn push_bits(out: &mut String, cell: &[u8]) {
    out.push_str("0x");
    cell.iter().for_each(|byte| hex::push_byte(out, *byte));
}

/// An integer of 1, 2, 4 or 8 bytes (`MEDIUMINT` is sent as 4).
pub(super) fn int(cell: &[u8], signed: bool) -> Option<i128> {
    Some(match (cell.len(), signed) {
        (1, true) => i8::from_le_bytes(cell.try_into().ok()?).into(),
        (1, false) => u8::from_le_bytes(cell.try_into().ok()?).into(),
        (2, true) => i16::from_le_bytes(cell.try_into().ok()?).into(),
        (2, false) => u16::from_le_bytes(cell.try_into().ok()?).into(),
        (4, true) => i32::from_le_bytes(cell.try_into().ok()?).into(),
        (4, false) => u32::from_le_bytes(cell.try_into().ok()?).into(),
        (8, true) => i64::from_le_bytes(cell.try_into().ok()?).into(),
        (8, false) => u64::from_le_bytes(cell.try_into().ok()?).into(),
        _ => return None,
    })
}

/// `u16 year · u8 month · u8 day`, then `u8 hour · u8 minute · u8 second`, then `u32 microseconds`; each group may be
/// missing from the end, and is 0 then.
pub(super) fn datetime(cell: &[u8]) -> Option<DateTime> {
    let (date, clock, fraction) = match cell {
        [] => ([0; 4], [0; 3], [0; 4]),
        [a, b, c, d] => ([*a, *b, *c, *d], [0; 3], [0; 4]),
        [a, b, c, d, h, m, s] => ([*a, *b, *c, *d], [*h, *m, *s], [0; 4]),
        [a, b, c, d, h, m, s, f @ ..] => ([*a, *b, *c, *d], [*h, *m, *s], <[u8; 4]>::try_from(f).ok()?),
        _ => return None,
    };
    let [low, high, month, day] = date;
    let fraction = u32::from_le_bytes(fraction);
    if month > 12 || day > 31 || fraction > 999_999 {
        return None;
    }
    let date = Date { year: u16::from_le_bytes([low, high]).into(), month, day };
    Some(DateTime { date, micros: clock_micros(clock, 23)? + i64::from(fraction), offset: None })
}

/// `u8 is-negative · u32 days · u8 hours · u8 minutes · u8 seconds`, then `u32 microseconds`.
pub(super) fn time_micros(cell: &[u8]) -> Option<i64> {
    let (negative, days, clock, fraction) = match cell {
        [] => return Some(0),
        [n @ 0..=1, a, b, c, d, h, m, s] => (*n, [*a, *b, *c, *d], [*h, *m, *s], [0; 4]),
        [n @ 0..=1, a, b, c, d, h, m, s, f @ ..] => (*n, [*a, *b, *c, *d], [*h, *m, *s], <[u8; 4]>::try_from(f).ok()?),
        _ => return None,
    };
    let fraction = u32::from_le_bytes(fraction);
    let days = u32::from_le_bytes(days);
    if fraction > 999_999 || days > 34 {
        return None;
    }
    let size = i64::from(days) * calendar::DAY_MICROS + clock_micros(clock, 23)? + i64::from(fraction);
    Some(if negative == 1 { -size } else { size })
}

fn clock_micros([hour, minute, second]: [u8; 3], max_hour: u8) -> Option<i64> {
    (hour <= max_hour && minute <= 59 && second <= 59)
        .then(|| (i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * 1_000_000)
}

/// Appends `YYYY-MM-DD HH:MM:SS` and, where there is one, the whole six-digit fraction.
pub(super) fn push_datetime(out: &mut impl Write, value: DateTime) {
    calendar::push_date(out, value.date);
    let _ = out.write_char(' ');
    push_time(out, value.micros);
}

/// Appends `[-]HH:MM:SS`, hours up to 838, and the six-digit fraction where there is one.
pub(super) fn push_time(out: &mut impl Write, micros: i64) {
    let size = micros.unsigned_abs();
    let seconds = size / 1_000_000;
    let sign = if micros < 0 { "-" } else { "" };
    let _ = write!(out, "{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if !size.is_multiple_of(1_000_000) {
        let _ = write!(out, ".{:06}", size % 1_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: &Kind, cell: &[u8]) -> Option<String> {
        let mut out = String::new();
        render(kind, cell, &mut out).map(|()| out)
    }

    #[test]
    fn integers_of_every_width() {
        let int = |bytes, signed| Kind::Int { bytes, signed };
        assert_eq!(text(&int(1, true), &[0xff]).as_deref(), Some("-1"));
        assert_eq!(text(&int(1, false), &[0xff]).as_deref(), Some("255"));
        assert_eq!(text(&int(3, true), &[0xfe, 0xff, 0xff, 0xff]).as_deref(), Some("-2"), "MEDIUMINT takes four bytes");
        assert_eq!(text(&int(8, false), &[0xff; 8]).as_deref(), Some("18446744073709551615"));
        assert_eq!(text(&int(4, true), &[1, 2, 3]), None, "truncated");
        assert_eq!(text(&Kind::Year, &[0xe8, 0x07]).as_deref(), Some("2024"));
    }

    #[test]
    fn dates_of_every_length() {
        assert_eq!(text(&Kind::Date, &[]).as_deref(), Some("0000-00-00"));
        assert_eq!(text(&Kind::Date, &[0xda, 0x07, 10, 17]).as_deref(), Some("2010-10-17"));
        assert_eq!(text(&Kind::Timestamp, &[]).as_deref(), Some("0000-00-00 00:00:00"));
        assert_eq!(text(&Kind::Timestamp, &[0xda, 0x07, 10, 17]).as_deref(), Some("2010-10-17 00:00:00"));
        let whole = [0xda, 0x07, 10, 17, 19, 27, 30, 1, 0, 0, 0];
        assert_eq!(text(&Kind::Timestamp, &whole[..7]).as_deref(), Some("2010-10-17 19:27:30"));
        assert_eq!(text(&Kind::Timestamp, &whole).as_deref(), Some("2010-10-17 19:27:30.000001"));
        for cut in [1, 2, 3, 5, 6, 8, 9, 10] {
            assert_eq!(text(&Kind::Timestamp, &whole[..cut]), None, "cut at {cut}");
        }
        assert_eq!(text(&Kind::Date, &[0xda, 0x07, 13, 1]), None, "month 13");
    }

    #[test]
    fn times_of_every_length() {
        assert_eq!(text(&Kind::Time, &[]).as_deref(), Some("00:00:00"));
        let whole = [1, 5, 0, 0, 0, 19, 27, 30, 64, 226, 1, 0];
        assert_eq!(text(&Kind::Time, &whole[..8]).as_deref(), Some("-139:27:30"));
        assert_eq!(text(&Kind::Time, &whole).as_deref(), Some("-139:27:30.123456"));
        for cut in [1, 4, 7, 9, 11] {
            assert_eq!(text(&Kind::Time, &whole[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn bits_floats_and_text() {
        assert_eq!(text(&Kind::Bit, &[1, 0x0f]).as_deref(), Some("0x010f"));
        assert_eq!(text(&Kind::Float { bytes: 8 }, &0.5_f64.to_le_bytes()).as_deref(), Some("0.5"));
        assert_eq!(text(&Kind::Float { bytes: 4 }, &[0, 0]), None);
        assert_eq!(text(&Kind::Text, "naïve".as_bytes()).as_deref(), Some("naïve"));
        assert_eq!(text(&Kind::Text, &[0xff]), None);
    }
}
