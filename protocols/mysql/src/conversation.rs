//! One session's protocol state after login. The client's side is in `client`, the upstream's in `upstream`; here is
//! what both share: which commands are due an answer, sequence ids, prepared statements, settings.
//!
//! MySQL has no pipelining: the server reads a command once it has answered the one before. So this adapter looks at a
//! client's next command only when nothing is due, and every refusal can be answered on the spot.

use crate::client::change_user::Changing;
use crate::client::prepared::Prepared;
use crate::credential::OpenedBy;
use crate::datasource::{MysqlDatasource, Owner, Thread};
use crate::errors::{self, Code};
use crate::made::{Made, Question};
use crate::message::capability::Capabilities;
use crate::message::{command, packet};
use crate::roles::Roles;
use crate::upstream::definitions::Definitions;
use crate::upstream::{self, Due};
use bytes::Bytes;
use model::{Class, Facts, Refusal, Role, ServerMessage, Statement, StatementId};
use sql::Settings;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use wire::{Answer, CellMasker, Conversation, Request, RowBatch, Splice, Step, Violation};

/// What a conversation is built from.
pub(crate) struct Parts {
    /// Our entry as a thread of the upstream.
    pub(crate) thread: Thread,
    /// Sequence id of the packet that ends the login.
    pub(crate) login_sequence: u8,
    /// Whose session it is.
    pub(crate) owner: Owner,
    /// The token that opened the session, if one did.
    pub(crate) opened_by: Option<OpenedBy>,
    /// Whether the upstream's connection goes through TLS.
    pub(crate) upstream_encrypted: bool,
    /// Whether the upstream is a MariaDB.
    pub(crate) mariadb: bool,
    /// What client and upstream have agreed on.
    pub(crate) capabilities: Capabilities,
    /// Settings at login.
    pub(crate) settings: Settings,
    /// The datasource.
    pub(crate) datasource: MysqlDatasource,
}

/// A statement that was handed out and is not settled.
pub(crate) struct Draft {
    pub(crate) id: StatementId,
    pub(crate) kind: DraftKind,
    /// Sequence id of the answer's first packet.
    pub(crate) answer_sequence: u8,
    /// The error that a refusal of it is, where it is not the kind's own.
    pub(crate) code: Option<Code>,
}

/// What to do with a draft once it is settled.
pub(crate) enum DraftKind {
    /// COM_QUERY, COM_INIT_DB, COM_PROCESS_KILL.
    Query,
    /// As `Query`, with facts that no analysis could give.
    Kill,
    FieldList,
    Prepare {
        settings: Arc<Settings>,
        /// The text that is sent in the client's place.
        sent: Option<Bytes>,
    },
    Execute {
        number: u32,
        cursor: bool,
    },
    /// COM_CHANGE_USER, proven.
    ChangeUser,
    /// It is refused whatever happens.
    Refused,
}

/// One session's protocol state.
pub(crate) struct MysqlConversation {
    pub(crate) datasource: MysqlDatasource,
    pub(crate) owner: Owner,
    pub(crate) opened_by: Option<OpenedBy>,
    pub(crate) upstream_encrypted: bool,
    pub(crate) mariadb: bool,
    pub(crate) capabilities: Capabilities,
    pub(crate) deprecate_eof: bool,
    /// MariaDB's extended metadata were agreed on.
    pub(crate) extended: bool,
    pub(crate) query_attributes: bool,
    pub(crate) settings: Arc<Settings>,
    /// A statement has run that may have changed the settings: they are asked for before the next text is read.
    pub(crate) stale: bool,
    pub(crate) prepared: Prepared,
    /// Where the second lock was in force when the session began.
    pub(crate) roles: Option<Roles>,
    /// Temporary tables.
    pub(crate) made: Made,
    pub(crate) definitions: Definitions,
    /// What a statement has set that made the settings stale: if the server says OK to it, they may be known by that.
    pub(crate) setting: Option<Arc<Facts>>,
    /// Statements handed out so far.
    pub(crate) numbered: u64,
    pub(crate) draft: Option<Draft>,
    /// A COM_CHANGE_USER whose token was asked for.
    pub(crate) changing: Option<Changing>,
    /// What the upstream is to get next, for an exchange of our own.
    pub(crate) to_upstream: Option<Vec<u8>>,
    /// Commands whose answers are due, in the order in which they were sent.
    pub(crate) due: VecDeque<Due>,
    /// Statements whose cursor was closed: they end with the next look at the upstream.
    pub(crate) closed: VecDeque<StatementId>,
    /// Sequence id that the upstream's next packet must have.
    pub(crate) expected: u8,
    /// What is added to the upstream's sequence ids, because masking made more or fewer packets of a row.
    pub(crate) shift: u8,
    login_sequence: u8,
    /// What the upstream's last status said of a transaction.
    pub(crate) in_transaction: bool,
    /// Sequence id that the client expects, as it was before the answer that was understood last.
    before: Option<u8>,
    /// That answer does not reach the client: our own words stand in its place.
    withheld: Option<u8>,
    _thread: Thread,
}

