//! Writes a large store for measurements: `million DIR [STATEMENTS]` (a million without a number) makes `DIR/store` through the
//! real recorder, the key beside it, and an `affidavit.toml`. The key is a fixed one: never use it for anything real.
//!
//! Ten thousand sessions of a hundred statements, by forty agents on twenty tables; `agent-rare` has three sessions,
//! `rare_table` is read in one statement of ten thousand, the word `needle` stands in one text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use evidence::{CannotRecord, SegmentLimits, new_session_id};
use model::{ColumnMask, ColumnRef, MaskSpec, RowLayout, SessionId, StatementId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::*;

/// Waits while the journal waits for a sealing.
fn insist<T>(mut record: impl FnMut() -> Result<T, CannotRecord>) -> T {
    loop {
        match record() {
            Ok(value) => return value,
            Err(CannotRecord::Busy) => std::thread::sleep(Duration::from_micros(200)),
            Err(error) => panic!("{error}"),
        }
    }
}

const PER_SESSION: u64 = 100;

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = std::path::PathBuf::from(args.next().expect("usage: million DIR [STATEMENTS]"));
    let statements: u64 = args.next().map_or(1_000_000, |n| n.parse().expect("a number of statements"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("log.key"), key().to_text().as_bytes()).unwrap();
    std::fs::write(folder.join("log.vkey"), format!("{}\n", vkey())).unwrap();
    let toml = format!("[store]\npath = \"store\"\norigin = \"{ORIGIN}\"\nsigning_key = {{ file = \"log.key\" }}\n");
    std::fs::write(folder.join("affidavit.toml"), toml).unwrap();
    let mut config = config(&folder.join("store"));
    config.journal.file_bytes = 32 << 20;
    config.journal.max_bytes = 1 << 30;
    config.segment = SegmentLimits { rows: 200_000, bytes: 64 << 20, age: Duration::from_secs(300) };
    let (recorder, _) = open(config);
    let start = Instant::now();
    let sessions = statements.div_ceil(PER_SESSION);
    for number in 0..sessions {
        let rare = number == sessions / 3 || number == sessions / 2 || number == sessions - 1;
        let agent = if rare { "agent-rare".to_owned() } else { format!("agent-{}", number % 40) };
        let id = new_session_id();
        insist(|| recorder.session_opened(&info(id, &agent), version(POLICY)));
        for at in 1..=PER_SESSION.min(statements - number * PER_SESSION) {
            one(&recorder, id, number * PER_SESSION + at, at);
        }
        insist(|| recorder.session_closed(id, "done"));
    }
    let recorded = start.elapsed();
    recorder.close().unwrap();
    println!("{statements} statements recorded in {recorded:.1?}, sealed after {:.1?}", start.elapsed());
}

fn one(recorder: &evidence::Recorder, id: SessionId, number: u64, at: u64) {
    let table = if number % 10_000 == 7 { "rare_table".to_owned() } else { format!("table_{}", number % 20) };
    let shape = format!("select name, ssn, city, seen from {table} where id = $1 and kind = {}", number % 50);
    let word = if number == 4_321 { " /* needle */" } else { "" };
    let mut statement = statement(at, &format!("SELECT name, ssn, city, seen FROM {table} WHERE id = {number}{word}"));
    let facts = Arc::make_mut(&mut statement.facts);
    facts.parts[0].tables[0].table.table.clone_from(&table);
    facts.fingerprint = format!("{:016x}", (number % 20) * 1000 + number % 50);
    facts.normalized = shape;
    let source =
        |column: &str| Some(ColumnRef { schema: "public".into(), table: table.clone(), column: column.into() });
    let masks = [
        ColumnMask { mask: None, rule: None, source: source("name") },
        ColumnMask { mask: Some(MaskSpec::Redact), rule: Some("ssn".into()), source: source("ssn") },
    ];
    let columns = ["name", "ssn", "city", "seen"].map(text_column);
    insist(|| recorder.intent(id, &statement, &verdict(), None));
    insist(|| recorder.columns(id, StatementId(at), 0, &columns, &masks, &[]));
    let mut bytes = Vec::new();
    for row in 0..2 {
        let token = (number * 2 + row).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (name, day) = (format!("tok_{token:016x}"), format!("2026-{:02}-{:02}", number % 12 + 1, number % 28 + 1));
        bytes.extend_from_slice(&data_row(&[Some(&name), Some("***-**-****"), Some("Springfield"), Some(&day)]));
    }
    insist(|| recorder.rows(id, StatementId(at), 0, &RowLayout::Framed, 2, &bytes));
    insist(|| recorder.done(id, StatementId(at), &completed(2), true));
}
