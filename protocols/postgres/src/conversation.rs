//! One session's protocol state: what was sent to the upstream and not answered yet, and whose answer each frame is.
//!
//! Attribution must hold against a client that wants it to fail: rows attributed to a harmless statement would pass
//! unmasked. So every named prepared statement and portal goes to the upstream under a name of ours that is used once
//! (see [`names`](crate::names)), an answer that fits no operation in the queue ends the session, and where the queue
//! cannot tell yet which of two statements a name means, the client's next frame waits.

use crate::datasource::Source;
use crate::errors::{Reply, put_notice, put_template};
use crate::made::Made;
use crate::message::session::{Transaction, put_bare_notification};
use crate::message::{Frame, frame};
use crate::names::Names;
use crate::objects::Objects;
use crate::roles::Roles;
use crate::session::Session;
use crate::state::{Live, Op, PortalName, Prepared, Proposal, Proposed};
use model::{Class, Phase, Refusal, Role, ServerMessage, Statement, StatementId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use wire::{Answer, CellMasker, Conversation, Request, RowBatch, Splice, Step, Violation};

/// Said with a notification whose payload is left out.
const WITHHELD_PAYLOAD: &str =
    "the payload of a notification is withheld: another session wrote it, and it may quote protected data";

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
    /// Where the second lock was in force when the session began.
    pub(crate) roles: Option<Roles>,
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
    /// The rows of our own questions' answers, their bytes, and whether relations were asked for.
    pub(crate) refresh: Vec<Vec<Option<String>>>,
    pub(crate) refresh_bytes: usize,
    pub(crate) asked_relations: bool,
    /// Relations that this session sees otherwise than others.
    pub(crate) made: Made,
    /// Something ran since the last end of a transaction that may have changed the catalog for all.
    pub(crate) redefined: bool,
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
            roles: None,
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
            refresh_bytes: 0,
            asked_relations: false,
            made: Made::default(),
            redefined: false,
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

    /// Notes that something was sent. The queue's bound is checked before the client's frame is looked at, and a frame
    /// adds two operations at most.
    pub(crate) fn push(&mut self, op: Op) {
        self.ops.push_back(op);
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

    fn settle_class(&mut self, statement: &mut Statement, class: &Class, role: Role) -> Result<(), Refusal> {
        self.give_role(statement, role)?;
        self.give_text(statement, class)
    }

    fn permit(&mut self, statement: &Statement, before: &mut Vec<u8>, after: &mut Vec<u8>) {
        self.settle_permitted(statement, before, after);
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
                // A client that has a right to expect it is told.
                b'A' => {
                    if put_bare_notification(body, out)? {
                        put_notice(WITHHELD_PAYLOAD, out)?;
                    }
                }
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

    fn in_transaction(&self) -> bool {
        self.transaction != Transaction::Idle
    }

    fn unanswered(&self) -> Vec<StatementId> {
        self.live.iter().map(|live| live.id).collect()
    }

    fn reanalyse(&mut self, statement: &mut Statement) {
        if self.proposal.as_ref().is_some_and(|proposal| proposal.live.function) {
            // It is no text: what stands for it in the record says nothing of what it does.
            return;
        }
        let prepared = self.proposal.as_ref().and_then(|proposal| proposal.live.prepared.clone());
        let runs_at_once = matches!(self.proposal.as_ref().map(|proposal| &proposal.kind), Some(Proposed::Query));
        let (facts, uses) = match prepared {
            Some(prepared) => self.facts_of(&prepared),
            None if runs_at_once => self.facts_of_query(&statement.sql),
            None => self.facts(&statement.sql, None),
        };
        let preparing = match self.proposal.as_ref().map(|proposal| &proposal.kind) {
            Some(Proposed::Parse { prepared, .. }) => Some(prepared.clone()),
            _ => None,
        };
        if let Some(prepared) = preparing {
            // Nothing of it was sent yet: the server will look its names up as they are now.
            prepared.learnt.lock().meant = None;
            let _ = self.steadied(&prepared, facts.clone());
        }
        statement.facts = facts;
        let doubtful = self.session.may_change(&statement.facts, &statement.sql);
        if let Some(proposal) = self.proposal.as_mut().filter(|proposal| proposal.live.id == statement.id) {
            let live = &mut proposal.live;
            live.facts = statement.facts.clone();
            live.uses = uses;
            if live.phase != Phase::Prepare {
                (live.doubtful, live.moves) = (doubtful, crate::objects::moves(&statement.facts));
                live.defines = crate::made::defines(&statement.facts);
            }
        }
    }
}
