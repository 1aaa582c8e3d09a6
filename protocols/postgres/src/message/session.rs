//! What a server says of the session itself: parameters, cancel key, readiness, and the end of a command.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html> (ParameterStatus, BackendKeyData,
//! ReadyForQuery, CommandComplete, NotificationResponse).

use super::{malformed, put, put_cstr};
use wire::{Cursor, Violation};

/// Name and value of a ParameterStatus.
pub(crate) fn parameter_status(body: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    let mut cursor = Cursor::new(body);
    let bad = |_| malformed("ParameterStatus");
    let pair = (cursor.cstr().map_err(bad)?, cursor.cstr().map_err(bad)?);
    if cursor.is_empty() { Ok(pair) } else { Err(malformed("ParameterStatus")) }
}

/// Process id and secret of a BackendKeyData.
pub(crate) fn backend_key(body: &[u8]) -> Result<([u8; 4], &[u8]), Violation> {
    let (pid, secret) = body.split_first_chunk().ok_or_else(|| malformed("BackendKeyData"))?;
    if secret.is_empty() || secret.len() > super::startup::MAX_SECRET {
        return Err(malformed("BackendKeyData"));
    }
    Ok((*pid, secret))
}

/// Appends a BackendKeyData.
pub(crate) fn put_backend_key(pid: [u8; 4], secret: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'K', |out| {
        out.extend_from_slice(&pid);
        out.extend_from_slice(secret);
    })
}

/// The transaction state of a ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// Not in a transaction block.
    Idle,
    /// In a transaction block.
    Open,
    /// In a failed transaction block.
    Failed,
}

/// Decodes a ReadyForQuery.
pub(crate) fn ready_for_query(body: &[u8]) -> Result<Transaction, Violation> {
    match body {
        [b'I'] => Ok(Transaction::Idle),
        [b'T'] => Ok(Transaction::Open),
        [b'E'] => Ok(Transaction::Failed),
        _ => Err(malformed("ReadyForQuery")),
    }
}

/// The tag of a CommandComplete and the rows that it says were changed or returned.
pub(crate) fn command_complete(body: &[u8]) -> Result<(&str, Option<u64>), Violation> {
    let mut cursor = Cursor::new(body);
    let tag = cursor.cstr().map_err(|_| malformed("CommandComplete"))?;
    let tag = std::str::from_utf8(tag).map_err(|_| malformed("CommandComplete"))?;
    let writes = ["INSERT", "UPDATE", "DELETE", "MERGE", "COPY"].iter().any(|verb| tag.starts_with(verb));
    let count = tag.rsplit(' ').next().and_then(|word| word.parse().ok()).filter(|_| writes);
    Ok((tag, count))
}

/// Appends a copy of a NotificationResponse without its payload, which another session wrote. Whether it had one.
pub(crate) fn put_bare_notification(body: &[u8], out: &mut Vec<u8>) -> Result<bool, Violation> {
    let bad = |_| malformed("NotificationResponse");
    let mut cursor = Cursor::new(body);
    let pid = cursor.take(4).map_err(bad)?;
    let channel = cursor.cstr().map_err(bad)?;
    let payload = cursor.cstr().map_err(bad)?;
    put(out, b'A', |out| {
        out.extend_from_slice(pid);
        put_cstr(out, channel);
        out.push(0);
    })?;
    Ok(!payload.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoders_take_exactly_their_message() {
        assert_eq!(parameter_status(b"TimeZone\0UTC\0").ok(), Some((&b"TimeZone"[..], &b"UTC"[..])));
        assert!(parameter_status(b"TimeZone\0UTC").is_err());
        assert!(parameter_status(b"TimeZone\0UTC\0x").is_err());
        assert_eq!(backend_key(&[0, 0, 1, 2, 9, 8, 7, 6]).ok(), Some(([0, 0, 1, 2], &[9, 8, 7, 6][..])));
        assert!(backend_key(&[0, 0, 1, 2]).is_err());
        assert_eq!(ready_for_query(b"T").ok(), Some(Transaction::Open));
        assert!(ready_for_query(b"X").is_err());
        assert!(ready_for_query(b"").is_err());
    }

    #[test]
    fn affected_rows_are_those_of_writes() {
        assert_eq!(command_complete(b"SELECT 3\0").ok(), Some(("SELECT 3", None)));
        assert_eq!(command_complete(b"INSERT 0 5\0").ok(), Some(("INSERT 0 5", Some(5))));
        assert_eq!(command_complete(b"CREATE TABLE\0").ok(), Some(("CREATE TABLE", None)));
        assert!(command_complete(b"SELECT 3").is_err());
    }

    #[test]
    fn a_notification_loses_its_payload_only() {
        let mut out = Vec::new();
        put_bare_notification(b"\0\0\0\x07chan\0secret\0", &mut out).unwrap();
        assert_eq!(out, b"A\0\0\0\x0e\0\0\0\x07chan\0\0");
    }
}
