//! Commands that are not SQL: those that act on the session, and those that say in a packet what SQL says in words.

use super::Command;
use crate::conversation::{DraftKind, MysqlConversation};
use crate::message::{command, packet};
use crate::upstream::{Due, Plain};
use bytes::Bytes;
use model::{Phase, Refusal, RefusalKind};
use std::borrow::Cow;
use wire::{Cursor, Request, Upkeep, Violation};

impl MysqlConversation {
    /// COM_INIT_DB is a `USE`, and is judged and recorded as one.
    pub(super) fn init_db<'a>(&mut self, command: &Command<'_>) -> Request<'a> {
        let Ok(name) = std::str::from_utf8(command.body) else {
            return self.malformed(command, "malformed COM_INIT_DB: the name is not UTF-8");
        };
        let sql = format!("USE {}", quoted(name));
        let facts = self.facts(sql.as_bytes(), &self.settings.clone());
        let wire = Bytes::copy_from_slice(command.frames);
        let statement = self.statement(Phase::Simple, Bytes::from(sql), Vec::new(), facts, wire);
        self.hand_out(command, statement, DraftKind::Query)
    }

    /// COM_FIELD_LIST is a `SHOW COLUMNS` that answers with definitions.
    pub(super) fn field_list<'a>(&mut self, command: &Command<'_>) -> Request<'a> {
        let mut cursor = Cursor::new(command.body);
        let Some(table) = cursor.cstr().ok().and_then(|table| std::str::from_utf8(table).ok()) else {
            return self.malformed(command, "malformed COM_FIELD_LIST");
        };
        let sql = format!("SHOW COLUMNS FROM {}", quoted(table));
        let facts = self.facts(sql.as_bytes(), &self.settings.clone());
        let wire = Bytes::copy_from_slice(command.frames);
        let statement = self.statement(Phase::Simple, Bytes::from(sql), Vec::new(), facts, wire);
        self.hand_out(command, statement, DraftKind::FieldList)
    }

    /// PING, STATISTICS, RESET_CONNECTION, SET_OPTION.
    pub(super) fn housekeeping<'a>(
        &mut self,
        code: u8,
        frames: &'a [u8],
        command: &Command<'_>,
    ) -> Result<Request<'a>, Violation> {
        let sequence = command.extent.next_sequence();
        let plain = match code {
            command::STATISTICS => Plain::Statistics,
            command::RESET_CONNECTION => Plain::ResetConnection,
            command::SET_OPTION => match Cursor::new(command.body).u16_le() {
                Ok(0) => Plain::MultiStatements(true),
                Ok(1) => Plain::MultiStatements(false),
                _ => return Ok(self.malformed(command, "COM_SET_OPTION with an unknown option")),
            },
            _ => Plain::Other,
        };
        // It resets the settings with everything else.
        self.stale |= plain == Plain::ResetConnection;
        if plain == Plain::ResetConnection {
            self.made.clear();
            if let Some(roles) = &mut self.roles {
                roles.doubt();
            }
        }
        let upkeep = if plain == Plain::ResetConnection { Upkeep::Reset } else { Upkeep::Step };
        self.sent(Due::plain(plain, sequence));
        Ok(Request::Forward(upkeep, Cow::Borrowed(frames)))
    }

    /// COM_STMT_CLOSE has no answer.
    pub(super) fn close<'a>(&mut self, frames: &'a [u8], command: &Command<'_>) -> Result<Request<'a>, Violation> {
        let number = Cursor::new(command.body).u32_le().map_err(|_| truncated("COM_STMT_CLOSE"))?;
        let Some(number) = self.prepared.resolve(number) else { return Ok(Request::Absorb) };
        self.closed.extend(self.prepared.remove(number));
        Ok(Request::Forward(Upkeep::Close, Cow::Borrowed(frames)))
    }

    /// COM_STMT_RESET closes the cursor and drops long data.
    pub(super) fn reset<'a>(&mut self, frames: &'a [u8], command: &Command<'_>) -> Result<Request<'a>, Violation> {
        let number = Cursor::new(command.body).u32_le().map_err(|_| truncated("COM_STMT_RESET"))?;
        if let Some(number) = self.prepared.resolve(number) {
            self.prepared.clear_long(number);
            self.closed.extend(self.prepared.close_cursor(number));
        }
        self.sent(Due::plain(Plain::Other, command.extent.next_sequence()));
        Ok(Request::Forward(Upkeep::Close, Cow::Borrowed(frames)))
    }

    /// COM_STMT_SEND_LONG_DATA has no answer; what it sends is kept for the record of the EXECUTE.
    pub(super) fn long_data<'a>(&mut self, frames: &'a [u8], command: &Command<'_>) -> Result<Request<'a>, Violation> {
        let mut cursor = Cursor::new(command.body);
        let (Ok(number), Ok(parameter)) = (cursor.u32_le(), cursor.u16_le()) else {
            return Err(truncated("COM_STMT_SEND_LONG_DATA"));
        };
        let Some(number) = self.prepared.resolve(number) else { return Ok(Request::Absorb) };
        if self.prepared.add_long(number, parameter, cursor.rest()) {
            Ok(Request::Forward(Upkeep::Parameter, Cow::Borrowed(frames)))
        } else {
            Ok(Request::Absorb)
        }
    }

    /// COM_STMT_FETCH: more rows of the statement whose cursor is open.
    pub(super) fn fetch<'a>(&mut self, frames: &'a [u8], command: &Command<'_>) -> Result<Request<'a>, Violation> {
        let number = Cursor::new(command.body).u32_le().map_err(|_| truncated("COM_STMT_FETCH"))?;
        let sequence = command.extent.next_sequence();
        let number = self.prepared.resolve(number);
        let cursor = number.and_then(|number| Some((number, self.prepared.get(number)?.cursor.clone()?)));
        // Without a cursor the server has an error for it.
        self.sent(match cursor {
            Some((number, cursor)) => Due::fetch(number, cursor, sequence),
            None => Due::plain(Plain::Other, sequence),
        });
        Ok(Request::Forward(Upkeep::Resume, Cow::Borrowed(frames)))
    }

    /// Everything else is refused by name.
    pub(super) fn unsupported<'a>(&mut self, code: u8, command: &Command<'_>) -> Request<'a> {
        let name = command::name(code);
        let refusal = Refusal::new(RefusalKind::NotSupported, format!("{name} is not relayed"));
        let refusal = match code {
            0x12 | 0x15 | 0x1E | 0x20 | 0x21 => refusal.hint("replication does not go through Affidavit"),
            0x08 | 0x0D => refusal.hint("administer the server directly"),
            0x0A => refusal.hint("ask your database's operators for its process list"),
            0xFE => refusal.hint("turn off batching of commands in the driver"),
            _ => refusal.hint("use the SQL statement for it"),
        };
        self.refuse_command(command, name, refusal, None)
    }
}

fn truncated(what: &str) -> Violation {
    Violation(format!("malformed {what}"))
}

/// A name as an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A COM_STMT_RESET of our own.
pub(super) fn put_reset(out: &mut Vec<u8>, number: u32) {
    let start = packet::begin(out);
    out.push(command::STMT_RESET);
    out.extend_from_slice(&number.to_le_bytes());
    packet::finish(out, start, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_resets_framed() {
        assert_eq!(quoted("a`; DROP"), "`a``; DROP`");
        let mut out = Vec::new();
        put_reset(&mut out, 7);
        assert_eq!(out, [5, 0, 0, 0, 0x1A, 7, 0, 0, 0]);
    }
}
