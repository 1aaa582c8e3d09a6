//! The client's answer to the greeting: SSLRequest and HandshakeResponse41. Written by hand, because the character set,
//! the attributes' order and what the client left out must survive to the upstream.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html>

use super::capability::Capabilities;
use super::{Malformed, Within, lenenc};
use wire::Cursor;

const WHAT: &str = "handshake response";
/// Bytes of an SSLRequest, and of the fixed part of a HandshakeResponse41.
const FIXED: usize = 32;

/// The client's answer to the greeting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HandshakeResponse {
    /// What the client can do and wants.
    pub(crate) capabilities: Capabilities,
    /// The longest packet that the client takes.
    pub(crate) max_packet: u32,
    /// The character set's number, low byte.
    pub(crate) charset: u8,
    /// User name.
    pub(crate) user: Vec<u8>,
    /// The plugin's answer to the challenge.
    pub(crate) auth: Vec<u8>,
    /// Database, if one is asked for.
    pub(crate) database: Option<Vec<u8>>,
    /// The plugin that made `auth`.
    pub(crate) plugin: Vec<u8>,
    /// Connection attributes in order.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// How hard zstd should try, if that was agreed on; 0 leaves it to the reader.
    pub(crate) zstd_level: u8,
}

/// Whether a first packet is an SSLRequest: the fixed part alone, with the SSL flag.
pub(crate) fn is_ssl_request(payload: &[u8]) -> bool {
    payload.len() == FIXED
        && Cursor::new(payload).u32_le().is_ok_and(|flags| Capabilities(u64::from(flags)).has(Capabilities::SSL))
}

