//! The life of a statement, one stage a file. Each stage takes the proof of the one before and gives its own:
//!
//! ```text
//! client ─wire→ Statement ─judge→ Judged ─approve→ Permit ─execute→ journal, then upstream
//! client ←release─ Recorded ←record─ Masked ←mask─ answer ←──────────────────────────┘
//! ```
//!
//! The proofs' fields are private to their stage, so a statement cannot reach the upstream without a `Permit`, and no
//! byte of an answer can reach [`ClientSink`] without having been `Masked` and `Recorded`: skipping a stage does
//! not compile.

mod approve;
mod elements;
mod execute;
mod judge;
mod mask;
mod record;
mod release;
mod running;
mod written_back;

pub(crate) use approve::{Permit, Refused, Ruling, approve};
pub(crate) use execute::{Unsent, UpstreamSink, execute, forward, refuse};
pub(crate) use judge::{Columns, Estimate, Judge, Judged, Opinion, names};
pub(crate) use mask::{Splices, mask};
pub(crate) use record::record;
pub(crate) use release::{ClientSink, SendError, release};
pub(crate) use running::Running;
