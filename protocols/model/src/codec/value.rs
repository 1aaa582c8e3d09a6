//! Typed values: what a transform works on, whichever engine and encoding the cell came in.
//!
//! A value borrows its cell, so decoding allocates nothing. Encoding writes bytes that are valid for the declared kind
//! in the same encoding, or refuses.

use super::calendar::{Date, DateTime};
use super::decimal::{self, Decimal};
use super::{calendar, hex, mysql, parse, postgres};
use crate::{Encoding, Kind, Repr};
use std::io::Write as _;

/// A decoded cell. Kinds that no transform looks into (intervals, bit strings, addresses, bytes, nested values) have no
/// typed form: they are rendered, replaced or walked, never computed with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Truth value.
    Bool(bool),
    /// Any integer, MySQL `YEAR` included.
    Int(i128),
    /// Either width.
    Float(f64),
    /// A finite decimal of up to 38 digits.
    Decimal(Decimal),
    /// Calendar date.
    Date(Date),
    /// Date and time; the zone is that of the text, UTC in binary.
    DateTime(DateTime),
    /// A date or timestamp of PostgreSQL's `infinity` (true) or `-infinity`.
    Infinity(bool),
    /// Microseconds since midnight; for MySQL a duration.
    Time(i64),
    /// UUID, in network order.
    Uuid([u8; 16]),
    /// Text, an enumeration's label, or JSON.
    Text(&'a str),
}

/// The value does not fit the declared kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unencodable;

impl Repr {
    /// The value in a cell; `None` if the kind has no typed form or the bytes are not of that kind.
    #[must_use]
    pub fn decode<'a>(&self, cell: &'a [u8]) -> Option<Value<'a>> {
        match self.encoding {
            Encoding::PostgresBinary => decode_postgres(&self.kind, cell),
            Encoding::MysqlBinary => decode_mysql(&self.kind, cell),
            Encoding::PostgresText => decode_text(&self.kind, std::str::from_utf8(cell).ok()?, parse::postgres_bool),
            Encoding::MysqlText => decode_text(&self.kind, std::str::from_utf8(cell).ok()?, parse::mysql_bool),
        }
    }

    /// Appends the value as bytes of this kind and encoding.
    ///
    /// # Errors
    /// The value is not of this kind or out of its range; `out` is as it was.
    pub fn encode(&self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let start = out.len();
        let done = match self.encoding {
            Encoding::PostgresBinary => encode_postgres(&self.kind, value, out),
            Encoding::MysqlBinary => encode_mysql(&self.kind, value, out),
            Encoding::PostgresText | Encoding::MysqlText => {
                encode_text(&self.kind, value, self.encoding == Encoding::PostgresText, out)
            }
        };
        done.ok_or_else(|| {
            out.truncate(start);
            Unencodable
        })
    }
}

fn decode_postgres<'a>(kind: &Kind, cell: &'a [u8]) -> Option<Value<'a>> {
    Some(match kind {
        Kind::Bool => Value::Bool(match cell {
            [0] => false,
            [1] => true,
            _ => return None,
        }),
        Kind::Int { signed, .. } => Value::Int(postgres::int(cell, *signed)?),
        Kind::Float { .. } => Value::Float(match cell.len() {
            4 => f32::from_be_bytes(cell.try_into().ok()?).into(),
            _ => f64::from_be_bytes(cell.try_into().ok()?),
        }),
        Kind::Decimal => Value::Decimal(decimal::decode_numeric(cell)?),
        Kind::Date => match i32::from_be_bytes(cell.try_into().ok()?) {
            days @ (i32::MAX | i32::MIN) => Value::Infinity(days > 0),
            days => Value::Date(Date::from_unix_days(i64::from(days) + calendar::POSTGRES_EPOCH_DAYS)?),
        },
        Kind::Timestamp | Kind::TimestampTz => match i64::from_be_bytes(cell.try_into().ok()?) {
            micros @ (i64::MAX | i64::MIN) => Value::Infinity(micros > 0),
            micros => Value::DateTime(postgres::timestamp(micros, (*kind == Kind::TimestampTz).then_some(0))?),
        },
        Kind::Time => Value::Time(postgres::time_micros(cell)?),
        Kind::Uuid => Value::Uuid(cell.try_into().ok()?),
        Kind::Char | Kind::Text | Kind::Enum { .. } | Kind::Json => Value::Text(std::str::from_utf8(cell).ok()?),
        Kind::Jsonb => Value::Text(postgres::jsonb_text(cell)?),
        _ => return None,
    })
}

