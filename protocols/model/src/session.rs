//! A session: one client connection, from login to close.

use crate::{Identity, Timestamp};
use std::fmt;

/// A UUIDv7 (RFC 9562): sorts by the time at which the session began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is known of a session when it opens. Everything here is recorded.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Unique id of this session.
    pub id: SessionId,
    /// When the login was complete.
    pub opened: Timestamp,
    /// The proven identity.
    pub identity: Identity,
    /// The user name that the client claimed in its startup message. Recorded, never trusted.
    pub claimed_user: String,
    /// `address:port` of the client.
    pub client_addr: String,
    /// What the client calls itself (`application_name`, MySQL `program_name`), possibly empty.
    pub client_app: String,
    /// The protocol's registered name: `postgres` or `mysql`.
    pub protocol: String,
    /// The datasource's configured name.
    pub datasource: String,
    /// The database at the upstream.
    pub database: String,
    /// The user at the upstream.
    pub upstream_user: String,
    /// The upstream's version string, as it announced it.
    pub server_version: String,
    /// TLS version on the client's side, or `None` for a plain loopback connection.
    pub tls_version: Option<String>,
    /// Reason the client gave (`affidavit.reason`, connection attribute), if any.
    pub reason: Option<String>,
    /// Ticket the client gave (`affidavit.ticket`), if any.
    pub ticket: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_written_as_hyphenated_uuids() {
        let id = SessionId([0x01, 0x93, 0x55, 0, 0, 1, 0x70, 2, 0x80, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(id.to_string(), "01935500-0001-7002-8003-040506070809");
    }
}
