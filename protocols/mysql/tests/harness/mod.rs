//! What the tests against a real server share.
// Tests report by panicking, here as in the functions marked #[test]; each test file uses its share of this folder.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

pub mod anyone;
pub mod client;
pub mod proxy;
pub mod relay;
pub mod script;
pub mod server;
