//! Reading the journal files as they lie there: what a process that died left, and what is not sealed yet, for those who look.
//!
//! Nothing here proves anything; [`super::recover`] holds the frames against what was signed.

use super::chain::TakeRecord;
use super::frame::{self, CONTINUES, FILE_HEADER, FRAME_HEADER, FileHeader, FrameHeader};
use crate::error::{At, StoreError};
use std::path::{Path, PathBuf};

/// A journal file that holds frames.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// Its number; of a file without a header one that no writer gives.
    pub(super) number: u64,
    pub(super) first_lsn: u64,
    /// The start of the writer that it is of.
    pub(super) boot: [u8; 16],
    salt: u32,
}

/// Numbers of files whose header is gone begin here.
pub(super) const NAMELESS: u64 = 1 << 62;

/// A frame, where it lies.
pub(super) struct Frame<'b> {
    pub(super) head: FrameHeader,
    pub(super) header: &'b [u8; FRAME_HEADER],
    pub(super) payload: &'b [u8],
    pub(super) offset: usize,
}

impl Frame<'_> {
    pub(super) fn end(&self) -> usize {
        self.offset + frame::frame_size(self.payload.len())
    }
}

/// All files of the journal's folder.
pub(super) fn paths(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let files = crate::seal::list(folder)?;
    Ok(files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "wal")).collect())
}

/// The files that hold frames, in the order of their records.
pub(super) fn sources(folder: &Path) -> Result<Vec<Source>, StoreError> {
    let mut found = Vec::new();
    for path in paths(folder)? {
        let header = read_header(&path)?;
        let source = match header {
            Some(header) => Some((header.number, header.first_lsn, header.boot, header.salt)),
            None => {
                // The header is gone: the frames have the salt, too.
                let bytes = read_file(&path)?;
                stray(&bytes).map(|(first_lsn, salt)| (NAMELESS + found.len() as u64, first_lsn, [0; 16], salt))
            }
        };
        found.extend(source.map(|(number, first_lsn, boot, salt)| Source { path, number, first_lsn, boot, salt }));
    }
    found.sort_by_key(|source| (source.first_lsn, source.number));
    Ok(found)
}

fn read_header(path: &Path) -> Result<Option<FileHeader>, StoreError> {
    use std::io::Read;
    let mut head = Vec::new();
    let file = std::fs::File::open(path).at(path, "opening a journal file")?;
    file.take(FILE_HEADER as u64).read_to_end(&mut head).at(path, "reading a journal file")?;
    Ok(FileHeader::decode(&head))
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    std::fs::read(path).at(path, "reading a journal file")
}

/// Where the next eight bytes begin whose first four are a salt that is looked for. Most of a file is zeros: this is all that
/// is done to them.
fn next_salt(bytes: &[u8], from: usize, wanted: impl Fn(&[u8; 4]) -> bool) -> Option<usize> {
    let words = bytes.get(from..)?.as_chunks::<8>().0;
    words.iter().position(|word| word.first_chunk::<4>().is_some_and(&wanted)).map(|at| from + at * 8)
}

/// Lsn and salt of the first frame in a file without a header.
fn stray(bytes: &[u8]) -> Option<(u64, u32)> {
    let mut from = FILE_HEADER + 24;
    while let Some(place) = next_salt(bytes, from, |salt| *salt != [0; 4]) {
        let here = bytes.get(place - 24..)?;
        let salt = u32::from_be_bytes(*bytes.get(place..)?.first_chunk::<4>()?);
        if let Some((head, _, _)) = frame::decode(here, salt) {
            return Some((head.lsn, salt));
        }
        from = place + 8;
    }
    None
}

/// Gives every frame of a file to `each`, in the order in which they lie there; behind damaged places, too. Frames begin at
/// multiples of eight. Returns where the last one ends.
pub(super) fn frames(
    source: &Source,
    bytes: &[u8],
    each: &mut dyn FnMut(&Frame<'_>) -> Result<(), StoreError>,
) -> Result<usize, StoreError> {
    let salt = source.salt.to_be_bytes();
    let (mut at, mut end) = (FILE_HEADER, FILE_HEADER);
    while let Some(here) = bytes.get(at..).filter(|here| here.len() >= FRAME_HEADER) {
        // The salt first: most of what is not a frame is told by it.
        let found = if here.get(24..28) == Some(salt.as_slice()) { frame::decode(here, source.salt) } else { None };
        let Some((head, header, payload)) = found else {
            let Some(place) = next_salt(bytes, at + 32, |word| *word == salt) else { break };
            at = place - 24;
            continue;
        };
        let frame = Frame { head, header, payload, offset: at };
        each(&frame)?;
        at = frame.end();
        end = at;
    }
    Ok(end)
}

/// Whether the beginning of another frame stands behind the last one.
pub(super) fn is_torn(source: &Source, bytes: &[u8], end: usize) -> bool {
    bytes.get(end + 24..end + 28) == Some(source.salt.to_be_bytes().as_slice())
}

/// Gives every record after `after` to `take`, whole, in order, with the lsn and time of its last frame, as they lie there.
pub(crate) fn read(folder: &Path, after: u64, take: TakeRecord<'_>) -> Result<(), StoreError> {
    let files = sources(folder)?;
    let mut newest = after;
    let mut record = Vec::new();
    for (at, source) in files.iter().enumerate() {
        if files.get(at + 1).is_some_and(|next| next.first_lsn <= newest + 1) {
            continue;
        }
        let bytes = read_file(&source.path)?;
        frames(source, &bytes, &mut |frame| {
            let head = &frame.head;
            if head.lsn <= newest {
                return Ok(());
            }
            if head.lsn != newest + 1 {
                record.clear();
            }
            newest = head.lsn;
            if head.flags & CONTINUES != 0 || !record.is_empty() {
                record.extend_from_slice(frame.payload);
                if head.flags & CONTINUES != 0 {
                    return Ok(());
                }
                let whole = std::mem::take(&mut record);
                return take(head.kind, head.lsn, head.ts, &whole);
            }
            take(head.kind, head.lsn, head.ts, frame.payload)
        })?;
    }
    Ok(())
}
