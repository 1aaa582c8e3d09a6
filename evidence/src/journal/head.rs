//! `log/head`: where the journal's chain stands, signed once a second.
//!
//! A line for each head, a DSSE envelope like a leaf, by the epoch key in force: its public half is in the log, its private
//! half was never on a disk. A head is signed when what it covers has been synced, and its line is synced too, so nothing
//! that it covers can go with the power. Lines go once a segment in the log covers what they say.

use super::chain::{Link, Mark};
use super::now;
use crate::clock::monotonic;
use crate::error::{At, StoreError};
use crate::log::{LeafHead, leaf_type};
use crate::sign::{Envelope, EpochKey};
use crate::store::{Layout, write_durably};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Lines that are kept at most when nothing is sealed for long: twenty minutes.
const MOST: usize = 1200;
/// Bytes that are read of the file at most.
const READ: u64 = 4 << 20;

/// Where the chain stands, and when that was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadLeaf {
    #[serde(flatten)]
    pub(crate) head: LeafHead,
    /// The newest record.
    pub(crate) last_lsn: u64,
    /// The chain behind it, hexadecimal.
    pub(crate) journal: String,
    /// This run of the machine, by its kernel: what the kernel had taken survives the end of any process in it.
    pub(crate) machine: String,
}

impl HeadLeaf {
    pub(crate) fn link(&self) -> Option<Link> {
        hex::decode(&self.journal).ok()?.try_into().ok()
    }
}

/// This run of the machine; empty where the kernel does not say.
pub(crate) fn machine() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// The envelopes in the file; what is none is counted.
pub(crate) fn read(layout: &Layout) -> (Vec<Envelope>, usize) {
    let mut text = Vec::new();
    let Ok(file) = std::fs::File::open(layout.heads()) else { return (Vec::new(), 0) };
    if file.take(READ).read_to_end(&mut text).is_err() {
        return (Vec::new(), 1);
    }
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let heads: Vec<Envelope> = lines
        .iter()
        .filter_map(|line| Some(Envelope::parse(line).ok()?.0))
        .filter(|e| e.payload_type == leaf_type::HEAD)
        .collect();
    let junk = lines.len() - heads.len();
    (heads, junk)
}

/// The epoch that an envelope says it is of.
pub(crate) fn epoch(envelope: &Envelope) -> Option<u64> {
    let payload = crate::sign::unbase64(&envelope.payload)?;
    serde_json::from_slice::<HeadLeaf>(&payload).ok().map(|leaf| leaf.head.epoch)
}

struct Lines {
    /// The newest lines, with the record that each covers.
    all: Vec<(u64, String)>,
    signer: Option<(Arc<EpochKey>, LeafHead)>,
}

/// Signs heads. One for each start of the writer.
pub(crate) struct HeadWriter {
    path: PathBuf,
    machine: String,
    lines: Mutex<Lines>,
}

impl HeadWriter {
    pub(crate) fn new(layout: &Layout) -> Self {
        let lines = Mutex::new(Lines { all: Vec::new(), signer: None });
        Self { path: layout.heads(), machine: machine(), lines }
    }

    /// Another key signs from now on; its leaf is in the log.
    pub(crate) fn signed_by(&self, key: Arc<EpochKey>, head: LeafHead) {
        self.lines.lock().signer = Some((key, head));
    }

    /// Signs where the chain stands, unless that was signed. What it covers has been synced.
    pub(crate) fn sign(&self, mark: &Mark) -> Result<(), StoreError> {
        let mut lines = self.lines.lock();
        if lines.all.last().is_some_and(|(lsn, _)| *lsn == mark.lsn) {
            return Ok(());
        }
        let Some((key, about)) = &lines.signer else { return Ok(()) };
        let head = LeafHead { time: now(), monotonic: monotonic(), ..about.clone() };
        let leaf =
            HeadLeaf { head, last_lsn: mark.lsn, journal: hex::encode(mark.link), machine: self.machine.clone() };
        let payload = serde_json::to_vec(&leaf).map_err(|error| StoreError::Config(error.to_string()))?;
        let envelope = key.seal(leaf_type::HEAD, &payload).to_bytes()?;
        let line = format!("{}\n", String::from_utf8_lossy(&envelope));
        crate::faults::point();
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path)
            .at(&self.path, "opening the journal's heads")?;
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_data())
            .at(&self.path, "writing a head of the journal")?;
        crate::faults::point();
        lines.all.push((mark.lsn, line));
        if lines.all.len() > MOST {
            lines.all.drain(..MOST / 2);
            self.rewrite(&lines)?;
        }
        Ok(())
    }

    /// The log covers everything up to this record: older lines go, the newest stays.
    pub(crate) fn sealed(&self, lsn: u64) -> Result<(), StoreError> {
        let mut lines = self.lines.lock();
        let newest = lines.all.len().saturating_sub(1);
        let first = lines.all.iter().position(|(covered, _)| *covered >= lsn).unwrap_or(newest).min(newest);
        lines.all.drain(..first);
        if lines.all.is_empty() { Ok(()) } else { self.rewrite(&lines) }
    }

    fn rewrite(&self, lines: &Lines) -> Result<(), StoreError> {
        let text: String = lines.all.iter().map(|(_, line)| line.as_str()).collect();
        write_durably(&self.path, text.as_bytes())
    }

    /// The newest line.
    pub(crate) fn newest(&self) -> Option<String> {
        self.lines.lock().all.last().map(|(_, line)| line.trim_end().to_owned())
    }
}
