//! The token exchange (RFC 8693): a client that cannot send a long token where a password is due posts it over HTTPS and gets
//! a user name and a password that last a few minutes, good for SCRAM-SHA-256 and caching_sha2_password.
//!
//! What it holds itself to:
//! 1. A credential is an identity's, for one datasource, until an end that is never after that of the token it was given for.
//!    What it opens is that identity's session, and ends with it.
//! 2. The password is 256 random bits that nobody keeps: the store has a verifier in the form of the datasource's protocol,
//!    which proves nothing to any other protocol.
//! 3. A credential is recorded, then stored, then good. Taken back, it is bad at once and its sessions end, whatever else fails.
//! 4. Who has not proven the password learns nothing: neither whether a user name exists nor what became of it.
//! 5. An entry of the store that was not sealed by us is not believed.

mod api;
mod attempts;
mod book;
mod bounded;
pub(crate) mod command;
mod credential;
mod endpoint;
mod entrance;
mod ledger;
mod request;
mod seal;
mod store;
pub(crate) mod wiring;

pub(crate) use bounded::{Bounded, LIFE};
pub(crate) use entrance::{Exchange, Rejected, slow_down};
