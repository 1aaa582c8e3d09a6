//! A journal file: preallocated, zero-filled once, and mapped into memory, so that a record is a copy and not a system call.

use super::frame::FILE_HEADER;
use crate::error::{At, StoreError};
use memmap2::{MmapMut, MmapOptions};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// One file of the journal, open for writing.
pub(crate) struct MappedFile {
    pub(crate) file: Arc<File>,
    map: MmapMut,
    warm: bool,
}

impl MappedFile {
    /// Makes a file of `bytes` zeros. They are written and synced, so that the disk space is really there: a mapped
    /// write into a hole of a full disk would kill the process.
    pub(crate) fn create(path: &Path, bytes: u64) -> Result<Self, StoreError> {
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).open(path).at(path, "making a journal file")?;
        let filled = (|| {
            let zeros = vec![0; 1 << 20];
            let mut left = usize::try_from(bytes).map_err(|_| std::io::ErrorKind::InvalidInput)?;
            while left > 0 {
                let part = zeros.get(..left.min(zeros.len())).unwrap_or_default();
                file.write_all(part)?;
                left -= part.len();
            }
            file.sync_all()
        })();
        if let Err(source) = filled {
            // A file that is only partly there must not be taken for a journal file later.
            let _ = std::fs::remove_file(path);
            return Err(StoreError::Io { path: path.to_path_buf(), doing: "filling a journal file", source });
        }
        Self::map(path, file)
    }

    #[allow(unsafe_code)]
    fn map(path: &Path, file: File) -> Result<Self, StoreError> {
        // SAFETY: a mapping is unsound when another process changes or shortens the file under it. The store's lock
        // (held for the life of the recorder) keeps other writers of this program out, readers open the files
        // read-only, and the journal's folder belongs to the proxy's own user. The file was filled to its full
        // length above, so no access can fall behind its end. The bytes are only ever written through the exclusive
        // `&mut self` of `write`; they are never read back through the mapping.
        let map = unsafe { MmapOptions::new().populate().map_mut(&file) }.at(path, "mapping a journal file")?;
        Ok(Self { file: Arc::new(file), map, warm: false })
    }

    /// Makes the pages ready to be written, all at once: a tenth of what it costs the sessions to touch them one by one.
    /// Only a hint; a page that is not ready is made ready when it is touched. Once for each use of the file: pages that
    /// are ready count as changed, and a file that nobody writes to should not be written out again and again.
    pub(crate) fn warm(&mut self) {
        if std::mem::replace(&mut self.warm, true) {
            return;
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = self.map.advise(memmap2::Advice::PopulateWrite) {
            tracing::debug!(%error, "journal pages are made ready one by one");
        }
    }

    /// Whether [`MappedFile::warm`] was called in this use of the file.
    pub(crate) fn is_warm(&self) -> bool {
        self.warm
    }

    /// The file is to be used again.
    pub(crate) fn cool(&mut self) {
        self.warm = false;
    }

    /// Bytes that fit behind the header.
    pub(crate) fn capacity(&self) -> usize {
        self.map.len().saturating_sub(FILE_HEADER)
    }

    /// Copies `bytes` to `offset`. False, and nothing written, when they do not fit.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        let place = offset.checked_add(bytes.len()).and_then(|end| self.map.get_mut(offset..end));
        match place {
            Some(place) => {
                place.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }
}
