//! The journal is evidence before it is sealed: what somebody changes in it while the proxy runs, or after it was killed, is
//! never sealed as true, and is named for good. A kill alone is no alarm.
// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use evidence::verify::{Options, Outcome, verify};
use evidence::{Recorder, Recovery, VerifierKey, remembered_head};
use std::path::Path;
use support::journal::{config, forge, frames, journal, killed, wait_for_head};
use support::{copy_store, open, run, session, vkey};

/// How the check of the journal ended, and what it says.
fn judged(store: &Path) -> (Outcome, String) {
    judged_by(store, false)
}

fn judged_by(store: &Path, remembered: bool) -> (Outcome, String) {
    let mut options = Options::new(VerifierKey::parse(&vkey()).unwrap());
    options.head = remembered.then(|| remembered_head(store));
    let report = verify(store, &options).unwrap();
    let others: Vec<_> =
        report.failed().filter(|check| !["journal", "remembered head"].contains(&check.name)).collect();
    assert!(others.is_empty(), "{others:?}");
    let check = report.checks.iter().find(|check| check.name == "journal").unwrap();
    (check.outcome, format!("{} {:?}", check.note, check.findings))
}

fn reopened(store: &Path) -> Recovery {
    let (recorder, recovery) = Recorder::open(config(store)).unwrap();
    recorder.close().unwrap();
    recovery
}

/// Who is on record.
fn people(store: &Path) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_evidence"))
        .args(["sessions", "--json", "--store"])
        .arg(store)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_kill_alone_is_no_alarm_and_what_no_head_covers_is_called_unproven() {
    let folder = tempfile::tempdir().unwrap();
    let store = killed(folder.path());
    let (outcome, note) = judged(&store);
    assert!(outcome == Outcome::NotChecked && note.contains("follow the last signed head"), "{note}");
    let recovery = reopened(&store);
    let (first, last) = recovery.unproven.unwrap();
    assert!(recovery.lost.is_empty() && recovery.missing.is_none() && last > first, "{recovery:?}");
    let (outcome, note) = judged(&store);
    assert!(outcome == Outcome::Pass && note.contains("sealed unproven"), "{note}");
    assert!(people(&store).contains("unproven") && people(&store).contains("mallory1"));
    let shown = std::process::Command::new(env!("CARGO_BIN_EXE_evidence"))
        .args(["statements", "--json", "--store"])
        .arg(&store)
        .output()
        .unwrap();
    let shown: Vec<serde_json::Value> = serde_json::from_slice(&shown.stdout).unwrap();
    let said: Vec<bool> = shown.iter().map(|statement| statement["proven"] == serde_json::json!(false)).collect();
    assert_eq!(said, [false, false, true], "{shown:?}");
    // Nothing is left of it in the next start.
    assert_eq!(reopened(&store).unproven, None);
}

#[test]
fn what_is_edited_while_the_proxy_runs_is_not_sealed_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("audit");
    let (recorder, _) = open(config(&store));
    let talk = |who: &str| {
        let id = session(&recorder, who);
        (1..=40).for_each(|number| run(&recorder, id, number, &format!("SELECT '{who}'"), 1));
        recorder.session_closed(id, "done").unwrap();
    };
    ["before-1", "mallory1", "after-01"].into_iter().for_each(talk);
    forge(&journal(&store)[0], "mallory1", "innocent");
    recorder.seal_now().unwrap();
    talk("later-01");
    recorder.seal_now().unwrap();
    recorder.close().unwrap();
    let (outcome, findings) = judged(&store);
    assert!(outcome == Outcome::Fail && findings.contains("are not what was taken"), "{findings}");
    let people = people(&store);
    assert!(!people.contains("innocent"), "{people}");
    for kept in ["before-1", "later-01"] {
        assert!(people.contains(kept), "{kept}: {people}");
    }
    let kept = std::fs::read_dir(store.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    assert!(kept.into_iter().any(|path| std::fs::read(path).unwrap().windows(8).any(|w| w == b"innocent")));
}

#[test]
fn a_journal_that_is_removed_or_exchanged_while_the_proxy_runs_is_sealed_as_it_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("audit");
    let (recorder, _) = open(config(&store));
    let id = session(&recorder, "mallory1");
    run(&recorder, id, 1, "SELECT 1", 3);
    let files = journal(&store);
    let other = std::fs::read(&files[0]).unwrap();
    std::fs::remove_file(&files[0]).unwrap();
    std::fs::write(&files[0], other).unwrap();
    forge(&files[0], "mallory1", "innocent");
    run(&recorder, id, 2, "SELECT 2", 3);
    recorder.session_closed(id, "done").unwrap();
    recorder.seal_now().unwrap();
    recorder.close().unwrap();
    assert_eq!(judged(&store).0, Outcome::Pass);
    assert!(people(&store).contains("mallory1") && !people(&store).contains("innocent"));
}

