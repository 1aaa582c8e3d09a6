//! RowDescription and ParameterDescription.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use super::malformed;
use wire::{Cursor, Violation};

/// A column as RowDescription gives it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Its name, in the client's encoding.
    pub(crate) name: &'a [u8],
    /// OID of the table that it is a column of, or 0.
    pub(crate) table: u32,
    /// Number of the column in that table, or 0.
    pub(crate) number: i16,
    /// OID of its type.
    pub(crate) oid: u32,
    /// The type's modifier, or -1.
    pub(crate) modifier: i32,
    /// Whether its cells are binary.
    pub(crate) binary: bool,
}

/// Decodes a RowDescription.
pub(crate) fn row_description(body: &[u8]) -> Result<Vec<Field<'_>>, Violation> {
    let bad = |_| malformed("RowDescription");
    let mut cursor = Cursor::new(body);
    let count = cursor.u16_be().map_err(bad)?;
    let mut fields = Vec::with_capacity(usize::from(count).min(cursor.rest().len() / 19));
    for _ in 0..count {
        let name = cursor.cstr().map_err(bad)?;
        let table = cursor.u32_be().map_err(bad)?;
        let number = cursor.i16_be().map_err(bad)?;
        let oid = cursor.u32_be().map_err(bad)?;
        let _width = cursor.i16_be().map_err(bad)?;
        let modifier = cursor.i32_be().map_err(bad)?;
        let binary = match cursor.u16_be().map_err(bad)? {
            0 => false,
            1 => true,
            _ => return Err(malformed("RowDescription")),
        };
        fields.push(Field { name, table, number, oid, modifier, binary });
    }
    if cursor.is_empty() { Ok(fields) } else { Err(malformed("RowDescription")) }
}

/// Decodes a ParameterDescription: the OIDs of the parameters.
pub(crate) fn parameter_description(body: &[u8]) -> Result<Vec<u32>, Violation> {
    let mut cursor = Cursor::new(body);
    let count = cursor.u16_be().map_err(|_| malformed("ParameterDescription"))?;
    if cursor.rest().len() != usize::from(count).saturating_mul(4) {
        return Err(malformed("ParameterDescription"));
    }
    Ok(std::iter::from_fn(|| cursor.u32_be().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let body = b"\0\x01ssn\0\0\0\x40\x01\0\x03\0\0\x04\x13\xff\xff\0\0\0\x0f\0\0";
        let expected = Field { name: b"ssn", table: 16385, number: 3, oid: 1043, modifier: 15, binary: false };
        assert_eq!(row_description(body).unwrap(), [expected]);
        for cut in 0..body.len() {
            assert!(row_description(&body[..cut]).is_err(), "cut at {cut}");
        }
        assert!(row_description(b"\xff\xff").is_err(), "65535 columns that are not there");
        assert_eq!(row_description(b"\0\0").unwrap(), [], "a SELECT of nothing");
    }

    #[test]
    fn parameters() {
        assert_eq!(parameter_description(b"\0\x02\0\0\0\x17\0\0\0\x19").unwrap(), [23, 25]);
        assert!(parameter_description(b"\0\x02\0\0\0\x17").is_err());
    }
}
