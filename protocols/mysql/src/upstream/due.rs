//! What is due: commands that were sent and whose answers are not complete, with how far each has come.

use super::changing::Changed;
use super::upload::{Received, Upload};
use crate::client::prepared::Cursor;
use crate::made::Question;
use bytes::Bytes;
use model::{Access, Column, Facts, Statement, StatementId, Verb};
use sql::Settings;
use std::sync::Arc;

/// A command whose answer is due.
pub(crate) struct Due {
    /// Sequence id of the answer's first packet.
    pub(crate) sequence: u8,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Run(Run),
    Fetch(Fetch),
    Prepare(Preparing),
    FieldList(StatementId),
    ChangeUser(Changed),
    Plain(Plain),
    /// Our own question for the session's settings.
    Settings,
    /// Our own question about a temporary table.
    Table(Question),
}

/// A statement that runs.
pub(super) struct Run {
    pub(super) statement: StatementId,
    pub(super) facts: Arc<Facts>,
    /// The prepared statement that is executed: its rows are binary.
    pub(super) prepared: Option<u32>,
    /// Whether a cursor was asked for.
    pub(super) cursor: bool,
    /// The result that is due or coming.
    pub(super) result: u32,
    pub(super) expect: Expect,
    /// The EOF after the columns has said that another result follows. MySQL's EOF after the rows of OUT parameters
    /// forgets to.
    pub(super) more_announced: bool,
    /// Its text, where another was sent in its place.
    pub(super) own_text: Option<Bytes>,
    /// Its text, where it may ask for a file of the client.
    pub(super) asks_for_file: Option<Bytes>,
    /// The file that it got.
    pub(super) received: Option<Received>,
    /// It asked for a file that it must not have: its answer is replaced.
    pub(super) unwanted: bool,
}

/// What a running statement expects.
pub(super) enum Expect {
    /// The first packet of a result.
    Result,
    /// Rows, and what ends them.
    Rows(Arc<[Column]>),
    /// The client's file.
    File(Box<Upload>),
}

/// More rows from a cursor.
pub(super) struct Fetch {
    pub(super) number: u32,
    pub(super) cursor: Cursor,
}

/// A statement that is being prepared.
pub(crate) struct Preparing {
    pub(crate) statement: StatementId,
    pub(crate) sql: Bytes,
    pub(crate) facts: Arc<Facts>,
    pub(crate) settings: Arc<Settings>,
    /// The text that was sent in its place.
    pub(crate) sent: Option<Bytes>,
}

/// A command with an answer of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    /// A text without a header.
    Statistics,
    /// Everything prepared is forgotten.
    ResetConnection,
    /// Several statements in one text are allowed from now on, or not.
    MultiStatements(bool),
    /// PING and whatever else says OK.
    Other,
    /// A command of our own, whose answer the client does not get.
    Unheard,
    /// Our own change of the role.
    Role,
}

impl Due {
    /// COM_QUERY and its like.
    pub(crate) fn run(statement: &Statement, sequence: u8) -> Self {
        Self::running(statement, None, false, sequence)
    }

    fn running(statement: &Statement, prepared: Option<u32>, cursor: bool, sequence: u8) -> Self {
        let fills =
            statement.facts.unparsed.is_none() && statement.facts.parts.iter().any(|part| part.verb == Verb::CopyIn);
        let run = Run {
            statement: statement.id,
            facts: statement.facts.clone(),
            prepared,
            cursor,
            result: 0,
            expect: Expect::Result,
            more_announced: false,
            own_text: statement.sent.is_some().then(|| statement.sql.clone()),
            asks_for_file: fills.then(|| statement.sql.clone()),
            received: None,
            unwanted: false,
        };
        Self { sequence, kind: Kind::Run(run) }
    }

    /// COM_CHANGE_USER, of which `answer_sequence` is the id of the packet that ends it for the client.
    pub(crate) fn change_user(statement: StatementId, answer_sequence: u8) -> Self {
        Self { sequence: 1, kind: Kind::ChangeUser(Changed::new(statement, answer_sequence)) }
    }

    /// COM_STMT_EXECUTE.
    pub(crate) fn execute(statement: &Statement, number: u32, cursor: bool, sequence: u8) -> Self {
        Self::running(statement, Some(number), cursor, sequence)
    }

    /// COM_STMT_FETCH.
    pub(crate) fn fetch(number: u32, cursor: Cursor, sequence: u8) -> Self {
        Self { sequence, kind: Kind::Fetch(Fetch { number, cursor }) }
    }

    /// COM_STMT_PREPARE.
    pub(crate) fn prepare(preparing: Preparing, sequence: u8) -> Self {
        Self { sequence, kind: Kind::Prepare(preparing) }
    }

    /// COM_FIELD_LIST.
    pub(crate) fn field_list(statement: StatementId, sequence: u8) -> Self {
        Self { sequence, kind: Kind::FieldList(statement) }
    }

    /// A command with an answer of one packet.
    pub(crate) fn plain(plain: Plain, sequence: u8) -> Self {
        Self { sequence, kind: Kind::Plain(plain) }
    }

    /// Our own question for the settings.
    pub(crate) fn settings() -> Self {
        Self { sequence: 1, kind: Kind::Settings }
    }

    /// Our own question about a temporary table.
    pub(crate) fn about_table(question: Question) -> Self {
        Self { sequence: 1, kind: Kind::Table(question) }
    }

    /// Whether the client waits for the answer.
    pub(crate) fn is_clients(&self) -> bool {
        !matches!(self.kind, Kind::Settings | Kind::Table(_) | Kind::Plain(Plain::Unheard | Plain::Role))
    }

    /// The sequence id of the client's next packet, where it is not counted along with the upstream's.
    pub(crate) fn own_sequence(&self) -> Option<u8> {
        match &self.kind {
            Kind::ChangeUser(changed) => Some(changed.answer_sequence),
            _ => None,
        }
    }

    /// Whether what ran may have changed the catalog.
    pub(crate) fn may_define(&self) -> bool {
        let Kind::Run(run) = &self.kind else { return false };
        run.facts.unparsed.is_some()
            || run.facts.parts.iter().any(|part| {
                matches!(part.verb, Verb::Ddl | Verb::Other)
                    || part.verb == Verb::Call && !part.opaque.is_empty()
                    || part.tables.iter().any(|table| table.access == Access::Define)
            })
    }

    /// The client's text, where another was sent in its place.
    pub(super) fn own_text(&self) -> Option<Bytes> {
        match &self.kind {
            Kind::Run(run) => run.own_text.clone(),
            Kind::Prepare(preparing) => preparing.sent.is_some().then(|| preparing.sql.clone()),
            _ => None,
        }
    }

    /// The statement that it answers.
    pub(crate) fn statement(&self) -> Option<StatementId> {
        match &self.kind {
            Kind::Run(run) => Some(run.statement),
            Kind::Fetch(fetch) => Some(fetch.cursor.statement),
            Kind::Prepare(preparing) => Some(preparing.statement),
            Kind::FieldList(statement) => Some(*statement),
            Kind::ChangeUser(changed) => Some(changed.statement),
            Kind::Plain(_) | Kind::Settings | Kind::Table(_) => None,
        }
    }
}
