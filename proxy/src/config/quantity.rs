//! Durations ("5m") and sizes ("128MiB") as people write them.

use super::document::Section;
use std::ops::RangeInclusive;
use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// `"90s"`, `"5m"`, `"1h"`: a whole number and one unit of ms, s, m, h, d.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    scaled(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// `"128MiB"`, `"1GB"`: a whole number and one unit.
pub(crate) fn size(text: &str) -> Option<u64> {
    scaled(text, &SIZE_UNITS)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit() && letter != '_')?);
    let number: u64 = number.replace('_', "").parse().ok()?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.checked_mul(*factor)
}

/// A duration as people would write it.
pub(crate) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS)
}

/// A size as people would write it.
pub(crate) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS)
}

/// With the unit that gives the smallest whole number; the later of two equal ones.
fn show(value: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().filter(|(_, factor)| value.is_multiple_of(*factor) && (value > 0 || *factor == 1));
    match fitting.max_by_key(|(_, factor)| *factor) {
        Some((name, factor)) => format!("{}{name}", value / factor),
        None => value.to_string(),
    }
}

impl Section<'_> {
    /// A duration within `range`, or `default` when the key is absent (or wrong, which is complained about).
    pub(crate) fn duration(&self, key: &'static str, range: RangeInclusive<Duration>, default: Duration) -> Duration {
        let Some(text) = self.text(key) else { return default };
        let (low, high) = (show_duration(*range.start()), show_duration(*range.end()));
        match duration(&text) {
            Some(duration) if range.contains(&duration) => duration,
            Some(_) => {
                self.wrong(
                    key,
                    format!("is {text:?}, which is not between {low} and {high}"),
                    "choose a duration in that range",
                );
                default
            }
            None => {
                self.wrong(
                    key,
                    format!("{text:?} is not a duration"),
                    "write a whole number with ms, s, m, h or d, such as \"5m\"",
                );
                default
            }
        }
    }

    /// A size in bytes within `range`, or `default`; as [`Section::duration`].
    pub(crate) fn size(&self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(text) = self.text(key) else { return default };
        let (low, high) = (show_size(*range.start()), show_size(*range.end()));
        match size(&text) {
            Some(size) if range.contains(&size) => size,
            Some(_) => {
                self.wrong(
                    key,
                    format!("is {text:?}, which is not between {low} and {high}"),
                    "choose a size in that range",
                );
                default
            }
            None => {
                self.wrong(
                    key,
                    format!("{text:?} is not a size"),
                    "write a whole number with kB, MB, GB, KiB, MiB or GiB, such as \"128MiB\"",
                );
                default
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_a_whole_number_and_one_unit() {
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("1_500 ms"), Some(Duration::from_millis(1500)));
        assert_eq!(size("128MiB"), Some(134_217_728));
        assert_eq!(size("1GB"), Some(1_000_000_000));
        for wrong in
            ["", "5", "m", "5 minutes", "-5m", "1.5h", "5m30s", "99999999999999999999d", "18446744073709551615d"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(size("128mib"), None, "units are exact: mb and Mb mean different things to different people");
    }

    #[test]
    fn quantities_are_shown_as_they_are_written() {
        for text in ["5m", "90s", "1h", "2d", "250ms"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        for text in ["128MiB", "1GiB", "3B", "64KiB", "2MB"] {
            assert_eq!(show_size(size(text).unwrap()), text);
        }
        assert_eq!(show_duration(Duration::ZERO), "0ms");
    }
}
