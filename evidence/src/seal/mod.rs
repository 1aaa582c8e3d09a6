//! Sealing: journal → Parquet files → manifest → DSSE envelope → leaf in the log → signed head. Then, and only then, the
//! journal may be used again.
//!
//! Every step is durable before the next one begins, and what is not in the log yet is made again from the journal: after
//! a crash the same code runs on the same records. Until the leaves are staged, nothing has happened; from then on they
//! are added whatever comes ([`crate::log::Log`]).

mod epoch;
mod files;
mod last;

use crate::assemble::{Assembler, LeafNote, Nowhere, State, write_carry};
use crate::config::StoreConfig;
use crate::error::{CannotRecord, StoreError};
use crate::identity::{Identity, KnownHead};
use crate::journal::chain::{self, Link, Mark, START, Unsealed};
use crate::journal::head::{self, HeadWriter};
use crate::journal::proofs::Proofs;
use crate::log::{
    Chain, HeartbeatLeaf, HoldLeaf, HoldStep, Leaf, LeafHead, Log, Manifest, PolicyLeaf, RecoveryNote, RotationLeaf,
    Segment, Terms, TombstoneLeaf, leaf_type, root_of,
};
use crate::recorder::SealReport;
use crate::sign::{Envelope, LogSigner, VerifierKey};
use crate::signal::Signal;
use crate::store::{About, Layout, write_durably};
use crate::table::SCHEMA_VERSION;
pub(crate) use files::{hash_file, list, part_name, segment_of};

use epoch::Epochs;
use files::SegmentFiles;
use last::{last_segment, load_carry};
use model::SessionId;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Instant;

/// What a sealing has to do with beside the store's files.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) identity: Arc<Identity>,
    /// How a sealing gets on is told to it.
    pub(crate) signal: Arc<Signal>,
    pub(crate) heads: Arc<HeadWriter>,
}

/// Seals one store.
pub(crate) struct Sealer {
    layout: Layout,
    config: StoreConfig,
    about: About,
    /// Once the store is held: what has to be there for anything to be added.
    held: Option<Held>,
    /// The end of the log, as it was found.
    leaves: Vec<Leaf>,
    log: Log,
    epochs: Epochs,
    assembler: Assembler,
    segment: u64,
    sealed: u64,
    previous: String,
    last_leaf: Instant,
    recoveries: Vec<RecoveryNote>,
}

/// Merkle leaf of a session in `sessions_root`: id · records so far · hash of the last one.
pub(crate) fn session_leaf(id: &[u8; 16], seq: u64, head: &[u8; 32]) -> Vec<u8> {
    let mut leaf = id.to_vec();
    leaf.extend_from_slice(&seq.to_be_bytes());
    leaf.extend_from_slice(head);
    leaf
}

/// Merkle leaf of a session in `open_root`: as [`session_leaf`], then the totals of its ended statements.
pub(crate) fn open_leaf(id: &[u8; 16], seq: u64, head: &[u8; 32], statements: u64, rows: u64, bytes: u64) -> Vec<u8> {
    let mut leaf = session_leaf(id, seq, head);
    for total in [statements, rows, bytes] {
        leaf.extend_from_slice(&total.to_be_bytes());
    }
    leaf
}

impl Sealer {
    /// Opens the log, completing what a crash interrupted, and reads the state after the last segment.
    pub(crate) fn open(
        config: &StoreConfig,
        layout: &Layout,
        about: &About,
        boot: [u8; 16],
    ) -> Result<Self, StoreError> {
        let key = LogSigner::open(&config.signing_key)?;
        if key.verifier().name() != config.origin {
            return Err(StoreError::Key(format!(
                "signing_key is the key of `{}`, but the store's origin is `{}`; they must be the same",
                key.verifier().name(),
                config.origin
            )));
        }
        let mut log = Log::open(&layout.log(), &config.origin, key)?;
        let junk = log.take_junk().map(|what| RecoveryNote { what, tampered: true, ..RecoveryNote::default() });
        let heads = head::read(layout).0;
        let oldest = heads.iter().filter_map(head::epoch).min().unwrap_or(u64::MAX);
        let last = last_segment(&log, oldest)?;
        if let Some(leaf) = last.leaves.iter().find(|leaf| leaf.head().writer != about.writer) {
            let what = format!("its log was signed by writer {}, which makes it another store", leaf.head().writer);
            return Err(StoreError::damaged(layout.about().display(), what));
        }
        let (segment, sealed, previous, state) = match last.segment {
            None => (0, 0, String::new(), State::default()),
            Some((manifest, hash)) => {
                let segment = manifest.predicate.segment;
                let state = load_carry(layout, segment, &manifest.predicate.carry)?;
                (segment, manifest.predicate.last_lsn, hash, state)
            }
        };
        files::remove_orphans(layout, segment)?;
        let epochs = Epochs::new(last.epoch, about.writer.clone(), boot, config);
        Ok(Self {
            layout: layout.clone(),
            config: config.clone(),
            assembler: Assembler::new(state, &about.writer),
            about: about.clone(),
            held: None,
            leaves: last.leaves,
            log,
            epochs,
            segment,
            sealed,
            previous,
            last_leaf: Instant::now(),
            recoveries: junk.into_iter().collect(),
        })
    }

