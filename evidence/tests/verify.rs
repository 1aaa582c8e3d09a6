//! A store that nobody touched verifies, and one flipped byte is found out and named, wherever it is.
// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::verify::{Options, Outcome, Report, verify};
use evidence::{PolicyOrigin, VerifierKey};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::*;

fn options() -> Options {
    Options { max_age: Some(3600), ..Options::new(VerifierKey::parse(&vkey()).unwrap()) }
}

fn check(path: &Path) -> Report {
    verify(path, &options()).unwrap()
}

/// Several segments, several sessions, a session across segments, a denial, a policy change.
fn store(path: &Path) {
    let mut config = config(path);
    config.epoch = Duration::from_millis(1);
    let (recorder, _) = open(config.clone());
    let long = session(&recorder, "agent-long");
    for number in 0..3 {
        let id = session(&recorder, &format!("agent-{number}"));
        run(&recorder, id, 1, "SELECT name, ssn FROM patients", 5);
        run(&recorder, id, 2, "SELECT 2", 0);
        run(&recorder, long, number + 1, "SELECT name, ssn FROM patients WHERE id = 1", 1);
        recorder.session_closed(id, "client disconnected").unwrap();
        recorder.seal_now().unwrap();
    }
    let other = "[[mask]]\nname = \"other\"\n";
    recorder.policy_loaded(version(other), other, &PolicyOrigin::default()).unwrap();
    recorder
        .policy_activated(version(other), &PolicyOrigin { author: Some("ann".into()), ..Default::default() })
        .unwrap();
    recorder.session_closed(long, "done").unwrap();
    recorder.close().unwrap();
    let (recorder, _) = open(config);
    let id = session(&recorder, "agent-later");
    run(&recorder, id, 1, "SELECT 3", 2);
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
}

fn describe(report: &Report) -> String {
    let failed = report.failed().map(|check| format!("{}: {:?}", check.name, check.findings));
    failed.collect::<Vec<_>>().join("\n")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_store_that_nobody_touched_verifies() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let report = check(folder.path());
    assert!(report.is_good(), "{}", describe(&report));
    let unchecked: Vec<_> = report.checks.iter().filter(|c| c.outcome == Outcome::NotChecked).map(|c| c.name).collect();
    assert_eq!(unchecked, ["consistency with the older checkpoint", "remembered head"]);
}

#[test]
fn one_flipped_byte_anywhere_is_named() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let all = files(folder.path());
    assert!(all.len() > 30, "{all:?}");
    for path in all {
        let good = std::fs::read(&path).unwrap();
        if good.is_empty() {
            continue;
        }
        for at in [0, good.len() / 3, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 0x01;
            std::fs::write(&path, &bad).unwrap();
            let report = check(folder.path());
            let name = path.strip_prefix(folder.path()).unwrap().display().to_string();
            let last = path.file_name().unwrap().to_str().unwrap();
            let named = report.failed().flat_map(|check| &check.findings).any(|finding| finding.place.contains(last));
            assert!(named, "{name} byte {at}: {}", describe(&report));
        }
        std::fs::write(&path, &good).unwrap();
    }
    assert!(check(folder.path()).is_good());
}

#[test]
fn a_missing_or_added_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    for path in files(folder.path()) {
        if path.file_name().unwrap() == "lock" {
            continue;
        }
        let good = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let report = check(folder.path());
        assert!(!report.is_good(), "{} is gone and nobody noticed", path.display());
        std::fs::write(&path, &good).unwrap();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let twin = path.with_file_name("seg-00000099.parquet");
            std::fs::write(&twin, &good).unwrap();
            let report = check(folder.path());
            assert!(report.failed().any(|check| check.name == "files listed"), "{}", describe(&report));
            std::fs::remove_file(&twin).unwrap();
        }
    }
    assert!(check(folder.path()).is_good());
}

#[test]
fn an_older_checkpoint_tells_an_extended_log_from_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _) = open(config(folder.path()));
    let id = session(&recorder, "agent-1");
    recorder.seal_now().unwrap();
    let old = std::fs::read_to_string(folder.path().join("log/checkpoint")).unwrap();
    run(&recorder, id, 1, "SELECT 1", 1);
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
    let with = |checkpoint: &str, path: &Path| {
        let report = verify(path, &Options { checkpoint: Some(checkpoint.to_owned()), ..options() }).unwrap();
        report.checks.into_iter().find(|check| check.name == "consistency with the older checkpoint").unwrap()
    };
    assert_eq!(with(&old, folder.path()).outcome, Outcome::Pass);
    // The same key signed another log: two heads that disagree.
    let fork = tempfile::tempdir().unwrap();
    store(fork.path());
    assert_eq!(with(&old, fork.path()).outcome, Outcome::Fail);
    let newer = std::fs::read_to_string(fork.path().join("log/checkpoint")).unwrap();
    let cut = with(&newer, folder.path());
    assert!(cut.findings[0].reason.contains("the tail is gone"), "{cut:?}");
}

#[test]
fn another_key_does_not_verify() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let other = evidence::LogKey::generate(ORIGIN).unwrap().verifier();
    let report = verify(folder.path(), &Options { key: other, ..options() }).unwrap();
    let failed: Vec<_> = report.failed().map(|check| check.name).collect();
    assert!(failed.contains(&"log signature") && failed.contains(&"envelope signatures and types"), "{failed:?}");
}

#[test]
fn encrypted_texts_need_a_key_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.body_key = Some(vec![5; 32].into());
    let (recorder, _) = open(config);
    let id = session(&recorder, "agent-1");
    run(&recorder, id, 1, "SELECT 'literal-4711'", 1);
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
    for path in files(folder.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let restricted = path.components().any(|part| part.as_os_str() == "statement_bodies");
        // What an encrypted Parquet file begins and ends with: its footer is encrypted too.
        let encrypted = bytes.starts_with(b"PARE") && bytes.ends_with(b"PARE");
        assert_eq!(restricted, encrypted, "{}", path.display());
    }
    let bodies = |key: Option<Vec<u8>>| {
        let report = verify(folder.path(), &Options { body_key: key.map(Into::into), ..options() }).unwrap();
        report.checks.into_iter().find(|check| check.name == "statement bodies").map(|check| check.outcome).unwrap()
    };
    assert!(check(folder.path()).is_good());
    assert_eq!(bodies(None), Outcome::NotChecked);
    assert_eq!(bodies(Some(vec![5; 32])), Outcome::Pass);
    assert!(!verify(folder.path(), &Options { body_key: Some(vec![6; 32].into()), ..options() }).unwrap().is_good());
}
