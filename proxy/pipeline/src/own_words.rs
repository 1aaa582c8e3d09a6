//! What we say to the client by ourselves: refusals, notices, the login's last frames, goodbyes. None of it is the
//! upstream's, and what stands before it in the client's buffer cannot be reached from here.

use model::Refusal;
use std::fmt;
use wire::Conversation;

/// Words of our own. Built only here, each by the adapter's method for it.
pub struct OwnWords {
    frames: Vec<u8>,
}

impl OwnWords {
    /// What the login ends with.
    pub(crate) fn greeting(frames: Vec<u8>) -> Self {
        Self { frames }
    }

    /// The adapter's answer to what it does not pass on.
    pub(crate) fn reply(frames: Vec<u8>) -> Self {
        Self { frames }
    }

    /// The refusal of a statement, where the protocol has it answered at once.
    pub(crate) fn refusal(frames: Vec<u8>) -> Self {
        Self { frames }
    }

    /// A notice, if the protocol can carry one now.
    pub fn notice(conversation: &mut dyn Conversation, text: &str) -> Option<Self> {
        let mut frames = Vec::new();
        conversation.notice(text, &mut frames).then_some(Self { frames })
    }

    /// The last words of a session, if the protocol allows any now.
    pub fn farewell(conversation: &mut dyn Conversation, refusal: &Refusal) -> Self {
        let mut frames = Vec::new();
        conversation.farewell(refusal, &mut frames);
        Self { frames }
    }

    /// The last words to a client whose login is complete but which was not told so.
    pub fn turned_away(conversation: &mut dyn Conversation, refusal: &Refusal) -> Self {
        let mut frames = Vec::new();
        conversation.turn_away(refusal, &mut frames);
        Self { frames }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn frames(&self) -> &[u8] {
        &self.frames
    }
}

impl fmt::Debug for OwnWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of our own", self.frames.len())
    }
}
