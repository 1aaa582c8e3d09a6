//! Masked values that come back: an application that reads a row, changes one field and stores all of them would write the
//! masks over the data. So a session remembers what it was shown in place of protected values, and a statement that
//! writes one of those into a column under the same mask is refused.
//!
//! This guards against accidents, not against people: it holds the values shown last, and does not look into the data of
//! COPY or LOAD. Whoever may write a column may write anything else into it.

use model::{ColumnRef, MaskSpec, Phase, Refusal, RefusalKind, Statement, Verb};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};

/// Values remembered: a power of two. The last ones stay, 32 KiB for a session that was shown any.
const SLOTS: usize = 4096;
/// A shorter mask (a redacted number is `0`) says nothing about where a value comes from.
const SHORTEST: usize = 3;
/// Literals and parameters of one statement that are looked at.
const MOST_VALUES: usize = 10_000;

/// What a session was shown in place of protected values.
#[derive(Default)]
pub(crate) struct Shown {
    keys: RandomState,
    slots: Vec<u64>,
}

impl Shown {
    /// What distinguishes masks of one kind and domain from those of others.
    pub(crate) fn domain(&self, mask: Option<&MaskSpec>) -> u64 {
        mask.map_or(0, |mask| self.keys.hash_one(mask))
    }

    /// A cell became this.
    pub(crate) fn note(&mut self, domain: u64, value: &[u8]) {
        if value.len() < SHORTEST {
            return;
        }
        let hash = self.hash(domain, value);
        if self.slots.is_empty() {
            self.slots = vec![0; SLOTS];
        }
        if let Some(slot) = self.slots.get_mut(slot(hash)) {
            *slot = hash;
        }
    }

    fn knows(&self, domain: u64, value: &[u8]) -> bool {
        let hash = self.hash(domain, value);
        value.len() >= SHORTEST && self.slots.get(slot(hash)) == Some(&hash)
    }

    fn hash(&self, domain: u64, value: &[u8]) -> u64 {
        let mut hasher = self.keys.build_hasher();
        domain.hash(&mut hasher);
        hasher.write(value);
        hasher.finish().max(1)
    }

    /// Why the statement may not run: it writes what this session was shown as a mask into a column of that mask.
    pub(crate) fn refusal(
        &self,
        statement: &Statement,
        mask_of: impl Fn(&ColumnRef) -> Option<MaskSpec>,
    ) -> Option<Refusal> {
        if self.slots.is_empty() || statement.phase == Phase::Prepare {
            return None;
        }
        let writes = |verb| matches!(verb, Verb::Insert | Verb::Update | Verb::Merge);
        let parts = statement.facts.parts.iter().filter(|part| writes(part.verb));
        // What is computed from columns is judged by the policy; constants are what can be a mask.
        let flows = parts.flat_map(|part| &part.writes).filter(|flow| flow.sources.is_empty());
        let mut values: Option<Vec<Vec<u8>>> = None;
        for target in flows.filter_map(|flow| flow.target.as_ref()) {
            let Some(mask) = mask_of(target) else { continue };
            let domain = self.domain(Some(&mask));
            let values = values.get_or_insert_with(|| values_of(statement));
            if values.iter().any(|value| self.knows(domain, value)) {
                return Some(written_back(target));
            }
        }
        None
    }
}

fn slot(hash: u64) -> usize {
    usize::try_from(hash).unwrap_or(0) & (SLOTS - 1)
}

fn written_back(target: &ColumnRef) -> Refusal {
    Refusal::new(
        RefusalKind::Denied,
        format!("this would write a value that Affidavit showed in place of a protected one back into {target}"),
    )
    .hint(format!("leave {} out: write only the columns that were really changed", target.column))
}

/// The parameters of a statement and the literals in its text.
fn values_of(statement: &Statement) -> Vec<Vec<u8>> {
    let params = statement.params.iter().filter_map(|param| param.value.as_ref().map(|value| value.to_vec()));
    params.chain(literals(&statement.sql)).take(MOST_VALUES).collect()
}

/// The strings and numbers of a text, as far as they stand there without escapes: a mask has none.
fn literals(sql: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        while let Some((first, after)) = rest.split_first() {
            match first {
                b'\'' | b'"' => {
                    let end = after.iter().position(|byte| byte == first).unwrap_or(after.len());
                    let (value, tail) = after.split_at(end);
                    rest = tail.get(1..).unwrap_or_default();
                    return Some(value.to_vec());
                }
                b'0'..=b'9' => {
                    let digits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
                    let end = rest.iter().position(|byte| !digits(byte)).unwrap_or(rest.len());
                    let (value, tail) = rest.split_at(end);
                    rest = tail;
                    return Some(value.to_vec());
                }
                byte if byte.is_ascii_alphabetic() || *byte == b'_' => {
                    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                    let end = rest.iter().position(|byte| !word(byte)).unwrap_or(rest.len());
                    rest = rest.get(end..).unwrap_or_default();
                }
                _ => rest = after,
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_known_within_its_domain() {
        let mut shown = Shown::default();
        let token = MaskSpec::Token { domain: "ssn".to_owned(), keep_format: true };
        let (ssn, other) = (shown.domain(Some(&token)), shown.domain(Some(&MaskSpec::Redact)));
        shown.note(ssn, b"123-45-6789");
        shown.note(other, b"0");
        assert!(shown.knows(ssn, b"123-45-6789"));
        assert!(!shown.knows(other, b"123-45-6789") && !shown.knows(ssn, b"123-45-6780") && !shown.knows(other, b"0"));
    }

    #[test]
    fn the_last_values_stay() {
        let mut shown = Shown::default();
        for number in 0..100_000u32 {
            shown.note(1, format!("value {number}").as_bytes());
        }
        assert!(shown.knows(1, b"value 99999"));
        assert_eq!(shown.slots.len(), SLOTS);
    }

    #[test]
    fn literals_of_a_text() {
        let found: Vec<String> = literals(b"UPDATE t1 SET a = '900-12', b=42.5 WHERE \"c\" = 'x' -- 'y")
            .map(|value| String::from_utf8_lossy(&value).into_owned())
            .collect();
        assert_eq!(found, ["900-12", "42.5", "c", "x", "y"]);
    }
}
