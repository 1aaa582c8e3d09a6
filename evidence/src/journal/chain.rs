//! The chain of the journal's frames: what was taken cannot be edited, cut or exchanged before it is sealed.
//!
//! Each frame is hashed onto the frame before ([`next`]), from the caller's bytes, never from what lies in the file. The
//! process that runs keeps the chain in its memory ([`Mark`]) and compares when it seals; once a second, after a sync, it signs
//! where the chain stands ([`super::head`]), with a key that no disk ever holds. After `kill -9` everything up to the last
//! such head is proven by it, by anybody who has the log.
//!
//! A keyed MAC in the place of the hash would prove less: its key dies with the process, and afterwards nobody could
//! tell an edited frame from a true one. What an attacker lacks is the key of the heads.

use super::frame::{self, CONTINUES, FRAME_HEADER, FrameHeader};
use crate::error::{At, StoreError};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Where the chain stands.
pub(crate) type Link = [u8; 32];

/// Where the chain of a store begins.
pub(crate) const START: Link = [0; 32];

/// A frame's header without its checksum is hashed, and the payload's own hash.
const HASHED_HEADER: usize = 28;

/// Frames between two places that are remembered: what an edit takes with it.
pub(crate) const EVERY: u64 = 64;

/// The chain behind one more frame.
pub(crate) fn next(link: &Link, header: &[u8; FRAME_HEADER], payload: &[u8; 32]) -> Link {
    let hash = Sha256::new().chain_update(b"affidavit/journal/v1\n").chain_update(link);
    hash.chain_update(header.split_at(HASHED_HEADER).0).chain_update(payload).finalize().into()
}

/// Where a record ended: its number, the file and the offset behind it, and the chain there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) lsn: u64,
    pub(crate) file: u64,
    pub(crate) offset: u64,
    pub(crate) link: Link,
    /// A record goes on behind it: the file was full.
    pub(crate) open: bool,
}

/// No file: what leads here is not there.
pub(crate) const NOWHERE: u64 = u64::MAX;

/// What is not sealed, as this process knows it.
#[derive(Clone, Default)]
pub(crate) struct Unsealed {
    /// Files by their number, opened when they were ours.
    pub(crate) files: BTreeMap<u64, Arc<File>>,
    /// From what is sealed to the newest record. Between two of one file lie frames; between two files lies a loss.
    pub(crate) marks: Vec<Mark>,
}

/// Records that are not what was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// What lies in their place.
    pub(crate) found: Vec<u8>,
}

/// Takes a record: kind, lsn and time of its last frame, payload.
pub(crate) type TakeRecord<'a> = &'a mut dyn FnMut(u8, u64, i64, &[u8]) -> Result<(), StoreError>;

impl Unsealed {
    /// Where the newest record ends; `None` when nothing is known.
    pub(crate) fn end(&self) -> Option<Mark> {
        self.marks.last().copied()
    }

    /// Gives every record that is what was taken to `take`, whole, in order. What is not is returned, and nothing of it
    /// is given: the bytes that are compared are the bytes that are taken apart.
    pub(crate) fn read(&self, take: TakeRecord<'_>) -> Result<Vec<Lost>, StoreError> {
        let mut lost: Vec<Lost> = Vec::new();
        let mut record = Vec::new();
        let mut held: (u64, u64, Vec<u8>) = (NOWHERE, 0, Vec::new());
        // A record whose beginning is lost is lost.
        let mut headless = false;
        for (at, pair) in self.marks.windows(2).enumerate() {
            let [from, to] = pair else { continue };
            if to.lsn == from.lsn {
                continue;
            }
            if held.0 != from.file || held.1 > from.offset {
                held = (from.file, from.offset, self.bytes(at).unwrap_or_default());
            }
            let start = usize::try_from(from.offset - held.1).unwrap_or(usize::MAX);
            let length = usize::try_from(to.offset.saturating_sub(from.offset)).unwrap_or(usize::MAX);
            let found = (to.file == from.file).then(|| held.2.get(start..)?.get(..length)).flatten();
            let Some(frames) = found.and_then(|bytes| frames(bytes, from, to)) else {
                record.clear();
                headless = to.open;
                let found = found.unwrap_or_default().to_vec();
                match lost.last_mut() {
                    Some(before) if before.last == from.lsn => {
                        before.last = to.lsn;
                        before.found.extend(found);
                    }
                    _ => lost.push(Lost { first: from.lsn + 1, last: to.lsn, found }),
                }
                continue;
            };
            for (head, payload) in frames {
                let goes_on = head.flags & CONTINUES != 0;
                if headless {
                    headless = goes_on;
                } else if goes_on || !record.is_empty() {
                    record.extend_from_slice(payload);
                    if !goes_on {
                        take(head.kind, head.lsn, head.ts, &std::mem::take(&mut record))?;
                    }
                } else {
                    take(head.kind, head.lsn, head.ts, payload)?;
                }
            }
        }
        Ok(lost)
    }

    /// The bytes from a mark to the last one in the same file.
    fn bytes(&self, at: usize) -> Option<Vec<u8>> {
        let from = self.marks.get(at)?;
        let to = self.marks.get(at..)?.iter().take_while(|mark| mark.file == from.file).last()?;
        let mut bytes = vec![0; usize::try_from(to.offset.checked_sub(from.offset)?).ok()?];
        let (file, mut have) = (self.files.get(&from.file)?, 0);
        while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, from.offset + have as u64) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "a journal file cannot be read");
                    break;
                }
            }
        }
        bytes.truncate(have);
        Some(bytes)
    }
}

/// The frames between two marks, if they are those that were taken.
fn frames<'b>(bytes: &'b [u8], from: &Mark, to: &Mark) -> Option<Vec<(FrameHeader, &'b [u8])>> {
    let (mut frames, mut rest, mut link, mut lsn) = (Vec::new(), bytes, from.link, from.lsn);
    while !rest.is_empty() {
        let (head, header, payload) = frame::parse(rest)?;
        lsn += 1;
        if head.lsn != lsn {
            return None;
        }
        link = next(&link, header, &Sha256::digest(payload).into());
        rest = rest.get(frame::frame_size(payload.len())..)?;
        frames.push((head, payload));
    }
    (lsn == to.lsn && link == to.link).then_some(frames)
}

/// Keeps what lies in the place of lost records, for whoever looks into it.
pub(crate) fn keep(folder: &Path, lost: &Lost) -> Result<(), StoreError> {
    if lost.found.is_empty() {
        return Ok(());
    }
    let path = folder.join(format!("lost-{}-{}.kept", lost.first, lost.last));
    std::fs::write(&path, &lost.found).at(&path, "keeping what lies in the place of lost records")
}
