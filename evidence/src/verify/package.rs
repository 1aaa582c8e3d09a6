//! Packages: the ZIP, the bag, the signature, what was derived; then the store inside, as far as it was exported.

use super::facts::Ends;
use super::report::{Checks, Report, name};
use super::{Options, store};
use crate::error::{At, StoreError};
use crate::export::{Extracted, OWN_FILES, PACKAGE_NOTE, Scope, Scratch, csv_of, extract, render};
use crate::log::leaf_hash;
use crate::seal::hash_file;
use crate::search::Archive;
use crate::store::Layout;
use crate::table::Table;
use sha2::{Digest, Sha256, Sha512};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) fn verify(path: &Path, options: &Options) -> Result<Report, StoreError> {
    let options = &Options { full: true, ..options.clone() };
    let mut names = name::PACKAGES.to_vec();
    names.extend(name::ALL);
    let mut checks = Checks::new(&names);
    let scratch = Scratch::make()?;
    let bag = scratch.path();
    let found = extract(path, bag)?;
    checks.pass(name::ARCHIVE);
    for (place, problem) in &found.problems {
        checks.fail(name::ARCHIVE, place, problem);
    }
    structure(bag, &found, &mut checks);
    let layout = Layout::new(&bag.join("data/store"));
    let scope: Option<Scope> =
        std::fs::read(bag.join("data/scope.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(scope) = scope else {
        checks.fail(name::DERIVED, "data/scope.json", "it is missing or does not read");
        signature(bag, options.unsigned, &|note| options.key.verifies(note), &mut checks);
        return Ok(checks.finish(None));
    };
    let (log, ends) = store(&layout, options, Some(&scope), None, &mut checks);
    let head = log.size_and_root();
    signature(bag, options.unsigned, &|note| log.keys.signed(scope.tree_size, note), &mut checks);
    if scope.origin != options.key.name() {
        checks.fail(name::DERIVED, "data/scope.json", "it names another log than the supplied key");
    }
    if head.as_ref().is_some_and(|(size, _)| *size != scope.tree_size) {
        checks.fail(name::DERIVED, "data/scope.json", "it names another size of the log");
    }
    own_words(bag, &found.names, &mut checks);
    if checks.has_failed(name::HASHES) || checks.has_failed(name::BAG_HASHES) {
        // A file that is not what was signed is not taken apart a second time.
        checks.fail(name::DERIVED, "data/store", "files are not what they were: nothing can be derived from them");
    } else {
        derived(bag, &scope, &found.names, &mut checks);
    }
    proofs(bag, &scope, &ends, head.as_ref(), &mut checks);
    Ok(checks.finish(head))
}

/// The lines of a manifest: hash by name.
fn manifest(bag: &Path, file: &str, checks: &mut Checks) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    match std::fs::read_to_string(bag.join(file)) {
        Ok(text) => {
            for line in text.lines() {
                match line.split_once("  ") {
                    Some((hash, name)) if lines.insert(name.to_owned(), hash.to_owned()).is_none() => {}
                    _ => checks.fail(name::BAG, file, format!("a line that does not read: `{line}`")),
                }
            }
        }
        Err(error) => checks.fail(name::BAG, file, error),
    }
    lines
}

fn structure(bag: &Path, found: &Extracted, checks: &mut Checks) {
    checks.pass(name::BAG);
    checks.pass(name::BAG_HASHES);
    let declaration = std::fs::read_to_string(bag.join("bagit.txt")).unwrap_or_default();
    if declaration != "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n" {
        checks.fail(name::BAG, "bagit.txt", "it is not the declaration of a BagIt 1.0 bag");
    }
    let payload: BTreeSet<&String> = found.names.iter().filter(|name| name.starts_with("data/")).collect();
    let tags = ["bag-info.txt", "bagit.txt", "manifest-sha256.txt", "manifest-sha512.txt"];
    let loose = ["signature.note", "tagmanifest-sha256.txt", "tagmanifest-sha512.txt"];
    for name in found.names.iter().filter(|name| !name.starts_with("data/")) {
        if !tags.contains(&name.as_str()) && !loose.contains(&name.as_str()) {
            checks.fail(name::BAG, name, "it is no part of the package");
        }
    }
    for algorithm in ["sha256", "sha512"] {
        let listed = manifest(bag, &format!("manifest-{algorithm}.txt"), checks);
        let names: BTreeSet<&String> = listed.keys().collect();
        for name in names.symmetric_difference(&payload) {
            checks.fail(name::BAG, name, format!("it is not both there and listed in manifest-{algorithm}.txt"));
        }
        let tag_list = manifest(bag, &format!("tagmanifest-{algorithm}.txt"), checks);
        if tag_list.keys().map(String::as_str).ne(tags) {
            checks.fail(name::BAG, format!("tagmanifest-{algorithm}.txt"), "it does not list exactly the tag files");
        }
        for (name, hash) in listed.iter().chain(&tag_list) {
            // What the extraction did not take is not followed through a name in a list.
            if !found.names.contains(name) {
                continue;
            }
            let path = bag.join(name);
            let have = if algorithm == "sha256" {
                hash_file(&path).map(|(_, hash)| hash)
            } else {
                std::fs::read(&path).at(&path, "reading").map(|bytes| hex::encode(Sha512::digest(bytes)))
            };
            match have {
                Ok(have) if have == *hash => {}
                Ok(_) => checks.fail(name::BAG_HASHES, name, format!("its {algorithm} is not the one listed")),
                Err(error) => checks.fail(name::BAG_HASHES, name, error),
            }
        }
    }
}

