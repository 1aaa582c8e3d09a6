//! The one owner of the record's format: journal, segment, manifest, log, signatures, verification, search, export.
//!
//! The proxy records through a [`Recorder`]. A record goes into the journal (a copy into mapped memory), background
//! threads seal the journal into Parquet files, list those in a signed manifest, and put the manifest into an append-only
//! transparency log whose signed head ([C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint)) anyone may keep.

// The tests inside and outside of the crate share their helpers, which name it as those outside do.
#[cfg(test)]
extern crate self as evidence;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

mod assemble;
pub mod cli;
mod clock;
mod config;
mod durable;
mod error;
mod event;
mod export;
mod faults;
mod identity;
mod inbox;
mod journal;
mod keeper;
mod log;
mod opening;
mod os_user;
mod policy_text;
mod reading;
mod record;
mod recorder;
mod retention;
mod seal;
mod search;
mod sign;
mod signal;
mod store;
mod table;
mod tenders;
pub mod verify;
mod visible;

pub use config::{
    Durability, JournalLimits, Retention, SegmentLimits, SigningKeySource, StoreConfig, parse_body_key, remembered_head,
};
pub use error::{CannotRecord, StoreError};
pub use event::steady_now;
pub use event::{
    AccessEvent, ApprovalEvent, ApprovalStep, LoginDenied, Lsn, PolicyEvent, PolicyOrigin, new_session_id,
};
pub use policy_text::policy_text;
pub use reading::{Filter, PolicyRecord, Reader, RecordedRow, Text, parse_time};
pub use recorder::{Health, Recorder, Recovery, SealReport};
pub use sign::{Checkpoint, LogKey, VerifierKey};