/// What is done to a store after a kill, and whether it is told without the head outside.
type Attack = (&'static str, bool, fn(&Path));

const ATTACKS: [Attack; 9] = [
    ("a name is changed", true, |store| forge(journal(store).last().unwrap(), "mallory1", "innocent")),
    ("a name is changed, and no checksum mended", true, |store| {
        let path = journal(store).pop().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(8).position(|window| window == b"mallory1").unwrap();
        bytes[at..at + 8].copy_from_slice(b"innocent");
        std::fs::write(&path, bytes).unwrap();
    }),
    ("the last frames are zeros", true, |store| {
        let path = journal(store).pop().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let all = frames(&bytes);
        let from = all[all.len() / 2].0;
        bytes[from..].fill(0);
        std::fs::write(&path, bytes).unwrap();
    }),
    ("a frame in the middle is gone", true, |store| {
        let path = journal(store).pop().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let mallory = bytes.windows(8).position(|window| window == b"mallory1").unwrap();
        let (at, size) = *frames(&bytes).iter().find(|(at, _)| *at > mallory).unwrap();
        bytes.drain(at..at + size);
        std::fs::write(&path, bytes).unwrap();
    }),
    ("the journal is gone", true, |store| {
        journal(store).iter().for_each(|path| std::fs::remove_file(path).unwrap());
    }),
    ("the journal and its heads are gone", true, |store| {
        std::fs::remove_dir_all(store.join("journal")).unwrap();
        std::fs::remove_file(store.join("log/head")).unwrap();
    }),
    ("the heads are gone, and a name is changed", true, |store| {
        std::fs::remove_file(store.join("log/head")).unwrap();
        forge(journal(store).last().unwrap(), "mallory1", "innocent");
    }),
    ("the journal is another store's", true, |store| {
        let other = store.with_extension("other");
        let (recorder, _) = open(config(&other));
        let id = session(&recorder, "innocent");
        (1..=9).for_each(|number| run(&recorder, id, number, "SELECT 1", 3));
        let from = journal(&other).pop().unwrap();
        std::fs::copy(from, journal(store).pop().unwrap()).unwrap();
    }),
    ("the newest heads are gone, and with them what they cover", false, |store| {
        let text = std::fs::read_to_string(store.join("log/head")).unwrap();
        let first = text.lines().next().unwrap();
        std::fs::write(store.join("log/head"), format!("{first}\n")).unwrap();
        for path in journal(store) {
            let mut bytes = std::fs::read(&path).unwrap();
            let from = frames(&bytes).get(8).map_or(64, |(at, _)| *at);
            bytes[from..].fill(0);
            std::fs::write(&path, bytes).unwrap();
        }
    }),
];

#[test]
fn every_change_after_a_kill_is_named_before_and_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let untouched = killed(folder.path());
    for (number, (name, told, attack)) in ATTACKS.into_iter().enumerate() {
        let store = folder.path().join(number.to_string()).join("audit");
        copy_store(&untouched, &store);
        std::fs::copy(remembered_head(&untouched), remembered_head(&store)).unwrap();
        attack(&store);
        // Who cuts the heads along with what they cover is told by what lies outside of the store alone.
        let (outcome, findings) = judged_by(&store, !told);
        assert_eq!(outcome, Outcome::Fail, "{name}, before: {findings}");
        let mut config = config(&store);
        config.head = (!told).then(|| remembered_head(&store));
        let (recorder, recovery) = Recorder::open(config).unwrap();
        recorder.close().unwrap();
        assert!(!recovery.lost.is_empty() || recovery.missing.is_some(), "{name}: {recovery:?}");
        let (outcome, findings) = judged(&store);
        assert_eq!(outcome, Outcome::Fail, "{name}, after: {findings}");
        let people = people(&store);
        assert!(!people.contains("innocent") || name.starts_with("the heads are gone"), "{name}: {people}");
        assert!(people.contains("sealed-1"), "{name}: {people}");
        // It stays said, and nothing is said twice.
        assert_eq!((reopened(&store).lost, judged(&store).0), (Vec::new(), Outcome::Fail), "{name}");
    }
}

#[test]
fn an_older_journal_in_place_of_the_newer_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let (recorder, _) = open(config(&live));
    let id = session(&recorder, "mallory1");
    run(&recorder, id, 1, "SELECT 1", 2);
    wait_for_head(&recorder, &live);
    let older = folder.path().join("older");
    copy_store(&live.join("journal"), &older);
    run(&recorder, id, 2, "SELECT 2", 2);
    wait_for_head(&recorder, &live);
    let store = folder.path().join("audit");
    copy_store(&live, &store);
    std::fs::remove_dir_all(store.join("journal")).unwrap();
    copy_store(&older, &store.join("journal"));
    let (outcome, findings) = judged(&store);
    assert!(outcome == Outcome::Fail && findings.contains("are not what was taken"), "{findings}");
    let recovery = reopened(&store);
    assert_eq!(recovery.lost.len(), 1, "{recovery:?}");
    assert_eq!(judged(&store).0, Outcome::Fail);
}
