//! Rows: how many frames of the input go out as one batch. Only their heads are looked at.

use super::ready::MOST_REFRESHED;
use super::unexpected;
use crate::conversation::{BatchShape, PostgresConversation};
use crate::copy::Aligned;
use crate::made::CELLS;
use crate::message::{Frame, HEAD, head};
use crate::state::{Live, Op, Shape};
use model::{RowLayout, StatementId};
use wire::{Answer, Cursor, RowBatch, Step, Violation};

/// The largest row that is held as a whole. A masked row cannot be larger; an unmasked one is cut.
const MAX_ROW: usize = 256 * 1024 * 1024;

/// How far a walk over row frames came.
struct Walk {
    /// Bytes that go out.
    taken: usize,
    /// Rows (frames) that end in them.
    frames: u64,
    /// Bytes of the last frame that are not here yet.
    cut: usize,
    /// Bytes that the next frame is short of, when nothing goes out.
    need: usize,
}

/// Walks over frames with this tag. With `whole`, none is cut.
fn walk(input: &[u8], tag: u8, lead: usize, whole: bool) -> Result<Walk, Violation> {
    let mut walk = Walk { taken: 0, frames: 0, cut: 0, need: 1 };
    if lead > 0 {
        walk.taken = lead.min(input.len());
        walk.cut = lead.saturating_sub(walk.taken);
        if walk.cut > 0 {
            return Ok(walk);
        }
        walk.frames = 1;
    }
    loop {
        let rest = input.get(walk.taken..).unwrap_or_default();
        let Some((found, total)) = head(rest)? else {
            walk.need = HEAD.saturating_sub(rest.len());
            return Ok(walk);
        };
        if found != tag {
            return Ok(walk);
        }
        if total <= rest.len() {
            walk.taken = walk.taken.saturating_add(total);
            walk.frames = walk.frames.saturating_add(1);
            continue;
        }
        let missing = total.saturating_sub(rest.len());
        if whole && total > MAX_ROW {
            return Err(Violation(format!("a row of {total} bytes cannot be masked: the limit is {MAX_ROW}")));
        }
        if !whole {
            walk.taken = input.len();
            walk.cut = missing;
        }
        walk.need = missing;
        return Ok(walk);
    }
}

impl PostgresConversation {
    /// The rows that the input begins with.
    pub(super) fn rows<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let lead = self.cut;
        let tag = input.first().copied().unwrap_or(b'D');
        let live = match self.front() {
            Some(Op::Query { refused: None, .. } | Op::Execute { .. }) => self.front_live(),
            op => return Err(unexpected(tag, op)),
        };
        let live = live.ok_or_else(|| unexpected(tag, None))?;
        if let Some(columns) = Self::untold_columns(live) {
            return Ok(Step::Got { consumed: 0, item: columns });
        }
        let Shape::Columns(columns) = &live.shape else {
            return Err(Violation("a row of a result whose columns were not announced".to_owned()));
        };
        let columns = columns.clone();
        let copying = live.copy.is_some();
        if lead == 0 && copying != (tag == b'd') || live.copy.as_ref().is_some_and(|copy| copy.done) {
            return Err(unexpected(tag, None));
        }
        // The plan may turn out to mask only once the pipeline has seen the first rows, so those are never cut, unless
        // they are too large to be held, in which case they could not be masked either.
        let too_large = lead == 0 && head(input)?.is_some_and(|(_, total)| total > MAX_ROW);
        let whole = live.whole || (!live.begun && !too_large);
        let mut walk = walk(input, if copying { b'd' } else { b'D' }, lead, whole)?;
        if let Some(copy) = live.copy.as_mut().filter(|_| walk.taken > 0) {
            match copy.align(input.get(..walk.taken).unwrap_or_default(), lead, whole)? {
                Aligned::Rows { taken, rows } => (walk.taken, walk.frames) = (taken, rows),
                Aligned::Nothing if walk.taken.saturating_add(walk.need) > MAX_ROW => {
                    return Err(Violation(format!("a row of more than {MAX_ROW} bytes cannot be masked")));
                }
                Aligned::Nothing => return Ok(Step::Need(walk.need.max(1))),
            }
        }
        if walk.taken == 0 {
            return Ok(Step::Need(walk.need.max(1)));
        }
        let (statement, result) = (live.id, live.result);
        let first = !live.begun;
        live.begun = true;
        let layout = live.copy.as_ref().map_or(RowLayout::Framed, |copy| copy.layout());
        self.cut = walk.cut;
        self.batch = BatchShape { lead, cut: walk.cut > 0, first };
        let wire = input.get(..walk.taken).unwrap_or_default();
        let batch = RowBatch { statement, result, columns, rows: walk.frames, wire, layout };
        Ok(Step::Got { consumed: walk.taken, item: Answer::Rows(batch) })
    }

    /// A row of the answer to a question of ours: one value each of the settings, then the session's own relations.
    pub(super) fn refresh_row<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        let bad = |_| Violation("a malformed row".to_owned());
        let mut cursor = Cursor::new(frame.body);
        let count = usize::from(cursor.u16_be().map_err(bad)?);
        if count != if self.refresh.len() < 2 { 1 } else { CELLS } {
            return Err(Violation("an answer to a question of ours has another number of values".to_owned()));
        }
        self.refresh_bytes = self.refresh_bytes.saturating_add(frame.wire.len());
        let mut row = Vec::with_capacity(count);
        for _ in 0..count {
            row.push(match usize::try_from(cursor.i32_be().map_err(bad)?) {
                Ok(length) => Some(String::from_utf8_lossy(cursor.take(length).map_err(bad)?).into_owned()),
                Err(_) => None,
            });
        }
        if self.refresh_bytes <= MOST_REFRESHED {
            self.refresh.push(row);
        }
        Ok(Answer::Absorb)
    }

    /// The statement of the last batch.
    pub(super) fn live_of(&mut self, statement: StatementId) -> Result<&mut Live, Violation> {
        self.find(statement).ok_or_else(|| Violation("rows of a statement that is over".to_owned()))
    }
}
