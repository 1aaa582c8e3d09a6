//! What goes to the upstream without a permit: it starts nothing that was not permitted, and says of which kind it is.

use std::borrow::Cow;
use std::fmt;
use wire::{Conversation, Upkeep};

/// What an adapter sends to the upstream by itself. Built only here, out of what the session's own adapter asked for.
pub struct Housekeeping<'a> {
    kind: Kind,
    frames: Cow<'a, [u8]>,
}

/// Which kind of housekeeping it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// In its place among the client's frames.
    Upkeep(Upkeep),
    /// Data of a permitted copy or upload.
    Data,
    /// The end of the session.
    Goodbye,
}

impl<'a> Housekeeping<'a> {
    pub(crate) fn asked_for(upkeep: Upkeep, frames: Cow<'a, [u8]>) -> Self {
        Self { kind: Kind::Upkeep(upkeep), frames }
    }

    pub(crate) fn data(frames: &'a [u8]) -> Self {
        Self { kind: Kind::Data, frames: Cow::Borrowed(frames) }
    }

    /// The end of a session, as its protocol says it.
    pub fn goodbye(conversation: &dyn Conversation) -> Self {
        let mut frames = Vec::new();
        conversation.goodbye(&mut frames);
        Self { kind: Kind::Goodbye, frames: Cow::Owned(frames) }
    }

    pub(crate) fn frames(&self) -> &[u8] {
        &self.frames
    }
}

impl fmt::Debug for Housekeeping<'_> {
    /// Its kind and size: data may be anybody's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} bytes", self.kind, self.frames.len())
    }
}
