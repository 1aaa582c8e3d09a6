//! Messages that carry something to be judged: Query, Parse, Bind.

use super::housekeeping::no_statement;
use super::shared_names::{cursor_exists, statement_exists};
use crate::conversation::PostgresConversation;
use crate::made;
use crate::message::extended::{Bind, Formats, Target, bind, parse, put_query, query, target};
use crate::message::{Frame, frame};
use crate::names::deallocated;
use crate::objects;
use crate::state::{Learnt, Live, Op, Portal, Prepared, Proposal, Proposed, Shape};
use crate::values::encoding;
use bytes::Bytes;
use model::{Column, Facts, Outputs, Param, Part, Phase, Refusal, RefusalKind, Repr, Statement, StatementId, Verb};
use std::sync::Arc;
use wire::{Request, Step, Violation};

/// Prepared statements of a session, and portals.
const MAX_PREPARED: usize = 65_536;
/// Bytes of their texts.
const MAX_PREPARED_BYTES: usize = 32 * 1024 * 1024;

impl PostgresConversation {
    pub(super) fn query<'a>(&mut self, frame: Frame<'a>, consumed: usize) -> Result<Step<Request<'a>>, Violation> {
        let sql = query(frame.body)?;
        if self.name_in_doubt(sql) || self.awaits_name(sql) {
            return Ok(Step::Need(0));
        }
        let sql = Bytes::copy_from_slice(sql);
        if let Some(taken) = self.name_taken(&sql) {
            let item = self.fail_query(taken)?;
            return Ok(Step::Got { consumed, item });
        }
        let (facts, uses) = self.facts_of_query(&sql);
        let id = self.next_id();
        let wire = match self.renamed(&sql, true) {
            None => Bytes::copy_from_slice(frame.wire),
            Some(text) => {
                let mut wire = Vec::new();
                put_query(&text, &mut wire)?;
                Bytes::from(wire)
            }
        };
        let statement = Statement {
            id,
            phase: Phase::Simple,
            sql,
            params: Vec::new(),
            prepared: None,
            facts,
            sent: None,
            role: None,
            wire,
        };
        self.propose_query(&statement);
        if let Some(proposal) = &mut self.proposal {
            proposal.live.uses = uses;
        }
        Ok(Step::Got { consumed, item: self.statement_or_refusal(statement) })
    }

    pub(super) fn propose_query(&mut self, statement: &Statement) {
        let live = self.live_for(statement);
        self.proposal = Some(Box::new(Proposal { live, kind: Proposed::Query }));
    }

    fn live_for(&self, statement: &Statement) -> Live {
        let mut live = Live::new(statement.id, statement.phase, statement.facts.clone(), statement.sql.clone());
        live.doubtful = self.session.may_change(&statement.facts, &statement.sql);
        live.moves = objects::moves(&statement.facts);
        live.defines = made::defines(&statement.facts);
        live.makes = objects::made(&statement.sql).map(|made| (made, 0));
        live.drops = deallocated(&statement.sql);
        live
    }

    /// `DEALLOCATE s1`, `EXECUTE s1 (5)`, `FETCH 5 FROM c1`, `MOVE 5 FROM c1` or `CLOSE c1` with the name that the upstream
    /// knows, where the client means one of the protocol's: psycopg drops its statements so, asyncpg moves its portals.
    /// What is only prepared here runs later, when the name may mean another: then nothing that brings rows is renamed.
    fn renamed(&self, sql: &[u8], runs: bool) -> Option<Vec<u8>> {
        if let Some(name) = deallocated(sql) {
            let prepared = self.statements.get(&name)?;
            return Some([b"DEALLOCATE \"", prepared.server_name.as_slice(), b"\""].concat());
        }
        let quoted = |before: &[u8], name: &[u8], after: &[u8]| [before, b"\"", name, b"\"", after].concat();
        if let Some((name, place)) = objects::executed(sql).filter(|_| runs) {
            let prepared = self.statements.get(name.as_bytes())?;
            return Some(quoted(sql.get(..place.start)?, &prepared.server_name, sql.get(place.end..)?));
        }
        if !runs && objects::used(sql).is_some() {
            return None;
        }
        let (name, at) = objects::moved_cursor(sql)?;
        let portal = self.portals.get(name.as_bytes())?;
        let server_name = self.names.at_upstream(name.as_bytes(), portal.id);
        Some(quoted(sql.get(..at)?, &server_name, b""))
    }

    /// A text that names what only we may name goes no further.
    fn statement_or_refusal<'a>(&self, statement: Statement) -> Request<'a> {
        if self.names.mentioned(&statement.sql) {
            let refusal = Refusal::new(RefusalKind::NotSupported, "the text mentions a name that belongs to Affidavit")
                .hint("use the names that your own statements and portals were given");
            return Request::Refused(Box::new(statement), refusal);
        }
        if let Some(refusal) = not_relayable(&statement.facts) {
            return Request::Refused(Box::new(statement), refusal);
        }
        Request::Statement(Box::new(statement))
    }

    pub(super) fn parse<'a>(&mut self, frame: Frame<'a>, consumed: usize) -> Result<Step<Request<'a>>, Violation> {
        let parse = parse(frame.body)?;
        if !parse.name.is_empty() && self.statements.contains_key(parse.name) {
            if !self.segment_open && self.front().is_some() {
                // A DISCARD ALL or DEALLOCATE on its way may free the name.
                return Ok(Step::Need(0));
            }
            let item = self.fail(statement_exists(parse.name))?;
            return Ok(Step::Got { consumed, item });
        }
        if self.sql_has_prepared(parse.name) {
            let item = self.fail(statement_exists(parse.name))?;
            return Ok(Step::Got { consumed, item });
        }
        if self.name_in_doubt(parse.sql) {
            return Ok(Step::Need(0));
        }
        let id = self.next_id();
        let sql = Bytes::copy_from_slice(parse.sql);
        let (facts, _) = self.facts(&sql, None);
        let mut wire = Vec::new();
        let server_name = self.names.at_upstream(parse.name, id);
        match self.renamed(&sql, false) {
            None => parse.put_as(&server_name, &mut wire)?,
            Some(text) => crate::message::extended::put_parse(&server_name, &text, &mut wire)?,
        }
        let settings = self.session.settings();
        let known = settings.is_some() && self.session.is_sure();
        let prepared = Arc::new(Prepared {
            id,
            server_name,
            segment: self.segment,
            sql: sql.clone(),
            facts: facts.clone(),
            settings: if known { self.session.version() } else { 0 },
            conforming: settings.is_some_and(|settings| settings.standard_conforming_strings),
            declared: parse.types.clone(),
            learnt: parking_lot::Mutex::new(Learnt {
                unsettled: !known,
                meant: settings.filter(|_| known).map(|settings| (facts.clone(), settings.search_path.clone())),
                ..Learnt::default()
            }),
        });
        let statement = Statement {
            id,
            phase: Phase::Prepare,
            sql,
            params: Vec::new(),
            prepared: None,
            facts,
            sent: None,
            role: None,
            wire: Bytes::from(wire),
        };
        let mut live = self.live_for(&statement);
        // Preparing changes nothing; running does.
        (live.doubtful, live.moves, live.defines) = (false, false, false);
        (live.makes, live.drops) = (None, None);
        let kind = Proposed::Parse { name: parse.name.to_vec(), prepared };
        self.proposal = Some(Box::new(Proposal { live, kind }));
        let full = self.statements.len() >= MAX_PREPARED
            || self.prepared_bytes.saturating_add(statement.sql.len()) > MAX_PREPARED_BYTES;
        let item = if full {
            let text = "this session has too many prepared statements";
            let refusal = Refusal::new(RefusalKind::LimitReached, text).hint("close those that are no longer needed");
            Request::Refused(Box::new(statement), refusal)
        } else {
            self.statement_or_refusal(statement)
        };
        Ok(Step::Got { consumed, item })
    }

    pub(super) fn bind<'a>(
        &mut self,
        frame: Frame<'a>,
        consumed: usize,
        after: &[u8],
    ) -> Result<Step<Request<'a>>, Violation> {
        let bound = bind(frame.body)?;
        let own = self.statements.get(bound.statement).cloned();
        if own.is_none() && (self.may_return(Target::Statement(bound.statement)) || self.names_may_come()) {
            return Ok(Step::Need(0));
        }
        let Some(prepared) = own.or_else(|| self.made_by_sql(bound.statement)) else {
            let item = self.fail(no_statement(bound.statement))?;
            return Ok(Step::Got { consumed, item });
        };
        // With something on its way that may end the portal, the new one simply takes the name.
        let taken = !bound.portal.is_empty() && self.portals.contains_key(bound.portal);
        let may_end = |op: &Op| matches!(op, Op::Query { .. } | Op::Sync | Op::Execute { .. } | Op::Close { .. });
        if taken && !self.ops.iter().any(may_end) {
            let item = self.fail(cursor_exists(bound.portal))?;
            return Ok(Step::Got { consumed, item });
        }
        let learnt = prepared.learnt.lock();
        if !learnt.acknowledged && prepared.segment != self.segment {
            return Ok(Step::Need(0));
        }
        let shape = shape_for(&learnt.shape, &bound.result_formats);
        let coming = learnt.described_in == Some(self.segment);
        drop(learnt);
        if self.name_in_doubt(&prepared.sql) {
            return Ok(Step::Need(0));
        }
        let (facts, uses) = self.facts_of(&prepared);
        let id = self.next_id();
        let mut wire = Vec::new();
        let portal = self.names.at_upstream(bound.portal, id);
        bound.put_as(&portal, &prepared.server_name, &mut wire)?;
        let statement = Statement {
            id,
            phase: Phase::Execute,
            sql: prepared.sql.clone(),
            params: self.params(&prepared, &bound),
            prepared: Some(prepared.id),
            facts,
            sent: None,
            role: None,
            wire: Bytes::from(wire),
        };
        let mut live = self.live_for(&statement);
        live.uses = uses;
        live.portal = Portal::Sent;
        live.unnamed = bound.portal.is_empty();
        live.shape = shaped(&prepared, &shape, &bound.result_formats);
        live.formats = bound.result_formats.clone();
        live.prepared = Some(prepared);
        let returns_rows = !matches!(live.facts.parts.as_slice(), [part] if returns_nothing(part));
        let describe =
            returns_rows && !coming && matches!(live.shape, Shape::Unknown) && !describes(after, bound.portal);
        let kind = Proposed::Bind { name: bound.portal.to_vec(), describe };
        self.proposal = Some(Box::new(Proposal { live, kind }));
        let item = if self.portals.len() >= MAX_PREPARED {
            let refusal = Refusal::new(RefusalKind::LimitReached, "this session has too many open portals")
                .hint("close those that are no longer needed, or end the transaction");
            Request::Refused(Box::new(statement), refusal)
        } else {
            self.statement_or_refusal(statement)
        };
        Ok(Step::Got { consumed, item })
    }

    /// What a prepared statement does when it runs now: names are looked up again if the path or the catalog changed.
    pub(crate) fn facts_of(&mut self, prepared: &Prepared) -> (Arc<Facts>, Option<u64>) {
        let current = self.session.settings().is_some()
            && self.session.is_sure()
            && prepared.settings == self.session.version()
            && prepared.facts.catalog_epoch == self.source.snapshot().catalog.epoch()
            && !self.source.is_outdated()
            && objects::used(&prepared.sql).is_none();
        if current {
            return (prepared.facts.clone(), None);
        }
        let (facts, uses) = self.facts(&prepared.sql, Some(prepared.conforming));
        (self.steadied(prepared, facts), uses)
    }

    /// The server looks a prepared statement's names up when it prepares it, and again when the search path is another or
    /// something that they mean has changed, but not when a new relation comes to stand before one that they mean. So
    /// where the names mean other relations than the last time under the same path, either may be read.
    pub(crate) fn steadied(&self, prepared: &Prepared, now: Arc<Facts>) -> Arc<Facts> {
        let mut learnt = prepared.learnt.lock();
        let path = self.session.settings().filter(|_| self.session.is_sure()).map(|settings| &settings.search_path);
        let Some(path) = path else {
            (learnt.meant, learnt.unsettled) = (None, true);
            return now;
        };
        match &learnt.meant {
            Some((before, then)) if then == path => {
                learnt.unsettled |= !made::names_the_same(before, &now);
            }
            Some(_) => learnt.unsettled = false,
            None => {}
        }
        learnt.meant = Some((now.clone(), path.clone()));
        if learnt.unsettled { Arc::new(made::unsettled(&now)) } else { now }
    }

    fn params(&self, prepared: &Prepared, bound: &Bind<'_>) -> Vec<Param> {
        if bound.params.is_empty() {
            return Vec::new();
        }
        let learnt = prepared.learnt.lock();
        let oids = learnt.params.as_ref().unwrap_or(&prepared.declared);
        let snapshot = self.source.snapshot();
        let one = |(index, value): (usize, &Option<&[u8]>)| Param {
            repr: snapshot.types.repr(oids.get(index).copied().unwrap_or(0), bound.param_formats.binary(index)),
            value: value.map(Bytes::copy_from_slice),
        };
        bound.params.iter().enumerate().map(one).collect()
    }

    /// Forgets a prepared statement's name.
    pub(crate) fn forget_statement(&mut self, name: &[u8]) -> Option<Arc<Prepared>> {
        let prepared = self.statements.remove(name)?;
        self.prepared_bytes = self.prepared_bytes.saturating_sub(prepared.sql.len());
        Some(prepared)
    }

    /// Keeps a prepared statement under its name.
    pub(super) fn remember_statement(&mut self, name: Vec<u8>, prepared: Arc<Prepared>) {
        self.forget_statement(&name);
        self.prepared_bytes = self.prepared_bytes.saturating_add(prepared.sql.len());
        self.statements.insert(name, prepared);
    }

    /// Forgets the statement of this number, if its name still means it.
    pub(crate) fn forget_prepared(&mut self, id: StatementId) {
        let name = self.statements.iter().find(|(_, prepared)| prepared.id == id).map(|(name, _)| name.clone());
        if let Some(name) = name {
            self.forget_statement(&name);
        }
    }
}

