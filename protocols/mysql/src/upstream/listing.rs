//! Answers that describe and carry no rows: of COM_STMT_PREPARE, driven by its counts, and of COM_FIELD_LIST, driven by
//! its end.

use super::due::{Kind, Preparing};
use super::{LONGEST_OTHER, completed, is_end, is_error};
use crate::client::prepared::Entry;
use crate::conversation::MysqlConversation;
use crate::message::ok::Ok as OkPacket;
use crate::message::prepared::PrepareOk;
use std::collections::HashMap;
use wire::{Answer, Step, Violation};

impl MysqlConversation {
    /// COM_STMT_PREPARE: handed out whole.
    pub(super) fn prepared_answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let Some(Kind::Prepare(preparing)) = self.due.front().map(|due| &due.kind) else {
            return Err(Violation("nothing is being prepared".to_owned()));
        };
        let statement = preparing.statement;
        let packet = match self.packet(input, self.expected, LONGEST_OTHER)? {
            Ok(packet) => packet,
            Err(more) => return Ok(Step::Need(more)),
        };
        if is_error(&packet) {
            if let Some(step) = self.progress(input, &packet) {
                return Ok(step);
            }
            let facts = preparing_facts(self.due.front().map(|due| &due.kind));
            return self.failed(input, &packet, statement, facts.as_deref());
        }
        let ok = PrepareOk::decode(&packet.payload)?;
        let (mut at, mut expected) = (packet.extent.bytes, packet.extent.next_sequence());
        for count in [ok.parameters, ok.columns] {
            let ends = count > 0 && !self.deprecate_eof;
            for index in 0..u32::from(count) + u32::from(ends) {
                let packet = match self.packet(input.get(at..).unwrap_or_default(), expected, LONGEST_OTHER)? {
                    Ok(packet) => packet,
                    Err(more) => return Ok(Step::Need(more)),
                };
                if ends && index == u32::from(count) {
                    OkPacket::decode_eof(&packet.payload)?;
                } else if is_error(&packet) {
                    return Err(Violation("an error among the definitions of a prepared statement".to_owned()));
                }
                at += packet.extent.bytes;
                expected = packet.extent.next_sequence();
            }
        }
        let wire = self.pass(input, at, expected);
        if let Some(Kind::Prepare(Preparing { statement, sql, facts, settings, sent })) =
            self.due.front().map(|due| &due.kind)
        {
            let entry = Entry {
                prepared_by: *statement,
                sql: sql.clone(),
                sent: sent.clone(),
                facts: facts.clone(),
                settings: settings.clone(),
                parameters: usize::from(ok.parameters),
                types: None,
                long: HashMap::new(),
                overflowed: false,
                cursor: None,
            };
            self.prepared.insert(ok.id, entry);
        }
        self.answered();
        let item = Answer::Done { statement, outcome: completed(None), message: None, last: true, wire };
        Ok(Step::Got { consumed: at, item })
    }

    /// COM_FIELD_LIST: definitions one by one, then an end.
    pub(super) fn next_definition<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let Some(Kind::FieldList(statement)) = self.due.front().map(|due| &due.kind) else {
            return Err(Violation("no definitions are due".to_owned()));
        };
        let statement = *statement;
        let packet = match self.packet(input, self.expected, LONGEST_OTHER)? {
            Ok(packet) => packet,
            Err(more) => return Ok(Step::Need(more)),
        };
        if is_error(&packet) {
            return self.failed(input, &packet, statement, None);
        }
        let bytes = packet.extent.bytes;
        if is_end(&packet, self.deprecate_eof) {
            OkPacket::decode_end(&packet.payload, self.deprecate_eof)?;
            let wire = self.pass(input, bytes, packet.extent.next_sequence());
            self.answered();
            let item = Answer::Done { statement, outcome: completed(None), message: None, last: true, wire };
            return Ok(Step::Got { consumed: bytes, item });
        }
        crate::message::column::ColumnDefinition::decode(&packet.payload, self.extended)?;
        let wire = self.pass(input, bytes, packet.extent.next_sequence());
        Ok(Step::Got { consumed: bytes, item: Answer::Forward(wire) })
    }
}

fn preparing_facts(kind: Option<&Kind>) -> Option<std::sync::Arc<model::Facts>> {
    match kind {
        Some(Kind::Prepare(preparing)) => Some(preparing.facts.clone()),
        _ => None,
    }
}
