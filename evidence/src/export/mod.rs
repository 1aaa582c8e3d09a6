//! The package: what an auditor gets. A BagIt 1.0 bag (RFC 8493) in a ZIP file, with a report for people, CSV for
//! spreadsheets, the original files for proof, and a program that checks them without ours.

mod contents;
mod controls;
mod figures;
mod page;
mod proofs;
mod report;
mod scope;
mod scratch;
mod zip;

pub(crate) use contents::csv_of;
pub(crate) use contents::{OWN_FILES, segments};
pub(crate) use report::render;
pub(crate) use scope::{CUT, NO_BODIES, Question, Scope, is_cut, touches};
pub(crate) use scratch::Scratch;
pub(crate) use zip::{Extracted, extract};

use crate::error::{At, StoreError};
use crate::search::Archive;
use crate::sign::LogSigner;
use crate::store::{About, Layout};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// First line of the signed note over a package's tag manifest.
pub(crate) const PACKAGE_NOTE: &str = "affidavit package v1";

/// A file of the package.
pub(crate) enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// What is to be exported.
pub(crate) struct Export<'a> {
    pub(crate) store: &'a Path,
    pub(crate) question: Question,
    pub(crate) with_bodies: bool,
    /// A package without a session is what was asked for.
    pub(crate) allow_empty: bool,
    pub(crate) made_by: String,
    /// Signs the package, where it is at hand.
    pub(crate) key: Option<&'a LogSigner>,
    pub(crate) out: &'a Path,
}