/// Whether a statement surely returns no rows, so that nobody needs its columns. CALL may, by its OUT arguments.
fn returns_nothing(part: &Part) -> bool {
    part.outputs == Outputs::None
        && !matches!(part.verb, Verb::Select | Verb::Call | Verb::Show | Verb::Explain | Verb::Other)
}

/// Whether the client's next message, if it is here already, is a Describe of this portal.
fn describes(after: &[u8], portal: &[u8]) -> bool {
    match frame(after, super::MAX_OTHER) {
        Ok(Step::Got { item: Frame { tag: b'D', body, .. }, .. }) => {
            target(body).is_ok_and(|t| t == Target::Portal(portal))
        }
        _ => false,
    }
}

/// What is known of the columns, if it fits the formats that the client asks for.
fn shape_for(shape: &Shape, formats: &Formats) -> Shape {
    match shape {
        // The upstream will refuse this Bind.
        Shape::Columns(columns) if formats.0.len() > 1 && formats.0.len() != columns.len() => Shape::Unknown,
        known => known.clone(),
    }
}

/// What is known by now of a prepared statement's columns, in the formats of a Bind.
pub(crate) fn shaped_as(prepared: &Prepared, formats: &Formats) -> Shape {
    let shape = shape_for(&prepared.learnt.lock().shape, formats);
    shaped(prepared, &shape, formats)
}

