//! What a client sends before it has a session: startup, TLS and GSS requests, cancel requests. These have no tag.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html> (StartupMessage, SSLRequest, GSSENCRequest,
//! CancelRequest, NegotiateProtocolVersion).

use super::{put, put_cstr};
use wire::{Cursor, Violation};

/// The largest startup packet that PostgreSQL itself accepts (`MAX_STARTUP_PACKET_LENGTH`).
pub(crate) const MAX_STARTUP: usize = 10_000;
/// The longest cancel secret of protocol 3.2.
pub(crate) const MAX_SECRET: usize = 256;

const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// The first packet of a connection, or one of its first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// The client wants TLS.
    Tls,
    /// The client wants GSSAPI encryption.
    Gss,
    /// The client wants another session's statement cancelled: process id and secret, as that session's client got them.
    Cancel(Vec<u8>),
    /// The client wants a session.
    Startup(Startup),
    /// The client wants a session in a protocol that is not version 3: major and minor version.
    Foreign(u16, u16),
}

/// A startup message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Startup {
    /// The minor version of protocol 3 that the client asks for.
    pub(crate) minor: u16,
    /// Parameters in the client's order, duplicates included.
    pub(crate) params: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Startup {
    /// The last value of a parameter: the one that PostgreSQL goes by.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.params.iter().rev().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value.as_slice())
    }
}

/// Decodes the packet after its length field.
pub(crate) fn decode(body: &[u8]) -> Result<First, Violation> {
    let bad = |_| Violation("the first message is truncated".to_owned());
    let mut cursor = Cursor::new(body);
    let code = cursor.u32_be().map_err(bad)?;
    match code {
        TLS | GSS if !cursor.is_empty() => Err(Violation("bytes follow an encryption request".to_owned())),
        TLS => Ok(First::Tls),
        GSS => Ok(First::Gss),
        CANCEL => {
            let key = cursor.rest();
            if (8..=4 + MAX_SECRET).contains(&key.len()) {
                Ok(First::Cancel(key.to_vec()))
            } else {
                Err(Violation("a cancel request has a secret of an impossible length".to_owned()))
            }
        }
        _ if code >> 16 == 3 => params(u16::try_from(code & 0xFFFF).unwrap_or(u16::MAX), cursor).map(First::Startup),
        _ => {
            let half = |bits: u32| u16::try_from(bits & 0xFFFF).unwrap_or(u16::MAX);
            Ok(First::Foreign(half(code >> 16), half(code)))
        }
    }
}

fn params(minor: u16, mut cursor: Cursor<'_>) -> Result<Startup, Violation> {
    let bad = |_| Violation("the startup message is truncated".to_owned());
    let mut params = Vec::new();
    loop {
        let name = cursor.cstr().map_err(bad)?;
        if name.is_empty() {
            break;
        }
        params.push((name.to_vec(), cursor.cstr().map_err(bad)?.to_vec()));
    }
    if cursor.is_empty() {
        Ok(Startup { minor, params })
    } else {
        Err(Violation("bytes follow the startup message's terminator".to_owned()))
    }
}

/// Appends a startup message of protocol 3.0.
pub(crate) fn encode(params: &[(Vec<u8>, Vec<u8>)], out: &mut Vec<u8>) -> Result<(), Violation> {
    let mut body = Vec::new();
    put(&mut body, 0, |body| {
        body.extend_from_slice(&[0, 3, 0, 0]);
        for (name, value) in params {
            put_cstr(body, name);
            put_cstr(body, value);
        }
        body.push(0);
    })?;
    out.extend_from_slice(body.get(1..).unwrap_or_default());
    Ok(())
}

/// An SSLRequest.
pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Appends a CancelRequest for `key` (process id and secret).
pub(crate) fn cancel_request(key: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(key.len().saturating_add(8)).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&CANCEL.to_be_bytes());
    out.extend_from_slice(key);
}

/// Appends NegotiateProtocolVersion: the newest minor version spoken here, and the options not known.
pub(crate) fn negotiate(minor: u16, unknown: &[&[u8]], out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'v', |out| {
        out.extend_from_slice(&(0x0003_0000 | u32::from(minor)).to_be_bytes());
        out.extend_from_slice(&u32::try_from(unknown.len()).unwrap_or(u32::MAX).to_be_bytes());
        for name in unknown {
            put_cstr(out, name);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn startup_keeps_order_and_duplicates() {
        let body = b"\0\x03\0\x02user\0ann\0options\0-c a=1\0user\0eve\0\0";
        let Ok(First::Startup(startup)) = decode(body) else { panic!("not a startup") };
        assert_eq!(startup.minor, 2);
        assert_eq!(startup.params.len(), 3);
        assert_eq!(startup.get("user"), Some(&b"eve"[..]), "the last one counts");
        for cut in 0..body.len() {
            assert!(decode(&body[..cut]).is_err(), "cut at {cut}");
        }
        assert!(decode(&[body.as_slice(), b"x"].concat()).is_err(), "trailing bytes");
    }

    #[test]
    fn encryption_and_cancel_requests() {
        assert_eq!(decode(&SSL_REQUEST[4..]).ok(), Some(First::Tls));
        assert_eq!(decode(&[0x04, 0xd2, 0x16, 0x30]).ok(), Some(First::Gss));
        assert!(decode(&[0x04, 0xd2, 0x16, 0x2f, 0]).is_err());
        let mut cancel = Vec::new();
        cancel_request(&[0, 0, 0, 7, 1, 2, 3, 4], &mut cancel);
        assert_eq!(cancel, [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 7, 1, 2, 3, 4]);
        assert_eq!(decode(&cancel[4..]).ok(), Some(First::Cancel(vec![0, 0, 0, 7, 1, 2, 3, 4])));
        let long = [&cancel[4..8], &[0; 260][..]].concat();
        assert!(matches!(decode(&long), Ok(First::Cancel(key)) if key.len() == 260));
        assert!(decode(&[&long[..], &[0]].concat()).is_err());
        assert_eq!(decode(&[0, 2, 0, 0]).ok(), Some(First::Foreign(2, 0)));
        assert_eq!(decode(&[0, 4, 0, 1]).ok(), Some(First::Foreign(4, 1)));
    }

    #[test]
    fn negotiation_names_what_is_unknown() {
        let mut out = Vec::new();
        negotiate(2, &[b"_pq_.grease"], &mut out).unwrap();
        assert_eq!(out, b"v\0\0\0\x18\0\x03\0\x02\0\0\0\x01_pq_.grease\0");
    }
}