    /// From now on nothing is added unless the store is still the one that was opened.
    pub(crate) fn hold_to(&mut self, held: Held) {
        self.held = Some(held);
    }

    /// What is proven of the journal, with a head that lies elsewhere.
    pub(crate) fn proofs(&self, kept: Option<&str>) -> Proofs {
        Proofs::of(&self.layout, self.leaves.iter(), kept)
    }

    fn check(&self) -> Result<(), StoreError> {
        let lost = |what| CannotRecord::StoreLost(what).into();
        self.held.as_ref().map_or(Ok(()), |held| held.identity.check().map_err(lost))
    }

    /// Adds leaves to the log.
    fn publish(&mut self, entries: &[Vec<u8>]) -> Result<(), StoreError> {
        self.check()?;
        let Some(held) = self.held.clone() else { return self.log.append(entries) };
        held.identity.while_publishing(|| self.log.append(entries))?;
        if let Some((key, head)) = self.epochs.current() {
            held.heads.signed_by(key, head);
        }
        Ok(())
    }

    /// Whether this store is, or continues, the one that is remembered. What is wrong, where it is not.
    pub(crate) fn continues(&self, known: &KnownHead) -> Result<(), String> {
        if known.origin != self.about.origin || known.writer != self.about.writer {
            return Err(format!("it is the store of writer {} of `{}`", self.about.writer, self.about.origin));
        }
        if known.checkpoint.is_empty() {
            return Ok(());
        }
        let head = crate::sign::parse_checkpoint(&known.checkpoint)?;
        if head.size > self.log.size() {
            let (lost, sealed) = (head.size - self.log.size(), self.sealed);
            return Err(format!(
                "the log's last {lost} leaves are gone, and with them records {} to {}",
                sealed + 1,
                known.sealed.max(sealed + 1)
            ));
        }
        if head.size > 0 && self.log.root_at(head.size) != Some(head.root) {
            return Err(format!("the log's first {} leaves are other ones", head.size));
        }
        Ok(())
    }

    /// Everything up to this record is sealed.
    pub(crate) fn sealed(&self) -> u64 {
        self.sealed
    }

    pub(crate) fn report(&self) -> SealReport {
        SealReport { segment: self.segment, sealed: self.sealed, tree_size: self.log.size() }
    }

    /// What the next segment says about how the journal was found.
    pub(crate) fn note_recovery(&mut self, note: RecoveryNote) {
        self.recoveries.push(note);
    }

    /// Whether the next segment has something to say of how the store was found.
    pub(crate) fn has_notes(&self) -> bool {
        !self.recoveries.is_empty()
    }

    /// The sessions that are open at the end of what is not sealed, with the number of their statements that have no end.
    pub(crate) fn open_sessions(&self, unsealed: &Unsealed) -> Result<Vec<(SessionId, u64)>, StoreError> {
        let mut ahead = self.assembler.clone();
        unsealed.read(&mut |kind, lsn, ts, payload| ahead.apply(kind, lsn, ts, payload, &mut Nowhere))?;
        let sessions = ahead.state.sessions.iter();
        Ok(sessions.map(|(id, session)| (SessionId(*id), session.running.len() as u64)).collect())
    }

