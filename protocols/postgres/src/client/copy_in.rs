//! Data of COPY FROM STDIN. It is handed on as it comes, cut where the input ends.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY>: during the copy the upstream ignores Flush
//! and Sync; after an error it ignores the data that still comes.

use crate::conversation::PostgresConversation;
use crate::message::{Frame, HEAD};
use crate::state::Op;
use wire::{Request, Step, Violation};

impl PostgresConversation {
    /// Whether a copy is going on or may begin with what was sent: data may come before the upstream says that it is
    /// ready for it.
    fn copy_expected(&self) -> bool {
        self.copying_in || self.ops.iter().any(Op::copy_in)
    }

    /// The head of a CopyData, and as much of it as is here.
    pub(super) fn copy_data<'a>(&mut self, input: &'a [u8], total: usize) -> Step<Request<'a>> {
        self.data_dropped = self.absorbing || !self.copy_expected();
        self.data_left = total;
        // The head stays together.
        match input.get(..HEAD) {
            Some(_) => self.rest_of_data(input),
            None => Step::Need(HEAD.saturating_sub(input.len())),
        }
    }

    /// More of a CopyData.
    pub(super) fn rest_of_data<'a>(&mut self, input: &'a [u8]) -> Step<Request<'a>> {
        let (here, _) = input.split_at(self.data_left.min(input.len()));
        if here.is_empty() {
            return Step::Need(1);
        }
        self.data_left = self.data_left.saturating_sub(here.len());
        let item = if self.data_dropped { Request::Absorb } else { Request::Data(here) };
        Step::Got { consumed: here.len(), item }
    }

    /// CopyDone or CopyFail.
    pub(super) fn copy_end<'a>(&mut self, frame: Frame<'a>) -> Result<Request<'a>, Violation> {
        if self.absorbing || !self.copy_expected() {
            return Ok(Request::Absorb);
        }
        if !self.copying_in {
            self.push(Op::CopyEnd)?;
        }
        self.copying_in = false;
        Ok(Request::Data(frame.wire))
    }
}
