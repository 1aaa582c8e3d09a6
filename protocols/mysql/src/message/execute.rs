//! COM_STMT_EXECUTE and MariaDB's COM_STMT_BULK_EXECUTE.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html>,
//! <https://mariadb.com/kb/en/com_stmt_bulk_execute/>

use super::parameter::{ParamType, bit, value};
use super::{Malformed, Within, lenenc};
use model::Param;
use wire::Cursor;

const WHAT: &str = "COM_STMT_EXECUTE";
/// A read-only cursor is asked for; the other cursor bits never worked.
const CURSOR: u8 = 0x07;
/// The number of parameters is sent although the statement may have none.
const COUNT_AVAILABLE: u8 = 0x08;

/// What is known of the statement that is executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// Parameters of the statement.
    pub(crate) parameters: usize,
    /// The types sent last.
    pub(crate) types: Option<&'a [ParamType]>,
    /// Whether query attributes were agreed on.
    pub(crate) attributes: bool,
}

/// A COM_STMT_EXECUTE taken apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Execute {
    /// Whether a cursor is asked for.
    pub(crate) cursor: bool,
    /// The statement's parameters, then query attributes. A parameter in `long` has its value elsewhere.
    pub(crate) params: Vec<Param>,
    /// The types that came with it.
    pub(crate) types: Option<Vec<ParamType>>,
    /// Where the byte that says whether types follow stands in the body, if it is there.
    pub(crate) types_flag_at: Option<usize>,
}

/// The statement's number, first in the body after the command byte.
pub(crate) fn statement_number(body: &[u8]) -> Result<u32, Malformed> {
    Cursor::new(body).u32_le().within("statement number")
}

impl Execute {
    /// Reads the body after the command byte. `long` says which parameters came by COM_STMT_SEND_LONG_DATA.
    pub(crate) fn decode(body: &[u8], known: Known<'_>, long: impl Fn(usize) -> bool) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        cursor.u32_le().within(WHAT)?;
        let flags = cursor.u8().within(WHAT)?;
        cursor.u32_le().within(WHAT)?;
        let mut read = Self { cursor: flags & CURSOR != 0, params: Vec::new(), types: None, types_flag_at: None };
        if known.parameters == 0 && !(known.attributes && flags & COUNT_AVAILABLE != 0) {
            return Ok(read);
        }
        let mut count = known.parameters;
        if known.attributes {
            count = usize::from(u16::try_from(lenenc::int(&mut cursor).within(WHAT)?).map_err(|_| Malformed(WHAT))?);
            if count < known.parameters {
                return Err(Malformed("COM_STMT_EXECUTE: too few parameters"));
            }
        }
        if count == 0 {
            return Ok(read);
        }
        let nulls = cursor.take(count.div_ceil(8)).within(WHAT)?;
        read.types_flag_at = Some(body.len() - cursor.rest().len());
        if cursor.u8().within(WHAT)? == 1 {
            let mut types = Vec::with_capacity(count);
            for _ in 0..count {
                types.push(ParamType::decode(&mut cursor)?);
                if known.attributes {
                    lenenc::bytes(&mut cursor).within(WHAT)?;
                }
            }
            read.types = Some(types);
        }
        let types = read.types.as_deref().or(known.types).filter(|types| types.len() >= count);
        let types = types.ok_or(Malformed("COM_STMT_EXECUTE: parameters whose types were never sent"))?;
        for (index, param) in types.iter().take(count).enumerate() {
            let bytes = if bit(nulls, index) || long(index) { None } else { Some(value(&mut cursor, *param)?) };
            read.params.push(param.with(bytes));
        }
        if !cursor.is_empty() {
            return Err(Malformed("COM_STMT_EXECUTE: bytes after the last parameter"));
        }
        Ok(read)
    }
}

