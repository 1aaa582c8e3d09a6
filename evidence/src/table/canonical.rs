//! What is hashed: the canonical encoding of records, rows and bodies.
//!
//! ```text
//! value   := 00                                   NULL
//!          | 01 · content                         anything else
//!          | 02                                   (rows only) the same list as in the row before
//! content := i64 big-endian                       integers and times (microseconds since the epoch)
//!          | u32 length · UTF-8                   text
//!          | u32 count · value…                   lists; a struct is its fields' values one after the other
//! record_hash := SHA-256("affidavit/record/v1\n" · text(table) · value of every column but record_hash, in the order of the
//!                        schema of the record's own version)
//! part        := SHA-256("affidavit/rows/v1\n" · text(session_id) · i64(statement_id) ·
//!                        for each row: value of result_set, row_index, columns, values, overflow)
//! part (v2)   := SHA-256("affidavit/rows/v2\n" · text(session_id) · i64(statement_id) · value of user_id, datasource ·
//!                        for each row: value of result_set, row_index, columns, values, overflow, shown)
//! rows_commit := SHA-256("affidavit/rows-commit/v1\n" · rows_commit of the segments before (or 32 zeros) · part)
//! body_commit := SHA-256("affidavit/body/v1\n" · 32 bytes salt · text(session_id) · i64(statement_id) ·
//!                        value of sql_text, params)
//! body_commit (v3) := the same after "affidavit/body/v3\n", and behind params the value of sent_sql
//! ```
//! A part covers the rows of one statement in one segment, in the order of its files; most statements have one part.

use super::{Record, Value};
use sha2::{Digest, Sha256};

fn text(hash: &mut Sha256, value: &str) {
    hash.update(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    hash.update(value.as_bytes());
}

fn opt_text(hash: &mut Sha256, value: Option<&str>) {
    match value {
        None => hash.update([0]),
        Some(value) => {
            hash.update([1]);
            text(hash, value);
        }
    }
}

fn count(hash: &mut Sha256, value: usize) {
    hash.update([1]);
    hash.update(u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
}

fn value(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hash.update([0]),
        Value::Int(value) | Value::Time(value) => {
            hash.update([1]);
            hash.update(value.to_be_bytes());
        }
        Value::Str(value) => opt_text(hash, Some(value)),
        Value::Strs(values) => {
            count(hash, values.len());
            values.iter().for_each(|value| opt_text(hash, value.as_deref()));
        }
        Value::Columns(columns) => {
            count(hash, columns.len());
            columns.iter().flatten().for_each(|field| opt_text(hash, field.as_deref()));
        }
    }
}

/// The hash of a record.
pub(crate) fn record_hash(record: &Record) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"affidavit/record/v1\n");
    text(&mut hash, record.table.name());
    let version = record.version();
    let mut columns = record.table.columns();
    for content in &record.values {
        // Behind the columns that are known stand those of a newer version.
        if columns.next().is_none_or(|column| column.since <= version && column.name != "record_hash") {
            value(&mut hash, content);
        }
    }
    hash.finalize().into()
}

/// The texts and parameters of one statement.
pub(crate) struct Body<'a> {
    pub(crate) session: &'a str,
    pub(crate) statement: i64,
    pub(crate) sql: &'a str,
    pub(crate) params: &'a [Option<String>],
    pub(crate) sent: Option<&'a str>,
}

impl Body<'_> {
    /// Commits to it, in the form of a version.
    pub(crate) fn commit(&self, version: i64, salt: &[u8; 32]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(if version < 3 { b"affidavit/body/v1\n" } else { b"affidavit/body/v3\n" });
        hash.update(salt);
        text(&mut hash, self.session);
        hash.update(self.statement.to_be_bytes());
        opt_text(&mut hash, Some(self.sql));
        count(&mut hash, self.params.len());
        self.params.iter().for_each(|param| opt_text(&mut hash, param.as_deref()));
        if version >= 3 {
            opt_text(&mut hash, self.sent);
        }
        hash.finalize().into()
    }
}

/// Commits to the rows of one statement in one segment.
#[derive(Clone)]
pub(crate) struct RowsCommit {
    version: i64,
    hash: Sha256,
    buffer: Vec<u8>,
    columns: Vec<u8>,
}

/// Whose rows a part holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowsOf<'a> {
    pub(crate) session: &'a str,
    pub(crate) statement: i64,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) datasource: Option<&'a str>,
}

impl RowsCommit {
    /// Begins a part, in the form of a version.
    pub(crate) fn new(version: i64, of: &RowsOf<'_>) -> Self {
        let mut hash = Sha256::new();
        hash.update(if version < 2 { b"affidavit/rows/v1\n" } else { b"affidavit/rows/v2\n" });
        text(&mut hash, of.session);
        hash.update(of.statement.to_be_bytes());
        if version >= 2 {
            opt_text(&mut hash, of.user_id);
            opt_text(&mut hash, of.datasource);
        }
        Self { version, hash, buffer: Vec::new(), columns: Vec::new() }
    }

