//! The upstream's side: what its packets answer, and what they mean.

mod changing;
pub(crate) mod definitions;
mod due;
mod listing;
mod result;
pub(crate) mod rows;
mod simple;
pub(crate) mod splice;
mod table;
mod upload;

pub(crate) use due::{Due, Plain, Preparing};

use crate::conversation::{MysqlConversation, relayed};
use crate::message::error::{ErrorPacket, PROGRESS};
use crate::message::packet::{self, Extent, Front};
use crate::{errors, message};
use due::Kind;
use model::{Facts, Outcome, ServerMessage, Severity, StatementId, Status};
use std::borrow::Cow;
use wire::{Answer, Step, Violation};

/// The longest packet of an answer; a row is held in memory while it is masked and recorded.
pub(crate) const LONGEST: usize = 256 * 1024 * 1024;
/// The longest packet that is not a row.
const LONGEST_OTHER: usize = packet::LONGEST - 1;

/// A packet of the upstream whose sequence id is right.
pub(crate) struct Packet<'a> {
    /// Its extent in the input.
    pub(crate) extent: Extent,
    /// Its payload.
    pub(crate) payload: Cow<'a, [u8]>,
}

impl MysqlConversation {
    /// What the upstream says next. See [`wire::Conversation::answer`].
    pub(crate) fn next_answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        if let Some(statement) = self.closed.pop_front() {
            let outcome = completed(None);
            let item = Answer::Done { statement, outcome, message: None, last: true, wire: Cow::Borrowed(&[]) };
            return Ok(Step::Got { consumed: 0, item });
        }
        let Some(due) = self.due.front() else { return self.unasked(input) };
        match &due.kind {
            Kind::Run(_) | Kind::Fetch(_) => self.next_of_result(input),
            Kind::Prepare(_) => self.prepared_answer(input),
            Kind::FieldList(_) => self.next_definition(input),
            Kind::ChangeUser(_) => self.change_user_answer(input),
            Kind::Plain(_) => self.plain_answer(input),
            Kind::Settings => self.settings_answer(input),
            Kind::Table(_) => self.table_answer(input),
        }
    }

    /// The packet at the front, which must carry the sequence id that is due.
    fn packet<'a>(&self, input: &'a [u8], expected: u8, limit: usize) -> Result<Result<Packet<'a>, usize>, Violation> {
        let extent = match packet::front(input, limit)? {
            Front::Need(more) => return Ok(Err(more)),
            Front::Whole(extent) => extent,
        };
        if extent.sequence != expected {
            return Err(Violation(format!("sequence id {} where {expected} was due", extent.sequence)));
        }
        Ok(Ok(Packet { extent, payload: extent.payload(input)? }))
    }

    /// Takes `bytes` off the input for the client, up to and including a packet of this extent.
    fn pass<'a>(&mut self, input: &'a [u8], bytes: usize, next: u8) -> Cow<'a, [u8]> {
        self.expected = next;
        relayed(input.get(..bytes).unwrap_or_default(), self.shift)
    }

    /// A progress report goes to the client and ends nothing.
    fn progress<'a>(&mut self, input: &'a [u8], packet: &Packet<'_>) -> Option<Step<Answer<'a>>> {
        self.is_progress(packet).then(|| {
            let wire = self.pass(input, packet.extent.bytes, packet.extent.next_sequence());
            Step::Got { consumed: packet.extent.bytes, item: Answer::Forward(wire) }
        })
    }

    fn is_progress(&self, packet: &Packet<'_>) -> bool {
        ErrorPacket::decode(&packet.payload).is_ok_and(|error| error.code == PROGRESS)
    }

    /// Something that nobody asked for: only the reason for which the server is about to close.
    fn unasked<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let extent = match packet::front(input, LONGEST_OTHER)? {
            Front::Need(more) => return Ok(Step::Need(more)),
            Front::Whole(extent) => extent,
        };
        let payload = extent.payload(input)?;
        let Ok(error) = ErrorPacket::decode(&payload) else {
            return Err(Violation("the upstream spoke without being asked".to_owned()));
        };
        let message = ServerMessage { severity: Severity::Fatal, ..errors::describe(&error, None) };
        let wire = Cow::Borrowed(input.get(..extent.bytes).unwrap_or_default());
        Ok(Step::Got { consumed: extent.bytes, item: Answer::Message { statement: None, message, wire } })
    }

    /// The statement that is due first failed.
    fn failed<'a>(
        &mut self,
        input: &'a [u8],
        packet: &Packet<'_>,
        statement: StatementId,
        facts: Option<&Facts>,
    ) -> Result<Step<Answer<'a>>, Violation> {
        let error = ErrorPacket::decode(&packet.payload)?;
        let message = errors::describe(&error, facts);
        let outcome =
            Outcome { status: Status::Failed, tag: self.tag(), affected: None, error_code: Some(message.code.clone()) };
        let own = self.due.front().and_then(Due::own_text);
        let wire = match own.and_then(|own| errors::in_client_terms(&error, &own)) {
            None => self.pass(input, packet.extent.bytes, packet.extent.next_sequence()),
            Some(text) => {
                self.expected = packet.extent.next_sequence();
                let (mut payload, mut wire) = (Vec::new(), Vec::new());
                ErrorPacket { message: &text, ..error }.encode(&mut payload);
                packet::put(&mut wire, packet.extent.sequence.wrapping_add(self.shift), &payload);
                Cow::Owned(wire)
            }
        };
        self.answered();
        let item = Answer::Done { statement, outcome, message: Some(message), last: true, wire };
        Ok(Step::Got { consumed: packet.extent.bytes, item })
    }
}

/// A statement, or a part of it, that the upstream ran.
fn completed(affected: Option<u64>) -> Outcome {
    Outcome { status: Status::Completed, tag: String::new(), affected, error_code: None }
}

/// Whether a packet ends rows or definitions.
fn is_end(packet: &Packet<'_>, deprecate_eof: bool) -> bool {
    // A row may begin with 0xFE too: a first cell of 16 MiB or more, in a payload that is longer still.
    packet.payload.first() == Some(&0xFE) && packet.extent.packets == 1 && (deprecate_eof || packet.payload.len() < 9)
}

fn is_error(packet: &Packet<'_>) -> bool {
    packet.payload.first() == Some(&0xFF)
}

/// See [`wire::Conversation::template`]: the ERR packet again, its text replaced.
pub(crate) fn put_template(wire: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    let Front::Whole(extent) = packet::front(wire, LONGEST_OTHER)? else {
        return Err(Violation("a message that is no whole packet".to_owned()));
    };
    let payload = extent.payload(wire)?;
    let error = ErrorPacket::decode(&payload)?;
    let text = errors::template(error.code);
    let mut replaced = Vec::new();
    message::error::ErrorPacket { message: text.as_bytes(), ..error }.encode(&mut replaced);
    packet::put(out, extent.sequence, &replaced);
    Ok(())
}
