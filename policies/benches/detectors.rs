//! What the detectors find, and how fast: precision and recall per kind with 95 % intervals, and MB/s over clinical text.
//!
//! `cargo bench -p affidavit-policies --bench detectors` prints both; `make bench` runs it.

// A benchmark may panic, and takes its set apart as tests do.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "../tests/labelled/mod.rs"]
mod labelled;

use affidavit_policies::{Keys, Masker, Scanner};
use labelled::made::made;
use labelled::{Labelled, handwritten, scanner, score};
use model::{Column, Encoding, Kind, MaskSpec, Repr};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Sentences per kind: narrow intervals within seconds.
const EACH: usize = 1_000;
/// How long each throughput is measured.
const MEASURED: Duration = Duration::from_secs(2);

fn notes(set: &[Labelled]) -> Vec<String> {
    // Notes of about ten sentences, a fifth of which names somebody: the mix of real notes is thinner still.
    let (with, without): (Vec<_>, Vec<_>) = set.iter().partition(|line| !line.gold.is_empty());
    let mut with = with.iter().cycle();
    without
        .chunks(8)
        .map(|chunk| {
            let mut lines: Vec<&str> = chunk.iter().map(|line| line.text.as_str()).collect();
            lines.extend(with.by_ref().take(2).map(|line| line.text.as_str()));
            lines.join(" ")
        })
        .collect()
}

fn throughput(title: &str, find: &[&str], notes: &[String]) {
    let column = Column {
        name: "body".to_owned(),
        type_name: "text".to_owned(),
        repr: Repr { kind: Kind::Text, encoding: Encoding::PostgresText },
        nullable: None,
        max_chars: None,
        announced: None,
    };
    let spec = MaskSpec::Detect { find: find.iter().map(|kind| (*kind).to_owned()).collect() };
    let mut masker = Masker::compile(&spec, &column, &Keys::new(b"master", "tenant")).unwrap_or_else(|e| panic!("{e}"));
    let mut out = Vec::new();
    let (mut bytes, begun) = (0_usize, Instant::now());
    while begun.elapsed() < MEASURED {
        for note in notes {
            out.clear();
            masker.apply(Some(black_box(note.as_bytes())), &mut out);
            bytes += note.len();
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    let rate = bytes as f64 / 1e6 / seconds;
    println!("  {title:28} {rate:8.1} MB/s");
}

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let kinds: Vec<&str> = Scanner::kinds().collect();
    let each = if quick { 8 } else { EACH };
    let set = made(&kinds, each, 8);
    let title = "Detectors on sentences made from templates (half of them identify nobody), written with care";
    score(&scanner(), &made(&kinds, each, 0)).print(title);
    score(&scanner(), &set)
        .print("\nThe same, every eighth written carelessly: without labels or separators, in words");
    score(&scanner(), &handwritten()).print("\nDetectors on sentences written by hand");
    if quick {
        return;
    }
    let notes = notes(&set);
    println!("\nDetectors' throughput, masking notes");
    throughput("seven kinds", &["ssn", "phone", "email", "mrn", "date", "npi", "mbi"], &notes);
    throughput("all kinds", &kinds, &notes);
}
