//! PostgreSQL arrays and composites in binary, to the text that `array_out` and `record_out` print.
//!
//! Formats: `array_send` (src/backend/utils/adt/arrayfuncs.c): `i32 dimensions · i32 has-null · u32 element type`, per
//! dimension `i32 length · i32 lower bound`, then the elements, each `i32 length or −1` and bytes. `record_send`
//! (rowtypes.c): `i32 columns`, then per column `u32 type · i32 length or −1` and bytes.

use super::reader::Reader;
use super::{hex, postgres};
use crate::Kind;
use std::fmt::Write as _;

/// PostgreSQL's MAXDIM.
const MAX_DIMENSIONS: usize = 6;
/// Composites may nest; beyond this a cell is shown as hex rather than walked deeper.
const MAX_DEPTH: u8 = 16;

/// The fixed part of a binary array.
pub(super) struct ArrayHeader<'a> {
    pub(super) lengths: [i32; MAX_DIMENSIONS],
    pub(super) lower: [i32; MAX_DIMENSIONS],
    pub(super) dimensions: usize,
    /// The header's bytes, to be copied when the array is rebuilt.
    pub(super) bytes: &'a [u8],
    pub(super) elements: Reader<'a>,
    pub(super) count: usize,
}

pub(super) fn array_header(cell: &[u8]) -> Option<ArrayHeader<'_>> {
    let mut reader = Reader::new(cell);
    let dimensions = usize::try_from(reader.i32()?).ok().filter(|count| *count <= MAX_DIMENSIONS)?;
    let _has_null = reader.i32()?;
    let _element_type = reader.u32()?;
    let (mut lengths, mut lower) = ([0; MAX_DIMENSIONS], [1; MAX_DIMENSIONS]);
    let mut count = usize::from(dimensions > 0);
    for (length, bound) in lengths.iter_mut().zip(lower.iter_mut()).take(dimensions) {
        *length = reader.i32()?;
        *bound = reader.i32()?;
        count = count.checked_mul(usize::try_from(*length).ok()?)?;
    }
    let size = cell.len() - reader.rest().len();
    // An element takes at least its length word, so a count that does not fit is a lie.
    (count <= reader.rest().len() / 4).then_some(ArrayHeader {
        lengths,
        lower,
        dimensions,
        bytes: cell.get(..size)?,
        elements: reader,
        count,
    })
}

/// How many elements the parameter has that is sent for an array, as text or in binary; `None` if it is no array.
#[must_use]
pub fn array_elements(cell: &[u8], binary: bool) -> Option<usize> {
    if binary {
        return array_header(cell).map(|header| header.count);
    }
    let text = std::str::from_utf8(cell).ok()?.trim_start();
    let (mut elements, mut quoted, mut escaped, mut empty) = (1_usize, false, false, true);
    for c in text.strip_prefix('[').map_or(text, |bounds| bounds.split_once('=').map_or("", |(_, rest)| rest)).chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => elements = elements.saturating_add(1),
            '{' | '}' | ' ' if !quoted => continue,
            _ => {}
        }
        empty = false;
    }
    text.starts_with(['{', '[']).then_some(if empty { 0 } else { elements })
}

pub(super) fn render_array(element: &Kind, cell: &[u8], depth: u8, out: &mut String) -> Option<()> {
    if depth >= MAX_DEPTH {
        return None;
    }
    let header = array_header(cell)?;
    if header.count == 0 {
        return {
            out.push_str("{}");
            Some(())
        };
    }
    let lengths = header.lengths.get(..header.dimensions)?;
    let lower = header.lower.get(..header.dimensions)?;
    if lower.iter().any(|bound| *bound != 1) {
        for (length, bound) in lengths.iter().zip(lower) {
            let _ = write!(out, "[{bound}:{}]", i64::from(*bound) + i64::from(*length) - 1);
        }
        out.push('=');
    }
    let mut elements = header.elements;
    render_dimension(element, lengths, &mut elements, depth, out)?;
    elements.is_empty().then_some(())
}

fn render_dimension(
    kind: &Kind,
    lengths: &[i32],
    elements: &mut Reader<'_>,
    depth: u8,
    out: &mut String,
) -> Option<()> {
    let (length, inner) = lengths.split_first()?;
    out.push('{');
    for index in 0..*length {
        if index > 0 {
            out.push(',');
        }
        if !inner.is_empty() {
            render_dimension(kind, inner, elements, depth, out)?;
            continue;
        }
        match elements.sized()? {
            None => out.push_str("NULL"),
            Some(bytes) => {
                let start = out.len();
                postgres::render(kind, bytes, depth + 1, out)?;
                quote_from(out, start, array_needs_quotes, '\\');
            }
        }
    }
    out.push('}');
    Some(())
}

pub(super) fn render_composite(cell: &[u8], depth: u8, out: &mut String) -> Option<()> {
    if depth >= MAX_DEPTH {
        return None;
    }
    let mut reader = Reader::new(cell);
    let columns = reader.i32()?;
    out.push('(');
    for index in 0..columns {
        if index > 0 {
            out.push(',');
        }
        let oid = reader.u32()?;
        if let Some(bytes) = reader.sized()? {
            let start = out.len();
            let kind = kind_of(oid);
            if postgres::render(&kind, bytes, depth + 1, out).is_none() {
                out.truncate(start);
                hex::push_escaped(out, bytes);
            }
            quote_from(out, start, composite_needs_quotes, '"');
        }
    }
    out.push(')');
    reader.is_empty().then_some(())
}

