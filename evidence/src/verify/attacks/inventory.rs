//! Files where those who read with patterns find them, and other things that no writer leaves.

use super::{Attack, Base, Options, failed, make, verify};
use crate::search::manifests;
use crate::store::Layout;
use crate::support::*;
use std::path::{Path, PathBuf};

/// A real file of statements.
fn real(path: &Path) -> PathBuf {
    let manifests = manifests(&Layout::new(path)).unwrap().0;
    let file = manifests[0].predicate.files.iter().find(|file| file.table == "statements").unwrap();
    path.join(&file.name)
}

/// A copy of a real file under another name.
fn copied(name: &'static str, to: &'static str) -> Attack {
    Attack::new(name, &["files listed"], move |path| copy_to(path, to)).store_only()
}

fn copy_to(path: &Path, to: &str) {
    let to = path.join(to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(real(path), to).unwrap();
}

const PLACES: [(&str, &str); 9] = [
    ("Parquet at the root", "more.parquet"),
    ("Parquet in a new folder", "extra/date=2026-01-01/seg-00000001.parquet"),
    ("Parquet in a folder with a capital", "Statements/date=2026-01-01/seg-00000001.parquet"),
    ("Parquet in a folder with a Cyrillic letter", "st\u{430}tements/date=2026-01-01/seg-00000001.parquet"),
    ("Parquet in the journal", "journal/more.parquet"),
    ("Parquet in the inbox", "inbox/more.parquet"),
    ("Parquet in the log", "log/tile/more.parquet"),
    ("Parquet beside the partitions", "statements/seg-00000001.parquet"),
    ("Parquet in a folder of a partition", "statements/date=2026-01-01/more/seg-00000001.parquet"),
];

pub(super) fn attacks() -> Vec<Attack> {
    let mut all: Vec<Attack> = PLACES.into_iter().map(|(name, to)| copied(name, to)).collect();
    all.extend([
        Attack::new("Parquet in place of an older carry", &["file hashes"], |path| {
            copy_to(path, "segments/seg-00000001.carry");
        })
        .store_only(),
        Attack::new("Parquet behind a linked folder", &["files listed"], |path| {
            let elsewhere = path.with_extension("elsewhere");
            std::fs::create_dir_all(&elsewhere).unwrap();
            std::fs::copy(real(path), elsewhere.join("seg-00000001.parquet")).unwrap();
            std::os::unix::fs::symlink(&elsewhere, path.join("statements/date=2026-01-01")).unwrap();
        })
        .store_only(),
        Attack::new("Parquet as a link", &["files listed"], |path| {
            let file = real(path);
            std::os::unix::fs::symlink(&file, file.with_file_name("seg-00000077.parquet")).unwrap();
        })
        .store_only(),
        Attack::new("junk in place of staged leaves", &["journal"], |path| {
            std::fs::write(path.join("log/pending"), "not leaves").unwrap();
        })
        .store_only(),
        Attack::new("staged leaves of another log", &["journal"], |path| {
            std::fs::write(path.join("log/pending"), r#"{"size":9999,"entries":[]}"#).unwrap();
        })
        .store_only(),
    ]);
    all
}

/// Who holds the lock is nobody's word for anything.
#[test]
fn a_file_that_is_not_listed_is_found_though_the_lock_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    make(Base::Plain, &path);
    let lock = std::fs::File::open(path.join("lock")).unwrap();
    lock.try_lock().unwrap();
    let judge = || failed(&verify(&path, &Options::new(key().verifier())).unwrap());
    assert_eq!(judge(), Vec::<&str>::new());
    let next = real(&path).with_file_name("seg-00000003.parquet");
    std::fs::copy(real(&path), &next).unwrap();
    assert_eq!(judge(), ["files listed"]);
    std::fs::remove_file(next).unwrap();
    copy_to(&path, "log/tile/more.parquet");
    assert_eq!(judge(), ["files listed"]);
}
