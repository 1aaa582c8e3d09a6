//! What a session keeps of its statements: operations that await answers, prepared statements, portals, and the statements
//! whose last answer is due.

use crate::copy::CopyOut;
use crate::errors::Reply;
use crate::message::extended::Formats;
use crate::objects::{Made, Objects};
use crate::roles::{Roles, may_set_role};
use crate::session::Session;
use bytes::Bytes;
use model::{Column, Facts, Phase, Role, StatementId, Substitution};
use parking_lot::Mutex;
use sql::Origins;
use std::sync::Arc;

/// Operations that may be unanswered at once.
pub(crate) const MAX_OPERATIONS: usize = 1 << 18;

/// Something sent to the upstream that will be answered, or a mark in that order.
#[derive(Debug)]
pub(crate) enum Op {
    /// A Query.
    Query { id: StatementId, refused: Option<Box<Reply>>, copy_in: bool },
    /// A Parse.
    Parse { id: StatementId, prepared: Option<Arc<Prepared>>, refused: Option<Box<Reply>>, before: Option<Box<Named>> },
    /// A Bind.
    Bind { id: StatementId, refused: Option<Box<Reply>> },
    /// A Describe of a prepared statement.
    DescribeStatement(Arc<Prepared>),
    /// A Describe of a portal; our own when the client did not ask.
    DescribePortal { id: StatementId, own: bool },
    /// A Describe of a cursor that SQL made. Its answer names columns and holds no rows.
    DescribeCursor,
    /// An Execute.
    Execute { id: StatementId, copy_in: bool },
    /// A Close.
    Close { id: Option<StatementId>, before: Option<Box<Named>> },
    /// A Sync.
    Sync,
    /// A CopyDone or CopyFail that went out before the upstream said that it was ready for data. It has no answer.
    CopyEnd,
    /// Our own question for the settings.
    Refresh,
    /// Our own change of the role: with a Sync of its own, or within the client's segment. Counts what was closed.
    Role { sync: bool, closed: u8 },
    /// A statement of ours that must fail, in place of what would have failed at the upstream.
    Local { reply: Box<Reply>, simple: bool },
}

/// What a name meant before an operation. If the upstream skips the operation, it still means that.
#[derive(Debug)]
pub(crate) enum Named {
    /// Of a prepared statement.
    Statement(Vec<u8>, Arc<Prepared>),
    /// Of a portal.
    Portal(Vec<u8>, PortalName),
}

impl Op {
    /// The statement that it belongs to.
    pub(crate) fn statement(&self) -> Option<StatementId> {
        match self {
            Self::Query { id, .. }
            | Self::Parse { id, .. }
            | Self::Bind { id, .. }
            | Self::DescribePortal { id, .. }
            | Self::Execute { id, .. } => Some(*id),
            Self::Close { id, .. } => *id,
            Self::DescribeStatement(_)
            | Self::DescribeCursor
            | Self::Sync
            | Self::CopyEnd
            | Self::Refresh
            | Self::Role { .. }
            | Self::Local { .. } => None,
        }
    }

    /// Whether a COPY FROM STDIN may be going on in it.
    pub(crate) fn copy_in(&self) -> bool {
        matches!(self, Self::Query { copy_in: true, .. } | Self::Execute { copy_in: true, .. })
    }
}

/// The columns of a result, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) enum Shape {
    /// Not known.
    #[default]
    Unknown,
    /// There is no result.
    NoRows,
    /// These.
    Columns(Arc<[Column]>),
}

/// What became known of a prepared statement.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    /// The upstream has it.
    pub(crate) acknowledged: bool,
    /// OIDs of the parameters.
    pub(crate) params: Option<Vec<u32>>,
    /// Its columns, in text format.
    pub(crate) shape: Shape,
    /// The last segment in which the client asked for its description.
    pub(crate) described_in: Option<u64>,
    /// The columns in the formats of the last Bind.
    pub(crate) shaped: Option<(Formats, Arc<[Column]>)>,
    /// What it did when it was looked at last, and the search path then; nothing if that was not known.
    pub(crate) meant: Option<(Arc<Facts>, Vec<String>)>,
    /// Its names may mean other relations to the server than they do now: under the same path it does not look again.
    pub(crate) unsettled: bool,
    /// What was sent in place of its text, where that is not the client's.
    pub(crate) sent_as: Option<SentAs>,
}

/// What was sent in place of a text.
#[derive(Clone, Debug)]
pub(crate) struct SentAs {
    /// The masks that were put into it.
    pub(crate) masks: Arc<Substitution>,
    /// The text that the upstream has.
    pub(crate) text: Bytes,
    /// Where its pieces stand in the client's.
    pub(crate) origins: Arc<Origins>,
}

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) id: StatementId,
    /// Name at the upstream.
    pub(crate) server_name: Vec<u8>,
    /// The segment (run of messages up to a Sync) in which it was prepared.
    pub(crate) segment: u64,
    pub(crate) sql: Bytes,
    pub(crate) facts: Arc<Facts>,
    /// Version of the settings under which the facts were found; 0 when they were not known.
    pub(crate) settings: u64,
    /// How strings were read when it was prepared.
    pub(crate) conforming: bool,
    /// Parameter types that the client declared.
    pub(crate) declared: Vec<u32>,
    pub(crate) learnt: Mutex<Learnt>,
}

