//! ZIP archives that hold files as they are: stored, sorted, with fixed times, so that equal contents give equal archives.
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>, without ZIP64: an archive stays below 4 GiB.

use crate::error::{At, StoreError};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path};

/// 1980-01-01, the oldest date that the format knows.
const DATE: u16 = 0x0021;
const LIMIT: u64 = u32::MAX as u64 - (1 << 20);

fn u16le(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes()
}

fn u32le(value: u64) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

/// Where an entry's bytes come from.
pub(super) enum Source<'a> {
    Bytes(&'a [u8]),
    File(&'a Path),
}

/// An archive that is being written. Entries come in the order of their names.
pub(super) struct Writer {
    file: BufWriter<File>,
    offset: u64,
    directory: Vec<u8>,
    count: usize,
}

impl Writer {
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        let file = File::create_new(path).at(path, "making the package (an existing file is never overwritten)")?;
        Ok(Self { file: BufWriter::new(file), offset: 0, directory: Vec::new(), count: 0 })
    }

    pub(super) fn add(&mut self, name: &str, size: u64, crc: u32, source: Source<'_>) -> Result<(), StoreError> {
        if self.offset + size + 1024 > LIMIT || self.count >= 65_000 {
            return Err(StoreError::Config(
                "the package would be larger than a ZIP file can be (4 GiB); export a shorter time or fewer sessions"
                    .to_owned(),
            ));
        }
        let mut head = Vec::new();
        head.extend_from_slice(&[20, 0, 0, 8, 0, 0, 0, 0]);
        head.extend_from_slice(&DATE.to_le_bytes());
        head.extend_from_slice(&crc.to_le_bytes());
        head.extend_from_slice(&u32le(size));
        head.extend_from_slice(&u32le(size));
        head.extend_from_slice(&u16le(name.len()));
        head.extend_from_slice(&[0, 0]);
        self.directory.extend_from_slice(b"PK\x01\x02\x14\x03");
        self.directory.extend_from_slice(&head);
        // No comment, disk 0, no internal attributes; a plain file that its owner writes and all read.
        self.directory.extend_from_slice(&[0; 6]);
        self.directory.extend_from_slice(&(0o100_644u32 << 16).to_le_bytes());
        self.directory.extend_from_slice(&u32le(self.offset));
        self.directory.extend_from_slice(name.as_bytes());
        let place = Path::new(name);
        self.file.write_all(b"PK\x03\x04").at(place, "writing the package")?;
        self.file.write_all(&head).at(place, "writing the package")?;
        self.file.write_all(name.as_bytes()).at(place, "writing the package")?;
        let written = match source {
            Source::Bytes(bytes) => self.file.write_all(bytes).map(|()| bytes.len() as u64),
            Source::File(path) => File::open(path).and_then(|mut from| std::io::copy(&mut from, &mut self.file)),
        };
        if written.at(place, "writing the package")? != size {
            return Err(StoreError::damaged(name, "it changed while it was exported"));
        }
        self.offset += 30 + name.len() as u64 + size;
        self.count += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend_from_slice(&u16le(self.count));
        end.extend_from_slice(&u16le(self.count));
        end.extend_from_slice(&u32le(self.directory.len() as u64));
        end.extend_from_slice(&u32le(self.offset));
        end.extend_from_slice(&[0, 0]);
        let written = self.file.write_all(&self.directory).and_then(|()| self.file.write_all(&end));
        let synced = written.and_then(|()| self.file.flush()).and_then(|()| self.file.get_ref().sync_all());
        synced.at(Path::new("the package"), "finishing")
    }
}

