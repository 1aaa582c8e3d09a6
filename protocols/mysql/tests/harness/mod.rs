//! What the tests against a real server share.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod client;
pub mod proxy;
pub mod relay;
pub mod server;
