//! Points in time, as the record keeps them.

/// Microseconds since the Unix epoch, UTC. The unit of every timestamp in the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since the Unix epoch, as OIDC claims (`exp`, `nbf`, `iat`) count them.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }
}
