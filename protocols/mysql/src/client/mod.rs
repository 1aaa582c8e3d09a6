//! The client's side: what each command wants, and what becomes of it once it is permitted or refused.

pub(crate) mod change_user;
pub(crate) mod class;
mod commands;
mod execute;
mod infile;
mod kill;
pub(crate) mod prepared;
mod settle;

use crate::client::kill::{Aim, Kill};
use crate::conversation::{Draft, DraftKind, MysqlConversation};
use crate::errors::Code;
use crate::message::packet::{self, Extent, Front, HEADER};
use crate::message::{command, query};
use crate::settings;
use bytes::Bytes;
use model::{Facts, Outputs, Param, Part, Phase, Refusal, RefusalKind, Statement, StatementId, Verb};
use sha2::{Digest as _, Sha256};
use sql::Settings;
use std::borrow::Cow;
use std::sync::Arc;
use wire::{Request, Step, Upkeep, Violation};

/// The longest command. A statement is held in memory while it is judged, and in the journal.
const LONGEST_COMMAND: usize = 64 * 1024 * 1024;

/// A command that has arrived whole.
pub(crate) struct Command<'a> {
    /// Its frames.
    pub(crate) frames: &'a [u8],
    /// Its payload after the command byte.
    pub(crate) body: &'a [u8],
    /// Its extent.
    pub(crate) extent: Extent,
}

impl Command<'_> {
    /// The payload from `at` on, sharing the memory of `wire` where it is one packet.
    fn tail(&self, at: usize, wire: &Bytes) -> Bytes {
        let start = HEADER + 1 + at;
        if self.extent.packets == 1 && start <= wire.len() {
            wire.slice(start..)
        } else {
            Bytes::copy_from_slice(self.body.get(at..).unwrap_or_default())
        }
    }
}

