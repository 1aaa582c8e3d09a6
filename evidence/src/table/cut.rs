//! Some records of a file as a file of their own, column for column as they are: what a filtered package holds.

use super::{Batches, Table};
use crate::error::{At, StoreError};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use parquet::arrow::ArrowWriter;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

impl Batches {
    /// Writes the records whose `column` has one of `values`. Returns how many there are; when there are none, no file is
    /// made.
    pub(crate) fn cut(
        self,
        table: Table,
        column: &str,
        values: &BTreeSet<String>,
        to: &Path,
    ) -> Result<u64, StoreError> {
        let place = self.place().to_owned();
        let damaged = |error: &dyn std::fmt::Display| StoreError::damaged(&place, error.to_string());
        let mut writer: Option<ArrowWriter<File>> = None;
        let mut count = 0;
        for batch in self {
            let batch = batch?;
            let kept = chosen(&batch, column, values).ok_or_else(|| damaged(&format!("it has no column {column}")))?;
            let kept = filter_record_batch(&batch, &kept).map_err(|error| damaged(&error))?;
            if kept.num_rows() == 0 {
                continue;
            }
            count += kept.num_rows() as u64;
            let writer = match &mut writer {
                Some(writer) => writer,
                None => {
                    if let Some(folder) = to.parent() {
                        std::fs::create_dir_all(folder).at(folder, "making a partition's folder")?;
                    }
                    let file = File::create_new(to).at(to, "making a Parquet file")?;
                    let properties = super::write::properties(table, None)?;
                    let made = ArrowWriter::try_new(file, batch.schema(), Some(properties));
                    writer.insert(made.map_err(|error| damaged(&error))?)
                }
            };
            writer.write(&kept).map_err(|error| damaged(&error))?;
        }
        if let Some(writer) = writer {
            writer.close().map_err(|error| damaged(&error))?;
        }
        Ok(count)
    }
}

fn chosen(batch: &RecordBatch, column: &str, values: &BTreeSet<String>) -> Option<BooleanArray> {
    let column = batch.column_by_name(column)?.as_string_opt::<i32>()?;
    Some((0..column.len()).map(|at| Some(column.is_valid(at) && values.contains(column.value(at)))).collect())
}
