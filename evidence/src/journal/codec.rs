//! The journal's encoding of fields: big-endian integers, and byte strings after a 32-bit length.
//!
//! Local to one machine and version (sealing turns it into Parquet), so it favours being quick to write.

use model::{Encoding, Kind, Repr};

/// Bytes that do not decode. Frames are checksummed, so this means a different version wrote them.
#[derive(Debug, thiserror::Error)]
#[error("a journal record does not decode: {0}")]
pub(crate) struct Undecodable(pub(crate) &'static str);

/// Appends fields.
pub(crate) trait Put {
    fn u8(&mut self, value: u8);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
    fn bytes(&mut self, value: &[u8]);

    fn i64(&mut self, value: i64) {
        self.u64(value.cast_unsigned());
    }
    fn str(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }
    /// One text that is made of pieces.
    fn joined(&mut self, pieces: &[&str]);
    fn opt_str(&mut self, value: Option<&str>) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            self.str(value);
        }
    }
    fn opt_bytes(&mut self, value: Option<&[u8]>) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            self.bytes(value);
        }
    }
    fn opt_u64(&mut self, value: Option<u64>) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            self.u64(value);
        }
    }
    fn count(&mut self, value: usize) {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX));
    }
    fn strs<S: AsRef<str>>(&mut self, values: &[S]) {
        self.count(values.len());
        for value in values {
            self.str(value.as_ref());
        }
    }
    fn repr(&mut self, repr: &Repr) {
        self.u8(match repr.encoding {
            Encoding::PostgresText => 0,
            Encoding::PostgresBinary => 1,
            Encoding::MysqlText => 2,
            Encoding::MysqlBinary => 3,
        });
        self.kind(&repr.kind);
    }
    fn kind(&mut self, kind: &Kind) {
        let tag = match kind {
            Kind::Bool => 0,
            Kind::Int { .. } => 1,
            Kind::Float { .. } => 2,
            Kind::Decimal => 3,
            Kind::Date => 4,
            Kind::Timestamp => 5,
            Kind::TimestampTz => 6,
            Kind::Time => 7,
            Kind::TimeTz => 8,
            Kind::Interval => 9,
            Kind::Year => 10,
            Kind::Uuid => 11,
            Kind::Char => 12,
            Kind::Text => 13,
            Kind::Enum { .. } => 14,
            Kind::Json => 15,
            Kind::Jsonb => 16,
            Kind::Bytes => 17,
            Kind::Array { .. } => 18,
            Kind::Composite => 19,
            Kind::Bit => 20,
            Kind::Network => 21,
            Kind::Unknown => 22,
        };
        self.u8(tag);
        match kind {
            Kind::Int { bytes, signed } => {
                self.u8(*bytes);
                self.u8(u8::from(*signed));
            }
            Kind::Float { bytes } => self.u8(*bytes),
            Kind::Enum { labels } => self.strs(labels),
            Kind::Array { element, element_oid } => {
                self.u32(*element_oid);
                self.kind(element);
            }
            _ => {}
        }
    }
}

impl Put for Vec<u8> {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }
    fn u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }
    fn u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }
    fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.extend_from_slice(value);
    }
    fn joined(&mut self, pieces: &[&str]) {
        self.count(pieces.iter().map(|piece| piece.len()).sum());
        pieces.iter().for_each(|piece| self.extend_from_slice(piece.as_bytes()));
    }
}

/// Takes fields off the front.
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl<'a> Take<'a> {
    pub(crate) fn raw(&mut self, len: usize) -> Result<&'a [u8], Undecodable> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Undecodable("it ends early"))?;
        self.0 = rest;
        Ok(head)
    }
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Undecodable("it ends early"))?;
        self.0 = rest;
        Ok(*head)
    }
    pub(crate) fn u8(&mut self) -> Result<u8, Undecodable> {
        Ok(u8::from_be_bytes(self.array()?))
    }
    pub(crate) fn bool(&mut self) -> Result<bool, Undecodable> {
        Ok(self.u8()? != 0)
    }
    pub(crate) fn u32(&mut self) -> Result<u32, Undecodable> {
        Ok(u32::from_be_bytes(self.array()?))
    }
    pub(crate) fn u64(&mut self) -> Result<u64, Undecodable> {
        Ok(u64::from_be_bytes(self.array()?))
    }
    pub(crate) fn i64(&mut self) -> Result<i64, Undecodable> {
        Ok(i64::from_be_bytes(self.array()?))
    }
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Undecodable> {
        let len = usize::try_from(self.u32()?).map_err(|_| Undecodable("a length is too large"))?;
        self.raw(len)
    }
    pub(crate) fn string(&mut self) -> Result<String, Undecodable> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Undecodable("text is not UTF-8"))
    }
    pub(crate) fn opt<T>(
        &mut self,
        take: impl FnOnce(&mut Self) -> Result<T, Undecodable>,
    ) -> Result<Option<T>, Undecodable> {
        if self.bool()? { take(self).map(Some) } else { Ok(None) }
    }
    pub(crate) fn opt_string(&mut self) -> Result<Option<String>, Undecodable> {
        self.opt(Self::string)
    }
    /// A list: a count, then as many items. The count is not trusted for an allocation.
    pub(crate) fn list<T>(
        &mut self,
        mut take: impl FnMut(&mut Self) -> Result<T, Undecodable>,
    ) -> Result<Vec<T>, Undecodable> {
        let count = self.u32()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(take(self)?);
        }
        Ok(items)
    }
    pub(crate) fn repr(&mut self) -> Result<Repr, Undecodable> {
        let encoding = match self.u8()? {
            0 => Encoding::PostgresText,
            1 => Encoding::PostgresBinary,
            2 => Encoding::MysqlText,
            3 => Encoding::MysqlBinary,
            _ => return Err(Undecodable("unknown encoding")),
        };
        Ok(Repr { kind: self.kind()?, encoding })
    }
    fn kind(&mut self) -> Result<Kind, Undecodable> {
        Ok(match self.u8()? {
            0 => Kind::Bool,
            1 => Kind::Int { bytes: self.u8()?, signed: self.bool()? },
            2 => Kind::Float { bytes: self.u8()? },
            3 => Kind::Decimal,
            4 => Kind::Date,
            5 => Kind::Timestamp,
            6 => Kind::TimestampTz,
            7 => Kind::Time,
            8 => Kind::TimeTz,
            9 => Kind::Interval,
            10 => Kind::Year,
            11 => Kind::Uuid,
            12 => Kind::Char,
            13 => Kind::Text,
            14 => Kind::Enum { labels: self.list(Self::string)? },
            15 => Kind::Json,
            16 => Kind::Jsonb,
            17 => Kind::Bytes,
            18 => {
                let element_oid = self.u32()?;
                Kind::Array { element: Box::new(self.kind()?), element_oid }
            }
            19 => Kind::Composite,
            20 => Kind::Bit,
            21 => Kind::Network,
            22 => Kind::Unknown,
            _ => return Err(Undecodable("unknown kind")),
        })
    }
}
