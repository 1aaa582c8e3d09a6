//! Permitted or refused: what becomes of a statement that was given to the pipeline.

use crate::conversation::PostgresConversation;
use crate::copy::copies_in;
use crate::message::extended::{Target, put_parse, put_query, put_target};
use crate::names::{REFUSED_NAME, REFUSED_TEXT};
use crate::roles::needs_none;
use crate::state::{Named, Op, PortalName, Proposal, Proposed};
use model::{Refusal, Statement, StatementId};

impl PostgresConversation {
    /// A name means again what it meant before an operation that the upstream skipped, if nothing else has it by now. Only
    /// what the upstream is known to have comes back.
    pub(crate) fn restore(&mut self, before: Named) {
        match before {
            Named::Statement(name, prepared) => {
                let known = prepared.learnt.lock().acknowledged;
                if known && !self.statements.contains_key(&name) {
                    self.remember_statement(name, prepared);
                }
            }
            Named::Portal(name, portal) => {
                if portal.acknowledged && self.find(portal.id).is_some() {
                    self.portals.entry(name).or_insert(portal);
                }
            }
        }
    }

    fn settled(&mut self, id: StatementId) -> Option<Proposal> {
        // A proposal that was never settled was given up together with the session.
        self.proposal.take().filter(|proposal| proposal.live.id == id).map(|proposal| *proposal)
    }

    /// The statement's bytes are about to be sent. The queue has room for what a statement adds: its bound is checked
    /// with slack on the way in.
    pub(crate) fn settle_permitted(&mut self, statement: &Statement, before: &mut Vec<u8>, after: &mut Vec<u8>) {
        let id = statement.id;
        let Some(Proposal { mut live, kind }) = self.settled(id) else { return };
        live.role = statement.role.filter(|_| !needs_none(&statement.facts));
        self.put_role(live.role, before);
        let copy_in = copies_in(&live.facts);
        if matches!(kind, Proposed::Query) {
            live.is_sent(&mut self.session, &mut self.objects, self.roles.as_mut());
            self.redefined |= live.defines;
        }
        match kind {
            Proposed::Query => self.ops.push_back(Op::Query { id, refused: None, copy_in }),
            Proposed::Parse { name, prepared } => {
                self.segment_open = true;
                let before = self.statements.get(&name).map(|b| Box::new(Named::Statement(name.clone(), b.clone())));
                self.ops.push_back(Op::Parse { id, prepared: Some(prepared.clone()), refused: None, before });
                self.remember_statement(name, prepared);
            }
            Proposed::Bind { name, describe } => {
                self.segment_open = true;
                self.ops.push_back(Op::Bind { id, refused: None });
                let server_name = self.names.at_upstream(&name, id);
                if describe && put_target(b'D', Target::Portal(&server_name), after).is_ok() {
                    self.ops.push_back(Op::DescribePortal { id, own: true });
                }
                self.portals.insert(name, PortalName { id, segment: self.segment, acknowledged: false });
            }
        }
        self.live.push_back(live);
    }

    /// The upstream gets a statement that must fail, so that transaction state and the discarding until Sync are its own.
    pub(crate) fn settle_refused(&mut self, id: StatementId, refusal: &Refusal, upstream: &mut Vec<u8>) {
        let Some(Proposal { live, kind }) = self.settled(id) else { return };
        let refused = Some(Box::new(self.reply(&live, refusal)));
        let written = match kind {
            Proposed::Query => {
                self.ops.push_back(Op::Query { id, refused, copy_in: false });
                put_query(REFUSED_TEXT, upstream)
            }
            Proposed::Parse { name, .. } => {
                if name.is_empty() {
                    // A Parse that fails drops the unnamed statement.
                    self.forget_statement(&name);
                }
                self.segment_open = true;
                self.absorbing = true;
                self.ops.push_back(Op::Parse { id, prepared: None, refused, before: None });
                put_parse(REFUSED_NAME, REFUSED_TEXT, upstream)
            }
            Proposed::Bind { .. } => {
                self.segment_open = true;
                self.absorbing = true;
                self.ops.push_back(Op::Bind { id, refused });
                put_parse(REFUSED_NAME, REFUSED_TEXT, upstream)
            }
        };
        debug_assert!(written.is_ok(), "a constant fits its frame");
        self.live.push_back(live);
    }
}
