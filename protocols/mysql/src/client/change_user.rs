//! COM_CHANGE_USER: whoever sends it must show the credential that opened the session once more. So pools that reset
//! their connections this way work, and nobody becomes somebody else. What it names as the user is on record, and
//! nothing else: the upstream's user stays the datasource's.

use super::commands::quoted;
use super::{Command, session_facts};
use crate::auth::client::{CLEAR, LONGEST_TOKEN};
use crate::conversation::{Draft, DraftKind, MysqlConversation};
use crate::handshake::passed_on;
use crate::message::auth::put_switch;
use crate::message::change_user::ChangeUser;
use crate::message::packet::{self, Front};
use bytes::Bytes;
use model::{Phase, Refusal, RefusalKind};
use std::sync::Arc;
use wire::{Datasource as _, Request, Step, Violation};

/// utf8mb4_general_ci: for a client that names no collation.
const USUAL_COLLATION: u16 = 45;

/// A COM_CHANGE_USER whose token was asked for.
pub(crate) struct Changing {
    wish: ChangeUser,
    /// Sequence id of the client's answer.
    pub(crate) sequence: u8,
}

impl MysqlConversation {
    /// Asks for the token.
    pub(super) fn change_user<'a>(&mut self, command: &Command<'_>) -> Request<'a> {
        let wish = match ChangeUser::decode(command.body, self.capabilities) {
            Ok(wish) => wish,
            Err(malformed) => return self.malformed(command, &malformed.to_string()),
        };
        if self.opened_by.is_none() {
            // A client that cannot send a token would not understand the question.
            let message = "a session that an exchanged credential opened cannot change its user";
            let refusal = Refusal::new(RefusalKind::NotSupported, message)
                .hint("open a new connection, or let the pool reset connections instead of changing their user");
            return self.refuse_command(command, "COM_CHANGE_USER", refusal, None);
        }
        let mut request = Vec::new();
        put_switch(&mut request, CLEAR, b"");
        // As at login: an empty challenge is sent without its NUL.
        request.pop();
        let mut frames = Vec::new();
        let sequence = packet::put(&mut frames, command.extent.next_sequence(), &request);
        self.changing = Some(Changing { wish, sequence });
        Request::Reply(frames)
    }

    /// The client's answer.
    pub(super) fn changed<'a>(&mut self, input: &'a [u8]) -> Result<Step<Request<'a>>, Violation> {
        let extent = match packet::front(input, LONGEST_TOKEN)? {
            Front::Need(more) => return Ok(Step::Need(more)),
            Front::Whole(extent) => extent,
        };
        let Some(Changing { wish, sequence }) = self.changing.take() else {
            return Err(Violation("no token was asked for".to_owned()));
        };
        if extent.sequence != sequence {
            return Err(Violation(format!("sequence id {} where {sequence} was due", extent.sequence)));
        }
        let payload = extent.payload(input)?;
        let proven = self.opened_by.as_ref().is_some_and(|by| by.is(payload.strip_suffix(&[0]).unwrap_or(&payload)));
        let item = self.change_to(wish, extent.next_sequence(), proven);
        Ok(Step::Got { consumed: extent.bytes, item })
    }

    fn change_to<'a>(&mut self, wish: ChangeUser, answer_sequence: u8, proven: bool) -> Request<'a> {
        let spec = self.datasource.spec().clone();
        let database = wish.database.or_else(|| spec.database.map(String::into_bytes));
        let named = database.as_deref().map(|name| String::from_utf8_lossy(name).into_owned());
        let mut text = format!("COM_CHANGE_USER {}", String::from_utf8_lossy(&wish.user));
        let facts = match &named {
            Some(name) => {
                text.push_str(&format!(", database {name}"));
                self.facts(format!("USE {}", quoted(name)).as_bytes(), &self.settings.clone())
            }
            None => Arc::new(session_facts("COM_CHANGE_USER")),
        };
        let wish = ChangeUser {
            user: spec.user.into_bytes(),
            database,
            collation: if wish.collation == 0 { USUAL_COLLATION } else { wish.collation },
            attributes: passed_on(&wish.attributes),
        };
        let mut payload = Vec::new();
        // The server answers a plugin that is not our user's by asking for the right one, with a fresh challenge.
        wish.encode(CLEAR, self.capabilities, &mut payload);
        let mut frames = Vec::new();
        packet::put(&mut frames, 0, &payload);
        let statement = self.statement(Phase::Simple, Bytes::from(text), Vec::new(), facts, Bytes::from(frames));
        let draft = |kind| Draft { id: statement.id, kind, answer_sequence, code: None };
        if proven {
            self.draft = Some(draft(DraftKind::ChangeUser));
            return Request::Statement(statement);
        }
        self.draft = Some(draft(DraftKind::Refused));
        let message = "this session was opened with another credential, and stays what it is";
        let refusal = Refusal::new(RefusalKind::NotAuthenticated, message)
            .hint("open a new connection with the other token; to change user here, send the one that opened it");
        Request::Refused(statement, refusal)
    }
}
