//! Our own COM_CHANGE_USER at the upstream: it asks who we are as at login, and forgets the session's state.

use super::due::Kind;
use super::{LONGEST_OTHER, completed};
use crate::auth::upstream::{Next, Plugin};
use crate::conversation::MysqlConversation;
use crate::datasource::refused_us;
use crate::dial::{means, unavailable};
use crate::errors;
use crate::message::auth::AuthMessage;
use crate::message::ok::Ok as OkPacket;
use crate::message::packet;
use model::{Outcome, StatementId, Status};
use std::borrow::Cow;
use wire::{Answer, Datasource as _, Step, Violation};

/// Messages after which a server that still does not say OK or ERR is given up.
const MOST_MESSAGES: u8 = 16;

/// How far it has come.
pub(super) struct Changed {
    pub(super) statement: StatementId,
    /// Sequence id of the packet that ends it for the client.
    pub(super) answer_sequence: u8,
    plugin: Option<Plugin>,
    nonce: Vec<u8>,
    messages: u8,
}

impl Changed {
    pub(super) fn new(statement: StatementId, answer_sequence: u8) -> Self {
        Self { statement, answer_sequence, plugin: None, nonce: Vec::new(), messages: 0 }
    }
}

impl MysqlConversation {
    /// What the upstream says on the way.
    pub(super) fn change_user_answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let packet = match self.packet(input, self.expected, LONGEST_OTHER)? {
            Ok(packet) => packet,
            Err(more) => return Ok(Step::Need(more)),
        };
        let (consumed, next) = (packet.extent.bytes, packet.extent.next_sequence());
        self.expected = next;
        let spec = self.datasource.spec().clone();
        let means = means(&spec, self.upstream_encrypted);
        let Some(Kind::ChangeUser(changed)) = self.due.front_mut().map(|due| &mut due.kind) else {
            return Err(Violation("no change of user is due".to_owned()));
        };
        changed.messages += 1;
        if changed.messages > MOST_MESSAGES {
            return Err(Violation("the upstream's change of user has no end".to_owned()));
        }
        let (statement, answer_sequence) = (changed.statement, changed.answer_sequence);
        let answer = match AuthMessage::decode(&packet.payload)? {
            AuthMessage::Ok(payload) => {
                OkPacket::decode(payload)?;
                let mut wire = Vec::new();
                packet::put(&mut wire, answer_sequence, payload);
                return Ok(Step::Got { consumed, item: self.user_changed(statement, wire) });
            }
            // What it says of our own user does not concern the client.
            AuthMessage::Err(payload) => {
                let refusal = refused_us(&spec, payload);
                let code = errors::code(refusal.kind);
                let mut payload = Vec::new();
                errors::put_refusal(&mut payload, &refusal, code);
                let mut wire = Vec::new();
                packet::put(&mut wire, answer_sequence, &payload);
                self.answered();
                let outcome = Outcome {
                    status: Status::Failed,
                    tag: String::new(),
                    affected: None,
                    error_code: Some(String::from_utf8_lossy(&code.1).into_owned()),
                };
                let wire = Cow::Owned(wire);
                let item = Answer::Done { statement, outcome, message: None, last: true, wire };
                return Ok(Step::Got { consumed, item });
            }
            AuthMessage::Switch { plugin, nonce } => Plugin::wanted(plugin).and_then(|plugin| {
                changed.plugin = Some(plugin);
                changed.nonce = nonce.to_vec();
                plugin.answer(nonce, &means).map(Next::Send)
            }),
            AuthMessage::More(data) => match changed.plugin {
                Some(plugin) => plugin.more(data, &changed.nonce, &means),
                None => Err("it speaks for a plugin that was not chosen".to_owned()),
            },
        };
        match answer.map_err(|why| Violation(unavailable(&spec, &why).to_string()))? {
            Next::Send(payload) => {
                let mut frames = Vec::new();
                self.expected = packet::put(&mut frames, next, &payload);
                self.to_upstream = Some(frames);
            }
            Next::Wait => {}
        }
        Ok(Step::Got { consumed, item: Answer::Absorb })
    }

    fn user_changed<'a>(&mut self, statement: StatementId, wire: Vec<u8>) -> Answer<'a> {
        let cursors = self.prepared.clear();
        self.closed.extend(cursors);
        // Its temporary tables went with the session: a name that one of them hid means the protected table again.
        self.made.clear();
        self.stale = true;
        self.answered();
        Answer::Done { statement, outcome: completed(None), message: None, last: true, wire: Cow::Owned(wire) }
    }
}
