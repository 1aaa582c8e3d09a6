//! What may be a name, and where nothing else can stand.

use super::Scan;

/// What stands directly before: nothing keeps `t.limit` from being a name, or `t.1_0`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Name,
    /// The dot behind a name.
    Dot,
    Other,
}

impl Scan<'_> {
    /// In MySQL `t.1x` continues a name after a dot; a number cannot follow a name there.
    pub(super) fn after_name(&self) -> bool {
        !self.space && self.last == Last::Name
    }

    /// What follows a name and its dot directly is a name, whatever it looks like.
    pub(super) fn after_dot(&self) -> bool {
        !self.space && self.last == Last::Dot
    }

    /// Whether the server reads these bytes as the name that we read, and keeps it as it is; refuses the text if not.
    pub(super) fn is_name(&mut self, name: &[u8]) -> bool {
        if name.is_ascii() || self.lexis.postgres {
            return true;
        }
        if !self.lexis.high_letters {
            self.refuse("outside of strings, the client's character set has letters and spaces of its own: use UTF-8");
            return false;
        }
        // Names are stored in a form of UTF-8 that has no such characters: the server puts a question mark.
        let kept = std::str::from_utf8(name).is_ok_and(|name| name.chars().all(|c| u32::from(c) <= 0xffff));
        if !kept {
            self.refuse("a name holds characters that the server does not keep");
        }
        kept
    }
}
