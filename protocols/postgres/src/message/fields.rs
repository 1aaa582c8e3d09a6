//! The fields of ErrorResponse and NoticeResponse.
//!
//! <https://www.postgresql.org/docs/current/protocol-error-fields.html>

use super::{malformed, put, put_cstr};
use wire::{Cursor, Violation};

/// The fields of an error or notice, in the server's order.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(pub(crate) Vec<(u8, &'a [u8])>);

impl<'a> Fields<'a> {
    /// Decodes the body of an ErrorResponse or NoticeResponse.
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Violation> {
        let bad = |_| malformed("Error or Notice");
        let mut cursor = Cursor::new(body);
        let mut fields = Vec::new();
        loop {
            match cursor.u8().map_err(bad)? {
                0 => break,
                code => fields.push((code, cursor.cstr().map_err(bad)?)),
            }
        }
        if cursor.is_empty() { Ok(Self(fields)) } else { Err(malformed("Error or Notice")) }
    }

    /// The value of a field.
    pub(crate) fn get(&self, code: u8) -> Option<&'a [u8]> {
        self.0.iter().find(|(field, _)| *field == code).map(|(_, value)| *value)
    }

    /// A field as text; empty when it is absent or not UTF-8.
    pub(crate) fn text(&self, code: u8) -> &'a str {
        self.get(code).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()
    }
}

/// Appends an ErrorResponse (`E`) or NoticeResponse (`N`) of these fields.
pub(crate) fn put_fields<'a>(
    tag: u8,
    fields: impl IntoIterator<Item = (u8, &'a [u8])>,
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    put(out, tag, |out| {
        for (code, value) in fields {
            out.push(code);
            put_cstr(out, value);
        }
        out.push(0);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let body = b"SERROR\0VERROR\0C23505\0Mno\0\0";
        let decoded = Fields::decode(body).unwrap();
        assert_eq!((decoded.text(b'C'), decoded.text(b'D')), ("23505", ""));
        let mut out = Vec::new();
        put_fields(b'E', decoded.0.iter().copied(), &mut out).unwrap();
        assert_eq!(&out[5..], body);
        for cut in 0..body.len() {
            assert!(Fields::decode(&body[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Fields::decode(b"\0x").is_err());
    }
}
