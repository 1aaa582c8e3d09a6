//! Packages: what is exported verifies, whole and filtered; what is changed in it is found out.

// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::VerifierKey;
use evidence::verify::{Options, Report, verify};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::*;

fn check(path: &Path) -> Report {
    let key = VerifierKey::parse(&vkey()).unwrap();
    verify(path, &Options::new(key)).unwrap()
}

fn failed(report: &Report) -> Vec<&'static str> {
    report.failed().map(|check| check.name).collect()
}

/// Four segments; a session that goes through all of them.
fn store(path: &Path) {
    let (recorder, _) = open(config(path));
    let long = session(&recorder, "agent-long");
    for number in 0..4 {
        let id = session(&recorder, &format!("agent-{number}"));
        run(&recorder, id, 1, "SELECT name, ssn FROM patients", 5);
        run(&recorder, long, number + 1, "SELECT name, ssn FROM patients WHERE name = '<script>'", 1);
        recorder.session_closed(id, "client disconnected").unwrap();
        recorder.seal_now().unwrap();
    }
    recorder.session_closed(long, "done").unwrap();
    recorder.close().unwrap();
}

/// Exports, signed by the log's key.
fn export(folder: &Path, filters: &[&str]) -> PathBuf {
    let config = folder.join("affidavit.toml");
    std::fs::write(folder.join("log.key"), key().to_text().as_bytes()).unwrap();
    let text = format!("[store]\npath = \"store\"\norigin = \"{ORIGIN}\"\nsigning_key = {{ file = \"log.key\" }}\n");
    std::fs::write(&config, text).unwrap();
    let out = folder.join(format!("package-{}.zip", filters.join("").replace('/', "")));
    let output = Command::new(env!("CARGO_BIN_EXE_evidence"))
        .args(["export", "--config"])
        .arg(&config)
        .arg("--out")
        .arg(&out)
        .args(filters)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out
}

#[test]
fn whole_and_filtered_packages_verify() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder.path().join("store"));
    for filters in [vec!["--with-bodies"], vec![], vec!["--identity", "agent-2"], vec!["--identity", "agent-long"]] {
        let report = check(&export(folder.path(), &filters));
        let findings: Vec<_> = report.failed().collect();
        assert!(report.is_good(), "{filters:?}: {findings:?}");
    }
}

#[test]
fn a_flipped_byte_anywhere_in_a_package_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder.path().join("store"));
    let package = export(folder.path(), &["--with-bodies"]);
    let good = std::fs::read(&package).unwrap();
    let whole = folder.path().join("whole.zip");
    std::fs::copy(&package, &whole).unwrap();
    for at in (0..good.len()).step_by(good.len() / 20) {
        let mut bad = good.clone();
        bad[at] ^= 0x01;
        std::fs::write(&package, &bad).unwrap();
        let key = VerifierKey::parse(&vkey()).unwrap();
        let options = Options::new(key);
        // An archive that cannot be read at all is an error, never a pass.
        if let Ok(report) = verify(&package, &options) {
            // What only the ZIP format cares about (a version, a time of day) changes no file.
            if report.is_good() {
                // Python compares the name before a file with the one in the directory, and refuses when they differ: noticed.
                let same = "import sys, zipfile\na, b = map(zipfile.ZipFile, sys.argv[1:])\ntry:\n    theirs = {n: b.read(n) for n in b.namelist()}\nexcept zipfile.BadZipFile:\n    sys.exit()\nassert {n: a.read(n) for n in a.namelist()} == theirs";
                run_python(same, &[&whole, &package]);
            }
        }
    }
}

/// Takes a package apart, changes it, and puts it together again with all of the bag's hashes right.
fn repack(package: &Path, change: &dyn Fn(&Path)) -> PathBuf {
    let folder = package.with_extension("unpacked");
    let out = package.with_extension("repacked.zip");
    let _ = std::fs::remove_dir_all(&folder);
    let _ = std::fs::remove_file(&out);
    run_python("import sys, zipfile\nzipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])", &[package, &folder]);
    change(&folder);
    let script = "
import sys, os, hashlib, zipfile
root, out = sys.argv[1:]
names = sorted(os.path.relpath(os.path.join(d, f), root) for d, _, fs in os.walk(root) for f in fs)
def put(name, text):
    open(os.path.join(root, name), 'w').write(text)
for a in ('sha256', 'sha512'):
    put(f'manifest-{a}.txt', ''.join(f'{hashlib.new(a, open(os.path.join(root, n), \"rb\").read()).hexdigest()}  {n}\\n' for n in names if n.startswith('data/')))
for a in ('sha256', 'sha512'):
    put(f'tagmanifest-{a}.txt', ''.join(f'{hashlib.new(a, open(os.path.join(root, n), \"rb\").read()).hexdigest()}  {n}\\n' for n in ['bag-info.txt', 'bagit.txt', 'manifest-sha256.txt', 'manifest-sha512.txt']))
with zipfile.ZipFile(out, 'w') as z:
    for n in names:
        info = zipfile.ZipInfo(n)
        info.external_attr = 0o100644 << 16
        z.writestr(info, open(os.path.join(root, n), 'rb').read())
";
    run_python(script, &[&folder, &out]);
    out
}

