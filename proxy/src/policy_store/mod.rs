//! The policy in force, and the folder it is read from.
//!
//! Every decision names the exact policy that made it, and that policy's text is in the record first (invariant 6):
//! a new policy is read, validated, recorded, and only then takes over. If any of that fails the old policy stays, and
//! [`Store::health`] and the log say so until someone mends it. A change is taken up only after the folder has
//! rested for one look, because half of an edit may well be a valid policy that protects less.

mod folder;
mod memory;
#[cfg(test)]
mod tests;

use arc_swap::ArcSwap;
pub(crate) use folder::DELIBERATE;
use folder::Digest;
pub use memory::Memory;
use model::PolicyVersion;
use parking_lot::Mutex;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often the folder is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The digest of no folder's content: no folder that can be read holds nothing.
const NO_FOLDER: Digest = [0; 32];

/// What the store needs of a policy.
pub trait Policy: Sized + Send + Sync + 'static {
    /// Reads `(file name, text)` pairs. The error lists everything that is wrong, one entry a problem.
    ///
    /// # Errors
    /// When any of it cannot be a policy.
    fn parse(files: &[(String, String)]) -> Result<Self, Vec<String>>;
    /// The hash of [`Policy::canonical`].
    fn version(&self) -> PolicyVersion;
    /// The text that is recorded.
    fn canonical(&self) -> &str;
    /// The rules of `old` that this one lacks, in words: with each of them something is protected less.
    fn lacks(&self, old: &Self) -> Vec<String> {
        let _ = old;
        Vec::new()
    }
}

/// A policy that is about to take over.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Its version.
    pub version: PolicyVersion,
    /// Its canonical text.
    pub content: &'a str,
    /// The version that it replaces; `None` at start.
    pub parent: Option<PolicyVersion>,
}

/// Records that a policy was loaded and takes over. An error keeps it from doing so.
pub type Activate = dyn Fn(&Change<'_>) -> Result<(), String> + Send + Sync;

/// No policy could be put in force. Each entry is one problem for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected(pub Vec<String>);

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Rejected {}

/// How the policies are doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The version in force.
    pub version: PolicyVersion,
    /// What is wrong with what the folder holds now, if that is not what is in force.
    pub rejected: Option<Rejected>,
}

/// What one look at the folder led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing new.
    Unchanged,
    /// Something changed; it is taken up if the next look finds it at rest.
    Settling,
    /// A new policy is in force.
    Activated(PolicyVersion),
    /// What is there now cannot be put in force.
    Rejected,
}

struct Watching {
    /// The content that is in force.
    in_force: Digest,
    /// Content that cannot be a policy: not looked at again.
    refused: Option<Digest>,
    /// New content that the last look found.
    pending: Option<Digest>,
    rejected: Option<Rejected>,
}

/// The policy in force and its folder.
pub struct Store<P> {
    folder: PathBuf,
    activate: Box<Activate>,
    /// A policy that lacks rules of the one in force takes over without anybody having said so.
    allow_weaker: bool,
    current: ArcSwap<P>,
    versions: watch::Sender<PolicyVersion>,
    watching: Mutex<Watching>,
}

impl<P: Policy> Store<P> {
    /// Reads the folder and puts its policy in force. Blocks on the disk.
    ///
    /// `last` is the canonical text of the policy that was in force when the proxy ran before. It is in force again, and
    /// health says so, where the folder lacks rules of it and nobody has said that this is meant.
    ///
    /// # Errors
    /// Everything that is wrong with the files, or that the policy could not be recorded.
    pub fn open(
        folder: &Path,
        allow_weaker: bool,
        last: Option<&str>,
        activate: Box<Activate>,
    ) -> Result<Arc<Self>, Rejected> {
        let files = folder::read(folder).map_err(Rejected)?;
        let found = P::parse(&files).map_err(Rejected)?;
        let last = if allow_weaker { None } else { last.and_then(remembered::<P>) };
        let (policy, in_force, rejected) = match last {
            Some(last) => match unmeant(folder, &found, &last) {
                Some(rejected) => (last, NO_FOLDER, Some(rejected)),
                None => (found, folder::digest(&files), None),
            },
            None => (found, folder::digest(&files), None),
        };
        let change = Change { version: policy.version(), content: policy.canonical(), parent: None };
        activate(&change).map_err(|cause| unrecorded(change.version, &cause))?;
        tracing::info!(version = %change.version, folder = %folder.display(), "policy in force");
        if let Some(problems) = &rejected {
            tracing::error!(folder = %folder.display(), in_force = %change.version, %problems, "the policy in the folder \
                is refused; the one that was in force before this start stays so");
        }
        Ok(Arc::new(Self {
            folder: folder.to_owned(),
            activate,
            allow_weaker,
            versions: watch::Sender::new(policy.version()),
            current: ArcSwap::from_pointee(policy),
            watching: Mutex::new(Watching { in_force, refused: None, pending: None, rejected }),
        }))
    }

    /// The policy in force.
    #[must_use]
    pub fn current(&self) -> Arc<P> {
        self.current.load_full()
    }

    /// Tells of every version that takes over; sessions judge anew with it.
    #[must_use]
    pub fn versions(&self) -> watch::Receiver<PolicyVersion> {
        self.versions.subscribe()
    }

