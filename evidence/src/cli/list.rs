//! Plain lists of tables: approvals, accesses.

use super::Place;
use super::output::{self, Format};
use super::sessions::{When, short_time};
use crate::error::StoreError;
use crate::search::{Condition, Query};
use crate::table::{Record, Table, Value};
use clap::Args;
use std::collections::BTreeSet;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Approvals {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    when: When,
    /// One approval.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Who asked or decided.
    #[arg(long, value_name = "USER")]
    identity: Option<String>,
    /// Step: requested, approved, emergency, window, escalated, denied, revoked, cancelled, expired, used, reviewed.
    #[arg(long, value_name = "WORD", value_parser = step)]
    event: Option<String>,
    /// Only emergencies whose review nobody has recorded yet. Exit code 1 when there is one.
    #[arg(long, conflicts_with = "event")]
    review_due: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Args)]
pub(super) struct Accesses {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    format: Format,
}

/// Prints the records of a table; `columns` are those for people.
fn print(table: Table, records: &[Record], columns: &[&str], format: Format) {
    if format.json {
        output::json(&records.iter().map(Record::json).collect::<Vec<_>>());
    } else if format.csv {
        let header: Vec<&str> = table.columns().map(|column| column.name).collect();
        let known = header.len();
        output::csv(&header, records.iter().map(|record| record.values.iter().take(known).map(Value::text).collect()));
    } else {
        let mut header = vec!["time (UTC)"];
        header.extend(columns);
        let rows: Vec<Vec<String>> = records
            .iter()
            .map(|record| {
                let mut row = vec![short_time(record.int("ts"))];
                row.extend(columns.iter().map(|column| record.get(column).text()));
                row
            })
            .collect();
        output::table(&header, &rows);
    }
}

/// Whether a person of the record, `issuer|subject` or a name, is the one that was asked for.
fn is_person(recorded: &str, asked: &str) -> bool {
    recorded == asked || recorded.rsplit_once('|').is_some_and(|(_, subject)| subject == asked)
}

fn step(text: &str) -> Result<String, String> {
    let words = [
        "requested",
        "approved",
        "emergency",
        "window",
        "escalated",
        "denied",
        "revoked",
        "cancelled",
        "expired",
        "used",
        "reviewed",
    ];
    super::near::word(text, &words, &[("deny", "denied"), ("approve", "approved"), ("canceled", "cancelled")])
}

impl Approvals {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let archive = self.place.open("queried", "approvals")?;
        // A review may come long after the time that is asked about.
        let to = self.when.to.filter(|_| !self.review_due);
        let mut query = Query::new(Table::Approvals).between(self.when.from, to);
        if let Some(id) = &self.id {
            query = query.with(Condition::equals("approval_id", id));
        }
        if let Some(event) = &self.event {
            query = query.with(Condition::equals("event", event));
        }
        if let Some(who) = self.identity {
            query = query.with(Condition::Test(Box::new(move |record| {
                ["requester", "approver"].iter().any(|column| is_person(record.str(column), &who))
            })));
        }
        let mut found: Vec<Record> = archive.collect(&query, None)?.into_iter().map(|(record, _)| record).collect();
        if self.review_due {
            let of = |event: &str| -> BTreeSet<String> {
                let those = found.iter().filter(|record| record.str("event") == event);
                those.map(|record| record.str("approval_id").to_owned()).collect()
            };
            let owed: BTreeSet<String> = of("emergency").difference(&of("reviewed")).cloned().collect();
            let until = self.when.to.unwrap_or(i64::MAX);
            found.retain(|record| {
                record.str("event") == "emergency"
                    && owed.contains(record.str("approval_id"))
                    && record.int("ts") <= until
            });
        }
        let columns = ["approval_id", "event", "requester", "approver", "justification", "scope", "valid_until"];
        print(Table::Approvals, &found, &columns, self.format);
        Ok(if self.review_due && !found.is_empty() { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }
}

impl Accesses {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let archive = self.place.open("queried", "accesses")?;
        let mut found = Vec::new();
        for table in [Table::AuditAccesses, Table::Reviews] {
            let query = Query::new(table).between(self.when.from, self.when.to);
            found.extend(archive.collect(&query, None)?.into_iter().map(|(record, _)| record));
        }
        found.sort_by_key(|record| record.int("lsn"));
        print(Table::AuditAccesses, &found, &["actor", "action", "scope", "finding"], self.format);
        Ok(ExitCode::SUCCESS)
    }
}
