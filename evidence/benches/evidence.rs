//! What recording costs, how fast journals become segments, and how verifying compares with hashing the same bytes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use evidence::verify::{Options, verify};
use evidence::{CannotRecord, Recorder, VerifierKey};
use model::{RowLayout, SessionId, StatementId};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use support::*;

/// Tries again while the journal waits for a sealing: the time that this takes belongs to the measurement.
fn insist<T>(mut record: impl FnMut() -> Result<T, CannotRecord>) -> T {
    loop {
        match record() {
            Ok(value) => return value,
            Err(CannotRecord::Busy) => std::thread::sleep(Duration::from_micros(200)),
            Err(error) => panic!("{error}"),
        }
    }
}

fn large(path: &Path) -> Recorder {
    let mut config = config(path);
    config.journal.file_bytes = 32 << 20;
    config.journal.max_bytes = 2 << 30;
    config.segment.bytes = u64::MAX;
    config.segment.rows = u64::MAX;
    open(config).0
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for bytes in [100usize, 1000, 16_000, 64_000] {
        let folder = tempfile::tempdir().unwrap();
        let recorder = large(folder.path());
        let id = session(&recorder, "bench");
        recorder.intent(id, &statement(1, "COPY patients TO STDOUT"), &verdict(), None).unwrap();
        let row = data_row(&[Some(&"x".repeat(80)), Some("***")]);
        let piece: Vec<u8> = row.iter().copied().cycle().take(bytes).collect();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::new("rows", bytes), &piece, |bencher, piece| {
            bencher.iter(|| insist(|| recorder.rows(id, StatementId(1), 0, &RowLayout::Framed, 1, black_box(piece))));
        });
        recorder.close().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let recorder = large(folder.path());
    let id: SessionId = session(&recorder, "bench");
    let (statement, verdict) = (statement(1, "SELECT abalance FROM pgbench_accounts WHERE aid = 12345"), verdict());
    group.throughput(Throughput::Elements(1));
    group.bench_function("intent", |bencher| {
        bencher.iter(|| insist(|| recorder.intent(id, black_box(&statement), &verdict, None)));
    });
    group.finish();
}

/// A store of one statement with `rows` rows, as COPY gives them, sealed; returns how long the sealing took.
fn sealed(path: &Path, rows: u64) -> Duration {
    let recorder = large(path);
    let id = session(&recorder, "bench");
    recorder.intent(id, &statement(1, "COPY patients TO STDOUT"), &verdict(), None).unwrap();
    let names = ["id", "name", "ssn", "birth", "zip", "note"];
    recorder.columns(id, StatementId(1), 0, &names.map(text_column), &[], &[]).unwrap();
    let mut piece = Vec::new();
    for row in 0..rows {
        let (number, name) = (row.to_string(), format!("tok_{:x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let note = format!("seen on day {} for follow-up, next visit in {} weeks", row % 365, row % 12);
        piece.extend_from_slice(&data_row(&[
            Some(&number),
            Some(&name),
            Some("***-**-****"),
            Some("1980-01-01"),
            Some("02100"),
            Some(&note),
        ]));
        if piece.len() > 60_000 || row + 1 == rows {
            insist(|| recorder.rows(id, StatementId(1), 0, &RowLayout::Framed, 1, &piece));
            piece.clear();
        }
    }
    recorder.done(id, StatementId(1), &completed(rows), true).unwrap();
    recorder.session_closed(id, "done").unwrap();
    let start = Instant::now();
    recorder.seal_now().unwrap();
    let took = start.elapsed();
    recorder.close().unwrap();
    took
}

fn files(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

fn seal_and_verify(criterion: &mut Criterion) {
    const ROWS: u64 = 200_000;
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("seal rows", |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| sealed(tempfile::tempdir().unwrap().path(), ROWS)).sum());
    });
    let folder = tempfile::tempdir().unwrap();
    sealed(folder.path(), ROWS);
    let mut all = Vec::new();
    files(folder.path(), &mut all);
    let bytes: u64 = all.iter().map(|path| path.metadata().unwrap().len()).sum();
    group.throughput(Throughput::Bytes(bytes));
    let key = VerifierKey::parse(&vkey()).unwrap();
    let options = Options::new(key);
    group.bench_function("verify", |bencher| {
        bencher.iter(|| assert!(verify(folder.path(), &options).unwrap().is_good()));
    });
    group.bench_function("sha256 of the same bytes", |bencher| {
        bencher.iter(|| {
            for path in &all {
                black_box(Sha256::digest(std::fs::read(path).unwrap()));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, append, seal_and_verify);
criterion_main!(benches);
