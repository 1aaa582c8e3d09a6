//! Stores of earlier formats: read, verified, exported and continued by this program.
// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::VerifierKey;
use evidence::verify::{Options, verify};
use std::path::Path;
use std::process::Command;
use support::*;

fn good(path: &Path) {
    let report = verify(path, &Options::new(VerifierKey::parse(&vkey()).unwrap())).unwrap();
    assert!(report.is_good(), "{}: {:?}", path.display(), report.failed().collect::<Vec<_>>());
}

fn first() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_store(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/first"), &folder.path().join("store"));
    folder
}

fn evidence(args: &[&str], store: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_evidence")).args(args).arg("--store").arg(store).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn statements(store: &Path) -> Vec<serde_json::Value> {
    serde_json::from_str(&evidence(&["statements", "--json"], store)).unwrap()
}

#[test]
fn a_store_of_the_first_format_is_read_verified_and_continued() {
    let folder = first();
    let store = folder.path().join("store");
    good(&store);
    let before = statements(&store);
    assert_eq!(before.len(), 10);
    assert!(before.iter().all(|statement| statement["schema_version"] == 1 && statement["sql_normalized"] != ""));
    let (recorder, _) = open(config(&store));
    let id = session(&recorder, "agent-new");
    run(&recorder, id, 1, "SELECT name, ssn FROM patients", 3);
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
    good(&store);
    let after = statements(&store);
    assert_eq!(after.len(), 11);
    let newest = after.last().unwrap();
    assert_eq!((&newest["schema_version"], &newest["user_id"]), (&3.into(), &"agent-new".into()));
    assert!(evidence(&["statements", "--csv"], &store).lines().count() >= 12);
}

#[test]
fn packages_of_mixed_formats_verify_whole_and_cut() {
    let folder = first();
    let store = folder.path().join("store");
    let (recorder, _) = open(config(&store));
    let id = session(&recorder, "agent-1");
    run(&recorder, id, 1, "SELECT name, ssn FROM patients", 3);
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
    for (number, filters) in
        [&["--with-bodies"][..], &["--identity", "agent-1", "--with-bodies"]].into_iter().enumerate()
    {
        let out = folder.path().join(format!("{number}.zip"));
        let mut args = vec!["export", "--out", out.to_str().unwrap()];
        args.extend(filters);
        evidence(&args, &store);
        let options = Options { unsigned: true, ..Options::new(VerifierKey::parse(&vkey()).unwrap()) };
        let report = verify(&out, &options).unwrap();
        assert!(report.is_good(), "{filters:?}: {:?}", report.failed().collect::<Vec<_>>());
    }
}
