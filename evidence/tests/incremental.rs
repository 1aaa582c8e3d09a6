//! Verification against a remembered checkpoint: what it covers is not read again, and that is said.

// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::VerifierKey;
use evidence::verify::{Options, Outcome, Report, verify};
use std::path::Path;
use support::*;

fn since(store: &Path, checkpoint: &str) -> Report {
    let key = VerifierKey::parse(&vkey()).unwrap();
    let checkpoint = Some(checkpoint.to_owned());
    verify(store, &Options { checkpoint, incremental: true, ..Options::new(key) }).unwrap()
}

fn failed(report: &Report) -> Vec<&'static str> {
    report.failed().map(|check| check.name).collect()
}

fn outcome<'a>(report: &'a Report, name: &str) -> (Outcome, &'a str) {
    let check = report.checks.iter().find(|check| check.name == name).unwrap();
    (check.outcome, &check.note)
}

#[test]
fn a_change_after_the_checkpoint_is_found_and_one_before_it_only_by_reading_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path();
    let (recorder, _) = open(config(store));
    let long = session(&recorder, "agent-long");
    let mut remembered = String::new();
    for number in 1..=4 {
        let id = session(&recorder, &format!("agent-{number}"));
        run(&recorder, id, 1, "SELECT name, ssn FROM patients", 5);
        run(&recorder, long, number, "SELECT name, ssn FROM patients WHERE id = 1", 1);
        recorder.session_closed(id, "done").unwrap();
        recorder.seal_now().unwrap();
        if number == 2 {
            remembered = std::fs::read_to_string(store.join("log/checkpoint")).unwrap();
        }
    }
    recorder.session_closed(long, "done").unwrap();
    recorder.close().unwrap();
    let report = since(store, &remembered);
    assert_eq!(failed(&report), Vec::<&str>::new(), "{:?}", report.failed().collect::<Vec<_>>());
    let (read, why) = outcome(&report, "every segment read");
    assert!(read == Outcome::NotChecked && why.contains("segments 1 to 2"), "{why}");
    assert_eq!(outcome(&report, "open sessions carried").0, Outcome::Pass);
    assert_eq!(outcome(&report, "consistency with the older checkpoint").0, Outcome::Pass);

    let file = |segment: u64| {
        let date = std::fs::read_dir(store.join("rows")).unwrap().next().unwrap().unwrap().path();
        date.join(format!("seg-{segment:08}.parquet"))
    };
    let flip = |segment: u64| {
        let mut bytes = std::fs::read(file(segment)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file(segment), bytes).unwrap();
    };
    flip(4);
    assert!(failed(&since(store, &remembered)).contains(&"file hashes"));
    flip(4);
    flip(1);
    assert!(since(store, &remembered).is_good(), "the file of a remembered segment is not read");
    let whole = verify(store, &Options::new(VerifierKey::parse(&vkey()).unwrap())).unwrap();
    assert!(failed(&whole).contains(&"file hashes"));
    flip(1);
    // One that is gone or of another size is noticed without reading.
    let bytes = std::fs::read(file(1)).unwrap();
    std::fs::write(file(1), &bytes[1..]).unwrap();
    assert!(failed(&since(store, &remembered)).contains(&"file hashes"));
    std::fs::remove_file(file(1)).unwrap();
    assert!(failed(&since(store, &remembered)).contains(&"files present"));
    std::fs::write(file(1), &bytes).unwrap();
    // A checkpoint of another history remembers nothing.
    let forged = remembered.replace(remembered.lines().nth(2).unwrap(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let report = since(store, &forged);
    assert!(failed(&report).contains(&"consistency with the older checkpoint"));
    assert_eq!(outcome(&report, "every segment read").0, Outcome::Pass, "nothing is skipped on its word");
}
