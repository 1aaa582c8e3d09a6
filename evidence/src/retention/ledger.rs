//! Terms, holds and tombstones, as the leaves of a log state them one after the other.

use super::order::{Action, Order, signers};
use super::{ranges, words};
use crate::log::{HoldStep, Leaf, Terms};
use crate::sign::VerifierKey;
use crate::table::{date, rfc3339};
use std::collections::{BTreeMap, BTreeSet};

/// People who must sign an order.
const TWO: usize = 2;

/// A segment's place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// Its oldest record, or its sealing when it has none. Microseconds since the epoch.
    pub(crate) first: i64,
    /// When it was sealed: no record in it is younger.
    pub(crate) sealed: i64,
    /// How long it was promised to be kept when it was sealed, microseconds.
    promised: u64,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) reason: String,
    pub(crate) by: String,
    pub(crate) added: i64,
    /// When it ended, and by whose signatures.
    pub(crate) released: Option<(i64, Vec<String>)>,
}

impl Hold {
    fn covers(&self, times: &Times) -> bool {
        self.released.is_none()
            && self.from.is_none_or(|from| from <= times.sealed)
            && self.to.is_none_or(|to| to >= times.first)
    }
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    /// Its leaf.
    pub(crate) index: u64,
    pub(crate) time: i64,
    pub(crate) order: Order,
    pub(crate) segments: Vec<[u64; 2]>,
    /// Verification keys of those who signed.
    pub(crate) by: Vec<String>,
}

impl Tombstone {
    /// In a sentence.
    pub(crate) fn words(&self) -> String {
        let names: Vec<&str> = self.by.iter().map(|key| key.split('+').next().unwrap_or(key)).collect();
        let (segments, when) = (words(&self.segments), rfc3339(self.time));
        format!("segments {segments} pruned at {when} by {}: {}", names.join(" and "), self.order.reason)
    }
}

/// Why a segment stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Kept {
    #[error("there is no segment {0}")]
    Unknown(u64),
    #[error("segment {0} was pruned before")]
    Gone(u64),
    #[error("no retention is configured: nothing is ever removed")]
    Always,
    #[error("segment {0} is kept until {1}")]
    Until(u64, String),
    #[error("segment {0} is under hold {1} ({2})")]
    Held(u64, String, String),
}

/// The state after some leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    origin: String,
    pub(crate) terms: Option<Terms>,
    pub(crate) segments: BTreeMap<u64, Times>,
    pub(crate) holds: BTreeMap<String, Hold>,
    pub(crate) tombstones: Vec<Tombstone>,
    pub(crate) pruned: BTreeSet<u64>,
    /// Leaves that should not be there: place and reason.
    pub(crate) problems: Vec<(String, String)>,
}

