//! The policy that was in force last, remembered across runs: half of a copied folder is a policy too, and whoever starts
//! a proxy on it must not unmask what the run before it masked.
//!
//! A file beside the one that remembers the log's head, outside of the store: a lost store must not take it along.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes of a policy's canonical text; a folder holds less.
const MOST: u64 = 64 << 20;

/// Where the text is kept.
#[derive(Clone, Debug)]
pub struct Memory(PathBuf);

impl Memory {
    /// Beside the log's remembered head: `audit.head` has `audit.policy` at its side.
    #[must_use]
    pub fn beside(head: &Path) -> Self {
        Self(head.with_extension("policy"))
    }

    /// The canonical text of the policy that was in force last; `None` when there was none.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn recall(&self) -> io::Result<Option<String>> {
        match fs::metadata(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(found) if found.len() > MOST => Err(io::Error::other("it is too large to be a policy")),
            Ok(_) => fs::read_to_string(&self.0).map(Some),
        }
    }

    /// Remembers a text in the place of the one before, whole or not at all, whatever happens meanwhile.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(&self, text: &str) -> io::Result<()> {
        let draft = self.0.with_extension("policy.draft");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    /// Where.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn the_last_text_is_recalled_and_nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::beside(&folder.path().join("audit.head"));
        assert_eq!(memory.path(), folder.path().join("audit.policy"));
        assert_eq!(memory.recall().unwrap(), None);
        for text in ["a longer one", "two"] {
            memory.remember(text).unwrap();
            assert_eq!(memory.recall().unwrap().as_deref(), Some(text));
        }
        assert_eq!(std::fs::metadata(memory.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::beside(&folder.path().join("audit.head"));
        std::fs::write(memory.path(), [0xff]).unwrap();
        memory.recall().unwrap_err();
    }
}
