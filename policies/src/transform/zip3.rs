//! `zip3`: the first three digits of a ZIP code, and 000 for areas of 20,000 people or fewer
//! (45 CFR 164.514(b)(2)(i)(B)).

use std::io::Write as _;

fn area(area: u16, small: &[u16]) -> u16 {
    if small.contains(&area) { 0 } else { area }
}

/// A text that begins with a ZIP code of five or nine digits.
pub(super) fn text(value: &str, small: &[u16], out: &mut Vec<u8>) -> bool {
    let value = value.trim();
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let plus_four = value.len() == digits || value.as_bytes().get(digits) == Some(&b'-');
    if !matches!(digits, 5 | 9) || !plus_four || value.len() > 10 {
        return false;
    }
    match value.get(..3).and_then(|first| first.parse().ok()) {
        Some(first) => write!(out, "{:03}", area(first, small)).is_ok(),
        None => false,
    }
}

/// A ZIP code stored as a number, leading zeros lost: 2139 becomes 2100.
pub(super) fn int(value: i128, small: &[u16]) -> Option<i128> {
    let unit = match value {
        0..=99_999 => 100,
        100_000..=999_999_999 => 1_000_000,
        _ => return None,
    };
    let first = u16::try_from(value / unit).ok()?;
    Some(i128::from(area(first, small)) * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_stay_unless_few_people_share_them() {
        let masked = |value| {
            let mut out = Vec::new();
            text(value, &[36], &mut out).then(|| String::from_utf8(out).unwrap())
        };
        assert_eq!(masked("02139").as_deref(), Some("021"));
        assert_eq!(masked("94305-1234").as_deref(), Some("943"));
        assert_eq!(masked("943051234").as_deref(), Some("943"));
        assert_eq!(masked("03601").as_deref(), Some("000"));
        for value in ["", "K1A 0B1", "021", "0213", "02139 Cambridge", "021391"] {
            assert_eq!(masked(value), None, "{value}");
        }
        assert_eq!(int(2_139, &[36]), Some(2_100));
        assert_eq!(int(3_601, &[36]), Some(0));
        assert_eq!(int(943_051_234, &[36]), Some(943_000_000));
        assert_eq!(int(-5, &[]), None);
    }
}
