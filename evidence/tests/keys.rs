//! The log's key: handed over to another, and held by a program elsewhere that may misbehave.

// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::verify::{Options, Report, verify};
use evidence::{LogKey, Recorder, SigningKeySource, StoreConfig, VerifierKey};
use std::path::Path;
use std::process::{Command, Output};
use support::*;

fn check(store: &Path, key: &str) -> Report {
    verify(store, &Options::new(VerifierKey::parse(key).unwrap())).unwrap()
}

fn describe(report: &Report) -> String {
    report.failed().map(|check| format!("{}: {:?}", check.name, check.findings)).collect::<Vec<_>>().join("\n")
}

fn fill(config: StoreConfig, number: u64) {
    let (recorder, _) = open(config);
    let id = session(&recorder, &format!("agent-{number}"));
    run(&recorder, id, 1, "SELECT name, ssn FROM patients", 3);
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
}

fn evidence(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evidence")).args(words).current_dir(folder).output().unwrap()
}

fn configure(folder: &Path, key: &str) {
    let text = format!("[store]\npath = \"store\"\norigin = \"{ORIGIN}\"\nsigning_key = {key}\n");
    std::fs::write(folder.join("affidavit.toml"), text).unwrap();
}

#[test]
fn a_rotated_log_is_followed_from_the_first_key_and_from_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    std::fs::write(folder.path().join("log.key"), key().to_text().as_bytes()).unwrap();
    configure(folder.path(), "{ file = \"log.key\" }");
    let (recorder, _) = open(config(&store));
    let live = evidence(folder.path(), &["keys", "rotate", "--out", "second.key"]);
    assert!(!live.status.success() && String::from_utf8_lossy(&live.stderr).contains("stop the proxy"));
    recorder.close().unwrap();
    fill(config(&store), 1);
    let older = std::fs::read_to_string(store.join("log/checkpoint")).unwrap();

    let mut keys = vec![vkey()];
    for number in 2..=3u64 {
        let out = format!("key-{number}");
        let done = evidence(folder.path(), &["keys", "rotate", "--out", &out]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        keys.push(String::from_utf8(done.stdout).unwrap().trim().to_owned());
        // Between the keys: the store verifies, and the old key opens it no more.
        assert!(check(&store, &vkey()).is_good(), "{}", describe(&check(&store, &vkey())));
        let refused = Recorder::open(config(&store)).map(drop).unwrap_err().to_string();
        assert!(refused.contains("rotated to") || refused.contains("not signed by the configured key"), "{refused}");
        configure(folder.path(), &format!("{{ file = \"{out}\" }}"));
        let text = std::fs::read_to_string(folder.path().join(&out)).unwrap();
        let mut next = config(&store);
        next.signing_key = SigningKeySource::Text { text: text.into(), origin: out };
        fill(next, number);
    }
    for key in &keys {
        let report = check(&store, key);
        assert!(report.is_good(), "{key}: {}", describe(&report));
    }
    let stranger = LogKey::generate(ORIGIN).unwrap().verifier().to_string();
    assert!(check(&store, &stranger).failed().any(|check| check.name == "log signature"));
    // A checkpoint that was kept under the first key still counts.
    let options = Options { checkpoint: Some(older), ..Options::new(VerifierKey::parse(&keys[2]).unwrap()) };
    let report = verify(&store, &options).unwrap();
    assert!(report.is_good(), "{}", describe(&report));
    // A package is signed by the key of the day.
    let done = evidence(folder.path(), &["export", "--config", "affidavit.toml", "--out", "package.zip"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report = check(&folder.path().join("package.zip"), &vkey());
    assert!(report.is_good(), "{}", describe(&report));
}

/// A program that has the key, in a file of the folder; `obey` is a shell condition under which it signs.
fn program(folder: &Path, obey: &str) -> Vec<String> {
    let script = folder.join("sign.sh");
    // What a hardware module does is done here by openssl with a PKCS#8 file.
    let text = format!(
        "#!/bin/sh\ncase $1 in\nvkey) echo '{}';;\nsign) cat > {dir}/message; {obey} || {{ echo 'no quorum' >&2; exit 9; }}\n openssl pkeyutl -sign -inkey {dir}/key.der -keyform DER -rawin -in {dir}/message | base64 -w0;;\nesac\n",
        vkey(),
        dir = folder.display()
    );
    std::fs::write(&script, text).unwrap();
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend_from_slice(&[7; 32]);
    std::fs::write(folder.join("key.der"), der).unwrap();
    vec!["sh".to_owned(), script.display().to_string()]
}

#[test]
fn a_program_signs_the_log_and_nothing_is_lost_while_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let argv = program(folder.path(), &format!("[ ! -e {}/closed ]", folder.path().display()));
    let mut outside = config(&store);
    outside.signing_key = SigningKeySource::Command { argv };
    let (recorder, _) = open(outside.clone());
    let id = session(&recorder, "agent-1");
    run(&recorder, id, 1, "SELECT name, ssn FROM patients", 3);
    recorder.seal_now().unwrap();
    // The module is locked: sealing fails with its own words, recording goes on.
    std::fs::write(folder.path().join("closed"), "").unwrap();
    run(&recorder, id, 2, "SELECT name, ssn FROM patients", 3);
    let refused = recorder.seal_now().unwrap_err().to_string();
    assert!(refused.contains("no quorum"), "{refused}");
    assert!(!recorder.health().is_good());
    run(&recorder, id, 3, "SELECT name, ssn FROM patients", 3);
    assert!(Recorder::open(outside.clone()).is_err(), "the store is held");
    // It is unlocked: everything is sealed, in order.
    std::fs::remove_file(folder.path().join("closed")).unwrap();
    recorder.seal_now().unwrap();
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
    let report = check(&store, &vkey());
    assert!(report.is_good(), "{}", describe(&report));
    let shown = evidence(folder.path(), &["show", &id.to_string(), "--store", "store", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["statements"].as_array().unwrap().len(), 3);
    // The command line understands the same setting.
    let script = folder.path().join("sign.sh");
    configure(folder.path(), &format!("{{ command = [\"sh\", \"{}\"] }}", script.display()));
    let done = evidence(folder.path(), &["seal"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report = check(&store, &vkey());
    assert!(report.is_good(), "{}", describe(&report));
}
