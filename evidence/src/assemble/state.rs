//! What is open between two records, and so between two segments.

use super::stream::RowStream;
use crate::journal::codec::{Put, Take, Undecodable};
use crate::record::{Intent, ResultColumn};
use crate::table::{RowsCommit, Table};
use std::collections::BTreeMap;

/// Everything that later records depend on.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// Open sessions.
    pub(crate) sessions: BTreeMap<[u8; 16], Session>,
    /// Length and head of the chains that belong to no session.
    pub(crate) chains: BTreeMap<Table, (u64, [u8; 32])>,
    /// The policy in force, and since when.
    pub(crate) policy: Option<([u8; 32], i64)>,
}

/// An open session.
#[derive(Clone, Default)]
pub(crate) struct Session {
    /// Whose it is, and where.
    pub(crate) owner: Owner,
    /// Records so far.
    pub(crate) seq: u64,
    /// Hash of the last one.
    pub(crate) head: [u8; 32],
    /// Statements that ended.
    pub(crate) statements: u64,
    /// Rows of those.
    pub(crate) rows: u64,
    /// Bytes of those rows, as journaled.
    pub(crate) bytes: u64,
    /// Statements that run.
    pub(crate) running: BTreeMap<u64, Running>,
}

/// What a session's records say of who and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user_id: Option<String>,
    pub(crate) user_email: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) datasource: Option<String>,
}

impl Owner {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for field in [&self.user_id, &self.user_email, &self.issuer, &self.datasource] {
            out.opt_str(field.as_deref());
        }
    }

    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            user_id: take.opt_string()?,
            user_email: take.opt_string()?,
            issuer: take.opt_string()?,
            datasource: take.opt_string()?,
        })
    }
}

/// A statement that has no end yet.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) intent: Intent,
    pub(crate) sent: i64,
    pub(crate) first_row: Option<i64>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Commitment to the rows of the segments before this one.
    pub(crate) commit: [u8; 32],
    pub(crate) part: Option<RowsCommit>,
    pub(crate) results: BTreeMap<u32, ResultState>,
    pub(crate) tags: Vec<String>,
    pub(crate) affected: Option<u64>,
}

impl Running {
    pub(crate) fn commit_part(&mut self) {
        if let Some(part) = self.part.take() {
            self.commit = part.finish(&self.commit);
        }
    }
}

/// A result whose rows are coming.
#[derive(Clone, Default)]
pub(crate) struct ResultState {
    pub(crate) columns: Vec<ResultColumn>,
    pub(crate) names: Vec<String>,
    /// Per column: the client saw it unmasked.
    pub(crate) raw: Vec<bool>,
    pub(crate) stream: RowStream,
    pub(crate) rows: u64,
}

/// Something that gets a leaf of its own, so that it has a place in the log's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeafNote {
    Policy { event: String, version: String, record_hash: String },
    Approval { event: String, approval_id: String, record_hash: String },
    Review { actor: String, record_hash: String },
}