/// The package's own texts and program are those of this program's release: a reader is told by nobody else what to do.
fn own_words(bag: &Path, names: &BTreeSet<String>, checks: &mut Checks) {
    checks.pass(name::OWN_WORDS);
    for (file, known) in OWN_FILES {
        if std::fs::read(bag.join(file)).ok().as_deref() != Some(known.as_bytes()) {
            let what = "it is not the one that this program puts into packages; take it from a release, not from here";
            checks.fail(name::OWN_WORDS, file, what);
        }
    }
    let known = |name: &str| {
        OWN_FILES.iter().any(|(file, _)| *file == name)
            || ["data/scope.json", "data/report.html"].contains(&name)
            || ["data/csv/", "data/policies/", "data/proofs/", "data/store/"].iter().any(|room| name.starts_with(room))
    };
    for file in names.iter().filter(|name| name.starts_with("data/") && !known(name)) {
        checks.fail(name::OWN_WORDS, file, "no package has such a file");
    }
}

fn signature(bag: &Path, unsigned: bool, signed: &dyn Fn(&str) -> bool, checks: &mut Checks) {
    let Ok(note) = std::fs::read_to_string(bag.join("signature.note")) else {
        if unsigned {
            checks.skip(name::PACKAGE, "nobody signed the package: whoever made it could have left out anything");
        } else {
            let what =
                "it is missing: whoever made the package could have left out anything (--unsigned looks at the rest)";
            checks.fail(name::PACKAGE, "signature.note", what);
        }
        return;
    };
    let tags = std::fs::read(bag.join("tagmanifest-sha256.txt")).unwrap_or_default();
    let text = format!("{PACKAGE_NOTE}\n{}\n\n", hex::encode(Sha256::digest(tags)));
    let lines = note.strip_prefix(text.as_str()).unwrap_or_default();
    if !lines.lines().all(|line| line.starts_with("\u{2014} ") && line.split(' ').count() == 3) {
        checks.fail(name::PACKAGE, "signature.note", "it holds more than signatures");
    } else if !note.starts_with(&text) {
        checks.fail(name::PACKAGE, "signature.note", "it is about another package");
    } else if signed(&note) {
        checks.pass(name::PACKAGE);
    } else {
        checks.fail(name::PACKAGE, "signature.note", "no good signature by the log's key");
    }
}

/// Makes everything that was derived again, from the Parquet files, and compares every byte.
fn derived(bag: &Path, scope: &Scope, names: &BTreeSet<String>, checks: &mut Checks) {
    checks.pass(name::DERIVED);
    let archive = match Archive::open_part(&bag.join("data/store")) {
        Ok(archive) => archive,
        Err(error) => return checks.fail(name::DERIVED, "data/store", error),
    };
    if let Err(error) = super::scope::check(&archive, scope, names, checks) {
        checks.fail(name::DERIVED, "data/scope.json", error);
    }
    let mut expected = BTreeMap::new();
    for table in Table::ALL {
        match csv_of(&archive, scope, table) {
            Ok(Some(csv)) => drop(expected.insert(format!("data/csv/{}.csv", table.name()), csv)),
            Ok(None) => {}
            Err(error) => checks.fail(name::DERIVED, table.name(), error),
        }
    }
    match render(&archive, scope) {
        Ok(html) => drop(expected.insert("data/report.html".to_owned(), html.into_bytes())),
        Err(error) => checks.fail(name::DERIVED, "data/report.html", error),
    }
    for (file, bytes) in &expected {
        if std::fs::read(bag.join(file)).ok().as_ref() != Some(bytes) {
            checks.fail(name::DERIVED, file, "it is not what the Parquet files say");
        }
    }
    for file in names.iter().filter(|file| file.starts_with("data/csv/") && !expected.contains_key(*file)) {
        checks.fail(name::DERIVED, file, "nothing in the Parquet files stands behind it");
    }
    for file in names.iter().filter_map(|file| file.strip_prefix("data/policies/")) {
        let text = std::fs::read(bag.join("data/policies").join(file)).unwrap_or_default();
        if Some(hex::encode(Sha256::digest(text)).as_str()) != file.strip_suffix(".toml") {
            checks.fail(name::DERIVED, format!("data/policies/{file}"), "its text does not have the hash in its name");
        }
    }
    checks.note(name::DERIVED, format!("{} files", expected.len()));
}

