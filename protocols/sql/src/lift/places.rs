//! Where tokens stand: in the canonical text that the parser gets, and in the client's own bytes.

use super::{Keep, Scan};

/// A token's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where it begins in the key.
    pub(crate) key: usize,
    /// Where it begins in the text.
    pub(crate) start: usize,
    /// Where it ends in the text.
    pub(crate) end: usize,
}

impl Scan<'_> {
    /// Notes the place of the token that began at `start` and has just been written at `key`.
    pub(super) fn place(&mut self, key: usize, start: usize) {
        if self.keep == Keep::Canonical {
            self.out.places.push(Place { key, start, end: self.at });
        }
    }
}
