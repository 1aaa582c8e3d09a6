//! Length-encoded integers and strings.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html>

use wire::{Cursor, Truncated};

/// First byte of a NULL cell in a text row.
pub(crate) const NULL: u8 = 0xFB;

/// Reads an integer. `0xFB` (NULL) and `0xFF` (ERR) begin none.
pub(crate) fn int(cursor: &mut Cursor<'_>) -> Result<u64, Truncated> {
    match cursor.u8()? {
        byte @ 0..=0xFA => Ok(u64::from(byte)),
        0xFC => Ok(u64::from(cursor.u16_le()?)),
        0xFD => {
            let low = cursor.u16_le()?;
            let high = cursor.u8()?;
            Ok(u64::from(low) | u64::from(high) << 16)
        }
        0xFE => cursor.u64_le(),
        NULL | 0xFF => Err(Truncated),
    }
}

/// Reads a string.
pub(crate) fn bytes<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Truncated> {
    let length = int(cursor)?;
    cursor.take(usize::try_from(length).map_err(|_| Truncated)?)
}

/// Reads a text row's cell, `None` being NULL.
pub(crate) fn cell<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Truncated> {
    if cursor.rest().first() == Some(&NULL) {
        cursor.u8()?;
        return Ok(None);
    }
    bytes(cursor).map(Some)
}

/// Appends an integer in its shortest form.
pub(crate) fn put_int(out: &mut Vec<u8>, value: u64) {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = value.to_le_bytes();
    match value {
        0..=0xFA => out.push(b0),
        0xFB..=0xFFFF => out.extend_from_slice(&[0xFC, b0, b1]),
        0x1_0000..=0xFF_FFFF => out.extend_from_slice(&[0xFD, b0, b1, b2]),
        _ => out.extend_from_slice(&[0xFE, b0, b1, b2, b3, b4, b5, b6, b7]),
    }
}

/// Appends a string.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Connection attributes: names with values, in order.
pub(crate) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads connection attributes, with the length that goes before them.
pub(crate) fn attributes(cursor: &mut Cursor<'_>) -> Result<Attributes, Truncated> {
    let mut list = Cursor::new(bytes(cursor)?);
    let mut attributes = Vec::new();
    while !list.is_empty() {
        let name = bytes(&mut list)?.to_vec();
        attributes.push((name, bytes(&mut list)?.to_vec()));
    }
    Ok(attributes)
}

/// Appends connection attributes.
pub(crate) fn put_attributes(out: &mut Vec<u8>, attributes: &[(Vec<u8>, Vec<u8>)]) {
    let mut list = Vec::new();
    for (name, value) in attributes {
        put_bytes(&mut list, name);
        put_bytes(&mut list, value);
    }
    put_bytes(out, &list);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width() {
        for (value, wire) in [
            (0, &[0][..]),
            (250, &[250]),
            (251, &[0xFC, 251, 0]),
            (0xFFFF, &[0xFC, 0xFF, 0xFF]),
            (0x1_0000, &[0xFD, 0, 0, 1]),
            (0xFF_FFFF, &[0xFD, 0xFF, 0xFF, 0xFF]),
            (0x100_0000, &[0xFE, 0, 0, 0, 1, 0, 0, 0, 0]),
            (u64::MAX, &[0xFE, 255, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            let mut out = Vec::new();
            put_int(&mut out, value);
            assert_eq!(out, wire);
            assert_eq!(int(&mut Cursor::new(wire)), Ok(value));
            assert_eq!(int(&mut Cursor::new(&wire[..wire.len() - 1])), Err(Truncated));
        }
    }

    #[test]
    fn a_length_beyond_the_payload_is_truncated_not_trusted() {
        assert_eq!(bytes(&mut Cursor::new(&[0xFE, 255, 255, 255, 255, 255, 255, 255, 255, b'x'])), Err(Truncated));
        assert_eq!(bytes(&mut Cursor::new(&[2, b'x'])), Err(Truncated));
        assert_eq!(int(&mut Cursor::new(&[0xFF])), Err(Truncated));
    }

    #[test]
    fn null_and_empty_cells_differ() {
        let mut cursor = Cursor::new(&[NULL, 0, 1, b'x']);
        assert_eq!(cell(&mut cursor), Ok(None));
        assert_eq!(cell(&mut cursor), Ok(Some(&[][..])));
        assert_eq!(cell(&mut cursor), Ok(Some(&b"x"[..])));
        assert_eq!(cell(&mut cursor), Err(Truncated));
    }
}
