//! Approvals as the relay and the console meet them: holding, deciding, races, restarts, failing records.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic is how a test reports"
)]

mod holding;
mod races;
mod record;
mod world;
