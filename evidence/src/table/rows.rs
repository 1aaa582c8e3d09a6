//! Walks the `rows` table without building records: it is the one that gets large.

use super::{Batches, RowsOf};
use crate::error::StoreError;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, Int64Array, ListArray, StringArray};

/// One row of a result, borrowed from its batch.
pub(crate) struct RowView<'a> {
    pub(crate) lsn: i64,
    pub(crate) ts: i64,
    pub(crate) session: &'a str,
    pub(crate) statement: i64,
    pub(crate) result_set: i64,
    pub(crate) row_index: i64,
    columns: (&'a ListArray, &'a StringArray),
    values: (&'a ListArray, &'a StringArray),
    pub(crate) overflow: Option<&'a str>,
    /// Of the first version there is none.
    shown: Option<(&'a ListArray, &'a StringArray)>,
    pub(crate) version: i64,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) datasource: Option<&'a str>,
    at: usize,
}

impl<'a> RowView<'a> {
    /// Names of the columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = Option<&'a str>> {
        items(self.columns, self.at)
    }

    /// `raw` for each value that the client saw unmasked; `None` when there is no such value.
    pub(crate) fn shown(&self) -> Option<impl Iterator<Item = Option<&'a str>> + use<'a>> {
        self.shown.filter(|(list, _)| list.is_valid(self.at)).map(|shown| items(shown, self.at))
    }

    /// Whose it is.
    pub(crate) fn of(&self) -> RowsOf<'a> {
        let (user_id, datasource) = (self.user_id, self.datasource);
        RowsOf { session: self.session, statement: self.statement, user_id, datasource }
    }

    /// The values.
    pub(crate) fn values(&self) -> impl Iterator<Item = Option<&'a str>> {
        items(self.values, self.at)
    }
}

fn items<'a>((list, items): (&'a ListArray, &'a StringArray), at: usize) -> impl Iterator<Item = Option<&'a str>> {
    let offsets = list.value_offsets();
    let bound = |at: usize| offsets.get(at).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    (bound(at)..bound(at + 1)).map(|item| items.is_valid(item).then(|| items.value(item)))
}

/// Gives every row of a file to `each`.
pub(crate) fn each_row(
    batches: Batches,
    each: &mut dyn FnMut(&RowView<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let place = batches.place().to_owned();
    for batch in batches {
        let batch = batch?;
        let problem = || StoreError::damaged(&place, "its columns are not those of the rows table");
        let ints = |name: &str| -> Option<&Int64Array> { batch.column_by_name(name)?.as_primitive_opt::<Int64Type>() };
        let texts = |name: &str| -> Option<&StringArray> { batch.column_by_name(name)?.as_string_opt::<i32>() };
        let lists = |name: &str| -> Option<(&ListArray, &StringArray)> {
            let list = batch.column_by_name(name)?.as_list_opt::<i32>()?;
            Some((list, list.values().as_string_opt::<i32>()?))
        };
        let (lsn, session, statement) = (
            ints("lsn").ok_or_else(problem)?,
            texts("session_id").ok_or_else(problem)?,
            ints("statement_id").ok_or_else(problem)?,
        );
        let ts = batch
            .column_by_name("ts")
            .and_then(|ts| ts.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or_else(problem)?;
        let (result_set, row_index) = (ints("result_set").ok_or_else(problem)?, ints("row_index").ok_or_else(problem)?);
        let (columns, values) = (lists("columns").ok_or_else(problem)?, lists("values").ok_or_else(problem)?);
        let overflow = texts("overflow").ok_or_else(problem)?;
        let version = ints("schema_version").ok_or_else(problem)?;
        let (shown, user_id, datasource) = (lists("shown"), texts("user_id"), texts("datasource"));
        for at in 0..batch.num_rows() {
            each(&RowView {
                lsn: lsn.value(at),
                ts: ts.value(at),
                session: session.value(at),
                statement: statement.value(at),
                result_set: result_set.value(at),
                row_index: row_index.value(at),
                columns,
                values,
                overflow: overflow.is_valid(at).then(|| overflow.value(at)),
                shown,
                version: version.value(at),
                user_id: user_id.and_then(|texts| texts.is_valid(at).then(|| texts.value(at))),
                datasource: datasource.and_then(|texts| texts.is_valid(at).then(|| texts.value(at))),
                at,
            })?;
        }
    }
    Ok(())
}
