//! Where things lie in a store.
//!
//! ```text
//! store.json                               format, origin, verification key (for convenience: it proves nothing)
//! lock                                     held by the one writer
//! journal/*.wal                            what is not sealed yet
//! <table>/date=YYYY-MM-DD/seg-<n>.parquet  the record
//! segments/seg-<n>.json                    manifests, as DSSE envelopes
//! segments/seg-<n>.carry                   what was open when the segment was sealed
//! log/checkpoint, log/tile/…               the transparency log (C2SP tlog-tiles)
//! log/pending                              leaves that are being added
//! log/head                                 where the journal's chain stands, signed every second
//! inbox/                                   requests of other processes to the writer
//! ```

use crate::error::{At, StoreError};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The paths of a store.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn inbox(&self) -> PathBuf {
        self.root.join("inbox")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn heads(&self) -> PathBuf {
        self.root.join("log/head")
    }

    pub(crate) fn about(&self) -> PathBuf {
        self.root.join("store.json")
    }

    pub(crate) fn envelope(&self, segment: u64) -> PathBuf {
        self.root.join(format!("segments/seg-{segment:08}.json"))
    }

    pub(crate) fn carry(&self, segment: u64) -> PathBuf {
        self.root.join(format!("segments/seg-{segment:08}.carry"))
    }

    /// Makes the folders. They are for the owner alone.
    pub(crate) fn make(&self) -> Result<(), StoreError> {
        use std::os::unix::fs::DirBuilderExt;
        for folder in [self.root.clone(), self.journal(), self.inbox(), self.log(), self.root.join("segments")] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .at(&folder, "making a folder of the store")?;
        }
        Ok(())
    }
}

/// Writes a file so that it is either there whole, on the disk, or not at all.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).at(folder, "making a folder of the store")?;
    crate::faults::point();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.draft"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).open(&draft).at(&draft, "making a file")?;
    file.write_all(bytes).and_then(|()| file.sync_all()).at(&draft, "writing a file")?;
    std::fs::rename(&draft, path).at(path, "putting a file in its place")?;
    crate::faults::point();
    sync_folder(folder)
}

/// The most that a file of a store which is read at once may hold: whatever lies there in its place must not fill the memory.
const SMALL: u64 = 64 << 20;

/// Reads a small file whole.
pub(crate) fn read_small(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path)?.take(SMALL + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SMALL {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than any writer makes it"));
    }
    Ok(bytes)
}

/// Reads a small file that is a text.
pub(crate) fn read_text(path: &Path) -> std::io::Result<String> {
    String::from_utf8(read_small(path)?).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|file| file.sync_all()).at(folder, "syncing a folder")
}

/// What `store.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// Version of the store's layout.
    pub(crate) format: u32,
    /// Name of the log.
    pub(crate) origin: String,
    /// This store's writer, in every record.
    pub(crate) writer: String,
    /// The log's verification key. For convenience: a key that lies beside what it verifies proves nothing.
    pub(crate) vkey: String,
}

impl About {
    /// Reads it, or `None` when the store is new.
    pub(crate) fn read(layout: &Layout) -> Result<Option<Self>, StoreError> {
        let path = layout.about();
        match read_small(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| StoreError::damaged(path.display(), e)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { path, doing: "reading", source }),
        }
    }

    pub(crate) fn write(&self, layout: &Layout) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| StoreError::Config(error.to_string()))?;
        write_durably(&layout.about(), &bytes)
    }
}
