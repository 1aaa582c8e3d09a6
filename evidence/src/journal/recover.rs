//! What a journal whose process died still proves.
//!
//! Between two heads that were signed, all frames are there and hash to the second head, or all of them are lost: which one
//! was edited, nobody can say. What follows the last head is taken, and called unproven. A tail that lacks its end is what
//! `kill -9` and a power loss leave; a hole in it is what a power loss leaves, but no kill.

use super::chain::{EVERY, Link, Mark, NOWHERE, Unsealed, next};
use super::frame::CONTINUES;
use super::head::machine;
use super::proofs::{Proof, Proofs};
use super::scan::{self, Frame, NAMELESS};
use crate::error::{At, StoreError};
use crate::log::RecoveryNote;
use crate::record;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Heads are signed every second; this much of time without one is no power loss any more (µs).
const WINDOW: i64 = 60_000_000;

/// What recovery found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) last_lsn: u64,
    pub(crate) last_number: u64,
    /// The chain behind the last record.
    pub(crate) link: Link,
    /// Records beyond what is sealed.
    pub(crate) records: u64,
    pub(crate) cut: Option<String>,
    /// Records that are not what was taken.
    pub(crate) lost: Vec<(u64, u64)>,
    /// Records behind the last signed head.
    pub(crate) unproven: Option<(u64, u64)>,
    /// What is wrong beside that, and no kill or power loss explains.
    pub(crate) wrong: Option<String>,
    /// What is known to have been taken and is not there, and a power loss may explain.
    pub(crate) missing: Option<String>,
    pub(crate) unsealed: Unsealed,
    /// All journal files, whatever they hold.
    pub(crate) files: Vec<PathBuf>,
}

impl Found {
    /// Whether somebody changed what was taken.
    pub(crate) fn is_tampered(&self) -> bool {
        !self.lost.is_empty() || self.wrong.is_some()
    }

    /// What the log says about how the journal was self. Lost records are named when they are left out.
    pub(crate) fn notes(&self) -> Vec<RecoveryNote> {
        let wrong = self.wrong.iter().map(|what| {
            tracing::error!(what, "the journal was tampered with; the log says so");
            RecoveryNote { what: what.clone(), tampered: true, ..RecoveryNote::default() }
        });
        let plain = self.cut.iter().chain(&self.missing);
        let plain = plain.map(|what| RecoveryNote { what: what.clone(), ..RecoveryNote::default() });
        let unproven = self.unproven.map(|(first, last)| RecoveryNote {
            what: format!(
                "records {first} to {last} follow the last signed head of a writer that stopped without a word: nothing vouches for them"
            ),
            unproven: Some((first, last)),
            ..RecoveryNote::default()
        });
        wrong.chain(plain).chain(unproven).collect()
    }
}

struct Walk {
    heads: VecDeque<Proof>,
    /// The chain behind record `last`; none while what lies between is damaged.
    link: Option<Link>,
    last: u64,
    /// What is certain, and what is as soon as the next head says so.
    marks: Vec<Mark>,
    pending: Vec<Mark>,
    /// Where the newest frame that counts ended.
    place: (u64, u64),
    open: bool,
    /// The newest end of a record: its number, place and chain.
    whole: (u64, (u64, u64), Link),
    record: Vec<u8>,
    records: u64,
    pending_records: u64,
    lost: Vec<(u64, u64)>,
    /// The first time behind the last head in a start of the writer, and the longest such time.
    span: Option<i64>,
    longest: i64,
    boot: [u8; 16],
    /// The newest frame behind a hole in the tail.
    beyond: u64,
    /// The tail holds something that is no record.
    over: bool,
    broken: Option<String>,
}