    /// Seals everything that is journaled. What lies in the journal and is not what was taken is left out, and named. After
    /// an error this object must be opened anew.
    pub(crate) fn seal(&mut self, unsealed: &Unsealed) -> Result<SealReport, StoreError> {
        let end = unsealed.end().map_or((self.sealed, START), |end| (end.lsn, end.link));
        let (until, link): (u64, Link) = end;
        if until <= self.sealed && self.recoveries.is_empty() {
            return Ok(self.report());
        }
        self.check()?;
        let number = self.segment + 1;
        let mut files = SegmentFiles::new(&self.layout, number, &self.about.writer, self.config.body_key.clone());
        self.assembler.begin();
        let (assembler, sealed) = (&mut self.assembler, self.sealed);
        let signal = self.held.as_ref().map(|held| &held.signal);
        let lost = unsealed.read(&mut |kind, lsn, ts, payload| {
            signal.iter().for_each(|signal| signal.got_on());
            if lsn <= sealed { Ok(()) } else { assembler.apply(kind, lsn, ts, payload, &mut files) }
        })?;
        let mut recoveries = self.recoveries.clone();
        for lost in &lost {
            chain::keep(&self.layout.journal(), lost)?;
            recoveries.push(tampered(lost.first, lost.last));
        }
        self.assembler.end();
        let carry = write_carry(&self.assembler.state);
        write_durably(&self.layout.carry(number), &carry)?;
        let (files, hashes) = files.finish()?;

        let mut entries = Vec::new();
        self.epochs.introduce(self.log.key(), &mut entries)?;
        self.note_leaves(&recoveries, &mut entries)?;
        let predicate = Segment {
            head: self.epochs.head(),
            origin: self.config.origin.clone(),
            schema_version: SCHEMA_VERSION,
            segment: number,
            first_lsn: self.sealed + 1,
            last_lsn: until,
            files,
            sessions_root: self.sessions_root(),
            open_root: self.open_root(),
            open_sessions: self.assembler.state.sessions.len() as u64,
            chains: self.chains(),
            policy: self.assembler.state.policy.map(|(version, _)| hex::encode(version)),
            previous: self.previous.clone(),
            carry: hex::encode(Sha256::digest(&carry)),
            journal: Some(hex::encode(link)),
        };
        let payload = to_json(&Manifest::new(predicate, &hashes))?;
        let envelope = self.epochs.sign(leaf_type::SEGMENT, &payload)?;
        write_durably(&self.layout.envelope(number), &envelope)?;
        entries.push(envelope);
        self.publish(&entries)?;

        self.last_leaf = Instant::now();
        self.recoveries.clear();
        let before = self.segment;
        self.segment = number;
        self.sealed = until;
        self.previous = hex::encode(Sha256::digest(&payload));
        if let Some(held) = &self.held {
            held.heads.sealed(until)?;
        }
        if before > 0 {
            // The older state is of no use any more; left behind, it only takes room.
            let _ = std::fs::remove_file(self.layout.carry(before));
        }
        Ok(self.report())
    }

    /// Whether no leaf was added for long.
    pub(crate) fn is_silent(&self) -> bool {
        self.last_leaf.elapsed() >= self.config.heartbeat
    }

    /// From here on the writer signs where the journal stands: first in `log/head`, then the log says that it does.
    pub(crate) fn start(&mut self, mark: &Mark) -> Result<(), StoreError> {
        let mut entries = Vec::new();
        self.epochs.introduce(self.log.key(), &mut entries)?;
        if !entries.is_empty() {
            self.publish(&entries)?;
        }
        if let Some(held) = &self.held {
            held.heads.sign(mark)?;
        }
        self.heartbeat(mark, false).map(drop)
    }

    /// Adds a heartbeat. What it covers has been synced.
    pub(crate) fn heartbeat(&mut self, mark: &Mark, closing: bool) -> Result<SealReport, StoreError> {
        if closing && self.log.size() == 0 {
            return Ok(self.report());
        }
        let mut entries = Vec::new();
        self.epochs.introduce(self.log.key(), &mut entries)?;
        let journal = Some(hex::encode(mark.link));
        let leaf = HeartbeatLeaf { head: self.epochs.head(), last_lsn: mark.lsn, journal, closing };
        entries.push(self.epochs.sign(leaf_type::HEARTBEAT, &to_json(&leaf)?)?);
        self.publish(&entries)?;
        self.last_leaf = Instant::now();
        Ok(self.report())
    }

    /// Adds one leaf, now.
    fn leaf(
        &mut self,
        kind: &str,
        leaf: impl FnOnce(LeafHead) -> Result<Vec<u8>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut entries = Vec::new();
        self.epochs.introduce(self.log.key(), &mut entries)?;
        let payload = leaf(self.epochs.head())?;
        entries.push(self.epochs.sign(kind, &payload)?);
        self.publish(&entries)?;
        self.last_leaf = Instant::now();
        Ok(())
    }

    /// The wall clock was set: both readings, and by how much.
    pub(crate) fn clock(&mut self, step: i64, why: &str) -> Result<(), StoreError> {
        self.leaf(leaf_type::CLOCK, |head| {
            let own =
                json!({ "wall": crate::clock::wall(), "step": step, "why": why, "source": crate::clock::source() });
            to_json(&with_head(&head, own)?)
        })
    }

    /// When the newest leaf was made, if there is one.
    pub(crate) fn newest(&self) -> Result<Option<i64>, StoreError> {
        let size = self.log.size();
        let Some(last) = size.checked_sub(1) else { return Ok(None) };
        let entries = crate::log::entries(self.log.folder(), last / 256 * 256, size)?;
        let Some((index, entry)) = entries.last() else { return Ok(None) };
        let parsed =
            Leaf::parse(entry).map_err(|what| StoreError::damaged(format!("leaf {index} of the log"), what))?;
        Ok(Some(parsed.2.head().time))
    }

