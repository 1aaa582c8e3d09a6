//! The answer side: whose answer each message of the upstream is, and what it means.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html>. Anything that does not fit what was sent ends the
//! session: a misattributed row would be masked by another statement's plan.

mod columns;
mod complete;
mod errors;
mod ready;
mod rows;
mod splice;

use crate::conversation::PostgresConversation;
use crate::message::session::parameter_status;
use crate::message::{Frame, HEAD, frame, head};
use crate::state::{Live, Op};
use model::{ServerMessage, Severity};
use std::borrow::Cow;
use wire::{Answer, Step, Violation};

/// The largest message that is not a row.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// What a handler makes of a frame.
enum Outcome<'a> {
    /// The frame is understood.
    Consumed(Answer<'a>),
    /// Something else must be said first; the frame is looked at again.
    First(Answer<'a>),
}

use Outcome::{Consumed, First};

/// An answer that nothing asked for.
fn unexpected(tag: u8, op: Option<&Op>) -> Violation {
    let op = match op {
        None => "nothing that was asked".to_owned(),
        Some(op) => format!("{op:?}").chars().take_while(|c| c.is_alphanumeric()).collect(),
    };
    Violation(format!("message {:?} is no answer to {op}", char::from(tag)))
}

impl PostgresConversation {
    pub(crate) fn look_at_upstream<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        if self.cut > 0 {
            return self.rows(input);
        }
        let Some((tag, _)) = head(input)? else { return Ok(Step::Need(HEAD.saturating_sub(input.len()))) };
        let asked = matches!(self.front(), Some(Op::Refresh));
        if matches!(tag, b'D' | b'd') && !asked {
            return self.rows(input);
        }
        match frame(input, MAX_MESSAGE)? {
            Step::Need(more) => Ok(Step::Need(more)),
            Step::Got { consumed, item } => match self.message(item)? {
                Consumed(item) => Ok(Step::Got { consumed, item }),
                First(item) => Ok(Step::Got { consumed: 0, item }),
            },
        }
    }

    fn message<'a>(&mut self, frame: Frame<'a>) -> Result<Outcome<'a>, Violation> {
        match frame.tag {
            b'S' => self.parameter(frame).map(Consumed),
            b'N' => self.notice_response(frame).map(Consumed),
            b'A' => {
                // Its payload was written by another session.
                let message = ServerMessage {
                    severity: Severity::Notice,
                    code: "00000".to_owned(),
                    may_quote_data: true,
                    denied: false,
                };
                Ok(Consumed(Answer::Message { statement: None, message, wire: Cow::Borrowed(frame.wire) }))
            }
            b'E' => self.error_response(frame),
            b'Z' => self.ready_for_query(frame),
            b'T' | b'n' | b't' => self.description(frame).map(Consumed),
            b'C' | b'I' => self.command_complete(frame),
            b'1' | b'2' | b'3' | b's' => self.acknowledgement(frame),
            b'G' => self.copy_in_response(frame).map(Consumed),
            b'H' => self.copy_out_response(frame).map(Consumed),
            b'c' => self.copy_done(frame).map(Consumed),
            b'V' => self.function_result(frame).map(Consumed),
            b'D' => self.refresh_row(frame).map(Consumed),
            b'W' => Err(Violation("the upstream began a replication stream, which is not supported".to_owned())),
            tag => Err(unexpected(tag, self.ops.front())),
        }
    }

    fn parameter<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        let (name, value) = parameter_status(frame.body)?;
        self.session.report(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
        Ok(Answer::Forward(Cow::Borrowed(frame.wire)))
    }

    /// The live statement of the front operation, if it has one.
    fn front_live(&mut self) -> Option<&mut Live> {
        let id = self.front().and_then(Op::statement)?;
        self.find(id)
    }
}
