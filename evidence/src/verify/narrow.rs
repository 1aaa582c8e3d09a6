//! Verification in about the time of hashing: a file whose hash is signed says what was recorded, so only what records say of
//! one another is looked at, and only in the columns that say it. What [`super::Options::full`] adds is said as NOT CHECKED.

use super::facts::Facts;
use super::records::ChainRecord;
use crate::error::StoreError;
use crate::table::{Batches, Record, SCHEMA_VERSION, Table};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Columns of statements that other records depend on.
const STATEMENTS: [&str; 17] = [
    "schema_version",
    "lsn",
    "ts",
    "record_hash",
    "prev_hash",
    "session_id",
    "statement_id",
    "session_seq",
    "row_count",
    "bytes_out",
    "policy_version",
    "decision",
    "approval_id",
    "phase",
    "sent",
    "user_id",
    "issuer",
];
const ROWS: [&str; 4] = ["lsn", "ts", "session_id", "statement_id"];

/// Takes the statements of a file as they state themselves.
pub(super) fn statements(
    source: Bytes,
    place: &str,
    facts: &mut Facts,
    seen: &mut dyn FnMut(i64, i64),
) -> Result<(), StoreError> {
    let (batches, _) = Batches::narrow(Table::Statements, source, place, &STATEMENTS)?;
    batches.narrow_records(Table::Statements, &mut |record: Record| {
        seen(record.int("lsn"), record.int("ts"));
        if record.version() > SCHEMA_VERSION {
            facts.newer = facts.newer.max(Some(record.version()));
        }
        let hash = hex::decode(record.str("record_hash")).ok().and_then(|hash| hash.try_into().ok());
        let session = uuid::Uuid::parse_str(record.str("session_id")).ok().map(uuid::Uuid::into_bytes);
        let (Some(hash), Some(session)) = (hash, session) else {
            return Err(StoreError::damaged(place, "a statement without a hash or a session"));
        };
        facts.chain.push(ChainRecord::new(&record, session, hash));
        Ok(())
    })
}

/// Counts the rows of each statement.
pub(super) fn rows(
    source: Bytes,
    place: &str,
    counts: &mut BTreeMap<([u8; 16], i64), u64>,
    seen: &mut dyn FnMut(i64, i64),
) -> Result<(), StoreError> {
    let (batches, _) = Batches::narrow(Table::Rows, source, place, &ROWS)?;
    let problem = || StoreError::damaged(place, "its columns are not those of the rows table");
    for batch in batches {
        let batch = batch?;
        let ints = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
        let (lsn, statement) = (ints("lsn").ok_or_else(problem)?, ints("statement_id").ok_or_else(problem)?);
        let ts = batch.column_by_name("ts").and_then(|ts| ts.as_primitive_opt::<TimestampMicrosecondType>());
        let ts = ts.ok_or_else(problem)?;
        let session = batch.column_by_name("session_id").and_then(|texts| texts.as_string_opt::<i32>());
        let session = session.ok_or_else(problem)?;
        // Rows of one statement stand together: it is looked up once for all of them.
        let mut run: Option<(&str, i64, u64)> = None;
        let mut close = |run: Option<(&str, i64, u64)>| -> Result<(), StoreError> {
            let Some((session, statement, count)) = run else { return Ok(()) };
            let id = uuid::Uuid::parse_str(session).map_err(|_| problem())?.into_bytes();
            *counts.entry((id, statement)).or_default() += count;
            Ok(())
        };
        for at in 0..batch.num_rows() {
            seen(lsn.value(at), ts.value(at));
            let here = (session.value(at), statement.value(at));
            match &mut run {
                Some((session, statement, count)) if (*session, *statement) == here => *count += 1,
                _ => close(run.replace((here.0, here.1, 1)))?,
            }
        }
        close(run)?;
    }
    Ok(())
}
