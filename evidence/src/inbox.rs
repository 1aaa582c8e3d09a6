//! Requests of other processes to the one that holds the store: small files, taken in the order of their names.
//!
//! A reader of the record leaves its `audit_accesses` entry here, so that reading needs no signing key; `evidence seal`
//! asks for a sealing here and waits for the answer.
//!
//! Who left a request is what the file system says of the file's owner, never what the file says of itself: what it says
//! beyond that is recorded as a claim.

use crate::error::{At, StoreError};
use crate::event::AccessEvent;
use crate::log::HoldStep;
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
    Hold { hold: String, from: Option<i64>, to: Option<i64>, reason: String, by: String },
    Order { note: String },
    Access { actor: String, action: String, scope: String, finding: Option<String>, package_hash: Option<String> },
}

#[derive(Serialize, Deserialize)]
struct Answer {
    segment: u64,
    sealed: u64,
    tree_size: u64,
    error: Option<String>,
    #[serde(default)]
    done: Option<String>,
}

/// A request that was found.
pub(crate) enum Request {
    Seal(Asked),
    Access(AccessEvent, Taken),
    /// A legal hold begins.
    Hold(String, HoldStep, Asked),
    /// An order that people signed.
    Order(String, Asked),
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

/// Someone asked for something and waits.
pub(crate) struct Asked(PathBuf);

impl Asked {
    pub(crate) fn answer(self, report: &SealReport, outcome: Result<&str, &str>) {
        let answer = Answer {
            segment: report.segment,
            sealed: report.sealed,
            tree_size: report.tree_size,
            error: outcome.err().map(str::to_owned),
            done: outcome.ok().map(str::to_owned),
        };
        let written = serde_json::to_vec(&answer)
            .map_err(|error| error.to_string())
            .and_then(|bytes| write_durably(&self.0.with_extension("answer"), &bytes).map_err(|e| e.to_string()));
        if let Err(error) = written {
            tracing::warn!(%error, "a request to the audit store cannot be answered");
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
    // One that is gone by now was taken.
    let bad = |path: &PathBuf| match crate::store::read_small(path) {
        Ok(bytes) => !is_whole(path, &bytes),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    requests.filter(bad).collect()
}

fn is_whole(path: &Path, bytes: &[u8]) -> bool {
    path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with(&format!("-{}", digest(bytes))))
}

/// Who left a request, and what they call themselves where that is something else.
fn attested(uid: u32, claimed: &str) -> String {
    let owner = crate::os_user::os_user(uid);
    match claimed.strip_prefix(owner.as_str()) {
        Some(rest) if rest.is_empty() || rest.starts_with(", through sudo by ") => claimed.to_owned(),
        _ => format!("{owner}, who says to be {claimed:?}"),
    }
}

fn read(path: &Path) -> Option<Request> {
    use std::os::unix::fs::MetadataExt;
    // Of the entry itself: a link's target belongs to somebody else.
    let meta = std::fs::symlink_metadata(path).ok();
    let uid = meta.as_ref().map_or(u32::MAX, MetadataExt::uid);
    let small = meta.is_some_and(|meta| meta.is_file() && meta.len() <= 64 << 10);
    let bytes = small.then(|| std::fs::read(path).ok()).flatten().filter(|bytes| is_whole(path, bytes));
    let wire = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match wire {
        Some(Wire::Seal) => Some(Request::Seal(Asked(path.to_path_buf()))),
        Some(Wire::Hold { hold, from, to, reason, by }) => {
            let by = attested(uid, &by);
            Some(Request::Hold(hold, HoldStep::Added { from, to, reason, by }, Asked(path.to_path_buf())))
        }
        Some(Wire::Order { note }) => Some(Request::Order(note, Asked(path.to_path_buf()))),
        Some(Wire::Access { actor, action, scope, finding, package_hash }) => Some(Request::Access(
            AccessEvent { actor: attested(uid, &actor), action, scope, finding, package_hash },
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

/// A request that was left.
pub(crate) struct Left(PathBuf);

/// Leaves word that a sealing is wanted.
pub(crate) fn leave_seal(layout: &Layout) -> Result<Left, StoreError> {
    leave(layout, &Wire::Seal).map(Left)
}

/// Leaves word that a hold begins.
pub(crate) fn leave_hold(layout: &Layout, hold: &str, step: HoldStep) -> Result<Left, StoreError> {
    let HoldStep::Added { from, to, reason, by } = step else {
        return Err(StoreError::Config("a hold is released by an order".to_owned()));
    };
    leave(layout, &Wire::Hold { hold: hold.to_owned(), from, to, reason, by }).map(Left)
}

/// Leaves an order to be followed.
pub(crate) fn leave_order(layout: &Layout, note: &str) -> Result<Left, StoreError> {
    leave(layout, &Wire::Order { note: note.to_owned() }).map(Left)
}

impl Left {
    /// Waits until the process that holds the store has answered: what it says it did.
    pub(crate) fn wait(self, patience: Duration) -> Result<(SealReport, String), StoreError> {
        let path = self.0.with_extension("answer");
        let start = Instant::now();
        loop {
            if let Ok(bytes) = std::fs::read(&path) {
                std::fs::remove_file(&path).at(&path, "removing the answer")?;
                let answer: Answer =
                    serde_json::from_slice(&bytes).map_err(|error| StoreError::damaged(path.display(), error))?;
                let Answer { segment, sealed, tree_size, error, done } = answer;
                return match error {
                    Some(error) => Err(StoreError::Config(error)),
                    None => Ok((SealReport { segment, sealed, tree_size }, done.unwrap_or_default())),
                };
            }
            if start.elapsed() > patience {
                let _ = std::fs::remove_file(&self.0);
                let what = "the process that holds the store did not answer; is it still running?";
                return Err(StoreError::Config(what.to_owned()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_recorded_under_a_name_that_is_not_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        layout.make().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let me = crate::os_user::os_user(uid);
        let through = format!("{me}, through sudo by ann");
        for claimed in ["KPMG", "os:ann (uid 4242)", through.as_str(), &format!("{me} and KPMG")] {
            let actor = claimed.to_owned();
            let (action, scope) = ("reviewed".to_owned(), "all".to_owned());
            leave_access(&layout, &AccessEvent { actor, action, scope, finding: None, package_hash: None }).unwrap();
        }
        let recorded: Vec<String> = take(&layout)
            .into_iter()
            .map(|request| match request {
                Request::Access(event, _) => event.actor,
                _ => String::new(),
            })
            .collect();
        assert_eq!(recorded[0], format!("{me}, who says to be \"KPMG\""));
        assert_eq!(recorded[1], format!("{me}, who says to be \"os:ann (uid 4242)\""));
        assert_eq!(recorded[2], through);
        assert_eq!(recorded[3], format!("{me}, who says to be \"{me} and KPMG\""));
    }
}