    /// How the policies are doing.
    #[must_use]
    pub fn health(&self) -> Health {
        Health { version: self.current.load().version(), rejected: self.watching.lock().rejected.clone() }
    }

    /// Looks at the folder from time to time, until the handle is aborted.
    pub fn watch(self: &Arc<Self>, every: Duration) -> JoinHandle<()> {
        let store = Arc::clone(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let looking = Arc::clone(&store);
                if let Err(error) = tokio::task::spawn_blocking(move || looking.look()).await {
                    tracing::error!(%error, "looking for new policies failed; the policy in force stays");
                }
            }
        })
    }

    /// One look at the folder. Blocks on the disk.
    pub fn look(&self) -> Looked {
        let mut watching = self.watching.lock();
        let files = match folder::read(&self.folder) {
            Ok(files) => files,
            Err(problems) => {
                watching.pending = None;
                return self.reject(&mut watching, Rejected(problems));
            }
        };
        let content = folder::digest(&files);
        if content == watching.in_force {
            return self.at_rest(&mut watching, content);
        }
        if watching.refused == Some(content) {
            return Looked::Unchanged;
        }
        if watching.pending.replace(content) != Some(content) {
            return Looked::Settling;
        }
        match P::parse(&files) {
            Ok(policy) => self.take_up(&mut watching, content, policy),
            Err(problems) => {
                watching.refused = Some(content);
                self.reject(&mut watching, Rejected(problems))
            }
        }
    }

    fn take_up(&self, watching: &mut Watching, content: Digest, policy: P) -> Looked {
        let (version, parent) = (policy.version(), self.current.load().version());
        if version == parent {
            return self.at_rest(watching, content);
        }
        let weaker = if self.allow_weaker { None } else { unmeant(&self.folder, &policy, &self.current.load()) };
        if let Some(rejected) = weaker {
            // Not refused for good: somebody may say that it is meant.
            return self.reject(watching, rejected);
        }
        let change = Change { version, content: policy.canonical(), parent: Some(parent) };
        if let Err(cause) = (self.activate)(&change) {
            // Not refused for good: the next look tries again, for the disk may have room by then.
            return self.reject(watching, unrecorded(version, &cause));
        }
        *watching = Watching { in_force: content, refused: None, pending: None, rejected: None };
        self.current.store(Arc::new(policy));
        self.versions.send_replace(version);
        tracing::info!(%version, %parent, "policy in force");
        Looked::Activated(version)
    }

    /// The folder holds what is in force.
    fn at_rest(&self, watching: &mut Watching, content: Digest) -> Looked {
        if watching.rejected.is_some() {
            tracing::info!(version = %self.current.load().version(), "the policy files hold the policy in force again");
        }
        *watching = Watching { in_force: content, refused: None, pending: None, rejected: None };
        Looked::Unchanged
    }

    /// Loud once for each new reason; the health state stays until it is mended.
    fn reject(&self, watching: &mut Watching, rejected: Rejected) -> Looked {
        if watching.rejected.as_ref() != Some(&rejected) {
            let in_force = self.current.load().version();
            tracing::error!(folder = %self.folder.display(), %in_force, problems = %rejected, "the new policy \
                is refused; the old one stays in force");
        }
        watching.rejected = Some(rejected);
        Looked::Rejected
    }
}

impl<P> fmt::Debug for Store<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Names and texts of the policy files of a folder, sorted by name.
///
/// # Errors
/// Everything that keeps them from being read, or that there are none.
pub fn files(folder: &Path) -> Result<Vec<(String, String)>, Rejected> {
    folder::read(folder).map_err(Rejected)
}

/// Reads and validates the policy of a folder without putting it in force: for `check`, `explain` and `policy list`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read<P: Policy>(folder: &Path) -> Result<P, Rejected> {
    let files = folder::read(folder).map_err(Rejected)?;
    P::parse(&files).map_err(Rejected)
}

/// The policy that was in force before this start. A text that an older version wrote and this one cannot read is no
/// reason to stand still, but one to tell.
fn remembered<P: Policy>(text: &str) -> Option<P> {
    match P::parse(&[("policy".to_owned(), text.to_owned())]) {
        Ok(policy) => Some(policy),
        Err(problems) => {
            let problems = Rejected(problems);
            tracing::error!(%problems, "the policy that was in force before this start cannot be read any more; whether \
                the folder lacks rules of it is not known");
            None
        }
    }
}

/// Why a policy that protects less than `old` does not take over: a folder that is half copied is a policy too. `None` when
/// it lacks nothing, or when somebody has said that it is meant.
fn unmeant<P: Policy>(folder: &Path, policy: &P, old: &P) -> Option<Rejected> {
    let (version, lost) = (policy.version(), policy.lacks(old));
    if lost.is_empty() || folder::is_deliberate(folder, &version.to_string()) {
        return None;
    }
    let lost = lost.join(", ");
    Some(Rejected(vec![format!(
        "policy {version} lacks what is in force ({lost}); if that is meant, put it in force with affidavit policy \
         activate, or set allow_weaker = true in [policies]"
    )]))
}

fn unrecorded(version: PolicyVersion, cause: &str) -> Rejected {
    Rejected(vec![format!("policy {version} cannot be recorded, so it must not decide anything: {cause}")])
}
