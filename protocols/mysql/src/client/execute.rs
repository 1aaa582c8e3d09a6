//! COM_STMT_EXECUTE and MariaDB's bulk form: a prepared statement with its parameters becomes a statement of its own.

use super::Command;
use crate::client::prepared::Types;
use crate::conversation::{DraftKind, MysqlConversation};
use crate::errors::UNKNOWN_STATEMENT;
use crate::message::execute::{Execute, Known, decode_bulk, statement_number};
use crate::message::parameter::ParamType;
use crate::message::{command, packet};
use bytes::Bytes;
use model::{Param, Phase, Refusal, RefusalKind};
use wire::Request;

impl MysqlConversation {
    /// COM_STMT_EXECUTE.
    pub(super) fn execute<'a>(&mut self, command: &Command<'_>) -> Request<'a> {
        let Some(number) = statement_number(command.body).ok().and_then(|number| self.prepared.resolve(number)) else {
            return self.unknown_statement(command, "COM_STMT_EXECUTE");
        };
        let attributes = self.query_attributes;
        let Some(entry) = self.prepared.get_mut(number) else {
            return self.unknown_statement(command, "COM_STMT_EXECUTE");
        };
        if entry.overflowed {
            let message = "the long data of this statement is larger than Affidavit records (64 MiB)";
            let refusal = Refusal::new(RefusalKind::LimitReached, message).hint("send it in smaller statements");
            return self.refuse_execute(command, number, refusal);
        }
        let known = Known {
            parameters: entry.parameters,
            types: entry.types.as_ref().map(|types| types.list.as_slice()),
            attributes,
        };
        let long = |index: usize| u16::try_from(index).is_ok_and(|index| entry.long.contains_key(&index));
        let mut read = match Execute::decode(command.body, known, long) {
            Ok(read) => read,
            Err(malformed) => {
                let refusal = Refusal::new(RefusalKind::ProtocolViolation, malformed.to_string());
                return self.refuse_execute(command, number, refusal);
            }
        };
        for (index, data) in &entry.long {
            if let Some(param) = read.params.get_mut(usize::from(*index)) {
                param.value = Some(Bytes::copy_from_slice(data));
            }
        }
        let mut wire = Bytes::copy_from_slice(command.frames);
        match (read.types.take(), read.types_flag_at) {
            (Some(list), Some(flag_at)) => entry.types = Some(types_sent(command.body, flag_at + 1, list, attributes)),
            (None, Some(flag_at)) => {
                if let Some(types) = entry.types.as_ref().filter(|types| !types.upstream_has) {
                    wire = with_types(command.body, flag_at, &types.wire);
                }
            }
            _ => {}
        }
        self.hand_out_execute(command, number, read.params, wire, read.cursor)
    }

    /// MariaDB's COM_STMT_BULK_EXECUTE: the rows of parameters one after another.
    pub(super) fn bulk_execute<'a>(&mut self, command: &Command<'_>) -> Request<'a> {
        let Some(number) = statement_number(command.body).ok().and_then(|number| self.prepared.resolve(number)) else {
            return self.unknown_statement(command, "COM_STMT_BULK_EXECUTE");
        };
        let Some(entry) = self.prepared.get_mut(number) else {
            return self.unknown_statement(command, "COM_STMT_BULK_EXECUTE");
        };
        let types = entry.types.as_ref().filter(|types| types.upstream_has).map(|types| types.list.as_slice());
        let known = Known { parameters: entry.parameters, types, attributes: false };
        match decode_bulk(command.body, known) {
            Ok((params, sent)) => {
                if let Some(list) = sent {
                    // After the statement's number and the flags.
                    entry.types = Some(types_sent(command.body, 6, list, false));
                }
                let wire = Bytes::copy_from_slice(command.frames);
                self.hand_out_execute(command, number, params, wire, false)
            }
            Err(malformed) => {
                let refusal = Refusal::new(RefusalKind::ProtocolViolation, malformed.to_string());
                self.refuse_execute(command, number, refusal)
            }
        }
    }

    fn hand_out_execute<'a>(
        &mut self,
        command: &Command<'_>,
        number: u32,
        params: Vec<Param>,
        wire: Bytes,
        cursor: bool,
    ) -> Request<'a> {
        self.closed.extend(self.prepared.close_cursor(number));
        let epoch = self.datasource.catalog().epoch();
        let Some(entry) = self.prepared.get(number) else {
            return self.unknown_statement(command, "COM_STMT_EXECUTE");
        };
        // The server looks names up each time it runs.
        if entry.facts.catalog_epoch != epoch || self.datasource.is_outdated() || self.made.is_used() {
            let (sql, settings) = (entry.sql.clone(), entry.settings.clone());
            let facts = self.facts(&sql, &settings);
            if let Some(entry) = self.prepared.get_mut(number) {
                entry.facts = facts;
            }
        }
        let Some(entry) = self.prepared.get(number) else {
            return self.unknown_statement(command, "COM_STMT_EXECUTE");
        };
        let (sql, facts, prepared_by) = (entry.sql.clone(), entry.facts.clone(), entry.prepared_by);
        let mut statement = self.statement(Phase::Execute, sql, params, facts, wire);
        statement.prepared = Some(prepared_by);
        self.hand_out(command, statement, DraftKind::Execute { number, cursor })
    }

    /// Refuses an EXECUTE that cannot be read, or not be recorded.
    fn refuse_execute<'a>(&mut self, command: &Command<'_>, number: u32, refusal: Refusal) -> Request<'a> {
        let Some(entry) = self.prepared.get(number) else {
            return self.unknown_statement(command, "COM_STMT_EXECUTE");
        };
        let (sql, facts, prepared_by) = (entry.sql.clone(), entry.facts.clone(), entry.prepared_by);
        let wire = Bytes::copy_from_slice(command.frames);
        let mut statement = self.statement(Phase::Execute, sql, Vec::new(), facts, wire);
        statement.prepared = Some(prepared_by);
        let request = self.refuse_by_ourselves(command, statement, refusal, None);
        if let Some(draft) = &mut self.draft {
            draft.kind = DraftKind::Execute { number, cursor: false };
        }
        request
    }

    fn unknown_statement<'a>(&mut self, command: &Command<'_>, name: &str) -> Request<'a> {
        let refusal =
            Refusal::new(RefusalKind::ProtocolViolation, format!("Unknown prepared statement handler given to {name}"))
                .hint("prepare it again; if it was refused, its error says why");
        self.refuse_command(command, name, refusal, Some(UNKNOWN_STATEMENT))
    }
}