impl Ledger {
    pub(crate) fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..Self::default() }
    }

    /// All of a log's leaves.
    pub(crate) fn of<'a>(origin: &str, leaves: impl Iterator<Item = (u64, &'a Leaf)>) -> Self {
        let mut ledger = Self::new(origin);
        leaves.for_each(|(index, leaf)| ledger.take(index, leaf));
        ledger
    }

    /// Takes the next leaf.
    pub(crate) fn take(&mut self, index: u64, leaf: &Leaf) {
        let time = leaf.head().time;
        let outcome = match leaf {
            Leaf::Key(key) => {
                self.terms.clone_from(&key.retention);
                Ok(())
            }
            Leaf::Segment(manifest) => {
                let segment = &manifest.predicate;
                let first = segment.files.iter().map(|file| file.first_ts).min().unwrap_or(time).min(time);
                let promised = self.terms.as_ref().map_or(0, |terms| terms.keep);
                self.segments.insert(segment.segment, Times { first, sealed: time, promised });
                Ok(())
            }
            Leaf::Hold(leaf) => self.hold(&leaf.hold, &leaf.step, time),
            Leaf::Tombstone(leaf) => self.prune(&leaf.order, time).map(|(order, by)| {
                let Action::Prune { segments } = &order.action else { return };
                let segments = segments.clone();
                self.pruned.extend(numbers(&segments));
                self.tombstones.push(Tombstone { index, time, order, segments, by });
            }),
            _ => Ok(()),
        };
        if let Err(what) = outcome {
            self.problems.push((format!("leaf {index}"), what));
        }
    }

    fn hold(&mut self, id: &str, step: &HoldStep, time: i64) -> Result<(), String> {
        match step {
            HoldStep::Added { from, to, reason, by } => {
                let hold =
                    Hold { from: *from, to: *to, reason: reason.clone(), by: by.clone(), added: time, released: None };
                if self.holds.insert(id.to_owned(), hold).is_some() {
                    return Err(format!("hold {id} was added before"));
                }
                Ok(())
            }
            HoldStep::Released { order } => {
                let (named, by) = self.release(order)?;
                if named != id {
                    return Err("the order releases another hold".to_owned());
                }
                if let Some(hold) = self.holds.get_mut(id) {
                    hold.released = Some((time, by));
                }
                Ok(())
            }
        }
    }

    /// Whether an order may release a hold: which one, and who signed.
    pub(crate) fn release(&self, note: &str) -> Result<(String, Vec<String>), String> {
        let order = Order::parse(note, &self.origin)?;
        let Action::Release { hold } = &order.action else { return Err("it is no order to release a hold".to_owned()) };
        match self.holds.get(hold) {
            None => return Err(format!("there is no hold {hold}")),
            Some(known) if known.released.is_some() => return Err(format!("hold {hold} was released before")),
            Some(_) => {}
        }
        Ok((hold.clone(), self.two(note)?))
    }

    /// Whether an order to prune may be followed at this time: what it says, and who signed it.
    pub(crate) fn prune(&self, note: &str, now: i64) -> Result<(Order, Vec<String>), String> {
        let order = Order::parse(note, &self.origin)?;
        let Action::Prune { segments } = &order.action else { return Err("it is no order to prune".to_owned()) };
        if segments.is_empty() || segments.iter().any(|[first, last]| first > last) {
            return Err("it names no segments".to_owned());
        }
        if segments.len() > 1000 || ranges(numbers(segments)) != *segments {
            return Err("its segments are not in order".to_owned());
        }
        let by = self.two(note)?;
        for number in numbers(segments) {
            self.may_go(number, now).map_err(|why| why.to_string())?;
        }
        Ok((order, by))
    }

    /// Whether a segment may be removed now; if not, why.
    pub(crate) fn may_go(&self, number: u64, now: i64) -> Result<(), Kept> {
        let times = self.segments.get(&number).ok_or(Kept::Unknown(number))?;
        if self.pruned.contains(&number) {
            return Err(Kept::Gone(number));
        }
        let terms = self.terms.as_ref().ok_or(Kept::Always)?;
        let keep = i64::try_from(terms.keep.max(times.promised)).unwrap_or(i64::MAX);
        let until = times.sealed.saturating_add(keep);
        if now < until {
            return Err(Kept::Until(number, date(until)));
        }
        match self.holds.iter().find(|(_, hold)| hold.covers(times)) {
            Some((id, hold)) => Err(Kept::Held(number, id.clone(), hold.reason.clone())),
            None => Ok(()),
        }
    }

    fn two(&self, note: &str) -> Result<Vec<String>, String> {
        let people = self.terms.iter().flat_map(|terms| &terms.signers);
        let people: Vec<VerifierKey> = people.filter_map(|key| VerifierKey::parse(key).ok()).collect();
        let by = signers(note, &people);
        if by.len() < TWO {
            let what =
                format!("{} of the two signatures that it needs are there, by people whom the terms name", by.len());
            return Err(what);
        }
        Ok(by)
    }
}

/// The numbers in ranges. Ranges come from peers: no more than a store can have.
fn numbers(ranges: &[[u64; 2]]) -> impl Iterator<Item = u64> + '_ {
    ranges.iter().flat_map(|[first, last]| *first..=*last).take(10_000_000)
}
