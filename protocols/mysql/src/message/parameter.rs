//! Parameters of prepared statements and query attributes: types, then values in the binary protocol's form.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>

use super::{Malformed, Within, lenenc};
use crate::values;
use bytes::Bytes;
use model::Param;
use wire::Cursor;

const WHAT: &str = "parameters";

/// A parameter's type: the type byte, and whether it is unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParamType {
    /// Type byte.
    pub(crate) column_type: u8,
    /// 0x80 for unsigned, else 0.
    pub(crate) flags: u8,
}

impl ParamType {
    /// Reads one.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Self { column_type: cursor.u8().within(WHAT)?, flags: cursor.u8().within(WHAT)? })
    }

    /// The parameter with this type and value.
    pub(crate) fn with(self, value: Option<&[u8]>) -> Param {
        Param { repr: values::parameter(self), value: value.map(Bytes::copy_from_slice) }
    }
}

/// Reads one value, without its length prefix where its type has one.
pub(crate) fn value<'a>(cursor: &mut Cursor<'a>, param: ParamType) -> Result<&'a [u8], Malformed> {
    match values::fixed_width(param.column_type) {
        Some(width) => cursor.take(width).within(WHAT),
        None => lenenc::bytes(cursor).within(WHAT),
    }
}

/// Whether bit `index` of a bitmap is set. A bitmap that is too short has no bits there.
pub(crate) fn bit(bitmap: &[u8], index: usize) -> bool {
    bitmap.get(index / 8).is_some_and(|byte| byte & 1 << (index % 8) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_fixed_and_prefixed_types() {
        let mut cursor = Cursor::new(&[7, 0, 0, 0, 2, b'h', b'i', 4, 0xE9, 0x07, 1, 2]);
        let long = ParamType { column_type: values::LONG, flags: 0 };
        let text = ParamType { column_type: values::VAR_STRING, flags: 0 };
        let date = ParamType { column_type: values::DATE, flags: 0 };
        assert_eq!(value(&mut cursor, long), Ok(&[7, 0, 0, 0][..]));
        assert_eq!(value(&mut cursor, text), Ok(&b"hi"[..]));
        assert_eq!(value(&mut cursor, date), Ok(&[0xE9, 0x07, 1, 2][..]));
        assert!(value(&mut cursor, long).is_err());
    }

    #[test]
    fn bits() {
        assert!(bit(&[0, 2], 9) && !bit(&[0, 2], 8) && !bit(&[255], 8));
    }
}
