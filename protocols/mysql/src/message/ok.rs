//! OK and EOF packets, and the status flags that they carry.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html>

use super::{Malformed, Within, lenenc};
use wire::Cursor;

/// The session is in a transaction.
pub(crate) const IN_TRANSACTION: u16 = 0x0001;
/// Another result follows.
pub(crate) const MORE_RESULTS: u16 = 0x0008;
/// A cursor is open: rows come by COM_STMT_FETCH.
pub(crate) const CURSOR_EXISTS: u16 = 0x0040;
/// The cursor has no more rows.
pub(crate) const LAST_ROW_SENT: u16 = 0x0080;

/// The rows are the OUT parameters of a procedure.
pub(crate) const PS_OUT_PARAMS: u16 = 0x1000;

/// The parts of an OK or EOF packet that matter here. Texts and session state after them are relayed unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ok {
    /// Rows changed; 0 in an EOF.
    pub(crate) affected: u64,
    /// Status flags.
    pub(crate) status: u16,
}

impl Ok {
    /// Reads an OK packet, whose first byte is 0x00, or 0xFE where it ends rows.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "OK packet";
        let mut cursor = Cursor::new(payload);
        if !matches!(cursor.u8().within(WHAT)?, 0x00 | 0xFE) {
            return Err(Malformed(WHAT));
        }
        let affected = lenenc::int(&mut cursor).within(WHAT)?;
        lenenc::int(&mut cursor).within(WHAT)?;
        let status = cursor.u16_le().within(WHAT)?;
        cursor.u16_le().within(WHAT)?;
        Ok(Self { affected, status })
    }

    /// Reads an EOF packet.
    pub(crate) fn decode_eof(payload: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "EOF packet";
        let mut cursor = Cursor::new(payload);
        if cursor.u8().within(WHAT)? != 0xFE {
            return Err(Malformed(WHAT));
        }
        cursor.u16_le().within(WHAT)?;
        let status = cursor.u16_le().within(WHAT)?;
        if !cursor.is_empty() {
            return Err(Malformed(WHAT));
        }
        Ok(Self { affected: 0, status })
    }

    /// Reads what ends a list of rows or definitions: an OK if `deprecate_eof` was agreed on, else an EOF.
    pub(crate) fn decode_end(payload: &[u8], deprecate_eof: bool) -> Result<Self, Malformed> {
        if deprecate_eof { Self::decode(payload) } else { Self::decode_eof(payload) }
    }

    /// Whether another result follows.
    pub(crate) fn more_results(self) -> bool {
        self.status & MORE_RESULTS != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_packets() {
        let wire = b"\0\xfc\x00\x01\x05\x0a\0\x01\0#info";
        assert_eq!(Ok::decode(wire), Result::Ok(Ok { affected: 256, status: 10 }));
        for cut in 0..9 {
            assert!(Ok::decode(&wire[..cut]).is_err(), "{cut}");
        }
        assert!(Ok::decode(b"\x07\0\0\x02\0\0\0").is_err());
        assert!(Ok { affected: 0, status: 10 }.more_results());
    }

    #[test]
    fn eof_packets() {
        assert_eq!(Ok::decode_eof(b"\xfe\x01\0\x22\0"), Result::Ok(Ok { affected: 0, status: 0x22 }));
        for bad in [&b"\xfe\0\0\x02"[..], b"\xfe\0\0\x02\0\0", b"\0\0\0\x02\0"] {
            assert!(Ok::decode_eof(bad).is_err());
        }
    }
}