/// Where a portal is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Portal {
    /// Not a portal at all (Query, Parse).
    None,
    /// Bound, as far as we know.
    Sent,
    /// The upstream has it; it has not run.
    Bound,
    /// It ran, and may have more rows.
    Suspended,
}

/// A statement whose last answer is due.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: StatementId,
    pub(crate) phase: Phase,
    pub(crate) facts: Arc<Facts>,
    pub(crate) sql: Bytes,
    /// Batches must hold whole rows.
    pub(crate) whole: bool,
    /// Index of the current result.
    pub(crate) result: u32,
    pub(crate) shape: Shape,
    /// The columns of the current result were given to the pipeline.
    pub(crate) announced: bool,
    /// Rows of the current result were given to the pipeline.
    pub(crate) begun: bool,
    pub(crate) portal: Portal,
    /// It has the unnamed portal.
    pub(crate) unnamed: bool,
    pub(crate) prepared: Option<Arc<Prepared>>,
    pub(crate) formats: Formats,
    pub(crate) copy: Option<Box<CopyOut>>,
    /// It may change the session's settings.
    pub(crate) doubtful: bool,
    /// It may change what names of cursors and SQL's prepared statements mean.
    pub(crate) moves: bool,
    /// It may make, change or drop relations.
    pub(crate) defines: bool,
    /// It has the plan of a name that was looked up when this many moves had been made.
    pub(crate) uses: Option<u64>,
    /// The name that it makes, and how many moves had been made when it was sent.
    pub(crate) makes: Option<(Made, u64)>,
    /// The prepared statement (client's name) that it deallocates.
    pub(crate) drops: Option<Vec<u8>>,
    /// What was sent in place of its text, where that is not the client's.
    pub(crate) sent_as: Option<SentAs>,
    /// Tag of the last part that ended.
    pub(crate) tag: String,
    /// It is a FunctionCall.
    pub(crate) function: bool,
    /// The role that it runs with, where the second lock is in force.
    pub(crate) role: Option<Role>,
}

impl Live {
    pub(crate) fn new(id: StatementId, phase: Phase, facts: Arc<Facts>, sql: Bytes) -> Self {
        Self {
            id,
            phase,
            facts,
            sql,
            whole: false,
            result: 0,
            shape: Shape::Unknown,
            announced: false,
            begun: false,
            portal: Portal::None,
            unnamed: false,
            prepared: None,
            formats: Formats::default(),
            copy: None,
            doubtful: false,
            moves: false,
            defines: false,
            uses: None,
            makes: None,
            drops: None,
            sent_as: None,
            tag: String::new(),
            function: false,
            role: None,
        }
    }
}

impl Live {
    /// It is about to run: what it may do to settings and names is on its way.
    pub(crate) fn is_sent(&mut self, session: &mut Session, objects: &mut Objects, roles: Option<&mut Roles>) {
        if self.doubtful {
            session.doubt();
        }
        if let Some(roles) = roles {
            if self.doubtful && may_set_role(&self.facts) {
                roles.doubt();
            }
            roles.suspend();
        }
        if self.defines {
            session.define();
        }
        let unseen =
            |part: &model::Part| !part.opaque.is_empty() || matches!(part.verb, model::Verb::Call | model::Verb::Other);
        if self.facts.unparsed.is_some() || self.facts.parts.iter().any(unseen) {
            session.settings_hold_anything();
        }
        // The end of a transaction may take settings back and drops names, and gives none another meaning.
        let ends = self.facts.unparsed.is_none()
            && self.facts.parts.iter().all(|part| part.verb == model::Verb::Transaction && part.opaque.is_empty());
        if (self.doubtful && !ends) || (self.moves && self.facts.parts.len() != 1) {
            objects.forget();
        } else if self.moves {
            objects.moved();
        }
        if let Some((_, moves)) = &mut self.makes {
            *moves = objects.moves();
        }
    }
}

/// A portal's name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortalName {
    pub(crate) id: StatementId,
    pub(crate) segment: u64,
    pub(crate) acknowledged: bool,
}

/// A statement that was given to the pipeline and is neither permitted nor refused yet.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) live: Live,
    pub(crate) kind: Proposed,
}

/// What a proposal is for.
#[derive(Debug)]
pub(crate) enum Proposed {
    Query,
    Parse {
        name: Vec<u8>,
        prepared: Arc<Prepared>,
    },
    /// `describe`: the upstream must be asked for the columns.
    Bind {
        name: Vec<u8>,
        describe: bool,
    },
}
