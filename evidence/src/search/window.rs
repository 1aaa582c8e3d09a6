//! A few rows of a result, however long it is: what a page shows.

use super::{Archive, Condition, Query, ResultRow, row};
use crate::error::StoreError;
use crate::table::{Table, each_row};
use std::ops::Range;

impl Archive {
    /// The rows of a statement whose place among all of its rows, results one after the other, is in `window`.
    pub(crate) fn some_rows(
        &self,
        session: &str,
        statement: i64,
        window: &Range<u64>,
    ) -> Result<Vec<ResultRow>, StoreError> {
        let query = Query::new(Table::Rows)
            .with(Condition::equals("session_id", session))
            .with(Condition::Int("statement_id", statement));
        let mut rows = Vec::new();
        let mut place = 0_u64;
        for manifest in self.manifests() {
            for file in manifest.predicate.files.iter().filter(|file| file.table == Table::Rows.name()) {
                let Some(batches) = self.open_file(&query, &file.name, &mut super::Touched::default())? else {
                    continue;
                };
                each_row(batches, &mut |view| {
                    if view.session == session && view.statement == statement {
                        if window.contains(&place) {
                            rows.push(ResultRow::of(view));
                        }
                        place = place.saturating_add(1);
                    }
                    Ok(())
                })?;
            }
        }
        for record in self.unsealed.iter().filter(|record| record.table == Table::Rows && query.matches(record)) {
            if window.contains(&place) {
                rows.push(row(record));
            }
            place = place.saturating_add(1);
        }
        Ok(rows)
    }
}
