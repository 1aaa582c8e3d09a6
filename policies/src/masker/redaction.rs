//! Redaction: a constant that is valid for the column's type, so that drivers decode it and applications go on.

use super::CellAnswer;
use super::limit::Limit;
use model::codec::{Date, DateTime, Decimal, Value};
use model::{Column, Encoding, Kind};

/// What stands for a text.
const TEXT: &[u8] = b"***";
/// A UUID with valid version (4) and variant bits, and nothing else.
const UUID: [u8; 16] = [0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];

/// The constant of one column.
pub(super) enum Redaction {
    Bytes(Vec<u8>),
    Null,
    /// Zero bits, as many as the cell has, because a `bit(n)` column holds no other number.
    ZeroBits,
    /// The column may not be NULL, and no value of its type is known.
    Impossible,
}

impl Redaction {
    /// `prefer_null`: NULL wherever the column may hold it.
    pub(super) fn new(column: &Column, prefer_null: bool) -> Self {
        let may_be_null = column.nullable != Some(false);
        if prefer_null && may_be_null {
            return Self::Null;
        }
        let mut bytes = Vec::new();
        match constant(column, &mut bytes) {
            // A date that is NULL tells applications more truthfully than the year 1 that nothing is known.
            Some(()) if is_date(&column.repr.kind) && column.nullable == Some(true) => Self::Null,
            Some(()) => Self::Bytes(bytes),
            None if may_be_null => Self::Null,
            None if column.repr.kind == Kind::Bit => Self::ZeroBits,
            None => Self::Impossible,
        }
    }

    pub(super) fn is_possible(&self) -> bool {
        !matches!(self, Self::Impossible)
    }

    pub(super) fn apply(&self, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
        match (self, cell) {
            (Self::Bytes(bytes), _) => out.extend_from_slice(bytes),
            (Self::ZeroBits, Some(cell)) => zero_bits(cell, out),
            _ => return CellAnswer::Null,
        }
        CellAnswer::Replaced
    }
}

fn is_date(kind: &Kind) -> bool {
    matches!(kind, Kind::Date | Kind::Timestamp | Kind::TimestampTz)
}

/// A text bit string becomes zeros. In binary, PostgreSQL's bits follow a length word that stays; MySQL's are all of it.
fn zero_bits(cell: &[u8], out: &mut Vec<u8>) {
    let text = !cell.is_empty() && cell.iter().all(|byte| matches!(byte, b'0' | b'1'));
    let head = cell.get(..4).filter(|head| {
        head.first_chunk().is_some_and(|count| {
            usize::try_from(u32::from_be_bytes(*count)).is_ok_and(|count| count.div_ceil(8) == cell.len() - 4)
        })
    });
    let (kept, zero) = if text { (&[][..], b'0') } else { (head.unwrap_or_default(), 0) };
    out.extend_from_slice(kept);
    out.extend(std::iter::repeat_n(zero, cell.len() - kept.len()));
}

/// Appends the constant; `None` where the kind has none.
fn constant(column: &Column, out: &mut Vec<u8>) -> Option<()> {
    let repr = &column.repr;
    let binary = repr.encoding == Encoding::PostgresBinary;
    let value = match &repr.kind {
        Kind::Bool => Value::Bool(false),
        Kind::Int { .. } | Kind::Year => Value::Int(0),
        Kind::Float { .. } => Value::Float(0.0),
        Kind::Decimal => Value::Decimal(Decimal { unscaled: 0, scale: 0 }),
        Kind::Date => Value::Date(Date::first_of(1)),
        Kind::Timestamp | Kind::TimestampTz => {
            Value::DateTime(DateTime { date: Date::first_of(1), micros: 0, offset: Some(0) })
        }
        Kind::Time => Value::Time(0),
        Kind::Uuid => Value::Uuid(UUID),
        Kind::Enum { labels } => Value::Text(labels.first()?),
        Kind::Json | Kind::Jsonb => Value::Text("{}"),
        Kind::Char | Kind::Text => {
            return Limit::new(column).within(out, |out| {
                out.extend_from_slice(TEXT);
                true
            });
        }
        Kind::TimeTz if binary => return fill(out, &[0; 12]),
        Kind::TimeTz => return fill(out, b"00:00:00+00"),
        Kind::Interval if binary => return fill(out, &[0; 16]),
        Kind::Interval => return fill(out, b"00:00:00"),
        Kind::Bytes if repr.encoding == Encoding::PostgresText => return fill(out, b"\\x"),
        Kind::Bytes => return Some(()),
        Kind::Array { element_oid, .. } if binary => {
            out.extend_from_slice(&[0; 8]);
            return fill(out, &element_oid.to_be_bytes());
        }
        Kind::Array { .. } => return fill(out, b"{}"),
        Kind::Network => return network(column, out),
        Kind::Composite | Kind::Bit | Kind::Unknown => return None,
    };
    repr.encode(&value, out).ok()
}

fn fill(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend_from_slice(bytes);
    Some(())
}

fn network(column: &Column, out: &mut Vec<u8>) -> Option<()> {
    let binary = column.repr.encoding == Encoding::PostgresBinary;
    match (column.type_name.to_ascii_lowercase().as_str(), binary) {
        ("macaddr", true) => fill(out, &[0; 6]),
        ("macaddr", false) => fill(out, b"00:00:00:00:00:00"),
        ("macaddr8", true) => fill(out, &[0; 8]),
        ("macaddr8", false) => fill(out, b"00:00:00:00:00:00:00:00"),
        ("cidr", true) => fill(out, &[2, 32, 1, 4, 0, 0, 0, 0]),
        ("cidr", false) => fill(out, b"0.0.0.0/32"),
        ("inet6", false) => fill(out, b"::"),
        (_, true) => fill(out, &[2, 32, 0, 4, 0, 0, 0, 0]),
        (_, false) => fill(out, b"0.0.0.0"),
    }
}