impl MysqlConversation {
    /// Begins after the login.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            datasource: parts.datasource,
            owner: parts.owner,
            opened_by: parts.opened_by,
            upstream_encrypted: parts.upstream_encrypted,
            mariadb: parts.mariadb,
            capabilities: parts.capabilities,
            extended: parts.capabilities.has(Capabilities::EXTENDED_METADATA),
            deprecate_eof: parts.capabilities.has(Capabilities::DEPRECATE_EOF),
            query_attributes: parts.capabilities.has(Capabilities::QUERY_ATTRIBUTES),
            settings: Arc::new(parts.settings),
            stale: false,
            prepared: Prepared::default(),
            roles: None,
            made: Made::default(),
            definitions: Definitions::default(),
            setting: None,
            numbered: 0,
            draft: None,
            changing: None,
            to_upstream: None,
            due: VecDeque::new(),
            closed: VecDeque::new(),
            expected: 0,
            shift: 0,
            login_sequence: parts.login_sequence,
            in_transaction: false,
            before: None,
            withheld: None,
            _thread: parts.thread,
        }
    }

    /// What a text does under these settings.
    pub(crate) fn facts(&mut self, sql: &[u8], settings: &Settings) -> Arc<Facts> {
        let catalog = self.datasource.catalog();
        match self.made.view(&catalog, self.mariadb) {
            Some((own, analyser)) => self.datasource.facts_by(analyser, own, sql, settings),
            None => self.datasource.facts(sql, self.mariadb, settings),
        }
    }

    /// A command was sent: its answer is due.
    pub(crate) fn sent(&mut self, due: Due) {
        if self.due.is_empty() {
            self.begin(due.sequence);
        }
        self.due.push_back(due);
    }

    /// The answer that is due first is complete.
    pub(crate) fn answered(&mut self) {
        if self.due.pop_front().is_some_and(|due| due.may_define()) {
            self.datasource.outdate();
        }
        if let Some(sequence) = self.due.front().map(|next| next.sequence) {
            self.begin(sequence);
        }
    }

    /// A batch that cannot be taken apart does not reach the client: our last words stand where its first row would.
    fn at_batch(&mut self, batch: &RowBatch<'_>, violation: Violation) -> Violation {
        if let Some((_, sequence)) = packet::header(batch.wire) {
            self.expected = sequence;
        }
        violation
    }

    /// The sequence id that the client expects next while this answer is due, if it is one of its own.
    fn sequence_of(&self, due: &Due) -> Option<u8> {
        due.is_clients().then(|| due.own_sequence().unwrap_or(self.expected.wrapping_add(self.shift)))
    }

    fn begin(&mut self, sequence: u8) {
        self.expected = sequence;
        self.shift = 0;
    }

    /// Our own question for the settings.
    pub(crate) fn ask_settings(&mut self) -> Vec<u8> {
        self.ask(crate::settings::QUERY, Due::settings())
    }

    /// The next question about temporary tables, if there is one that can be asked.
    pub(crate) fn ask_about_tables(&mut self) -> Option<Vec<u8>> {
        loop {
            let question: Question = self.made.question()?;
            if let Some(sql) = question.sql() {
                return Some(self.ask(&sql, Due::about_table(question)));
            }
        }
    }

    fn ask(&mut self, sql: &str, due: Due) -> Vec<u8> {
        let mut out = Vec::new();
        let start = packet::begin(&mut out);
        out.push(command::QUERY);
        if self.query_attributes {
            out.extend_from_slice(&[0, 1]);
        }
        out.extend_from_slice(sql.as_bytes());
        packet::finish(&mut out, start, 0);
        self.sent(due);
        out
    }
}

