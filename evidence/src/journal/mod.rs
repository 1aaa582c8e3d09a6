//! The journal: where a record is kept until its segment is sealed.
//!
//! Taking a record is a checksum and a copy into mapped memory under a short lock. In [`crate::Durability::Process`] it
//! is kept from then on: the pages belong to the kernel and survive `kill -9`.

pub(crate) mod chain;
pub(crate) mod codec;
pub(crate) mod frame;
pub(crate) mod head;
mod map;
pub(crate) mod proofs;
pub(crate) mod recover;
pub(crate) mod scan;
mod sync;
mod tail;

pub(crate) use sync::{SyncPoint, Who};

use crate::config::JournalLimits;
use crate::error::{At, CannotRecord, StoreError};
use crate::event::Lsn;
use chain::{Mark, Unsealed};
use frame::{CONTINUES, FILE_HEADER, FileHeader, frame_size};
use map::MappedFile;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use tail::{Tail, Weighed};

/// Largest payload of one frame; a larger record is split.
const FRAME_PAYLOAD: usize = 1 << 20;
/// Largest record. A PostgreSQL message may be 1 GiB; a statement of that size is refused, rows come in smaller pieces.
const RECORD_LIMIT: usize = 64 << 20;
/// Files that only closing records may open.
const RESERVE: usize = 1;
/// Spare files that bulk results leave untouched, where the journal may have that many.
const MARGIN: usize = 2;

pub(crate) use crate::clock::now;

/// How urgent a record is, when room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Opens a session: refused first.
    Opening,
    /// A statement or its rows.
    Working,
    /// The end of something: uses the reserve.
    Closing,
}

/// What the sealing thread needs to know about what is not sealed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backlog {
    pub(crate) last_lsn: u64,
    /// A record was refused, and no file may be made for it: only sealing gives room.
    pub(crate) starved: bool,
}

/// The journal of an open store.
pub(crate) struct Journal {
    folder: PathBuf,
    limits: JournalLimits,
    boot: [u8; 16],
    tail: Mutex<Tail>,
    free: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) rows: AtomicU64,
    /// Wakes the tender: a file was taken.
    on_rotation: Box<dyn Fn() + Send + Sync>,
}

