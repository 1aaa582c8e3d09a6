//! Packets: a header of three bytes of length and one of sequence, then at most 0xFFFFFF bytes. A payload of that
//! length or more is split, and one that is a multiple of it ends with an empty packet.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>

use std::borrow::Cow;
use wire::{Cursor, Violation};

/// Bytes of a header.
pub(crate) const HEADER: usize = 4;
/// The longest payload of one packet.
pub(crate) const LONGEST: usize = 0xFF_FFFF;

/// Reads a header: payload length and sequence id.
pub(crate) fn header(input: &[u8]) -> Option<(usize, u8)> {
    let [a, b, c, sequence] = *input.first_chunk()?;
    Some((usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16, sequence))
}

/// One payload at the front of an input, over however many packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes that it takes, headers included.
    pub(crate) bytes: usize,
    /// Bytes of payload.
    pub(crate) payload: usize,
    /// Packets.
    pub(crate) packets: usize,
    /// Sequence id of the first packet.
    pub(crate) sequence: u8,
}

impl Extent {
    /// The sequence id after the last packet's.
    pub(crate) fn next_sequence(&self) -> u8 {
        self.sequence.wrapping_add(low_byte(self.packets))
    }

    /// The payload of this extent, which begins at the front of `input`: borrowed where it is one packet.
    pub(crate) fn payload<'a>(&self, input: &'a [u8]) -> Result<Cow<'a, [u8]>, Violation> {
        let mut cursor = Cursor::new(input.get(..self.bytes).ok_or_else(|| short("payload"))?);
        if self.packets == 1 {
            return Ok(Cow::Borrowed(cursor.rest().get(HEADER..).unwrap_or_default()));
        }
        let mut joined = Vec::with_capacity(self.payload);
        while let Some((length, _)) = header(cursor.rest()) {
            cursor
                .take(HEADER)
                .and_then(|_| cursor.take(length))
                .map(|chunk| joined.extend_from_slice(chunk))
                .map_err(|_| short("payload"))?;
        }
        Ok(Cow::Owned(joined))
    }
}

fn short(what: &str) -> Violation {
    Violation(format!("truncated {what}"))
}

/// The low byte of a packet count: what it adds to a sequence id.
pub(crate) fn low_byte(count: usize) -> u8 {
    let [low, ..] = count.to_le_bytes();
    low
}

/// What is at the front of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// A whole payload.
    Whole(Extent),
    /// At least this many more bytes are needed.
    Need(usize),
}

/// Measures the payload at the front of `input`. `limit` bounds it, whatever the headers say.
pub(crate) fn front(input: &[u8], limit: usize) -> Result<Front, Violation> {
    let Some((length, sequence)) = header(input) else {
        return Ok(Front::Need(HEADER - input.len().min(HEADER - 1)));
    };
    let mut extent = Extent { bytes: HEADER + length, payload: length, packets: 1, sequence };
    let mut last = length;
    loop {
        if extent.payload > limit {
            return Err(Violation(format!("a packet of more than {limit} bytes")));
        }
        if extent.bytes > input.len() {
            return Ok(Front::Need(extent.bytes - input.len()));
        }
        if last < LONGEST {
            return Ok(Front::Whole(extent));
        }
        let rest = input.get(extent.bytes..).unwrap_or_default();
        let Some((length, sequence)) = header(rest) else {
            return Ok(Front::Need(HEADER - rest.len().min(HEADER - 1)));
        };
        if sequence != extent.next_sequence() {
            return Err(Violation(format!("sequence id {sequence} where {} was due", extent.next_sequence())));
        }
        extent.bytes += HEADER + length;
        extent.payload += length;
        extent.packets += 1;
        last = length;
    }
}

/// Appends a payload as packets; returns the sequence id after the last.
pub(crate) fn put(out: &mut Vec<u8>, sequence: u8, payload: &[u8]) -> u8 {
    let start = begin(out);
    out.extend_from_slice(payload);
    let packets = finish(out, start, sequence);
    sequence.wrapping_add(low_byte(packets))
}

/// Leaves room for a header; what is appended after it is the payload. Ended by [`finish`].
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    start
}

/// Ends the payload that was begun at `start`: writes its header, and splits it where it is too long. Returns how many
/// packets it became.
pub(crate) fn finish(out: &mut Vec<u8>, start: usize, sequence: u8) -> usize {
    let length = out.len().saturating_sub(start + HEADER);
    if length < LONGEST {
        write_header(out, start, length, sequence);
        return 1;
    }
    let payload = out.split_off((start + HEADER).min(out.len()));
    out.truncate(start);
    let mut packets = 0;
    let mut last = LONGEST;
    for chunk in payload.chunks(LONGEST) {
        put_chunk(out, chunk, sequence.wrapping_add(low_byte(packets)));
        packets += 1;
        last = chunk.len();
    }
    if last == LONGEST {
        put_chunk(out, &[], sequence.wrapping_add(low_byte(packets)));
        packets += 1;
    }
    packets
}

fn put_chunk(out: &mut Vec<u8>, chunk: &[u8], sequence: u8) {
    put_header(out, chunk.len(), sequence);
    out.extend_from_slice(chunk);
}

/// Appends a header.
pub(crate) fn put_header(out: &mut Vec<u8>, length: usize, sequence: u8) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    write_header(out, start, length, sequence);
}

fn write_header(out: &mut [u8], start: usize, length: usize, sequence: u8) {
    let [a, b, c, ..] = length.to_le_bytes();
    if let Some(header) = out.get_mut(start..).and_then(|tail| tail.first_chunk_mut()) {
        *header = [a, b, c, sequence];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_packet() {
        let wire = [3, 0, 0, 7, b'a', b'b', b'c', 99];
        let extent = Extent { bytes: 7, payload: 3, packets: 1, sequence: 7 };
        assert_eq!(front(&wire, 10).unwrap(), Front::Whole(extent));
        assert_eq!(&*extent.payload(&wire).unwrap(), b"abc");
        assert_eq!(extent.next_sequence(), 8);
        for cut in 0..7 {
            assert!(matches!(front(&wire[..cut], 10).unwrap(), Front::Need(more) if more >= 1 && cut + more <= 7));
        }
        assert!(front(&wire, 2).is_err(), "longer than the limit");
    }

    #[test]
    fn payloads_around_sixteen_mebibytes() {
        for (length, packets) in [(LONGEST - 1, 1), (LONGEST, 2), (LONGEST + 1, 2), (2 * LONGEST, 3)] {
            let payload: Vec<u8> = (0..length).map(|i| low_byte(i.wrapping_mul(31))).collect();
            let mut wire = vec![1, 2, 3];
            assert_eq!(put(&mut wire, 254, &payload), 254_u8.wrapping_add(low_byte(packets)));
            let wire = &wire[3..];
            let Front::Whole(extent) = front(wire, length).unwrap() else { panic!("not whole") };
            assert_eq!((extent.bytes, extent.payload, extent.packets), (wire.len(), length, packets));
            assert_eq!(&*extent.payload(wire).unwrap(), payload);
            assert!(matches!(front(&wire[..wire.len() - 1], length).unwrap(), Front::Need(1)));
        }
    }

    #[test]
    fn a_gap_in_the_sequence_inside_a_payload_is_a_violation() {
        let mut wire = Vec::new();
        put(&mut wire, 0, &vec![0; LONGEST]);
        *wire.last_mut().unwrap() = 9;
        assert!(front(&wire, LONGEST).is_err());
    }
}
