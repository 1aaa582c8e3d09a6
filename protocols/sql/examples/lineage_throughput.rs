//! How many statements a second are analysed, over the attacks and the valid statements that the leak suite runs: cold (each shape
//! for the first time: scanner, parser, lowering, lineage) and cached (the scanner and a look-up).
//!
//! Prints one line of JSON for each engine: `{"engine": "postgres", "statements": 2171, "cold_per_second": …,
//! "cached_per_second": …, "cold_microseconds": …, "cached_microseconds": …}`. One thread, one core.
//! The optional argument is the folder of the corpora (default: the repository's `testdata`).

#[path = "../tests/hospital/mod.rs"]
mod hospital;

use affidavit_sql::{Analyser, Catalog, Dialect, Settings};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Statements of an engine's corpora, each once.
fn corpus(testdata: &Path, engine: &str) -> std::io::Result<Vec<String>> {
    let mut statements = std::collections::BTreeSet::new();
    let valid = testdata.join("leaks/valid").join(format!("{engine}.txt"));
    let mut files: Vec<PathBuf> = vec![valid];
    for folder in [testdata.join("leaks").join(engine), testdata.join("attacks").join(engine)] {
        if folder.is_dir() {
            for entry in std::fs::read_dir(folder)? {
                files.push(entry?.path());
            }
        }
    }
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "txt")) {
        for line in std::fs::read_to_string(file)?.lines().filter(|line| !line.starts_with('#')) {
            let parts = line.split(";;").map(str::trim).filter(|part| !part.is_empty());
            statements.extend(parts.map(|part| part.replace("{x}", "p.ssn")));
        }
    }
    Ok(statements.into_iter().collect())
}

/// Statements a second over whole passes that take at least a second and a half together.
fn measure(statements: &[String], mut pass: impl FnMut(&[String])) -> f64 {
    pass(statements);
    let (begun, mut passes) = (Instant::now(), 0u32);
    while begun.elapsed() < Duration::from_millis(1500) {
        pass(statements);
        passes += 1;
    }
    f64::from(passes) * statements.len() as f64 / begun.elapsed().as_secs_f64()
}

fn main() -> std::io::Result<()> {
    // Parsers that fail on an attack say so by a panic, which is caught.
    std::panic::set_hook(Box::new(|_| {}));
    let testdata = std::env::args().nth(1).map(PathBuf::from);
    let testdata = testdata.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata"));
    for (engine, dialect) in [("postgres", Dialect::Postgres), ("mysql", Dialect::MariaDb)] {
        let statements = corpus(&testdata, engine)?;
        let (catalog, settings): (Catalog, Settings) = match dialect {
            Dialect::Postgres => (hospital::postgres(), hospital::postgres_settings()),
            _ => (hospital::mysql(), hospital::mysql_settings()),
        };
        let warm = Analyser::new(dialect);
        let run = |analyser: &Analyser, statements: &[String]| {
            for statement in statements {
                black_box(analyser.analyse(statement.as_bytes(), &catalog, &settings));
            }
        };
        let cold = measure(&statements, |statements| run(&Analyser::new(dialect), statements));
        let cached = measure(&statements, |statements| run(&warm, statements));
        println!(
            "{{\"engine\": \"{engine}\", \"statements\": {}, \"cold_per_second\": {cold:.0}, \"cached_per_second\": {cached:.0}, \
             \"cold_microseconds\": {:.2}, \"cached_microseconds\": {:.2}}}",
            statements.len(),
            1e6 / cold,
            1e6 / cached,
        );
    }
    Ok(())
}
