//! The greeting (HandshakeV10).
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html>

use super::capability::Capabilities;
use super::{Malformed, Within};
use wire::Cursor;

/// A server's greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Version text; MariaDB before 11 writes `5.5.5-` before its own.
    pub(crate) version: Vec<u8>,
    /// The connection's id, which `KILL` and `CONNECTION_ID()` speak of.
    pub(crate) thread: u32,
    /// The challenge, without its trailing NUL.
    pub(crate) nonce: Vec<u8>,
    /// What the server can do.
    pub(crate) capabilities: Capabilities,
    /// The default character set's number (low byte).
    pub(crate) charset: u8,
    /// Status flags.
    pub(crate) status: u16,
    /// The authentication plugin that the challenge is for.
    pub(crate) plugin: Vec<u8>,
}

impl Greeting {
    /// Reads a greeting.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "greeting";
        let mut cursor = Cursor::new(payload);
        if cursor.u8().within(WHAT)? != 10 {
            return Err(Malformed("greeting: not protocol version 10"));
        }
        let version = cursor.cstr().within(WHAT)?.to_vec();
        let thread = cursor.u32_le().within(WHAT)?;
        let mut nonce = cursor.take(8).within(WHAT)?.to_vec();
        cursor.u8().within(WHAT)?;
        let low = cursor.u16_le().within(WHAT)?;
        let charset = cursor.u8().within(WHAT)?;
        let status = cursor.u16_le().within(WHAT)?;
        let high = cursor.u16_le().within(WHAT)?;
        let nonce_length = cursor.u8().within(WHAT)?;
        cursor.take(6).within(WHAT)?;
        let extended = cursor.u32_le().within(WHAT)?;
        let capabilities = Capabilities::from_halves(u32::from(high) << 16 | u32::from(low), extended);
        if capabilities.has(Capabilities::SECURE_CONNECTION) {
            let rest = usize::from(nonce_length).saturating_sub(8).max(13).min(cursor.rest().len());
            let part = cursor.take(rest).within(WHAT)?;
            nonce.extend_from_slice(part.strip_suffix(&[0]).unwrap_or(part));
        }
        let plugin = if capabilities.has(Capabilities::PLUGIN_AUTH) {
            let rest = cursor.rest();
            rest.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
        } else {
            Vec::new()
        };
        Ok(Self { version, thread, nonce, capabilities, charset, status, plugin })
    }

    /// Writes a greeting. The nonce has 20 bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let [low0, low1, high0, high1] = self.capabilities.standard();
        let (first, second) = self.nonce.split_at(self.nonce.len().min(8));
        out.push(10);
        out.extend_from_slice(&self.version);
        out.push(0);
        out.extend_from_slice(&self.thread.to_le_bytes());
        out.extend_from_slice(first);
        out.push(0);
        out.extend_from_slice(&[low0, low1, self.charset]);
        out.extend_from_slice(&self.status.to_le_bytes());
        out.extend_from_slice(&[high0, high1, super::packet::low_byte(self.nonce.len() + 1)]);
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.capabilities.extended());
        out.extend_from_slice(second);
        out.push(0);
        out.extend_from_slice(&self.plugin);
        out.push(0);
    }

    /// Whether the server is a MariaDB.
    pub(crate) fn is_mariadb(&self) -> bool {
        self.version.windows(7).any(|window| window.eq_ignore_ascii_case(b"mariadb"))
            || self.version.starts_with(b"5.5.5-")
    }

    /// The version as a number: `10.11.6` is 101106, `9.7.0` is 90700; 0 when it cannot be read.
    pub(crate) fn version_number(&self) -> u32 {
        let text = self.version.strip_prefix(b"5.5.5-").unwrap_or(&self.version);
        let mut parts = text.split(|byte| !byte.is_ascii_digit()).map(|part| {
            part.iter().fold(0_u32, |number, digit| {
                number.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0')))
            })
        });
        let mut next = || parts.next().unwrap_or(0);
        let (major, minor, patch) = (next(), next(), next());
        major.saturating_mul(10_000).saturating_add(minor.min(99) * 100).saturating_add(patch.min(99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A greeting of the shape of MariaDB 10.11's.
    const MARIADB: &[u8] = b"\x0a5.5.5-10.11.6-MariaDB\0\x07\0\0\0abcdefgh\0\xfe\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0ijklmnopqrst\0mysql_native_password\0";

    #[test]
    fn mariadb_with_extended_capabilities() {
        let greeting = Greeting::decode(MARIADB).unwrap();
        assert_eq!(greeting.version, b"5.5.5-10.11.6-MariaDB");
        assert_eq!((greeting.thread, greeting.charset, greeting.status), (7, 0x2d, 2));
        assert_eq!(greeting.nonce, b"abcdefghijklmnopqrst");
        assert_eq!(greeting.capabilities.0, 0x1d_81ff_f7fe);
        assert_eq!(greeting.plugin, b"mysql_native_password");
        assert!(greeting.is_mariadb());
        assert_eq!(greeting.version_number(), 101_106);
        let mut out = Vec::new();
        greeting.encode(&mut out);
        assert_eq!(out, MARIADB);
    }

    #[test]
    fn every_truncation_up_to_the_nonce_is_malformed_and_none_panics() {
        for cut in 0..MARIADB.len() {
            let result = Greeting::decode(&MARIADB[..cut]);
            assert!(cut >= 54 || result.is_err(), "{cut}");
        }
        assert!(Greeting::decode(b"\x09old").is_err());
    }

    #[test]
    fn version_numbers() {
        let mut greeting = Greeting::decode(MARIADB).unwrap();
        for (text, number) in
            [("9.7.0", 90_700), ("8.4.3-commercial", 80_403), ("11.8.2-MariaDB-log", 110_802), ("x", 0)]
        {
            greeting.version = text.as_bytes().to_vec();
            assert_eq!(greeting.version_number(), number, "{text}");
        }
    }
}
