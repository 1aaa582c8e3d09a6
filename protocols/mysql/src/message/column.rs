//! Column definitions (ColumnDefinition41).
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_column_definition.html>

use super::{Malformed, Within, lenenc};
use wire::Cursor;

/// A column as the server announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ColumnDefinition<'a> {
    /// Database of the table.
    pub(crate) schema: &'a [u8],
    /// The table's own name; MariaDB names derived tables here too.
    pub(crate) org_table: &'a [u8],
    /// The name that the client sees.
    pub(crate) name: &'a [u8],
    /// The column's own name.
    pub(crate) org_name: &'a [u8],
    /// Collation number; 63 is binary.
    pub(crate) collation: u16,
    /// Longest display form in bytes.
    pub(crate) length: u32,
    /// Type byte, see [`crate::values`].
    pub(crate) column_type: u8,
    /// Flags.
    pub(crate) flags: u16,
}

impl<'a> ColumnDefinition<'a> {
    /// Reads one. What may follow the fixed fields (a default value, for COM_FIELD_LIST) is left unread.
    pub(crate) fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "column definition";
        let mut cursor = Cursor::new(payload);
        if lenenc::bytes(&mut cursor).within(WHAT)? != b"def" {
            return Err(Malformed("column definition: the catalog is not def"));
        }
        let schema = lenenc::bytes(&mut cursor).within(WHAT)?;
        lenenc::bytes(&mut cursor).within(WHAT)?;
        let org_table = lenenc::bytes(&mut cursor).within(WHAT)?;
        let name = lenenc::bytes(&mut cursor).within(WHAT)?;
        let org_name = lenenc::bytes(&mut cursor).within(WHAT)?;
        let mut fixed = Cursor::new(lenenc::bytes(&mut cursor).within(WHAT)?);
        Ok(Self {
            schema,
            org_table,
            name,
            org_name,
            collation: fixed.u16_le().within(WHAT)?,
            length: fixed.u32_le().within(WHAT)?,
            column_type: fixed.u8().within(WHAT)?,
            flags: fixed.u16_le().within(WHAT)?,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes a definition, for scripted servers.
    pub(crate) fn encode(definition: &ColumnDefinition<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        for part in [
            b"def",
            definition.schema,
            definition.org_table,
            definition.org_table,
            definition.name,
            definition.org_name,
        ] {
            lenenc::put_bytes(&mut out, part);
        }
        out.push(12);
        out.extend_from_slice(&definition.collation.to_le_bytes());
        out.extend_from_slice(&definition.length.to_le_bytes());
        out.push(definition.column_type);
        out.extend_from_slice(&definition.flags.to_le_bytes());
        out.extend_from_slice(&[0, 0, 0]);
        out
    }

    #[test]
    fn a_definition_and_its_truncations() {
        let wire = b"\x03def\x03ehr\x01p\x08patients\x01s\x03ssn\x0c\x2d\0\x2c\0\0\0\xfd\x01\x10\0\0\0";
        let column = ColumnDefinition::decode(wire).unwrap();
        assert_eq!((column.schema, column.org_table), (&b"ehr"[..], &b"patients"[..]));
        assert_eq!((column.name, column.org_name), (&b"s"[..], &b"ssn"[..]));
        assert_eq!((column.collation, column.length, column.column_type, column.flags), (45, 44, 0xFD, 0x1001));
        for cut in 0..wire.len() {
            assert!(ColumnDefinition::decode(&wire[..cut]).is_err(), "{cut}");
        }
        assert!(ColumnDefinition::decode(b"\x03abc").is_err());
    }
}