fn decode_mysql<'a>(kind: &Kind, cell: &'a [u8]) -> Option<Value<'a>> {
    Some(match kind {
        Kind::Bool => Value::Bool(mysql::int(cell, true)? != 0),
        Kind::Int { signed, .. } => Value::Int(mysql::int(cell, *signed)?),
        Kind::Year => Value::Int(u16::from_le_bytes(cell.try_into().ok()?).into()),
        Kind::Float { .. } => Value::Float(match cell.len() {
            4 => f32::from_le_bytes(cell.try_into().ok()?).into(),
            _ => f64::from_le_bytes(cell.try_into().ok()?),
        }),
        Kind::Date => Value::Date(mysql::datetime(cell)?.date),
        Kind::Timestamp | Kind::TimestampTz => Value::DateTime(mysql::datetime(cell)?),
        Kind::Time => Value::Time(mysql::time_micros(cell)?),
        Kind::Decimal | Kind::Uuid | Kind::Char | Kind::Text | Kind::Enum { .. } | Kind::Json | Kind::Jsonb => {
            return decode_text(kind, std::str::from_utf8(cell).ok()?, parse::mysql_bool);
        }
        _ => return None,
    })
}

fn decode_text<'a>(kind: &Kind, text: &'a str, boolean: fn(&str) -> Option<bool>) -> Option<Value<'a>> {
    Some(match kind {
        Kind::Bool => Value::Bool(boolean(text)?),
        Kind::Int { .. } | Kind::Year => Value::Int(text.parse().ok()?),
        Kind::Float { .. } => Value::Float(text.parse().ok()?),
        Kind::Decimal => Value::Decimal(decimal::parse_text(text)?),
        Kind::Date | Kind::Timestamp | Kind::TimestampTz => match text {
            "infinity" => Value::Infinity(true),
            "-infinity" => Value::Infinity(false),
            _ if *kind == Kind::Date => Value::Date(parse::date(text)?),
            _ => Value::DateTime(parse::datetime(text)?),
        },
        Kind::Time => Value::Time(parse::time(text)?),
        Kind::Uuid => Value::Uuid(parse::uuid(text)?),
        Kind::Char | Kind::Text | Kind::Enum { .. } | Kind::Json | Kind::Jsonb => Value::Text(text),
        _ => return None,
    })
}

