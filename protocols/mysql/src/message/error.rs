//! ERR packets, MariaDB's progress reports among them.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html>,
//! <https://mariadb.com/kb/en/err_packet/>

use super::{Malformed, Within};
use wire::Cursor;

/// The code of a MariaDB progress report, which is no error and ends nothing.
pub(crate) const PROGRESS: u16 = 0xFFFF;

/// An error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErrorPacket<'a> {
    /// The engine's number.
    pub(crate) code: u16,
    /// SQLSTATE; `HY000` where the packet has none.
    pub(crate) state: [u8; 5],
    /// The text, in the character set of the connection.
    pub(crate) message: &'a [u8],
}

impl<'a> ErrorPacket<'a> {
    /// Reads an ERR packet.
    pub(crate) fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "ERR packet";
        let mut cursor = Cursor::new(payload);
        if cursor.u8().within(WHAT)? != 0xFF {
            return Err(Malformed(WHAT));
        }
        let code = cursor.u16_le().within(WHAT)?;
        let mut state = *b"HY000";
        if let Some(rest) = cursor.rest().strip_prefix(b"#") {
            let mut marked = Cursor::new(rest);
            if let Some(found) = marked.take(5).within(WHAT)?.first_chunk() {
                state = *found;
            }
            return Ok(Self { code, state, message: marked.rest() });
        }
        Ok(Self { code, state, message: cursor.rest() })
    }

    /// Writes it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(0xFF);
        out.extend_from_slice(&self.code.to_le_bytes());
        out.push(b'#');
        out.extend_from_slice(&self.state);
        out.extend_from_slice(self.message);
    }

    /// SQLSTATE as text.
    pub(crate) fn state_text(&self) -> String {
        String::from_utf8_lossy(&self.state).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_a_state() {
        let wire = b"\xff\x7a\x04#42S02Table 'a.b' doesn't exist";
        let error = ErrorPacket::decode(wire).unwrap();
        assert_eq!((error.code, &error.state, error.message), (1146, b"42S02", &b"Table 'a.b' doesn't exist"[..]));
        let mut out = Vec::new();
        error.encode(&mut out);
        assert_eq!(out, wire);
        let early = ErrorPacket::decode(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!((early.code, early.state_text().as_str()), (1040, "HY000"));
        for cut in 0..9 {
            assert!(cut == 3 || ErrorPacket::decode(&wire[..cut]).is_err(), "{cut}");
        }
    }
}