/// Types that came in a packet, with their bytes.
fn types_sent(body: &[u8], at: usize, list: Vec<ParamType>, named: bool) -> Types {
    let rest = body.get(at..).unwrap_or_default();
    let length = if named { named_types_length(rest, list.len()) } else { list.len() * 2 };
    let wire = rest.get(..length).unwrap_or_default().to_vec();
    Types { list, wire, upstream_has: false }
}

/// Bytes of types that each have a name behind them; they were read once already.
fn named_types_length(rest: &[u8], count: usize) -> usize {
    let mut cursor = wire::Cursor::new(rest);
    for _ in 0..count {
        if cursor.take(2).is_err() || crate::message::lenenc::bytes(&mut cursor).is_err() {
            break;
        }
    }
    rest.len() - cursor.rest().len()
}

/// The packet again, with the types that the upstream never got.
fn with_types(body: &[u8], flag_at: usize, types: &[u8]) -> Bytes {
    let (before, after) = body.split_at(flag_at.min(body.len()));
    let mut out = Vec::with_capacity(body.len() + types.len() + packet::HEADER + 1);
    let start = packet::begin(&mut out);
    out.push(command::STMT_EXECUTE);
    out.extend_from_slice(before);
    out.push(1);
    out.extend_from_slice(types);
    out.extend_from_slice(after.get(1..).unwrap_or_default());
    packet::finish(&mut out, start, 0);
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_put_where_they_were_left_out() {
        let body = b"\x01\0\0\0\0\x01\0\0\0\0\0\x02hi";
        let wire = with_types(body, 10, b"\xfd\0");
        assert_eq!(&wire[..], b"\x11\0\0\0\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x02hi");
    }
}
