//! Frames of the PostgreSQL protocol, version 3: one small family of messages a file.
//!
//! Bytes of peers are framed and validated here first; nothing is indexed, and no length is believed before it was
//! checked against a bound. Source of every format:
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

pub(crate) mod auth;
pub(crate) mod copy;
pub(crate) mod extended;
pub(crate) mod fields;
pub(crate) mod row_description;
pub(crate) mod session;
pub(crate) mod startup;

use wire::{Step, Violation};

/// Size of a frame's tag and length.
pub(crate) const HEAD: usize = 5;

/// A whole frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// The message's type.
    pub(crate) tag: u8,
    /// What follows the length.
    pub(crate) body: &'a [u8],
    /// The frame as it stands on the wire.
    pub(crate) wire: &'a [u8],
}

/// The tag and the total size (tag and length included) of the frame that `input` begins with; `None` when not even
/// that much is there.
pub(crate) fn head(input: &[u8]) -> Result<Option<(u8, usize)>, Violation> {
    let Some(([tag, length @ ..], _)) = input.split_first_chunk::<HEAD>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length);
    if !(4..=0x7FFF_FFFF).contains(&length) {
        return Err(Violation(format!("a message of type {:?} says that its length is {length}", char::from(*tag))));
    }
    let total = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1);
    Ok(Some((*tag, total)))
}

/// The whole frame that `input` begins with, which may be at most `limit` bytes long.
pub(crate) fn frame(input: &[u8], limit: usize) -> Result<Step<Frame<'_>>, Violation> {
    let Some((tag, total)) = head(input)? else { return Ok(Step::Need(HEAD.saturating_sub(input.len()))) };
    if total > limit {
        return Err(Violation(format!(
            "a message of type {:?} has {total} bytes; at most {limit} are accepted",
            char::from(tag)
        )));
    }
    match (input.get(..total), input.get(HEAD..total)) {
        (Some(wire), Some(body)) => Ok(Step::Got { consumed: total, item: Frame { tag, body, wire } }),
        _ => Ok(Step::Need(total.saturating_sub(input.len()))),
    }
}

/// Appends a frame whose body `write` appends. A body that no length field can express is a violation, and `out` is
/// then as it was before.
pub(crate) fn put(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Violation> {
    let start = out.len();
    out.extend_from_slice(&[tag, 0, 0, 0, 0]);
    write(out);
    close(out, start)
}

/// Writes the length of the frame that began at `start` (its tag) and now ends.
pub(crate) fn close(out: &mut Vec<u8>, start: usize) -> Result<(), Violation> {
    let length = out.len().saturating_sub(start).saturating_sub(1);
    let slot = out.get_mut(start.saturating_add(1)..start.saturating_add(HEAD));
    match (i32::try_from(length), slot) {
        (Ok(length), Some(slot)) => {
            slot.copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(Violation(format!("a message of {length} bytes is longer than the protocol can express")))
        }
    }
}

/// Appends bytes and the NUL that ends them. A NUL within would end them early, so nothing after one is written.
pub(crate) fn put_cstr(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text.split(|byte| *byte == 0).next().unwrap_or_default());
    out.push(0);
}

/// What a decoder says when a message is shorter or longer than its own fields.
pub(crate) fn malformed(what: &str) -> Violation {
    Violation(format!("a {what} message is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_handed_out_whole_or_not_at_all() {
        let query = b"Q\0\0\0\x0dSELECT 1\0rest";
        for cut in 0..14 {
            assert!(matches!(frame(&query[..cut], 100), Ok(Step::Need(n)) if n > 0), "cut at {cut}");
        }
        let Ok(Step::Got { consumed: 14, item }) = frame(query, 100) else { panic!("not a frame") };
        assert_eq!((item.tag, item.body), (b'Q', &b"SELECT 1\0"[..]));
        assert_eq!(item.wire, &query[..14]);
    }

    #[test]
    fn lengths_are_not_believed() {
        assert!(frame(b"Q\0\0\0\x03", 100).is_err(), "shorter than itself");
        assert!(frame(b"Q\xff\xff\xff\xff", 100).is_err(), "negative");
        assert!(frame(b"Q\0\0\x10\0", 100).is_err(), "over the limit, refused before it is read");
    }

    #[test]
    fn a_written_frame_reads_back() {
        let mut out = b"before".to_vec();
        put(&mut out, b'C', |out| put_cstr(out, b"SELECT 1\0hidden")).unwrap();
        assert_eq!(&out[6..], b"C\0\0\0\x0dSELECT 1\0");
    }
}
