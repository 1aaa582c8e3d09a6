//! Requests of other processes to the one that holds the store: small files, taken in the order of their names.
//!
//! A reader of the record leaves its `audit_accesses` entry here, so that reading needs no signing key; `evidence seal`
//! asks for a sealing here and waits for the answer.

use crate::error::{At, StoreError};
use crate::event::AccessEvent;
use crate::recorder::SealReport;
use crate::store::{Layout, write_durably};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
enum Wire {
    Seal,
    Access { actor: String, action: String, scope: String, finding: Option<String>, package_hash: Option<String> },
}

#[derive(Serialize, Deserialize)]
struct Answer {
    segment: u64,
    sealed: u64,
    tree_size: u64,
    error: Option<String>,
}

/// A request that was found.
pub(crate) enum Request {
    Seal(Seal),
    Access(AccessEvent, Taken),
}

/// A request file; removed when it has been dealt with.
pub(crate) struct Taken(PathBuf);

impl Taken {
    pub(crate) fn finish(self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "a request cannot be removed");
        }
    }
}

/// Someone asked for a sealing and waits.
pub(crate) struct Seal(PathBuf);

impl Seal {
    pub(crate) fn answer(self, report: &SealReport, error: Option<&str>) {
        let answer = Answer {
            segment: report.segment,
            sealed: report.sealed,
            tree_size: report.tree_size,
            error: error.map(str::to_owned),
        };
        let written = serde_json::to_vec(&answer)
            .map_err(|error| error.to_string())
            .and_then(|bytes| write_durably(&self.0.with_extension("answer"), &bytes).map_err(|e| e.to_string()));
        if let Err(error) = written {
            tracing::warn!(%error, "a request for sealing cannot be answered");
        }
        Taken(self.0).finish();
    }
}

/// The requests that lie there now. What does not read is put aside, not obeyed.
pub(crate) fn take(layout: &Layout) -> Vec<Request> {
    let Ok(entries) = std::fs::read_dir(layout.inbox()) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "request"))
        .collect();
    paths.sort();
    paths.into_iter().filter_map(|path| read(&path)).collect()
}

/// The end of a request's name: the beginning of its content's SHA-256.
fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes).split_at(8).0)
}

/// Requests whose content is not what their name says: damaged after they were left.
pub(crate) fn damaged(layout: &Layout) -> Vec<PathBuf> {
    let requests = crate::seal::list(&layout.inbox()).unwrap_or_default();
    let requests = requests.into_iter().filter(|path| path.extension().is_some_and(|e| e == "request"));
    requests.filter(|path| std::fs::read(path).is_ok_and(|bytes| !is_whole(path, &bytes))).collect()
}

fn is_whole(path: &Path, bytes: &[u8]) -> bool {
    path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with(&format!("-{}", digest(bytes))))
}

fn read(path: &Path) -> Option<Request> {
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= 64 << 10);
    let bytes = small.then(|| std::fs::read(path).ok()).flatten().filter(|bytes| is_whole(path, bytes));
    let wire = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match wire {
        Some(Wire::Seal) => Some(Request::Seal(Seal(path.to_path_buf()))),
        Some(Wire::Access { actor, action, scope, finding, package_hash }) => Some(Request::Access(
            AccessEvent { actor, action, scope, finding, package_hash },
            Taken(path.to_path_buf()),
        )),
        None => {
            tracing::warn!(path = %path.display(), "a request to the audit store is not readable; it is put aside");
            let _ = std::fs::rename(path, path.with_extension("unreadable"));
            None
        }
    }
}

fn leave(layout: &Layout, wire: &Wire) -> Result<PathBuf, StoreError> {
    let bytes = serde_json::to_vec(wire).map_err(|error| StoreError::Config(error.to_string()))?;
    let name = format!("{}-{}.request", uuid::Uuid::now_v7().simple(), digest(&bytes));
    let path = layout.inbox().join(name);
    write_durably(&path, &bytes)?;
    Ok(path)
}

/// Leaves word that someone read the record.
pub(crate) fn leave_access(layout: &Layout, event: &AccessEvent) -> Result<(), StoreError> {
    let AccessEvent { actor, action, scope, finding, package_hash } = event.clone();
    leave(layout, &Wire::Access { actor, action, scope, finding, package_hash }).map(drop)
}

/// Asks the process that holds the store to seal, and waits.
pub(crate) fn ask_to_seal(layout: &Layout, patience: Duration) -> Result<SealReport, StoreError> {
    let request = leave(layout, &Wire::Seal)?;
    let answer_path = request.with_extension("answer");
    let start = Instant::now();
    loop {
        if let Ok(bytes) = std::fs::read(&answer_path) {
            std::fs::remove_file(&answer_path).at(&answer_path, "removing the answer")?;
            let answer: Answer =
                serde_json::from_slice(&bytes).map_err(|error| StoreError::damaged(answer_path.display(), error))?;
            return match answer.error {
                Some(error) => Err(StoreError::Config(format!("the proxy could not seal: {error}"))),
                None => Ok(SealReport { segment: answer.segment, sealed: answer.sealed, tree_size: answer.tree_size }),
            };
        }
        if start.elapsed() > patience {
            let _ = std::fs::remove_file(&request);
            return Err(StoreError::Config(
                "the process that holds the store did not answer; is it still running?".to_owned(),
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
