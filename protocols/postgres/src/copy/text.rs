//! COPY's text format: a line a row, cells apart by a delimiter, backslash escapes.

use super::Cells;
use model::Delimited;
use wire::{CellAnswer, Violation};

/// Masks the cells of whole rows.
pub(super) fn mask(
    rows: &[u8],
    options: &Delimited,
    mut header: bool,
    cells: &mut Cells<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    // `run`: from here on everything is copied in one go before the next masked cell.
    let (mut at, mut run, mut column) = (0usize, 0usize, 0usize);
    while let Some(rest) = rows.get(at..).filter(|rest| !rest.is_empty()) {
        let (length, escaped) = field_end(rest, options.delimiter)?;
        let end = at.saturating_add(length);
        if !header && cells.masks(column) {
            out.extend_from_slice(rows.get(run..at).unwrap_or_default());
            one(rest.get(..length).unwrap_or_default(), escaped, column, options, cells, out);
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

fn cut() -> Violation {
    Violation("a row of COPY is cut".to_owned())
}

/// Where the field ends (at a delimiter or newline), and whether it has escapes.
fn field_end(rest: &[u8], delimiter: u8) -> Result<(usize, bool), Violation> {
    let (mut at, mut escaped) = (0usize, false);
    loop {
        let tail = rest.get(at..).ok_or_else(cut)?;
        let found = memchr::memchr3(delimiter, b'\n', b'\\', tail).ok_or_else(cut)?;
        at += found;
        if rest.get(at) != Some(&b'\\') {
            return Ok((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

fn one(field: &[u8], escaped: bool, column: usize, options: &Delimited, cells: &mut Cells<'_>, out: &mut Vec<u8>) {
    cells.mask.clear();
    let answer = if field == options.null.as_slice() {
        cells.masker.mask(column, None, cells.mask)
    } else if escaped {
        cells.cell.clear();
        unescape(field, cells.cell);
        cells.masker.mask(column, Some(cells.cell), cells.mask)
    } else {
        cells.masker.mask(column, Some(field), cells.mask)
    };
    match answer {
        CellAnswer::Keep => out.extend_from_slice(field),
        CellAnswer::Null => out.extend_from_slice(&options.null),
        CellAnswer::Replaced => escape(cells.mask, options.delimiter, out),
    }
}

/// What the server's output escapes: control characters by letter, the rest by a backslash alone.
fn unescape(field: &[u8], out: &mut Vec<u8>) {
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        let plain = match (byte, byte == &b'\\') {
            (_, true) => match bytes.next() {
                Some(b'b') => 0x08,
                Some(b'f') => 0x0c,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 0x0b,
                Some(other) => *other,
                None => b'\\',
            },
            (byte, false) => *byte,
        };
        out.push(plain);
    }
}

fn escape(value: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    // 0x08 to 0x0d are the six control characters that have letters.
    let special = |byte: &u8| matches!(byte, 0x08..=0x0d | b'\\') || *byte == delimiter;
    let mut rest = value;
    while let Some((plain, [byte, after @ ..])) = rest.iter().position(special).and_then(|at| rest.split_at_checked(at))
    {
        out.extend_from_slice(plain);
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            byte => *byte,
        };
        out.extend_from_slice(&[b'\\', letter]);
        rest = after;
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::super::options::text_defaults;
    use super::*;
    use crate::copy::tests::{Upper, masked};

    fn run(rows: &[u8], columns: &[bool], header: bool) -> Result<String, Violation> {
        masked(columns, &mut Upper, |cells, out| mask(rows, &text_defaults(), header, cells, out))
    }

    #[test]
    fn masked_cells_are_unescaped_and_escaped_again() {
        let rows = b"1\tann\tx\\ty\n2\t\\N\t\\\\\\n\n";
        assert_eq!(run(rows, &[false, true, true], false).unwrap(), "1\tANN\tX\\tY\n2\t\\N\t\\\\\\n\n");
    }

    #[test]
    fn a_header_is_not_masked() {
        assert_eq!(run(b"id\tname\n1\tann\n", &[false, true], true).unwrap(), "id\tname\n1\tANN\n");
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        assert!(run(b"1\tann\n", &[false, true, false], false).is_err(), "a cell is missing");
        assert!(run(b"1\tann\tx\n", &[false, true], false).is_err(), "a cell too many");
        assert!(run(b"1\tann", &[false, true], false).is_err(), "no end");
        assert!(run(b"1\tann\\", &[false, true], false).is_err(), "cut in an escape");
    }
}