    /// Adds a row. `columns` and `values` are given as iterators, so that neither side builds lists for it.
    pub(crate) fn row<'a>(
        &mut self,
        result_set: i64,
        row_index: i64,
        columns: impl Iterator<Item = Option<&'a str>>,
        values: impl Iterator<Item = Option<&'a str>>,
        overflow: Option<&str>,
        shown: Option<impl Iterator<Item = Option<&'a str>>>,
    ) {
        self.buffer.clear();
        self.buffer.push(1);
        self.buffer.extend_from_slice(&result_set.to_be_bytes());
        self.buffer.push(1);
        self.buffer.extend_from_slice(&row_index.to_be_bytes());
        let start = self.buffer.len();
        put_list(&mut self.buffer, columns);
        let same = self.buffer.get(start..).is_some_and(|now| now == self.columns.as_slice());
        if same {
            self.buffer.truncate(start);
            self.buffer.push(2);
        } else {
            self.columns.clear();
            self.columns.extend_from_slice(self.buffer.get(start..).unwrap_or_default());
        }
        put_list(&mut self.buffer, values);
        put(&mut self.buffer, overflow);
        if self.version >= 2 {
            match shown {
                None => self.buffer.push(0),
                Some(shown) => put_list(&mut self.buffer, shown),
            }
        }
        self.hash.update(&self.buffer);
    }

    /// The commitment, after `before` of the segments before.
    pub(crate) fn finish(self, before: &[u8; 32]) -> [u8; 32] {
        Self::chain(before, &self.part())
    }

    /// The hash of this part alone.
    pub(crate) fn part(self) -> [u8; 32] {
        self.hash.finalize().into()
    }

    /// The commitment to a part, after `before` of the segments before.
    pub(crate) fn chain(before: &[u8; 32], part: &[u8; 32]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"affidavit/rows-commit/v1\n");
        hash.update(before);
        hash.update(part);
        hash.finalize().into()
    }
}

fn put(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(value.as_bytes());
        }
    }
}

fn put_list<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = Option<&'a str>>) {
    out.push(1);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    let mut count = 0u32;
    for value in values {
        put(out, value);
        count += 1;
    }
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&count.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_commitment_is_the_documented_bytes() {
        let mut bytes = b"affidavit/body/v1\n".to_vec();
        bytes.extend_from_slice(&[9; 32]);
        bytes.extend_from_slice(&[0, 0, 0, 1, b's']);
        bytes.extend_from_slice(&7i64.to_be_bytes());
        bytes.extend_from_slice(&[1, 0, 0, 0, 2, b'o', b'k']);
        bytes.extend_from_slice(&[1, 0, 0, 0, 2, 0, 1, 0, 0, 0, 1, b'x']);
        let expected: [u8; 32] = Sha256::digest(&bytes).into();
        let params = [None, Some("x".into())];
        let body = Body { session: "s", statement: 7, sql: "ok", params: &params, sent: Some("y") };
        assert_eq!(body.commit(2, &[9; 32]), expected);
        let mut third = b"affidavit/body/v3\n".to_vec();
        third.extend_from_slice(bytes.strip_prefix(b"affidavit/body/v1\n").unwrap());
        third.extend_from_slice(&[1, 0, 0, 0, 1, b'y']);
        let expected: [u8; 32] = Sha256::digest(&third).into();
        assert_eq!(body.commit(3, &[9; 32]), expected);
    }

    #[test]
    fn rows_are_committed_as_documented() {
        let of = RowsOf { session: "s", statement: 1, user_id: Some("u"), datasource: None };
        let mut commit = RowsCommit::new(1, &of);
        let nothing = None::<std::iter::Empty<Option<&str>>>;
        commit.row(0, 0, [Some("a")].into_iter(), [None].into_iter(), None, nothing.clone());
        commit.row(0, 1, [Some("a")].into_iter(), [Some("")].into_iter(), Some("cut"), nothing);
        let mut bytes = b"affidavit/rows/v1\n".to_vec();
        bytes.extend_from_slice(&[0, 0, 0, 1, b's', 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[1, 0, 0, 0, 1, 1, 0, 0, 0, 1, b'a', 1, 0, 0, 0, 1, 0, 0]);
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend_from_slice(&[2, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 3, b'c', b'u', b't']);
        let mut outer = b"affidavit/rows-commit/v1\n".to_vec();
        outer.extend_from_slice(&[0; 32]);
        outer.extend_from_slice(&Sha256::digest(&bytes));
        let expected: [u8; 32] = Sha256::digest(&outer).into();
        assert_eq!(commit.finish(&[0; 32]), expected);
    }

    #[test]
    fn the_second_version_commits_to_whose_rows_they_are_and_what_was_shown_raw() {
        let of = RowsOf { session: "s", statement: 1, user_id: Some("u"), datasource: None };
        let mut commit = RowsCommit::new(2, &of);
        let raw = || [Some("raw")].into_iter();
        commit.row(0, 0, [Some("a")].into_iter(), [None].into_iter(), None, None::<std::iter::Empty<Option<&str>>>);
        commit.row(0, 1, [Some("a")].into_iter(), [Some("")].into_iter(), None, Some(raw()));
        let mut bytes = b"affidavit/rows/v2\n".to_vec();
        bytes.extend_from_slice(&[0, 0, 0, 1, b's', 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, b'u', 0]);
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[1, 0, 0, 0, 1, 1, 0, 0, 0, 1, b'a', 1, 0, 0, 0, 1, 0, 0, 0]);
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend_from_slice(&[2, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 3, b'r', b'a', b'w']);
        let expected: [u8; 32] = Sha256::digest(&bytes).into();
        assert_eq!(commit.part(), expected);
    }
}
