//! COM_CHANGE_USER.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html>

use super::capability::Capabilities;
use super::{Malformed, Within, command, lenenc};
use wire::Cursor;

const WHAT: &str = "COM_CHANGE_USER";

/// Log in again, in the same connection. The first answer to a challenge, which the packet has too, is not kept: the
/// token is asked for in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangeUser {
    /// User name.
    pub(crate) user: Vec<u8>,
    /// Database, if one is asked for.
    pub(crate) database: Option<Vec<u8>>,
    /// The collation's number; 0 where the client leaves it out.
    pub(crate) collation: u16,
    /// Connection attributes in order.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl ChangeUser {
    /// Reads one, after its command byte.
    pub(crate) fn decode(body: &[u8], capabilities: Capabilities) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let user = cursor.cstr().within(WHAT)?.to_vec();
        let length = cursor.u8().within(WHAT)?;
        cursor.take(usize::from(length)).within(WHAT)?;
        let database = Some(cursor.cstr().within(WHAT)?.to_vec()).filter(|name| !name.is_empty());
        let mut read = Self { user, database, ..Self::default() };
        // The server takes each of the rest or does without.
        if !cursor.is_empty() {
            read.collation = cursor.u16_le().within(WHAT)?;
        }
        if capabilities.has(Capabilities::PLUGIN_AUTH) && !cursor.is_empty() {
            cursor.cstr().within(WHAT)?;
        }
        if capabilities.has(Capabilities::CONNECT_ATTRS) && !cursor.is_empty() {
            read.attributes = lenenc::attributes(&mut cursor).within(WHAT)?;
        }
        Ok(read)
    }

    /// Writes one, command byte included, without an answer to any challenge and naming `plugin`.
    pub(crate) fn encode(&self, plugin: &[u8], capabilities: Capabilities, out: &mut Vec<u8>) {
        out.push(command::CHANGE_USER);
        out.extend_from_slice(&self.user);
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(self.database.as_deref().unwrap_or_default());
        out.push(0);
        out.extend_from_slice(&self.collation.to_le_bytes());
        out.extend_from_slice(plugin);
        out.push(0);
        if capabilities.has(Capabilities::CONNECT_ATTRS) {
            lenenc::put_attributes(out, &self.attributes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Capabilities = Capabilities(Capabilities::PLUGIN_AUTH.0 | Capabilities::CONNECT_ATTRS.0);

    #[test]
    fn read_and_written() {
        let wire = b"ann\0\x03xyzehr\0\x2d\0mysql_native_password\0\x04\x01a\x01b";
        let read = ChangeUser::decode(wire, ALL).unwrap();
        assert_eq!((&read.user[..], read.database.as_deref(), read.collation), (&b"ann"[..], Some(&b"ehr"[..]), 45));
        assert_eq!(read.attributes, [(b"a".to_vec(), b"b".to_vec())]);
        let mut out = Vec::new();
        read.encode(b"p", ALL, &mut out);
        assert_eq!(out, b"\x11ann\0\0ehr\0\x2d\0p\0\x04\x01a\x01b");
        assert_eq!(ChangeUser::decode(&out[1..], ALL).unwrap(), read);
    }

    #[test]
    fn the_rest_may_be_left_out_but_not_cut() {
        let read = ChangeUser::decode(b"ann\0\0\0", ALL).unwrap();
        assert_eq!((read.database, read.collation), (None, 0));
        for cut in [&b""[..], b"ann", b"ann\0", b"ann\0\x05xy", b"ann\0\0eh", b"ann\0\0\0\x2d", b"ann\0\0\0\x2d\0pl"] {
            assert!(ChangeUser::decode(cut, ALL).is_err(), "{cut:?}");
        }
        assert!(ChangeUser::decode(b"ann\0\0\0\x2d\0p\0\x09\x01a", ALL).is_err(), "attributes cut short");
    }
}
