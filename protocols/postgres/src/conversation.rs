//! One session's protocol state: what was sent to the upstream and not answered yet, and whose answer each frame is.
//!
//! Attribution must hold against a client that wants it to fail: rows attributed to a harmless statement would pass
//! unmasked. So every named prepared statement and portal goes to the upstream under a name of ours that is used once
//! (see [`names`](crate::names)), an answer that fits no operation in the queue ends the session, and where the queue
//! cannot tell yet which of two statements a name means, the client's next frame waits.

use crate::copy::CopyOut;
use crate::datasource::Source;
use crate::errors::{Reply, put_notice, put_template};
use crate::message::extended::Formats;
use crate::message::session::{Transaction, put_bare_notification};
use crate::message::{Frame, frame};
use crate::names::Names;
use crate::objects::{Made, Objects};
use crate::session::Session;
use bytes::Bytes;
use model::{Column, Facts, Phase, Refusal, ServerMessage, Statement, StatementId};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use wire::{Answer, CellMasker, Conversation, Request, RowBatch, Splice, Step, Violation};

/// Operations that may be unanswered at once.
pub(crate) const MAX_OPERATIONS: usize = 1 << 18;

/// Something sent to the upstream that will be answered, or a mark in that order.
#[derive(Debug)]
pub(crate) enum Op {
    /// A Query.
    Query { id: StatementId, refused: Option<Box<Reply>>, copy_in: bool },
    /// A Parse.
    Parse { id: StatementId, prepared: Option<Arc<Prepared>>, refused: Option<Box<Reply>> },
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
    Close(Option<StatementId>),
    /// A Sync.
    Sync,
    /// A CopyDone or CopyFail that went out before the upstream said that it was ready for data. It has no answer.
    CopyEnd,
    /// Our own question for the settings.
    Refresh,
    /// A statement of ours that must fail, in place of what would have failed at the upstream.
    Local { reply: Box<Reply>, simple: bool },
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
            Self::Close(id) => *id,
            Self::DescribeStatement(_)
            | Self::DescribeCursor
            | Self::Sync
            | Self::CopyEnd
            | Self::Refresh
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
    /// It has the plan of a name that was looked up when this many moves had been made.
    pub(crate) uses: Option<u64>,
    /// The name that it makes, and how many moves had been made when it was sent.
    pub(crate) makes: Option<(Made, u64)>,
    /// The prepared statement (client's name) that it deallocates.
    pub(crate) drops: Option<Vec<u8>>,
    /// Tag of the last part that ended.
    pub(crate) tag: String,
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
            uses: None,
            makes: None,
            drops: None,
            tag: String::new(),
        }
    }
}

impl Live {
    /// It is about to run: what it may do to settings and names is on its way.
    pub(crate) fn is_sent(&mut self, session: &mut Session, objects: &mut Objects) {
        if self.doubtful {
            session.doubt();
        }
        if self.doubtful || (self.moves && self.facts.parts.len() != 1) {
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

/// How the last batch of rows lay in the input: what splicing it needs to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchShape {
    /// Bytes at its front that belong to a frame begun earlier.
    pub(crate) lead: usize,
    /// Its last frame is cut.
    pub(crate) cut: bool,
    /// It begins the stream of a COPY: a header may come first.
    pub(crate) first: bool,
}

/// One session's protocol state.
pub(crate) struct PostgresConversation {
    pub(crate) source: Arc<Source>,
    pub(crate) names: Names,
    pub(crate) session: Session,
    pub(crate) transaction: Transaction,
    pub(crate) last_id: u64,
    pub(crate) ops: VecDeque<Op>,
    pub(crate) live: VecDeque<Live>,
    pub(crate) proposal: Option<Box<Proposal>>,
    pub(crate) statements: HashMap<Vec<u8>, Arc<Prepared>>,
    pub(crate) portals: HashMap<Vec<u8>, PortalName>,
    pub(crate) objects: Objects,
    /// Bytes of texts in `statements`.
    pub(crate) prepared_bytes: usize,
    /// Counts Syncs of the client.
    pub(crate) segment: u64,
    /// Extended messages were sent since the last Sync.
    pub(crate) segment_open: bool,
    /// The client's frames are dropped until its next Sync, as the upstream would drop them.
    pub(crate) absorbing: bool,
    /// A COPY FROM STDIN is going on.
    pub(crate) copying_in: bool,
    /// Bytes of the client's current CopyData that are not here yet, and whether they are dropped.
    pub(crate) data_left: usize,
    pub(crate) data_dropped: bool,
    /// The upstream drops everything until Sync.
    pub(crate) skipping: bool,
    /// ReadyForQuery that may come for Syncs of which we cannot know whether a COPY swallowed them.
    pub(crate) spare_ready: u32,
    /// Bytes of the upstream's current row frame that are not here yet.
    pub(crate) cut: usize,
    pub(crate) batch: BatchShape,
    /// The values of our own question's answer.
    pub(crate) refresh: Vec<String>,
    pub(crate) masked: Vec<bool>,
    pub(crate) scratch: Scratch,
}

/// Buffers that are reused from row to row.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) payload: Vec<u8>,
    pub(crate) cell: Vec<u8>,
    pub(crate) mask: Vec<u8>,
}

impl PostgresConversation {
    pub(crate) fn new(source: Arc<Source>, session: Session) -> Self {
        Self {
            source,
            names: Names::fresh(),
            session,
            transaction: Transaction::Idle,
            last_id: 0,
            ops: VecDeque::new(),
            live: VecDeque::new(),
            proposal: None,
            statements: HashMap::new(),
            portals: HashMap::new(),
            objects: Objects::default(),
            prepared_bytes: 0,
            segment: 0,
            segment_open: false,
            absorbing: false,
            copying_in: false,
            data_left: 0,
            data_dropped: false,
            skipping: false,
            spare_ready: 0,
            cut: 0,
            batch: BatchShape::default(),
            refresh: Vec::new(),
            masked: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// The live statement of this number. The oldest is nearly always the one.
    pub(crate) fn find(&mut self, id: StatementId) -> Option<&mut Live> {
        let at = self.live.binary_search_by_key(&id, |live| live.id).ok()?;
        self.live.get_mut(at)
    }

    /// Takes a statement out, because its last answer is about to be given.
    pub(crate) fn take(&mut self, id: StatementId) -> Option<Live> {
        let at = self.live.binary_search_by_key(&id, |live| live.id).ok()?;
        self.live.remove(at)
    }

    /// Notes that something was sent.
    pub(crate) fn push(&mut self, op: Op) -> Result<(), Violation> {
        if self.ops.len() >= MAX_OPERATIONS {
            return Err(Violation(format!("more than {MAX_OPERATIONS} operations are waiting for their answers")));
        }
        self.ops.push_back(op);
        Ok(())
    }

    /// The operation that the next answer belongs to.
    pub(crate) fn front(&mut self) -> Option<&Op> {
        while matches!(self.ops.front(), Some(Op::CopyEnd)) {
            self.ops.pop_front();
        }
        self.ops.front()
    }
}

impl Conversation for PostgresConversation {
    fn request<'a>(&mut self, input: &'a [u8]) -> Result<Step<Request<'a>>, Violation> {
        self.look_at_client(input)
    }