fn run_python(script: &str, args: &[&Path]) {
    let output = Command::new("python3").arg("-c").arg(script).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_changed_with_all_hashes_mended_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder.path().join("store"));
    let package = export(folder.path(), &[]);
    let edit = |name: &'static str, from: &'static str, to: &'static str| {
        failed(&check(&repack(&package, &move |bag| {
            let path = bag.join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{name} does not contain {from}");
            std::fs::write(path, text.replace(from, to)).unwrap();
        })))
    };
    let derived = "report and CSV derived from the originals";
    assert_eq!(failed(&check(&repack(&package, &|_| ()))), Vec::<&str>::new(), "re-packing alone changes nothing");
    for changed in [
        edit("data/report.html", "agent-long", "agent-none"),
        edit("data/csv/statements.csv", "completed", "cancelled"),
        edit("data/scope.json", "\"population\": 5", "\"population\": 4"),
    ] {
        assert!(changed.contains(&derived) && changed.contains(&"package signature"), "{changed:?}");
    }
    let added = failed(&check(&repack(&package, &|bag| {
        std::fs::create_dir_all(bag.join("data/store/rows/date=2020-01-01")).unwrap();
        std::fs::write(bag.join("data/store/rows/date=2020-01-01/seg-00000001.parquet"), b"PAR1").unwrap();
    })));
    assert!(added.contains(&"files listed"), "{added:?}");
    let proof = failed(&check(&repack(&package, &|bag| {
        let path = std::fs::read_dir(bag.join("data/proofs")).unwrap().next().unwrap().unwrap().path();
        let mut proof: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        proof["log_path"].as_array_mut().unwrap().push("00".repeat(32).into());
        std::fs::write(path, proof.to_string()).unwrap();
    })));
    assert!(proof.contains(&"session proofs"), "{proof:?}");
    // An attacker's own key inside the package convinces nobody.
    let key = failed(&check(&repack(&package, &|bag| {
        let path = bag.join("data/store/store.json");
        let other = evidence::LogKey::generate(ORIGIN).unwrap().verifier().to_string();
        let text = std::fs::read_to_string(&path).unwrap().replace(&vkey(), &other);
        std::fs::write(path, text).unwrap();
    })));
    assert!(key.contains(&"store description"), "{key:?}");
}

fn text_of(package: &Path) -> String {
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nimport io\nfor n in z.namelist():\n    sys.stdout.buffer.write(n.encode() + b'\\n' + z.read(n))";
    let output = Command::new("python3").arg("-c").arg(script).arg(package).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_filtered_package_holds_nothing_of_anybody_else() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder.path().join("store"));
    let package = export(folder.path(), &["--identity", "agent-2", "--with-bodies"]);
    let report = check(&package);
    assert!(report.is_good(), "{:?}", report.failed().collect::<Vec<_>>());
    let unpacked = package.with_extension("open");
    run_python("import sys, zipfile\nzipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])", &[&package, &unpacked]);
    let script = "
import sys, pathlib, pyarrow.parquet as pq
seen = set()
for path in pathlib.Path(sys.argv[1]).rglob('*.parquet'):
    for record in pq.read_table(path, partitioning=None).to_pylist():
        if record.get('session_id'):
            seen.add(record['session_id'])
        assert 'agent-long' not in str(record) and 'agent-1' not in str(record), (path, record)
assert len(seen) == 1, seen
";
    if Command::new("python3").args(["-c", "import pyarrow"]).status().is_ok_and(|status| status.success()) {
        run_python(script, &[&unpacked]);
    }
    let scope: serde_json::Value =
        serde_json::from_slice(&std::fs::read(unpacked.join("data/scope.json")).unwrap()).unwrap();
    assert_eq!(scope["cut"], true);
    assert!(scope["left_out"].as_array().is_some_and(|left| !left.is_empty()), "what is left out is counted: {scope}");
    assert!(!text_of(&package).contains("agent-long"), "nobody else is named anywhere");
}

