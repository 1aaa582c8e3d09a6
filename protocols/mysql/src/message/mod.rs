//! The messages of the MySQL and MariaDB client/server protocol, one small family a file. Decoders take the payload of
//! one packet and never trust a length in it; encoders append to a buffer.
//!
//! Sources: <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html> and
//! <https://mariadb.com/kb/en/clientserver-protocol/>.

pub(crate) mod auth;
pub(crate) mod capability;
pub(crate) mod change_user;
pub(crate) mod column;
pub(crate) mod command;
pub(crate) mod error;
pub(crate) mod execute;
pub(crate) mod greeting;
pub(crate) mod lenenc;
pub(crate) mod ok;
pub(crate) mod packet;
pub(crate) mod parameter;
pub(crate) mod prepared;
pub(crate) mod query;
pub(crate) mod response;

use wire::{Truncated, Violation};

/// A payload that is not what it should be. The text names the message and the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl From<Malformed> for Violation {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.to_string())
    }
}

/// Names what was truncated.
pub(crate) trait Within<T> {
    fn within(self, what: &'static str) -> Result<T, Malformed>;
}

impl<T> Within<T> for Result<T, Truncated> {
    fn within(self, what: &'static str) -> Result<T, Malformed> {
        self.map_err(|Truncated| Malformed(what))
    }
}
