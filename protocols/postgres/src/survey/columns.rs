//! Columns that the user may read, and a bounded sample of their values.

use super::{flag, identifier, text};
use crate::link::Link;
use model::ColumnRef;
use std::io;
use wire::{Sample, SampleOrder, SurveyColumn};

/// Columns of users' tables and views. Partitions are left out: they are read through what they are parts of, and what
/// protects that protects them.
const COLUMNS: &str = "SELECT n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
    pg_catalog.col_description(c.oid, a.attnum), c.relkind IN ('v', 'm') \
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition \
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') \
    ORDER BY n.nspname, c.relname, a.attnum";

/// The columns, without the sources of views'.
pub(crate) async fn columns(link: &mut Link) -> io::Result<Vec<SurveyColumn>> {
    let rows = link.query(COLUMNS).await?;
    Ok(rows
        .iter()
        .map(|row| SurveyColumn {
            column: ColumnRef {
                schema: text(row, 0).to_owned(),
                table: text(row, 1).to_owned(),
                column: text(row, 2).to_owned(),
            },
            type_name: text(row, 3).to_owned(),
            comment: row.get(4).cloned().flatten(),
            of_view: flag(row, 5),
            sources: Vec::new(),
            unproven: None,
        })
        .collect())
}

/// The rows that the server finds first.
pub(crate) async fn sample(link: &mut Link, order: &SampleOrder<'_>) -> io::Result<Sample> {
    if order.columns.is_empty() {
        return Ok(Sample { rows: Vec::new() });
    }
    let cells: Vec<String> = order
        .columns
        .iter()
        .map(|column| {
            format!("pg_catalog.left({}::pg_catalog.text, {})", identifier(column), SampleOrder::MOST_CHARACTERS)
        })
        .collect();
    let sql = format!(
        "SELECT {} FROM {}.{} LIMIT {}",
        cells.join(", "),
        identifier(&order.table.schema),
        identifier(&order.table.table),
        order.bounded()
    );
    link.query(super::PREPARE).await?;
    let rows = link.query(&sql).await?;
    link.query("ROLLBACK").await?;
    Ok(Sample { rows })
}
