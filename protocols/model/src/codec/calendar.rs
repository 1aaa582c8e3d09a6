//! Dates and times of day: the proleptic Gregorian calendar that both engines count in, and their text forms.

use std::fmt::Write;

/// Days from 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
pub(super) const POSTGRES_EPOCH_DAYS: i64 = 10_957;
/// Microseconds in a day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// A calendar date. Year 0 is 1 BC; a month or day of 0 is a MySQL zero date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Astronomical year.
    pub year: i32,
    /// 1 to 12, or 0.
    pub month: u8,
    /// 1 to 31, or 0.
    pub day: u8,
}

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// The date, as written (in the zone of `offset`, if there is one).
    pub date: Date,
    /// Microseconds since midnight.
    pub micros: i64,
    /// Seconds east of UTC, for kinds with a zone.
    pub offset: Option<i32>,
}

impl Date {
    /// The first of January of a year.
    #[must_use]
    pub fn first_of(year: i32) -> Self {
        Self { year, month: 1, day: 1 }
    }

    /// Whether month or day is 0, which only MySQL can store.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.month == 0 || self.day == 0
    }

    /// Whether such a day exists.
    #[must_use]
    pub fn exists(self) -> bool {
        let leap = self.year.rem_euclid(4) == 0 && (self.year.rem_euclid(100) != 0 || self.year.rem_euclid(400) == 0);
        let length = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return false,
        };
        (1..=length).contains(&self.day)
    }

    /// Days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
    #[must_use]
    pub fn days_from_unix_epoch(self) -> i64 {
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The date that many days after 1970-01-01; `None` beyond the years an `i32` holds.
    #[must_use]
    pub fn from_unix_days(days: i64) -> Option<Self> {
        let shifted = days.checked_add(719_468)?;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let part = (5 * day_of_year + 2) / 153;
        let day = u8::try_from(day_of_year - (153 * part + 2) / 5 + 1).ok()?;
        let month = u8::try_from(if part < 10 { part + 3 } else { part - 9 }).ok()?;
        let year = era.checked_mul(400)?.checked_add(year_of_era)? + i64::from(month <= 2);
        Some(Self { year: i32::try_from(year).ok()?, month, day })
    }
}

/// Appends `YYYY-MM-DD`, BC years by their number, without the suffix.
pub(super) fn push_date(out: &mut impl Write, date: Date) {
    let year = if date.year > 0 || date.is_zero() { i64::from(date.year) } else { 1 - i64::from(date.year) };
    let _ = write!(out, "{year:04}-{:02}-{:02}", date.month, date.day);
}

/// Appends ` BC` where PostgreSQL does: at the very end of a value.
pub(super) fn push_era(out: &mut impl Write, date: Date) {
    if date.year <= 0 && !date.is_zero() {
        let _ = out.write_str(" BC");
    }
}

/// Appends `HH:MM:SS` and the fraction without trailing zeros, as PostgreSQL writes it.
pub(super) fn push_time(out: &mut impl Write, micros: i64) {
    let seconds = micros / 1_000_000;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    push_fraction(out, micros % 1_000_000);
}

/// Appends `.ffffff` without trailing zeros, or nothing for 0.
pub(super) fn push_fraction(out: &mut impl Write, micros: i64) {
    if micros != 0 {
        let (mut fraction, mut width) = (micros.unsigned_abs(), 6);
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        let _ = write!(out, ".{fraction:0width$}");
    }
}

/// Appends a zone as PostgreSQL writes it: `+HH`, then minutes and seconds only where they are not 0.
pub(super) fn push_offset(out: &mut impl Write, east: i32) {
    let size = east.unsigned_abs();
    let _ = write!(out, "{}{:02}", if east < 0 { '-' } else { '+' }, size / 3600);
    if !size.is_multiple_of(3600) {
        let _ = write!(out, ":{:02}", size / 60 % 60);
    }
    if !size.is_multiple_of(60) {
        let _ = write!(out, ":{:02}", size % 60);
    }
}

/// Appends a date and time as PostgreSQL's ISO style writes it.
pub(super) fn push_postgres_datetime(out: &mut impl Write, value: DateTime) {
    push_date(out, value.date);
    let _ = out.write_char(' ');
    push_time(out, value.micros);
    if let Some(east) = value.offset {
        push_offset(out, east);
    }
    push_era(out, value.date);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        for (year, month, day, days) in
            [(1970, 1, 1, 0), (2000, 1, 1, 10_957), (1969, 12, 31, -1), (2000, 2, 29, 11_016), (0, 3, 1, -719_468)]
        {
            let date = Date { year, month, day };
            assert_eq!(date.days_from_unix_epoch(), days, "{date:?}");
            assert_eq!(Date::from_unix_days(days), Some(date));
        }
        assert!(!Date { year: 1900, month: 2, day: 29 }.exists());
        assert!(Date { year: 2000, month: 2, day: 29 }.exists());
        assert_eq!(Date::from_unix_days(i64::MAX), None);
    }

    #[test]
    fn times_and_zones_drop_what_is_zero() {
        let text = |f: fn(&mut String)| {
            let mut out = String::new();
            f(&mut out);
            out
        };
        assert_eq!(text(|o| push_time(o, 3_723_400_000)), "01:02:03.4");
        assert_eq!(text(|o| push_time(o, 86_400_000_000)), "24:00:00");
        assert_eq!(text(|o| push_offset(o, -12_600)), "-03:30");
        assert_eq!(text(|o| push_offset(o, 3_601)), "+01:00:01");
    }

    proptest! {
        #[test]
        fn days_round_trip(days in -800_000_000_i64..800_000_000) {
            let date = Date::from_unix_days(days);
            prop_assert!(date.is_some_and(Date::exists));
            prop_assert_eq!(date.map(Date::days_from_unix_epoch), Some(days));
        }
    }
}
