//! Tiles: how the tree lies in files, <https://c2sp.org/tlog-tiles>.
//!
//! `tile/<level>/<n>` holds 256 hashes of complete subtrees of 256^level leaves; `tile/entries/<n>` the 256 entries below,
//! each after a 16-bit length. The rightmost, not yet full ones end in `.p/<width>`. Partial tiles are removed when a
//! wider one has been published.

use super::merkle::{Hash, Tree};
use crate::error::{At, StoreError};
use crate::store::read_small;
use std::path::{Path, PathBuf};

pub(crate) const WIDTH: u64 = 256;
const TILE: usize = 256;
/// Largest entry.
pub(crate) const ENTRY_LIMIT: usize = u16::MAX as usize;

/// A tile's number in groups of three digits: `x001/x234/067`.
fn number(n: u64) -> String {
    let last = format!("{:03}", n % 1000);
    let mut rest = n / 1000;
    let mut out = last;
    while rest > 0 {
        out = format!("x{:03}/{out}", rest % 1000);
        rest /= 1000;
    }
    out
}

fn path(log: &Path, kind: &str, n: u64, width: u64) -> PathBuf {
    let full = format!("tile/{kind}/{}", number(n));
    log.join(if width == WIDTH { full } else { format!("{full}.p/{width}") })
}

fn width_at(count: u64, n: u64) -> u64 {
    count.saturating_sub(n * WIDTH).min(WIDTH)
}

/// Files to write so that a tree that grew from `before` leaves lies in tiles, and the partial ones they replace.
pub(crate) fn changes(
    log: &Path,
    tree: &Tree,
    before: u64,
    entries: &[Vec<u8>],
    old_bundle: &[Vec<u8>],
) -> (Vec<(PathBuf, Vec<u8>)>, Vec<PathBuf>) {
    let mut write = Vec::new();
    let mut superseded = Vec::new();
    let mut level = 0;
    loop {
        let hashes = tree.level(level * 8);
        if hashes.is_empty() {
            break;
        }
        let old = before >> (8 * level).min(63);
        let new = hashes.len() as u64;
        for n in old / WIDTH..new.div_ceil(WIDTH) {
            let width = width_at(new, n);
            if width == width_at(old, n) {
                continue;
            }
            let start = usize::try_from(n * WIDTH).unwrap_or(usize::MAX);
            let tile: Vec<u8> = hashes.iter().skip(start).take(TILE).flatten().copied().collect();
            let kind = level.to_string();
            write.push((path(log, &kind, n, width), tile));
            if width_at(old, n) > 0 {
                superseded.push(path(log, &kind, n, width_at(old, n)));
            }
        }
        level += 1;
    }
    bundles(log, before, entries, old_bundle, &mut write, &mut superseded);
    (write, superseded)
}

fn bundles(
    log: &Path,
    before: u64,
    entries: &[Vec<u8>],
    old_bundle: &[Vec<u8>],
    write: &mut Vec<(PathBuf, Vec<u8>)>,
    superseded: &mut Vec<PathBuf>,
) {
    let first = before / WIDTH;
    let all: Vec<&Vec<u8>> = old_bundle.iter().chain(entries).collect();
    for (at, bundle) in all.chunks(TILE).enumerate() {
        let n = first + at as u64;
        let mut bytes = Vec::new();
        for entry in bundle {
            bytes.extend_from_slice(&u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(entry);
        }
        write.push((path(log, "entries", n, bundle.len() as u64), bytes));
        let old = width_at(before, n);
        if old > 0 && old != bundle.len() as u64 {
            superseded.push(path(log, "entries", n, old));
        }
    }
}

fn read_tile(log: &Path, kind: &str, n: u64, width: u64) -> Result<(Vec<u8>, PathBuf), StoreError> {
    let exact = path(log, kind, n, width);
    match read_small(&exact) {
        Ok(bytes) => return Ok((bytes, exact)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(StoreError::Io { path: exact, doing: "reading a tile of the log", source }),
    }
    // A wider tile holds what every narrower one before it held.
    for wider in (width + 1..=WIDTH).rev() {
        let wider = path(log, kind, n, wider);
        if let Ok(bytes) = read_small(&wider) {
            return Ok((bytes, wider));
        }
    }
    read_small(&exact).at(&exact, "reading a tile of the log").map(|bytes| (bytes, exact))
}

/// Every tile that a tree of this shape has, with its bytes: what must lie beside the entries.
pub(crate) fn expected(log: &Path, tree: &Tree) -> Vec<(PathBuf, Vec<u8>)> {
    changes(log, tree, 0, &[], &[]).0
}

/// All files of a log with these entries, but for its head. Paths are relative to the log.
pub(crate) fn files(entries: &[Vec<u8>]) -> Vec<(PathBuf, Vec<u8>)> {
    let mut tree = Tree::default();
    entries.iter().for_each(|entry| tree.push(super::leaf_hash(entry)));
    changes(Path::new(""), &tree, 0, entries, &[]).0
}

/// Paths of the entry bundles of a log with `size` leaves.
pub(crate) fn bundle_paths(log: &Path, size: u64) -> Vec<PathBuf> {
    (0..size.div_ceil(WIDTH)).map(|n| path(log, "entries", n, width_at(size, n))).collect()
}

/// The first `size` leaf hashes, as the tiles of level 0 hold them.
pub(crate) fn read_hashes(log: &Path, size: u64) -> Result<Vec<Hash>, StoreError> {
    let mut hashes = Vec::new();
    for n in 0..size.div_ceil(WIDTH) {
        let width = width_at(size, n);
        let (bytes, path) = read_tile(log, "0", n, width)?;
        let found = bytes.as_chunks::<32>().0;
        let wanted = usize::try_from(width).unwrap_or(usize::MAX);
        if found.len() < wanted {
            return Err(StoreError::damaged(path.display(), format!("it holds {} hashes, not {width}", found.len())));
        }
        hashes.extend(found.iter().take(wanted));
    }
    Ok(hashes)
}

/// The entries from `from` to `size`, by index.
pub(crate) fn entries(log: &Path, from: u64, size: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    for n in from / WIDTH..size.div_ceil(WIDTH) {
        let width = width_at(size, n);
        let (bytes, path) = read_tile(log, "entries", n, width)?;
        let mut rest = bytes.as_slice();
        for at in 0..width {
            let short = || StoreError::damaged(path.display(), format!("it ends within entry {at}"));
            let (length, tail) = rest.split_first_chunk::<2>().ok_or_else(short)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (entry, tail) = tail.split_at_checked(length).ok_or_else(short)?;
            rest = tail;
            if n * WIDTH + at >= from {
                found.push((n * WIDTH + at, entry.to_vec()));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_groups_of_three() {
        assert_eq!(number(0), "000");
        assert_eq!(number(67), "067");
        assert_eq!(number(1_234_067), "x001/x234/067");
    }
}
