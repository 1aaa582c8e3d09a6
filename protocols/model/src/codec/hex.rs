//! `\x` and lower-case hex: what cells look like that have no other text.

const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// Appends the two digits of `byte`.
pub(super) fn push_byte(out: &mut String, byte: u8) {
    for nibble in [byte >> 4, byte & 15] {
        out.push(DIGITS.get(usize::from(nibble)).copied().unwrap_or('0'));
    }
}

/// Appends `\x` and the digits of all bytes.
pub(super) fn push_escaped(out: &mut String, bytes: &[u8]) {
    out.reserve(2 + bytes.len() * 2);
    out.push_str("\\x");
    bytes.iter().for_each(|byte| push_byte(out, *byte));
}

/// The value of one hex digit.
pub(super) fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lower_case_hex() {
        let mut out = String::new();
        push_escaped(&mut out, &[0, 0x9f, 0xff]);
        assert_eq!(out, "\\x009fff");
        assert_eq!((digit(b'a'), digit(b'F'), digit(b'g')), (Some(10), Some(15), None));
    }
}