impl Journal {
    /// Starts a journal in `folder` that follows on from what was found there.
    pub(crate) fn start(
        folder: &Path,
        limits: JournalLimits,
        boot: [u8; 16],
        found: &recover::Found,
        on_rotation: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).at(folder, "making the journal's folder")?;
        let salt = rand::random();
        let (next_lsn, next_number) = (found.last_lsn + 1, found.last_number + 1);
        let header = FileHeader { number: next_number, first_lsn: next_lsn, created: now(), boot, salt };
        let mut files = 0;
        let mut current = create(folder, &limits, &mut files)?;
        current.warm();
        current.write(0, &header.encode());
        let mut spares = Vec::new();
        while spares.len() <= RESERVE {
            spares.push(create(folder, &limits, &mut files)?);
        }
        let mut marks: VecDeque<Mark> = found.unsealed.marks.iter().copied().collect();
        marks.push_back(Mark {
            lsn: found.last_lsn,
            file: next_number,
            offset: FILE_HEADER as u64,
            link: found.link,
            open: false,
        });
        let tail = Tail {
            unsynced: std::array::from_fn(|_| vec![Arc::clone(&current.file)]),
            link: found.link,
            inside: false,
            marks,
            recovered: found.unsealed.files.clone(),
            current,
            header,
            offset: FILE_HEADER,
            next_lsn,
            spares,
            retired: VecDeque::new(),
            files,
            stopped: None,
            waiting_for_room: Vec::new(),
            wanted: RESERVE + 1,
            stalled: None,
            files_fail: None,
        };
        let journal = Self {
            folder: folder.to_path_buf(),
            limits,
            boot,
            tail: Mutex::new(tail),
            free: AtomicU64::new(u64::MAX),
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            on_rotation,
        };
        journal.warm_next();
        Ok(journal)
    }

    /// Takes a record made of `parts`, one after the other. All or nothing.
    pub(crate) fn append(&self, kind: u8, urgency: Urgency, parts: &[&[u8]]) -> Result<Lsn, CannotRecord> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > RECORD_LIMIT {
            return Err(CannotRecord::TooLarge { bytes: length as u64, limit: RECORD_LIMIT as u64 });
        }
        self.check_free(urgency)?;
        if length <= FRAME_PAYLOAD {
            let weighed = Weighed::of(parts);
            return self.tail.lock().append(self, kind, 0, urgency, &weighed, parts);
        }
        self.append_split(kind, urgency, &parts.concat())
    }

    fn append_split(&self, kind: u8, urgency: Urgency, record: &[u8]) -> Result<Lsn, CannotRecord> {
        let mut tail = self.tail.lock();
        let mut pieces = record.chunks(FRAME_PAYLOAD).peekable();
        // Room for all of it first, so that a record is never left half written by a full journal.
        let needed = pieces.len() * frame_size(FRAME_PAYLOAD);
        tail.ensure(self, urgency, needed)?;
        let mut last = Lsn(0);
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_some() { CONTINUES } else { 0 };
            last = tail.append(self, kind, flags, Urgency::Closing, &Weighed::of(&[piece]), &[piece])?;
        }
        Ok(last)
    }

    fn check_free(&self, urgency: Urgency) -> Result<(), CannotRecord> {
        let needed = match urgency {
            Urgency::Opening => self.limits.soft_free_bytes,
            Urgency::Working => self.limits.hard_free_bytes,
            Urgency::Closing => return Ok(()),
        };
        let free = self.free.load(Ordering::Relaxed);
        if free < needed { Err(CannotRecord::DiskFull { free, needed }) } else { Ok(()) }
    }

    /// Notes how much the file system has left.
    pub(crate) fn set_free(&self, free: u64) {
        self.free.store(free, Ordering::Relaxed);
    }

    /// Bytes that the file system has left, as last seen.
    pub(crate) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Bytes that it may hold.
    pub(crate) fn room(&self) -> u64 {
        self.limits.max_bytes
    }

    /// Whether the disk has too little left for new sessions.
    pub(crate) fn refuses_sessions(&self) -> bool {
        self.check_free(Urgency::Opening).is_err()
    }

    fn most_files(&self) -> u64 {
        (self.limits.max_bytes / self.limits.file_bytes.max(1)).max(3)
    }

    /// Spare files that bulk results leave to everybody else: who asks little should not wait for who asks much.
    fn margin(&self) -> usize {
        usize::try_from(self.most_files().saturating_sub(3) / 4).unwrap_or(MARGIN).min(MARGIN)
    }

    /// Prepares spare files, up to the limit. It writes and syncs zeros, so it has a thread of its own.
    pub(crate) fn tend(&self) -> Result<(), StoreError> {
        loop {
            let (spares, wanted, mut files) = {
                let tail = self.tail.lock();
                (tail.spares.len(), tail.wanted, tail.files)
            };
            if spares > wanted + self.margin() || files >= self.most_files() {
                break;
            }
            let spare = create(&self.folder, &self.limits, &mut files)?;
            let mut tail = self.tail.lock();
            tail.files = files;
            tail.spares.push(spare);
            tail.wake();
        }
        self.warm_next();
        Ok(())
    }

    /// Makes the pages of the file that will be taken next ready, outside of the lock: there is another meanwhile.
    fn warm_next(&self) {
        let mut tail = self.tail.lock();
        if tail.spares.len() <= RESERVE + 1 || tail.spares.last().is_none_or(MappedFile::is_warm) {
            return;
        }
        let Some(mut spare) = tail.spares.pop() else { return };
        drop(tail);
        spare.warm();
        let mut tail = self.tail.lock();
        tail.spares.push(spare);
        tail.wake();
    }

    /// What is not sealed, with what it is held against. Its end is where the newest record ends.
    pub(crate) fn unsealed(&self, sealed: u64) -> Unsealed {
        let mut tail = self.tail.lock();
        let end = tail.mark(false);
        if tail.marks.back() != Some(&end) {
            tail.marks.push_back(end);
        }
        let first = tail.marks.iter().rposition(|mark| mark.lsn <= sealed).unwrap_or(0);
        let marks = tail.marks.iter().skip(first).copied().collect();
        let mut files = tail.recovered.clone();
        files.extend(tail.retired.iter().map(|retired| (retired.number, Arc::clone(&retired.mapped.file))));
        files.insert(tail.header.number, Arc::clone(&tail.current.file));
        Unsealed { files, marks }
    }

    /// Gives the files whose frames are all sealed back for new use.
    pub(crate) fn recycle(&self, sealed: u64) {
        let mut tail = self.tail.lock();
        while tail.marks.get(1).is_some_and(|mark| mark.lsn <= sealed) {
            tail.marks.pop_front();
        }
        let first = tail.marks.front().map_or(0, |mark| mark.file);
        if first != chain::NOWHERE && !tail.recovered.contains_key(&first) {
            tail.recovered.clear();
        }
        while tail.retired.front().is_some_and(|file| file.last_lsn <= sealed) {
            if let Some(mut file) = tail.retired.pop_front() {
                tracing::debug!(number = file.number, "journal file recycled");
                file.mapped.cool();
                // What is sealed need not be synced here any more.
                tail.unsynced.iter_mut().for_each(|files| files.retain(|known| !Arc::ptr_eq(known, &file.mapped.file)));
                // Behind the one that is ready to be written.
                tail.spares.insert(0, file.mapped);
            }
        }
        tail.wake();
    }

    /// How far the journal goes.
    pub(crate) fn backlog(&self) -> Backlog {
        let tail = self.tail.lock();
        Backlog {
            last_lsn: tail.next_lsn - 1,
            starved: tail.spares.len() < tail.wanted + self.margin() && self.is_grown(&tail),
        }
    }

    /// Whether no file can be added: the limit is reached, or the disk has no room for one.
    fn is_grown(&self, tail: &Tail) -> bool {
        tail.files >= self.most_files() || tail.files_fail.is_some()
    }

    /// Whether there is no room for what everybody does.
    pub(crate) fn is_short(&self) -> bool {
        let tail = self.tail.lock();
        tail.spares.len() < tail.wanted
    }

    /// No further file can be made, or again.
    pub(crate) fn files_fail(&self, why: Option<String>) {
        self.tail.lock().files_fail = why;
    }

    /// Sealing cannot give room, or again: what waits for it is refused from now on.
    pub(crate) fn stall(&self, why: Option<String>) {
        let mut tail = self.tail.lock();
        if tail.stalled != why {
            tail.stalled = why;
            tail.wake();
        }
    }

    /// Registers to be woken when room may have become free. True if there is room now. Bulk results wait earlier than
    /// the rest, so that a few spare files are left for everybody else.
    pub(crate) fn poll_room(&self, waker: &Waker, bulk: bool) -> Result<bool, CannotRecord> {
        let mut tail = self.tail.lock();
        if let Some(reason) = &tail.stopped {
            return Err(reason.clone());
        }
        let margin = if bulk { self.margin() } else { 0 };
        if tail.spares.len() >= tail.wanted + margin {
            return Ok(true);
        }
        if let Some(why) = &tail.stalled {
            return Err(CannotRecord::Stalled(why.clone()));
        }
        if !tail.waiting_for_room.iter().any(|known| known.will_wake(waker)) {
            tail.waiting_for_room.push(waker.clone());
        }
        Ok(false)
    }

    /// Refuses everything from now on.
    pub(crate) fn stop(&self, reason: CannotRecord) {
        let mut tail = self.tail.lock();
        tail.stopped.get_or_insert(reason);
        tail.wake();
    }

    /// Why the journal takes nothing more, if so.
    pub(crate) fn stopped(&self) -> Option<CannotRecord> {
        self.tail.lock().stopped.clone()
    }

    /// What must be synced for everything appended so far to be on the disk.
    pub(crate) fn sync_point(&self, who: Who) -> SyncPoint {
        let mut tail = self.tail.lock();
        let current = Arc::clone(&tail.current.file);
        let (mark, place) = (tail.mark(false), who as usize);
        let files = tail.unsynced.get_mut(place).map(|files| std::mem::replace(files, vec![current]));
        SyncPoint { mark, files: files.unwrap_or_default() }
    }
}

fn create(folder: &Path, limits: &JournalLimits, files: &mut u64) -> Result<MappedFile, StoreError> {
    let path = folder.join(format!("{}.wal", uuid::Uuid::now_v7().simple()));
    let mapped = MappedFile::create(&path, limits.file_bytes.max(4 << 20))?;
    *files += 1;
    Ok(mapped)
}
