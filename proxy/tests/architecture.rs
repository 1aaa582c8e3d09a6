//! The house has a plan, and this is its building inspection: which crate may name which, what a file may look like,
//! which licences and sources the dependencies may have. It reads `cargo metadata` and the tree, so it cannot drift.

#![allow(clippy::unwrap_used, reason = "a panic is how an inspection reports")]

use cargo_metadata::{Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folder of a crate → the workspace crates that it may import. The table of ARCHITECTURE.md.
const FLOORS: &[(&str, &[&str])] = &[
    ("protocols/model", &[]),
    ("protocols/wire", &["affidavit-model"]),
    ("protocols/sql", &["affidavit-model"]),
    ("policies", &["affidavit-model"]),
    ("evidence", &["affidavit-model"]),
    ("protocols/postgres", &["affidavit-model", "affidavit-wire", "affidavit-sql"]),
    ("protocols/mysql", &["affidavit-model", "affidavit-wire", "affidavit-sql"]),
    ("protocols/registry", &["affidavit-wire", "affidavit-postgres", "affidavit-mysql"]),
    ("proxy/pipeline", &["affidavit-wire", "affidavit-model", "affidavit-policies", "affidavit-evidence"]),
    (
        "proxy",
        &[
            "affidavit-pipeline",
            "affidavit-registry",
            "affidavit-wire",
            "affidavit-model",
            "affidavit-policies",
            "affidavit-evidence",
        ],
    ),
];

/// External crates that only one floor may import, with the reason.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("arrow-array", &["affidavit-evidence"], "the record's format has one owner"),
    ("parquet", &["affidavit-evidence"], "the record's format has one owner"),
    ("pg_query", &["affidavit-sql"], "SQL is understood in one place"),
    ("sqlparser", &["affidavit-sql"], "SQL is understood in one place"),
    (
        "tokio",
        &["affidavit", "affidavit-pipeline", "affidavit-wire", "affidavit-postgres", "affidavit-mysql"],
        "the other floors do no I/O of their own",
    ),
];

/// What dependencies may be licensed under. Every one permits use in an Apache-2.0 work.
const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "0BSD",
    "Unlicense",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "NCSA",
    "PostgreSQL",
];

/// Crates that may not be in the tree, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "TLS is rustls here"),
    ("openssl-sys", "TLS is rustls here"),
    ("native-tls", "TLS is rustls here"),
    ("clang-sys", "whoever builds would need libclang: see protocols/sql/generated"),
    ("rsa", "RUSTSEC-2023-0071: a timing side channel without a fix; RSA is ring's here"),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn members(metadata: &Metadata) -> Vec<&Package> {
    metadata.workspace_packages()
}

#[test]
fn every_crate_imports_only_what_its_floor_allows() {
    let metadata = metadata();
    let ours: BTreeSet<String> = members(&metadata).iter().map(|package| package.name.to_string()).collect();
    let mut seen = BTreeSet::new();
    for package in members(&metadata) {
        let folder = package.manifest_path.parent().unwrap().strip_prefix(root().to_str().unwrap()).unwrap();
        let (_, allowed) = FLOORS
            .iter()
            .find(|(floor, _)| folder == *floor)
            .unwrap_or_else(|| panic!("{folder} is a crate without a floor: give it one here and in ARCHITECTURE.md"));
        seen.insert(folder.to_string());
        for dependency in &package.dependencies {
            if ours.contains(&dependency.name) && dependency.kind == cargo_metadata::DependencyKind::Normal {
                assert!(allowed.contains(&dependency.name.as_str()), "{folder} may not import {}", dependency.name);
            }
        }
    }
    assert_eq!(seen.len(), FLOORS.len(), "a floor without a crate");
}

#[test]
fn some_crates_are_imported_in_one_place_only() {
    let metadata = metadata();
    for package in members(&metadata) {
        for dependency in &package.dependencies {
            if dependency.kind != cargo_metadata::DependencyKind::Normal {
                continue;
            }
            if let Some((name, places, why)) = ONLY_IN.iter().find(|(name, ..)| *name == dependency.name) {
                assert!(places.contains(&package.name.as_str()), "{} imports {name}: {why}", package.name);
            }
        }
    }
}

