//! How a store is set up. The proxy fills this from `[store]` of `affidavit.toml`; nothing here reads files.

use crate::error::StoreError;
use crate::sign::VerifierKey;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// When a record counts as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is in the kernel's page cache: survives `kill -9` of the process, not a power failure.
    Process,
    /// When it is on the disk (`fdatasync`, many records at once).
    Strict,
}

/// When a segment is sealed, whichever comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// Rows returned to clients.
    pub rows: u64,
    /// Bytes in the journal.
    pub bytes: u64,
    /// Age of the oldest record that is not sealed.
    pub age: Duration,
}

impl Default for SegmentLimits {
    fn default() -> Self {
        Self { rows: 1_000_000, bytes: 128 << 20, age: Duration::from_secs(300) }
    }
}

/// How much the journal may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Bytes of one preallocated file.
    pub file_bytes: u64,
    /// Bytes of all files together; beyond it, records wait for the sealing.
    pub max_bytes: u64,
    /// Free bytes on the file system below which new sessions are refused.
    pub soft_free_bytes: u64,
    /// Free bytes on the file system below which statements are refused.
    pub hard_free_bytes: u64,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { file_bytes: 32 << 20, max_bytes: 1 << 30, soft_free_bytes: 1 << 30, hard_free_bytes: 256 << 20 }
    }
}

/// The log's signing key, already read from its file or environment variable, or the program that has it.
#[derive(Clone)]
pub enum SigningKeySource {
    /// The key itself.
    Text {
        /// `PRIVATE+KEY+<name>+<id>+<base64>`, as `evidence keys generate` writes it.
        text: Zeroizing<String>,
        /// Where it came from, for messages (`./keys/log.key`, `$AFFIDAVIT_KEY`).
        origin: String,
    },
    /// A program that signs: with `vkey` as its last argument it prints the verification key, with `sign` it reads bytes
    /// and prints the base64 of their Ed25519 signature.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
    },
}

impl std::fmt::Debug for SigningKeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { origin, .. } => write!(f, "SigningKeySource({origin})"),
            Self::Command { argv } => write!(f, "SigningKeySource({argv:?})"),
        }
    }
}

/// How long the record is kept, and who may have it removed afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Nothing younger is ever removed. A shorter time does not reach back: what was recorded under a longer one keeps it.
    pub keep: Duration,
    /// People whose signatures count; any two of them together may have expired segments removed, or a hold released.
    pub signers: Vec<VerifierKey>,
}

impl Retention {
    /// Terms that can be followed.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub fn new(keep: Duration, signers: Vec<VerifierKey>) -> Result<Self, String> {
        let different = |at: usize, key: &VerifierKey| !signers.iter().take(at).any(|k| k.public() == key.public());
        if signers.len() < 2 || !signers.iter().enumerate().all(|(at, key)| different(at, key)) {
            return Err("retention needs the keys of at least two different people in signers".to_owned());
        }
        if signers.len() > 50 {
            return Err("retention takes the keys of at most 50 people".to_owned());
        }
        Ok(Self { keep, signers })
    }
}

/// How a store is set up.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The store's folder.
    pub path: PathBuf,
    /// Whether a store may be made where there is none and none is remembered. Without it opening a missing store fails.
    pub create: bool,
    /// A small file outside of the store that remembers the log's head: an older, another or an empty store in the place of
    /// the known one is refused. See [`remembered_head`].
    pub head: Option<PathBuf>,
    /// Name of the transparency log (`audit.example.org/ehr`): the first line of every checkpoint.
    pub origin: String,
    /// The log's key, or who has it.
    pub signing_key: SigningKeySource,
    /// When a record counts as kept.
    pub durability: Durability,
    /// When a segment is sealed.
    pub segment: SegmentLimits,
    /// How much the journal may hold.
    pub journal: JournalLimits,
    /// The wall clock may come apart from the record's time by this much without a word.
    pub clock_slack: Duration,
    /// How long the log may stay without a new leaf: a heartbeat is added when nothing else was.
    pub heartbeat: Duration,
    /// How often it is signed where the journal stands, while it grows: what no power loss and no hand takes away unnoticed.
    pub heads: Duration,
    /// How long an epoch key signs before the next one is introduced.
    pub epoch: Duration,
    /// Encrypts `statement_bodies` at rest (uniform Parquet encryption, AES-GCM): 16 or 32 bytes.
    pub body_key: Option<Zeroizing<Vec<u8>>>,
    /// How long the record is kept. Without it nothing is ever removed.
    pub retention: Option<Retention>,
}

impl StoreConfig {
    /// A configuration with the defaults of `affidavit.toml`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, origin: impl Into<String>, signing_key: SigningKeySource) -> Self {
        Self {
            path: path.into(),
            create: false,
            head: None,
            origin: origin.into(),
            signing_key,
            durability: Durability::Process,
            segment: SegmentLimits::default(),
            journal: JournalLimits::default(),
            clock_slack: Duration::from_secs(1),
            heartbeat: Duration::from_secs(600),
            heads: Duration::from_secs(1),
            epoch: Duration::from_secs(3600),
            body_key: None,
            retention: None,
        }
    }
}

/// Where the head of a store's log is remembered unless the configuration says otherwise: beside the store's folder.
#[must_use]
pub fn remembered_head(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_os_string();
    name.push(".head");
    store.with_file_name(name)
}

/// Reads the key that encrypts statement bodies: 32 or 64 hexadecimal digits (AES-128 or AES-256). `origin` says where it
/// came from, for messages.
///
/// # Errors
/// [`StoreError::Key`]; the key itself is never shown.
pub fn parse_body_key(text: &str, origin: &str) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    match hex::decode(text.trim()) {
        Ok(bytes) if matches!(bytes.len(), 16 | 32) => Ok(bytes.into()),
        _ => Err(StoreError::Key(format!("{origin} does not hold 32 or 64 hexadecimal digits"))),
    }
}
