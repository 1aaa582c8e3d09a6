//! The frames of a journal file, and its header.
//!
//! ```text
//! file   := magic "AFFDVJ01" · u64 number · u64 first lsn · i64 created µs · [16] boot · u32 salt · u32 crc32c · 8 zero   (64 bytes)
//! frame  := u32 payload length · u8 kind · u8 flags · u16 zero · u64 lsn · i64 time µs · u32 salt · u32 crc32c · payload, padded to 8
//! ```
//! All integers big-endian. A frame's checksum covers its payload and then the 28 header bytes before the checksum, so
//! that the expensive part is computed before the journal's lock is taken. The salt is drawn for each use of a file: what a
//! recycled file held before never passes for new. The lsn counts frames from 1, without gaps, over the store's life.

use super::codec::{Put, Take, Undecodable};

pub(crate) const FILE_HEADER: usize = 64;
pub(crate) const FRAME_HEADER: usize = 32;
const MAGIC: &[u8; 8] = b"AFFDVJ01";

/// The record goes on in the next frame.
pub(crate) const CONTINUES: u8 = 1;

/// What a journal file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) number: u64,
    pub(crate) first_lsn: u64,
    pub(crate) created: i64,
    pub(crate) boot: [u8; 16],
    pub(crate) salt: u32,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FILE_HEADER);
        out.extend_from_slice(MAGIC);
        out.u64(self.number);
        out.u64(self.first_lsn);
        out.i64(self.created);
        out.extend_from_slice(&self.boot);
        out.u32(self.salt);
        let crc = crc32c::crc32c(&out);
        out.u32(crc);
        out.resize(FILE_HEADER, 0);
        out
    }

    /// The header, or `None` when these bytes are not one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut take = Take(bytes.get(..FILE_HEADER)?);
        let decoded = (|| -> Result<(Self, u32, [u8; 8]), Undecodable> {
            let magic = take.array::<8>()?;
            let header = Self {
                number: take.u64()?,
                first_lsn: take.u64()?,
                created: take.i64()?,
                boot: take.array()?,
                salt: take.u32()?,
            };
            Ok((header, take.u32()?, magic))
        })();
        let (header, crc, magic) = decoded.ok()?;
        let covered = bytes.get(..52)?;
        (magic == *MAGIC && crc32c::crc32c(covered) == crc).then_some(header)
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) lsn: u64,
    pub(crate) ts: i64,
    pub(crate) salt: u32,
}

impl FrameHeader {
    /// The header's bytes; `payload_crc` is the checksum of the payload alone.
    pub(crate) fn encode(&self, payload_crc: u32) -> [u8; FRAME_HEADER] {
        let mut out = [0; FRAME_HEADER];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = out.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(0, &self.length.to_be_bytes());
        put(4, &[self.kind, self.flags]);
        put(8, &self.lsn.to_be_bytes());
        put(16, &self.ts.to_be_bytes());
        put(24, &self.salt.to_be_bytes());
        let crc = crc32c::crc32c_append(payload_crc, out.split_at(28).0);
        if let Some(place) = out.last_chunk_mut::<4>() {
            *place = crc.to_be_bytes();
        }
        out
    }
}

/// Bytes that a frame with this payload takes, padding included.
pub(crate) fn frame_size(payload: usize) -> usize {
    FRAME_HEADER + payload.next_multiple_of(8)
}

/// The frame at the front of `bytes` by its length alone: header, the header's bytes, payload. For whoever knows its hash.
pub(crate) fn parse(bytes: &[u8]) -> Option<(FrameHeader, &[u8; FRAME_HEADER], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<FRAME_HEADER>()?;
    let mut take = Take(head);
    let length = take.u32().ok()?;
    let kind = take.u8().ok()?;
    let flags = take.u8().ok()?;
    let zero = take.array::<2>().ok()?;
    let header =
        FrameHeader { length, kind, flags, lsn: take.u64().ok()?, ts: take.i64().ok()?, salt: take.u32().ok()? };
    if kind == 0 || zero != [0, 0] {
        return None;
    }
    Some((header, head, rest.get(..usize::try_from(length).ok()?)?))
}

/// The frame at the front of `bytes`, if there is a whole and true one with this salt.
pub(crate) fn decode(bytes: &[u8], salt: u32) -> Option<(FrameHeader, &[u8; FRAME_HEADER], &[u8])> {
    let (header, head, payload) = parse(bytes).filter(|(header, _, _)| header.salt == salt)?;
    let crc = head.last_chunk::<4>().map(|crc| u32::from_be_bytes(*crc))?;
    let expected = crc32c::crc32c_append(crc32c::crc32c(payload), head.split_at(28).0);
    (crc == expected).then_some((header, head, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u32) -> FrameHeader {
        FrameHeader { length, kind: 3, flags: 0, lsn: 7, ts: 1_700_000_000_000_000, salt: 0x5a17_0000 }
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let head = header(u32::try_from(payload.len()).unwrap());
        let mut bytes = head.encode(crc32c::crc32c(payload)).to_vec();
        bytes.extend_from_slice(payload);
        bytes.resize(frame_size(payload.len()), 0);
        bytes
    }

    #[test]
    fn a_frame_decodes_to_what_was_encoded() {
        let bytes = frame(b"hello");
        assert_eq!(bytes.len(), 40);
        let (head, _, payload) = decode(&bytes, 0x5a17_0000).unwrap();
        assert_eq!((head, payload), (header(5), b"hello".as_slice()));
    }

    #[test]
    fn any_flipped_bit_another_salt_and_any_cut_are_noticed() {
        let bytes = frame(b"hello");
        for bit in 0..(FRAME_HEADER + 5) * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad, 0x5a17_0000).is_none(), "bit {bit}");
        }
        assert!(decode(&bytes, 1).is_none());
        for len in 0..FRAME_HEADER + 5 {
            assert!(decode(&bytes[..len], 0x5a17_0000).is_none(), "length {len}");
        }
    }

    #[test]
    fn a_file_header_decodes_to_what_was_encoded_and_notices_damage() {
        let head = FileHeader { number: 3, first_lsn: 99, created: 5, boot: [7; 16], salt: 11 };
        let bytes = head.encode();
        assert_eq!(bytes.len(), FILE_HEADER);
        assert_eq!(FileHeader::decode(&bytes), Some(head));
        for at in 0..56 {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(FileHeader::decode(&bad), None, "byte {at}");
        }
    }
}
