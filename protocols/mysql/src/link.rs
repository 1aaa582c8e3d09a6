//! Packets over a connection, for the login and for queries of our own: one exchange at a time, each read bounded.
//!
//! Until it is told otherwise a link reads exactly the packet that is due and not a byte more. So nothing that was sent
//! in plain text can be mistaken for something that came through TLS.

use crate::message::packet::{self, HEADER, LONGEST};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::Transport;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer broke the protocol.
    #[error("{0}")]
    Violation(String),
}

impl From<crate::message::Malformed> for LinkError {
    fn from(malformed: crate::message::Malformed) -> Self {
        Self::Violation(malformed.to_string())
    }
}

/// Bytes read at once where reading ahead is allowed.
const CHUNK: usize = 32 * 1024;

/// A connection that speaks in packets.
pub(crate) struct Link {
    transport: Transport,
    sequence: u8,
    read_ahead: bool,
    ahead: Vec<u8>,
    ahead_at: usize,
    out: Vec<u8>,
}

impl Link {
    /// Speaks over `transport`; the next packet in either direction has sequence id 0.
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, sequence: 0, read_ahead: false, ahead: Vec::new(), ahead_at: 0, out: Vec::new() }
    }

    /// From now on reads as much as there is. Only for a link that is never turned to TLS or handed on.
    pub(crate) fn read_ahead(&mut self) {
        self.read_ahead = true;
    }

    /// A new command begins.
    pub(crate) fn restart_sequence(&mut self) {
        self.sequence = 0;
    }

    /// The same, with a new command beginning.
    pub(crate) fn restarted(mut self) -> Self {
        self.restart_sequence();
        self
    }

    /// The sequence id of the next packet.
    pub(crate) fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Whether the bytes travel through TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.transport.tls_version().is_some()
    }

    /// The connection, to look at.
    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Gives the connection back.
    pub(crate) fn into_transport(self) -> Transport {
        self.transport
    }

    /// Goes on over another connection, made of this link's own by a TLS handshake. The sequence goes on.
    pub(crate) fn resumed(transport: Transport, sequence: u8) -> Self {
        Self { sequence, ..Self::new(transport) }
    }

    /// Reads one payload of at most `limit` bytes.
    pub(crate) async fn read(&mut self, limit: usize) -> Result<Vec<u8>, LinkError> {
        let mut payload = Vec::new();
        loop {
            let mut head = [0; HEADER];
            self.fill(&mut head).await?;
            let Some((length, sequence)) = packet::header(&head) else {
                return Err(LinkError::Violation("truncated header".to_owned()));
            };
            if sequence != self.sequence {
                return Err(LinkError::Violation(format!("sequence id {sequence} where {} was due", self.sequence)));
            }
            self.sequence = self.sequence.wrapping_add(1);
            if payload.len() + length > limit {
                return Err(LinkError::Violation(format!("a packet of more than {limit} bytes")));
            }
            let start = payload.len();
            payload.resize(start + length, 0);
            if let Some(space) = payload.get_mut(start..) {
                self.fill(space).await?;
            }
            if length < LONGEST {
                return Ok(payload);
            }
        }
    }

    /// Sends one payload.
    pub(crate) async fn write(&mut self, payload: &[u8]) -> Result<(), LinkError> {
        self.out.clear();
        self.sequence = packet::put(&mut self.out, self.sequence, payload);
        self.transport.write_all(&self.out).await?;
        self.transport.flush().await?;
        Ok(())
    }

    /// Fills `space` exactly.
    async fn fill(&mut self, space: &mut [u8]) -> io::Result<()> {
        if !self.read_ahead {
            return self.transport.read_exact(space).await.map(drop);
        }
        let mut filled = 0;
        while filled < space.len() {
            let waiting = self.ahead.get(self.ahead_at..).unwrap_or_default();
            if waiting.is_empty() {
                self.ahead.clear();
                self.ahead_at = 0;
                self.ahead.reserve(CHUNK);
                if self.transport.read_buf(&mut self.ahead).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            }
            let room = space.get_mut(filled..).unwrap_or_default();
            let count = waiting.len().min(room.len());
            if let (Some(to), Some(from)) = (room.get_mut(..count), waiting.get(..count)) {
                to.copy_from_slice(from);
            }
            filled += count;
            self.ahead_at += count;
        }
        Ok(())
    }
}
