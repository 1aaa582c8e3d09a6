//! Signatures: the log's key (C2SP signed notes), here or with a program elsewhere, and the epoch keys (DSSE envelopes).

mod dsse;
mod note;
mod signer;

pub(crate) use dsse::{Envelope, EpochKey, key_id, verify_envelope};
pub use note::{Checkpoint, LogKey, VerifierKey};
pub(crate) use note::{checkpoint_text, parse_checkpoint, split};
pub(crate) use signer::LogSigner;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