impl HandshakeResponse {
    /// Reads a HandshakeResponse41. An older client's answer is malformed.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(payload);
        let standard = cursor.u32_le().within(WHAT)?;
        let max_packet = cursor.u32_le().within(WHAT)?;
        let charset = cursor.u8().within(WHAT)?;
        cursor.take(19).within(WHAT)?;
        let capabilities = Capabilities::from_halves(standard, cursor.u32_le().within(WHAT)?);
        if !capabilities.has(Capabilities::PROTOCOL_41) {
            return Err(Malformed("handshake response: a client older than MySQL 4.1"));
        }
        let user = cursor.cstr().within(WHAT)?.to_vec();
        let auth = if capabilities.has(Capabilities::PLUGIN_AUTH_LENENC) {
            lenenc::bytes(&mut cursor).within(WHAT)?
        } else if capabilities.has(Capabilities::SECURE_CONNECTION) {
            let length = cursor.u8().within(WHAT)?;
            cursor.take(usize::from(length)).within(WHAT)?
        } else {
            cursor.cstr().within(WHAT)?
        }
        .to_vec();
        // Some clients leave the tail out although their flags promise it; the server is as lenient.
        let database = (capabilities.has(Capabilities::CONNECT_WITH_DB) && !cursor.is_empty())
            .then(|| cursor.cstr().within(WHAT))
            .transpose()?
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec);
        let plugin = if capabilities.has(Capabilities::PLUGIN_AUTH) && !cursor.is_empty() {
            match cursor.cstr() {
                Ok(name) => name.to_vec(),
                Err(_) => cursor.take(cursor.rest().len()).within(WHAT)?.to_vec(),
            }
        } else {
            Vec::new()
        };
        let mut attributes = Vec::new();
        if capabilities.has(Capabilities::CONNECT_ATTRS) && !cursor.is_empty() {
            attributes = lenenc::attributes(&mut cursor).within("connection attributes")?;
        }
        let zstd_level = if capabilities.has(Capabilities::ZSTD) { cursor.u8().unwrap_or(0) } else { 0 };
        Ok(Self { capabilities, max_packet, charset, user, auth, database, plugin, attributes, zstd_level })
    }

    /// Writes the fixed part: on its own it is an SSLRequest.
    pub(crate) fn encode_fixed(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.capabilities.standard());
        out.extend_from_slice(&self.max_packet.to_le_bytes());
        out.push(self.charset);
        out.extend_from_slice(&[0; 19]);
        out.extend_from_slice(&self.capabilities.extended());
    }

    /// Writes it all. Fields whose flag is not set are left out.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.encode_fixed(out);
        out.extend_from_slice(&self.user);
        out.push(0);
        if self.capabilities.has(Capabilities::PLUGIN_AUTH_LENENC) {
            lenenc::put_bytes(out, &self.auth);
        } else {
            // At most 64 bytes long: only clear-text answers are longer, and those are sent after an AuthSwitch.
            let auth = self.auth.get(..self.auth.len().min(255)).unwrap_or_default();
            out.push(super::packet::low_byte(auth.len()));
            out.extend_from_slice(auth);
        }
        if self.capabilities.has(Capabilities::CONNECT_WITH_DB) {
            out.extend_from_slice(self.database.as_deref().unwrap_or_default());
            out.push(0);
        }
        if self.capabilities.has(Capabilities::PLUGIN_AUTH) {
            out.extend_from_slice(&self.plugin);
            out.push(0);
        }
        if self.capabilities.has(Capabilities::CONNECT_ATTRS) {
            lenenc::put_attributes(out, &self.attributes);
        }
        if self.capabilities.has(Capabilities::ZSTD) {
            out.push(self.zstd_level);
        }
    }

    /// An attribute's value, as text.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let (_, value) = self.attributes.iter().find(|(key, _)| key == name.as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        // PROTOCOL_41, SECURE_CONNECTION, CONNECT_WITH_DB, PLUGIN_AUTH, PLUGIN_AUTH_LENENC, CONNECT_ATTRS.
        let mut wire = 0x0038_8208_u32.to_le_bytes().to_vec();
        wire.extend_from_slice(b"\0\0\0\x01\x08");
        wire.extend_from_slice(&[0; 19]);
        wire.extend_from_slice(&[0x04, 0, 0, 0]);
        wire.extend_from_slice(b"ann\0\x02xyehr\0mysql_native_password\0");
        wire.extend_from_slice(b"\x16\x05_zone\x01b\x03_os\x05Linux\x01a\x01b\0");
        wire.pop();
        wire
    }

    #[test]
    fn order_charset_and_extended_flags_survive() {
        let wire = sample();
        let response = HandshakeResponse::decode(&wire).unwrap();
        assert_eq!((response.max_packet, response.charset), (0x0100_0000, 8));
        assert_eq!((&response.user[..], &response.auth[..]), (&b"ann"[..], &b"xy"[..]));
        assert_eq!(response.database.as_deref(), Some(&b"ehr"[..]));
        assert_eq!(response.capabilities.0 >> 32, 4);
        assert_eq!(response.attributes.len(), 3);
        assert_eq!(response.attribute("_os").as_deref(), Some("Linux"));
        let mut out = Vec::new();
        response.encode(&mut out);
        assert_eq!(out, wire);
    }

    #[test]
    fn the_level_of_zstd_stands_last() {
        let mut wire = sample();
        wire[3] |= 0x04;
        wire.push(7);
        let response = HandshakeResponse::decode(&wire).unwrap();
        assert_eq!(response.zstd_level, 7);
        let mut out = Vec::new();
        response.encode(&mut out);
        assert_eq!(out, wire);
    }

    #[test]
    fn truncated_responses_are_malformed_or_lack_their_tail() {
        let wire = sample();
        for cut in 0..wire.len() {
            let _ = HandshakeResponse::decode(&wire[..cut]);
        }
        for cut in 0..38 {
            assert!(HandshakeResponse::decode(&wire[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn an_ssl_request_is_exactly_32_bytes() {
        let mut wire = vec![0; 32];
        wire[1] = 0x0A;
        assert!(is_ssl_request(&wire));
        wire.push(0);
        assert!(!is_ssl_request(&wire));
        assert!(!is_ssl_request(&[0; 32]));
    }
}