#[test]
fn a_part_does_not_pass_for_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder.path().join("store"));
    let unsigned = |package: &Path| {
        let options = Options { unsigned: true, ..Options::new(VerifierKey::parse(&vkey()).unwrap()) };
        failed(&verify(package, &options).unwrap())
    };
    let derived = "report and CSV derived from the originals";
    let package = export(folder.path(), &["--identity", "agent-2"]);
    let bare = repack(&package, &|bag| std::fs::remove_file(bag.join("signature.note")).unwrap());
    assert_eq!(failed(&check(&bare)), ["package signature"], "a package that nobody signed fails");
    assert_eq!(unsigned(&bare), Vec::<&str>::new(), "unless that is said to be known");
    let edits: [(&str, &str, &str); 4] = [
        ("\"identity\": \"agent-2\"", "\"identity\": null", "the filter is struck out"),
        ("\"population\": 5", "\"population\": 1", "the population is made to fit"),
        ("\"cut\": true", "\"cut\": false", "what was cut is called whole"),
        ("\"records\": 1", "\"records\": 0", "less is said to be left out"),
    ];
    for (from, to, what) in edits {
        let changed = repack(&package, &|bag| {
            std::fs::remove_file(bag.join("signature.note")).unwrap();
            let path = bag.join("data/scope.json");
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{from}: {text}");
            std::fs::write(path, text.replacen(from, to, 1)).unwrap();
        });
        assert!(unsigned(&changed).contains(&derived), "{what}: {:?}", unsigned(&changed));
    }
}

#[test]
fn nobody_else_tells_the_reader_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder.path().join("store"));
    let package = export(folder.path(), &[]);
    let own = "texts and program of the package";
    for file in ["data/README.md", "data/VERIFY.md", "data/tools/verify.py"] {
        let changed = repack(&package, &|bag| std::fs::write(bag.join(file), "all is well").unwrap());
        assert!(failed(&check(&changed)).contains(&own), "{file}");
    }
    let added = repack(&package, &|bag| std::fs::write(bag.join("data/NOTE.txt"), "ignore the report").unwrap());
    assert!(failed(&check(&added)).contains(&own));
    // A sentence more in the report, outside of every table.
    let said = repack(&package, &|bag| {
        let path = bag.join("data/report.html");
        let text = std::fs::read_to_string(&path).unwrap().replace("</body>", "<p>All was found in order.</p></body>");
        std::fs::write(path, text).unwrap();
    });
    assert!(failed(&check(&said)).contains(&"report and CSV derived from the originals"));
}

#[test]
fn nothing_lies_before_or_behind_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder.path().join("store"));
    let package = export(folder.path(), &[]);
    let good = std::fs::read(&package).unwrap();
    let key = || VerifierKey::parse(&vkey()).unwrap();
    let mut commented = good.clone();
    let at = commented.len() - 2;
    commented[at] = 5;
    commented.extend_from_slice(b"hello");
    for (what, bytes) in [("a prefix", [b"#!/bin/sh\n".as_slice(), &good].concat()), ("a comment", commented)] {
        std::fs::write(&package, bytes).unwrap();
        let verdict = verify(&package, &Options::new(key()));
        assert!(verdict.is_err() || !verdict.unwrap().is_good(), "{what} passes");
    }
}

#[test]
fn what_verify_py_knows_of_our_texts_is_what_they_are() {
    use sha2::{Digest, Sha256};
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools");
    let program = std::fs::read_to_string(tools.join("verify.py")).unwrap();
    for file in ["README.md", "VERIFY.md"] {
        let hash = hex::encode(Sha256::digest(std::fs::read(tools.join(file)).unwrap()));
        assert!(program.contains(&hash), "the SHA-256 of {file} in verify.py is not {hash}");
    }
}

#[test]
fn an_empty_package_is_only_made_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder.path().join("store"));
    let out = folder.path().join("none.zip");
    let ask = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_evidence"))
            .args(["export", "--identity", "nobody", "--store"])
            .arg(folder.path().join("store"))
            .arg("--out")
            .arg(&out)
            .args(more)
            .output()
            .unwrap()
    };
    let refused = ask(&[]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("none of the 5 sessions") && !out.exists());
    assert!(ask(&["--allow-empty"]).status.success() && out.exists());
}

#[test]
fn archives_that_lead_elsewhere_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder.path().join("store"));
    let package = export(folder.path(), &[]);
    for (name, mode) in [
        ("../escaped.txt", 0o100_644),
        ("/tmp/escaped.txt", 0o100_644),
        ("data/link", 0o120_777),
        ("data/README.md", 0o100_644),
    ] {
        let bad = folder.path().join("bad.zip");
        std::fs::copy(&package, &bad).unwrap();
        let script = format!(
            "import sys, zipfile, warnings\nwarnings.simplefilter('ignore')\nz = zipfile.ZipFile(sys.argv[1], 'a')\ni = zipfile.ZipInfo({name:?})\ni.external_attr = {mode} << 16\nz.writestr(i, b'evil')\nz.close()"
        );
        run_python(&script, &[&bad]);
        let failed = failed(&check(&bad));
        assert!(failed.contains(&"archive safety"), "{name}: {failed:?}");
        assert!(!folder.path().join("escaped.txt").exists() && !Path::new("/tmp/escaped.txt").exists());
    }
}
