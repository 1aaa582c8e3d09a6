//! `year`: the year of a date, and ages, with everybody over 89 in one group (45 CFR 164.514(b)(2)(i)(C)).

use model::codec::Date;
use std::io::Write as _;

/// Ages from here on are one group.
const OLDEST_AGE: i128 = 90;

/// The first of January of the year, or of the oldest group's year. MySQL zero dates stay.
pub(super) fn date(value: Date, oldest: i32) -> Date {
    if value.is_zero() && value.year == 0 { value } else { Date::first_of(value.year.max(oldest)) }
}

/// An age (up to 150), a year (four digits) or a date written `YYYYMMDD`.
pub(super) fn int(value: i128, oldest: i32) -> Option<i128> {
    match value {
        0..=150 => Some(value.min(OLDEST_AGE)),
        1_000..=9_999 => Some(value.max(oldest.into())),
        10_000_101..=99_991_231 => Some((value / 10_000).max(oldest.into()) * 10_000 + 101),
        _ => None,
    }
}

/// `YYYY-MM-DD…`, `YYYYMMDD`, `MM/DD/YYYY`, a year or an age; anything else is not served.
pub(super) fn text(value: &str, oldest: i32, out: &mut Vec<u8>) -> bool {
    let value = value.trim();
    if value.len() <= 8 && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return match value.parse().ok().and_then(|number| int(number, oldest)) {
            // An age is written as people write ages; years and dates keep their four digits.
            Some(age @ 0..=150) => write!(out, "{age}").is_ok(),
            Some(number) => write!(out, "{number:04}").is_ok(),
            None => false,
        };
    }
    let mut numbers = value.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let (Some(first), Some(second), Some(third)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return false;
    };
    let year = match (first.len(), second.len(), third.len()) {
        (4, 1 | 2, 1 | 2) => first,
        (1 | 2, 1 | 2, 4) => third,
        _ => return false,
    };
    match year.parse::<i32>() {
        Ok(year) => write!(out, "{:04}-01-01", year.max(oldest)).is_ok(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_stay_and_the_oldest_are_one_group() {
        let day = |year, month, day| Date { year, month, day };
        assert_eq!(date(day(1980, 5, 17), 1936), day(1980, 1, 1));
        assert_eq!(date(day(1921, 5, 17), 1936), day(1936, 1, 1));
        assert_eq!(date(day(0, 0, 0), 1936), day(0, 0, 0));
        assert_eq!(date(day(1980, 0, 0), 1936), day(1980, 1, 1));
    }

    #[test]
    fn numbers_are_ages_years_or_dates() {
        assert_eq!([0, 45, 89, 90, 104].map(|age| int(age, 1936)), [0, 45, 89, 90, 90].map(Some));
        assert_eq!([1980, 1921].map(|year| int(year, 1936)), [1980, 1936].map(Some));
        assert_eq!(int(19_510_203, 1936), Some(19_510_101));
        assert_eq!([-1, 151, 999, 123_456].map(|number| int(number, 1936)), [None; 4]);
    }

    #[test]
    fn texts_that_hold_dates() {
        let masked = |value| {
            let mut out = Vec::new();
            text(value, 1936, &mut out).then(|| String::from_utf8(out).unwrap())
        };
        for value in ["1980-05-17", "1980-05-17 10:11:12", "05/17/1980", "17.5.1980"] {
            assert_eq!(masked(value).as_deref(), Some("1980-01-01"), "{value}");
        }
        assert_eq!(masked("1902-05-17").as_deref(), Some("1936-01-01"));
        assert_eq!(masked("19800517").as_deref(), Some("19800101"));
        assert_eq!(masked("97").as_deref(), Some("90"));
        for value in ["", "May 17th", "05/17/80", "123456789012"] {
            assert_eq!(masked(value), None, "{value}");
        }
    }
}
