//! No false alarm: ten thousand sessions that nobody touched, with kills, epoch and key rotations, policy changes, reviews
//! and holds between them, verify without a finding. `EVIDENCE_SESSIONS=N` changes the number.

// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::verify::{Options, Outcome, verify};
use evidence::{AccessEvent, PolicyOrigin, Recorder, SigningKeySource, VerifierKey};
use model::{PolicyVersion, StatementId, Verdict};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::*;

fn policy(number: u64) -> String {
    format!("[[mask]]\nname = \"rule {number}\"\ncolumns = [\"*.*.patients.ssn\"]\nwith = \"redact\"\n")
}

fn activate(recorder: &Recorder, number: u64) -> PolicyVersion {
    let text = policy(number);
    recorder.policy_loaded(version(&text), &text, &PolicyOrigin::default()).unwrap();
    recorder.policy_activated(version(&text), &PolicyOrigin::default()).unwrap();
    version(&text)
}

/// Not a test of its own: the process that gets killed. It prints a line for each session that it has recorded.
#[test]
fn child() {
    let Ok(path) = std::env::var("EVIDENCE_TEN_STORE") else { return };
    let mut config = config(Path::new(&path));
    let text = std::fs::read_to_string(std::env::var("EVIDENCE_TEN_KEY").unwrap()).unwrap();
    config.signing_key = SigningKeySource::Text { text: text.into(), origin: "test".to_owned() };
    config.segment.age = Duration::from_millis(400);
    config.epoch = Duration::from_millis(900);
    config.heads = Duration::from_millis(100);
    let (recorder, _) = Recorder::open(config).unwrap();
    let mut out = std::io::stdout().lock();
    for number in 0.. {
        // A change of policy between sessions, and sometimes in the middle of one.
        let mut policy = activate(&recorder, number / 97);
        let id = evidence::new_session_id();
        recorder.session_opened(&info(id, &format!("agent-{}", number % 40)), policy).unwrap();
        for statement in 1..=number % 4 {
            if number % 97 == 50 && statement == 2 {
                policy = activate(&recorder, number / 97 + 1000);
            }
            let sql = format!("SELECT name, ssn FROM patients WHERE id = {number}");
            let verdict = Verdict { policy, ..verdict() };
            recorder.intent(id, &support::statement(statement, &sql), &verdict, None).unwrap();
            recorder
                .columns(id, StatementId(statement), 0, &[text_column("name"), text_column("ssn")], &[], &[])
                .unwrap();
            let row = data_row(&[Some("someone"), Some("***")]);
            recorder.rows(id, StatementId(statement), 0, &model::RowLayout::Framed, 1, &row).unwrap();
            recorder.done(id, StatementId(statement), &completed(1), true).unwrap();
        }
        if number % 500 == 250 {
            let (actor, action, scope) = ("os:ann".to_owned(), "reviewed".to_owned(), "all".to_owned());
            let finding = Some("nothing odd".to_owned());
            recorder.accessed(&AccessEvent { actor, action, scope, finding, package_hash: None }).unwrap();
        }
        // Some are left open: the kill or the next start ends them.
        if number % 13 != 5 {
            recorder.session_closed(id, "done").unwrap();
        }
        writeln!(out, "session").unwrap();
        if number % 64 == 0 {
            out.flush().unwrap();
        }
    }
}

/// Records about `many` sessions, then kills the process. Returns how many were seen.
fn killed(store: &Path, key: &Path, many: usize) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("EVIDENCE_TEN_STORE", store)
        .env("EVIDENCE_TEN_KEY", key)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).filter(|line| line.ends_with("session")).take(many).count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen, many, "the process ended by itself");
    seen
}

#[test]
fn ten_thousand_untouched_sessions_raise_no_alarm() {
    let wanted: usize = std::env::var("EVIDENCE_SESSIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let folder = tempfile::tempdir().unwrap();
    let (store, mut key_file) = (folder.path().join("store"), folder.path().join("key-0"));
    std::fs::write(&key_file, key().to_text().as_bytes()).unwrap();
    let kills = 8;
    for round in 0..kills {
        killed(&store, &key_file, wanted / kills + 1);
        if round % 3 == 1 {
            let next = format!("key-{round}");
            let toml = format!(
                "[store]\npath = \"store\"\norigin = \"{ORIGIN}\"\nsigning_key = {{ file = \"{}\" }}\n",
                key_file.display()
            );
            std::fs::write(folder.path().join("affidavit.toml"), toml).unwrap();
            let done = Command::new(env!("CARGO_BIN_EXE_evidence"))
                .args(["keys", "rotate", "--out", &next])
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            key_file = folder.path().join(next);
        }
    }
    let mut last = config(&store);
    let text = std::fs::read_to_string(&key_file).unwrap();
    last.signing_key = SigningKeySource::Text { text: text.into(), origin: "test".to_owned() };
    Recorder::open(last).unwrap().0.close().unwrap();
    let options = Options { max_age: Some(3600), ..Options::new(VerifierKey::parse(&vkey()).unwrap()) };
    let report = verify(&store, &options).unwrap();
    let findings: Vec<_> = report.failed().collect();
    assert!(report.is_good(), "{findings:?}");
    let unchecked: Vec<_> = report.checks.iter().filter(|c| c.outcome == Outcome::NotChecked).map(|c| c.name).collect();
    assert_eq!(unchecked, ["consistency with the older checkpoint", "remembered head"]);
    let note = &report.checks.iter().find(|check| check.name == "session ids unique").unwrap().note;
    let sessions: usize = note.split(' ').next().unwrap().parse().unwrap();
    assert!(sessions >= wanted, "{note}");
}
