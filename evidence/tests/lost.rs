//! A store that vanishes, is exchanged or turned back is never replaced by a new one, and nothing is taken without it.
// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use evidence::verify::{Options, Outcome, Report, verify};
use evidence::{CannotRecord, Recorder, StoreConfig, StoreError, VerifierKey, remembered_head};
use std::path::Path;
use std::time::Duration;
use support::*;

fn remembered(store: &Path) -> StoreConfig {
    let mut config = config(store);
    config.head = Some(remembered_head(store));
    config
}

/// A store with a segment in `folder/audit`, its head remembered beside it.
fn sealed(store: &Path, sessions: u64) {
    let (recorder, _) = open(remembered(store));
    for number in 0..sessions {
        let id = session(&recorder, "agent-1");
        run(&recorder, id, 1, &format!("SELECT {number}"), 2);
        recorder.session_closed(id, "done").unwrap();
        recorder.seal_now().unwrap();
    }
    recorder.close().unwrap();
}

fn judged(store: &Path) -> Report {
    let mut options = Options::new(VerifierKey::parse(&vkey()).unwrap());
    options.head = Some(remembered_head(store));
    verify(store, &options).unwrap()
}

fn outcome<'r>(report: &'r Report, name: &str) -> (&'r Outcome, String) {
    let check = report.checks.iter().find(|check| check.name == name).unwrap();
    (&check.outcome, format!("{:?}", check.findings))
}

/// Waits until the recorder has noticed by itself, and says what it takes afterwards.
fn noticed(recorder: &Recorder) -> CannotRecord {
    for _ in 0..2000 {
        if let Some(stopped) = recorder.health().stopped {
            return stopped;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the loss of the store was not noticed");
}

#[test]
fn a_store_is_made_only_when_somebody_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("audit");
    let mut config = remembered(&store);
    config.create = false;
    assert!(matches!(Recorder::open(config.clone()), Err(StoreError::Missing { .. })));
    assert!(!store.exists(), "a refused store leaves nothing behind");
    sealed(&store, 1);
    let (recorder, _) = open(config);
    recorder.close().unwrap();
    assert!(judged(&store).is_good());
}

#[test]
fn a_store_that_vanishes_stops_the_recording_and_is_not_made_again() {
    for vanish in [
        (|store: &Path| std::fs::remove_dir_all(store).unwrap()) as fn(&Path),
        |store| std::fs::rename(store, store.with_extension("away")).unwrap(),
        |store| std::fs::remove_dir_all(store.join("journal")).unwrap(),
        |store| std::fs::remove_dir_all(store.join("log")).unwrap(),
        |store| std::fs::remove_file(store.join("store.json")).unwrap(),
        |store| {
            let other = store.with_extension("copy");
            copy_store(store, &other);
            std::fs::rename(store, store.with_extension("away")).unwrap();
            std::fs::rename(other, store).unwrap();
        },
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("audit");
        sealed(&store, 2);
        let (recorder, _) = open(remembered(&store));
        let id = session(&recorder, "agent-1");
        vanish(&store);
        let stopped = noticed(&recorder);
        assert!(matches!(stopped, CannotRecord::StoreLost(_)), "{stopped}");
        assert_eq!(recorder.intent(id, &statement(1, "SELECT 1"), &verdict(), None), Err(stopped));
        assert!(recorder.seal_now().is_err());
        assert!(recorder.close().is_err());
    }
}

#[test]
fn nothing_takes_the_place_of_a_store_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("audit");
    sealed(&store, 2);
    std::fs::rename(&store, folder.path().join("away")).unwrap();
    // Not even where the configuration would have one made.
    let refused = Recorder::open(remembered(&store)).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::Lost { .. }), "{refused}");
    assert!(!store.exists());
    let report = judged(&store);
    let (named, findings) = outcome(&report, "remembered head");
    assert_eq!(*named, Outcome::Fail);
    assert!(findings.contains("there is no store") && findings.contains("2 segments"), "{findings}");
    // Another store with the same key is another store.
    let other = folder.path().join("other");
    sealed(&other, 3);
    std::fs::rename(&other, &store).unwrap();
    assert!(matches!(Recorder::open(remembered(&store)), Err(StoreError::Lost { .. })));
    assert_eq!(*outcome(&judged(&store), "remembered head").0, Outcome::Fail);
}

#[test]
fn a_store_that_was_turned_back_is_refused_and_the_loss_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("audit");
    sealed(&store, 1);
    let backup = folder.path().join("backup");
    copy_store(&store, &backup);
    sealed(&store, 2);
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::rename(&backup, &store).unwrap();
    let refused = Recorder::open(remembered(&store)).map(drop).unwrap_err().to_string();
    assert!(refused.contains("leaves are gone, and with them records"), "{refused}");
    let report = judged(&store);
    let (named, findings) = outcome(&report, "remembered head");
    assert_eq!(*named, Outcome::Fail);
    assert!(findings.contains("segments 2 to 3"), "{findings}");
    assert_eq!(*outcome(&report, "consistency with the older checkpoint").0, Outcome::Fail);
}

#[test]
fn a_journal_that_was_removed_between_two_runs_is_missed_and_noted() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("audit");
    sealed(&store, 1);
    let (recorder, _) = open(remembered(&store));
    let id = session(&recorder, "agent-1");
    run(&recorder, id, 1, "SELECT 1", 5);
    // As a crash would leave it, once the head outside has caught up.
    let journaled = recorder.health().journaled;
    let noted = |text: String| text.contains(&format!("\"journaled\": {journaled}"));
    while !std::fs::read_to_string(remembered_head(&store)).is_ok_and(noted) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let copy = folder.path().join("copy");
    copy_store(&store, &copy);
    std::fs::copy(remembered_head(&store), remembered_head(&copy)).unwrap();
    drop(recorder);
    assert!(judged(&copy).is_good(), "a crash alone loses nothing");
    for file in std::fs::read_dir(copy.join("journal")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let (named, findings) = (judged(&copy), "remembered head");
    let (named, findings) = outcome(&named, findings);
    assert!(*named == Outcome::Fail && findings.contains("neither segment nor journal"), "{findings}");
    let (recorder, recovery) = open(remembered(&copy));
    assert!(recovery.missing.is_some_and(|what| what.contains("are not there")));
    recorder.close().unwrap();
}
