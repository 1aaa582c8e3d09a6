//! The request side: what each message of the client means.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html>

mod class;
mod copy_in;
mod function_call;
mod housekeeping;
mod native;
mod settle;
mod shared_names;
mod statements;

pub(crate) use statements::shaped_as;

use crate::conversation::PostgresConversation;
use crate::copy::check_options;
use crate::made;
use crate::message::extended::{Target, put_bind, put_execute, put_parse, put_target};
use crate::message::session::Transaction;
use crate::message::{HEAD, frame, head, put};
use crate::objects;
use crate::session::QUESTIONS;
use crate::state::{MAX_OPERATIONS, Op};
use model::{Facts, StatementId};
use sql::{Analyser, Catalog, Settings};
use std::borrow::Cow;
use std::sync::Arc;
use wire::{Request, Step, Upkeep, Violation};

/// The largest message with a text or parameters.
const MAX_STATEMENT: usize = 256 * 1024 * 1024;
/// The largest of all other messages; PostgreSQL's own limit for them is 10,000 bytes.
const MAX_OTHER: usize = 64 * 1024;

/// Whether a text of the client can be looked at now.
enum Gate {
    Open,
    /// The upstream's answers must come first.
    Wait,
    /// These bytes of ours go to the upstream first.
    Ask(Vec<u8>),
}