/// The columns in the formats that Bind asks for; the last ones are kept, since drivers repeat themselves.
fn shaped(prepared: &Prepared, shape: &Shape, formats: &Formats) -> Shape {
    let Shape::Columns(base) = shape else { return shape.clone() };
    if !formats.0.contains(&true) {
        return shape.clone();
    }
    let mut learnt = prepared.learnt.lock();
    if let Some((known, columns)) = &learnt.shaped
        && known == formats
    {
        return Shape::Columns(columns.clone());
    }
    let reformat = |(index, column): (usize, &Column)| Column {
        repr: Repr { kind: column.repr.kind.clone(), encoding: encoding(formats.binary(index)) },
        ..column.clone()
    };
    let columns: Arc<[Column]> = base.iter().enumerate().map(reformat).collect();
    learnt.shaped = Some((formats.clone(), columns.clone()));
    Shape::Columns(columns)
}

/// What a text must not hold although a policy may allow it: accounts, and other people's sessions.
fn not_relayable(facts: &Facts) -> Option<Refusal> {
    let sets = |name: &str| facts.parts.iter().flat_map(|part| &part.settings).any(|change| change.name == name);
    if sets(sql::ACCOUNTS) {
        let what = "roles, their passwords, settings and belongings are not changed through Affidavit, whose own is among them";
        return Some(Refusal::new(RefusalKind::Denied, what).hint("have an administrator do it on the server itself"));
    }
    sets(sql::OTHER_SESSIONS).then(|| {
        let what = "sessions share an account here, so only one's own can be ended or interrupted";
        Refusal::new(RefusalKind::Denied, what).hint("cancel a statement as your driver does, or use pg_backend_pid()")
    })
}