/// Reads the parameters of a COM_STMT_BULK_EXECUTE, row by row, and the types that came with it.
pub(crate) fn decode_bulk(body: &[u8], known: Known<'_>) -> Result<(Vec<Param>, Option<Vec<ParamType>>), Malformed> {
    const WHAT: &str = "COM_STMT_BULK_EXECUTE";
    const SEND_TYPES: u16 = 128;
    let mut cursor = Cursor::new(body);
    cursor.u32_le().within(WHAT)?;
    let flags = cursor.u16_le().within(WHAT)?;
    let mut sent = None;
    if flags & SEND_TYPES != 0 {
        let mut types = Vec::with_capacity(known.parameters);
        for _ in 0..known.parameters {
            types.push(ParamType::decode(&mut cursor)?);
        }
        sent = Some(types);
    }
    let types = sent.as_deref().or(known.types).filter(|types| types.len() >= known.parameters && !types.is_empty());
    let types = types.ok_or(Malformed("COM_STMT_BULK_EXECUTE: parameters whose types were never sent"))?;
    let mut params = Vec::new();
    while !cursor.is_empty() {
        for param in types.iter().take(known.parameters) {
            // 0 a value, 1 NULL, 2 DEFAULT, 3 IGNORE.
            let bytes = match cursor.u8().within(WHAT)? {
                0 => Some(value(&mut cursor, *param)?),
                1..=3 => None,
                _ => return Err(Malformed("COM_STMT_BULK_EXECUTE: an unknown indicator")),
            };
            params.push(param.with(bytes));
        }
    }
    Ok((params, sent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values;

    const TWO: Known<'_> = Known { parameters: 2, types: None, attributes: false };

    #[test]
    fn types_and_values() {
        let body = b"\x01\0\0\0\x01\x01\0\0\0\x00\x01\x08\x80\xfd\0\x05\0\0\0\0\0\0\0\x02hi";
        let execute = Execute::decode(body, TWO, |_| false).unwrap();
        assert!(execute.cursor);
        assert_eq!(execute.types_flag_at, Some(10));
        assert_eq!(execute.params[0].value.as_deref(), Some(&[5, 0, 0, 0, 0, 0, 0, 0][..]));
        assert_eq!(execute.params[1].value.as_deref(), Some(&b"hi"[..]));
        for cut in 0..body.len() {
            assert!(Execute::decode(&body[..cut], TWO, |_| false).is_err(), "{cut}");
        }
        let types = execute.types.unwrap();
        let again = b"\x01\0\0\0\0\x01\0\0\0\x01\0\x02hi";
        let known = Known { types: Some(&types), ..TWO };
        let execute = Execute::decode(again, known, |_| false).unwrap();
        assert_eq!(execute.params[0].value, None, "NULL by bitmap");
        assert_eq!(execute.params[1].value.as_deref(), Some(&b"hi"[..]), "types as sent before");
        assert!(Execute::decode(again, TWO, |_| false).is_err(), "types never sent");
    }

    #[test]
    fn long_data_has_no_value_in_the_packet() {
        let body = b"\x01\0\0\0\0\x01\0\0\0\0\x01\xfc\0\x03\0\x07\0\0\0";
        let execute = Execute::decode(body, TWO, |index| index == 0).unwrap();
        assert_eq!(execute.params[0].value, None);
        assert_eq!(execute.params[1].value.as_deref(), Some(&[7, 0, 0, 0][..]));
    }

    #[test]
    fn query_attributes_follow_the_parameters() {
        let known = Known { parameters: 0, types: None, attributes: true };
        let body = b"\x01\0\0\0\x08\x01\0\0\0\x01\0\x01\xfe\0\x05trace\x03abc";
        let execute = Execute::decode(body, known, |_| false).unwrap();
        assert_eq!(execute.params[0].value.as_deref(), Some(&b"abc"[..]));
        assert!(Execute::decode(b"\x01\0\0\0\0\x01\0\0\0", known, |_| false).unwrap().params.is_empty());
    }

    #[test]
    fn bulk_rows() {
        let types = [
            ParamType { column_type: values::LONG, flags: 0 },
            ParamType { column_type: values::VAR_STRING, flags: 0 },
        ];
        let known = Known { types: Some(&types), ..TWO };
        let body = b"\x01\0\0\0\0\0\0\x01\0\0\0\0\x01a\0\x02\0\0\0\x01";
        let (params, sent) = decode_bulk(body, known).unwrap();
        assert_eq!((params.len(), sent), (4, None));
        assert_eq!(params[3].value, None);
        assert!(decode_bulk(b"\x01\0\0\0\0\0\x09", known).is_err());
        assert!(decode_bulk(body, TWO).is_err());
    }
}
