//! Everything that lies in a store, by its name: a file that no manifest speaks of could be read by whoever reads with a
//! pattern. Names are compared byte for byte; a link, a look-alike folder or a file in the wrong room is said.
//!
//! Who holds the lock says nothing: a file that is not listed has until the log lists it, and that is seconds.

use super::leaves::Verified;
use super::report::{Checks, name};
use crate::log::{Leaf, Tree, entries, leaf_hash};
use crate::seal::hash_file;
use crate::sign::parse_checkpoint;
use crate::store::Layout;
use crate::table::Table;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often, and how long apart, the log of a living store is read again for files that are not listed yet.
const LOOKS: usize = 20;
const APART: Duration = Duration::from_millis(250);

/// The files of a store, but for those whose names say what they are: the lock, the journal, requests, drafts. `whole` is a
/// store, not the part of one that a package holds.
pub(super) fn files(layout: &Layout, whole: bool, checks: &mut Checks) -> Vec<PathBuf> {
    let root = layout.root();
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            checks.fail(name::LISTED, folder.display(), "it cannot be listed");
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let parts: Option<Vec<&str>> =
                path.strip_prefix(root).ok().and_then(|inside| inside.iter().map(std::ffi::OsStr::to_str).collect());
            let place = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().escape_debug().to_string();
            let Some(parts) = parts else {
                checks.fail(name::LISTED, place, "its name is not a text");
                continue;
            };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && is_folder(&parts, whole) => folders.push(path),
                Ok(kind) if kind.is_dir() => checks.fail(name::LISTED, place, "no store has such a folder"),
                Ok(kind) if kind.is_file() && is_own(&parts, whole) => {}
                Ok(kind) if kind.is_file() => found.push(path),
                _ => checks.fail(name::LISTED, place, "it is a link, or no plain file"),
            }
        }
    }
    found.sort();
    found
}

fn is_folder(parts: &[&str], whole: bool) -> bool {
    match parts {
        ["log", ..] => true,
        ["segments"] => true,
        ["journal" | "inbox"] => whole,
        [table] => Table::by_name(table).is_some(),
        [table, partition] => Table::by_name(table).is_some() && partition.strip_prefix("date=").is_some_and(is_date),
        _ => false,
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

/// Whether a file is one that a writer has beside what it lists.
fn is_own(parts: &[&str], whole: bool) -> bool {
    let ends = |name: &str, ends: &[&str]| {
        name.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && ends.contains(&end))
    };
    match parts {
        ["store.json"] => true,
        // What the proxy keeps beside its record: requests for approval, messages about them, exchanged credentials.
        ["lock" | "approvals.redb" | "webhooks.redb" | "credentials.redb"] => whole,
        ["journal", name] => whole && (ends(name, &["wal", "kept"]) || is_draft(name)),
        ["inbox", name] => whole && (ends(name, &["request", "answer", "unreadable"]) || is_draft(name)),
        [name] | ["log", .., name] => whole && is_draft(name),
        _ => false,
    }
}

/// A file that is being written: hidden, and with an ending that no pattern for Parquet files matches.
fn is_draft(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".draft")
}

/// Whether a file of the log has a name that its writer gives.
pub(super) fn is_log_name(log: &Path, path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(log) else { return false };
    let parts: Vec<&str> = inside.iter().filter_map(std::ffi::OsStr::to_str).collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        [name] if *name == "head" || is_draft(name) => true,
        ["tile", level, numbers @ ..] if *level == "entries" || digits(level) => numbers.iter().all(|number| {
            let number = number.strip_prefix('x').unwrap_or(number);
            digits(number.strip_suffix(".p").unwrap_or(number)) || is_draft(number)
        }),
        _ => false,
    }
}

/// Files of a living store that no manifest lists yet: its log is read again until it lists them.
pub(super) fn soon_listed(layout: &Layout, log: &Verified, mut late: Vec<PathBuf>, checks: &mut Checks) {
    for look in 0..LOOKS {
        if late.is_empty() {
            return;
        }
        if look > 0 {
            std::thread::sleep(APART);
        }
        let listed = newly_listed(layout, log);
        late.retain(|path| {
            let gone = !path.exists();
            let fits = || listed.get(path).is_some_and(|hash| hash_file(path).is_ok_and(|(_, have)| have == *hash));
            !gone && !fits()
        });
    }
    for path in late {
        let place = path.strip_prefix(layout.root()).unwrap_or(&path).display().to_string();
        checks.fail(name::LISTED, place, "no manifest lists it");
    }
}

/// What the log lists by now beyond what was read of it: files and their hashes. Nothing, unless its head is signed and its
/// leaves add up to it.
fn newly_listed(layout: &Layout, log: &Verified) -> BTreeMap<PathBuf, String> {
    let read = || {
        let note = crate::store::read_text(&layout.log().join("checkpoint")).ok()?;
        let head = parse_checkpoint(&note).ok()?;
        let entries = entries(&layout.log(), 0, head.size).ok()?;
        let mut tree = Tree::default();
        entries.iter().for_each(|(_, entry)| tree.push(leaf_hash(entry)));
        (log.keys.signed(head.size, &note) && tree.root() == head.root).then_some(entries)
    };
    let mut listed = BTreeMap::new();
    for (_, entry) in read().unwrap_or_default().into_iter().skip(log.leaves.len()) {
        let Ok((_, _, Leaf::Segment(manifest))) = Leaf::parse(&entry) else { continue };
        let segment = &manifest.predicate;
        listed.insert(layout.envelope(segment.segment), hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&entry)));
        listed.insert(layout.carry(segment.segment), segment.carry.clone());
        for subject in &manifest.subject {
            if let Some(hash) = subject.digest.get("sha256") {
                listed.insert(layout.root().join(&subject.name), hash.clone());
            }
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_a_writer_gives() {
        for good in [&["statements"][..], &["rows", "date=2026-01-31"], &["log", "tile", "0"], &["segments"]] {
            assert!(is_folder(good, false), "{good:?}");
        }
        for bad in
            [&["Statements"][..], &["st\u{0430}tements"], &["rows", "date=2026-1-31"], &["rows", "x"], &["extra"]]
        {
            assert!(!is_folder(bad, true), "{bad:?}");
        }
        assert!(is_own(&["journal", "1.wal"], true) && !is_own(&["journal", "x.parquet"], true));
        assert!(
            is_own(&[".store.json.draft"], true) && !is_own(&["rows", "date=2026-01-31", ".seg-1.parquet.draft"], true)
        );
        assert!(!is_own(&["x.parquet"], true) && !is_own(&["lock"], false));
        let log = Path::new("/s/log");
        for good in ["tile/0/x001/067", "tile/entries/000.p/12", "tile/1/000"] {
            assert!(is_log_name(log, &log.join(good)), "{good}");
        }
        assert!(!is_log_name(log, &log.join("tile/0/x.parquet")) && !is_log_name(log, &log.join("a.parquet")));
    }
}