/// What was exported.
pub(crate) struct Exported {
    pub(crate) scope: Scope,
    pub(crate) sha256: String,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

struct Hashes {
    size: u64,
    crc: u32,
    sha256: String,
    sha512: String,
}

fn hashes(content: &Content) -> Result<Hashes, StoreError> {
    let (mut sha256, mut sha512, mut crc) = (Sha256::new(), Sha512::new(), crc32fast::Hasher::new());
    let mut size = 0;
    let mut add = |bytes: &[u8]| {
        sha256.update(bytes);
        sha512.update(bytes);
        crc.update(bytes);
        size += bytes.len() as u64;
    };
    match content {
        Content::Bytes(bytes) => add(bytes),
        Content::File(path) => {
            let mut file = std::fs::File::open(path).at(path, "opening a file to export")?;
            let mut buffer = vec![0; 256 << 10];
            loop {
                let n = file.read(&mut buffer).at(path, "reading a file to export")?;
                let Some(part) = buffer.get(..n).filter(|part| !part.is_empty()) else { break };
                add(part);
            }
        }
    }
    let (sha256, sha512) = (hex::encode(sha256.finalize()), hex::encode(sha512.finalize()));
    Ok(Hashes { size, crc: crc.finalize(), sha256, sha512 })
}

/// Writes a package. `progress` is told what is being done.
pub(crate) fn export(export: &Export<'_>, progress: &mut dyn FnMut(&str)) -> Result<Exported, StoreError> {
    let layout = Layout::new(export.store);
    let about = About::read(&layout)?
        .ok_or_else(|| StoreError::Config(format!("{} holds no audit store", export.store.display())))?;
    let archive = Archive::open_sealed(export.store)?;
    progress("finding the sessions");
    let snapshot = contents::Snapshot::take(&layout)?;
    let (population, sessions) = export.question.sessions(&archive)?;
    if sessions.is_empty() && !export.allow_empty {
        return Err(StoreError::Config(format!(
            "none of the {population} sessions of that time is asked for ({}); nothing was written (--allow-empty writes that)",
            export.question.words()
        )));
    }
    let range = contents::segments(&archive, &sessions)?;
    let mut excluded = Vec::new();
    if !export.with_bodies {
        excluded.push(scope::NO_BODIES.to_owned());
    }
    let cut = export.question.is_filtered();
    if cut {
        excluded.push(scope::CUT.to_owned());
    }
    let mut scope = Scope {
        format: "affidavit package 2".to_owned(),
        origin: about.origin.clone(),
        writer: about.writer.clone(),
        made: crate::table::rfc3339(crate::journal::now()),
        made_by: export.made_by.clone(),
        question: export.question.clone(),
        population,
        sessions,
        first_segment: range.start,
        last_segment: range.end.saturating_sub(1),
        excluded,
        tree_size: snapshot.size,
        cut,
        left_out: Vec::new(),
    };
    let scratch = if cut { Some(Scratch::make()?) } else { None };
    if let Some(scratch) = &scratch {
        progress("cutting out the chosen sessions");
        scope.left_out = contents::cut(&archive, &scope, export.with_bodies, scratch.path())?;
    }
    progress("deriving report and tables");
    let payload = contents::payload(
        &layout,
        &archive,
        &scope,
        &snapshot,
        export.with_bodies,
        scratch.as_ref().map(Scratch::path),
    )?;
    let mut all: BTreeMap<String, (Content, Hashes)> = BTreeMap::new();
    let total = payload.len();
    for (at, (name, content)) in payload.into_iter().enumerate() {
        if at % 100 == 0 {
            progress(&format!("hashing {at} of {total} files"));
        }
        let hashes = hashes(&content)?;
        all.insert(name, (content, hashes));
    }
    tags(&mut all, export.key)?;
    progress("writing the package");
    let mut writer = zip::Writer::create(export.out)?;
    let mut written = 0;
    for (name, (content, hashes)) in &all {
        let source = match content {
            Content::Bytes(bytes) => zip::Source::Bytes(bytes),
            Content::File(path) => zip::Source::File(path),
        };
        writer.add(name, hashes.size, hashes.crc, source)?;
        written += hashes.size;
    }
    writer.finish()?;
    let (_, sha256) = crate::seal::hash_file(export.out)?;
    Ok(Exported { scope, sha256, files: all.len(), bytes: written })
}

/// Adds what makes it a bag: declaration, manifests, tag manifests, and the signature over these.
fn tags(all: &mut BTreeMap<String, (Content, Hashes)>, key: Option<&LogSigner>) -> Result<(), StoreError> {
    let list = |all: &BTreeMap<String, (Content, Hashes)>, hash: &dyn Fn(&Hashes) -> &str| -> Vec<u8> {
        all.iter().map(|(name, (_, hashes))| format!("{}  {name}\n", hash(hashes))).collect::<String>().into_bytes()
    };
    let bytes: u64 = all.values().map(|(_, hashes)| hashes.size).sum();
    let info = format!(
        "Bag-Software-Agent: affidavit evidence {}\nPayload-Oxum: {bytes}.{}\n",
        env!("CARGO_PKG_VERSION"),
        all.len()
    );
    let tag_files = [
        ("bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".to_vec()),
        ("bag-info.txt", info.into_bytes()),
        ("manifest-sha256.txt", list(all, &|hashes| &hashes.sha256)),
        ("manifest-sha512.txt", list(all, &|hashes| &hashes.sha512)),
    ];
    let mut tags = BTreeMap::new();
    for (name, bytes) in tag_files {
        let content = Content::Bytes(bytes);
        let hashes = hashes(&content)?;
        tags.insert(name.to_owned(), (content, hashes));
    }
    let sha256 = list(&tags, &|hashes| &hashes.sha256);
    let sha512 = list(&tags, &|hashes| &hashes.sha512);
    if let Some(key) = key {
        let text = format!("{PACKAGE_NOTE}\n{}\n", hex::encode(Sha256::digest(&sha256)));
        let content = Content::Bytes(key.sign_note(&text)?.into_bytes());
        let hashes = hashes(&content)?;
        all.insert("signature.note".to_owned(), (content, hashes));
    }
    for (name, bytes) in [("tagmanifest-sha256.txt", sha256), ("tagmanifest-sha512.txt", sha512)] {
        let content = Content::Bytes(bytes);
        let hashes = hashes(&content)?;
        all.insert(name.to_owned(), (content, hashes));
    }
    all.append(&mut tags);
    Ok(())
}
