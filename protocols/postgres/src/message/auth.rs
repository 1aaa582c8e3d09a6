//! Authentication messages of both directions.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html> (Authentication*, PasswordMessage,
//! SASLInitialResponse, SASLResponse).

use super::{malformed, put, put_cstr};
use wire::{Cursor, Violation};

/// What a server asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ask<'a> {
    /// Nothing more.
    Ok,
    /// The password itself.
    Cleartext,
    /// The MD5 response for this salt.
    Md5([u8; 4]),
    /// SASL with one of these mechanisms.
    Sasl(Vec<&'a [u8]>),
    /// The next SASL challenge.
    Continue(&'a [u8]),
    /// The last SASL message.
    Final(&'a [u8]),
    /// A method that is not spoken here, by its number.
    Other(u32),
}

/// Decodes an Authentication message's body.
pub(crate) fn decode(body: &[u8]) -> Result<Ask<'_>, Violation> {
    let bad = |_| malformed("Authentication");
    let mut cursor = Cursor::new(body);
    Ok(match cursor.u32_be().map_err(bad)? {
        0 => Ask::Ok,
        3 => Ask::Cleartext,
        5 => Ask::Md5(cursor.take(4).map_err(bad)?.try_into().map_err(|_| malformed("Authentication"))?),
        10 => {
            let mut mechanisms = Vec::new();
            loop {
                match cursor.cstr().map_err(bad)? {
                    [] => break Ask::Sasl(mechanisms),
                    mechanism => mechanisms.push(mechanism),
                }
            }
        }
        11 => Ask::Continue(cursor.rest()),
        12 => Ask::Final(cursor.rest()),
        other => Ask::Other(other),
    })
}

/// Appends an Authentication message: its number and what follows it.
pub(crate) fn put_ask(number: u32, rest: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'R', |out| {
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(rest);
    })
}

/// Appends a PasswordMessage.
pub(crate) fn put_password(password: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'p', |out| put_cstr(out, password))
}

/// Appends a SASLInitialResponse.
pub(crate) fn put_sasl_initial(mechanism: &str, response: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'p', |out| {
        put_cstr(out, mechanism.as_bytes());
        out.extend_from_slice(&u32::try_from(response.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(response);
    })
}

/// Appends a SASLResponse.
pub(crate) fn put_sasl(response: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'p', |out| out.extend_from_slice(response))
}

/// The mechanism and initial response of a SASLInitialResponse.
pub(crate) fn sasl_initial(body: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    let bad = |_| malformed("SASLInitialResponse");
    let mut cursor = Cursor::new(body);
    let mechanism = cursor.cstr().map_err(bad)?;
    let length = cursor.i32_be().map_err(bad)?;
    let response = match usize::try_from(length) {
        Ok(length) => cursor.take(length).map_err(bad)?,
        Err(_) => &[],
    };
    if cursor.is_empty() { Ok((mechanism, response)) } else { Err(malformed("SASLInitialResponse")) }
}

/// The password of a PasswordMessage.
pub(crate) fn password(body: &[u8]) -> Result<&[u8], Violation> {
    let mut cursor = Cursor::new(body);
    let password = cursor.cstr().map_err(|_| malformed("Password"))?;
    if cursor.is_empty() { Ok(password) } else { Err(malformed("Password")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks() {
        assert_eq!(decode(&[0, 0, 0, 0]).ok(), Some(Ask::Ok));
        assert_eq!(decode(&[0, 0, 0, 5, 1, 2, 3, 4]).ok(), Some(Ask::Md5([1, 2, 3, 4])));
        assert!(decode(&[0, 0, 0, 5, 1, 2, 3]).is_err());
        assert_eq!(decode(b"\0\0\0\x0aSCRAM-SHA-256\0\0").ok(), Some(Ask::Sasl(vec![b"SCRAM-SHA-256"])));
        assert!(decode(b"\0\0\0\x0aSCRAM-SHA-256\0").is_err(), "no terminator");
        assert_eq!(decode(&[0, 0, 0, 7]).ok(), Some(Ask::Other(7)));
    }

    #[test]
    fn responses() {
        let mut out = Vec::new();
        put_sasl_initial("OAUTHBEARER", b"n,,", &mut out).unwrap();
        assert_eq!(out, b"p\0\0\0\x17OAUTHBEARER\0\0\0\0\x03n,,");
        assert_eq!(sasl_initial(&out[5..]).ok(), Some((&b"OAUTHBEARER"[..], &b"n,,"[..])));
        assert!(sasl_initial(&out[5..out.len() - 1]).is_err());
        assert_eq!(password(b"token\0").ok(), Some(&b"token"[..]));
        assert!(password(b"token").is_err());
        assert!(password(b"to\0ken\0").is_err(), "bytes after the NUL");
    }
}
