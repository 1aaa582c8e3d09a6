//! Times of day and days of the week, in a fixed offset from UTC. No clock: the question brings the time.

use model::Timestamp;

/// The names of days in rules, Monday first.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const DAY_MINUTES: i64 = 24 * 60;

/// A recurring span of time. `hours` may run past midnight; the days are those on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Minutes since midnight: first included, and first no longer included.
    pub(crate) hours: Option<(u16, u16)>,
    /// Bit 0 is Monday.
    pub(crate) days: u8,
    /// Minutes east of UTC.
    pub(crate) offset: i16,
}

impl Window {
    pub(crate) const EVERY_DAY: u8 = 0x7f;

    pub(crate) fn contains(&self, now: Timestamp) -> bool {
        let local = now.0.div_euclid(60_000_000) + i64::from(self.offset);
        let minute = local.rem_euclid(DAY_MINUTES);
        // 1970-01-01 was a Thursday.
        let day = (local.div_euclid(DAY_MINUTES) + 3).rem_euclid(7);
        let on = |day: i64| self.days >> day.rem_euclid(7) & 1 == 1;
        match self.hours.map(|(from, to)| (i64::from(from), i64::from(to))) {
            None => on(day),
            Some((from, to)) if from <= to => on(day) && (from..to).contains(&minute),
            Some((from, _)) if minute >= from => on(day),
            Some((_, to)) => minute < to && on(day - 1),
        }
    }
}

/// Reads `22:00-06:30`.
pub(crate) fn parse_hours(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (parse_clock(from)?, parse_clock(to)?);
    (from != to).then_some((from, to))
}

/// Reads `+05:30`, `-08:00` or `Z`.
pub(crate) fn parse_offset(text: &str) -> Option<i16> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, clock) = text.strip_prefix('+').map(|rest| (1, rest)).or_else(|| Some((-1, text.strip_prefix('-')?)))?;
    let minutes = i16::try_from(parse_clock(clock)?).ok()?;
    (minutes <= 18 * 60).then_some(sign * minutes)
}

fn parse_clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (minutes < 60 && (hours < 24 || (hours == 24 && minutes == 0))).then_some(hours * 60 + minutes)
}

/// Writes what [`parse_hours`] reads.
pub(crate) fn hours_text((from, to): (u16, u16)) -> String {
    format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
}

/// Writes what [`parse_offset`] reads.
pub(crate) fn offset_text(minutes: i16) -> String {
    let size = minutes.unsigned_abs();
    format!("{}{:02}:{:02}", if minutes < 0 { '-' } else { '+' }, size / 60, size % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        // Minutes of the week that began on Monday 2024-01-01 00:00 UTC.
        let (day, clock) = text.split_once(' ').unwrap();
        let day = i64::try_from(DAYS.iter().position(|name| *name == day).unwrap()).unwrap();
        Timestamp::from_unix_seconds(1_704_067_200 + (day * DAY_MINUTES + i64::from(parse_clock(clock).unwrap())) * 60)
    }

    #[test]
    fn nights_belong_to_the_day_on_which_they_begin() {
        let friday_night = Window { hours: parse_hours("22:00-06:00"), days: 1 << 4, offset: 0 };
        assert!(friday_night.contains(at("fri 22:00")));
        assert!(friday_night.contains(at("sat 05:59")));
        assert!(!friday_night.contains(at("sat 06:00")));
        assert!(!friday_night.contains(at("fri 05:00")), "that is Thursday's night");
        assert!(!friday_night.contains(at("sat 23:00")));
    }

    #[test]
    fn offsets_shift_day_and_hour() {
        let monday_in_sydney = Window { hours: None, days: 1, offset: parse_offset("+11:00").unwrap() };
        assert!(monday_in_sydney.contains(at("mon 12:59")));
        assert!(!monday_in_sydney.contains(at("mon 13:00")));
        assert!(monday_in_sydney.contains(at("sun 14:00")));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in ["9-17", "09:00", "09:00-09:00", "25:00-26:00", "09:60-10:00", "9:00-10:00"] {
            assert_eq!(parse_hours(text), None, "{text}");
        }
        assert_eq!(parse_hours("00:00-24:00").map(hours_text).as_deref(), Some("00:00-24:00"));
        for text in ["1:00", "+1", "+19:00", ""] {
            assert_eq!(parse_offset(text), None, "{text}");
        }
        assert_eq!(parse_offset("-03:30").map(offset_text).as_deref(), Some("-03:30"));
    }
}
