//! Takes a row stream apart ([`model::RowLayout`]), however it was cut into pieces.
//!
//! Bounded: of a row larger than [`ROW_LIMIT`] the front is kept and the rest is counted.

use super::cells::Cells;
use crate::journal::codec::{Put, Take, Undecodable};
use crate::record::ResultColumn;
use model::{Delimited, RowLayout};

/// Bytes of one row that are kept.
const ROW_LIMIT: usize = 16 << 20;

/// What was read of the row that is not complete yet.
#[derive(Clone, Default, Debug, PartialEq)]
pub(crate) struct RowStream {
    partial: Vec<u8>,
    /// Bytes of the current row that are passed over.
    skip: u64,
    /// Bytes of the current row that were passed over.
    skipped: u64,
    /// Inside a CSV quote.
    quoted: bool,
    /// The header line has been passed.
    headed: bool,
    delimited: Option<Delimited>,
    /// The stream stopped making sense; nothing more of it is taken apart.
    broken: bool,
}

/// A row's note on what is missing of it, if something is.
type Overflow = Option<String>;

impl RowStream {
    /// The next whole row of `rest`, put into `cells`; `None` when more bytes are needed.
    pub(crate) fn next(
        &mut self,
        layout: &RowLayout,
        rest: &mut &[u8],
        columns: &[ResultColumn],
        cells: &mut Cells,
    ) -> Option<Overflow> {
        if self.broken {
            *rest = &[];
            return None;
        }
        match layout {
            RowLayout::Framed => self.next_framed(rest, columns, cells),
            RowLayout::Delimited(delimited) => {
                if self.delimited.as_ref() != Some(delimited) {
                    self.delimited = Some(delimited.clone());
                }
                self.next_line(delimited, rest, columns, cells)
            }
        }
    }

    /// The row that the stream's end cut short, if there is one.
    pub(crate) fn finish(&mut self, columns: &[ResultColumn], cells: &mut Cells) -> Option<Overflow> {
        if self.partial.is_empty() || self.broken {
            return None;
        }
        let partial = std::mem::take(&mut self.partial);
        let note = format!("the row was cut short after {} bytes", partial.len());
        match self.delimited.clone() {
            // The last line of a COPY may lack its end; what is there is whole.
            Some(delimited) => {
                line_cells(&delimited, &partial, columns, cells);
                Some(Some(note))
            }
            None => {
                frame_cells(&partial, columns, cells);
                Some(Some(note))
            }
        }
    }

    fn next_framed(&mut self, rest: &mut &[u8], columns: &[ResultColumn], cells: &mut Cells) -> Option<Overflow> {
        if self.skip > 0 {
            let n = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
            *rest = rest.get(n..).unwrap_or_default();
            self.skip -= n as u64;
            return if self.skip > 0 { None } else { Some(self.take_partial(columns, cells)) };
        }
        if self.partial.is_empty() {
            // The common case: the row lies whole in this piece.
            match frame_total(rest) {
                Some(Ok(total)) if total <= rest.len() => {
                    let (frame, tail) = rest.split_at(total);
                    *rest = tail;
                    return Some(frame_cells(frame, columns, cells));
                }
                Some(Err(what)) => return Some(self.give_up(what, rest, cells)),
                _ if rest.is_empty() => return None,
                _ => {}
            }
        }
        while self.partial.len() < 5 {
            let (byte, tail) = rest.split_first()?;
            self.partial.push(*byte);
            *rest = tail;
        }
        let total = match frame_total(&self.partial) {
            Some(Ok(total)) => total,
            Some(Err(what)) => return Some(self.give_up(what, rest, cells)),
            None => return None,
        };
        let keep = total.min(ROW_LIMIT);
        let n = keep.saturating_sub(self.partial.len()).min(rest.len());
        let (take, tail) = rest.split_at_checked(n).unwrap_or((&[], *rest));
        self.partial.extend_from_slice(take);
        *rest = tail;
        if self.partial.len() < keep {
            return None;
        }
        if total > keep {
            self.skip = (total - keep) as u64;
            self.skipped = self.skip;
            return self.next_framed(rest, columns, cells);
        }
        Some(self.take_partial(columns, cells))
    }

