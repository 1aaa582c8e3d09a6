//! The cells of one row as text, in buffers that are reused for every row.

use model::{Kind, Repr};
use sha2::{Digest, Sha256};

/// Longest text of one cell that is kept; the rest is replaced by its hash.
const CELL_LIMIT: usize = 1 << 20;

/// The cells of one row.
#[derive(Clone, Default)]
pub(crate) struct Cells {
    text: String,
    ends: Vec<(bool, usize)>,
    /// What was cut, in words; empty when nothing was.
    pub(super) cut: String,
}

impl Cells {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.cut.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn push_null(&mut self) {
        self.ends.push((false, self.text.len()));
    }

    pub(crate) fn push(&mut self, repr: Option<&Repr>, cell: &[u8]) {
        let start = self.text.len();
        render(repr, cell, &mut self.text);
        let length = self.text.len() - start;
        if length > CELL_LIMIT {
            use std::fmt::Write;
            let hash = self.text.as_bytes().get(start..).map(|text| hex::encode(Sha256::digest(text)));
            let mut end = start + CELL_LIMIT;
            while !self.text.is_char_boundary(end) {
                end -= 1;
            }
            self.text.truncate(end);
            let (cell, hash) = (self.ends.len() + 1, hash.unwrap_or_default());
            let kept = end - start;
            let _ = write!(self.cut, "cell {cell}: {length} bytes, SHA-256 {hash}, the first {kept} are kept; ");
        }
        self.ends.push((true, self.text.len()));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().map(move |(valid, end)| {
            let text = self.text.get(start..*end).unwrap_or_default();
            start = *end;
            valid.then_some(text)
        })
    }
}

/// A cell as text: total, never fails. What has no text becomes `\x` and hexadecimal digits.
pub(super) fn render(repr: Option<&Repr>, cell: &[u8], out: &mut String) {
    match (repr, std::str::from_utf8(cell)) {
        (Some(repr), _) => repr.render(cell, out),
        (None, Ok(text)) => out.push_str(text),
        (None, Err(_)) => {
            out.push_str("\\x");
            out.push_str(&hex::encode(cell));
        }
    }
}

/// Text as it is; anything else as `\x` and hexadecimal digits.
pub(super) fn text_or_hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    render(None, bytes, &mut out);
    out
}

/// The name of a kind, for parameters whose values are not shown.
pub(super) fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int { .. } => "int",
        Kind::Float { .. } => "float",
        Kind::Decimal => "decimal",
        Kind::Date => "date",
        Kind::Timestamp => "timestamp",
        Kind::TimestampTz => "timestamptz",
        Kind::Time => "time",
        Kind::TimeTz => "timetz",
        Kind::Interval => "interval",
        Kind::Year => "year",
        Kind::Uuid => "uuid",
        Kind::Char => "char",
        Kind::Text => "text",
        Kind::Enum { .. } => "enum",
        Kind::Json => "json",
        Kind::Jsonb => "jsonb",
        Kind::Bytes => "bytes",
        Kind::Array { .. } => "array",
        Kind::Composite => "composite",
        Kind::Bit => "bit",
        Kind::Network => "network",
        Kind::Unknown => "unknown",
    }
}
