//! Files: what must be there, what must not, and what is not sealed yet.

use super::coverage::Coverage;
use super::leaves::Verified;
use super::report::{Checks, name};
use crate::error::StoreError;
use crate::export::Scope;
use crate::journal::proofs::Proofs;
use crate::journal::recover::{Found, recover};
use crate::log::{Leaf, Segment, Tree, bundle_paths, expected, leaf_hash};
use crate::seal::{hash_file, list, segment_of};
use crate::store::Layout;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Whether a writer holds the store.
pub(crate) fn is_live(layout: &Layout) -> bool {
    File::open(layout.lock()).is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}

/// Every file that a manifest lists is there; no other is.
/// Of a part of a store (`part`), what lies outside of it may be missing.
pub(super) fn presence(
    layout: &Layout,
    log: &Verified,
    live: bool,
    part: Option<&Scope>,
    coverage: &Coverage,
    checks: &mut Checks,
) {
    let mut expected_files = BTreeSet::new();
    let mut interrupted = Vec::new();
    let mut last = 0;
    checks.pass(name::PRESENT);
    checks.pass(name::LISTED);
    for leaf in &log.leaves {
        let Leaf::Segment(manifest) = &leaf.leaf else { continue };
        let segment = &manifest.predicate;
        last = last.max(segment.segment);
        for subject in &manifest.subject {
            let path = layout.root().join(&subject.name);
            if !safe(&subject.name) {
                checks.fail(name::LISTED, &subject.name, "a name that leads out of the store");
            } else if part.is_some_and(|part| !path.exists() && part.leaves_out(segment.segment, &subject.name)) {
                // Outside of what was exported.
            } else if !path.exists() && coverage.is_gone(segment.segment, table_of(&subject.name)) {
                // A tombstone stands for it.
            } else if !path.is_file() || path.is_symlink() {
                checks.fail(name::PRESENT, &subject.name, format!("segment {} lists it", segment.segment));
            }
            expected_files.insert(path);
        }
        if coverage.is_remembered(segment.segment) {
            sizes(layout, segment, checks);
        }
        let copy = layout.envelope(segment.segment);
        match crate::store::read_small(&copy) {
            Ok(bytes) if bytes == leaf.entry => {}
            Ok(_) => checks.fail(name::LISTED, copy.display(), format!("it is not leaf {} of the log", leaf.index)),
            Err(error) => checks.fail(name::PRESENT, copy.display(), error),
        }
        expected_files.insert(copy);
    }
    if last > 0 && part.is_none() {
        carry(layout, log, last, checks);
        expected_files.insert(layout.carry(last));
    }
    let carries: BTreeMap<PathBuf, String> = log
        .leaves
        .iter()
        .filter_map(|leaf| match &leaf.leaf {
            Leaf::Segment(manifest) => {
                Some((layout.carry(manifest.predicate.segment), manifest.predicate.carry.clone()))
            }
            _ => None,
        })
        .collect();
    let mut late = Vec::new();
    for path in super::inventory::files(layout, part.is_none(), checks) {
        if expected_files.contains(&path) || path.starts_with(layout.log()) {
            continue;
        }
        // What was open after an older segment may still lie there, as its manifest says.
        if let Some(stated) = carries.get(&path).filter(|_| part.is_none()) {
            if hash_file(&path).ok().is_none_or(|(_, hash)| hash != *stated) {
                checks.fail(name::HASHES, relative(layout, &path), "it is not what its manifest says");
            }
            continue;
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let number = segment_of(file.trim_start_matches('.'));
        if live && is_draft(&path) {
            // Its writer is at it; no pattern for Parquet files finds it.
        } else if live {
            late.push(path);
        } else if part.is_none() && (number == Some(last + 1) || is_draft(&path)) && left_unsealed(layout, log) {
            interrupted.push(relative(layout, &path));
        } else {
            checks.fail(name::LISTED, relative(layout, &path), "no manifest lists it");
        }
    }
    super::inventory::soon_listed(layout, log, late, checks);
    log_files(layout, log, live, checks);
    if !interrupted.is_empty() {
        // Not a pass: whoever reads the folder without us would read them.
        let names = interrupted.join(", ");
        let why = format!("the writer stopped while it sealed; opening the store makes these files again: {names}");
        checks.skip(name::LISTED, why);
    }
}

/// A file that was being written.
fn is_draft(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.starts_with('.') && name.ends_with(".draft")
    })
}

