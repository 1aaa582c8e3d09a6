//! Messages that start nothing which was not permitted: Execute of a bound portal, Describe, Close, Sync.

use crate::conversation::PostgresConversation;
use crate::errors::Reply;
use crate::message::Frame;
use crate::message::extended::{Target, execute, put_execute, put_parse, put_target, target};
use crate::names::{REFUSED_NAME, REFUSED_TEXT};
use crate::objects::Kind;
use crate::state::{Named, Op};
use std::borrow::Cow;
use wire::{Request, Step, Upkeep, Violation};

impl PostgresConversation {
    pub(super) fn sync<'a>(&mut self, frame: Frame<'a>) -> Result<Request<'a>, Violation> {
        if self.copying_in {
            // The upstream would ignore it; not sending it saves us from knowing whether it did.
            return Ok(Request::Absorb);
        }
        self.absorbing = false;
        self.segment_open = false;
        self.segment = self.segment.saturating_add(1);
        self.push(Op::Sync);
        if let Some(roles) = &mut self.roles {
            roles.suspend();
        }
        Ok(Request::Forward(Upkeep::Step, Cow::Borrowed(frame.wire)))
    }

    /// Notes an extended message that is sent.
    pub(super) fn push_extended(&mut self, op: Op) {
        self.segment_open = true;
        self.push(op);
    }

    /// Makes the upstream fail where it would have failed by itself, had names not been ours.
    pub(super) fn fail<'a>(&mut self, reply: Reply) -> Result<Request<'a>, Violation> {
        let mut wire = Vec::new();
        put_parse(REFUSED_NAME, REFUSED_TEXT, &mut wire)?;
        self.push_extended(Op::Local { reply: Box::new(reply), simple: false });
        self.absorbing = true;
        Ok(Request::Forward(Upkeep::Failure, Cow::Owned(wire)))
    }

    /// Whether what a name means depends on answers that have not come. True: ask again later.
    fn uncertain(&self, segment: u64, acknowledged: bool) -> bool {
        !acknowledged && segment != self.segment
    }

    /// Whether SQL may be about to make names: outside a segment its answer comes by itself.
    pub(super) fn names_may_come(&self) -> bool {
        !self.segment_open && self.names_move()
    }

    /// Whether a name that is not known may turn out to be: its Close is on its way in a segment that may be skipped.
    pub(super) fn may_return(&self, target: Target<'_>) -> bool {
        let of_name = |named: &Named| match (named, target) {
            (Named::Statement(name, _), Target::Statement(wanted))
            | (Named::Portal(name, _), Target::Portal(wanted)) => name == wanted,
            _ => false,
        };
        let mut ops = self.ops.iter();
        let closes = |op: &Op| matches!(op, Op::Close { before: Some(before), .. } if of_name(before));
        ops.any(closes) && ops.any(|op| matches!(op, Op::Sync))
    }

    pub(super) fn execute<'a>(&mut self, frame: Frame<'a>, consumed: usize) -> Result<Step<Request<'a>>, Violation> {
        let (name, rows) = execute(frame.body)?;
        let Some(portal) = self.portals.get(name).copied() else {
            if self.may_return(Target::Portal(name)) {
                return Ok(Step::Need(0));
            }
            let item = self.fail(no_portal(name))?;
            return Ok(Step::Got { consumed, item });
        };
        if self.uncertain(portal.segment, portal.acknowledged) {
            return Ok(Step::Need(0));
        }
        let moves = self.objects.moves();
        let found = self.live.binary_search_by_key(&portal.id, |live| live.id).ok();
        let live = found.and_then(|at| self.live.get_mut(at));
        let copy_in = live.as_ref().is_some_and(|live| crate::copy::copies_in(&live.facts));
        if live.is_some_and(|live| live.uses.is_some_and(|then| then != moves)) {
            // FETCH looks its cursor up when it runs, and that may be another one by now.
            let item = self.fail(name_moved())?;
            return Ok(Step::Got { consumed, item });
        }
        let mut wire = Vec::new();
        let role = self.find(portal.id).and_then(|live| live.role);
        self.put_role(role, &mut wire);
        if let Some(live) = found.and_then(|at| self.live.get_mut(at)) {
            live.is_sent(&mut self.session, &mut self.objects, self.roles.as_mut());
            self.redefined |= live.defines;
        }
        self.push_extended(Op::Execute { id: portal.id, copy_in });
        let wire = if name.is_empty() && wire.is_empty() {
            Cow::Borrowed(frame.wire)
        } else {
            put_execute(&self.names.at_upstream(name, portal.id), rows, &mut wire)?;
            Cow::Owned(wire)
        };
        Ok(Step::Got { consumed, item: Request::Forward(Upkeep::Resume, wire) })
    }

    pub(super) fn describe<'a>(&mut self, frame: Frame<'a>, consumed: usize) -> Result<Step<Request<'a>>, Violation> {
        let mut wire = Vec::new();
        let item = match target(frame.body)? {
            Target::Statement(name) => match self.statements.get(name).cloned() {
                None if self.may_return(Target::Statement(name)) || self.names_may_come() => return Ok(Step::Need(0)),
                own => {
                    let Some(prepared) = own.or_else(|| self.made_by_sql(name)) else {
                        let item = self.fail(no_statement(name))?;
                        return Ok(Step::Got { consumed, item });
                    };
                    let mut learnt = prepared.learnt.lock();
                    if self.uncertain(prepared.segment, learnt.acknowledged) {
                        return Ok(Step::Need(0));
                    }
                    learnt.described_in = Some(self.segment);
                    drop(learnt);
                    // Describing looks the statement's names up.
                    let _ = self.facts_of(&prepared);
                    put_target(b'D', Target::Statement(&prepared.server_name), &mut wire)?;
                    self.push_extended(Op::DescribeStatement(prepared));
                    Request::Forward(Upkeep::Describe, Cow::Owned(wire))
                }
            },
            Target::Portal(name) => match self.portals.get(name).copied() {
                None if self.may_return(Target::Portal(name)) => return Ok(Step::Need(0)),
                None => {
                    // psycopg describes the cursors that it declares.
                    self.push_extended(Op::DescribeCursor);
                    Request::Forward(Upkeep::Describe, Cow::Borrowed(frame.wire))
                }
                Some(portal) if self.uncertain(portal.segment, portal.acknowledged) => return Ok(Step::Need(0)),
                Some(portal) => {
                    put_target(b'D', Target::Portal(&self.names.at_upstream(name, portal.id)), &mut wire)?;
                    self.push_extended(Op::DescribePortal { id: portal.id, own: false });
                    Request::Forward(Upkeep::Describe, Cow::Owned(wire))
                }
            },
        };
        Ok(Step::Got { consumed, item })
    }

    /// Close. The upstream answers it for a name that it does not know, too.
    pub(super) fn close_named<'a>(&mut self, frame: Frame<'a>) -> Result<Request<'a>, Violation> {
        let mut wire = Vec::new();
        match target(frame.body)? {
            Target::Statement(name) => {
                let prepared = self.forget_statement(name);
                let server_name = match &prepared {
                    Some(prepared) => prepared.server_name.clone(),
                    None => self.close_at_upstream(Kind::Prepared, name),
                };
                put_target(b'C', Target::Statement(&server_name), &mut wire)?;
                let before = prepared.map(|prepared| Box::new(Named::Statement(name.to_vec(), prepared)));
                self.push_extended(Op::Close { id: None, before });
            }
            Target::Portal(name) => {
                let portal = self.portals.remove(name);
                let server_name = match portal {
                    Some(portal) => self.names.at_upstream(name, portal.id),
                    None => self.close_at_upstream(Kind::Cursor, name),
                };
                put_target(b'C', Target::Portal(&server_name), &mut wire)?;
                let before = portal.map(|portal| Box::new(Named::Portal(name.to_vec(), portal)));
                self.push_extended(Op::Close { id: portal.map(|portal| portal.id), before });
            }
        }
        Ok(Request::Forward(Upkeep::Close, Cow::Owned(wire)))
    }
}

pub(super) fn no_statement(name: &[u8]) -> Reply {
    let text = if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!("prepared statement \"{}\" does not exist", String::from_utf8_lossy(name))
    };
    Reply::new("26000", text)
}

fn name_moved() -> Reply {
    let text = "the cursor or prepared statement that was bound may have been replaced since";
    let mut reply = Reply::new("34000", text);
    reply.hint = Some("bind and execute FETCH and EXECUTE without statements in between".to_owned());
    reply
}

fn no_portal(name: &[u8]) -> Reply {
    Reply::new("34000", format!("portal \"{}\" does not exist", String::from_utf8_lossy(name)))
}
