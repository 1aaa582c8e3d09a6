//! The Parquet files of one segment.

use crate::assemble::{Row, Sink};
use crate::error::{At, StoreError};
use crate::log::SegmentFile;
use crate::store::Layout;
use crate::table::{PartWriter, Record, Table, date};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// What a manifest says of a segment's files, and their hashes by name.
pub(super) type Finished = (Vec<SegmentFile>, Vec<(String, String)>);

/// Writes records to the files that they belong to.
pub(super) struct SegmentFiles {
    layout: Layout,
    number: u64,
    writer: String,
    parts: BTreeMap<(Table, String), PartWriter>,
    /// Partition of the newest record. It never goes back, even when the clock does: a segment's files are read in the
    /// order of their dates.
    date: String,
    /// The moments that belong to that partition.
    day: std::ops::Range<i64>,
    body_key: Option<Zeroizing<Vec<u8>>>,
}

const DAY: i64 = 86_400_000_000;

/// Name of a segment's file, relative to the store.
pub(crate) fn part_name(table: Table, date: &str, number: u64) -> String {
    format!("{}/date={date}/seg-{number:08}.parquet", table.name())
}

impl SegmentFiles {
    pub(super) fn new(layout: &Layout, number: u64, writer: &str, body_key: Option<Zeroizing<Vec<u8>>>) -> Self {
        Self {
            layout: layout.clone(),
            number,
            writer: writer.to_owned(),
            parts: BTreeMap::new(),
            date: String::new(),
            day: 0..0,
            body_key,
        }
    }

    fn part(&mut self, table: Table, ts: i64) -> Result<&mut PartWriter, StoreError> {
        if !self.day.contains(&ts) {
            let date = date(ts);
            if date > self.date {
                self.date = date;
            }
            let start = ts.div_euclid(DAY) * DAY;
            self.day = start..start + DAY;
        }
        match self.parts.entry((table, self.date.clone())) {
            std::collections::btree_map::Entry::Occupied(part) => Ok(part.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let path = self.layout.root().join(part_name(table, &self.date, self.number));
                let key = self.body_key.as_deref().filter(|_| table == Table::StatementBodies);
                Ok(place.insert(PartWriter::create(table, &path, key.map(Vec::as_slice))?))
            }
        }
    }

    /// Finishes the files. Returns what the manifest says of them, and their hashes by name.
    pub(super) fn finish(self) -> Result<Finished, StoreError> {
        let mut files = Vec::new();
        let mut hashes = Vec::new();
        for ((table, date), part) in self.parts {
            let name = part_name(table, &date, self.number);
            let path = self.layout.root().join(&name);
            let written = part.finish()?;
            let (bytes, hash) = hash_file(&path)?;
            files.push(SegmentFile {
                name: name.clone(),
                table: table.name().to_owned(),
                date,
                rows: written.rows,
                bytes,
                first_ts: written.first_ts,
                last_ts: written.last_ts,
            });
            hashes.push((name, hash));
        }
        Ok((files, hashes))
    }
}

impl Sink for SegmentFiles {
    fn record(&mut self, record: Record, ts: i64) -> Result<(), StoreError> {
        self.part(record.table, ts)?.push(&record, ts)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        self.part(Table::Rows, row.ts)?.push_row(row, &writer)
    }
}

/// Size and SHA-256 of a file.
pub(crate) fn hash_file(path: &Path) -> Result<(u64, String), StoreError> {
    let mut file = std::fs::File::open(path).at(path, "opening a file")?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer).at(path, "reading a file")?;
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        bytes += n as u64;
    }
    Ok((bytes, hex::encode(hash.finalize())))
}

/// Number of the segment that a file belongs to, by its name.
pub(crate) fn segment_of(name: &str) -> Option<u64> {
    name.strip_prefix("seg-")?.split('.').next()?.parse().ok()
}

/// Removes the files of segments that never came into the log: they are made again.
pub(super) fn remove_orphans(layout: &Layout, last: u64) -> Result<(), StoreError> {
    let mut folders = vec![layout.root().join("segments")];
    for table in Table::ALL {
        let folder = layout.root().join(table.name());
        folders.extend(list(&folder)?.into_iter().filter(|path| path.is_dir()));
    }
    for folder in folders {
        for path in list(&folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if segment_of(&name).is_some_and(|segment| segment > last) || name.ends_with(".draft") {
                std::fs::remove_file(&path).at(&path, "removing a file of an interrupted sealing")?;
            }
        }
    }
    Ok(())
}

/// The entries of a folder; none when it does not exist.
pub(crate) fn list(folder: &Path) -> Result<Vec<std::path::PathBuf>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::Io { path: folder.to_path_buf(), doing: "listing", source }),
    };
    let mut paths =
        entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().at(folder, "listing")?;
    paths.sort();
    Ok(paths)
}
