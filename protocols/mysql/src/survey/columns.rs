//! Columns that the user may read, and a bounded sample of their values.

use super::{Asker, SYSTEM, identifier, text};
use crate::own_query::{QueryError, TextRow};
use model::ColumnRef;
use wire::{Sample, SampleOrder, SurveyColumn};

/// The columns, without the sources of views'. `information_schema` shows those that the user has any privilege on.
pub(crate) async fn columns(asker: &mut Asker<'_>) -> Result<Vec<SurveyColumn>, QueryError> {
    let sql = format!(
        "SELECT c.table_schema, c.table_name, c.column_name, c.column_type, c.column_comment, t.table_type \
         FROM information_schema.columns c JOIN information_schema.tables t ON t.table_schema = c.table_schema \
         AND t.table_name = c.table_name WHERE lower(c.table_schema) NOT IN {SYSTEM} AND t.table_type <> 'SEQUENCE' \
         ORDER BY c.table_schema, c.table_name, c.ordinal_position"
    );
    let rows = asker.ask(&sql).await?;
    Ok(rows.iter().map(column).collect())
}

fn column(row: &TextRow) -> SurveyColumn {
    SurveyColumn {
        column: ColumnRef {
            schema: text(row, 0).to_owned(),
            table: text(row, 1).to_owned(),
            column: text(row, 2).to_owned(),
        },
        type_name: text(row, 3).to_owned(),
        comment: Some(text(row, 4).to_owned()).filter(|comment| !comment.is_empty()),
        of_view: text(row, 5).contains("VIEW"),
        sources: Vec::new(),
        unproven: None,
    }
}

/// The rows that the server finds first.
pub(crate) async fn sample(asker: &mut Asker<'_>, order: &SampleOrder<'_>) -> Result<Sample, QueryError> {
    if order.columns.is_empty() {
        return Ok(Sample { rows: Vec::new() });
    }
    let cells: Vec<String> = order
        .columns
        .iter()
        .map(|column| format!("LEFT(CAST({} AS CHAR), {})", identifier(column), SampleOrder::MOST_CHARACTERS))
        .collect();
    let sql = format!(
        "SELECT {} FROM {}.{} LIMIT {}",
        cells.join(", "),
        identifier(&order.table.schema),
        identifier(&order.table.table),
        order.bounded()
    );
    asker.ask("SET SESSION TRANSACTION READ ONLY").await?;
    Ok(Sample { rows: asker.ask(&sql).await? })
}
