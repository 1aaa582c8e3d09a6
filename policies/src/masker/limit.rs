//! Declared lengths: a replacement is cut to the characters that the column holds, and `char(n)` is padded again.

use model::{Column, Encoding, Kind};

/// The limits of a text column.
pub(super) struct Limit {
    chars: Option<usize>,
    pad: bool,
}

impl Limit {
    /// Elements of arrays: their limits are not announced.
    pub(super) const NONE: Self = Self { chars: None, pad: false };

    pub(super) fn new(column: &Column) -> Self {
        let chars = column.max_chars.and_then(|chars| usize::try_from(chars).ok());
        // MySQL strips the padding before it sends a CHAR.
        let padded = matches!(column.repr.encoding, Encoding::PostgresText | Encoding::PostgresBinary);
        Self { chars, pad: padded && column.repr.kind == Kind::Char }
    }

    /// Lets `write` append a text, then fits it. `None` if it wrote nothing that counts.
    pub(super) fn within(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<()> {
        let start = out.len();
        if !write(out) {
            return None;
        }
        let Some(chars) = self.chars else { return Some(()) };
        let written = std::str::from_utf8(out.get(start..)?).ok()?;
        let (count, cut) = match written.char_indices().nth(chars) {
            Some((at, _)) => (chars, start + at),
            None if self.pad => (written.chars().count(), out.len()),
            None => return Some(()),
        };
        out.truncate(cut);
        if self.pad {
            out.extend(std::iter::repeat_n(b' ', chars - count));
        }
        Some(())
    }
}
