//! The journal's edges: torn tails, holes, full disks, back-pressure, durability, large records.

// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::verify::{Options, verify};
use evidence::{CannotRecord, Durability, Recorder, VerifierKey};
use model::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use support::*;

/// A store as a crash leaves it: `statements` statements in the journal, nothing sealed.
fn crashed(statements: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _) = open(config(folder.path()));
    let id = session(&recorder, "agent-1");
    for number in 1..=statements {
        run(&recorder, id, number, &format!("SELECT {number}"), 1);
    }
    let copy = tempfile::tempdir().unwrap();
    copy_store(folder.path(), copy.path());
    copy
}

/// The journal file that holds frames, and the offset behind its last byte that is not zero.
fn journal(store: &Path) -> (PathBuf, usize) {
    let files = std::fs::read_dir(store.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let ends = files.map(|path| {
        let end = std::fs::read(&path).unwrap().iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        (path, end)
    });
    ends.max_by_key(|(_, end)| *end).unwrap()
}

fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    let mut all = std::fs::read(path).unwrap();
    all[at..at + bytes.len()].copy_from_slice(bytes);
    std::fs::write(path, all).unwrap();
}

fn good(path: &Path) {
    let options = Options::new(VerifierKey::parse(&vkey()).unwrap());
    let report = verify(path, &options).unwrap();
    let failed: Vec<_> = report.failed().collect();
    assert!(report.is_good(), "{failed:?}");
}

#[test]
fn a_torn_tail_is_cut_and_the_log_says_so() {
    let store = crashed(5);
    let (path, end) = journal(store.path());
    // The last frame lost its last bytes: a sector that never reached the disk.
    overwrite(&path, end - 4, &[0; 4]);
    let (recorder, recovery) = Recorder::open(config(store.path())).unwrap();
    let cut = recovery.cut.clone().unwrap();
    assert!(cut.contains("torn frame"), "{cut}");
    assert_eq!(recovery.statements, 1, "the statement whose end was torn is interrupted: {recovery:?}");
    recorder.close().unwrap();
    good(store.path());
    let tiles = std::fs::read_dir(store.path().join("log/tile/entries/000.p")).unwrap().next().unwrap().unwrap();
    let bundle = String::from_utf8_lossy(&std::fs::read(tiles.path()).unwrap()).into_owned();
    assert!(bundle.contains("vnd.affidavit.recovery.v1+json"), "no recovery leaf");
}

/// Opens a store whose journal was damaged: it goes on, and says for good which records are gone.
fn named(store: &Path) {
    let (recorder, recovery) = Recorder::open(config(store)).unwrap();
    assert!(!recovery.lost.is_empty(), "{recovery:?}");
    recorder.close().unwrap();
    let report = verify(store, &Options::new(VerifierKey::parse(&vkey()).unwrap())).unwrap();
    let failed: Vec<_> = report.failed().map(|check| check.name).collect();
    assert_eq!(failed, ["journal"]);
    let kept = std::fs::read_dir(store.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    assert!(kept.into_iter().any(|path| path.extension().is_some_and(|end| end == "kept")));
}

#[test]
fn a_hole_is_not_taken_for_a_torn_tail() {
    let store = crashed(5);
    let (path, end) = journal(store.path());
    overwrite(&path, end / 2, &[0xff; 3]);
    named(store.path());
    // Zeros are as suspicious as garbage.
    let store = crashed(5);
    let (path, end) = journal(store.path());
    overwrite(&path, 200, &vec![0; end / 2]);
    named(store.path());
}

#[test]
fn a_journal_file_without_its_header_is_read_all_the_same() {
    let store = crashed(5);
    let (path, _) = journal(store.path());
    overwrite(&path, 0, &[0; 64]);
    let (recorder, recovery) = Recorder::open(config(store.path())).unwrap();
    assert!(recovery.lost.is_empty() && recovery.sessions == 1, "{recovery:?}");
    recorder.close().unwrap();
    good(store.path());
}

#[test]
fn a_full_disk_refuses_new_sessions_first_then_statements_never_endings() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.journal.soft_free_bytes = u64::MAX;
    let (recorder, _) = Recorder::open(config.clone()).unwrap();
    let opening = recorder.policy_loaded(version(POLICY), POLICY, &evidence::PolicyOrigin::default());
    assert!(matches!(opening, Err(CannotRecord::DiskFull { .. })), "{opening:?}");
    recorder.close().unwrap();

    config.journal.soft_free_bytes = 0;
    let (recorder, _) = open(config.clone());
    let id = session(&recorder, "agent-1");
    run(&recorder, id, 1, "SELECT 1", 1);
    recorder.intent(id, &statement(2, "SELECT 2"), &verdict(), None).unwrap();
    let copy = tempfile::tempdir().unwrap();
    copy_store(folder.path(), copy.path());
    drop(recorder);
    let mut full = config;
    full.path = copy.path().to_path_buf();
    full.journal.hard_free_bytes = u64::MAX;
    let (recorder, _) = Recorder::open(full).unwrap();
    let denial = recorder.intent(id, &statement(3, "SELECT 3"), &verdict(), None);
    assert!(matches!(denial, Err(CannotRecord::DiskFull { .. } | CannotRecord::Invalid(_))), "{denial:?}");
    let rows = recorder.rows(id, StatementId(2), 0, &RowLayout::Framed, 0, b"");
    assert!(matches!(rows, Err(CannotRecord::DiskFull { .. })), "{rows:?}");
    recorder.done(id, StatementId(2), &completed(0), true).unwrap();
    recorder.session_closed(id, "disk full").unwrap();
    recorder.close().unwrap();
}

