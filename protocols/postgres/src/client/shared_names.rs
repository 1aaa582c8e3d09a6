//! One space of names: what SQL prepares and declares, the protocol can bind, describe and close, and the other way round.
//! At the upstream the protocol's own names are others than the client's (see [`crate::names`]); here the two meet.

use crate::conversation::PostgresConversation;
use crate::errors::Reply;
use crate::message::extended::put_query;
use crate::names::REFUSED_TEXT;
use crate::objects::{self, Kind, Name};
use crate::state::{Learnt, Op, Prepared};
use crate::{made, names};
use model::Facts;
use std::borrow::Cow;
use std::sync::Arc;
use wire::{Request, Upkeep, Violation};

impl PostgresConversation {
    /// A statement that SQL has prepared, as the protocol sees it. `None` while it is not certain what the name means: the
    /// server looks it up when it is bound.
    pub(super) fn made_by_sql(&mut self, name: &[u8]) -> Option<Arc<Prepared>> {
        let known = (Kind::Prepared, std::str::from_utf8(name).ok()?.to_owned());
        let behind = self.objects.behind(&known).filter(|_| !self.names_move()).cloned()?;
        let now = self.analyse(&behind.query, None);
        let unsettled = !made::names_the_same(&behind.facts, &now);
        Some(Arc::new(Prepared {
            id: behind.by,
            server_name: name.to_vec(),
            segment: self.segment,
            sql: behind.query,
            facts: behind.facts,
            settings: 0,
            conforming: self.session.settings().is_some_and(|settings| settings.standard_conforming_strings),
            declared: Vec::new(),
            learnt: parking_lot::Mutex::new(Learnt { acknowledged: true, unsettled, ..Learnt::default() }),
        }))
    }

    /// What a Close of something that the protocol did not make is aimed at, at the upstream: what SQL made under the name.
    pub(super) fn close_at_upstream(&mut self, kind: Kind, name: &[u8]) -> Vec<u8> {
        if name.is_empty() {
            return Vec::new();
        }
        if self.names.mentioned(name) {
            return names::REFUSED_NAME.to_vec();
        }
        if let Ok(name) = std::str::from_utf8(name) {
            self.objects.close(&(kind, name.to_owned()));
        }
        name.to_vec()
    }

    /// What a Query does. Where it uses a name that the protocol has made, the text goes to the upstream with the one name
    /// that means it there, which nothing can move.
    pub(crate) fn facts_of_query(&mut self, sql: &[u8]) -> (Arc<Facts>, Option<u64>) {
        let used = objects::used(sql).filter(|(kind, name)| match kind {
            Kind::Cursor => self.portals.contains_key(name.as_bytes()),
            Kind::Prepared => self.statements.contains_key(name.as_bytes()),
        });
        let Some(name) = used else { return self.facts(sql, None) };
        let facts = self.analyse(sql, None);
        let planned = self.made_by_protocol(&name).and_then(|inner| objects::with_plan(&facts, &inner));
        (planned.map_or(facts, Arc::new), None)
    }

    /// What is behind the name that FETCH or EXECUTE uses, where the protocol made it.
    fn made_by_protocol(&mut self, name: &Name) -> Option<Arc<Facts>> {
        match name.0 {
            Kind::Cursor => {
                let portal = self.portals.get(name.1.as_bytes()).copied().filter(|portal| portal.acknowledged)?;
                self.find(portal.id).map(|live| live.facts.clone())
            }
            Kind::Prepared => {
                let prepared = self.statements.get(name.1.as_bytes()).cloned()?;
                let acknowledged = prepared.learnt.lock().acknowledged;
                acknowledged.then(|| self.facts_of(&prepared).0)
            }
        }
    }

    /// Whether a text uses a name that the protocol is about to make.
    pub(super) fn awaits_name(&self, sql: &[u8]) -> bool {
        if self.segment_open || self.ops.is_empty() {
            return false;
        }
        match objects::used(sql) {
            Some((Kind::Cursor, name)) => self.portals.get(name.as_bytes()).is_some_and(|portal| !portal.acknowledged),
            Some((Kind::Prepared, name)) => {
                self.statements.get(name.as_bytes()).is_some_and(|prepared| !prepared.learnt.lock().acknowledged)
            }
            None => false,
        }
    }

    /// What the server would say of a text that makes a name which the protocol has made already.
    pub(super) fn name_taken(&self, sql: &bytes::Bytes) -> Option<Reply> {
        let (kind, name) = objects::made(sql)?.name;
        match kind {
            Kind::Prepared if self.statements.contains_key(name.as_bytes()) => Some(statement_exists(name.as_bytes())),
            Kind::Cursor if self.portals.get(name.as_bytes()).is_some_and(|portal| self.has_live(portal.id)) => {
                Some(cursor_exists(name.as_bytes()))
            }
            _ => None,
        }
    }

    fn has_live(&self, id: model::StatementId) -> bool {
        self.live.binary_search_by_key(&id, |live| live.id).is_ok()
    }

    /// Makes the upstream fail in the place of a Query, so that its transaction fails as it would have.
    pub(super) fn fail_query<'a>(&mut self, reply: Reply) -> Result<Request<'a>, Violation> {
        let mut wire = Vec::new();
        put_query(REFUSED_TEXT, &mut wire)?;
        self.push(Op::Local { reply: Box::new(reply), simple: true });
        Ok(Request::Forward(Upkeep::Failure, Cow::Owned(wire)))
    }

    /// Whether SQL has prepared a statement of this name, as far as is known.
    pub(super) fn sql_has_prepared(&self, name: &[u8]) -> bool {
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
        let known = name.map(|name| (Kind::Prepared, name.to_owned()));
        known.is_some_and(|known| self.objects.behind(&known).is_some()) && !self.names_move()
    }
}

/// A prepared statement's name is taken.
pub(super) fn statement_exists(name: &[u8]) -> Reply {
    Reply::new("42P05", format!("prepared statement \"{}\" already exists", String::from_utf8_lossy(name)))
}

/// A portal's or cursor's name is taken.
pub(super) fn cursor_exists(name: &[u8]) -> Reply {
    Reply::new("42P03", format!("cursor \"{}\" already exists", String::from_utf8_lossy(name)))
}
