//! One compressed packet: three bytes of length, one of sequence, three of the length before compression (0: it is not
//! compressed), then the bytes.

use crate::message::capability::Capabilities;
use crate::message::packet::low_byte;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io;
use wire::Cursor;

/// Bytes of a header.
pub(super) const HEADER: usize = 7;
/// What is shorter is not worth compressing; servers and clients draw the line here as well.
const SHORTEST: usize = 50;

/// How a hop is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// zlib.
    Zlib,
    /// Zstandard.
    Zstd {
        /// How hard it tries.
        level: u8,
    },
}

impl Algorithm {
    /// The level that MySQL's clients ask for by default.
    pub(crate) const USUAL_LEVEL: u8 = 3;
    /// The highest level that a client gets: beyond, one statement could keep a core busy for long.
    const HIGHEST_LEVEL: u8 = 9;

    /// What was agreed on, if anything: zlib goes first where both are.
    pub(crate) fn agreed(capabilities: Capabilities, level: u8) -> Option<Self> {
        if capabilities.has(Capabilities::COMPRESS) {
            return Some(Self::Zlib);
        }
        let level = if level == 0 { Self::USUAL_LEVEL } else { level.min(Self::HIGHEST_LEVEL) };
        capabilities.has(Capabilities::ZSTD).then_some(Self::Zstd { level })
    }

    /// The capability that asks for it.
    pub(crate) fn flag(self) -> Capabilities {
        match self {
            Self::Zlib => Capabilities::COMPRESS,
            Self::Zstd { .. } => Capabilities::ZSTD,
        }
    }

    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zlib => "zlib",
            Self::Zstd { .. } => "zstd",
        }
    }

    /// The level that goes with the capability.
    pub(crate) fn level(self) -> u8 {
        match self {
            Self::Zlib => 0,
            Self::Zstd { level } => level,
        }
    }
}

/// A packet's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes that follow.
    pub(super) length: usize,
    /// The outer sequence id.
    pub(super) sequence: u8,
    /// Bytes that they become; 0 where they are what they are. Less than 16 MiB by its form.
    pub(super) plain: usize,
}

impl Header {
    /// Reads one; `None` if it is not whole.
    pub(super) fn decode(input: &[u8]) -> Option<Self> {
        let [a, b, c, sequence, d, e, f] = *input.first_chunk::<HEADER>()?;
        let three =
            |low: u8, middle: u8, high: u8| usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        Some(Self { length: three(a, b, c), sequence, plain: three(d, e, f) })
    }

    fn put(self, out: &mut Vec<u8>) {
        let [a, b, c, ..] = self.length.to_le_bytes();
        let [d, e, f, ..] = self.plain.to_le_bytes();
        out.extend_from_slice(&[a, b, c, self.sequence, d, e, f]);
    }
}

/// Both directions of a hop; what they remember between packets is only their memory.
pub(super) enum Codec {
    Zlib(Box<(Compress, Decompress)>),
    Zstd(Box<(zstd::bulk::Compressor<'static>, zstd::bulk::Decompressor<'static>)>),
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("compressed packet: {what}"))
}

impl Codec {
    /// For this algorithm.
    pub(super) fn new(algorithm: Algorithm) -> io::Result<Self> {
        Ok(match algorithm {
            Algorithm::Zlib => Self::Zlib(Box::new((Compress::new(Compression::fast(), true), Decompress::new(true)))),
            Algorithm::Zstd { level } => {
                Self::Zstd(Box::new((zstd::bulk::Compressor::new(i32::from(level))?, zstd::bulk::Decompressor::new()?)))
            }
        })
    }

    /// Appends `plain`, at most 0xFFFFFF bytes, as one packet.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, sequence: u8, plain: &[u8]) -> io::Result<()> {
        if plain.len() >= SHORTEST {
            // What does not get smaller is sent as it is.
            let packed = self.pack(plain)?;
            if let Some(packed) = packed.filter(|packed| packed.len() < plain.len()) {
                Header { length: packed.len(), sequence, plain: plain.len() }.put(out);
                out.extend_from_slice(&packed);
                return Ok(());
            }
        }
        Header { length: plain.len(), sequence, plain: 0 }.put(out);
        out.extend_from_slice(plain);
        Ok(())
    }

    /// Packs, if the result is no longer than what goes in.
    fn pack(&mut self, plain: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut packed = Vec::with_capacity(plain.len());
        match self {
            Self::Zlib(both) => {
                both.0.reset();
                let status = both.0.compress_vec(plain, &mut packed, FlushCompress::Finish)?;
                Ok((status == Status::StreamEnd).then_some(packed))
            }
            Self::Zstd(both) => match both.0.compress_to_buffer(plain, &mut packed) {
                Ok(_) => Ok(Some(packed)),
                // It needs more room than there is.
                Err(_) => Ok(None),
            },
        }
    }

    /// Appends what a packet's bytes become. It must be as long as its header says: no longer, whatever the bytes say,
    /// and no shorter.
    pub(super) fn unpack(&mut self, header: Header, packed: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        if header.plain == 0 {
            out.extend_from_slice(packed);
            return Ok(());
        }
        let mut plain = Vec::with_capacity(header.plain);
        match self {
            Self::Zlib(both) => {
                both.1.reset(true);
                let status = both
                    .1
                    .decompress_vec(packed, &mut plain, FlushDecompress::Finish)
                    .map_err(|error| broken(&error.to_string()))?;
                let used = usize::try_from(both.1.total_in()).unwrap_or(usize::MAX);
                if status != Status::StreamEnd || used != packed.len() {
                    return Err(broken("it does not end where it should"));
                }
            }
            Self::Zstd(both) => {
                both.1.decompress_to_buffer(packed, &mut plain).map_err(|error| broken(&error.to_string()))?;
            }
        }
        if plain.len() != header.plain {
            return Err(broken("it is not as long as it says"));
        }
        out.append(&mut plain);
        Ok(())
    }
}

/// The sequence id after so many packets.
pub(super) fn after(sequence: u8, packets: usize) -> u8 {
    sequence.wrapping_add(low_byte(packets))
}

/// The bytes of one whole packet at the front of `input`, if it is there.
pub(super) fn whole(input: &[u8]) -> Option<(Header, &[u8])> {
    let header = Header::decode(input)?;
    let mut cursor = Cursor::new(input);
    cursor.take(HEADER).ok()?;
    cursor.take(header.length).ok().map(|packed| (header, packed))
}
