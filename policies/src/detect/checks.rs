//! Checksums and number ranges of identifiers.

/// The digits of a text, everything else left out.
fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> + Clone + '_ {
    text.bytes().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0'))
}

fn luhn_sum(digits: impl DoubleEndedIterator<Item = u32>) -> u32 {
    digits.rev().enumerate().map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 % 10 + digit / 5 }).sum()
}

/// ISO/IEC 7812-1 annex B, and the prefixes of payment cards.
pub(super) fn card(text: &str) -> bool {
    let count = digits(text).count();
    let prefix = digits(text).take(2).fold(0, |prefix, digit| prefix * 10 + digit);
    let known = matches!(prefix, 22..=27 | 34..=37 | 40..=49 | 51..=55 | 60..=65);
    (13..=19).contains(&count) && known && luhn_sum(digits(text)).is_multiple_of(10)
}

/// National Provider Identifier: Luhn over `80840` and the ten digits (45 CFR 162.406; the prefix adds 24).
pub(super) fn npi(text: &str) -> bool {
    digits(text).count() == 10 && (luhn_sum(digits(text)) + 24).is_multiple_of(10)
}

/// DEA registration number: the last digit is that of (1st + 3rd + 5th) + 2 (2nd + 4th + 6th).
pub(super) fn dea(text: &str) -> bool {
    let mut sum = 0;
    let mut last = 10;
    for (place, digit) in digits(text).enumerate() {
        match place {
            6 => last = digit,
            odd if odd % 2 == 1 => sum += 2 * digit,
            _ => sum += digit,
        }
    }
    sum % 10 == last
}

/// Social Security numbers that were or may be issued: no area 000, 666 or 900 up, no group 00, no serial 0000
/// (<https://www.ssa.gov/employer/randomization.html>); or taxpayer numbers, area 900 up with the groups of IRS ITINs.
pub(super) fn ssn(text: &str) -> bool {
    let number = digits(text).fold(0_u64, |number, digit| number * 10 + u64::from(digit));
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    let issued = !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0;
    let taxpayer = area >= 900 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99);
    digits(text).count() == 9 && (issued || taxpayer)
}

/// Vehicle identification number: the ninth character is the check digit (49 CFR 565.15(c)).
pub(super) fn vin(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |byte: u8| match byte.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => Some(u32::from(digit - b'0')),
        letter @ b'A'..=b'H' => Some(u32::from(letter - b'A') + 1),
        letter @ b'J'..=b'N' => Some(u32::from(letter - b'J') + 1),
        b'P' => Some(7),
        b'R' => Some(9),
        letter @ b'S'..=b'Z' => Some(u32::from(letter - b'S') + 2),
        _ => None,
    };
    let Some(sum) =
        text.bytes().zip(WEIGHTS).map(|(byte, weight)| value(byte).map(|value| value * weight)).sum::<Option<u32>>()
    else {
        return false;
    };
    let check = match text.as_bytes().get(8) {
        Some(b'X' | b'x') => 10,
        Some(digit @ b'0'..=b'9') => u32::from(digit - b'0'),
        _ => return false,
    };
    text.len() == 17 && sum % 11 == check && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// A number of the North American plan: neither area nor exchange begins with 0 or 1, except in fiction (555-01xx).
pub(super) fn nanp(text: &str) -> bool {
    let all: u64 = digits(text).fold(0, |number, digit| number.saturating_mul(10).saturating_add(digit.into()));
    let national = match digits(text).count() {
        10 => all,
        11 if all / 10_000_000_000 == 1 => all % 10_000_000_000,
        _ => return false,
    };
    (2..=9).contains(&(national / 1_000_000_000)) && (2..=9).contains(&(national / 1_000_000 % 10))
}

/// A dotted quad, each part at most 255 and without leading zeros.
pub(super) fn ipv4(text: &str) -> bool {
    text.parse::<std::net::Ipv4Addr>().is_ok()
}

/// An IPv6 address with something in it.
pub(super) fn ipv6(text: &str) -> bool {
    text.len() > 3 && text.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Numbers that can be a day, a month and a year, in any of the usual orders.
pub(super) fn date(text: &str) -> bool {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let (Some(a), Some(b), Some(c)) = (numbers.next(), numbers.next(), numbers.next()) else { return true };
    let value = |text: &str| text.parse::<u32>().unwrap_or(0);
    let (first, second, year) =
        if a.len() == 4 { (value(b), value(c), value(a)) } else { (value(a), value(b), value(c)) };
    let day_and_month = (1..=31).contains(&first) && (1..=31).contains(&second) && (first <= 12 || second <= 12);
    day_and_month && (c.len() == 2 || (1850..=2150).contains(&year))
}

/// An age over 89, the ages that 45 CFR 164.514(b)(2)(i)(C) hides.
pub(super) fn age(text: &str) -> bool {
    digits(text).take(3).fold(0, |age, digit| age * 10 + digit) > 89
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_hold_and_one_digit_off_does_not() {
        // Test numbers that their issuers publish.
        type Case = (fn(&str) -> bool, &'static str, &'static str);
        let cases: [Case; 5] = [
            (card, "4111 1111 1111 1111", "4111 1111 1111 1112"),
            (card, "3782-822463-10005", "3782-822463-10006"),
            (npi, "1234567893", "1234567894"),
            (dea, "AB1234563", "AB1234564"),
            (vin, "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"),
        ];
        for (check, good, bad) in cases {
            assert!(check(good), "{good}");
            assert!(!check(bad), "{bad}");
        }
        assert!(!vin("11111111111111111"), "seventeen digits are no vehicle");
    }

    #[test]
    fn ranges() {
        for good in ["123-45-6789", "899991234", "912-70-1234"] {
            assert!(ssn(good), "{good}");
        }
        for bad in ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "123-45-678"] {
            assert!(!ssn(bad), "{bad}");
        }
        assert!(nanp("(617) 555-0123") && nanp("+1 617 555 0123"));
        assert!(!nanp("(117) 555-0123") && !nanp("617-155-0123") && !nanp("2 617 555 0123"));
        assert!(ipv4("10.0.0.1") && !ipv4("10.0.0.256") && !ipv4("1.2.3"));
        assert!(ipv6("2001:db8::1") && !ipv6("::") && !ipv6("12:30:45"));
        assert!(
            date("2024-02-29") && date("2/29/24") && date("29.02.2024") && !date("13/32/2024") && !date("1/2/1066")
        );
        assert!(age("93") && age("104") && !age("89"));
    }
}
