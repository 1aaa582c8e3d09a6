//! The figures of a report, from the records in scope.

use super::scope::Scope;
use crate::error::StoreError;
use crate::search::{Archive, Query};
use crate::table::{Record, Table, Value, date};
use std::collections::{BTreeMap, BTreeSet};

/// The figures of a report.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) sessions: BTreeMap<String, [u64; 3]>,
    pub(super) denied: Vec<Record>,
    pub(super) open: u64,
    pub(super) decisions: BTreeMap<String, u64>,
    pub(super) statuses: BTreeMap<String, u64>,
    pub(super) masked: BTreeMap<(String, String, String), u64>,
    pub(super) tables: BTreeMap<String, u64>,
    /// Statements by date.
    pub(super) days: BTreeMap<String, u64>,
    pub(super) exceptions: Vec<Record>,
    pub(super) approvals: Vec<Record>,
    pub(super) policies: Vec<Record>,
    pub(super) accesses: Vec<Record>,
    pub(super) statements: u64,
    pub(super) rows: u64,
}

/// How a protected column was shown to somebody whom a rule exempts.
const UNMASKED: &str = "UNMASKED, exempt by rule";

/// Exceptions that are listed; the rest is in the CSV files.
pub(super) const LISTED: usize = 200;

fn each(archive: &Archive, scope: &Scope, table: Table, take: &mut dyn FnMut(Record)) -> Result<(), StoreError> {
    for (record, _) in archive.collect(&Query::new(table), None)? {
        if scope.includes(&record) {
            take(record);
        }
    }
    Ok(())
}

pub(super) fn collect(archive: &Archive, scope: &Scope) -> Result<Figures, StoreError> {
    let mut figures = Figures::default();
    let mut user = BTreeMap::new();
    let mut closed = BTreeSet::new();
    each(archive, scope, Table::Sessions, &mut |record| {
        let id = record.str("session_id").to_owned();
        match record.str("event") {
            "open" => {
                let name = format!("{} ({})", record.str("user_email"), record.str("user_id"));
                figures.sessions.entry(name.clone()).or_default()[0] += 1;
                user.insert(id, name);
            }
            "close" => drop(closed.insert(id)),
            _ => figures.denied.push(record),
        }
    })?;
    figures.open = (user.len() - user.keys().filter(|id| closed.contains(*id)).count()) as u64;
    each(archive, scope, Table::Statements, &mut |record| {
        let rows = u64::try_from(record.int("row_count")).unwrap_or(0);
        figures.statements += 1;
        *figures.days.entry(date(record.int("ts"))).or_default() += 1;
        figures.rows += rows;
        if let Some(totals) = user.get(record.str("session_id")).and_then(|name| figures.sessions.get_mut(name)) {
            totals[1] += 1;
            totals[2] += rows;
        }
        *figures.decisions.entry(record.str("decision").to_owned()).or_default() += 1;
        *figures.statuses.entry(record.str("status").to_owned()).or_default() += 1;
        if let Value::Strs(tables) = record.get("tables") {
            tables.iter().flatten().for_each(|table| *figures.tables.entry(table.clone()).or_default() += 1);
        }
        if let Value::Columns(columns) = record.get("result_columns") {
            for fields in columns {
                let [name, _, table, column, classification, mask, _, rest @ ..] = fields.as_slice() else { continue };
                let raw = rest.first().is_some_and(|shown| shown.as_deref() == Some("raw"));
                if classification.as_deref() == Some("open") {
                    continue;
                }
                let source = match (table, column) {
                    (Some(table), Some(column)) => format!("{table}.{column}"),
                    _ => format!("{} (origin not proven)", name.as_deref().unwrap_or_default()),
                };
                let mask = match mask.as_deref() {
                    Some(mask) if !raw && mask != "keep" => mask.to_owned(),
                    _ => UNMASKED.to_owned(),
                };
                let class = classification.clone().unwrap_or_default();
                *figures.masked.entry((source, class, mask)).or_default() += rows;
            }
        }
        if !matches!(record.str("status"), "completed" | "not-executed") && figures.exceptions.len() < LISTED {
            figures.exceptions.push(record);
        }
    })?;
    each(archive, scope, Table::Approvals, &mut |record| figures.approvals.push(record))?;
    each(archive, scope, Table::PolicyVersions, &mut |record| figures.policies.push(record))?;
    for table in [Table::Reviews, Table::AuditAccesses] {
        each(archive, scope, table, &mut |record| figures.accesses.push(record))?;
    }
    Ok(figures)
}
