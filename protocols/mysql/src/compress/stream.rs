//! A compressed connection: reads and writes packets as if they were not.

use super::codec::{Algorithm, Codec, HEADER, after, whole};
use super::frames::{Frames, Next};
use crate::message::packet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wire::{Coded, Transport};

/// Bytes that become one compressed packet, more or less: what is inside is not torn apart where it need not be, as servers
/// do not, and some clients could not put it together again.
const CHUNK: usize = 64 * 1024;
/// Bytes taken at once.
const TAKEN: usize = 256 * 1024;
/// Bytes read at once.
const READ: usize = 16 * 1024;
/// Bytes that may wait for the connection before no more are taken.
const MOST_WAITING: usize = 256 * 1024;
/// Buffers beyond this are given back once they are empty.
const KEPT: usize = 16 * 1024;

/// Which side of the hop we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The client is there: it begins a command with outer id 0, and we go on counting.
    Server,
    /// The upstream is there: we begin.
    Client,
}

/// A compressed connection.
pub(crate) struct Compressed {
    under: Transport,
    /// `None` if its memory was not to be had: the first use is an error then.
    codec: Option<Codec>,
    role: Role,
    /// The next outer sequence id, in either direction.
    sequence: u8,
    /// The next inner sequence id of the peer.
    inner: u8,
    /// The outer sequence id that was read last, if nothing was written since.
    read_last: Option<u8>,
    /// Bytes of the peer that are not unpacked.
    raw: Vec<u8>,
    /// Bytes that are, from `plain_at` on.
    plain: Vec<u8>,
    plain_at: usize,
    incoming: Frames,
    outgoing: Outgoing,
    /// Bytes for the peer, from `out_at` on.
    out: Vec<u8>,
    out_at: usize,
}

/// What has been written so far.
#[derive(Default)]
struct Outgoing {
    frames: Frames,
    /// The present packet is the login's last, which is not compressed.
    bare: bool,
    /// Length and sequence id of the packet that was begun last.
    last: Option<(usize, u8)>,
    /// What becomes the next compressed packet.
    batch: Vec<u8>,
}

impl Compressed {
    /// A client's connection. The first packet that is written to it, the login's last, goes out as it is.
    pub(crate) fn towards_client(under: Transport, algorithm: Algorithm) -> Transport {
        Self::over(under, algorithm, Role::Server)
    }

    /// An upstream's connection, after its OK was read.
    pub(crate) fn towards_upstream(under: Transport, algorithm: Algorithm) -> Transport {
        Self::over(under, algorithm, Role::Client)
    }

    fn over(under: Transport, algorithm: Algorithm, role: Role) -> Transport {
        let outgoing = Outgoing { bare: role == Role::Server, ..Outgoing::default() };
        Transport::Coded(Box::new(Self {
            under,
            codec: Codec::new(algorithm).ok(),
            role,
            sequence: 0,
            inner: 0,
            read_last: None,
            raw: Vec::new(),
            plain: Vec::new(),
            plain_at: 0,
            incoming: Frames::default(),
            outgoing,
            out: Vec::new(),
            out_at: 0,
        }))
    }

    /// Unpacks what is there whole; whether anything came of it.
    fn unpack(&mut self) -> io::Result<bool> {
        let mut at = 0;
        while self.plain.len() < CHUNK {
            let Some((header, packed)) = whole(self.raw.get(at..).unwrap_or_default()) else { break };
            // A client begins anew with every command; ids also wrap, within one.
            let wraps = self.read_last == Some(255);
            let begins = self.role == Role::Server && header.sequence == 0 && self.incoming.between() && !wraps;
            if header.sequence != self.sequence && !begins {
                let (got, due) = (header.sequence, self.sequence);
                return Err(invalid(format!("compressed packet: sequence id {got} where {due} was due")));
            }
            self.sequence = after(header.sequence, 1);
            let codec = self.codec.as_mut().ok_or_else(no_memory)?;
            let start = self.plain.len();
            codec.unpack(header, packed, &mut self.plain)?;
            at += HEADER + header.length;
            self.read_last = Some(header.sequence);
            if begins {
                self.inner = 0;
            }
            self.number(start);
        }
        self.raw.drain(..at.min(self.raw.len()));
        give_back(&mut self.raw);
        Ok(at > 0)
    }

