//! A statement: the unit that is judged, approved, journaled, sent and answered.

use crate::{Facts, Repr, Role};
use bytes::Bytes;
use std::sync::Arc;

/// Number of a statement within its session, from 1, in the order in which the client sent them. Without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId(pub u64);

/// At which point of its protocol life a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Sent as text and run at once (PostgreSQL Query, MySQL COM_QUERY).
    Simple,
    /// Only prepared (PostgreSQL Parse, COM_STMT_PREPARE): nothing runs yet.
    Prepare,
    /// A prepared statement with its parameters (PostgreSQL Bind, COM_STMT_EXECUTE).
    Execute,
}

impl Phase {
    /// The name that the record shows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Prepare => "prepare",
            Self::Execute => "execute",
        }
    }
}

/// A parameter's value as the client sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Kind and encoding.
    pub repr: Repr,
    /// The bytes, or `None` for NULL.
    pub value: Option<Bytes>,
}

/// One statement as the client sent it.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its number within the session.
    pub id: StatementId,
    /// Where in its protocol life it is.
    pub phase: Phase,
    /// The SQL, exactly as sent, in the client's encoding.
    pub sql: Bytes,
    /// Parameters, for [`Phase::Execute`].
    pub params: Vec<Param>,
    /// The statement that prepared it, for [`Phase::Execute`].
    pub prepared: Option<StatementId>,
    /// What the SQL reads, writes and returns. Shared with every statement of the same shape.
    pub facts: Arc<Facts>,
    /// The SQL that is sent in its place, where protected relations were replaced in it (see [`crate::Class::AtSource`]).
    pub sent: Option<Bytes>,
    /// The database role that it runs with; `None` where no second lock is in force. Settled with its class.
    pub role: Option<Role>,
    /// The protocol frames that carry it: these bytes, and no others, go to the upstream when it is permitted.
    pub wire: Bytes,
}