/// Holds the whole journal against what is proven of it.
pub(crate) fn recover(folder: &Path, proofs: &Proofs) -> Result<Found, StoreError> {
    let heads: VecDeque<Proof> = proofs.heads.iter().filter(|proof| proof.lsn > proofs.sealed).cloned().collect();
    let proven = heads.back().map_or(proofs.sealed, |proof| proof.lsn);
    let mut walk = Walk::new(proofs, heads);
    let mut found = Found { wrong: proofs.wrong.clone(), files: scan::paths(folder)?, ..Found::default() };
    let sources = scan::sources(folder)?;
    let mut torn = None;
    for (at, source) in sources.iter().enumerate() {
        if source.number < NAMELESS {
            found.last_number = found.last_number.max(source.number);
        }
        if sources.get(at + 1).is_some_and(|next| next.first_lsn <= walk.last + 1) {
            continue;
        }
        let bytes = scan::read_file(&source.path)?;
        if walk.open && source.first_lsn == walk.whole.0 + 1 {
            // The start after the one that was cut short gave the numbers again.
            walk.back();
        }
        if walk.boot != source.boot {
            (walk.boot, walk.span) = (source.boot, None);
        }
        let before = walk.last;
        let end = scan::frames(source, &bytes, &mut |frame| {
            walk.frame(source.number, frame);
            Ok(())
        })?;
        let name = source.path.file_name().unwrap_or_default().to_string_lossy();
        torn = scan::is_torn(source, &bytes, end).then(|| format!("a torn frame at {name}:{end} was cut off"));
        if walk.last > before || walk.place.0 == source.number {
            let file = std::fs::File::open(&source.path).at(&source.path, "opening a journal file")?;
            found.unsealed.files.insert(source.number, Arc::new(file));
        }
    }
    walk.finish();
    found.cut = torn.or(walk.broken.take());
    if walk.last > proven {
        found.unproven = Some((proven + 1, walk.last));
    }
    let rebooted = proofs.machine().is_none_or(|then| then != machine());
    // Where the machine ran on, what the kernel had was not lost with the process.
    if walk.beyond > walk.last && !(proofs.promised && rebooted) {
        walk.lost.push((walk.last + 1, walk.beyond));
        let link = walk.link.unwrap_or(proofs.base);
        walk.marks.push(Mark { lsn: walk.beyond, file: NOWHERE, offset: 0, link, open: false });
        walk.last = walk.beyond;
    }
    if proofs.promised && walk.longest > WINDOW {
        let seconds = walk.longest / 1_000_000;
        found
            .wrong
            .get_or_insert(format!("{seconds} s of records follow the last signed head; one is signed every second"));
    }
    found.last_lsn = walk.last;
    found.link = walk.marks.last().map_or(proofs.base, |mark| mark.link);
    found.records = walk.records;
    found.lost = walk.lost;
    found.unsealed.marks = walk.marks;
    Ok(found)
}

impl Walk {
    fn new(proofs: &Proofs, heads: VecDeque<Proof>) -> Self {
        let base = Mark { lsn: proofs.sealed, file: NOWHERE, offset: 0, link: proofs.base, open: false };
        Self {
            heads,
            link: Some(proofs.base),
            last: proofs.sealed,
            marks: vec![base],
            pending: Vec::new(),
            place: (NOWHERE, 0),
            open: false,
            whole: (proofs.sealed, (NOWHERE, 0), proofs.base),
            record: Vec::new(),
            records: 0,
            pending_records: 0,
            lost: Vec::new(),
            span: None,
            longest: 0,
            boot: [0; 16],
            beyond: 0,
            over: false,
            broken: None,
        }
    }

    fn frame(&mut self, file: u64, frame: &Frame<'_>) {
        let head = &frame.head;
        if head.lsn <= self.last {
            return;
        }
        // Heads whose own record is not there: what they cover is lost.
        while self.heads.front().is_some_and(|proof| proof.lsn < head.lsn)
            && (self.link.is_none() || head.lsn != self.last + 1)
        {
            self.lose();
        }
        if head.lsn != self.last + 1 || self.link.is_none() || self.over {
            if let Some(proof) = self.heads.front().filter(|proof| proof.lsn == head.lsn).cloned() {
                self.place = (file, frame.end() as u64);
                self.lost_until(&proof);
                self.heads.pop_front();
            } else if self.heads.is_empty() {
                self.beyond = self.beyond.max(head.lsn);
                self.broken
                    .get_or_insert_with(|| "what follows a damaged place in the journal was not taken".to_owned());
            } else {
                self.link = None;
            }
            return;
        }
        self.take(file, frame);
    }