    fn take_partial(&mut self, columns: &[ResultColumn], cells: &mut Cells) -> Overflow {
        let partial = std::mem::take(&mut self.partial);
        let overflow = frame_cells(&partial, columns, cells);
        match std::mem::take(&mut self.skipped) {
            0 => overflow,
            skipped => {
                Some(format!("the row is {} bytes; its last {skipped} are not kept", partial.len() as u64 + skipped))
            }
        }
    }

    fn give_up(&mut self, what: &str, rest: &mut &[u8], cells: &mut Cells) -> Overflow {
        self.broken = true;
        let left = self.partial.len() + rest.len();
        self.partial.clear();
        *rest = &[];
        cells.clear();
        Some(format!("from here on the rows could not be taken apart ({what}); {left} bytes or more are not shown"))
    }

    fn next_line(
        &mut self,
        delimited: &Delimited,
        rest: &mut &[u8],
        columns: &[ResultColumn],
        cells: &mut Cells,
    ) -> Option<Overflow> {
        loop {
            let end = self.line_end(delimited, rest);
            let (line, tail) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((*rest, &[]));
            let room = ROW_LIMIT.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(line.get(..line.len().min(room)).unwrap_or_default());
            self.skipped += line.len().saturating_sub(room) as u64;
            *rest = tail;
            end?;
            let partial = std::mem::take(&mut self.partial);
            let skipped = std::mem::take(&mut self.skipped);
            let line = partial.strip_suffix(b"\n").unwrap_or(&partial);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if delimited.header && !self.headed {
                self.headed = true;
                continue;
            }
            let overflow = line_cells(delimited, line, columns, cells);
            return Some(match skipped {
                0 => overflow,
                skipped => Some(format!("the row's last {skipped} bytes are not kept")),
            });
        }
    }

    /// Just behind the line feed that ends the row, if it is in `bytes`.
    fn line_end(&mut self, delimited: &Delimited, bytes: &[u8]) -> Option<usize> {
        if !delimited.csv {
            return bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        }
        for (at, byte) in bytes.iter().enumerate() {
            // A doubled quote leaves and enters again. An escape other than the quote is followed by one byte that
            // means itself; when it is a quote, both toggles cancel out only if it is counted, so it is not.
            if *byte == delimited.quote {
                let escaped = delimited.escape != delimited.quote
                    && at.checked_sub(1).map_or(self.partial.last(), |before| bytes.get(before))
                        == Some(&delimited.escape);
                if !escaped {
                    self.quoted = !self.quoted;
                }
            } else if *byte == b'\n' && !self.quoted {
                return Some(at + 1);
            }
        }
        None
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.bytes(&self.partial);
        out.u64(self.skip);
        out.u64(self.skipped);
        out.u8(u8::from(self.quoted) | u8::from(self.headed) << 1 | u8::from(self.broken) << 2);
        out.u8(u8::from(self.delimited.is_some()));
        if let Some(delimited) = &self.delimited {
            crate::record::write_layout(&RowLayout::Delimited(delimited.clone()), out);
        }
    }

    pub(super) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        let (partial, skip, skipped) = (take.bytes()?.to_vec(), take.u64()?, take.u64()?);
        let flags = take.u8()?;
        let layout = take.opt(crate::record::read_layout)?;
        let delimited = layout.and_then(|layout| match layout {
            RowLayout::Delimited(delimited) => Some(delimited),
            RowLayout::Framed => None,
        });
        let (quoted, headed, broken) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        Ok(Self { partial, skip, skipped, quoted, headed, delimited, broken })
    }
}