/// The kinds of the built-in types that a composite may hold, by OID (src/include/catalog/pg_type.dat).
fn kind_of(oid: u32) -> Kind {
    match oid {
        16 => Kind::Bool,
        17 => Kind::Bytes,
        20 => Kind::Int { bytes: 8, signed: true },
        21 => Kind::Int { bytes: 2, signed: true },
        23 => Kind::Int { bytes: 4, signed: true },
        26 => Kind::Int { bytes: 4, signed: false },
        18 | 19 | 25 | 1042 | 1043 => Kind::Text,
        114 => Kind::Json,
        3802 => Kind::Jsonb,
        700 => Kind::Float { bytes: 4 },
        701 => Kind::Float { bytes: 8 },
        650 | 829 | 869 | 774 => Kind::Network,
        1082 => Kind::Date,
        1083 => Kind::Time,
        1114 => Kind::Timestamp,
        1184 => Kind::TimestampTz,
        1186 => Kind::Interval,
        1266 => Kind::TimeTz,
        1560 | 1562 => Kind::Bit,
        1700 => Kind::Decimal,
        2249 => Kind::Composite,
        1000 | 1001 | 1005 | 1007 | 1009 | 1014 | 1015 | 1016 | 1021 | 1022 | 1115 | 1182 | 1185 | 1231 | 2951 => {
            let element_oid = match oid {
                1000 => 16,
                1001 => 17,
                1005 => 21,
                1007 => 23,
                1016 => 20,
                1021 => 700,
                1022 => 701,
                1115 => 1114,
                1182 => 1082,
                1185 => 1184,
                1231 => 1700,
                2951 => 2950,
                _ => 25,
            };
            Kind::Array { element: Box::new(kind_of(element_oid)), element_oid }
        }
        2950 => Kind::Uuid,
        _ => Kind::Unknown,
    }
}

/// Puts what was appended since `start` in double quotes if it must be, as both output functions do.
fn quote_from(out: &mut String, start: usize, needs_quotes: fn(&str) -> bool, escape: char) {
    if !needs_quotes(out.get(start..).unwrap_or_default()) {
        return;
    }
    let plain = out.split_off(start);
    out.push('"');
    for character in plain.chars() {
        match character {
            '"' => out.extend([escape, '"']),
            '\\' => out.push_str("\\\\"),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

pub(super) fn array_needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("null")
        || text.contains(|c| matches!(c, '"' | '\\' | '{' | '}' | ',') || is_space(c))
}

fn composite_needs_quotes(text: &str) -> bool {
    text.is_empty() || text.contains(|c| matches!(c, '"' | '\\' | '(' | ')' | ',') || is_space(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(element: &Kind, cell: &[u8]) -> Option<String> {
        let mut out = String::new();
        render_array(element, cell, 0, &mut out).map(|()| out)
    }

    const INT4: Kind = Kind::Int { bytes: 4, signed: true };

    #[test]
    fn elements_are_counted() {
        for (text, count) in [
            ("{}", Some(0)),
            ("{a}", Some(1)),
            ("{a,b}", Some(2)),
            ("{\"a,b\",c}", Some(2)),
            ("{\"a\\\",b\",c}", Some(2)),
            ("{{a,b},{c,d}}", Some(4)),
            ("[0:1]={a,b}", Some(2)),
            (" {a, b}", Some(2)),
            ("{\"\"}", Some(1)),
            ("x", None),
        ] {
            assert_eq!(array_elements(text.as_bytes(), false), count, "{text}");
        }
    }

    #[test]
    fn arrays_as_postgres_15_sends_them() {
        // '{1,NULL}'::int4[]
        let cell =
            [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 255, 255, 255, 255];
        assert_eq!(array(&INT4, &cell).as_deref(), Some("{1,NULL}"));
        for cut in 0..cell.len() {
            assert_eq!(array(&INT4, &cell[..cut]), None, "cut at {cut}");
        }
        // '{}'::int4[]
        assert_eq!(array(&INT4, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23]).as_deref(), Some("{}"));
        // '[0:0]={7}'::int4[]
        let cell = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 7];
        assert_eq!(array(&INT4, &cell).as_deref(), Some("[0:0]={7}"));
        // array['a b', '', 'null', 'x"y']
        let mut cell = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 4, 0, 0, 0, 1];
        for element in [&b"a b"[..], b"", b"null", b"x\"y"] {
            cell.extend_from_slice(&u32::try_from(element.len()).unwrap().to_be_bytes());
            cell.extend_from_slice(element);
        }
        assert_eq!(array(&Kind::Text, &cell).as_deref(), Some(r#"{"a b","","null","x\"y"}"#));
    }

    #[test]
    fn a_claimed_count_beyond_the_bytes_is_refused_at_once() {
        let cell =
            [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 23, 0x7f, 255, 255, 255, 0, 0, 0, 1, 0x7f, 255, 255, 255, 0, 0, 0, 1];
        assert_eq!(array(&INT4, &cell), None);
    }

    #[test]
    fn composites_as_postgres_15_sends_them() {
        // row(1, 'a,b', null)
        let mut cell = vec![0, 0, 0, 3, 0, 0, 0, 23, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 3, b'a', b',', b'b'];
        cell.extend_from_slice(&[0, 0, 0, 25, 255, 255, 255, 255]);
        let mut out = String::new();
        assert!(render_composite(&cell, 0, &mut out).is_some());
        assert_eq!(out, r#"(1,"a,b",)"#);
        assert!(render_composite(&cell[..20], 0, &mut out).is_none());
    }
}
