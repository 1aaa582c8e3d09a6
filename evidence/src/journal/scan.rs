//! Reading the journal: for sealing, for recovery, and for those who look at what is not sealed yet.
//!
//! Recovery cuts a torn tail only when nothing valid follows it. A damaged frame with valid frames behind it, a missing
//! file or a gap in the lsns is a hole: the store does not open, because going on would hide a loss.

use super::frame::{self, CONTINUES, FILE_HEADER, FRAME_HEADER, FileHeader, FrameHeader};
use crate::error::{At, StoreError};
use std::path::{Path, PathBuf};

/// What recovery found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) last_lsn: u64,
    pub(crate) last_number: u64,
    /// Records beyond what is sealed.
    pub(crate) records: u64,
    pub(crate) cut: Option<String>,
    /// Records that are known to have been taken and are not there, in words.
    pub(crate) missing: Option<String>,
    /// All journal files, whatever they hold.
    pub(crate) files: Vec<PathBuf>,
}

/// Takes a record: kind, lsn and time of its last frame, payload.
type TakeRecord<'a> = &'a mut dyn FnMut(u8, u64, i64, &[u8]) -> Result<(), StoreError>;
/// Takes a frame and its payload.
type TakeFrame<'a> = &'a mut dyn FnMut(FrameHeader, &[u8]) -> Result<(), StoreError>;

struct Source {
    path: PathBuf,
    header: FileHeader,
}

/// The files that have a header, in the order of their numbers, and those that have none.
fn sources(folder: &Path) -> Result<(Vec<Source>, Vec<PathBuf>), StoreError> {
    let mut known = Vec::new();
    let mut blank = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((known, blank)),
        Err(source) => return Err(StoreError::Io { path: folder.to_path_buf(), doing: "listing the journal", source }),
    };
    for entry in entries {
        let path = entry.at(folder, "listing the journal")?.path();
        if path.extension().is_none_or(|extension| extension != "wal") {
            continue;
        }
        match read_header(&path)? {
            Some(header) => known.push(Source { path, header }),
            None => blank.push(path),
        }
    }
    known.sort_by_key(|source| source.header.number);
    Ok((known, blank))
}

fn read_header(path: &Path) -> Result<Option<FileHeader>, StoreError> {
    use std::io::Read;
    let mut head = Vec::new();
    let file = std::fs::File::open(path).at(path, "opening a journal file")?;
    file.take(FILE_HEADER as u64).read_to_end(&mut head).at(path, "reading a journal file")?;
    Ok(FileHeader::decode(&head))
}

/// Gives every record after `after` and up to `until` to `take`, whole, in order, with the lsn and time of its last
/// frame. Returns the last lsn given. The caller knows that `until` is in the journal.
pub(crate) fn read(folder: &Path, after: u64, until: u64, take: TakeRecord<'_>) -> Result<u64, StoreError> {
    let (files, _) = sources(folder)?;
    let mut expected = after + 1;
    let mut record = Vec::new();
    for (at, source) in files.iter().enumerate() {
        let next = files.get(at + 1).map(|next| next.header.first_lsn);
        if next.is_some_and(|next| next <= expected) || expected > until {
            continue;
        }
        let bytes = std::fs::read(&source.path).at(&source.path, "reading a journal file")?;
        walk(source, &bytes, &mut |head, payload| {
            if head.lsn < expected || head.lsn > until {
                return Ok(());
            }
            if head.lsn != expected {
                return Err(hole(&source.path, 0));
            }
            expected += 1;
            if head.flags & CONTINUES != 0 || !record.is_empty() {
                record.extend_from_slice(payload);
                if head.flags & CONTINUES != 0 {
                    return Ok(());
                }
                let whole = std::mem::take(&mut record);
                return take(head.kind, head.lsn, head.ts, &whole);
            }
            take(head.kind, head.lsn, head.ts, payload)
        })?;
    }
    Ok(expected - 1)
}