impl Conversation for MysqlConversation {
    fn request<'a>(&mut self, input: &'a [u8]) -> Result<Step<Request<'a>>, Violation> {
        self.next_request(input)
    }

    fn answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        self.before = self.due.front().and_then(|due| self.sequence_of(due));
        self.next_answer(input)
    }

    fn settle_class(&mut self, statement: &mut Statement, class: &Class, role: Role) -> Result<(), Refusal> {
        self.give_role(statement, role)?;
        self.classed(statement, class)
    }

    fn withheld(&mut self) {
        self.withheld = self.before;
    }

    fn turn_away(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        errors::put_refusal(&mut payload, refusal, errors::code(refusal.kind));
        packet::put(out, self.login_sequence, &payload);
    }

    fn permit(&mut self, statement: &Statement, before: &mut Vec<u8>, _after: &mut Vec<u8>) {
        self.put_role(statement, before);
        self.permitted(statement);
    }

    fn refuse(&mut self, statement: &Statement, refusal: &Refusal, upstream: &mut Vec<u8>, client: &mut Vec<u8>) {
        self.refused(statement, refusal, upstream, client);
    }

    /// Batches always hold whole rows: the journal's form needs a row's length before its cells.
    fn whole_rows(&mut self, _statement: StatementId) {}

    fn splice(&mut self, batch: &RowBatch<'_>, masker: &mut dyn CellMasker, out: &mut Splice) -> Result<(), Violation> {
        let spliced = upstream::splice::splice(batch, masker, self.shift, out);
        self.shift = spliced.map_err(|violation| self.at_batch(batch, violation))?;
        Ok(())
    }

    fn splice_record(
        &mut self,
        batch: &RowBatch<'_>,
        masker: &mut dyn CellMasker,
        out: &mut Splice,
    ) -> Result<(), Violation> {
        let spliced = upstream::splice::splice(batch, masker, self.shift, out);
        spliced.map(|_| ()).map_err(|violation| self.at_batch(batch, violation))
    }

    fn renumbers(&self) -> bool {
        self.shift != 0
    }

    fn journal_rows(&mut self, batch: &RowBatch<'_>, out: &mut Vec<u8>) -> Result<Option<()>, Violation> {
        upstream::rows::journal(batch, out).map_err(|violation| self.at_batch(batch, violation))?;
        Ok(Some(()))
    }

    fn template(&mut self, _message: &ServerMessage, wire: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        upstream::put_template(wire, out)
    }

    /// MySQL cannot carry a notice outside an answer.
    fn notice(&mut self, _text: &str, _out: &mut Vec<u8>) -> bool {
        false
    }

    fn farewell(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        // Packets are only ever handed out whole, so an ERR may stand at any point of an answer. To an idle client it
        // is the answer to the command that it sends next.
        let due = self.due.front();
        let sequence = match (&self.draft, due.and_then(|due| self.sequence_of(due)).or(self.withheld)) {
            (Some(draft), _) => draft.answer_sequence,
            (None, Some(_)) if self.withheld.is_some() => self.withheld.unwrap_or(1),
            (None, Some(sequence)) => sequence,
            // The answer to a token that is still to come.
            (None, None) if due.is_none() => {
                self.changing.as_ref().map_or(1, |changing| changing.sequence.wrapping_add(1))
            }
            (None, None) => 1,
        };
        let mut payload = Vec::new();
        errors::put_refusal(&mut payload, refusal, errors::last_code(refusal.kind, self.mariadb));
        packet::put(out, sequence, &payload);
    }

    fn goodbye(&self, out: &mut Vec<u8>) {
        packet::put(out, 0, &[command::QUIT]);
    }

    fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    fn unanswered(&self) -> Vec<StatementId> {
        let due = self.due.iter().filter_map(Due::statement);
        let mut all: Vec<StatementId> = due.chain(self.closed.iter().copied()).chain(self.prepared.cursors()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn reanalyse(&mut self, statement: &mut Statement) {
        let settings = match self.draft.as_ref().filter(|draft| draft.id == statement.id).map(|draft| &draft.kind) {
            Some(DraftKind::Kill | DraftKind::ChangeUser | DraftKind::Refused) => return,
            Some(DraftKind::Prepare { settings, .. }) => settings.clone(),
            Some(DraftKind::Execute { number, .. }) => {
                let entry = self.prepared.get(*number);
                entry.map_or_else(|| self.settings.clone(), |entry| entry.settings.clone())
            }
            _ => self.settings.clone(),
        };
        statement.facts = self.facts(&statement.sql, &settings);
    }
}

/// Bytes of the upstream for the client, with the sequence ids that it expects.
pub(crate) fn relayed(bytes: &[u8], shift: u8) -> Cow<'_, [u8]> {
    if shift == 0 {
        return Cow::Borrowed(bytes);
    }
    let mut copy = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((length, sequence)) = packet::header(rest) {
        let (frame, tail) = rest.split_at(rest.len().min(packet::HEADER + length));
        let start = copy.len() + 3;
        copy.extend_from_slice(frame);
        if let Some(byte) = copy.get_mut(start) {
            *byte = sequence.wrapping_add(shift);
        }
        rest = tail;
    }
    Cow::Owned(copy)
}
