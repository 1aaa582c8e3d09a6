//! Rows taken apart, for the journal: text and binary rows become the journal's frames by a walk over their headers.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_row.html>,
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>

use crate::message::packet::{self, Front};
use crate::message::parameter::bit;
use crate::message::{Malformed, Within, lenenc};
use crate::values;
use model::{Column, Encoding};
use wire::{Cursor, RowBatch, Violation};

/// The bit of a binary row's NULL bitmap that is the first column's.
pub(super) const NULL_OFFSET: usize = 2;

/// The cells of one row, in order, each with its value or NULL.
pub(super) struct Cells<'a> {
    cursor: Cursor<'a>,
    /// A binary row's NULL bitmap.
    nulls: Option<&'a [u8]>,
    index: usize,
}

impl<'a> Cells<'a> {
    /// Begins with the first cell of a row's payload.
    pub(super) fn new(payload: &'a [u8], columns: &[Column]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(payload);
        let binary = columns.first().is_some_and(|column| column.repr.encoding == Encoding::MysqlBinary);
        let nulls = if binary {
            if cursor.u8().within("binary row")? != 0 {
                return Err(Malformed("binary row"));
            }
            Some(cursor.take((columns.len() + NULL_OFFSET).div_ceil(8)).within("binary row")?)
        } else {
            None
        };
        Ok(Self { cursor, nulls, index: 0 })
    }

    /// A binary row's NULL bitmap.
    pub(super) fn nulls(&self) -> Option<&'a [u8]> {
        self.nulls
    }

    /// The next cell, of this column.
    pub(super) fn next(&mut self, column: &Column) -> Result<Option<&'a [u8]>, Malformed> {
        let Some(nulls) = self.nulls else { return lenenc::cell(&mut self.cursor).within("text row") };
        let index = self.index;
        self.index += 1;
        if bit(nulls, index + NULL_OFFSET) {
            return Ok(None);
        }
        match values::width_of(&column.repr.kind) {
            Some(width) => self.cursor.take(width),
            None => lenenc::bytes(&mut self.cursor),
        }
        .map(Some)
        .within("binary row")
    }

    /// After the last column nothing may be left.
    pub(super) fn finish(self) -> Result<(), Malformed> {
        if self.cursor.is_empty() { Ok(()) } else { Err(Malformed("row: more cells than columns")) }
    }
}

/// Appends the rows of a batch in the journal's form.
pub(crate) fn journal(batch: &RowBatch<'_>, out: &mut Vec<u8>) -> Result<(), Violation> {
    out.reserve(batch.wire.len() + 32);
    each_row(batch, |_, payload| {
        let mut cells = Cells::new(payload, &batch.columns)?;
        let mut row = JournalRow::begin(out, batch.columns.len());
        for column in &*batch.columns {
            row.cell(cells.next(column)?)?;
        }
        row.finish()?;
        Ok(cells.finish()?)
    })
}

/// Calls `visit` with the extent and payload of every row.
pub(super) fn each_row(
    batch: &RowBatch<'_>,
    mut visit: impl FnMut(packet::Extent, &[u8]) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let mut rest = batch.wire;
    while !rest.is_empty() {
        let Front::Whole(extent) = packet::front(rest, super::LONGEST)? else {
            return Err(Violation("a batch that ends within a row".to_owned()));
        };
        visit(extent, &extent.payload(rest)?)?;
        rest = rest.get(extent.bytes..).unwrap_or_default();
    }
    Ok(())
}

/// A row in the journal's form ([`model::RowLayout::Framed`]), while it is written.
pub(super) struct JournalRow<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> JournalRow<'o> {
    /// Begins a row of so many cells.
    pub(super) fn begin(out: &'o mut Vec<u8>, cells: usize) -> Self {
        let start = out.len();
        // A result has at most 65,535 columns.
        let [.., high, low] = cells.to_be_bytes();
        out.extend_from_slice(&[b'D', 0, 0, 0, 0, high, low]);
        Self { out, start }
    }

    /// The next cell.
    pub(super) fn cell(&mut self, cell: Option<&[u8]>) -> Result<(), Violation> {
        let Some(bytes) = cell else {
            self.out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        };
        let length = i32::try_from(bytes.len()).map_err(|_| Violation("a cell of 2 GiB".to_owned()))?;
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes the length.
    pub(super) fn finish(self) -> Result<(), Violation> {
        let length = self.out.len() - self.start - 1;
        let length = u32::try_from(length).map_err(|_| Violation("a row of 4 GiB".to_owned()))?;
        if let Some(place) = self.out.get_mut(self.start + 1..).and_then(|tail| tail.first_chunk_mut()) {
            *place = length.to_be_bytes();
        }
        Ok(())
    }
}
