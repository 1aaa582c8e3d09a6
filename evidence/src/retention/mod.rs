//! What may be removed from a store, and who says so.
//!
//! The epoch keys' leaves carry the terms: how long the record is kept and whose signatures count. A hold covers a time and
//! begins on anyone's word; it ends, and expired segments go, only by an *order* that two of those people signed. The
//! order becomes a leaf of the log (a tombstone) before the first file is removed. Removed are the files of sessions,
//! statements, bodies and rows; policies, approvals, reviews, readings, every manifest and every tile stay.
//!
//! Writer and verification go by the same [`Ledger`].

mod ledger;
mod order;
mod prune;

pub(crate) use ledger::{Kept, Ledger, Tombstone};
pub(crate) use order::{Action, Order};
pub(crate) use prune::remove;

use crate::table::Table;

/// Whether pruning takes a table's files away.
pub(crate) fn is_pruned(table: Table) -> bool {
    !table.has_own_chain()
}

/// Segment numbers as ranges: `[[1, 5], [7, 7]]`.
pub(crate) fn ranges(numbers: impl IntoIterator<Item = u64>) -> Vec<[u64; 2]> {
    let mut out: Vec<[u64; 2]> = Vec::new();
    for number in numbers {
        match out.last_mut() {
            Some([_, last]) if *last + 1 == number => *last = number,
            _ => out.push([number, number]),
        }
    }
    out
}

/// Ranges in words: `1-5, 7`.
pub(crate) fn words(ranges: &[[u64; 2]]) -> String {
    let one = |[first, last]: &[u64; 2]| if first == last { first.to_string() } else { format!("{first}-{last}") };
    ranges.iter().map(one).collect::<Vec<_>>().join(", ")
}