    fn answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        self.look_at_upstream(input)
    }

    fn permit(&mut self, statement: &Statement, extra: &mut Vec<u8>) {
        self.settle_permitted(statement.id, extra);
    }

    fn refuse(&mut self, statement: &Statement, refusal: &Refusal, upstream: &mut Vec<u8>, _client: &mut Vec<u8>) {
        self.settle_refused(statement.id, refusal, upstream);
    }

    fn whole_rows(&mut self, statement: StatementId) {
        if let Some(proposal) = self.proposal.as_mut().filter(|proposal| proposal.live.id == statement) {
            proposal.live.whole = true;
        } else if let Some(live) = self.find(statement) {
            live.whole = true;
        }
    }

    fn splice(&mut self, batch: &RowBatch<'_>, masker: &mut dyn CellMasker, out: &mut Splice) -> Result<(), Violation> {
        self.splice_batch(batch, masker, out)
    }

    fn journal_rows(&mut self, batch: &RowBatch<'_>, out: &mut Vec<u8>) -> Result<Option<()>, Violation> {
        self.journal_batch(batch, out)
    }

    fn template(&mut self, _message: &ServerMessage, wire: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        let mut rest = wire;
        while !rest.is_empty() {
            let Step::Got { consumed, item: Frame { tag, body, .. } } = frame(rest, usize::MAX)? else {
                return Err(Violation("a message to be templated is cut".to_owned()));
            };
            match tag {
                b'A' => put_bare_notification(body, out)?,
                _ => put_template(tag, body, out)?,
            }
            rest = rest.get(consumed..).unwrap_or_default();
        }
        Ok(())
    }

    fn notice(&mut self, text: &str, out: &mut Vec<u8>) -> bool {
        self.cut == 0 && put_notice(text, out).is_ok()
    }

    fn farewell(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        if self.cut == 0 {
            let before = out.len();
            if Reply::from(refusal).put("FATAL", out).is_err() {
                out.truncate(before);
            }
        }
    }

    fn goodbye(&self, out: &mut Vec<u8>) {
        // In the middle of the client's CopyData the bytes would be data.
        if self.data_left == 0 {
            out.extend_from_slice(&[b'X', 0, 0, 0, 4]);
        }
    }

    fn unanswered(&self) -> Vec<StatementId> {
        self.live.iter().map(|live| live.id).collect()
    }

    fn reanalyse(&mut self, statement: &mut Statement) {
        let conforming = self.proposal.as_ref().and_then(|p| p.live.prepared.as_ref()).map(|p| p.conforming);
        let (facts, uses) = self.facts(&statement.sql, conforming);
        statement.facts = facts;
        let doubtful = self.session.may_change(&statement.facts, &statement.sql);
        if let Some(proposal) = self.proposal.as_mut().filter(|proposal| proposal.live.id == statement.id) {
            let live = &mut proposal.live;
            live.facts = statement.facts.clone();
            live.uses = uses;
            if live.phase != Phase::Prepare {
                (live.doubtful, live.moves) = (doubtful, crate::objects::moves(&statement.facts));
            }
        }
    }
}
