//! The packets inside a stream that comes in pieces: where each begins, and what its header says.

use crate::message::packet::{self, HEADER};

/// Walks over the packets of a stream.
#[derive(Default)]
pub(super) struct Frames {
    /// Bytes of the header that have been seen, while it is not whole.
    head: [u8; HEADER],
    have: usize,
    /// Bytes of the present packet that are still to come.
    left: usize,
}

/// What is next in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So many bytes of the present packet.
    Body(usize),
    /// A header ended: the packet's length and sequence id. So many bytes belong to the header.
    Head {
        /// Bytes of the piece that are the rest of the header.
        bytes: usize,
        /// The packet's payload.
        length: usize,
        /// Its sequence id.
        sequence: u8,
    },
    /// So many bytes of a header that is not whole.
    Partial(usize),
}

impl Frames {
    /// Looks at the front of a piece, which must not be empty, and goes past what it found.
    pub(super) fn next(&mut self, piece: &[u8]) -> Next {
        if self.left > 0 {
            let count = self.left.min(piece.len());
            self.left -= count;
            return Next::Body(count);
        }
        let wanted = (HEADER - self.have).min(piece.len());
        for (to, from) in self.head.iter_mut().skip(self.have).zip(piece.iter().take(wanted)) {
            *to = *from;
        }
        self.have += wanted;
        if self.have < HEADER {
            return Next::Partial(wanted);
        }
        self.have = 0;
        let (length, sequence) = packet::header(&self.head).unwrap_or_default();
        self.left = length;
        Next::Head { bytes: wanted, length, sequence }
    }

    /// Whether the stream stands between two packets.
    pub(super) fn between(&self) -> bool {
        self.left == 0 && self.have == 0
    }
}
