//! From journal records to the records of the tables: the same code seals, recovers, and shows what is not sealed yet.
//!
//! Records of a session form a chain: its opening is first, then its statements in the order in which they ended, then
//! its closing; each carries the hash of the one before (the first: 64 zeros). Tables that belong to no session have a
//! chain of their own through the whole store.

mod carry;
mod cells;
mod session;
mod state;
mod statement;
mod stream;
#[cfg(test)]
mod stream_tests;

pub(crate) use carry::{read_carry, write_carry};
pub(crate) use state::{LeafNote, State};

use crate::error::StoreError;
use crate::record::{self, Record as Journaled};
use crate::table::{Record, RowsOf, SCHEMA_VERSION, Table, Value, record_hash};
use cells::Cells;
use model::SessionId;
use std::collections::BTreeMap;

/// A row of a result, on its way out.
pub(crate) struct Row<'a> {
    pub(crate) lsn: u64,
    pub(crate) ts: i64,
    pub(crate) of: RowsOf<'a>,
    pub(crate) result_set: i64,
    pub(crate) row_index: i64,
    pub(crate) columns: &'a [String],
    pub(crate) values: &'a Cells,
    pub(crate) overflow: Option<&'a str>,
    /// Per column: the client saw it unmasked. Empty when it saw nothing so.
    pub(crate) raw: &'a [bool],
}

impl<'a> Row<'a> {
    /// What the column `shown` says: `raw` for each value that the client saw unmasked; `None` when there is none.
    pub(crate) fn shown(&self) -> Option<impl Iterator<Item = Option<&'a str>> + use<'a>> {
        let raw = self.raw;
        let flag = move |at| raw.get(at).is_some_and(|raw| *raw).then_some("raw");
        raw.contains(&true).then(|| (0..self.values.len()).map(flag))
    }
}

/// Where assembled records go.
pub(crate) trait Sink {
    /// Takes a record.
    fn record(&mut self, record: Record, ts: i64) -> Result<(), StoreError>;
    /// Takes a row.
    fn row(&mut self, row: &Row<'_>) -> Result<(), StoreError>;
}

/// Takes nothing: for looking where the journal leads.
pub(crate) struct Nowhere;

impl Sink for Nowhere {
    fn record(&mut self, _: Record, _: i64) -> Result<(), StoreError> {
        Ok(())
    }
    fn row(&mut self, _: &Row<'_>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Assembles records, one journal record after the other.
#[derive(Clone)]
pub(crate) struct Assembler {
    pub(crate) state: State,
    writer: String,
    /// Sessions with records since [`Assembler::begin`], and where their chains stand.
    pub(crate) touched: BTreeMap<[u8; 16], (u64, [u8; 32])>,
    /// What must be said in leaves of its own.
    pub(crate) notes: Vec<LeafNote>,
    cells: Cells,
}

/// Where and when.
#[derive(Clone, Copy)]
struct At {
    lsn: u64,
    ts: i64,
}

impl Assembler {
    pub(crate) fn new(state: State, writer: &str) -> Self {
        Self { state, writer: writer.to_owned(), touched: BTreeMap::new(), notes: Vec::new(), cells: Cells::default() }
    }

    /// A new segment begins.
    pub(crate) fn begin(&mut self) {
        self.touched.clear();
        self.notes.clear();
    }

    /// The segment ends: what runs on commits to the rows it had in it.
    pub(crate) fn end(&mut self) {
        for running in self.state.sessions.values_mut().flat_map(|session| session.running.values_mut()) {
            running.commit_part();
        }
    }

    /// Takes one journal record.
    pub(crate) fn apply(
        &mut self,
        kind: u8,
        lsn: u64,
        ts: i64,
        payload: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<(), StoreError> {
        let record = record::decode(kind, payload)
            .map_err(|error| StoreError::damaged(format!("journal record {lsn}"), error))?;
        let at = At { lsn, ts };
        match record {
            Journaled::Boot => Ok(()),
            Journaled::Opened(opened) => self.opened(at, *opened, sink),
            Journaled::Denied(denied) => self.denied(at, *denied, sink),
            Journaled::Intent(intent) => self.intent(at, *intent, sink),
            Journaled::Columns(columns) => {
                self.columns(columns);
                Ok(())
            }
            Journaled::Rows(head, bytes) => self.rows(at, &head, bytes, sink),
            Journaled::Done(done) => self.done(at, &done, sink),
            Journaled::Closed(closed) => self.closed(at, &closed, sink),
            Journaled::Policy(policy) => self.policy(at, *policy, sink),
            Journaled::Approval(approval) => self.approval(at, *approval, sink),
            Journaled::Access(access) => self.access(at, *access, sink),
        }
    }

    /// Completes a record with the common columns and its place in a chain.
    fn chained(&self, table: Table, at: At, prev: [u8; 32], own: Vec<Value>) -> (Record, [u8; 32]) {
        let mut record = self.plain(table, at, own);
        if let Some(place) = record.values.get_mut(5) {
            *place = Value::Str(hex::encode(prev));
        }
        let hash = record_hash(&record);
        if let Some(place) = record.values.get_mut(4) {
            *place = Value::Str(hex::encode(hash));
        }
        (record, hash)
    }

    /// Completes a record that is committed to by another one.
    fn plain(&self, table: Table, at: At, own: Vec<Value>) -> Record {
        let mut values = vec![
            Value::Int(SCHEMA_VERSION),
            Value::from(at.lsn),
            Value::Time(at.ts),
            Value::from(self.writer.as_str()),
            Value::Null,
            Value::Null,
        ];
        values.extend(own);
        Record { table, values }
    }

    /// Adds a record to its session's chain.
    fn session_record(
        &mut self,
        table: Table,
        at: At,
        id: SessionId,
        own: Vec<Value>,
        sink: &mut dyn Sink,
    ) -> Result<(), StoreError> {
        let head = self.state.sessions.get(&id.0).map_or([0; 32], |session| session.head);
        let (record, hash) = self.chained(table, at, head, own);
        let session = self.state.sessions.entry(id.0).or_default();
        session.head = hash;
        session.seq += 1;
        self.touched.insert(id.0, (session.seq, hash));
        sink.record(record, at.ts)
    }

    /// Adds a record to the chain of its table.
    fn table_record(
        &mut self,
        table: Table,
        at: At,
        own: Vec<Value>,
        sink: &mut dyn Sink,
    ) -> Result<[u8; 32], StoreError> {
        let head = self.state.chains.get(&table).map_or([0; 32], |chain| chain.1);
        let (record, hash) = self.chained(table, at, head, own);
        let chain = self.state.chains.entry(table).or_insert((0, [0; 32]));
        *chain = (chain.0 + 1, hash);
        sink.record(record, at.ts)?;
        Ok(hash)
    }
}
