//! The answers that begin a COPY.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html> (CopyInResponse, CopyOutResponse)

use super::malformed;
use wire::{Cursor, Violation};

/// How the data of a COPY is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CopyResponse {
    /// The binary format, rather than text or CSV.
    pub(crate) binary: bool,
    /// Number of columns.
    pub(crate) columns: u16,
}

/// Decodes a CopyInResponse or CopyOutResponse.
pub(crate) fn copy_response(body: &[u8]) -> Result<CopyResponse, Violation> {
    let bad = |_| malformed("CopyResponse");
    let mut cursor = Cursor::new(body);
    let format = cursor.u8().map_err(bad)?;
    let columns = cursor.u16_be().map_err(bad)?;
    if format > 1 || cursor.rest().len() != usize::from(columns).saturating_mul(2) {
        return Err(malformed("CopyResponse"));
    }
    Ok(CopyResponse { binary: format == 1, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses() {
        let body = b"\0\0\x02\0\0\0\0";
        assert_eq!(copy_response(body).unwrap(), CopyResponse { binary: false, columns: 2 });
        for cut in 0..body.len() {
            assert!(copy_response(&body[..cut]).is_err(), "cut at {cut}");
        }
        assert!(copy_response(b"\x02\0\0").is_err());
    }
}
