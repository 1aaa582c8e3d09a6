//! Tombstones and holds: what was removed was past its time, under no hold, and ordered by two people.

use super::Options;
use super::leaves::Verified;
use super::report::{Checks, name};
use crate::log::Leaf;
use crate::retention::{Ledger, is_pruned};
use crate::sign::VerifierKey;
use crate::store::Layout;
use crate::table::Table;
use std::collections::BTreeSet;

/// Checks every order in the log. Returns the segments whose files may be missing.
pub(super) fn check(layout: &Layout, log: &Verified, options: &Options, checks: &mut Checks) -> BTreeSet<u64> {
    let ledger = Ledger::of(options.key.name(), log.leaves.iter().map(|leaf| (leaf.index, &leaf.leaf)));
    checks.pass(name::RETENTION);
    for (place, what) in &ledger.problems {
        checks.fail(name::RETENTION, place, what);
    }
    let orders = ledger.tombstones.iter().map(|tombstone| (format!("leaf {}", tombstone.index), &tombstone.by));
    let releases =
        ledger.holds.iter().filter_map(|(id, hold)| Some((format!("hold {id}"), &hold.released.as_ref()?.1)));
    let mut unpinned = BTreeSet::new();
    for (place, by) in orders.chain(releases) {
        let known = |key: &&String| {
            options
                .signers
                .iter()
                .any(|pinned| VerifierKey::parse(key).as_ref().is_ok_and(|k| k.public() == pinned.public()))
        };
        if options.signers.is_empty() {
            unpinned.extend(by.iter().cloned());
        } else if by.iter().filter(known).count() < 2 {
            let what = format!("signed by {}, of whom fewer than two were supplied (--signer)", by.join(" and "));
            checks.fail(name::RETENTION, place, what);
        }
    }
    let mut notes: Vec<String> = ledger.tombstones.iter().map(crate::retention::Tombstone::words).collect();
    let held = ledger.holds.values().filter(|hold| hold.released.is_none()).count();
    if held > 0 {
        notes.push(format!("{held} holds"));
    }
    let left = left(layout, log, &ledger.pruned);
    if left > 0 {
        notes.push(format!("{left} files that were to be removed are still there; apply the order again"));
    }
    if unpinned.is_empty() {
        checks.note(name::RETENTION, notes.join("; "));
    } else {
        notes.push(
            "signed by keys that only the log names; supply those of the people whom you know (--signer)".to_owned(),
        );
        checks.skip(name::RETENTION, notes.join("; "));
    }
    ledger.pruned
}

/// Files of pruned segments that were not removed.
fn left(layout: &Layout, log: &Verified, pruned: &BTreeSet<u64>) -> usize {
    let mut left = 0;
    for leaf in &log.leaves {
        let Leaf::Segment(manifest) = &leaf.leaf else { continue };
        let segment = &manifest.predicate;
        if pruned.contains(&segment.segment) {
            let gone = segment.files.iter().filter(|file| Table::by_name(&file.table).is_some_and(is_pruned));
            left += gone.filter(|file| layout.root().join(&file.name).exists()).count();
        }
    }
    left
}