/// Whether the journal holds records beyond the last segment: the writer stopped without sealing them.
fn left_unsealed(layout: &Layout, log: &Verified) -> bool {
    unsealed(layout, log, None).is_ok_and(|found| found.records > 0)
}

/// What lies in the journal, held against what the log and the signed heads prove.
pub(super) fn unsealed(layout: &Layout, log: &Verified, kept: Option<&str>) -> Result<Found, StoreError> {
    recover(&layout.journal(), &Proofs::of(layout, log.leaves.iter().map(|leaf| &leaf.leaf), kept))
}

fn table_of(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

/// Of files that are not read again at least the size is as it was.
fn sizes(layout: &Layout, segment: &Segment, checks: &mut Checks) {
    for file in &segment.files {
        let size = std::fs::metadata(layout.root().join(&file.name)).map(|found| found.len());
        if let Ok(size) = size
            && size != file.bytes
        {
            checks.fail(name::HASHES, &file.name, format!("{size} bytes, the manifest says {}", file.bytes));
        }
    }
}

fn relative(layout: &Layout, path: &Path) -> String {
    path.strip_prefix(layout.root()).unwrap_or(path).display().to_string()
}

fn safe(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn carry(layout: &Layout, log: &Verified, last: u64, checks: &mut Checks) {
    let path = layout.carry(last);
    let stated = log.leaves.iter().rev().find_map(|leaf| match &leaf.leaf {
        Leaf::Segment(manifest) if manifest.predicate.segment == last => Some(manifest.predicate.carry.clone()),
        _ => None,
    });
    match hash_file(&path) {
        Ok((_, hash)) if Some(&hash) == stated.as_ref() => {}
        Ok(_) => checks.fail(name::HASHES, relative(layout, &path), "it is not what the last manifest says"),
        Err(error) => checks.fail(name::PRESENT, relative(layout, &path), error),
    }
}

/// The log's folder holds tiles, bundles, the head, and nothing else. Narrower tiles may be left from before.
fn log_files(layout: &Layout, log: &Verified, live: bool, checks: &mut Checks) {
    let mut tree = Tree::default();
    log.leaves.iter().for_each(|leaf| tree.push(leaf_hash(&leaf.entry)));
    let known: BTreeMap<PathBuf, Vec<u8>> = expected(&layout.log(), &tree).into_iter().collect();
    let bundles: BTreeSet<PathBuf> =
        bundle_paths(&layout.log(), log.head.as_ref().map_or(0, |head| head.size)).into_iter().collect();
    // Tiles are written before the head that needs them; what is staged decides what will stand there.
    let publishing = layout.log().join("pending").exists();
    let mut folders = vec![layout.log()];
    while let Some(folder) = folders.pop() {
        for path in list(&folder).unwrap_or_default() {
            if path.is_symlink() {
                // Said where all names are looked at.
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let partial = path.parent().is_some_and(|parent| parent.extension().is_some_and(|e| e == "p"));
            let fine = path == layout.log().join("checkpoint")
                || path == layout.log().join("pending")
                || path == layout.heads()
                || known.contains_key(&path)
                || bundles.contains(&path)
                || is_draft(&path)
                || (live && super::inventory::is_log_name(&layout.log(), &path))
                || (publishing && super::inventory::is_log_name(&layout.log(), &path))
                || (partial && is_front(&path));
            if !fine {
                checks.fail(name::LISTED, relative(layout, &path), "it is no part of the log");
            }
        }
    }
}

/// Whether a partial tile is the front of a wider one beside it.
fn is_front(path: &Path) -> bool {
    let Ok(bytes) = std::fs::read(path) else { return false };
    let mut wider = path.parent().map(|folder| list(folder).unwrap_or_default()).unwrap_or_default();
    wider.extend(path.parent().map(|folder| folder.with_extension("")));
    wider
        .into_iter()
        .filter(|other| other != path)
        .any(|other| std::fs::read(other).is_ok_and(|other| other.len() > bytes.len() && other.starts_with(&bytes)))
}

/// What the log says of how the journal was found.
fn recovery_leaves(log: &Verified) -> impl Iterator<Item = (u64, &serde_json::Value, &str)> {
    log.leaves.iter().filter_map(|leaf| match &leaf.leaf {
        Leaf::Other(_, json) => Some((leaf.index, json, json.get("what")?.as_str()?)),
        _ => None,
    })
}

/// That the journal was not what had been taken stays a finding for good.
pub(super) fn recoveries(log: &Verified, checks: &mut Checks) {
    for (index, json, what) in recovery_leaves(log) {
        if json.get("tampered").is_some_and(|tampered| tampered != &serde_json::Value::Bool(false)) {
            checks.fail(name::JOURNAL, format!("leaf {index}"), what);
        }
    }
}

fn told(log: &Verified) -> String {
    let ranges = recovery_leaves(log).filter_map(|(_, json, _)| {
        let range = json.get("unproven")?.as_array()?;
        Some((range.first()?.as_u64()?, range.last()?.as_u64()?))
    });
    let unproven: u64 = ranges.map(|(first, last)| last.saturating_sub(first) + 1).sum();
    match (recovery_leaves(log).count(), unproven) {
        (0, _) => "nothing that is not sealed".to_owned(),
        (told, 0) => format!("nothing that is not sealed; {told} leaves say how it was found"),
        (_, unproven) => format!("nothing that is not sealed; {unproven} records were sealed unproven, after kills"),
    }
}

/// What lies in the journal, beyond the last segment.
pub(super) fn journal(layout: &Layout, log: &Verified, live: bool, kept: Option<&str>, checks: &mut Checks) {
    for path in crate::inbox::damaged(layout) {
        checks.fail(name::JOURNAL, relative(layout, &path), "this request is not as it was left");
    }
    if live {
        let note = "a writer holds the store: what is not sealed yet changes all the time";
        checks.skip(name::JOURNAL, note);
        return;
    }
    let pending = layout.log().join("pending");
    if pending.exists() {
        if let Err(what) = crate::log::staged(&pending, log.head.as_ref().map_or(0, |head| head.size)) {
            checks.fail(name::JOURNAL, "log/pending", what);
            return;
        }
        let note = "a sealing was interrupted while its leaves were added; opening the store completes it";
        checks.skip(name::JOURNAL, note);
        return;
    }
    let found = match unsealed(layout, log, kept) {
        Ok(found) => found,
        Err(error) => return checks.fail(name::JOURNAL, "journal", error),
    };
    for (first, last) in &found.lost {
        let what = format!("records {first} to {last} are not what was taken: changed, cut or removed");
        checks.fail(name::JOURNAL, "journal", what);
    }
    if let Some(what) = &found.wrong {
        checks.fail(name::JOURNAL, "journal", what);
    }
    let proven = found.last_lsn.saturating_sub(found.unproven.map_or(0, |(first, last)| last - first + 1));
    match found.unproven {
        Some((first, last)) => checks.skip(
            name::JOURNAL,
            format!("records {first} to {last} follow the last signed head: nothing vouches for them"),
        ),
        None if found.records > 0 => checks.skip(
            name::JOURNAL,
            format!("{} records up to {proven} are not sealed yet; signed heads cover them", found.records),
        ),
        None => {
            checks.pass(name::JOURNAL);
            checks.note(name::JOURNAL, told(log));
        }
    }
}
