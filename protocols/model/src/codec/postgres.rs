//! PostgreSQL's binary format, type by type, to the text that the type's output function prints.
//!
//! Formats: the send functions in src/backend/utils/adt (`int8send` int8.c, `date_send` date.c, `timestamp_send` and
//! `interval_send` timestamp.c, `network_send` network.c, `bit_send` varbit.c, `uuid_send` uuid.c, `jsonb_send` jsonb.c).

use super::calendar::{self, DateTime, POSTGRES_EPOCH_DAYS};
use super::reader::Reader;
use super::{decimal, float, hex, nested};
use crate::Kind;
use std::fmt::Write as _;

/// Appends the text; `None` (with `out` possibly begun) when the bytes are not this kind's.
pub(super) fn render(kind: &Kind, cell: &[u8], depth: u8, out: &mut String) -> Option<()> {
    match kind {
        Kind::Bool => out.push(match cell {
            [0] => 'f',
            [1] => 't',
            _ => return None,
        }),
        Kind::Int { signed, .. } => {
            let _ = write!(out, "{}", int(cell, *signed)?);
        }
        Kind::Float { .. } => render_float(cell, out)?,
        Kind::Decimal => decimal::render_numeric(cell, out)?,
        Kind::Date => render_date(cell, out)?,
        Kind::Timestamp => render_timestamp(cell, None, out)?,
        Kind::TimestampTz => render_timestamp(cell, Some(0), out)?,
        Kind::Time => calendar::push_time(out, time_micros(cell)?),
        Kind::TimeTz => {
            let mut reader = Reader::new(cell);
            calendar::push_time(out, reader.i64().filter(|micros| (0..=calendar::DAY_MICROS).contains(micros))?);
            calendar::push_offset(out, reader.i32()?.checked_neg().filter(|_| reader.is_empty())?);
        }
        Kind::Interval => render_interval(cell, out)?,
        Kind::Uuid => render_uuid(cell.try_into().ok()?, out),
        Kind::Char | Kind::Text | Kind::Enum { .. } | Kind::Json => out.push_str(std::str::from_utf8(cell).ok()?),
        Kind::Jsonb => out.push_str(jsonb_text(cell)?),
        Kind::Bytes => hex::push_escaped(out, cell),
        Kind::Array { element, .. } => nested::render_array(element, cell, depth, out)?,
        Kind::Composite => nested::render_composite(cell, depth, out)?,
        Kind::Bit => render_bits(cell, out)?,
        Kind::Network => render_network(cell, out)?,
        Kind::Year | Kind::Unknown => return None,
    }
    Some(())
}

/// An integer of 1, 2, 4 or 8 bytes.
pub(super) fn int(cell: &[u8], signed: bool) -> Option<i128> {
    Some(match (cell.len(), signed) {
        (1, _) => i8::from_be_bytes(cell.try_into().ok()?).into(),
        (2, _) => i16::from_be_bytes(cell.try_into().ok()?).into(),
        (4, true) => i32::from_be_bytes(cell.try_into().ok()?).into(),
        (4, false) => u32::from_be_bytes(cell.try_into().ok()?).into(),
        (8, true) => i64::from_be_bytes(cell.try_into().ok()?).into(),
        (8, false) => u64::from_be_bytes(cell.try_into().ok()?).into(),
        _ => return None,
    })
}

/// The text of a `jsonb`: version 1, then JSON.
pub(super) fn jsonb_text(cell: &[u8]) -> Option<&str> {
    std::str::from_utf8(cell.strip_prefix(&[1])?).ok()
}

/// Microseconds since midnight.
pub(super) fn time_micros(cell: &[u8]) -> Option<i64> {
    let micros = i64::from_be_bytes(cell.try_into().ok()?);
    (0..=calendar::DAY_MICROS).contains(&micros).then_some(micros)
}

/// A finite timestamp, in UTC.
pub(super) fn timestamp(micros: i64, offset: Option<i32>) -> Option<DateTime> {
    let date = calendar::Date::from_unix_days(micros.div_euclid(calendar::DAY_MICROS) + POSTGRES_EPOCH_DAYS)?;
    Some(DateTime { date, micros: micros.rem_euclid(calendar::DAY_MICROS), offset })
}