/// Length of the frame at the front, tag included; `None` when its header is not there yet.
fn frame_total(bytes: &[u8]) -> Option<Result<usize, &'static str>> {
    let (head, _) = bytes.split_first_chunk::<5>()?;
    let [tag, length @ ..] = *head;
    let length = u32::from_be_bytes(length);
    Some(if tag != b'D' {
        Err("a frame is not a row")
    } else if length < 6 {
        Err("a frame is too short")
    } else {
        usize::try_from(length).map(|length| length + 1).map_err(|_| "a frame is too long")
    })
}

/// The cells of a frame; of one that was cut, those that are there.
fn frame_cells(frame: &[u8], columns: &[ResultColumn], cells: &mut Cells) -> Overflow {
    cells.clear();
    let mut take = Take(frame);
    let complete = (|| -> Result<(), Undecodable> {
        take.raw(5)?;
        let count = u16::from_be_bytes(take.array()?);
        for at in 0..usize::from(count) {
            let length = take.u32()?;
            let repr = columns.get(at).map(|column| &column.repr);
            if length == u32::MAX {
                cells.push_null();
                continue;
            }
            let length = usize::try_from(length).map_err(|_| Undecodable("a cell is too long"))?;
            let cell = take.0.get(..length).unwrap_or(take.0);
            cells.push(repr, cell);
            take.raw(length)?;
        }
        Ok(())
    })();
    match complete {
        Err(_) => Some("the row ends within a cell".to_owned()),
        Ok(()) if cells.cut.is_empty() => None,
        Ok(()) => Some(cells.cut.clone()),
    }
}

fn line_cells(delimited: &Delimited, line: &[u8], columns: &[ResultColumn], cells: &mut Cells) -> Overflow {
    cells.clear();
    let mut scratch = Vec::new();
    let mut rest = Some(line);
    let mut at = 0;
    while let Some(input) = rest {
        scratch.clear();
        let (tail, null) = if delimited.csv {
            csv_cell(delimited, input, &mut scratch)
        } else {
            text_cell(delimited, input, &mut scratch)
        };
        rest = tail;
        match null {
            true => cells.push_null(),
            false => cells.push(columns.get(at).map(|column| &column.repr), &scratch),
        }
        at += 1;
    }
    (!cells.cut.is_empty()).then(|| cells.cut.clone())
}

/// One cell of COPY's text format; <https://www.postgresql.org/docs/18/sql-copy.html>, "File Formats".
fn text_cell<'a>(delimited: &Delimited, input: &'a [u8], out: &mut Vec<u8>) -> (Option<&'a [u8]>, bool) {
    let mut end = 0;
    while let Some(byte) = input.get(end) {
        match *byte {
            b'\\' => end += 2,
            byte if byte == delimited.delimiter => break,
            _ => end += 1,
        }
    }
    let end = end.min(input.len());
    let raw = input.get(..end).unwrap_or_default();
    let rest = input.get(end + 1..).filter(|_| end < input.len());
    if raw == delimited.null.as_slice() {
        return (rest, true);
    }
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'v') => out.push(11),
            Some(other) => out.push(other),
            None => out.push(b'\\'),
        }
    }
    (rest, false)
}

/// One cell of CSV.
fn csv_cell<'a>(delimited: &Delimited, input: &'a [u8], out: &mut Vec<u8>) -> (Option<&'a [u8]>, bool) {
    let mut quoted = false;
    let mut was_quoted = false;
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        let next = input.get(at + 1).copied();
        if quoted && byte == delimited.escape && next.is_some_and(|n| n == delimited.quote || n == delimited.escape) {
            out.extend(next);
            at += 2;
            continue;
        }
        if byte == delimited.quote {
            quoted = !quoted;
            was_quoted = true;
        } else if byte == delimited.delimiter && !quoted {
            let rest = input.get(at + 1..);
            return (rest, !was_quoted && *out == delimited.null);
        } else {
            out.push(byte);
        }
        at += 1;
    }
    (None, !was_quoted && *out == delimited.null)
}