impl MysqlConversation {
    /// The next command of the client. See [`wire::Conversation::request`].
    pub(crate) fn next_request<'a>(&mut self, input: &'a [u8]) -> Result<Step<Request<'a>>, Violation> {
        if let Some(frames) = self.to_upstream.take() {
            return Ok(Step::Got { consumed: 0, item: Request::Forward(Upkeep::Answer, Cow::Owned(frames)) });
        }
        if self.uploading() {
            return self.upload(input);
        }
        if self.draft.is_some() || !self.due.is_empty() || !self.closed.is_empty() {
            return Ok(Step::Need(0));
        }
        if self.changing.is_some() {
            return self.changed(input);
        }
        let extent = match packet::front(input, LONGEST_COMMAND)? {
            Front::Need(more) => return Ok(Step::Need(more)),
            Front::Whole(extent) => extent,
        };
        if extent.sequence != 0 {
            return Err(Violation(format!("a command with sequence id {}", extent.sequence)));
        }
        let frames = input.get(..extent.bytes).unwrap_or_default();
        let payload = extent.payload(input)?;
        let Some((code, body)) = payload.split_first() else {
            return Err(Violation("a command without a command byte".to_owned()));
        };
        let in_doubt = self.stale || self.made.in_doubt();
        let diagnostic = in_doubt && *code == command::QUERY && self.means_the_same_anyway(body);
        if self.stale && reads_text(*code) && !diagnostic {
            // The command stays where it is until the answer is there.
            return Ok(Step::Got {
                consumed: 0,
                item: Request::Forward(Upkeep::Question, Cow::Owned(self.ask_settings())),
            });
        }
        if (reads_text(*code) || runs(*code))
            && !diagnostic
            && let Some(question) = self.ask_about_tables()
        {
            return Ok(Step::Got { consumed: 0, item: Request::Forward(Upkeep::Question, Cow::Owned(question)) });
        }
        let item = self.command(*code, frames, Command { frames, body, extent })?;
        Ok(Step::Got { consumed: extent.bytes, item })
    }

    fn command<'a>(&mut self, code: u8, frames: &'a [u8], command: Command<'_>) -> Result<Request<'a>, Violation> {
        match code {
            command::QUIT => Ok(Request::Terminate(frames)),
            command::QUERY => Ok(self.query(&command)),
            command::STMT_PREPARE => Ok(self.prepare(&command)),
            command::STMT_EXECUTE => Ok(self.execute(&command)),
            command::STMT_BULK_EXECUTE => Ok(self.bulk_execute(&command)),
            command::STMT_SEND_LONG_DATA => self.long_data(frames, &command),
            command::STMT_CLOSE => self.close(frames, &command),
            command::STMT_RESET => self.reset(frames, &command),
            command::STMT_FETCH => self.fetch(frames, &command),
            command::INIT_DB => Ok(self.init_db(&command)),
            command::FIELD_LIST => Ok(self.field_list(&command)),
            command::PROCESS_KILL => Ok(self.process_kill(&command)),
            command::CHANGE_USER => Ok(self.change_user(&command)),
            command::PING | command::STATISTICS | command::RESET_CONNECTION | command::SET_OPTION => {
                self.housekeeping(code, frames, &command)
            }
            other => Ok(self.unsupported(other, &command)),
        }
    }

    /// Whether the text of a COM_QUERY means the same under every setting and names no table. A question of ours before it
    /// would wipe out what it may ask for: ROW_COUNT(), FOUND_ROWS(), warnings.
    fn means_the_same_anyway(&mut self, body: &[u8]) -> bool {
        let Ok(query) = query::Query::decode(body, self.query_attributes) else { return true };
        let text = body.get(query.text_at..).unwrap_or_default();
        if settings::is_diagnostic(text) {
            return true;
        }
        if !settings::reads_alike(text) {
            return false;
        }
        let nowhere = Settings { search_path: Vec::new(), ..Settings::clone(&self.settings) };
        let facts = self.datasource.facts(text, self.mariadb, &nowhere);
        settings::is_independent(&facts)
    }

    /// COM_QUERY.
    fn query<'a>(&mut self, command: &Command<'_>) -> Request<'a> {
        let wire = Bytes::copy_from_slice(command.frames);
        let query = match query::Query::decode(command.body, self.query_attributes) {
            Ok(query) => query,
            Err(malformed) => return self.malformed(command, &malformed.to_string()),
        };
        let sql = command.tail(query.text_at, &wire);
        match self.read_kill(&sql) {
            Kill::No => {}
            Kill::At(aim) => return self.kill(command, sql, aim),
            Kill::Unclear => {
                let text = String::from_utf8_lossy(&sql).into_owned();
                return self.refuse_command(command, &text, kill::alone(), None);
            }
        }
        let facts = self.facts(&sql, &self.settings.clone());
        if let Some(refusal) = not_relayable(&sql, &facts) {
            let statement = self.statement(Phase::Simple, sql, query.attributes, facts, wire);
            return self.refuse_by_ourselves(command, statement, refusal, None);
        }
        let statement = self.statement(Phase::Simple, sql, query.attributes, facts, wire);
        self.hand_out(command, statement, DraftKind::Query)
    }

    /// COM_STMT_PREPARE.
    fn prepare<'a>(&mut self, command: &Command<'_>) -> Request<'a> {
        let wire = Bytes::copy_from_slice(command.frames);
        let sql = command.tail(0, &wire);
        let facts = self.facts(&sql, &self.settings.clone());
        let mut refusal = match self.read_kill(&sql) {
            Kill::No => not_relayable(&sql, &facts),
            Kill::At(Aim::Own) => None,
            Kill::At(Aim::Thread(_)) | Kill::Unclear => Some(kill::alone()),
        };
        if let Some(message) = self.prepared.is_full(&sql) {
            refusal = Some(Refusal::new(RefusalKind::LimitReached, message).hint("close those that are not needed"));
        }
        let statement = self.statement(Phase::Prepare, sql, Vec::new(), facts, wire);
        // Whatever becomes of it, -1 no longer means the one before.
        self.prepared.last = None;
        match refusal {
            Some(refusal) => self.refuse_by_ourselves(command, statement, refusal, None),
            None => {
                self.hand_out(command, statement, DraftKind::Prepare { settings: self.settings.clone(), sent: None })
            }
        }
    }

    /// Numbers a statement.
    fn statement(
        &mut self,
        phase: Phase,
        sql: Bytes,
        params: Vec<Param>,
        facts: Arc<Facts>,
        wire: Bytes,
    ) -> Box<Statement> {
        self.numbered += 1;
        Box::new(Statement {
            id: StatementId(self.numbered),
            phase,
            sql,
            params,
            prepared: None,
            facts,
            sent: None,
            role: None,
            wire,
        })
    }

    /// Hands a statement to the pipeline.
    fn hand_out<'a>(&mut self, command: &Command<'_>, statement: Box<Statement>, kind: DraftKind) -> Request<'a> {
        let answer_sequence = command.extent.next_sequence();
        self.draft = Some(Draft { id: statement.id, kind, answer_sequence, code: None });
        Request::Statement(statement)
    }

    /// Hands out a statement that no policy can allow.
    fn refuse_by_ourselves<'a>(
        &mut self,
        command: &Command<'_>,
        statement: Box<Statement>,
        refusal: Refusal,
        code: Option<Code>,
    ) -> Request<'a> {
        let answer_sequence = command.extent.next_sequence();
        self.draft = Some(Draft { id: statement.id, kind: DraftKind::Refused, answer_sequence, code });
        Request::Refused(statement, refusal)
    }

    /// Refuses a command that is no statement. The record names it by `text`.
    fn refuse_command<'a>(
        &mut self,
        command: &Command<'_>,
        text: &str,
        refusal: Refusal,
        code: Option<Code>,
    ) -> Request<'a> {
        let facts = Arc::new(bare_facts(text, Some(refusal.message.clone())));
        let wire = Bytes::copy_from_slice(command.frames);
        let sql = Bytes::copy_from_slice(text.as_bytes());
        let statement = self.statement(Phase::Simple, sql, Vec::new(), facts, wire);
        self.refuse_by_ourselves(command, statement, refusal, code)
    }

    fn malformed<'a>(&mut self, command: &Command<'_>, what: &str) -> Request<'a> {
        let refusal = Refusal::new(RefusalKind::ProtocolViolation, what);
        self.refuse_command(command, what, refusal, None)
    }
}