fn render_float(cell: &[u8], out: &mut String) -> Option<()> {
    match cell.len() {
        4 => float::push_f32(out, f32::from_be_bytes(cell.try_into().ok()?), float::POSTGRES_4),
        8 => float::push_f64(out, f64::from_be_bytes(cell.try_into().ok()?), float::POSTGRES_8),
        _ => return None,
    }
    Some(())
}

fn render_date(cell: &[u8], out: &mut String) -> Option<()> {
    match i32::from_be_bytes(cell.try_into().ok()?) {
        i32::MAX => out.push_str("infinity"),
        i32::MIN => out.push_str("-infinity"),
        days => {
            let date = calendar::Date::from_unix_days(i64::from(days) + POSTGRES_EPOCH_DAYS)?;
            calendar::push_date(out, date);
            calendar::push_era(out, date);
        }
    }
    Some(())
}

fn render_timestamp(cell: &[u8], offset: Option<i32>, out: &mut String) -> Option<()> {
    match i64::from_be_bytes(cell.try_into().ok()?) {
        i64::MAX => out.push_str("infinity"),
        i64::MIN => out.push_str("-infinity"),
        micros => calendar::push_postgres_datetime(out, timestamp(micros, offset)?),
    }
    Some(())
}

/// `i64 microseconds · i32 days · i32 months`, printed in the style `postgres` (the default of IntervalStyle).
fn render_interval(cell: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader::new(cell);
    let (micros, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
    if !reader.is_empty() {
        return None;
    }
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => {
            return {
                out.push_str("infinity");
                Some(())
            };
        }
        (i64::MIN, i32::MIN, i32::MIN) => {
            return {
                out.push_str("-infinity");
                Some(())
            };
        }
        _ => {}
    }
    let start = out.len();
    let mut after_negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value != 0 {
            let space = if out.len() > start { " " } else { "" };
            let plus = if after_negative && value > 0 { "+" } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{plus}{value} {unit}{plural}");
            after_negative = value < 0;
        }
    }
    if micros != 0 || out.len() == start {
        if out.len() > start {
            out.push(' ');
        }
        if micros < 0 {
            out.push('-');
        } else if after_negative {
            out.push('+');
        }
        let size = micros.unsigned_abs();
        let seconds = size / 1_000_000;
        let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        calendar::push_fraction(out, i64::try_from(size % 1_000_000).ok()?);
    }
    Some(())
}

fn render_uuid(bytes: [u8; 16], out: &mut String) {
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        hex::push_byte(out, byte);
    }
}

/// `i32 count of bits`, then the bits from the highest of the first byte on.
fn render_bits(cell: &[u8], out: &mut String) -> Option<()> {
    let mut reader = Reader::new(cell);
    let count = usize::try_from(reader.i32()?).ok()?;
    let bytes = reader.rest();
    if bytes.len() != count.div_ceil(8) {
        return None;
    }
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    out.extend(bits.take(count).map(|bit| if bit == 1 { '1' } else { '0' }));
    Some(())
}

/// `inet` and `cidr`: `u8 family (2 or 3) · u8 bits · u8 is_cidr · u8 length`, then the address. `macaddr`: six bytes,
/// `macaddr8`: eight. An eight-byte value is an IPv4 address if it begins like one.
fn render_network(cell: &[u8], out: &mut String) -> Option<()> {
    let (bits, cidr, full) = match cell {
        [2, bits @ 0..=32, cidr @ 0..=1, 4, a, b, c, d] => {
            let _ = write!(out, "{}", std::net::Ipv4Addr::new(*a, *b, *c, *d));
            (*bits, *cidr == 1, 32)
        }
        [3, bits @ 0..=128, cidr @ 0..=1, 16, address @ ..] => {
            let _ = write!(out, "{}", std::net::Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?));
            (*bits, *cidr == 1, 128)
        }
        [_, _, _, _, _, _] | [_, _, _, _, _, _, _, _] => {
            for (index, byte) in cell.iter().enumerate() {
                if index > 0 {
                    out.push(':');
                }
                hex::push_byte(out, *byte);
            }
            return Some(());
        }
        _ => return None,
    };
    if cidr || bits != full {
        let _ = write!(out, "/{bits}");
    }
    Some(())
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
