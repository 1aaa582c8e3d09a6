//! The end of the journal, where records are put, behind the journal's one lock.

use super::chain::{self, EVERY, Link, Mark};
use super::frame::{self, CONTINUES, FILE_HEADER, FileHeader, FrameHeader, frame_size};
use super::map::MappedFile;
use super::{FRAME_PAYLOAD, Journal, RESERVE, Urgency, now};
use crate::error::CannotRecord;
use crate::event::Lsn;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

/// A file that is no longer written, until sealing has caught up with it.
pub(super) struct Retired {
    pub(super) number: u64,
    pub(super) last_lsn: u64,
    pub(super) mapped: MappedFile,
}

pub(super) struct Tail {
    pub(super) current: MappedFile,
    pub(super) header: FileHeader,
    pub(super) offset: usize,
    pub(super) next_lsn: u64,
    pub(super) spares: Vec<MappedFile>,
    pub(super) retired: VecDeque<Retired>,
    pub(super) files: u64,
    /// The chain behind the newest frame, from the bytes that were taken.
    pub(super) link: Link,
    /// The newest frame's record goes on in the next one.
    pub(super) inside: bool,
    /// Where records ended, with the chain there: what the files are held against when they are sealed.
    pub(super) marks: VecDeque<Mark>,
    /// Files of earlier starts that are not sealed.
    pub(super) recovered: BTreeMap<u64, Arc<File>>,
    /// Files to be synced, for each of those who do.
    pub(super) unsynced: [Vec<Arc<File>>; 3],
    pub(super) stopped: Option<CannotRecord>,
    pub(super) waiting_for_room: Vec<Waker>,
    /// Spare files that the largest refused record needs, the reserve included.
    pub(super) wanted: usize,
    /// Why sealing cannot give room, if it cannot: what would wait is refused.
    pub(super) stalled: Option<String>,
    /// Why no further file can be made, if so.
    pub(super) files_fail: Option<String>,
}

/// A payload's checksum, hash and length: what is worked out before the journal's lock is taken.
pub(super) struct Weighed {
    crc: u32,
    hash: [u8; 32],
    length: usize,
}

impl Weighed {
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let crc = parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part));
        let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into();
        Self { crc, hash, length: parts.iter().map(|part| part.len()).sum() }
    }
}

impl Tail {
    pub(super) fn append(
        &mut self,
        journal: &Journal,
        kind: u8,
        flags: u8,
        urgency: Urgency,
        payload: &Weighed,
        parts: &[&[u8]],
    ) -> Result<Lsn, CannotRecord> {
        let length = payload.length;
        let size = frame_size(length);
        self.ensure(journal, urgency, size)?;
        if self.offset + size > FILE_HEADER + self.current.capacity() {
            self.rotate(journal)?;
        }
        let header = FrameHeader {
            length: u32::try_from(length).unwrap_or(u32::MAX),
            kind,
            flags,
            lsn: self.next_lsn,
            ts: now(),
            salt: self.header.salt,
        };
        // Payload first, header last: a frame cut by a crash in between has no header and so never existed.
        let mut at = self.offset + frame::FRAME_HEADER;
        let mut written = true;
        for part in parts {
            written &= self.current.write(at, part);
            at += part.len();
        }
        let head = header.encode(payload.crc);
        written &= self.current.write(self.offset, &head);
        if !written {
            let reason = CannotRecord::Poisoned("a frame did not fit where room had been reserved".into());
            self.stopped = Some(reason.clone());
            return Err(reason);
        }
        self.offset += size;
        self.next_lsn += 1;
        self.link = chain::next(&self.link, &head, &payload.hash);
        self.inside = flags & CONTINUES != 0;
        if !self.inside && self.marks.back().is_none_or(|mark| mark.lsn + EVERY <= header.lsn) {
            self.marks.push_back(self.mark(false));
        }
        journal.bytes.fetch_add(size as u64, Ordering::Relaxed);
        Ok(Lsn(header.lsn))
    }

    /// Where the newest frame ends.
    pub(super) fn mark(&self, open: bool) -> Mark {
        let (lsn, file) = (self.next_lsn - 1, self.header.number);
        Mark { lsn, file, offset: self.offset as u64, link: self.link, open }
    }

    /// Room for `size` bytes, in the current file or in spare ones.
    pub(super) fn ensure(&mut self, journal: &Journal, urgency: Urgency, size: usize) -> Result<(), CannotRecord> {
        if let Some(reason) = &self.stopped {
            return Err(reason.clone());
        }
        let here = (FILE_HEADER + self.current.capacity()).saturating_sub(self.offset);
        if size <= here {
            return Ok(());
        }
        let reserve = if urgency == Urgency::Closing { 0 } else { RESERVE };
        let spares = self.spares.len().saturating_sub(reserve);
        let per_file = self.current.capacity().saturating_sub(frame_size(FRAME_PAYLOAD)).max(1);
        let files = size.div_ceil(per_file);
        if files <= spares {
            self.wanted = RESERVE + 1;
            return Ok(());
        }
        let most = usize::try_from(journal.limits.max_bytes).unwrap_or(usize::MAX);
        if size > most / 2 {
            return Err(CannotRecord::TooLarge { bytes: size as u64, limit: (most / 2) as u64 });
        }
        self.wanted = self.wanted.max(files + RESERVE);
        (journal.on_rotation)();
        Err(self.stalled.clone().map_or(CannotRecord::Busy, CannotRecord::Stalled))
    }

    fn rotate(&mut self, journal: &Journal) -> Result<(), CannotRecord> {
        let mut next = self.spares.pop().ok_or(CannotRecord::Busy)?;
        let end = self.mark(self.inside);
        let header = FileHeader {
            number: self.header.number + 1,
            first_lsn: self.next_lsn,
            created: now(),
            boot: journal.boot,
            salt: rand::random(),
        };
        next.write(0, &header.encode());
        self.unsynced.iter_mut().for_each(|files| files.push(Arc::clone(&next.file)));
        let old = std::mem::replace(&mut self.current, next);
        self.retired.push_back(Retired { number: self.header.number, last_lsn: self.next_lsn - 1, mapped: old });
        self.header = header;
        self.offset = FILE_HEADER;
        let begin = self.mark(end.open);
        self.marks.extend([end, begin]);
        (journal.on_rotation)();
        Ok(())
    }

    pub(super) fn wake(&mut self) {
        self.waiting_for_room.drain(..).for_each(Waker::wake);
    }
}