    /// Numbers the packets that were unpacked to `start` and behind it: neither servers nor clients look at the ids inside,
    /// and some of each send others than without compression.
    fn number(&mut self, start: usize) {
        let mut at = start;
        while let Some(piece) = self.plain.get(at..).filter(|piece| !piece.is_empty()) {
            at += match self.incoming.next(piece) {
                Next::Body(count) | Next::Partial(count) => count,
                Next::Head { bytes, .. } => {
                    // The sequence id is a header's last byte.
                    if let Some(sequence) = self.plain.get_mut((at + bytes).saturating_sub(1)) {
                        *sequence = self.inner;
                    }
                    self.inner = after(self.inner, 1);
                    bytes
                }
            };
        }
    }

    /// Takes bytes to be sent, as one compressed packet or, where commands begin among them, several.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut at = 0;
        while let Some(piece) = bytes.get(at..).filter(|piece| !piece.is_empty()) {
            at += match self.outgoing.frames.next(piece) {
                Next::Partial(count) => count,
                Next::Body(count) => {
                    self.add(piece.get(..count).unwrap_or_default())?;
                    count
                }
                Next::Head { bytes, length, sequence } => {
                    if self.role == Role::Client && self.begins(sequence) {
                        self.seal()?;
                        self.sequence = 0;
                    }
                    let long = self.outgoing.batch.len() + packet::HEADER + length > CHUNK;
                    if !self.outgoing.batch.is_empty() && long {
                        self.seal()?;
                    }
                    self.outgoing.last = Some((length, sequence));
                    self.inner = after(sequence, 1);
                    let mut header = Vec::with_capacity(packet::HEADER);
                    packet::put_header(&mut header, length, sequence);
                    self.add(&header)?;
                    bytes
                }
            };
            if self.outgoing.bare && self.outgoing.frames.between() {
                self.outgoing.bare = false;
            }
        }
        if self.outgoing.batch.len() >= CHUNK && self.outgoing.frames.between() { self.seal() } else { Ok(()) }
    }

    /// Whether a packet of ours with this id begins a command. Ids wrap, and only the data of LOCAL INFILE are so many
    /// packets: there, an empty one is the last.
    fn begins(&self, sequence: u8) -> bool {
        sequence == 0 && !matches!(self.outgoing.last, Some((1.., 255)))
    }

    fn add(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.outgoing.bare {
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        while !bytes.is_empty() {
            let room = packet::LONGEST - self.outgoing.batch.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.outgoing.batch.extend_from_slice(now);
            if self.outgoing.batch.len() == packet::LONGEST {
                self.seal()?;
            }
            bytes = later;
        }
        Ok(())
    }

    fn seal(&mut self) -> io::Result<()> {
        if !self.outgoing.batch.is_empty() {
            let codec = self.codec.as_mut().ok_or_else(no_memory)?;
            codec.put(&mut self.out, self.sequence, &self.outgoing.batch)?;
            self.read_last = None;
            self.sequence = after(self.sequence, 1);
            self.outgoing.batch.clear();
            give_back(&mut self.outgoing.batch);
        }
        Ok(())
    }

    /// Sends what waits. Ready when nothing does.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.out.get(self.out_at..).filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut self.under).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out_at += written;
        }
        self.out.clear();
        self.out_at = 0;
        give_back(&mut self.out);
        Poll::Ready(Ok(()))
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn no_memory() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "there is no memory for compression")
}

fn give_back(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > KEPT {
        *buffer = Vec::new();
    }
}

impl Coded for Compressed {
    fn under(&self) -> &Transport {
        &self.under
    }
}

impl AsyncRead for Compressed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let ready = this.plain.get(this.plain_at..).unwrap_or_default();
            if !ready.is_empty() {
                let count = ready.len().min(buf.remaining());
                buf.put_slice(ready.get(..count).unwrap_or_default());
                this.plain_at += count;
                if this.plain_at == this.plain.len() {
                    this.plain.clear();
                    this.plain_at = 0;
                    give_back(&mut this.plain);
                }
                return Poll::Ready(Ok(()));
            }
            if this.unpack()? {
                continue;
            }
            let mut space = [0; READ];
            let mut piece = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.under).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                let cut = !this.raw.is_empty();
                return Poll::Ready(if cut { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) });
            }
            this.raw.extend_from_slice(piece.filled());
        }
    }
}

impl AsyncWrite for Compressed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(Err(error)) = this.poll_push(cx) {
            return Poll::Ready(Err(error));
        }
        if this.out.len().saturating_sub(this.out_at) >= MOST_WAITING {
            return Poll::Pending;
        }
        let count = buf.len().min(TAKEN);
        this.take(buf.get(..count).unwrap_or_default())?;
        match this.poll_push(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.seal()?;
        ready!(this.poll_push(cx))?;
        Pin::new(&mut this.under).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.seal()?;
        ready!(this.poll_push(cx))?;
        Pin::new(&mut this.under).poll_shutdown(cx)
    }
}
