//! Answers of one packet, and the answer to our own question for the session's settings.

use super::due::{Kind, Plain};
use super::{LONGEST_OTHER, is_end, is_error};
use crate::conversation::MysqlConversation;
use crate::errors;
use crate::message::error::ErrorPacket;
use crate::message::lenenc;
use crate::message::ok::Ok as OkPacket;
use crate::settings::{self, COLUMNS};
use std::sync::Arc;
use wire::{Answer, Cursor, Step, Violation};

impl MysqlConversation {
    /// PING and its like.
    pub(super) fn plain_answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let Some(Kind::Plain(plain)) = self.due.front().map(|due| &due.kind) else {
            return Err(Violation("nothing plain is due".to_owned()));
        };
        let plain = *plain;
        let packet = match self.packet(input, self.expected, LONGEST_OTHER)? {
            Ok(packet) => packet,
            Err(more) => return Ok(Step::Need(more)),
        };
        let consumed = packet.extent.bytes;
        let wire = self.pass(input, consumed, packet.extent.next_sequence());
        if is_error(&packet) {
            let error = ErrorPacket::decode(&packet.payload)?;
            let (code, message) = (error.code, errors::describe(&error, None));
            self.answered();
            if plain == Plain::Role {
                self.role_failed(code);
            }
            let item = match plain {
                Plain::Unheard | Plain::Role => Answer::Absorb,
                _ => Answer::Message { statement: None, message, wire },
            };
            return Ok(Step::Got { consumed, item });
        }
        if plain != Plain::Statistics {
            match packet.payload.first() {
                Some(0xFE) => OkPacket::decode_end(&packet.payload, self.deprecate_eof)?,
                _ => OkPacket::decode(&packet.payload)?,
            };
        }
        self.answered();
        match plain {
            Plain::ResetConnection => {
                let cursors = self.prepared.clear();
                self.closed.extend(cursors);
                self.in_transaction = false;
            }
            Plain::MultiStatements(allowed) => Arc::make_mut(&mut self.settings).multi_statements = allowed,
            Plain::Unheard | Plain::Role => return Ok(Step::Got { consumed, item: Answer::Absorb }),
            Plain::Statistics | Plain::Other => {}
        }
        Ok(Step::Got { consumed, item: Answer::Forward(wire) })
    }

    /// The session's settings: looked at once the answer is whole, and kept from the client.
    pub(super) fn settings_answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let (mut at, mut expected) = (0, self.expected);
        // A count, the definitions, an EOF without DEPRECATE_EOF, one row, the end.
        let before_row = 1 + COLUMNS + usize::from(!self.deprecate_eof);
        for index in 0..before_row + 2 {
            let packet = match self.packet(input.get(at..).unwrap_or_default(), expected, LONGEST_OTHER)? {
                Ok(packet) => packet,
                Err(more) => return Ok(Step::Need(more)),
            };
            if is_error(&packet) {
                return Err(Violation("the upstream does not tell the session's settings any more".to_owned()));
            }
            if index == 0 && packet.payload.as_ref() != [super::packet::low_byte(COLUMNS)] {
                return Err(unreadable());
            }
            if index == before_row {
                let mut cursor = Cursor::new(&packet.payload);
                let mut cells = Vec::with_capacity(COLUMNS);
                while !cursor.is_empty() {
                    cells.push(lenenc::cell(&mut cursor).map_err(|_| unreadable())?);
                }
                settings::apply(Arc::make_mut(&mut self.settings), &cells).ok_or_else(unreadable)?;
                self.stale = false;
            }
            if index == before_row + 1 && !is_end(&packet, self.deprecate_eof) {
                return Err(unreadable());
            }
            at += packet.extent.bytes;
            expected = packet.extent.next_sequence();
        }
        self.answered();
        Ok(Step::Got { consumed: at, item: Answer::Absorb })
    }
}

fn unreadable() -> Violation {
    Violation("the upstream's answer about the session's settings cannot be read".to_owned())
}
