//! `kill -9` in the middle: every record that was acknowledged is in the store afterwards, and the store verifies.
// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::verify::{Options, verify};
use evidence::{Durability, Recorder, VerifierKey};
use model::SessionId;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::*;

/// Not a test of its own: the process that gets killed. It prints each statement once it is acknowledged.
#[test]
fn child() {
    let Ok(path) = std::env::var("EVIDENCE_CRASH_STORE") else { return };
    let mut config = config(Path::new(&path));
    if std::env::var("EVIDENCE_CRASH_STRICT").is_ok() {
        config.durability = Durability::Strict;
    }
    config.segment.age = Duration::from_millis(50);
    config.epoch = Duration::from_millis(120);
    config.heads = Duration::from_millis(30);
    let (recorder, _) = open(config);
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let recorder = recorder.clone();
            std::thread::spawn(move || {
                for number in 0.. {
                    let id = session(&recorder, &format!("agent-{thread}"));
                    for statement in 1..=20 {
                        let sql = format!("SELECT {number} AS mark_{thread}_{number}_{statement}");
                        run(&recorder, id, statement, &sql, statement % 4);
                        use std::io::Write;
                        let mut out = std::io::stdout().lock();
                        writeln!(out, "ack {id} {statement}").unwrap();
                        out.flush().unwrap();
                    }
                    recorder.session_closed(id, "done").unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn crash(path: &Path, after: Duration, strict: bool) -> Vec<(String, i64)> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env("EVIDENCE_CRASH_STORE", path).stdout(Stdio::piped());
    if strict {
        command.env("EVIDENCE_CRASH_STRICT", "1");
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (first, seen) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = lines.map_while(Result::ok);
        let acks = lines.filter_map(|line| {
            let mut words = line.split("ack ").nth(1)?.split(' ').map(str::to_owned);
            let _ = first.send(());
            Some((words.next()?, words.next()?.parse().ok()?))
        });
        acks.collect::<Vec<(String, i64)>>()
    });
    // Counted from the first one: opening may take long where the disk is slow.
    seen.recv_timeout(Duration::from_secs(60)).unwrap();
    std::thread::sleep(after);
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Statements in the store, by session and number.
fn recorded(path: &Path) -> std::collections::BTreeSet<(String, i64)> {
    let output = Command::new(env!("CARGO_BIN_EXE_evidence"))
        .args(["statements", "--json", "--store"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    all.iter()
        .map(|record| (record["session_id"].as_str().unwrap().to_owned(), record["statement_id"].as_i64().unwrap()))
        .collect()
}

#[test]
fn every_acknowledged_statement_survives_kill_9_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for (round, millis) in [400, 730, 310, 900, 555].into_iter().enumerate() {
        acknowledged.extend(crash(folder.path(), Duration::from_millis(millis), round % 2 == 1));
        let unsealed = recorded(folder.path());
        let missing: Vec<_> = acknowledged.iter().filter(|ack| !unsealed.contains(ack)).collect();
        assert!(missing.is_empty(), "round {round}, before recovery: {missing:?}");
        // Having crashed is not being damaged.
        let report = verify(folder.path(), &Options::new(VerifierKey::parse(&vkey()).unwrap())).unwrap();
        assert!(report.is_good(), "round {round}: {:?}", report.failed().collect::<Vec<_>>());
    }
    assert!(acknowledged.len() > 200, "only {} statements were acknowledged", acknowledged.len());
    let (recorder, recovery) = Recorder::open(config(folder.path())).unwrap();
    assert!(recovery.sessions > 0, "{recovery:?}");
    recorder.close().unwrap();
    let sealed = recorded(folder.path());
    let missing: Vec<_> = acknowledged.iter().filter(|ack| !sealed.contains(ack)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let options = Options::new(VerifierKey::parse(&vkey()).unwrap());
    let report = verify(folder.path(), &options).unwrap();
    let failed: Vec<_> = report.failed().collect();
    assert!(report.is_good(), "{failed:?}");
}

#[test]
fn what_was_open_is_recorded_as_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _) = open(config(folder.path()));
    let id: SessionId = session(&recorder, "agent-1");
    run(&recorder, id, 1, "SELECT 1", 1);
    recorder.intent(id, &statement(2, "SELECT pg_sleep(100)"), &verdict(), None).unwrap();
    // A crash, as far as the store can tell: nothing is closed or sealed.
    let copy = tempfile::tempdir().unwrap();
    copy_store(folder.path(), copy.path());
    drop(recorder);
    let (recorder, recovery) = Recorder::open(config(copy.path())).unwrap();
    assert_eq!((recovery.sessions, recovery.statements), (1, 1));
    recorder.close().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_evidence"))
        .args(["show", &id.to_string(), "--json", "--store"])
        .arg(copy.path())
        .output()
        .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["statements"][0]["status"], "completed");
    assert_eq!(shown["statements"][0]["rows"][0]["values"], serde_json::json!(["row 0 of 1", "***"]));
    assert_eq!(shown["statements"][1]["status"], "interrupted");
    assert_eq!(shown["session"]["event"], "close");
}
