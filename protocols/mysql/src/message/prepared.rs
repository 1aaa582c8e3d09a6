//! The first packet of COM_STMT_PREPARE's answer; its counts say what follows.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_prepare.html>

use super::{Malformed, Within};
use wire::Cursor;

/// A statement was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PrepareOk {
    /// The statement's number.
    pub(crate) id: u32,
    /// Column definitions that follow.
    pub(crate) columns: u16,
    /// Parameter definitions that follow.
    pub(crate) parameters: u16,
}

impl PrepareOk {
    /// Reads one.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "prepare answer";
        let mut cursor = Cursor::new(payload);
        if cursor.u8().within(WHAT)? != 0 {
            return Err(Malformed(WHAT));
        }
        Ok(Self {
            id: cursor.u32_le().within(WHAT)?,
            columns: cursor.u16_le().within(WHAT)?,
            parameters: cursor.u16_le().within(WHAT)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let wire = b"\0\x05\0\0\0\x02\0\x01\0\0\0\0";
        assert_eq!(PrepareOk::decode(wire), Ok(PrepareOk { id: 5, columns: 2, parameters: 1 }));
        for cut in 0..9 {
            assert!(PrepareOk::decode(&wire[..cut]).is_err());
        }
    }
}
