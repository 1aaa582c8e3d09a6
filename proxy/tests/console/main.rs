//! The console over HTTP, with an OpenID provider of our own: logging in, deciding, the API, the command line, webhooks.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic is how a test reports"
)]

mod api;
mod command;
mod deciding;
mod issuer;
mod login;
mod recordings;
mod tls;
mod webhooks;
mod world;
