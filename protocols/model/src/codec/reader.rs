//! Reading a cell without indexing: every read is checked and consumes nothing when it fails.
//!
//! `wire::Cursor` is the same idea one floor up; this crate is below it and may not import it.

#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

macro_rules! big_endian {
    ($($name:ident $type:ty;)*) => {$(
        pub(super) fn $name(&mut self) -> Option<$type> {
            let (head, rest) = self.0.split_first_chunk()?;
            self.0 = rest;
            Some(<$type>::from_be_bytes(*head))
        }
    )*};
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    /// A PostgreSQL length word and that many bytes: `Some(None)` is NULL (−1), `None` is truncated or negative.
    pub(super) fn sized(&mut self) -> Option<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }

    big_endian! {
        i16 i16;
        u16 u16;
        i32 i32;
        u32 u32;
        i64 i64;
    }
}
