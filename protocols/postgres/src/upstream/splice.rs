//! Rebuilding rows with masked cells. Everything but the masked cells is copied as it came, in runs.

use crate::conversation::PostgresConversation;
use crate::message::{HEAD, close, head, malformed};
use wire::{CellAnswer, CellMasker, Cursor, RowBatch, Splice, Violation};

impl PostgresConversation {
    pub(crate) fn splice_batch(
        &mut self,
        batch: &RowBatch<'_>,
        masker: &mut dyn CellMasker,
        out: &mut Splice,
    ) -> Result<(), Violation> {
        let shape = self.batch;
        if shape.lead > 0 || shape.cut {
            return Err(Violation("a row that went out in pieces cannot be masked".to_owned()));
        }
        self.masked.clear();
        self.masked.extend((0..batch.columns.len()).map(|column| masker.masks(column)));
        let mut scratch = std::mem::take(&mut self.scratch);
        let masked = std::mem::take(&mut self.masked);
        let live = self.live_of(batch.statement)?;
        // From here on no row of it is cut, whether or not that was foreseen.
        live.whole = true;
        let spliced = match &live.copy {
            Some(copy) => copy.splice(batch.wire, shape.first, &masked, masker, &mut scratch, out),
            None => data_rows(batch.wire, &masked, masker, &mut out.wire),
        };
        (self.scratch, self.masked) = (scratch, masked);
        spliced
    }

    pub(crate) fn journal_batch(&mut self, batch: &RowBatch<'_>, out: &mut Vec<u8>) -> Result<Option<()>, Violation> {
        let shape = self.batch;
        match &self.live_of(batch.statement)?.copy {
            None => Ok(None),
            Some(copy) => copy.journal(batch.wire, shape.lead, shape.first, out).map(Some),
        }
    }
}

/// Masks the cells of whole DataRow frames.
fn data_rows(frames: &[u8], masked: &[bool], masker: &mut dyn CellMasker, out: &mut Vec<u8>) -> Result<(), Violation> {
    out.reserve(frames.len());
    let mut rest = frames;
    while !rest.is_empty() {
        let (_, total) = head(rest)?.ok_or_else(|| malformed("DataRow"))?;
        let (frame, after) = rest.split_at_checked(total).ok_or_else(|| malformed("DataRow"))?;
        data_row(frame, masked, masker, out)?;
        rest = after;
    }
    Ok(())
}

fn data_row(frame: &[u8], masked: &[bool], masker: &mut dyn CellMasker, out: &mut Vec<u8>) -> Result<(), Violation> {
    let bad = |_| malformed("DataRow");
    let body = frame.get(HEAD..).unwrap_or_default();
    let mut cursor = Cursor::new(body);
    if usize::from(cursor.u16_be().map_err(bad)?) != masked.len() {
        return Err(Violation("a row has another number of cells than its result has columns".to_owned()));
    }
    let start = out.len();
    out.extend_from_slice(frame.get(..HEAD).unwrap_or_default());
    // Everything from here to the next masked cell is copied in one go.
    let mut run = body;
    for (column, masks) in masked.iter().enumerate() {
        let before = run.len().saturating_sub(cursor.rest().len());
        let length = cursor.i32_be().map_err(bad)?;
        let cell = match usize::try_from(length) {
            Ok(length) => Some(cursor.take(length).map_err(bad)?),
            Err(_) if length == -1 => None,
            Err(_) => return Err(malformed("DataRow")),
        };
        if !masks {
            continue;
        }
        out.extend_from_slice(run.get(..before).unwrap_or_default());
        let cell_from = run.get(before..).unwrap_or_default();
        run = cursor.rest();
        let slot = out.len();
        out.extend_from_slice(&[0; 4]);
        let length = match masker.mask(column, cell, out) {
            CellAnswer::Keep => {
                out.truncate(slot);
                out.extend_from_slice(cell_from.get(..cell_from.len().saturating_sub(run.len())).unwrap_or_default());
                continue;
            }
            CellAnswer::Null => {
                out.truncate(slot.saturating_add(4));
                -1
            }
            CellAnswer::Replaced => {
                i32::try_from(out.len().saturating_sub(slot).saturating_sub(4)).map_err(|_| malformed("DataRow"))?
            }
        };
        if let Some(slot) = out.get_mut(slot..slot.saturating_add(4)) {
            slot.copy_from_slice(&length.to_be_bytes());
        }
    }
    if !cursor.is_empty() {
        return Err(malformed("DataRow"));
    }
    out.extend_from_slice(run);
    close(out, start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replaces by a longer text, nulls `x`, keeps `k`.
    struct Masker;

    impl CellMasker for Masker {
        fn masks(&self, column: usize) -> bool {
            column != 1
        }

        fn mask(&mut self, _column: usize, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
            match cell {
                Some(b"x") => {
                    out.extend_from_slice(b"left over");
                    CellAnswer::Null
                }
                Some(b"k") | None => CellAnswer::Keep,
                Some(_) => {
                    out.extend_from_slice(b"***");
                    CellAnswer::Replaced
                }
            }
        }
    }

    fn row(cells: &[Option<&str>]) -> Vec<u8> {
        let mut out = Vec::new();
        crate::message::put(&mut out, b'D', |out| {
            out.extend_from_slice(&u16::try_from(cells.len()).unwrap().to_be_bytes());
            for cell in cells {
                out.extend_from_slice(&cell.map_or(-1, |cell| i32::try_from(cell.len()).unwrap()).to_be_bytes());
                out.extend_from_slice(cell.unwrap_or_default().as_bytes());
            }
        })
        .unwrap();
        out
    }

    fn run(frames: &[u8], columns: usize) -> Result<Vec<u8>, Violation> {
        let masked: Vec<_> = (0..columns).map(|column| Masker.masks(column)).collect();
        let mut out = Vec::new();
        data_rows(frames, &masked, &mut Masker, &mut out).map(|()| out)
    }

    #[test]
    fn only_masked_cells_change() {
        let input = [row(&[Some("a"), Some("b"), Some("x"), Some("tail")]), row(&[None, None, Some("k"), Some("")])];
        let expected = [row(&[Some("***"), Some("b"), None, Some("***")]), row(&[None, None, Some("k"), Some("***")])];
        assert_eq!(run(&input.concat(), 4).unwrap(), expected.concat());
    }

    #[test]
    fn a_row_that_does_not_fit_its_columns_is_refused() {
        assert!(run(&row(&[Some("a"), Some("b")]), 3).is_err());
        assert!(run(&row(&[Some("a"), Some("b")]), 1).is_err());
        let good = row(&[Some("a"), Some("b")]);
        for cut in 1..good.len() {
            assert!(run(&good[..cut], 2).is_err(), "cut at {cut}");
        }
        let mut longer = good.clone();
        longer[12] = 200;
        assert!(run(&longer, 2).is_err(), "a cell longer than its row");
    }
}
