//! A net, not a proof: patterns of raw identifiers in cells that a rule was to mask.

/// Masks after which nothing of the value's shape may be left. Tokens keep their format on purpose.
pub(super) fn leaves_no_shape(mask: &str) -> bool {
    matches!(mask, "redact" | "null" | "year" | "zip3" | "hash")
}

/// Whether a text contains what looks like a social security number (`ddd-dd-dddd`) or an e-mail address.
pub(super) fn looks_like_identifier(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 6 {
        return false;
    }
    ssn(bytes) || email(bytes)
}

fn ssn(bytes: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    bytes.windows(11).any(|window| match window {
        [a @ .., b'-', c, d, b'-', e, f, g, h] if a.len() == 3 => {
            digits(a) && digits(&[*c, *d, *e, *f, *g, *h]) && a != b"000"
        }
        _ => false,
    })
}

fn email(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|byte| *byte == b'@') else { return false };
    let word = |byte: &u8| byte.is_ascii_alphanumeric();
    let before = at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(word);
    let domain = bytes.get(at + 1..).unwrap_or_default();
    let end = domain.iter().position(|b| !word(b) && *b != b'.' && *b != b'-').unwrap_or(domain.len());
    let domain = domain.get(..end).unwrap_or_default();
    let dot = domain.iter().position(|byte| *byte == b'.');
    before && dot.is_some_and(|dot| dot > 0 && domain.len() > dot + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_are_seen_and_ordinary_text_is_not() {
        for text in ["078-05-1120", "see 078-05-1120.", "ann@example.org", "<ann.b@mail.example>"] {
            assert!(looks_like_identifier(text), "{text}");
        }
        for text in ["***", "2024-01-02", "000-00-0000", "a @ b", "@home", "12-34-5678", "x@y", "redacted"] {
            assert!(!looks_like_identifier(text), "{text}");
        }
    }
}
