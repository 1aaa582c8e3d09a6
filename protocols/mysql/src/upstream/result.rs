//! Results of a running statement: OK, ERR, or columns and rows, one after the other while the server says that more
//! follow.

use super::due::{Expect, Fetch, Kind, Run};
use super::{LONGEST, LONGEST_OTHER, Packet, completed, is_end, is_error};
use crate::client::prepared::Cursor;
use crate::conversation::MysqlConversation;
use crate::message::lenenc;
use crate::message::ok::{CURSOR_EXISTS, IN_TRANSACTION, LAST_ROW_SENT, MORE_RESULTS, Ok as OkPacket, PS_OUT_PARAMS};
use crate::settings;
use model::{Column, Facts, RowLayout, StatementId, Verb};
use std::sync::Arc;
use wire::{Answer, RowBatch, Step, Violation};

/// Columns that a result may have: tables are held to fewer, results are not.
const MOST_COLUMNS: u64 = 65_535;
/// Bytes of all definitions of a result.
const MOST_DEFINITIONS: usize = 16 * 1024 * 1024;
/// Bytes of rows handed out at once.
const BATCH: usize = 256 * 1024;

impl MysqlConversation {
    /// The next step of a running statement or of a FETCH.
    pub(super) fn next_of_result<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let (statement, result, columns) = match self.due.front().map(|due| &due.kind) {
            Some(Kind::Run(Run { expect: Expect::Result, .. })) => return self.first_of_result(input),
            Some(Kind::Run(Run { expect: Expect::File(_), .. })) => return self.during_upload(input),
            Some(Kind::Run(Run { statement, result, expect: Expect::Rows(columns), .. })) => {
                (*statement, *result, columns.clone())
            }
            Some(Kind::Fetch(Fetch { cursor, .. })) => (cursor.statement, cursor.result, cursor.columns.clone()),
            _ => return Err(Violation("no result is due".to_owned())),
        };
        self.rows(input, statement, result, columns)
    }

    fn first_of_result<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let packet = match self.packet(input, self.expected, LONGEST_OTHER)? {
            Ok(packet) => packet,
            Err(more) => return Ok(Step::Need(more)),
        };
        if self.is_unwanted() && !self.is_progress(&packet) {
            return self.answer_for_unwanted(&packet);
        }
        match packet.payload.first() {
            None => Err(Violation("an empty packet where a result was due".to_owned())),
            Some(0xFF) => self.error_or_progress(input, &packet),
            // A comment after the last semicolon is a statement of its own to the server, and has an OK.
            Some(0x00) if self.results_beyond() <= 1 => {
                let ok = OkPacket::decode(&packet.payload)?;
                self.end_of_result(input, &packet, ok, Some(ok.affected))
            }
            Some(_) if self.results_beyond() > 0 => {
                Err(Violation("the upstream has more results than the statement was understood to have".to_owned()))
            }
            Some(&lenenc::NULL) => self.file_asked_for(input, &packet),
            Some(_) => self.columns(input, &packet),
        }
    }

    /// How many results the one that is due lies beyond those that the statement was understood to have. More of them mean
    /// that the server has read the text in another way than we have.
    fn results_beyond(&self) -> usize {
        match self.due.front().map(|due| &due.kind) {
            Some(Kind::Run(run)) => beyond(&run.facts, run.result),
            _ => 0,
        }
    }

    fn error_or_progress<'a>(&mut self, input: &'a [u8], packet: &Packet<'_>) -> Result<Step<Answer<'a>>, Violation> {
        if let Some(step) = self.progress(input, packet) {
            return Ok(step);
        }
        let (statement, facts) = self.running();
        if let Some(Kind::Fetch(fetch)) = self.due.front().map(|due| &due.kind) {
            let number = fetch.number;
            self.prepared.close_cursor(number);
        }
        self.failed(input, packet, statement, facts.as_deref())
    }

    fn running(&self) -> (StatementId, Option<Arc<Facts>>) {
        match self.due.front().map(|due| &due.kind) {
            Some(Kind::Run(run)) => (run.statement, Some(run.facts.clone())),
            Some(Kind::Fetch(fetch)) => {
                let facts = self.prepared.get(fetch.number).map(|entry| entry.facts.clone());
                (fetch.cursor.statement, facts)
            }
            _ => (StatementId(0), None),
        }
    }

    /// A column count, its definitions and, without DEPRECATE_EOF, an EOF: handed out together.
    fn columns<'a>(&mut self, input: &'a [u8], first: &Packet<'_>) -> Result<Step<Answer<'a>>, Violation> {
        let mut counted = wire::Cursor::new(&first.payload);
        let count = lenenc::int(&mut counted).ok().filter(|count| (1..=MOST_COLUMNS).contains(count));
        let (Some(count), true) = (count, counted.is_empty()) else {
            return Err(Violation("malformed column count".to_owned()));
        };
        let binary = matches!(self.due.front().map(|due| &due.kind), Some(Kind::Run(Run { prepared: Some(_), .. })));
        let catalog = self.datasource.catalog();
        let (mut at, mut expected) = (first.extent.bytes, first.extent.next_sequence());
        for _ in 0..count {
            let packet = match self.packet(input.get(at..).unwrap_or_default(), expected, LONGEST_OTHER)? {
                Ok(packet) => packet,
                Err(more) => return Ok(Step::Need(more)),
            };
            at += packet.extent.bytes;
            expected = packet.extent.next_sequence();
            if at > MOST_DEFINITIONS {
                return Err(Violation("column definitions without end".to_owned()));
            }
        }
        let frames = input.get(first.extent.bytes..at).unwrap_or_default();
        let mut status = 0;
        if !self.deprecate_eof {
            let packet = match self.packet(input.get(at..).unwrap_or_default(), expected, LONGEST_OTHER)? {
                Ok(packet) => packet,
                Err(more) => return Ok(Step::Need(more)),
            };
            status = OkPacket::decode_eof(&packet.payload)?.status;
            at += packet.extent.bytes;
            expected = packet.extent.next_sequence();
        }
        let columns = self.definitions.columns(frames, binary, self.extended, &catalog)?;
        let wire = self.pass(input, at, expected);
        let Some(Kind::Run(run)) = self.due.front_mut().map(|due| &mut due.kind) else {
            return Err(Violation("columns of nothing".to_owned()));
        };
        let (statement, result) = (run.statement, run.result);
        run.expect = Expect::Rows(columns.clone());
        run.more_announced = status & PS_OUT_PARAMS != 0 && status & MORE_RESULTS != 0;
        if status & CURSOR_EXISTS != 0 && run.cursor {
            // Without DEPRECATE_EOF this EOF is the answer's last packet.
            self.open_cursor(statement, result, columns.clone());
        }
        Ok(Step::Got { consumed: at, item: Answer::Columns { statement, result, columns, wire } })
    }

    /// The answer is over, and the rows come by FETCH.
    fn open_cursor(&mut self, statement: StatementId, result: u32, columns: Arc<[Column]>) {
        if let Some(Kind::Run(Run { prepared: Some(number), .. })) = self.due.front().map(|due| &due.kind) {
            let number = *number;
            if let Some(entry) = self.prepared.get_mut(number) {
                entry.cursor = Some(Cursor { statement, result, columns });
            }
        }
        self.answered();
    }

    /// As many whole rows as there are, or what ends them.
    fn rows<'a>(
        &mut self,
        input: &'a [u8],
        statement: StatementId,
        result: u32,
        columns: Arc<[Column]>,
    ) -> Result<Step<Answer<'a>>, Violation> {
        let (mut at, mut rows, mut expected) = (0, 0_u64, self.expected);
        while at < BATCH {
            let packet = match self.packet(input.get(at..).unwrap_or_default(), expected, LONGEST)? {
                Ok(packet) => packet,
                Err(more) if rows == 0 => return Ok(Step::Need(more)),
                Err(_) => break,
            };
            if is_end(&packet, self.deprecate_eof) || is_error(&packet) {
                if rows > 0 {
                    break;
                }
                return self.end_of_rows(input, &packet, columns);
            }
            at += packet.extent.bytes;
            rows += 1;
            expected = packet.extent.next_sequence();
        }
        self.expected = expected;
        let wire = input.get(..at).unwrap_or_default();
        let batch = RowBatch { statement, result, columns, rows, wire, layout: RowLayout::Framed };
        Ok(Step::Got { consumed: at, item: Answer::Rows(batch) })
    }

    fn end_of_rows<'a>(
        &mut self,
        input: &'a [u8],
        packet: &Packet<'_>,
        columns: Arc<[Column]>,
    ) -> Result<Step<Answer<'a>>, Violation> {
        if is_error(packet) {
            return self.error_or_progress(input, packet);
        }
        let end = OkPacket::decode_end(&packet.payload, self.deprecate_eof)?;
        let bytes = packet.extent.bytes;
        let next = packet.extent.next_sequence();
        match self.due.front().map(|due| &due.kind) {
            Some(Kind::Fetch(fetch)) if end.status & LAST_ROW_SENT == 0 => {
                debug_assert!(fetch.cursor.columns.len() == columns.len());
                let wire = self.pass(input, bytes, next);
                self.answered();
                Ok(Step::Got { consumed: bytes, item: Answer::Forward(wire) })
            }
            Some(Kind::Fetch(fetch)) => {
                let (number, statement) = (fetch.number, fetch.cursor.statement);
                self.prepared.close_cursor(number);
                let wire = self.pass(input, bytes, next);
                self.answered();
                let item = Answer::Done { statement, outcome: completed(None), message: None, last: true, wire };
                Ok(Step::Got { consumed: bytes, item })
            }
            Some(Kind::Run(run)) if run.cursor && end.status & CURSOR_EXISTS != 0 && !end.more_results() => {
                let (statement, result) = (run.statement, run.result);
                let wire = self.pass(input, bytes, next);
                self.open_cursor(statement, result, columns);
                Ok(Step::Got { consumed: bytes, item: Answer::Forward(wire) })
            }
            _ => self.end_of_result(input, packet, end, None),
        }
    }

    fn end_of_result<'a>(
        &mut self,
        input: &'a [u8],
        packet: &Packet<'_>,
        end: OkPacket,
        affected: Option<u64>,
    ) -> Result<Step<Answer<'a>>, Violation> {
        let wire = self.pass(input, packet.extent.bytes, packet.extent.next_sequence());
        self.in_transaction = end.status & IN_TRANSACTION != 0;
        let tag = self.tag();
        let Some(Kind::Run(run)) = self.due.front_mut().map(|due| &mut due.kind) else {
            return Err(Violation("the end of nothing".to_owned()));
        };
        let statement = run.statement;
        run.received = None;
        let announced = std::mem::take(&mut run.more_announced);
        let last = !(announced || end.more_results());
        if last {
            self.answered();
            if let Some(facts) = self.setting.take().filter(|_| affected.is_some())
                && settings::set(Arc::make_mut(&mut self.settings), &facts).is_some()
            {
                self.stale = false;
            }
        } else {
            // A CALL has any number of results with rows, and then one without, which ends it: what follows is of the next part.
            run.result += u32::from(affected.is_some() || !is_call_before_others(&run.facts, run.result));
            run.expect = Expect::Result;
        }
        let outcome = model::Outcome { tag, ..completed(affected) };
        let item = Answer::Done { statement, outcome, message: None, last, wire };
        Ok(Step::Got { consumed: packet.extent.bytes, item })
    }
}

/// Whether the part of this index is a CALL with others behind it.
fn is_call_before_others(facts: &Facts, result: u32) -> bool {
    let parts = usize::try_from(result).ok().and_then(|index| facts.parts.get(index..)).unwrap_or_default();
    facts.unparsed.is_none() && parts.len() > 1 && parts.first().is_some_and(|part| part.verb == Verb::Call)
}

/// How far the result of this index lies beyond those of a statement with these facts; 0 where they cannot be counted.
fn beyond(facts: &Facts, result: u32) -> usize {
    let uncounted = facts.unparsed.is_some()
        || facts.parts.iter().any(|part| part.verb == Verb::Other)
        || facts.parts.last().is_some_and(|part| part.verb == Verb::Call);
    let results = usize::try_from(result).unwrap_or(usize::MAX).saturating_add(1);
    if uncounted { 0 } else { results.saturating_sub(facts.parts.len()) }
}
