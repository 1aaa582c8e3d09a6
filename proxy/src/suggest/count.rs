//! What sampled values look like, in numbers. Values come in, counts go out, nothing else is kept.

use policies::{Likeness, Scanner};
use std::collections::BTreeMap;
use wire::Sample;

/// The detector whose hits speak for an identifier, and what its word is where a number alone says nothing.
const DETECTORS: [(&str, Likeness, &str); 17] = [
    ("ssn", Likeness::Ssn, "SSN"),
    ("mrn", Likeness::Mrn, "MRN"),
    ("npi", Likeness::Licence, "NPI"),
    ("dea", Likeness::Licence, "DEA"),
    ("mbi", Likeness::HealthPlan, "MBI"),
    ("phone", Likeness::Telephone, "phone"),
    ("email", Likeness::Email, "e-mail"),
    ("url", Likeness::Url, "URL"),
    ("ip", Likeness::Ip, "IP"),
    ("mac", Likeness::Device, "MAC"),
    ("card", Likeness::Account, "card"),
    ("account", Likeness::Account, "account"),
    ("date", Likeness::Date, "date"),
    ("age", Likeness::Age, "age"),
    ("zip", Likeness::Zip, "ZIP"),
    ("address", Likeness::Place, "address"),
    ("vin", Likeness::Vehicle, "VIN"),
];

/// Mean characters from which a text counts as free.
const FREE_TEXT: u64 = 25;

/// What the sampled values of one column look like.
#[derive(Default)]
pub(super) struct Counts {
    /// Values that are not NULL or empty.
    pub(super) values: u32,
    characters: u64,
    /// Values that are one identifier from end to end, by what it is.
    whole: BTreeMap<Likeness, u32>,
    /// Values in which an identifier stands.
    within: u32,
    /// Values that are the identifier that the column's name promises, once its word stands before them.
    as_named: u32,
}

impl Counts {
    /// The identifier that most values are, with how many.
    pub(super) fn mostly(&self) -> Option<(Likeness, u32)> {
        let (likeness, count) = self.whole.iter().max_by_key(|(_, count)| **count)?;
        (*count >= 3 && count.saturating_mul(2) >= self.values).then_some((*likeness, *count))
    }

    /// Whether the values are texts in which identifiers stand; how many of them.
    pub(super) fn free_text(&self) -> Option<u32> {
        let long = self.values > 0 && self.characters / u64::from(self.values) >= FREE_TEXT;
        (long && self.within >= 2 && self.within.saturating_mul(20) >= self.values).then_some(self.within)
    }

    /// How many values are what the name promises.
    pub(super) fn as_named(&self) -> u32 {
        self.as_named
    }
}

/// Whether the values of an identifier can be told by a detector, given its word.
pub(super) fn is_told(likeness: Likeness) -> bool {
    DETECTORS.iter().any(|(_, known, _)| *known == likeness)
}

/// Scanners, built once.
pub(super) struct Counter {
    scanner: Scanner,
}

impl Counter {
    pub(super) fn new() -> Option<Self> {
        let kinds: Vec<String> = DETECTORS.iter().map(|(kind, ..)| (*kind).to_owned()).collect();
        Some(Self { scanner: Scanner::new(&kinds)? })
    }

    /// Counts a sample: one entry a column, given what each column's name promises.
    pub(super) fn count(&self, sample: &Sample, promised: &[Option<Likeness>]) -> Vec<Counts> {
        let mut counts: Vec<Counts> = promised.iter().map(|_| Counts::default()).collect();
        for row in &sample.rows {
            for ((cell, counts), promised) in row.iter().zip(&mut counts).zip(promised) {
                if let Some(value) = cell.as_deref().map(str::trim).filter(|value| !value.is_empty()) {
                    self.look(value, *promised, counts);
                }
            }
        }
        counts
    }

    fn look(&self, value: &str, promised: Option<Likeness>, counts: &mut Counts) {
        counts.values = counts.values.saturating_add(1);
        counts.characters = counts.characters.saturating_add(u64::try_from(value.chars().count()).unwrap_or(u64::MAX));
        let of = |kind: &str| DETECTORS.iter().find(|(known, ..)| *known == kind).map(|(_, likeness, _)| *likeness);
        let found = self.scanner.find(value);
        let whole = found.iter().find(|one| one.start == 0 && one.end == value.len()).and_then(|one| of(one.kind));
        if let Some(likeness) = whole {
            let count = counts.whole.entry(likeness).or_default();
            *count = count.saturating_add(1);
        }
        if !found.is_empty() {
            counts.within = counts.within.saturating_add(1);
        }
        let Some(promised) = promised else { return };
        let told = whole == Some(promised)
            || DETECTORS.iter().filter(|(_, of, _)| *of == promised).any(|(_, _, word)| {
                let named = format!("{word}: {value}");
                self.scanner.find(&named).iter().any(|one| of(one.kind) == Some(promised) && one.end == named.len())
            });
        counts.as_named = counts.as_named.saturating_add(u32::from(told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[&str], promised: Option<Likeness>) -> Counts {
        let rows = values.iter().map(|value| vec![Some((*value).to_owned())]).collect();
        Counter::new().unwrap().count(&Sample { rows }, &[promised]).pop().unwrap()
    }

    #[test]
    fn values_are_told_by_their_shape() {
        let counts = column(&["219-09-9999", "078-05-1120", "457-55-5462", "n/a"], None);
        assert_eq!((counts.values, counts.mostly()), (4, Some((Likeness::Ssn, 3))));
        assert_eq!(column(&["a@mail.example", "b@mail.example"], None).mostly(), None, "two are no habit");
        assert_eq!(column(&["red", "green", "blue"], None).mostly(), None);
    }

    #[test]
    fn a_bare_number_is_told_by_what_its_column_is_called() {
        let counts = column(&["00983321", "00983322", "x"], Some(Likeness::Mrn));
        assert_eq!((counts.as_named(), counts.mostly()), (2, None));
    }

    #[test]
    fn identifiers_within_texts_make_them_free_text() {
        let text = "Spoke with daughter, call (617) 555-0178 after five.";
        assert_eq!(column(&[text, text, "Stable overnight, plan unchanged, continue."], None).free_text(), Some(2));
        assert_eq!(column(&["(617) 555-0178", "(617) 555-0179"], None).free_text(), None);
    }
}
