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
    /// MariaDB's extended metadata say that it holds JSON.
    pub(crate) json: bool,
}

/// MariaDB's list of further facts: a byte that says which, and a text.
/// <https://mariadb.com/kb/en/result-set-packets/#column-definition-packet>
fn says_json(list: &[u8]) -> Result<bool, Malformed> {
    /// The format of the text in a column.
    const FORMAT: u8 = 1;
    let mut cursor = Cursor::new(list);
    let mut json = false;
    while !cursor.is_empty() {
        let which = cursor.u8().within("extended metadata")?;
        let value = lenenc::bytes(&mut cursor).within("extended metadata")?;
        json |= which == FORMAT && value == b"json";
    }
    Ok(json)
}

impl<'a> ColumnDefinition<'a> {
    /// Reads one. What may follow the fixed fields (a default value, for COM_FIELD_LIST) is left unread.
    /// `extended` is whether MariaDB's extended metadata were agreed on.
    pub(crate) fn decode(payload: &'a [u8], extended: bool) -> Result<Self, Malformed> {
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
        let json = extended && says_json(lenenc::bytes(&mut cursor).within(WHAT)?)?;
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
            json,
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
        let column = ColumnDefinition::decode(wire, false).unwrap();
        assert_eq!((column.schema, column.org_table), (&b"ehr"[..], &b"patients"[..]));
        assert_eq!((column.name, column.org_name), (&b"s"[..], &b"ssn"[..]));
        assert_eq!((column.collation, column.length, column.column_type, column.flags), (45, 44, 0xFD, 0x1001));
        for cut in 0..wire.len() {
            assert!(ColumnDefinition::decode(&wire[..cut], false).is_err(), "{cut}");
        }
        assert!(ColumnDefinition::decode(b"\x03abc", false).is_err());
    }

    #[test]
    fn extended_metadata_mark_json() {
        let wire = |list: &[u8]| {
            let mut wire = b"\x03def\x03ehr\x01p\x01p\x01x\x01x".to_vec();
            lenenc::put_bytes(&mut wire, list);
            wire.extend_from_slice(b"\x0c\x2d\0\x2c\0\0\0\xfc\0\0\0\0\0");
            wire
        };
        for (list, json) in [
            (&b""[..], false),
            (b"\x01\x04json", true),
            (b"\0\x05point", false),
            (b"\0\x05inet6\x01\x04json", true),
            (b"\0\x04json", false),
        ] {
            let wire = wire(list);
            let column = ColumnDefinition::decode(&wire, true).unwrap();
            assert_eq!((column.json, column.column_type), (json, 0xFC), "{list:?}");
            for cut in 0..wire.len() - 3 {
                assert!(ColumnDefinition::decode(&wire[..cut], true).is_err(), "{cut}");
            }
        }
        assert!(ColumnDefinition::decode(&wire(b"\x01\x09json"), true).is_err(), "cut short");
    }
}
