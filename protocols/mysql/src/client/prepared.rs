//! Prepared statements of a session: what each does, the types that were sent for it, its long data, its cursor.

use crate::message::parameter::ParamType;
use bytes::Bytes;
use model::{Column, Facts, StatementId};
use sql::Settings;
use std::collections::HashMap;
use std::sync::Arc;

/// Statements that a session may have prepared: the server's own default bound for all sessions together.
pub(crate) const MOST: usize = 16_382;
/// Bytes of their texts.
pub(crate) const MOST_TEXT: usize = 32 * 1024 * 1024;
/// Bytes of long data that a session may have sent for statements not yet executed.
pub(crate) const MOST_LONG_DATA: usize = 64 * 1024 * 1024;

/// A prepared statement.
pub(crate) struct Entry {
    /// The statement that prepared it.
    pub(crate) prepared_by: StatementId,
    pub(crate) sql: Bytes,
    /// The text that was sent in its place.
    pub(crate) sent: Option<Bytes>,
    pub(crate) facts: Arc<Facts>,
    /// The settings under which the server parsed it.
    pub(crate) settings: Arc<Settings>,
    pub(crate) parameters: usize,
    pub(crate) types: Option<Types>,
    /// Long data by parameter.
    pub(crate) long: HashMap<u16, Vec<u8>>,
    /// Some long data did not fit the bound.
    pub(crate) overflowed: bool,
    pub(crate) cursor: Option<Cursor>,
}

/// Parameter types as the client sent them last.
pub(crate) struct Types {
    pub(crate) list: Vec<ParamType>,
    /// Their bytes, to be sent again.
    pub(crate) wire: Vec<u8>,
    /// Whether the upstream has them. Not so when the EXECUTE that carried them was refused: the client will not send
    /// them again, so we do.
    pub(crate) upstream_has: bool,
}

/// An open cursor: what FETCH brings are rows of this statement.
#[derive(Clone)]
pub(crate) struct Cursor {
    pub(crate) statement: StatementId,
    pub(crate) result: u32,
    pub(crate) columns: Arc<[Column]>,
}

/// The prepared statements of a session.
#[derive(Default)]
pub(crate) struct Prepared {
    entries: HashMap<u32, Entry>,
    /// What MariaDB's statement number -1 means.
    pub(crate) last: Option<u32>,
    long_bytes: usize,
    text_bytes: usize,
}

impl Prepared {
    /// The number meant by `number`: MariaDB writes -1 for the one prepared last.
    pub(crate) fn resolve(&self, number: u32) -> Option<u32> {
        let number = if number == u32::MAX { self.last? } else { number };
        self.entries.contains_key(&number).then_some(number)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Entry> {
        self.entries.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Entry> {
        self.entries.get_mut(&number)
    }

    /// Why a further statement with such a text is not taken, if so.
    pub(crate) fn is_full(&self, sql: &[u8]) -> Option<String> {
        if self.entries.len() >= MOST {
            return Some(format!("this session has {MOST} prepared statements already"));
        }
        let fits = self.text_bytes.saturating_add(sql.len()) <= MOST_TEXT;
        (!fits).then(|| format!("the prepared statements of this session have {} MiB of text already", MOST_TEXT >> 20))
    }

    pub(crate) fn insert(&mut self, number: u32, entry: Entry) {
        self.text_bytes = self.text_bytes.saturating_add(entry.sql.len());
        if let Some(before) = self.entries.insert(number, entry) {
            self.text_bytes = self.text_bytes.saturating_sub(before.sql.len());
        }
        self.last = Some(number);
    }

    /// Forgets a statement; the statement whose cursor was open, if one was.
    pub(crate) fn remove(&mut self, number: u32) -> Option<StatementId> {
        self.clear_long(number);
        self.last = self.last.filter(|last| *last != number);
        let entry = self.entries.remove(&number)?;
        self.text_bytes = self.text_bytes.saturating_sub(entry.sql.len());
        entry.cursor.map(|cursor| cursor.statement)
    }

    /// Forgets them all; the statements whose cursors were open.
    pub(crate) fn clear(&mut self) -> Vec<StatementId> {
        let cursors = self.cursors().collect();
        *self = Self::default();
        cursors
    }

    /// Statements whose cursors are open.
    pub(crate) fn cursors(&self) -> impl Iterator<Item = StatementId> {
        self.entries.values().filter_map(|entry| entry.cursor.as_ref().map(|cursor| cursor.statement))
    }

    /// Closes the cursor of a statement, if one is open.
    pub(crate) fn close_cursor(&mut self, number: u32) -> Option<StatementId> {
        self.entries.get_mut(&number)?.cursor.take().map(|cursor| cursor.statement)
    }

    /// Keeps long data for the record. False if it does not fit, and must not be sent.
    pub(crate) fn add_long(&mut self, number: u32, parameter: u16, data: &[u8]) -> bool {
        let Some(entry) = self.entries.get_mut(&number) else { return false };
        if self.long_bytes + data.len() > MOST_LONG_DATA {
            entry.overflowed = true;
            return false;
        }
        self.long_bytes += data.len();
        entry.long.entry(parameter).or_default().extend_from_slice(data);
        true
    }

    /// Drops the long data of a statement; whether there was any.
    pub(crate) fn clear_long(&mut self, number: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&number) else { return false };
        let had = !entry.long.is_empty() || entry.overflowed;
        let bytes: usize = entry.long.values().map(Vec::len).sum();
        self.long_bytes = self.long_bytes.saturating_sub(bytes);
        entry.long.clear();
        entry.overflowed = false;
        had
    }
}
