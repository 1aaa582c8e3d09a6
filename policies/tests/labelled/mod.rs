//! Labelled texts and how detectors do on them: sentences written by hand, and many more made from templates with numbers
//! whose checksums this file computes by itself.
//!
//! Recall counts an identifier as hit when every byte of it is hidden, under whatever kind; precision counts a finding as
//! right when it touches an identifier.

pub(crate) mod made;
pub(crate) mod numbers;

use affidavit_policies::{Finding, Scanner};
use std::collections::BTreeMap;

/// A text and what in it identifies somebody: from byte, to byte, kind.
pub(crate) struct Labelled {
    pub(crate) text: String,
    pub(crate) gold: Vec<(usize, usize, String)>,
}

/// The sentences written by hand.
pub(crate) fn handwritten() -> Vec<Labelled> {
    include_str!("handwritten.txt").lines().filter(|line| !line.starts_with('#')).map(read).collect()
}

/// Reads `{kind|text}` marks.
pub(crate) fn read(line: &str) -> Labelled {
    let (mut text, mut gold, mut rest) = (String::new(), Vec::new(), line);
    while let Some((before, marked)) = rest.split_once('{') {
        let Some(((kind, value), after)) =
            marked.split_once('}').and_then(|(l, after)| Some((l.split_once('|')?, after)))
        else {
            panic!("a label is {{kind|text}}: {line}");
        };
        text.push_str(before);
        gold.push((text.len(), text.len() + value.len(), kind.to_owned()));
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    Labelled { text, gold }
}

/// Every kind of identifier at once.
pub(crate) fn scanner() -> Scanner {
    Scanner::new(&Scanner::kinds().map(str::to_owned).collect::<Vec<_>>()).unwrap_or_else(|| panic!("its own kinds"))
}

/// What was there, what of it was hidden, what was found, what of that was right.
#[derive(Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) gold: u32,
    pub(crate) hit: u32,
    pub(crate) found: u32,
    pub(crate) right: u32,
}

impl Count {
    pub(crate) fn recall(self) -> f64 {
        share(self.hit, self.gold)
    }

    pub(crate) fn precision(self) -> f64 {
        share(self.right, self.found)
    }
}

fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 1.0 } else { f64::from(part) / f64::from(whole) }
}

/// How a scanner did, by kind; misses and wrong findings in words.
pub(crate) struct Scores {
    pub(crate) kinds: BTreeMap<String, Count>,
    pub(crate) mistakes: Vec<String>,
}

impl Scores {
    pub(crate) fn all(&self) -> Count {
        self.kinds.values().fold(Count::default(), |all, one| Count {
            gold: all.gold + one.gold,
            hit: all.hit + one.hit,
            found: all.found + one.found,
            right: all.right + one.right,
        })
    }

    pub(crate) fn print(&self, title: &str) {
        println!("{title}\n  {:10}{:>28}{:>30}", "kind", "recall [95 %]", "precision [95 %]");
        let total = self.all();
        for (kind, count) in self.kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).chain([("all", total)]) {
            let ((r0, r1), (p0, p1)) = (wilson(count.hit, count.gold), wilson(count.right, count.found));
            let recall = format!("{}/{} [{r0:.3}, {r1:.3}]", count.hit, count.gold);
            let precision = format!("{}/{} [{p0:.3}, {p1:.3}]", count.right, count.found);
            println!("  {kind:10}{recall:>28}{precision:>30}");
        }
    }
}

/// Wilson's score interval at 95 %.
fn wilson(hits: u32, of: u32) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (f64::from(of), 1.96_f64);
    let p = f64::from(hits) / n;
    let middle = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    ((middle - spread) / scale, (middle + spread) / scale)
}

/// Runs a scanner over a set.
pub(crate) fn score(scanner: &Scanner, set: &[Labelled]) -> Scores {
    let mut scores = Scores { kinds: BTreeMap::new(), mistakes: Vec::new() };
    let overlaps = |one: &Finding, gold: &(usize, usize, String)| one.start < gold.1 && gold.0 < one.end;
    for Labelled { text, gold } in set {
        let found = scanner.find(text);
        for label in gold {
            let hidden = (label.0..label.1).all(|at| found.iter().any(|one| one.start <= at && at < one.end));
            let count = scores.kinds.entry(label.2.clone()).or_default();
            count.gold += 1;
            count.hit += u32::from(hidden);
            if !hidden {
                scores.mistakes.push(format!("missed {:8} {:?} in {text:?}", label.2, &text[label.0..label.1]));
            }
        }
        for one in &found {
            let right = gold.iter().any(|label| overlaps(one, label));
            let count = scores.kinds.entry(one.kind.to_owned()).or_default();
            count.found += 1;
            count.right += u32::from(right);
            if !right {
                scores.mistakes.push(format!("wrong  {:8} {:?} in {text:?}", one.kind, &text[one.start..one.end]));
            }
        }
    }
    scores
}
