//! Holds, orders and pruning through the command line, on a store that lies still and on one that is being written.

// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::verify::{Options, Outcome, Report, verify};
use evidence::{LogKey, Recorder, Retention, StoreConfig, VerifierKey};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use support::*;

/// A folder with a store, keys of three people, and a configuration that names two of them.
struct Place {
    folder: tempfile::TempDir,
    people: Vec<VerifierKey>,
}

impl Place {
    fn new(keep: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut people = Vec::new();
        for name in ["ann.example", "bob.example", "eve.example"] {
            let key = LogKey::generate(name).unwrap();
            std::fs::write(folder.path().join(format!("{name}.key")), key.to_text().as_bytes()).unwrap();
            people.push(key.verifier());
        }
        people.pop();
        std::fs::write(folder.path().join("log.key"), key().to_text().as_bytes()).unwrap();
        let text = format!(
            "[store]\npath = \"store\"\norigin = \"{ORIGIN}\"\nsigning_key = {{ file = \"log.key\" }}\nretention = {{ keep = \"{keep}\", signers = [\"{}\", \"{}\"] }}\n",
            people[0], people[1]
        );
        std::fs::write(folder.path().join("affidavit.toml"), text).unwrap();
        Self { folder, people }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn config(&self, keep: Duration) -> StoreConfig {
        let mut config = config(&self.store());
        config.retention = Some(Retention::new(keep, self.people.clone()).unwrap());
        config
    }

    /// Runs `evidence` there.
    fn evidence(&self, words: &str) -> Output {
        let words = words.split(' ').map(|word| word.replace('_', " "));
        Command::new(env!("CARGO_BIN_EXE_evidence")).args(words).current_dir(self.folder.path()).output().unwrap()
    }

    #[track_caller]
    fn good(&self, words: &str) -> String {
        let output = self.evidence(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, words: &str) -> String {
        let output = self.evidence(words);
        assert_eq!(output.status.code(), Some(3), "{words}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    fn check(&self, signers: bool) -> Report {
        let signers = if signers { self.people.clone() } else { Vec::new() };
        verify(&self.store(), &Options { signers, ..Options::new(VerifierKey::parse(&vkey()).unwrap()) }).unwrap()
    }
}

/// Three segments; a session goes through the first two, another through all of them.
fn fill(recorder: &Recorder) {
    let (short, long) = (session(recorder, "agent-short"), session(recorder, "agent-long"));
    for number in 1..=3 {
        run(recorder, long, number, "SELECT name, ssn FROM patients", 3);
        if number < 3 {
            run(recorder, short, number, "SELECT name, ssn FROM patients WHERE id = 1", 2);
        }
        if number == 2 {
            recorder.session_closed(short, "done").unwrap();
        }
        recorder.seal_now().unwrap();
    }
    recorder.session_closed(long, "done").unwrap();
}

fn outcome<'a>(report: &'a Report, name: &str) -> (&'a str, Outcome) {
    let check = report.checks.iter().find(|check| check.name == name).unwrap();
    (&check.note, check.outcome)
}

fn describe(report: &Report) -> String {
    report.failed().map(|check| format!("{}: {:?}", check.name, check.findings)).collect::<Vec<_>>().join("\n")
}

fn parquet(store: &Path, table: &str) -> usize {
    let Ok(dates) = std::fs::read_dir(store.join(table)) else { return 0 };
    dates.flatten().map(|date| std::fs::read_dir(date.path()).unwrap().count()).sum()
}

#[test]
fn two_people_prune_what_is_past_its_time_and_verification_says_so() {
    let place = Place::new("1ms");
    let (recorder, _) = open(place.config(Duration::from_millis(1)));
    fill(&recorder);
    recorder.close().unwrap();
    assert!(place.good("prune --config affidavit.toml").contains("4 segments could go: 1-4"));
    // Everything is past its time; only the first two segments are to go.
    let before = evidence_time(&place, 2);
    place.good(&format!(
        "prune --config affidavit.toml --before {before} --reason six_years --key ann.example.key --out order"
    ));
    let alone = place.refused("order apply order");
    assert!(alone.contains("1 of the two signatures"), "{alone}");
    assert!(place.refused("order sign order --key ann.example.key").contains("signed it already"));
    place.good("order sign order --key eve.example.key");
    assert!(place.refused("order apply order").contains("1 of the two signatures"), "eve is nobody here");
    place.good("order sign order --key bob.example.key");
    assert!(place.good("order show order").contains("segments 1-2"));
    let statements = parquet(&place.store(), "statements");
    let done = place.good("order apply order");
    assert!(done.contains("files") && done.contains("removed"), "{done}");
    assert_eq!(parquet(&place.store(), "statements"), statements - 2);
    assert!(
        place.store().join("segments/seg-00000001.json").exists() && parquet(&place.store(), "policy_versions") > 0
    );
    // Done again, it goes on where it was; nothing new is said in the log.
    assert!(place.good("order apply order").starts_with("0 files"));

    let report = place.check(true);
    assert!(report.is_good(), "{}", describe(&report));
    let (note, what) = outcome(&report, "tombstones and holds");
    assert!(
        what == Outcome::Pass && note.contains("segments 1-2 pruned") && note.contains("ann.example and bob.example"),
        "{note}"
    );
    assert_eq!(
        outcome(&report, "open sessions carried").1,
        Outcome::Pass,
        "it is known again once the long session ends"
    );
    // Without the people's keys from elsewhere their signatures prove nothing, and that is said.
    let report = place.check(false);
    assert!(report.is_good() && outcome(&report, "tombstones and holds").1 == Outcome::NotChecked);
    // What is left is searched, shown and exported.
    // The opening of the long session went with its segment; what it did later is there.
    assert!(place.good("statements --config affidavit.toml --json").contains("statement_id"));
    place.good("export --config affidavit.toml --out package.zip --allow-empty");
    let package = place.folder.path().join("package.zip");
    let options = Options { signers: place.people.clone(), ..Options::new(VerifierKey::parse(&vkey()).unwrap()) };
    let report = verify(&package, &options).unwrap();
    assert!(report.is_good(), "{}", describe(&report));
    // A file that no tombstone stands for is missed as ever.
    let kept = std::fs::read_dir(place.store().join("statements")).unwrap().next().unwrap().unwrap().path();
    let kept = std::fs::read_dir(kept).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(kept).unwrap();
    assert!(place.check(true).failed().any(|check| check.name == "files present"));
}

/// When a segment was sealed, as the next one's beginning.
fn evidence_time(place: &Place, after: u64) -> String {
    let text = std::fs::read_to_string(place.store().join(format!("segments/seg-{:08}.json", after + 1))).unwrap();
    let envelope: serde_json::Value = serde_json::from_str(&text).unwrap();
    use base64::Engine;
    let payload = base64::engine::general_purpose::STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let micros = manifest["predicate"]["time"].as_i64().unwrap();
    let moment = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).unwrap();
    moment.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[test]
fn what_is_young_or_held_stays_and_a_hold_ends_by_two_people() {
    let place = Place::new("3650d");
    let (recorder, _) = open(place.config(Duration::from_secs(3650 * 86_400)));
    fill(&recorder);
    // The store is being written: its writer answers.
    assert!(place.good("hold add --config affidavit.toml --from 2020-01-01 --reason case_7").contains("is in the log"));
    assert!(place.good("prune --config affidavit.toml").contains("0 segments could go"));
    recorder.close().unwrap();

    // Under terms that would let them go, the older promise and the hold keep them.
    let text = std::fs::read_to_string(place.folder.path().join("affidavit.toml")).unwrap();
    std::fs::write(place.folder.path().join("affidavit.toml"), text.replace("3650d", "1ms")).unwrap();
    place.good("seal --config affidavit.toml");
    let said = place.good("prune --config affidavit.toml");
    assert!(said.contains("0 segments could go") && said.contains("1 are past it but under a hold"), "{said}");

    let holds: serde_json::Value =
        serde_json::from_str(&place.good("hold list --config affidavit.toml --json")).unwrap();
    let id = holds[0]["hold"].as_str().unwrap().to_owned();
    assert_eq!(holds[0]["reason"], "case 7");
    place.good(&format!(
        "hold release {id} --config affidavit.toml --reason settled --key bob.example.key --out release"
    ));
    assert!(place.refused("order apply release").contains("1 of the two signatures"));
    place.good("order sign release --key ann.example.key");
    assert!(place.good("order apply release").contains("is released"));
    assert!(place.refused("order apply release").contains("released before"));
    let report = place.check(true);
    assert!(report.is_good(), "{}", describe(&report));
    assert!(place.good("prune --config affidavit.toml").contains("0 are past it but under a hold"));
}

#[test]
fn without_terms_nothing_is_ever_removed() {
    let place = Place::new("1ms");
    let (recorder, _) = open(config(&place.store()));
    fill(&recorder);
    recorder.close().unwrap();
    assert!(place.good("prune --config affidavit.toml").contains("nothing is ever removed"));
    assert!(Retention::new(Duration::from_secs(1), vec![place.people[0].clone()]).is_err());
    assert!(Retention::new(Duration::from_secs(1), vec![place.people[0].clone(); 2]).is_err());
}
