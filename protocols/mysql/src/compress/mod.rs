//! Compression, of one hop at a time: a coding between the packets and the connection, agreed on at login and on from
//! the packet after it. Each side of the proxy has its own, so rows are compressed after they were masked.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_compression.html>
//!
//! What is inside keeps its own sequence ids, except that servers set theirs to the outer ones whenever they flush. The
//! order of a compressed hop is therefore proven by the outer ids, and what the upstream sends is numbered again.

mod codec;
mod frames;
mod stream;

pub(crate) use codec::Algorithm;
pub(crate) use stream::Compressed;

#[cfg(test)]
mod tests;
