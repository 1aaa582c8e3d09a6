//! What servers say during authentication: switch the method, more data.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_auth_switch_request.html>

use super::{Malformed, Within};
use wire::Cursor;

/// A server's message between the handshake response and the final OK or ERR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthMessage<'a> {
    /// Use this plugin, with this challenge (its trailing NUL taken off).
    Switch {
        /// The plugin's name.
        plugin: &'a [u8],
        /// Its challenge.
        nonce: &'a [u8],
    },
    /// The plugin's own conversation.
    More(&'a [u8]),
    /// Logged in: the whole OK payload.
    Ok(&'a [u8]),
    /// Refused: the whole ERR payload.
    Err(&'a [u8]),
}

impl<'a> AuthMessage<'a> {
    /// Reads one.
    pub(crate) fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "authentication message";
        let mut cursor = Cursor::new(payload);
        match cursor.u8().within(WHAT)? {
            0x00 => Ok(Self::Ok(payload)),
            0xFF => Ok(Self::Err(payload)),
            0x01 => Ok(Self::More(cursor.rest())),
            0xFE if cursor.is_empty() => Err(Malformed("authentication message: the pre-4.1 password method")),
            0xFE => {
                let plugin = cursor.cstr().within(WHAT)?;
                let nonce = cursor.rest();
                Ok(Self::Switch { plugin, nonce: nonce.strip_suffix(&[0]).unwrap_or(nonce) })
            }
            _ => Err(Malformed(WHAT)),
        }
    }
}

/// Writes a request to switch to `plugin`.
pub(crate) fn put_switch(out: &mut Vec<u8>, plugin: &[u8], nonce: &[u8]) {
    out.push(0xFE);
    out.extend_from_slice(plugin);
    out.push(0);
    out.extend_from_slice(nonce);
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_and_more() {
        let mut wire = Vec::new();
        put_switch(&mut wire, b"client_ed25519", b"nonce");
        assert_eq!(wire, b"\xfeclient_ed25519\0nonce\0");
        assert_eq!(AuthMessage::decode(&wire), Ok(AuthMessage::Switch { plugin: b"client_ed25519", nonce: b"nonce" }));
        assert_eq!(AuthMessage::decode(b"\x01\x04"), Ok(AuthMessage::More(b"\x04")));
        assert_eq!(AuthMessage::decode(b"\0\0\0\x02\0\0\0"), Ok(AuthMessage::Ok(b"\0\0\0\x02\0\0\0")));
        for bad in [&b""[..], b"\xfe", b"\xfeno end", b"\x07"] {
            assert!(AuthMessage::decode(bad).is_err(), "{bad:?}");
        }
    }
}
