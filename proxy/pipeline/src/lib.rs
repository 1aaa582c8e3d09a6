//! The life of a statement, one stage a file. Each stage takes the proof of the one before and gives its own:
//!
//! ```text
//! client ─understand→ Understood ─judge→ Judged ─approve→ Approved ─settle→ Permit ─execute→ journal, then upstream
//! client ←release─ Recorded ←record─ Masked ←mask─ Heard ←hear─ upstream ←─────────────────────────────────────┘
//! ```
//!
//! A proof's fields are private to the file of its stage, and this crate is the wall around all of them: outside of it
//! nobody can make one. So no statement reaches the upstream without a [`Permit`], no byte of an answer reaches
//! [`ClientSink`] without having been [`Masked`] and [`Recorded`], and what goes either way without those is of a kind that
//! has a name: [`Housekeeping`] of the adapter, and our [`OwnWords`]. Skipping a stage does not compile; `tests/forgeries`
//! holds one attempt at each.
//!
//! What the pipeline needs of the proxy around it, the proxy fulfils: [`Policies`] that are in force, and people to ask
//! ([`Holds`]).

mod alarm;
mod approve;
mod elements;
mod execute;
mod hear;
mod hold;
mod housekeeping;
mod judge;
mod mask;
mod own_words;
mod record;
mod recording;
mod relay;
mod release;
mod running;
mod settle;
mod sink;
mod understand;
mod written_back;

pub use alarm::alarms;
pub use approve::{Approved, Held, Refused, Ruling, approve};
pub use execute::{Unsent, UpstreamSink, execute, refuse};
pub use hear::{Heard, hear};
pub use hold::{Agreed, Asking, Deciding, Holds, OnHold, Question};
pub use housekeeping::Housekeeping;
pub use judge::{Columns, Estimate, Judge, Judged, Opinion, Policies, names};
pub use mask::{Masked, Splices, mask};
pub use own_words::OwnWords;
pub use record::{Recorded, record};
pub use recording::Recording;
pub use relay::{Allowance, Ended, Parts, Patience, Relay, Side, turn_away};
pub use release::{ClientSink, release};
pub use running::Running;
pub use settle::{Permit, settle};
pub use sink::SendError;
pub use understand::{Understood, Wish, understand};
