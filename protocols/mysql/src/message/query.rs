//! COM_QUERY: the text, and before it the query attributes where they were agreed on.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query.html>

use super::parameter::{ParamType, bit, value};
use super::{Malformed, Within, lenenc};
use model::Param;
use wire::Cursor;

const WHAT: &str = "COM_QUERY";
/// More attributes than any client sends; the server's own bound is two bytes.
const MOST_ATTRIBUTES: u64 = 65_535;

/// A COM_QUERY without its command byte, taken apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    /// Query attributes.
    pub(crate) attributes: Vec<Param>,
    /// Where the SQL begins in the body.
    pub(crate) text_at: usize,
}

impl Query {
    /// Reads the body after the command byte.
    pub(crate) fn decode(body: &[u8], with_attributes: bool) -> Result<Self, Malformed> {
        if !with_attributes {
            return Ok(Self { attributes: Vec::new(), text_at: 0 });
        }
        let mut cursor = Cursor::new(body);
        let count = lenenc::int(&mut cursor).within(WHAT)?;
        if lenenc::int(&mut cursor).within(WHAT)? != 1 || count > MOST_ATTRIBUTES {
            return Err(Malformed("COM_QUERY: more than one set of attributes"));
        }
        let attributes = if count == 0 { Vec::new() } else { attributes(&mut cursor, count)? };
        Ok(Self { attributes, text_at: body.len() - cursor.rest().len() })
    }
}

fn attributes(cursor: &mut Cursor<'_>, count: u64) -> Result<Vec<Param>, Malformed> {
    let count = usize::try_from(count).map_err(|_| Malformed(WHAT))?;
    let nulls = cursor.take(count.div_ceil(8)).within(WHAT)?;
    if cursor.u8().within(WHAT)? != 1 {
        return Err(Malformed("COM_QUERY: attributes without types"));
    }
    let mut types = Vec::new();
    for _ in 0..count {
        types.push(ParamType::decode(cursor)?);
        lenenc::bytes(cursor).within(WHAT)?;
    }
    let mut attributes = Vec::with_capacity(types.len());
    for (index, param) in types.into_iter().enumerate() {
        let bytes = if bit(nulls, index) { None } else { Some(value(cursor, param)?) };
        attributes.push(param.with(bytes));
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_attributes_the_body_is_the_text() {
        assert_eq!(Query::decode(b"SELECT 1", false).unwrap().text_at, 0);
        assert_eq!(Query::decode(b"\0\x01SELECT 1", true).unwrap().text_at, 2);
    }

    #[test]
    fn attributes_precede_the_text() {
        let body = b"\x02\x01\x02\x01\xfe\0\x05trace\x08\0\x01n\x03abcSELECT 1";
        let query = Query::decode(body, true).unwrap();
        assert_eq!(&body[query.text_at..], b"SELECT 1");
        assert_eq!(query.attributes[0].value.as_deref(), Some(&b"abc"[..]));
        assert_eq!(query.attributes[1].value, None);
        for cut in 0..query.text_at {
            assert!(Query::decode(&body[..cut], true).is_err(), "{cut}");
        }
        assert!(Query::decode(b"\0\x02SELECT 1", true).is_err(), "two sets");
        assert!(Query::decode(b"\xfd\xff\xff\xff\x01", true).is_err(), "a count that the packet cannot hold");
    }
}