/// What reading an archive gives: names that were extracted, and what is not safe about it.
#[derive(Default)]
pub(crate) struct Extracted {
    pub(crate) names: BTreeSet<String>,
    pub(crate) problems: Vec<(String, String)>,
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Extracts an archive into an empty folder. Only plain stored files with names that stay inside are taken; everything
/// else is a problem, and so are entries that the directory and the files disagree about.
pub(crate) fn extract(archive: &Path, folder: &Path) -> Result<Extracted, StoreError> {
    let mut file = File::open(archive).at(archive, "opening the package")?;
    let size = file.metadata().at(archive, "reading the package")?.len();
    let bad = |what: &str| StoreError::damaged(archive.display(), what);
    let mut end = [0; 22];
    file.seek(SeekFrom::Start(size.checked_sub(22).ok_or_else(|| bad("it is no ZIP file"))?))
        .and_then(|_| file.read_exact(&mut end))
        .at(archive, "reading the package")?;
    if !end.starts_with(b"PK\x05\x06") {
        return Err(bad("it is no ZIP file that this program wrote"));
    }
    // One disk, all entries on it, no comment.
    if end.get(4..8) != Some(&[0; 4]) || end.get(8..10) != end.get(10..12) || end.get(20..22) != Some(&[0; 2]) {
        return Err(bad("its directory is not as this program writes it"));
    }
    let (Some(count), Some(length), Some(start)) = (le16(&end, 10), le32(&end, 12), le32(&end, 16)) else {
        return Err(bad("its directory is damaged"));
    };
    if u64::from(start) + u64::from(length) + 22 != size {
        return Err(bad("its directory does not end where it should"));
    }
    let mut directory = vec![0; usize::try_from(length).unwrap_or(0)];
    file.seek(SeekFrom::Start(u64::from(start)))
        .and_then(|_| file.read_exact(&mut directory))
        .at(archive, "reading the package")?;
    let mut found = Extracted::default();
    let mut rest = directory.as_slice();
    let mut expected_offset = 0;
    for _ in 0..count {
        let entry = Entry::read(rest).ok_or_else(|| bad("its directory is damaged"))?;
        rest = rest.get(entry.length..).unwrap_or_default();
        if entry.offset != expected_offset {
            // Nor are entries that lie over one another taken: a few bytes would become many files.
            found.problems.push((entry.name.clone(), "bytes lie between the entries, or they overlap".to_owned()));
            continue;
        }
        expected_offset = entry.offset + 30 + entry.name.len() as u64 + entry.size;
        if let Some(problem) = entry.problem() {
            found.problems.push((entry.name, problem.to_owned()));
        } else if !found.names.insert(entry.name.clone()) {
            found.problems.push((entry.name, "it is there twice".to_owned()));
        } else if let Some(problem) = entry.extract(&mut file, folder, archive)? {
            found.problems.push((entry.name, problem.to_owned()));
        }
    }
    if !rest.is_empty() || expected_offset != u64::from(start) {
        found.problems.push(("the directory".to_owned(), "bytes follow the last entry".to_owned()));
    }
    Ok(found)
}

struct Entry {
    name: String,
    clean_name: bool,
    method: u16,
    crc: u32,
    size: u64,
    packed: u64,
    mode: u32,
    extra: bool,
    /// What the entry itself must repeat: versions, flags, time, checksum, sizes, lengths.
    head: Vec<u8>,
    offset: u64,
    length: usize,
}

impl Entry {
    fn read(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (name, extra, comment) = (le16(bytes, 28)?, le16(bytes, 30)?, le16(bytes, 32)?);
        let raw = bytes.get(46..46 + usize::from(name))?;
        Some(Self {
            name: String::from_utf8_lossy(raw).into_owned(),
            clean_name: std::str::from_utf8(raw).is_ok(),
            method: le16(bytes, 10)?,
            crc: le32(bytes, 16)?,
            packed: u64::from(le32(bytes, 20)?),
            size: u64::from(le32(bytes, 24)?),
            mode: le32(bytes, 38)? >> 16,
            extra: extra != 0 || comment != 0,
            head: bytes.get(6..32)?.to_vec(),
            offset: u64::from(le32(bytes, 42)?),
            length: 46 + usize::from(name) + usize::from(extra) + usize::from(comment),
        })
    }

    fn problem(&self) -> Option<&'static str> {
        let inside = Path::new(&self.name).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside || !self.clean_name || self.name.contains(['\\', '\0']) || self.name.ends_with('/') {
            return Some("its name leads out of the package or is no file's");
        }
        if self.mode & 0o170_000 != 0o100_000 {
            return Some("it is no plain file (a link?)");
        }
        if self.method != 0 || self.packed != self.size || self.extra {
            return Some("it is not stored as it is");
        }
        None
    }

    fn extract(&self, file: &mut File, folder: &Path, archive: &Path) -> Result<Option<&'static str>, StoreError> {
        let mut head = vec![0; 30 + self.name.len()];
        let read = file.seek(SeekFrom::Start(self.offset)).and_then(|_| file.read_exact(&mut head));
        read.at(archive, "reading the package")?;
        let same = head.starts_with(b"PK\x03\x04")
            && head.get(30..) == Some(self.name.as_bytes())
            && head.get(4..30) == Some(self.head.as_slice());
        if !same {
            return Ok(Some("the directory and the entry disagree"));
        }
        let path = folder.join(&self.name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).at(parent, "making a folder")?;
        }
        let mut out = File::create_new(&path).at(&path, "extracting")?;
        let mut hash = crc32fast::Hasher::new();
        let mut from = file.take(self.size);
        let mut buffer = vec![0; 256 << 10];
        let mut total = 0;
        loop {
            let n = from.read(&mut buffer).at(archive, "reading the package")?;
            let Some(part) = buffer.get(..n).filter(|part| !part.is_empty()) else { break };
            hash.update(part);
            total += n as u64;
            out.write_all(part).at(&path, "extracting")?;
        }
        Ok((total != self.size || hash.finalize() != self.crc).then_some("its checksum does not hold"))
    }
}
