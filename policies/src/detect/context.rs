//! Words near a number that say what it is.

use std::ops::Range;

/// Bytes before and after a candidate in which its words are looked for.
const BEFORE: usize = 40;
const AFTER: usize = 16;

/// Whether one of the words (lower case) stands shortly before or right after the candidate.
pub(super) fn near(text: &str, at: &Range<usize>, words: &[&str]) -> bool {
    let bytes = text.as_bytes();
    let before = bytes.get(at.start.saturating_sub(BEFORE)..at.start).unwrap_or_default();
    let after = bytes.get(at.end..at.end.saturating_add(AFTER).min(bytes.len())).unwrap_or_default();
    words.iter().any(|word| holds(before, word.as_bytes()) || holds(after, word.as_bytes()))
}

/// Whether the word stands in the text, with no letter right before it.
fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).enumerate().any(|(at, window)| {
        let whole = at.checked_sub(1).and_then(|at| text.get(at)).is_none_or(|byte| !byte.is_ascii_alphabetic());
        whole && window.eq_ignore_ascii_case(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_whole_and_near() {
        let text = "Her SSN is 123456789 and weight 987654321 g";
        assert!(near(text, &(11..20), &["ssn"]));
        assert!(!near(text, &(32..41), &["eight"]), "part of another word");
        assert!(!near("ssn, and then a great many other words follow: 123456789", &(47..56), &["ssn"]), "too far");
        assert!(near("617 555 0123 (cell)", &(0..12), &["cell"]));
        assert!(!near("", &(0..0), &["ssn"]));
    }
}