fn encode_postgres(kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) -> Option<()> {
    match (kind, value) {
        (Kind::Bool, Value::Bool(value)) => out.push(u8::from(*value)),
        (Kind::Int { bytes, signed }, Value::Int(value)) => {
            let bytes = int_bytes(*value, *bytes, *signed)?;
            out.extend_from_slice(bytes.0.get(16 - bytes.1..)?);
        }
        (Kind::Float { bytes: 4 }, Value::Float(value)) => out.extend_from_slice(&narrow(*value).to_be_bytes()),
        (Kind::Float { .. }, Value::Float(value)) => out.extend_from_slice(&value.to_be_bytes()),
        (Kind::Decimal, Value::Decimal(value)) => decimal::encode_numeric(*value, out)?,
        (Kind::Date, Value::Infinity(after)) => {
            out.extend_from_slice(&(if *after { i32::MAX } else { i32::MIN }).to_be_bytes());
        }
        (Kind::Date, Value::Date(date)) if date.exists() => {
            let days = i32::try_from(date.days_from_unix_epoch() - calendar::POSTGRES_EPOCH_DAYS).ok()?;
            out.extend_from_slice(&days.to_be_bytes());
        }
        (Kind::Timestamp | Kind::TimestampTz, Value::Infinity(after)) => {
            out.extend_from_slice(&(if *after { i64::MAX } else { i64::MIN }).to_be_bytes());
        }
        (Kind::Timestamp | Kind::TimestampTz, Value::DateTime(value)) if value.date.exists() => {
            let days = value.date.days_from_unix_epoch() - calendar::POSTGRES_EPOCH_DAYS;
            let local = days.checked_mul(calendar::DAY_MICROS)?.checked_add(value.micros)?;
            let micros = local.checked_sub(i64::from(value.offset.unwrap_or(0)) * 1_000_000)?;
            out.extend_from_slice(&micros.to_be_bytes());
        }
        (Kind::Time, Value::Time(micros)) if (0..=calendar::DAY_MICROS).contains(micros) => {
            out.extend_from_slice(&micros.to_be_bytes());
        }
        (Kind::Uuid, Value::Uuid(bytes)) => out.extend_from_slice(bytes),
        (Kind::Jsonb, Value::Text(text)) => {
            out.push(1);
            out.extend_from_slice(text.as_bytes());
        }
        (Kind::Char | Kind::Text | Kind::Json, Value::Text(text)) => out.extend_from_slice(text.as_bytes()),
        (Kind::Enum { labels }, Value::Text(text)) => push_label(labels, text, out)?,
        _ => return None,
    }
    Some(())
}

fn encode_mysql(kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) -> Option<()> {
    match (kind, value) {
        (Kind::Bool, Value::Bool(value)) => out.push(u8::from(*value)),
        (Kind::Int { bytes, signed }, Value::Int(value)) => {
            // MEDIUMINT travels as four bytes but holds three.
            let (mut bytes, width) = int_bytes(*value, *bytes, *signed)?;
            bytes.reverse();
            out.extend_from_slice(bytes.get(..if width == 3 { 4 } else { width })?);
        }
        (Kind::Year, Value::Int(year)) => out.extend_from_slice(&valid_year(*year)?.to_le_bytes()),
        (Kind::Float { bytes: 4 }, Value::Float(value)) => out.extend_from_slice(&narrow(*value).to_le_bytes()),
        (Kind::Float { .. }, Value::Float(value)) => out.extend_from_slice(&value.to_le_bytes()),
        (Kind::Date, Value::Date(date)) => push_mysql_date(*date, out)?,
        (Kind::Timestamp | Kind::TimestampTz, Value::DateTime(value)) => {
            push_mysql_date(value.date, out)?;
            let clock = u32::try_from(value.micros / 1_000_000).ok().filter(|seconds| *seconds < 86_400)?;
            let fraction = u32::try_from(value.micros % 1_000_000).ok()?;
            if clock != 0 || fraction != 0 {
                for part in [clock / 3600, clock / 60 % 60, clock % 60] {
                    out.push(u8::try_from(part).ok()?);
                }
            }
            if fraction != 0 {
                out.extend_from_slice(&fraction.to_le_bytes());
            }
        }
        (Kind::Time, Value::Time(0)) => {}
        (Kind::Decimal | Kind::Uuid | Kind::Char | Kind::Text | Kind::Enum { .. } | Kind::Json | Kind::Jsonb, _) => {
            return encode_text(kind, value, false, out);
        }
        _ => return None,
    }
    Some(())
}

