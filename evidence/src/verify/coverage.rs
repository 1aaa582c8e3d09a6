//! Which files of which segments a verification looks at: all of a store; of a package those that it holds; of a store
//! with a remembered checkpoint those after it. Pruned ones are gone.

use crate::export::{Scope, is_cut};
use crate::log::Leaf;
use crate::retention::is_pruned;
use crate::table::Table;
use std::collections::BTreeSet;
use std::ops::Range;

use super::leaves::Verified;

/// What is looked at.
pub(super) struct Coverage {
    /// The segments of a package.
    package: Option<Range<u64>>,
    /// Its files of the tables that speak of people hold the records of its sessions alone.
    cut: bool,
    /// A package holds the exact texts.
    bodies: bool,
    /// The first segment that is read when a checkpoint is remembered.
    first: u64,
    pruned: BTreeSet<u64>,
}

impl Coverage {
    pub(super) fn new(package: Option<&Scope>, remembered: u64, log: &Verified, pruned: BTreeSet<u64>) -> Self {
        let segments = log.leaves.iter().filter_map(|leaf| match &leaf.leaf {
            Leaf::Segment(manifest) => Some((leaf.index, manifest.predicate.segment)),
            _ => None,
        });
        let first = segments.filter(|(index, _)| *index < remembered).map(|(_, n)| n + 1).max().unwrap_or(1);
        Self {
            package: package.map(|scope| scope.first_segment..scope.last_segment + 1),
            cut: package.is_some_and(|scope| scope.cut),
            bodies: package.is_none_or(Scope::has_bodies),
            first,
            pruned,
        }
    }

    pub(super) fn is_package(&self) -> bool {
        self.package.is_some()
    }

    /// Whether a table's files hold only some of the records that their manifests speak of.
    pub(super) fn cuts(&self, table: Table) -> bool {
        self.cut && is_cut(table) && (self.bodies || table != Table::StatementBodies)
    }

    /// Whether only some of the records are there.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether every session's opening is looked at.
    pub(super) fn has_all_sessions(&self) -> bool {
        self.package.is_none() && self.first <= 1 && self.pruned.is_empty()
    }

    /// Whether a segment was read at an earlier verification, which ended in the remembered checkpoint.
    pub(super) fn is_remembered(&self, segment: u64) -> bool {
        segment < self.first
    }

    /// Whether a segment's files of sessions, statements, bodies and rows are looked at.
    pub(super) fn has_sessions(&self, segment: u64) -> bool {
        self.package.as_ref().is_none_or(|part| part.contains(&segment))
            && !self.is_remembered(segment)
            && !self.pruned.contains(&segment)
    }

    /// Whether all files of a segment's other tables are looked at.
    pub(super) fn has_tables(&self, segment: u64) -> bool {
        self.package.as_ref().is_none_or(|part| part.contains(&segment))
    }

    /// Whether a file is to be read, if it is there.
    pub(super) fn reads(&self, segment: u64, table: Table) -> bool {
        !is_pruned(table) || (!self.is_remembered(segment) && !self.pruned.contains(&segment))
    }

    /// Whether a tombstone stands for a file.
    pub(super) fn is_gone(&self, segment: u64, table: &str) -> bool {
        self.pruned.contains(&segment) && Table::by_name(table).is_some_and(is_pruned)
    }

    /// What is not looked at, in words; none when everything is.
    pub(super) fn omitted(&self, last: u64) -> Option<String> {
        if let Some(part) = &self.package {
            let all = part.start <= 1 && part.end > last;
            return (!all).then(|| {
                format!(
                    "the package holds the files of segments {} to {}, of {last}",
                    part.start,
                    part.end.saturating_sub(1)
                )
            });
        }
        let skipped = self.first.saturating_sub(1);
        (skipped > 0).then(|| {
            format!("the sessions, statements, texts and rows of segments 1 to {skipped}, which the remembered checkpoint covers, were not read again; their files are there")
        })
    }
}
