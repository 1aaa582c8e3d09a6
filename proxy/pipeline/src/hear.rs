//! Hear: what the adapter makes of the upstream's bytes. Gives [`Heard`], the only thing that [`crate::mask()`] takes.

use wire::{Answer, Conversation, Step, Violation};

/// An answer as the session's adapter read it from the upstream's bytes. Built only here.
#[derive(Debug)]
pub struct Heard<'a> {
    answer: Answer<'a>,
}

/// The next thing that the upstream says.
///
/// # Errors
/// The upstream broke the protocol.
pub fn hear<'a>(conversation: &mut dyn Conversation, input: &'a [u8]) -> Result<Step<Heard<'a>>, Violation> {
    let answer = conversation.answer(input).inspect_err(|_| conversation.withheld())?;
    Ok(match answer {
        Step::Need(more) => Step::Need(more),
        Step::Got { consumed, item } => Step::Got { consumed, item: Heard { answer: item } },
    })
}

impl<'a> Heard<'a> {
    pub(crate) fn into_answer(self) -> Answer<'a> {
        self.answer
    }
}
