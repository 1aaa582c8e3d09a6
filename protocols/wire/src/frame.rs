//! Reading peer bytes without indexing: a cursor whose every read is checked.

/// The input ended before what was to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("truncated")]
pub struct Truncated;

/// A checked reader over a slice.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

macro_rules! integers {
    ($($name:ident $type:ty, $from:ident, $doc:literal;)*) => {$(
        #[doc = $doc]
        pub fn $name(&mut self) -> Result<$type, Truncated> {
            let (head, rest) = self.rest.split_first_chunk().ok_or(Truncated)?;
            self.rest = rest;
            Ok(<$type>::$from(*head))
        }
    )*};
}

impl<'a> Cursor<'a> {
    /// Starts at the front of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// The bytes before the next NUL, which is consumed too.
    pub fn cstr(&mut self) -> Result<&'a [u8], Truncated> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or(Truncated)?;
        let head = self.take(end)?;
        self.take(1)?;
        Ok(head)
    }

    integers! {
        u8 u8, from_be_bytes, "One byte.";
        u16_be u16, from_be_bytes, "Two bytes, network order.";
        i16_be i16, from_be_bytes, "Two bytes, network order.";
        u32_be u32, from_be_bytes, "Four bytes, network order.";
        i32_be i32, from_be_bytes, "Four bytes, network order.";
        u64_be u64, from_be_bytes, "Eight bytes, network order.";
        i64_be i64, from_be_bytes, "Eight bytes, network order.";
        u16_le u16, from_le_bytes, "Two bytes, little endian.";
        u32_le u32, from_le_bytes, "Four bytes, little endian.";
        u64_le u64, from_le_bytes, "Eight bytes, little endian.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_read_is_bounded() {
        let mut cursor = Cursor::new(&[0, 1, 0, b'a', b'b', 0, 7]);
        assert_eq!(cursor.u16_be(), Ok(1));
        assert_eq!(cursor.u8(), Ok(0));
        assert_eq!(cursor.cstr(), Ok(&b"ab"[..]));
        assert_eq!(cursor.u32_be(), Err(Truncated));
        assert_eq!(cursor.take(2), Err(Truncated));
        assert_eq!(cursor.cstr(), Err(Truncated));
        assert_eq!(cursor.rest(), &[7], "a failed read consumes nothing");
    }
}