#[test]
fn the_proxy_names_no_protocol() {
    let mut offenders = Vec::new();
    let tests = |file: &Path| file.iter().any(|part| part == "tests" || part == "tests.rs");
    let folders = ["proxy/src", "proxy/pipeline/src"].map(|folder| rust_files(&root().join(folder)));
    for file in folders.iter().flatten().filter(|file| !tests(file)) {
        let text = std::fs::read_to_string(file).unwrap();
        for (number, line) in text.lines().enumerate() {
            // Prose may name them; code that is compiled into a release may not.
            if text.lines().take(number).any(|line| line.trim() == "#[cfg(test)]") {
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            if ["postgres::", "mysql::", "\"postgres\"", "\"mysql\""].iter().any(|name| code.contains(name)) {
                offenders.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(offenders.is_empty(), "the contract leaked into proxy/:\n{}", offenders.join("\n"));
}

/// Proofs are worth what the sockets are: whoever could write to one needs none.
#[test]
fn only_the_pipeline_writes_to_the_sockets_of_a_session() {
    let writers =
        ["proxy/src/exchange/bounded.rs", "proxy/pipeline/src/sink.rs", "proxy/pipeline/src/relay/parting.rs"];
    let mut found = BTreeSet::new();
    for file in ["proxy/src", "proxy/pipeline/src"].iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if !file.iter().any(|part| part == "tests") && code.contains("AsyncWrite") {
            found.insert(file.strip_prefix(root()).unwrap().display().to_string());
        }
    }
    assert_eq!(
        found,
        writers.map(str::to_owned).into(),
        "credentials are exchanged over HTTP; sessions have two sinks"
    );
}

#[test]
fn every_file_begins_with_its_reason_and_stays_readable() {
    let mut problems = Vec::new();
    for folder in FLOORS.iter().map(|(folder, _)| root().join(folder).join("src")) {
        for file in rust_files(&folder) {
            let text = std::fs::read_to_string(&file).unwrap();
            if !text.starts_with("//!") {
                problems.push(format!("{} does not begin with why it exists (//!)", file.display()));
            }
            let name = file.file_stem().unwrap().to_string_lossy().to_string();
            if ["util", "utils", "common", "helper", "helpers", "manager", "misc"].contains(&name.as_str()) {
                problems.push(format!("{}: a name that says nothing", file.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn nothing_but_the_house_stands_at_top_level() {
    let allowed: BTreeSet<&str> = [
        "Cargo.toml",
        "Cargo.lock",
        "proxy",
        "protocols",
        "evidence",
        "policies",
        "testdata",
        "compose",
        "README.md",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "LICENSE-APACHE",
        "CHANGELOG.md",
        "Makefile",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "clippy.toml",
        "target",
    ]
    .into();
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().to_string();
        assert!(name.starts_with('.') || allowed.contains(name.as_str()), "{name} has no place at top level");
    }
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut missing = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        let folder = document.parent().unwrap();
        // Markdown links: `](path)`, without what leads elsewhere; a heading must be one of the document it leads to.
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let place = if path.is_empty() { document.clone() } else { folder.join(path) };
            if target.contains("://") {
                continue;
            } else if !place.exists() {
                missing.push(format!("{}: {path}", document.display()));
            } else if !heading.is_empty() && !headings(&place).contains(heading) {
                missing.push(format!("{}: no heading #{heading} in {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Every Markdown file of the tree, but for what is built or fetched, and what a package holds, which lies elsewhere when it is read.
fn documents() -> Vec<PathBuf> {
    let found = files(&root(), "md");
    assert!(found.contains(&root().join("README.md")), "{found:?}");
    found.into_iter().filter(|path| !path.starts_with(root().join("evidence/tools"))).collect()
}

/// The headings of a document as links spell them: lower case, hyphens for blanks, no punctuation.
fn headings(document: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(document).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    lines
        .map(|line| line.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect())
        .collect()
}

#[test]
fn dependencies_have_known_licences_and_come_from_the_registry() {
    let metadata = metadata();
    let mut problems = BTreeMap::new();
    for package in &metadata.packages {
        let Some(source) = &package.source else { continue };
        if !source.is_crates_io() {
            problems.insert(package.name.to_string(), format!("comes from {source}"));
        }
        if let Some((_, why)) = BANNED.iter().find(|(name, _)| *name == package.name.as_str()) {
            problems.insert(package.name.to_string(), (*why).to_owned());
        }
        match &package.license {
            // An SPDX expression is fine when one of its alternatives is; `AND` needs all of them.
            Some(expression) if licence_allowed(expression) => {}
            other => {
                problems.insert(package.name.to_string(), format!("licence {other:?} is not on the list"));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

fn licence_allowed(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], " ").replace('/', " OR ");
    expression.split(" AND ").all(|all| all.split(" OR ").any(|one| LICENCES.contains(&one.trim())))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    files(folder, "rs")
}

/// The files below a folder with this extension, without what is built or fetched.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_str()) {
            found.extend(files(&path, extension));
        } else if path.is_file() && path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}
