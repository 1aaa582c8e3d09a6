//! `fake_name`: another name, always the same for the same name. Neither initials nor lengths are kept.

use super::names::{FAMILY, GIVEN};
use super::{Keyed, pseudonym};

/// A name of the same shape: one word, `given family`, or `family, given`.
pub(super) fn text(value: &str, key: &Keyed, out: &mut Vec<u8>) {
    let value = value.trim();
    let digest = pseudonym(key, value.to_lowercase().as_bytes());
    let (given, family) = match digest {
        [a, b, c, d, ..] => (pick(&GIVEN, [a, b]), pick(&FAMILY, [c, d])),
    };
    let parts: [&str; 3] = match (value.contains(','), value.contains(char::is_whitespace)) {
        _ if value.is_empty() => [""; 3],
        (true, _) => [family, ", ", given],
        (false, true) => [given, " ", family],
        // One word may be a given or a family name: these serve as both.
        (false, false) => [given, "", ""],
    };
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn pick(names: &[&'static str], bytes: [u8; 2]) -> &'static str {
    names.get(usize::from(u16::from_be_bytes(bytes)) % names.len().max(1)).copied().unwrap_or("Noname")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::keyed;

    fn fake(value: &str) -> String {
        let mut out = Vec::new();
        text(value, &keyed(b"k"), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_keep_their_shape_and_nothing_else() {
        assert_eq!(fake("Jane Doe"), fake("JANE DOE "), "case and blanks make no new person");
        assert_ne!(fake("Jane Doe"), fake("Jane Roe"));
        assert_eq!(fake("Jane Mary Doe").split(' ').count(), 2);
        assert!(fake("Doe, Jane").contains(", "));
        assert!(!fake("Madonna").contains(' '));
        assert_eq!(fake(""), "");
    }

    #[test]
    fn initials_are_not_kept() {
        let kept = (0..200).filter(|n| fake(&format!("Jane{n} Doe")).starts_with('J')).count();
        let share = GIVEN.iter().filter(|name| name.starts_with('J')).count() * 200 / GIVEN.len();
        assert!(kept < share * 3 + 10, "{kept} of 200 kept their J, {share} would by chance");
    }
}