#[derive(serde::Deserialize)]
struct Proof {
    session: String,
    records: u64,
    head: String,
    index: u64,
    size: u64,
    path: Vec<String>,
    sessions_root: String,
    segment: u64,
    log_index: u64,
    log_path: Vec<String>,
    tree_size: u64,
}

/// A proof leads from the session to its manifest, and from the manifest to the root of the log.
fn proofs(bag: &Path, scope: &Scope, ends: &Ends, head: Option<&(u64, String)>, checks: &mut Checks) {
    checks.pass(name::PROOFS);
    let layout = Layout::new(&bag.join("data/store"));
    for session in &scope.sessions {
        let place = format!("data/proofs/{session}.json");
        let Some(proof) = std::fs::read(bag.join(&place))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Proof>(&bytes).ok())
            .filter(|proof| proof.session == *session)
        else {
            checks.fail(name::PROOFS, place, "it is missing or does not read");
            continue;
        };
        let end = uuid::Uuid::parse_str(session).ok().and_then(|id| ends.get(id.as_bytes()));
        match check_proof(&proof, &layout) {
            Ok(_)
                if end.is_none_or(|(records, head)| {
                    (*records, hex::encode(head)) != (proof.records, proof.head.clone())
                }) =>
            {
                checks.fail(name::PROOFS, place, "it is about another end of the session than its records have");
            }
            Ok(root) if head.is_some_and(|head| head.0 == proof.tree_size && head.1 == root) => {}
            Ok(_) => checks.fail(name::PROOFS, place, "it leads to another root than that of the log"),
            Err(what) => checks.fail(name::PROOFS, place, what),
        }
    }
    if scope.cut {
        for id in
            ends.keys().map(|id| uuid::Uuid::from_bytes(*id).to_string()).filter(|id| !scope.sessions.contains(id))
        {
            checks.fail(
                name::PROOFS,
                format!("session {id}"),
                "a filtered package holds records of a session outside of its scope",
            );
        }
    }
    checks.note(name::PROOFS, format!("{} sessions", scope.sessions.len()));
}

fn check_proof(proof: &Proof, layout: &Layout) -> Result<String, String> {
    let hashes = |path: &[String]| -> Option<Vec<[u8; 32]>> {
        path.iter().map(|hash| hex::decode(hash).ok()?.try_into().ok()).collect()
    };
    let id = uuid::Uuid::parse_str(&proof.session).map_err(|_| "its session is no id")?.into_bytes();
    let head =
        hashes(std::slice::from_ref(&proof.head)).and_then(|mut head| head.pop()).ok_or("its head is no hash")?;
    let path = hashes(&proof.path).ok_or("its path does not read")?;
    let leaf = leaf_hash(&crate::seal::session_leaf(&id, proof.records, &head));
    let root = crate::log::root_by_path(leaf, proof.index, proof.size, &path).ok_or("its path has the wrong length")?;
    if hex::encode(root) != proof.sessions_root {
        return Err("it does not lead to the session index".to_owned());
    }
    let entry = std::fs::read(layout.envelope(proof.segment)).map_err(|error| error.to_string())?;
    match crate::log::Leaf::parse(&entry)?.2 {
        crate::log::Leaf::Segment(manifest) if manifest.predicate.sessions_root == proof.sessions_root => {}
        _ => return Err("its manifest has another session index".to_owned()),
    }
    let path = hashes(&proof.log_path).ok_or("its path through the log does not read")?;
    let root = crate::log::root_by_path(leaf_hash(&entry), proof.log_index, proof.tree_size, &path)
        .ok_or("its path through the log has the wrong length")?;
    Ok(hex::encode(root))
}
