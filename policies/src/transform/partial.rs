//! `partial`: the last characters stay. Not a Safe Harbor method: what stays still tells people apart.

/// Letters and digits before the last `keep` characters become `*`; a text of `keep` characters or fewer is covered whole.
pub(super) fn text(value: &str, keep: usize, out: &mut Vec<u8>) {
    let count = value.chars().count();
    let covered = if count > keep { count - keep } else { count };
    for (index, character) in value.chars().enumerate() {
        if index < covered && (character.is_alphanumeric() || !character.is_ascii()) {
            out.push(b'*');
        } else {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// The last `keep` digits stay; a number of `keep` digits or fewer becomes 0.
pub(super) fn int(value: i128, keep: usize) -> i128 {
    let unit = u32::try_from(keep).ok().and_then(|keep| 10_i128.checked_pow(keep));
    match unit {
        Some(unit) if value.abs() >= unit => value % unit,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_show_and_short_values_do_not() {
        let masked = |value, keep| {
            let mut out = Vec::new();
            text(value, keep, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(masked("555-867-5309", 4), "***-***-5309");
        assert_eq!(masked("5309", 4), "****");
        assert_eq!(masked("Åsa Öberg 12", 2), "*** ***** 12");
        assert_eq!(masked("", 4), "");
        assert_eq!((int(123_456_789, 4), int(-123_456, 4), int(6_789, 4)), (6_789, -3_456, 0));
        assert_eq!(int(i128::MAX, 60), 0);
    }
}