    /// The frame that follows the one before.
    fn take(&mut self, file: u64, frame: &Frame<'_>) {
        let head = &frame.head;
        let Some(link) = self.link else { return };
        let whole = head.flags & CONTINUES == 0;
        if self.heads.is_empty() {
            // Nothing vouches for it: at least it must be a record.
            self.record.extend_from_slice(frame.payload);
            if whole && record::decode(head.kind, &self.record).is_err() {
                self.back();
                self.over = true;
                self.broken = Some(format!("record {} is none, and what follows it was not taken", head.lsn));
                self.beyond = self.beyond.max(head.lsn);
                return;
            }
            let first = *self.span.get_or_insert(head.ts);
            self.longest = self.longest.max(head.ts.saturating_sub(first));
        }
        if whole {
            self.record.clear();
            self.pending_records += 1;
        }
        if self.place.0 != file {
            // The file before ended here, and this one begins.
            if self.place.0 != NOWHERE {
                self.mark(link, self.open);
            }
            self.place = (file, frame.offset as u64);
            self.mark(link, self.open);
        }
        let link = next(&link, frame.header, &Sha256::digest(frame.payload).into());
        self.link = Some(link);
        self.last = head.lsn;
        self.place = (file, frame.end() as u64);
        self.open = !whole;
        if whole {
            self.whole = (self.last, self.place, link);
        }
        match self.heads.front().cloned() {
            Some(proof) if proof.lsn == head.lsn => {
                if proof.link == link {
                    self.mark(link, self.open);
                    self.settle();
                } else {
                    self.lost_until(&proof);
                }
                self.heads.pop_front();
            }
            _ if whole && self.newest().is_none_or(|mark| mark.lsn + EVERY <= head.lsn) => self.mark(link, false),
            _ => {}
        }
    }

    fn newest(&self) -> Option<&Mark> {
        self.pending.last().or(self.marks.last())
    }

    fn mark(&mut self, link: Link, open: bool) {
        self.pending.push(Mark { lsn: self.last, file: self.place.0, offset: self.place.1, link, open });
    }

    /// What was pending is certain.
    fn settle(&mut self) {
        self.marks.append(&mut self.pending);
        self.records += std::mem::take(&mut self.pending_records);
    }

    /// Nothing of what the next head covers is there.
    fn lose(&mut self) {
        if let Some(proof) = self.heads.pop_front() {
            self.place = (NOWHERE, 0);
            self.lost_until(&proof);
        }
    }

    /// What lies before a head is not what it covers; from there on the chain is known again.
    fn lost_until(&mut self, proof: &Proof) {
        self.pending.clear();
        self.pending_records = 0;
        self.record.clear();
        let from = self.marks.last().map_or(0, |mark| mark.lsn);
        self.lost.push((from + 1, proof.lsn));
        self.last = proof.lsn;
        self.link = Some(proof.link);
        self.open = false;
        self.whole = (proof.lsn, self.place, proof.link);
        self.marks.push(Mark {
            lsn: proof.lsn,
            file: self.place.0,
            offset: self.place.1,
            link: proof.link,
            open: false,
        });
    }

    /// A record that lacks its end is none.
    fn back(&mut self) {
        let (last, place, link) = self.whole;
        self.pending.retain(|mark| mark.lsn <= last && !mark.open);
        (self.last, self.place, self.link, self.open) = (last, place, Some(link), false);
        self.record.clear();
    }

    fn finish(&mut self) {
        while !self.heads.is_empty() {
            self.lose();
        }
        if self.open {
            self.back();
            self.broken.get_or_insert_with(|| "a record without its end was cut off".to_owned());
        }
        if let Some(link) = self.link.filter(|_| self.newest().is_some_and(|mark| mark.lsn < self.last)) {
            self.mark(link, self.open);
        }
        self.settle();
    }
}