/// Walks the frames of a file until the first that is not one, and returns where that is.
fn walk(source: &Source, bytes: &[u8], each: TakeFrame<'_>) -> Result<(usize, u64), StoreError> {
    let mut offset = FILE_HEADER;
    let mut lsn = source.header.first_lsn;
    while let Some((head, payload)) = bytes.get(offset..).and_then(|rest| frame::decode(rest, source.header.salt)) {
        if head.lsn != lsn {
            break;
        }
        each(head, payload)?;
        lsn += 1;
        offset += frame::frame_size(payload.len());
    }
    Ok((offset, lsn))
}

/// Checks the whole journal beyond `sealed`.
pub(crate) fn recover(folder: &Path, sealed: u64) -> Result<Found, StoreError> {
    let (files, blank) = sources(folder)?;
    let mut found = Found { last_lsn: sealed, ..Found::default() };
    let mut expected = sealed + 1;
    for (at, source) in files.iter().enumerate() {
        found.last_number = source.header.number;
        let next = files.get(at + 1);
        if next.is_some_and(|next| next.header.first_lsn <= expected) {
            continue;
        }
        if source.header.first_lsn > expected {
            return Err(hole(&source.path, 0));
        }
        let bytes = std::fs::read(&source.path).at(&source.path, "reading a journal file")?;
        let mut open = false;
        let mut records = 0;
        let (offset, lsn) = walk(source, &bytes, &mut |head, _| {
            open = head.flags & CONTINUES != 0;
            records += u64::from(!open && head.lsn >= expected);
            Ok(())
        })?;
        found.records += records;
        let rest = bytes.get(offset..).unwrap_or_default();
        if follows(rest, source.header.salt) {
            return Err(hole(&source.path, offset));
        }
        expected = expected.max(lsn);
        if let Some(next) = next {
            // Files follow one another without a gap; else the end of this one is missing.
            if next.header.first_lsn != expected {
                return Err(hole(&source.path, offset));
            }
        } else {
            found.cut = cut(source, rest, offset, open);
        }
    }
    for path in &blank {
        let bytes = std::fs::read(path).at(path, "reading a journal file")?;
        if let Some(offset) = stray(&bytes, expected) {
            return Err(hole(path, offset));
        }
    }
    found.last_lsn = expected - 1;
    found.files = files.into_iter().map(|source| source.path).chain(blank).collect();
    Ok(found)
}

/// Whether any valid frame with this salt stands in `bytes`. Frames begin at multiples of eight.
fn follows(bytes: &[u8], salt: u32) -> bool {
    let salt_bytes = salt.to_be_bytes();
    (0..bytes.len().saturating_sub(FRAME_HEADER)).step_by(8).any(|at| {
        let here = bytes.get(at..).unwrap_or_default();
        here.get(24..28) == Some(salt_bytes.as_slice()) && frame::decode(here, salt).is_some()
    })
}

/// In a file without a header: a frame that is true to its own salt and newer than all that is known.
fn stray(bytes: &[u8], expected: u64) -> Option<usize> {
    (FILE_HEADER..bytes.len().saturating_sub(FRAME_HEADER)).step_by(8).find(|&at| {
        let here = bytes.get(at..).unwrap_or_default();
        let salt = here.get(24..28).and_then(|salt| salt.try_into().ok()).map(u32::from_be_bytes);
        salt.filter(|salt| *salt != 0)
            .and_then(|salt| frame::decode(here, salt))
            .is_some_and(|(head, _)| head.lsn >= expected)
    })
}

/// What stands behind the last good frame, if it is the beginning of another one.
fn cut(source: &Source, rest: &[u8], offset: usize, open: bool) -> Option<String> {
    let torn = rest.get(24..28) == Some(source.header.salt.to_be_bytes().as_slice());
    let name = source.path.file_name().unwrap_or_default().to_string_lossy();
    match (torn, open) {
        (true, _) => Some(format!("a torn frame at {name}:{offset} was cut off")),
        (false, true) => Some(format!("a record without its end at {name}:{offset} was cut off")),
        (false, false) => None,
    }
}

fn hole(path: &Path, offset: usize) -> StoreError {
    StoreError::Hole { place: format!("{} byte {offset}", path.display()) }
}
