//! Precision and recall of the detectors on a labelled set, with 95 % confidence intervals.
//!
//! The set is small and written for this purpose: the figures tell where the detectors are weak, not how they would do
//! on a hospital's notes. `cargo test -p affidavit-policies --test detectors -- --nocapture` prints the table.

// Clippy knows tests by their attribute; what helps them panics as they do.
#![allow(clippy::panic, clippy::indexing_slicing)]

use affidavit_policies::{Finding, Scanner};
use std::collections::BTreeMap;

struct Labelled {
    text: String,
    gold: Vec<(usize, usize, String)>,
}

fn labelled() -> Vec<Labelled> {
    let lines = include_str!("labelled.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(read).collect()
}

fn read(line: &str) -> Labelled {
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

#[derive(Default, Clone, Copy)]
struct Count {
    gold: u32,
    hit: u32,
    found: u32,
    right: u32,
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

fn overlaps(one: &Finding, gold: &(usize, usize, String)) -> bool {
    one.start < gold.1 && gold.0 < one.end
}

/// Recall counts an identifier as hit when every byte of it is hidden, under whatever kind; precision counts a finding
/// as right when it touches an identifier.
#[test]
fn precision_and_recall() {
    let scanner = Scanner::new(&Scanner::kinds().map(str::to_owned).collect::<Vec<_>>())
        .unwrap_or_else(|| panic!("its own kinds"));
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for Labelled { text, gold } in labelled() {
        let found = scanner.find(&text);
        for label in &gold {
            let hidden = (label.0..label.1).all(|at| found.iter().any(|one| one.start <= at && at < one.end));
            let count = counts.entry(label.2.clone()).or_default();
            count.gold += 1;
            count.hit += u32::from(hidden);
            if !hidden {
                println!("missed  {:8} {:?} in {text:?}", label.2, &text[label.0..label.1]);
            }
        }
        for one in &found {
            let right = gold.iter().any(|label| overlaps(one, label));
            let count = counts.entry(one.kind.to_owned()).or_default();
            count.found += 1;
            count.right += u32::from(right);
            if !right {
                println!("wrong   {:8} {:?} in {text:?}", one.kind, &text[one.start..one.end]);
            }
        }
    }
    let mut all = Count::default();
    println!("{:10}{:>24}{:>32}", "kind", "recall [95 %]", "precision [95 %]");
    let print = |kind: &str, count: Count| {
        let ((r0, r1), (p0, p1)) = (wilson(count.hit, count.gold), wilson(count.right, count.found));
        let recall = format!("{}/{} [{r0:.2}, {r1:.2}]", count.hit, count.gold);
        let precision = format!("{}/{} [{p0:.2}, {p1:.2}]", count.right, count.found);
        println!("{kind:10}{recall:>24}{precision:>32}");
    };
    for (kind, count) in &counts {
        print(kind, *count);
        all.gold += count.gold;
        all.hit += count.hit;
        all.found += count.found;
        all.right += count.right;
    }
    print("all", all);
    // The floor under which a change is a step back: names without a title are beyond patterns, and counted as missed.
    assert!(f64::from(all.hit) >= 0.93 * f64::from(all.gold), "recall fell to {}/{}", all.hit, all.gold);
    assert!(f64::from(all.right) >= 0.97 * f64::from(all.found), "precision fell to {}/{}", all.right, all.found);
}