impl PostgresConversation {
    pub(crate) fn look_at_client<'a>(&mut self, input: &'a [u8]) -> Result<Step<Request<'a>>, Violation> {
        if self.data_left > 0 {
            return Ok(self.rest_of_data(input));
        }
        let Some((tag, total)) = head(input)? else { return Ok(Step::Need(HEAD.saturating_sub(input.len()))) };
        if tag == b'd' {
            return Ok(self.copy_data(input, total));
        }
        let limit = if matches!(tag, b'Q' | b'P' | b'B' | b'F') { MAX_STATEMENT } else { MAX_OTHER };
        let (consumed, frame) = match frame(input, limit)? {
            Step::Need(more) => return Ok(Step::Need(more)),
            Step::Got { consumed, item } => (consumed, item),
        };
        let got = |item| Ok(Step::Got { consumed, item });
        if self.copying_in && !matches!(tag, b'c' | b'f' | b'S' | b'H' | b'X') {
            return Err(Violation(format!("message {:?} in the middle of COPY FROM STDIN", char::from(tag))));
        }
        if tag == b'X' {
            return got(Request::Terminate(frame.wire));
        }
        if self.ops.len() >= MAX_OPERATIONS {
            // So many answers fill the upstream's buffer, so some are on their way, Sync or not.
            return Ok(Step::Need(0));
        }
        match tag {
            b'S' => return got(self.sync(frame)?),
            b'c' | b'f' => return got(self.copy_end(frame)?),
            b'p' => return Err(Violation("a password message after the login".to_owned())),
            _ if self.absorbing => return got(Request::Absorb),
            _ => {}
        }
        if matches!(tag, b'Q' | b'P' | b'B') {
            match self.gate(tag, frame.body)? {
                Gate::Open => {}
                Gate::Wait => return Ok(Step::Need(0)),
                Gate::Ask(question) => {
                    return Ok(Step::Got {
                        consumed: 0,
                        item: Request::Forward(Upkeep::Question, Cow::Owned(question)),
                    });
                }
            }
        }
        match tag {
            b'Q' => self.query(frame, consumed),
            b'P' => self.parse(frame, consumed),
            b'B' => self.bind(frame, consumed, input.get(consumed..).unwrap_or_default()),
            b'E' => self.execute(frame, consumed),
            b'D' => self.describe(frame, consumed),
            b'C' => got(self.close_named(frame)?),
            // During a copy the upstream would ignore it.
            b'H' if self.copying_in => got(Request::Absorb),
            b'H' => got(Request::Forward(Upkeep::Step, Cow::Borrowed(frame.wire))),
            b'F' => got(self.function_call(frame)?),
            other => Err(Violation(format!("message {:?} is not part of the protocol", char::from(other)))),
        }
    }

    /// A text means something only under known settings (`search_path` …). If something on its way may change them, the
    /// text waits until that is answered, then until a question of ours is. Inside a segment there is no waiting, since
    /// the upstream may answer only at Sync: the text is then analysed under unknown settings, which proves nothing.
    fn gate(&mut self, tag: u8, body: &[u8]) -> Result<Gate, Violation> {
        let wants = |conversation: &Self| {
            conversation.session.must_ask_relations() && !conversation.may_do_without_relations(tag, body)
        };
        if self.segment_open || !(self.session.must_ask() || wants(self)) {
            return Ok(Gate::Open);
        }
        if self.front().is_some() {
            return Ok(Gate::Wait);
        }
        if self.needs_no_answers(tag, body) {
            return Ok(Gate::Open);
        }
        if self.transaction == Transaction::Failed {
            return Ok(Gate::Open);
        }
        let mut question = Vec::new();
        let relations = wants(self);
        self.put_questions(relations, &mut question)?;
        self.push(Op::Refresh);
        self.refresh.clear();
        self.refresh_bytes = 0;
        self.asked_relations = relations;
        self.session.asked(relations);
        Ok(Gate::Ask(question))
    }

    /// Whether a text in an open transaction names no relation and may be about to configure the snapshot that a question
    /// for relations would take.
    fn may_do_without_relations(&self, tag: u8, body: &[u8]) -> bool {
        self.transaction == Transaction::Open && self.needs_no_answers(tag, body)
    }

    /// Whether a text means the same whatever path and role are: the end of a transaction, or a way back to known settings,
    /// depends on no question of ours.
    fn needs_no_answers(&self, tag: u8, body: &[u8]) -> bool {
        use crate::message::extended::{bind, parse, query};
        let text = match tag {
            b'Q' => query(body).ok(),
            b'P' => parse(body).ok().map(|parse| parse.sql),
            _ => bind(body).ok().and_then(|bound| Some(&*self.statements.get(bound.statement)?.sql)),
        };
        text.is_some_and(made::configures)
    }

    /// Whether everything that was sent is answered: what the server reports by itself is then as it was reported.
    pub(crate) fn at_rest(&self) -> bool {
        !self.segment_open && self.ops.is_empty()
    }

    /// Whether something on its way may give names of cursors and SQL's prepared statements another meaning.
    fn names_move(&self) -> bool {
        let moves = |id: &StatementId| {
            let at = self.live.binary_search_by_key(id, |live| live.id).ok();
            at.and_then(|at| self.live.get(at)).is_some_and(|live| live.moves || live.doubtful)
        };
        self.ops.iter().any(|op| match op {
            Op::Query { id, .. } | Op::Execute { id, .. } => moves(id),
            _ => false,
        })
    }

    /// Whether a text uses a name whose meaning depends on answers that will come, so that it had better wait.
    fn name_in_doubt(&self, sql: &[u8]) -> bool {
        !self.segment_open && objects::used(sql).is_some() && self.names_move()
    }

    /// What a text does, with the plan of the name that it uses. Beside the facts: how many moves had been made when the
    /// name was looked up.
    pub(crate) fn facts(&mut self, sql: &[u8], conforming: Option<bool>) -> (Arc<Facts>, Option<u64>) {
        let facts = check_options(self.analyse(sql, conforming), sql, self.session.encoding_is_safe());
        let Some(name) = objects::used(sql) else { return (facts, None) };
        let known = self.objects.behind(&name).filter(|_| !self.names_move()).cloned();
        let Some(behind) = known else { return (facts, None) };
        let inner = match name.0 {
            objects::Kind::Cursor => behind.facts,
            // It may run with the relations that its names meant when it was prepared, or with those of now.
            objects::Kind::Prepared => {
                let now = self.analyse(&behind.query, None);
                if !made::names_the_same(&behind.facts, &now) {
                    return (facts, None);
                }
                now
            }
        };
        match objects::with_plan(&facts, &inner) {
            Some(facts) => (Arc::new(facts), Some(self.objects.moves())),
            None => (facts, None),
        }
    }

    /// Our own question for the settings. In the extended protocol and under names of ours: a Query would end the client's
    /// unnamed statement and portal.
    fn put_questions(&self, relations: bool, out: &mut Vec<u8>) -> Result<(), Violation> {
        let name = self.names.own();
        for text in QUESTIONS.into_iter().chain(relations.then_some(made::QUESTION)) {
            put_parse(&name, text.as_bytes(), out)?;
            put_bind(&name, &name, out)?;
            put_execute(&name, 0, out)?;
            put_target(b'C', Target::Portal(&name), out)?;
            put_target(b'C', Target::Statement(&name), out)?;
        }
        put(out, b'S', |_| {})
    }

    /// The next statement's number.
    fn next_id(&mut self) -> StatementId {
        self.last_id = self.last_id.saturating_add(1);
        StatementId(self.last_id)
    }

    /// What a text does, under the settings and catalog of now. `conforming` is how its strings were read when it was
    /// prepared, if it was prepared before.
    pub(crate) fn analyse(&mut self, sql: &[u8], conforming: Option<bool>) -> Arc<Facts> {
        let facts =
            self.read_under(sql, conforming, |analyser, catalog, settings| analyser.analyse(sql, catalog, settings));
        self.source.mark_outdated(facts)
    }

    /// Reads a text under the settings and the catalog that are the session's now.
    pub(crate) fn read_under<T>(
        &mut self,
        sql: &[u8],
        conforming: Option<bool>,
        read: impl FnOnce(&Analyser, &Catalog, &Settings) -> T,
    ) -> T {
        let snapshot = self.source.snapshot();
        let at_rest = self.at_rest();
        let unknown;
        let sure = self.session.is_sure() || made::configures(sql);
        let own = if self.session.is_sure() { self.made.view(&snapshot.catalog) } else { None };
        let settings = match self.session.settings() {
            Some(settings) if !sure => {
                let _ = settings;
                unknown = self.session.unknown(at_rest);
                &unknown
            }
            Some(settings) if conforming.is_none_or(|then| then == settings.standard_conforming_strings) => settings,
            Some(settings) => {
                unknown = Settings { standard_conforming_strings: conforming.unwrap_or(false), ..settings.clone() };
                &unknown
            }
            None => {
                unknown = self.session.unknown(at_rest);
                &unknown
            }
        };
        let (catalog, analyser) = own.unwrap_or((&snapshot.catalog, self.source.analyser()));
        read(analyser, catalog, settings)
    }
}
