//! Why a session ended: as the record has it, and as the two sides are told.

use model::{Refusal, RefusalKind};
use std::io;
use wire::Violation;

/// Why a session ended.
#[derive(Debug)]
pub enum Ended {
    /// The client said goodbye.
    Goodbye,
    /// The client went away without a word.
    ClientGone(Option<io::Error>),
    /// The upstream closed the connection.
    UpstreamGone(Option<io::Error>),
    /// A peer broke the protocol.
    Violation(Violation, Side),
    /// The proxy ended it: token expired, operator, shutdown, record cannot be written.
    Closed(Refusal),
}

/// Whose fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Client,
    /// The upstream's.
    Upstream,
}

impl Ended {
    /// The reason as the record has it.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Goodbye => "client terminated".to_owned(),
            Self::ClientGone(None) => "client disconnected".to_owned(),
            Self::ClientGone(Some(error)) => format!("client connection failed: {error}"),
            Self::UpstreamGone(None) => "upstream closed the connection".to_owned(),
            Self::UpstreamGone(Some(error)) => format!("upstream connection failed: {error}"),
            Self::Violation(violation, Side::Client) => format!("client: {violation}"),
            Self::Violation(violation, Side::Upstream) => format!("upstream: {violation}"),
            Self::Closed(refusal) => refusal.message.clone(),
        }
    }

    /// What both sides are told, where there is something to tell.
    pub(super) fn farewell(&self) -> Option<Refusal> {
        match self {
            Self::Closed(refusal) => Some(refusal.clone()),
            Self::Violation(violation, side) => {
                Some(Refusal::new(RefusalKind::ProtocolViolation, violation.to_string()).hint(match side {
                    Side::Client => "the client sent something that its protocol does not allow",
                    Side::Upstream => "the database answered something unexpected; nothing of it was passed on",
                }))
            }
            // A database that hangs up says no more to a client that is connected to it directly.
            Self::UpstreamGone(Some(error)) if !hung_up(error) => {
                let text = format!("the database connection broke: {}", error.kind());
                Some(Refusal::new(RefusalKind::UpstreamUnavailable, text).hint("connect again"))
            }
            Self::Goodbye | Self::ClientGone(_) | Self::UpstreamGone(_) => None,
        }
    }
}

/// Whether the peer simply is not there any more. Through TLS that may come without a last word.
fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_hangs_up_is_a_lost_connection_and_nothing_more() {
        let tls = io::Error::new(io::ErrorKind::UnexpectedEof, "peer closed connection: https://docs.rs/some/library");
        assert!(Ended::UpstreamGone(Some(tls)).farewell().is_none());
        assert!(Ended::UpstreamGone(None).farewell().is_none());
        let broken = Ended::UpstreamGone(Some(io::Error::other("a library's words: https://docs.rs/x"))).farewell();
        let told = broken.map(|refusal| refusal.message).unwrap_or_default();
        assert!(told.starts_with("the database connection broke") && !told.contains("https"), "{told}");
    }
}
