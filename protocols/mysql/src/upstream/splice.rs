//! Splicing: rows again, with some cells masked. Cells that are not keep their bytes; packets keep their order, and
//! their ids are shifted where a masked row needs more or fewer packets than before.

use super::rows::{Cells, JournalRow, NULL_OFFSET, each_row};
use crate::message::{lenenc, packet};
use crate::values;
use model::Column;
use wire::{CellAnswer, CellMasker, RowBatch, Splice, Violation};

/// Rebuilds the rows of a batch. `shift` is what is added to their sequence ids; returned is what is added to the ids
/// of packets after them.
pub(crate) fn splice(
    batch: &RowBatch<'_>,
    masker: &mut dyn CellMasker,
    mut shift: u8,
    out: &mut Splice,
) -> Result<u8, Violation> {
    let masked: Vec<bool> = (0..batch.columns.len()).map(|index| masker.masks(index)).collect();
    let mut scratch = Vec::new();
    out.wire.reserve(batch.wire.len() + 64);
    out.journal.reserve(batch.wire.len() + 64);
    each_row(batch, |extent, payload| {
        let mut cells = Cells::new(payload, &batch.columns)?;
        let start = packet::begin(&mut out.wire);
        let mut row = Row::begin(&mut out.wire, cells.nulls());
        let mut journal = JournalRow::begin(&mut out.journal, batch.columns.len());
        for (index, (column, masked)) in batch.columns.iter().zip(&masked).enumerate() {
            let cell = cells.next(column)?;
            let kept = if *masked {
                scratch.clear();
                match masker.mask(index, cell, &mut scratch) {
                    CellAnswer::Keep => cell,
                    CellAnswer::Null => None,
                    CellAnswer::Replaced => Some(scratch.as_slice()),
                }
            } else {
                cell
            };
            row.cell(index, column, kept)?;
            journal.cell(kept)?;
        }
        cells.finish()?;
        journal.finish()?;
        let packets = packet::finish(&mut out.wire, start, extent.sequence.wrapping_add(shift));
        shift = shift.wrapping_add(packet::low_byte(packets)).wrapping_sub(packet::low_byte(extent.packets));
        Ok(())
    })?;
    Ok(shift)
}

/// A row for the client, while it is written.
struct Row<'o> {
    out: &'o mut Vec<u8>,
    /// Where a binary row's NULL bitmap begins.
    nulls_at: Option<usize>,
}

impl<'o> Row<'o> {
    fn begin(out: &'o mut Vec<u8>, nulls: Option<&[u8]>) -> Self {
        let nulls_at = nulls.map(|nulls| {
            out.push(0);
            let at = out.len();
            out.resize(at + nulls.len(), 0);
            at
        });
        Self { out, nulls_at }
    }

    fn cell(&mut self, index: usize, column: &Column, cell: Option<&[u8]>) -> Result<(), Violation> {
        let Some(nulls_at) = self.nulls_at else {
            match cell {
                Some(bytes) => lenenc::put_bytes(self.out, bytes),
                None => self.out.push(lenenc::NULL),
            }
            return Ok(());
        };
        let Some(bytes) = cell else {
            let bit = index + NULL_OFFSET;
            if let Some(byte) = self.out.get_mut(nulls_at + bit / 8) {
                *byte |= 1 << (bit % 8);
            }
            return Ok(());
        };
        match values::width_of(&column.repr.kind) {
            None => lenenc::put_bytes(self.out, bytes),
            Some(width) if width == bytes.len() => self.out.extend_from_slice(bytes),
            Some(width) => {
                return Err(Violation(format!(
                    "column {:?} was masked with {} bytes where its type has {width}",
                    column.name,
                    bytes.len()
                )));
            }
        }
        Ok(())
    }
}