struct Flag(std::sync::atomic::AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

/// Polls until ready, as an executor would: only after having been woken.
fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let flag = Arc::new(Flag(true.into()));
    let waker = Waker::from(Arc::clone(&flag));
    let start = Instant::now();
    loop {
        if flag.0.swap(false, std::sync::atomic::Ordering::SeqCst)
            && let Poll::Ready(value) = poll(&mut Context::from_waker(&waker))
        {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "never woken");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_full_journal_pushes_back_until_sealing_has_caught_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.journal.max_bytes = 16 << 20;
    let (recorder, _) = open(config);
    let id = session(&recorder, "agent-1");
    recorder.intent(id, &statement(1, "COPY patients TO STDOUT"), &verdict(), None).unwrap();
    let row = data_row(&[Some(&"x".repeat(1000)), Some("***")]);
    let piece: Vec<u8> = std::iter::repeat_n(row, 200).flatten().collect();
    let (mut pushed_back, mut rows) = (0, 0);
    for _ in 0..400 {
        loop {
            match recorder.rows(id, StatementId(1), 0, &RowLayout::Framed, 200, &piece) {
                Ok(_) => break,
                Err(CannotRecord::Busy) => {
                    pushed_back += 1;
                    block_on(|cx| recorder.poll_room(cx, false)).unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        rows += 200;
    }
    recorder.done(id, StatementId(1), &completed(rows), true).unwrap();
    recorder.session_closed(id, "done").unwrap();
    let report = recorder.close().unwrap();
    // 80 MB went through a journal of 16 MB, in several segments.
    assert!(report.segment > 2, "{report:?}");
    assert!(pushed_back > 0, "the journal was never full");
    good(folder.path());
}

#[test]
fn strict_durability_is_reached_by_group_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.durability = Durability::Strict;
    let (recorder, _) = open(config);
    let id = session(&recorder, "agent-1");
    for number in 1..=20 {
        let lsn = recorder.intent(id, &statement(number, "SELECT 1"), &verdict(), None).unwrap();
        block_on(|cx| recorder.poll_durable(cx, lsn)).unwrap();
        recorder.done(id, StatementId(number), &completed(0), true).unwrap();
    }
    recorder.close().unwrap();
}

#[test]
fn records_larger_than_a_frame_come_back_whole_and_larger_ones_are_refused() {
    let store = tempfile::tempdir().unwrap();
    let (recorder, _) = open(config(store.path()));
    let id = session(&recorder, "agent-1");
    let sql = format!("SELECT '{}'", "long ".repeat(1_000_000));
    // It needs more spare files than are kept ready.
    while recorder.intent(id, &statement(1, &sql), &verdict(), None) == Err(CannotRecord::Busy) {
        block_on(|cx| recorder.poll_room(cx, false)).unwrap();
    }
    recorder.done(id, StatementId(1), &completed(0), true).unwrap();
    let huge = "x".repeat(70 << 20);
    let refused = recorder.intent(id, &statement(2, &huge), &verdict(), None);
    assert!(matches!(refused, Err(CannotRecord::TooLarge { .. })), "{refused:?}");
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
    good(store.path());
    let shown = std::process::Command::new(env!("CARGO_BIN_EXE_evidence"))
        .args(["show", &id.to_string(), "--json", "--store"])
        .arg(store.path())
        .output()
        .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["statements"][0]["sql_text"].as_str().unwrap(), sql);
}
