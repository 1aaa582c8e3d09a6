//! COPY's CSV format: quoted cells may hold delimiters and newlines; NULL is an unquoted word.

use super::Cells;
use model::Delimited;
use wire::{CellAnswer, Violation};

/// Where a scan for row ends is.
#[derive(Debug, Default)]
pub(super) struct Scan {
    quoted: bool,
    /// The last byte was an escape inside quotes that is not the quote itself.
    escaped: bool,
    within: bool,
}

impl Scan {
    /// Looks at more of the stream; returns how many rows end in it.
    pub(super) fn feed(&mut self, bytes: &[u8], options: &Delimited) -> u64 {
        let mut rows = 0;
        let mut rest = bytes;
        self.within |= !bytes.is_empty();
        if std::mem::take(&mut self.escaped) {
            rest = rest.get(1..).unwrap_or_default();
        }
        // Looking for the quote twice, where it is its own escape, costs nothing.
        while let Some(at) = memchr::memchr3(options.quote, options.escape, b'\n', rest) {
            let byte = rest.get(at).copied().unwrap_or_default();
            rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
            if byte == options.quote {
                // A doubled quote closes and opens again, which comes to the same.
                self.quoted = !self.quoted;
            } else if byte == b'\n' && !self.quoted {
                rows += 1;
                self.within = !rest.is_empty();
            } else if byte == options.escape && self.quoted {
                self.escaped = rest.is_empty();
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        rows
    }

    /// Whether the last byte ended a row.
    pub(super) fn between_rows(&self) -> bool {
        !self.within
    }
}

fn cut() -> Violation {
    Violation("a row of COPY is cut".to_owned())
}

/// A cell as it stands in the stream.
struct Field {
    end: usize,
    quoted: bool,
}

/// Finds the cell at the front; a quoted one's value is written to `value`.
fn field(rest: &[u8], options: &Delimited, value: &mut Vec<u8>) -> Result<Field, Violation> {
    if rest.first() != Some(&options.quote) {
        let end = memchr::memchr2(options.delimiter, b'\n', rest).ok_or_else(cut)?;
        return Ok(Field { end, quoted: false });
    }
    value.clear();
    let mut at = 1;
    loop {
        let tail = rest.get(at..).ok_or_else(cut)?;
        let found = memchr::memchr2(options.quote, options.escape, tail).ok_or_else(cut)?;
        value.extend_from_slice(tail.get(..found).unwrap_or_default());
        at += found;
        let (this, next) = (rest.get(at).copied(), rest.get(at + 1).copied());
        let next_special = next == Some(options.quote) || next == Some(options.escape);
        if this == Some(options.escape) && next_special {
            value.extend(next);
            at += 2;
        } else if this == Some(options.quote) {
            at += 1;
            return match next {
                Some(next) if next == options.delimiter || next == b'\n' => Ok(Field { end: at, quoted: true }),
                _ => Err(Violation("a quoted cell of COPY goes on after its quote".to_owned())),
            };
        } else {
            value.extend(this);
            at += 1;
        }
    }
}

/// Masks the cells of whole rows.
pub(super) fn mask(
    rows: &[u8],
    options: &Delimited,
    mut header: bool,
    cells: &mut Cells<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    let (mut at, mut run, mut column) = (0usize, 0usize, 0usize);
    while let Some(rest) = rows.get(at..).filter(|rest| !rest.is_empty()) {
        let found = field(rest, options, cells.cell)?;
        let end = at.saturating_add(found.end);
        if !header && cells.masks(column) {
            out.extend_from_slice(rows.get(run..at).unwrap_or_default());
            one(rest.get(..found.end).unwrap_or_default(), found.quoted, column, options, cells, out);
            run = end;
        }
        column += 1;
        if rows.get(end) == Some(&b'\n') {
            cells.check(column)?;
            (column, header) = (0, false);
        }
        at = end.saturating_add(1);
    }
    out.extend_from_slice(rows.get(run..).unwrap_or_default());
    if column == 0 { Ok(()) } else { Err(cut()) }
}

fn one(raw: &[u8], quoted: bool, column: usize, options: &Delimited, cells: &mut Cells<'_>, out: &mut Vec<u8>) {
    cells.mask.clear();
    let cell = match quoted {
        true => Some(cells.cell.as_slice()),
        false if raw == options.null.as_slice() => None,
        false => Some(raw),
    };
    match cells.masker.mask(column, cell, cells.mask) {
        CellAnswer::Keep => out.extend_from_slice(raw),
        CellAnswer::Null => out.extend_from_slice(&options.null),
        CellAnswer::Replaced => put(cells.mask, quoted, cells.columns, options, out),
    }
}

fn put(value: &[u8], quoted: bool, columns: usize, options: &Delimited, out: &mut Vec<u8>) {
    let special = |byte: &u8| {
        *byte == options.delimiter || *byte == options.quote || *byte == options.escape || matches!(byte, b'\n' | b'\r')
    };
    let quote =
        quoted || value == options.null.as_slice() || (columns == 1 && value == b"\\.") || value.iter().any(special);
    if !quote {
        out.extend_from_slice(value);
        return;
    }
    out.push(options.quote);
    for byte in value {
        if *byte == options.quote || *byte == options.escape {
            out.push(options.escape);
        }
        out.push(*byte);
    }
    out.push(options.quote);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::tests::{Upper, masked};

    fn options(escape: u8) -> Delimited {
        Delimited { csv: true, delimiter: b',', quote: b'"', escape, null: Vec::new(), header: false }
    }

    fn run(rows: &[u8], columns: &[bool], escape: u8) -> Result<String, Violation> {
        masked(columns, &mut Upper, |cells, out| mask(rows, &options(escape), false, cells, out))
    }

    #[test]
    fn quoted_cells_with_newlines_and_delimiters() {
        let rows = b"1,\"a,\nb\",c\n2,,\"\"\n";
        assert_eq!(run(rows, &[false, true, true], b'"').unwrap(), "1,\"A,\nB\",C\n2,,\"\"\n");
        let rows = b"\"say \"\"hi\"\"\",x\n";
        assert_eq!(run(rows, &[true, false], b'"').unwrap(), "\"SAY \"\"HI\"\"\",x\n");
    }

    #[test]
    fn another_escape_character() {
        let rows = b"\"a\\\"b\\\\c\",x\n";
        assert_eq!(run(rows, &[true, false], b'\\').unwrap(), "\"A\\\"B\\\\C\",x\n");
    }

    #[test]
    fn malformed_rows_are_refused() {
        for rows in [&b"\"a\n"[..], b"\"a\"b,c\n", b"a,b", b"a\n"] {
            assert!(run(rows, &[true, false], b'"').is_err(), "{}", String::from_utf8_lossy(rows));
        }
    }

    #[test]
    fn row_ends_are_found_across_pieces() {
        let stream = b"1,\"a\n\"\"\n\"\n2,b\n\"x\\\"\n\",y\n";
        for cut in 0..stream.len() {
            let mut scan = Scan::default();
            let options = options(b'"');
            let rows = scan.feed(&stream[..cut], &options) + scan.feed(&stream[cut..], &options);
            assert_eq!(rows, 2 + 1, "cut at {cut}");
        }
        let mut scan = Scan::default();
        assert_eq!(scan.feed(b"\"x\\\"\n\",y\n", &options(b'\\')), 1, "the escaped quote does not close");
        assert!(scan.between_rows());
    }
}
