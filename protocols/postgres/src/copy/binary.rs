//! COPY's binary format: a signature, then tuples of counted, length-prefixed cells, then a trailer.

use super::Cells;
use crate::message::close;
use wire::{CellAnswer, Cursor, Violation};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

fn malformed() -> Violation {
    Violation("the binary COPY stream is malformed".to_owned())
}

/// Passes over the header; `None` when it is not all here.
fn header(stream: &mut Cursor<'_>) -> Result<Option<()>, Violation> {
    let Ok(signature) = stream.take(SIGNATURE.len()) else { return Ok(None) };
    if signature != SIGNATURE {
        return Err(malformed());
    }
    let (Ok(flags), Ok(extension)) = (stream.u32_be(), stream.u32_be()) else { return Ok(None) };
    // The upper half marks changes that a reader must know; rows with OIDs ended with PostgreSQL 12.
    if flags >> 16 != 0 {
        return Err(malformed());
    }
    Ok(stream.take(usize::try_from(extension).unwrap_or(usize::MAX)).ok().map(drop))
}

/// One tuple, from its count on; `Ok(None)` when it is not all here, an empty slice for the trailer.
fn tuple<'a>(stream: &mut Cursor<'a>, columns: usize) -> Result<Option<&'a [u8]>, Violation> {
    let whole = stream.rest();
    let Ok(count) = stream.i16_be() else { return Ok(None) };
    if count == -1 {
        return Ok(Some(&[]));
    }
    if usize::try_from(count) != Ok(columns) {
        return Err(malformed());
    }
    for _ in 0..columns {
        let Ok(length) = stream.i32_be() else { return Ok(None) };
        match usize::try_from(length) {
            Ok(length) if stream.take(length).is_err() => return Ok(None),
            Err(_) if length != -1 => return Err(malformed()),
            _ => {}
        }
    }
    let size = whole.len() - stream.rest().len();
    Ok(whole.get(..size))
}

/// How many tuples these bytes hold, if they end where a tuple (or header or trailer) does. `past` says that the header
/// came before.
pub(super) fn count(bytes: &[u8], past: bool, columns: usize) -> Result<Option<u64>, Violation> {
    let mut stream = Cursor::new(bytes);
    if !past && header(&mut stream)?.is_none() {
        return Ok(None);
    }
    let mut rows = 0;
    while !stream.is_empty() {
        match tuple(&mut stream, columns)? {
            None => return Ok(None),
            Some([]) => {}
            Some(_) => rows += 1,
        }
    }
    Ok(Some(rows))
}

/// Masks the cells of whole tuples; the journal gets each tuple as a DataRow.
pub(super) fn mask(
    bytes: &[u8],
    has_header: bool,
    cells: &mut Cells<'_>,
    out: &mut Vec<u8>,
    rows: &mut Vec<u8>,
) -> Result<(), Violation> {
    let mut stream = Cursor::new(bytes);
    if has_header {
        header(&mut stream)?.ok_or_else(malformed)?;
        out.extend_from_slice(bytes.get(..bytes.len() - stream.rest().len()).unwrap_or_default());
    }
    while !stream.is_empty() {
        let whole = tuple(&mut stream, cells.columns)?.ok_or_else(malformed)?;
        if whole.is_empty() {
            out.extend_from_slice(&[0xff, 0xff]);
            continue;
        }
        let start = out.len();
        one(whole, cells, out)?;
        let frame = rows.len();
        rows.extend_from_slice(&[b'D', 0, 0, 0, 0]);
        rows.extend_from_slice(out.get(start..).unwrap_or_default());
        close(rows, frame)?;
    }
    Ok(())
}

/// Masks the cells of one tuple, which is also the body of a DataRow.
fn one(tuple: &[u8], cells: &mut Cells<'_>, out: &mut Vec<u8>) -> Result<(), Violation> {
    let bad = |_| malformed();
    let mut cursor = Cursor::new(tuple);
    let count = usize::from(cursor.u16_be().map_err(bad)?);
    cells.check(count.max(1))?;
    out.extend_from_slice(tuple.get(..2).unwrap_or_default());
    for column in 0..count {
        let length = cursor.i32_be().map_err(bad)?;
        let cell = match usize::try_from(length) {
            Ok(length) => Some(cursor.take(length).map_err(bad)?),
            Err(_) => None,
        };
        cells.mask.clear();
        let answer = if cells.masks(column) { cells.masker.mask(column, cell, cells.mask) } else { CellAnswer::Keep };
        let new = match answer {
            CellAnswer::Keep => cell,
            CellAnswer::Null => None,
            CellAnswer::Replaced => Some(cells.mask.as_slice()),
        };
        let length = new.map_or(Ok(-1), |new| i32::try_from(new.len())).map_err(|_| malformed())?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(new.unwrap_or_default());
    }
    Ok(())
}

/// Whole tuples as DataRows.
pub(super) fn journal(bytes: &[u8], has_header: bool, columns: usize, out: &mut Vec<u8>) -> Result<(), Violation> {
    let mut stream = Cursor::new(bytes);
    if has_header {
        header(&mut stream)?.ok_or_else(malformed)?;
    }
    while !stream.is_empty() {
        let tuple = tuple(&mut stream, columns)?.ok_or_else(malformed)?;
        if !tuple.is_empty() {
            let frame = out.len();
            out.extend_from_slice(&[b'D', 0, 0, 0, 0]);
            out.extend_from_slice(tuple);
            close(out, frame)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::tests::{Upper, masked_bytes};

    const TUPLE: &[u8] = b"\0\x02\0\0\0\x03ann\xff\xff\xff\xff";

    fn stream() -> Vec<u8> {
        [SIGNATURE, &[0; 8], TUPLE, TUPLE, &[0xff, 0xff]].concat()
    }

    #[test]
    fn tuples_are_counted_only_when_whole() {
        let stream = stream();
        assert_eq!(count(&stream, false, 2).unwrap(), Some(2));
        let ends = [19, 19 + TUPLE.len(), 19 + 2 * TUPLE.len()];
        for cut in 0..stream.len() {
            assert_eq!(count(&stream[..cut], false, 2).unwrap().is_some(), ends.contains(&cut), "cut at {cut}");
        }
        assert!(count(&stream, false, 3).is_err(), "another number of columns");
        assert!(count(&stream, true, 2).is_err(), "a header where a tuple is due");
    }

    #[test]
    fn cells_are_masked_and_journaled_as_rows() {
        let mut rows = Vec::new();
        let out = masked_bytes(&[true, true], &mut Upper, |cells, out| mask(&stream(), true, cells, out, &mut rows));
        let upper = b"\0\x02\0\0\0\x03ANN\xff\xff\xff\xff";
        assert_eq!(out.unwrap(), [SIGNATURE, &[0; 8], upper, upper, &[0xff, 0xff]].concat());
        assert_eq!(rows, [b"D\0\0\0\x11", &upper[..], b"D\0\0\0\x11", &upper[..]].concat());
        let mut plain = Vec::new();
        journal(&stream(), true, 2, &mut plain).unwrap();
        assert_eq!(plain, [b"D\0\0\0\x11", TUPLE, b"D\0\0\0\x11", TUPLE].concat());
    }
}