fn encode_text(kind: &Kind, value: &Value<'_>, postgres: bool, out: &mut Vec<u8>) -> Option<()> {
    match (kind, value) {
        (Kind::Bool, Value::Bool(value)) if postgres => out.push(if *value { b't' } else { b'f' }),
        (Kind::Bool, Value::Bool(value)) => out.push(if *value { b'1' } else { b'0' }),
        (Kind::Int { bytes, signed }, Value::Int(value)) => {
            int_bytes(*value, *bytes, *signed)?;
            write!(out, "{value}").ok()?;
        }
        (Kind::Year, Value::Int(year)) => write!(out, "{:04}", valid_year(*year)?).ok()?,
        (Kind::Float { .. }, Value::Float(value)) if value.is_finite() => write!(out, "{value}").ok()?,
        (Kind::Decimal, Value::Decimal(value)) => write!(out, "{value}").ok()?,
        (Kind::Date | Kind::Timestamp | Kind::TimestampTz, Value::Infinity(after)) if postgres => {
            out.extend_from_slice(if *after { b"infinity" } else { b"-infinity" });
        }
        (Kind::Date, Value::Date(date)) => {
            calendar::push_date(&mut Text(out), *date);
            calendar::push_era(&mut Text(out), *date);
        }
        (Kind::TimestampTz, Value::DateTime(value)) if postgres => {
            let value = DateTime { offset: Some(value.offset.unwrap_or(0)), ..*value };
            calendar::push_postgres_datetime(&mut Text(out), value);
        }
        (Kind::Timestamp, Value::DateTime(value)) if postgres => {
            let value = DateTime { offset: None, ..*value };
            calendar::push_postgres_datetime(&mut Text(out), value);
        }
        (Kind::Timestamp | Kind::TimestampTz, Value::DateTime(value)) => {
            mysql::push_datetime(&mut Text(out), *value);
        }
        (Kind::Time, Value::Time(micros)) if postgres => calendar::push_time(&mut Text(out), *micros),
        (Kind::Time, Value::Time(micros)) => mysql::push_time(&mut Text(out), *micros),
        (Kind::Uuid, Value::Uuid(bytes)) => {
            for (index, byte) in bytes.iter().enumerate() {
                if matches!(index, 4 | 6 | 8 | 10) {
                    out.push(b'-');
                }
                write!(out, "{byte:02x}").ok()?;
            }
        }
        (Kind::Char | Kind::Text | Kind::Json | Kind::Jsonb, Value::Text(text)) => {
            out.extend_from_slice(text.as_bytes())
        }
        (Kind::Enum { labels }, Value::Text(text)) => push_label(labels, text, out)?,
        _ => return None,
    }
    Some(())
}

/// Lends a buffer of bytes to a writer of text.
struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// The value in sixteen bytes, network order, and how many of them its kind takes.
fn int_bytes(value: i128, bytes: u8, signed: bool) -> Option<([u8; 16], usize)> {
    let bits = u32::from(bytes) * 8;
    let (low, high) = if signed {
        (-(1_i128 << bits.checked_sub(1)?), (1_i128 << (bits - 1)) - 1)
    } else {
        (0, (1_i128.checked_shl(bits)?) - 1)
    };
    (low..=high).contains(&value).then_some((value.to_be_bytes(), usize::from(bytes)))
}

#[allow(clippy::cast_possible_truncation)] // A REAL column's value: rounding to the nearest is what it stores.
fn narrow(value: f64) -> f32 {
    value as f32
}

/// MySQL's YEAR holds 0000 and 1901 to 2155.
fn valid_year(year: i128) -> Option<u16> {
    u16::try_from(year).ok().filter(|year| *year == 0 || (1901..=2155).contains(year))
}

fn push_mysql_date(date: Date, out: &mut Vec<u8>) -> Option<()> {
    let year = u16::try_from(date.year).ok().filter(|year| *year <= 9999)?;
    if date.is_zero() || date.exists() {
        out.extend_from_slice(&year.to_le_bytes());
        out.extend_from_slice(&[date.month, date.day]);
        return Some(());
    }
    None
}

fn push_label(labels: &[String], text: &str, out: &mut Vec<u8>) -> Option<()> {
    labels.iter().any(|label| label == text).then(|| out.extend_from_slice(text.as_bytes()))
}

/// The value of two hex digits.
pub(super) fn hex_pair(high: u8, low: u8) -> Option<u8> {
    Some(hex::digit(high)? << 4 | hex::digit(low)?)
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