    /// A legal hold begins or ends.
    pub(crate) fn hold(&mut self, hold: &str, step: HoldStep) -> Result<(), StoreError> {
        self.leaf(leaf_type::HOLD, |head| to_json(&HoldLeaf { head, hold: hold.to_owned(), step }))
    }

    /// What an order has removed; the files go once this is in the log.
    pub(crate) fn tombstone(&mut self, order: &str) -> Result<(), StoreError> {
        self.leaf(leaf_type::TOMBSTONE, |head| to_json(&TombstoneLeaf { head, order: order.to_owned() }))
    }

    /// Hands the log over to another key. This is the last leaf of this writer.
    pub(crate) fn rotate(&mut self, next: &LogSigner) -> Result<VerifierKey, StoreError> {
        let (previous, key) = (self.log.key().verifier(), next.verifier());
        if key.name() != previous.name() || key == previous {
            let what = format!("the key to rotate to must be a new one of `{}`", previous.name());
            return Err(StoreError::Key(what));
        }
        let mut entries = Vec::new();
        self.epochs.introduce(self.log.key(), &mut entries)?;
        let leaf = RotationLeaf { head: self.epochs.head(), previous: previous.to_string(), next: key.to_string() };
        let payload = to_json(&leaf)?;
        let envelope = Envelope::signed_by(leaf_type::ROTATION, &payload, self.log.key())?;
        entries.push(envelope.also_signed_by(&payload, next)?.to_bytes()?);
        self.publish(&entries)?;
        self.epochs.end();
        Ok(key)
    }

    /// The terms of retention that this writer goes by.
    pub(crate) fn terms(&self) -> Option<Terms> {
        self.epochs.terms().cloned()
    }

    /// The log, for reading.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Leaves for what must have a place in the log's order, before the segment that holds it.
    fn note_leaves(&self, recoveries: &[RecoveryNote], entries: &mut Vec<Vec<u8>>) -> Result<(), StoreError> {
        for note in recoveries {
            let own = serde_json::to_value(note).map_err(|error| StoreError::Config(error.to_string()))?;
            let leaf = with_head(&self.epochs.head(), own)?;
            entries.push(self.epochs.sign(leaf_type::RECOVERY, &to_json(&leaf)?)?);
        }
        for note in &self.assembler.notes {
            let (kind, payload) = match note.clone() {
                LeafNote::Policy { event, version, record_hash } => {
                    let leaf = PolicyLeaf { head: self.epochs.head(), event, version, record_hash };
                    (leaf_type::POLICY, to_json(&leaf)?)
                }
                LeafNote::Review { actor, record_hash } => {
                    let own = json!({ "actor": actor, "record_hash": record_hash });
                    (leaf_type::REVIEW, to_json(&with_head(&self.epochs.head(), own)?)?)
                }
                LeafNote::Approval { event, approval_id, record_hash } => {
                    let own = json!({ "event": event, "approval_id": approval_id, "record_hash": record_hash });
                    (leaf_type::APPROVAL, to_json(&with_head(&self.epochs.head(), own)?)?)
                }
            };
            entries.push(self.epochs.sign(kind, &payload)?);
        }
        Ok(())
    }

    fn sessions_root(&self) -> String {
        let leaves: Vec<Vec<u8>> =
            self.assembler.touched.iter().map(|(id, (seq, head))| session_leaf(id, *seq, head)).collect();
        hex::encode(root_of(leaves.iter().map(Vec::as_slice)))
    }

    fn open_root(&self) -> String {
        let sessions = self.assembler.state.sessions.iter();
        let leaves: Vec<Vec<u8>> =
            sessions.map(|(id, s)| open_leaf(id, s.seq, &s.head, s.statements, s.rows, s.bytes)).collect();
        hex::encode(root_of(leaves.iter().map(Vec::as_slice)))
    }

    fn chains(&self) -> std::collections::BTreeMap<String, Chain> {
        let chains = self.assembler.state.chains.iter();
        chains
            .map(|(t, (count, head))| (t.name().to_owned(), Chain { count: *count, head: hex::encode(head) }))
            .collect()
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Config(format!("writing a leaf: {error}")))
}

fn with_head(head: &LeafHead, own: Json) -> Result<Json, StoreError> {
    let mut all = serde_json::to_value(head).map_err(|error| StoreError::Config(error.to_string()))?;
    if let (Json::Object(all), Json::Object(own)) = (&mut all, own) {
        all.extend(own);
    }
    Ok(all)
}

/// Records that are not what was taken.
fn tampered(first: u64, last: u64) -> RecoveryNote {
    let what = format!(
        "records {first} to {last} in the journal are not what was taken: changed, cut or removed before they were sealed, \
         and left out of the record"
    );
    tracing::error!(first, last, "the journal was tampered with; the log says so");
    RecoveryNote { what, tampered: true, lost: Some((first, last)), unproven: None }
}