/// Whether a command holds a text or a name whose meaning depends on the settings.
fn reads_text(code: u8) -> bool {
    matches!(code, command::QUERY | command::STMT_PREPARE | command::INIT_DB | command::FIELD_LIST)
}

/// Whether a command runs what was prepared.
fn runs(code: u8) -> bool {
    matches!(code, command::STMT_EXECUTE | command::STMT_BULK_EXECUTE)
}

/// What a text must not hold although a policy may allow it: other people's sessions.
fn not_relayable(sql: &[u8], facts: &Facts) -> Option<Refusal> {
    if facts.parts.iter().flat_map(|part| &part.settings).any(|change| change.name == sql::ACCOUNTS) {
        let message =
            "accounts, passwords and rights are not changed through Affidavit, whose own account is among them";
        return Some(
            Refusal::new(RefusalKind::Denied, message).hint("have an administrator do it on the server itself"),
        );
    }
    let ordinary = facts.unparsed.is_none()
        && facts.parts.iter().all(|part| !matches!(part.verb, Verb::Other | Verb::Session | Verb::Call));
    (!ordinary && kill::mentions(sql) && kill::begins(sql)).then(kill::alone)
}

/// Facts of a command that touches nothing but the session.
fn session_facts(text: &str) -> Facts {
    let mut facts = bare_facts(text, None);
    facts.parts.push(Part {
        verb: Verb::Session,
        tables: Vec::new(),
        outputs: Outputs::None,
        predicates: Vec::new(),
        writes: Vec::new(),
        calls: Vec::new(),
        opaque: Vec::new(),
        settings: Vec::new(),
        kin: Vec::new(),
        sources: Vec::new(),
        uses: None,
        verbs: Vec::new(),
        reads: Vec::new(),
        filtered: true,
        limited: false,
    });
    facts
}

/// Facts of a command that is no SQL.
fn bare_facts(text: &str, unparsed: Option<String>) -> Facts {
    let digest = Sha256::digest(text.as_bytes());
    Facts {
        parts: Vec::new(),
        unparsed,
        normalized: text.to_owned(),
        fingerprint: digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
        unknown_relations: Vec::new(),
        catalog_epoch: 0,
    }
}
