//! Reads the record back: batches of columns, or whole records.

use super::{RESULT_COLUMN, Record, Table, Ty, Value};
use crate::error::{At, StoreError};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use std::path::Path;

/// What a file's footer says.
#[derive(Clone, Debug)]
pub(crate) struct FileInfo {
    pub(crate) rows: u64,
    /// What is wrong with its columns, if something is.
    pub(crate) schema_problem: Option<String>,
}

/// Reads a file's footer and compares its columns with the table's.
pub(crate) fn file_info(table: Table, path: &Path) -> Result<FileInfo, StoreError> {
    let file = File::open(path).at(path, "opening a Parquet file")?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
        .map_err(|error| StoreError::damaged(path.display(), error))?;
    let rows = metadata.metadata().file_metadata().num_rows();
    let expected = table.schema();
    let same = metadata.schema().fields().len() == expected.fields().len()
        && metadata
            .schema()
            .fields()
            .iter()
            .zip(expected.fields())
            .all(|(have, want)| have.name() == want.name() && have.data_type() == want.data_type());
    let schema_problem = (!same).then(|| format!("its columns are not those of the table {}", table.name()));
    Ok(FileInfo { rows: u64::try_from(rows).unwrap_or(0), schema_problem })
}

/// The batches of a file.
pub(crate) struct Batches {
    reader: parquet::arrow::arrow_reader::ParquetRecordBatchReader,
    place: String,
}

impl Batches {
    /// Opens a file; `row_groups` limits what is read, `None` reads all.
    pub(crate) fn open(path: &Path, row_groups: Option<Vec<usize>>) -> Result<Self, StoreError> {
        let file = File::open(path).at(path, "opening a Parquet file")?;
        let damaged = |error: parquet::errors::ParquetError| StoreError::damaged(path.display(), error);
        let mut builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)?.with_batch_size(8192);
        if let Some(groups) = row_groups {
            builder = builder.with_row_groups(groups);
        }
        Ok(Self { reader: builder.build().map_err(damaged)?, place: path.display().to_string() })
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|error| StoreError::damaged(&self.place, error)))
    }
}

/// Gives every record of a file to `each`.
pub(crate) fn read_records(
    table: Table,
    path: &Path,
    each: &mut dyn FnMut(Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for batch in Batches::open(path, None)? {
        records(table, &batch?, path, each)?;
    }
    Ok(())
}

/// Gives every record of a batch to `each`.
pub(crate) fn records(
    table: Table,
    batch: &RecordBatch,
    path: &Path,
    each: &mut dyn FnMut(Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut columns = Vec::new();
    for column in table.columns() {
        let array = batch
            .column_by_name(column.name)
            .ok_or_else(|| StoreError::damaged(path.display(), format!("the column {} is missing", column.name)))?;
        columns.push((column.ty, array));
    }
    for row in 0..batch.num_rows() {
        let values = columns.iter().map(|(ty, array)| value(*ty, array.as_ref(), row)).collect::<Option<Vec<_>>>();
        let values = values.ok_or_else(|| StoreError::damaged(path.display(), "a column has another type"))?;
        each(Record { table, values })?;
    }
    Ok(())
}

/// The value in a row, or `None` when the column has another type.
fn value(ty: Ty, array: &dyn Array, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return Some(Value::Null);
    }
    Some(match ty {
        Ty::Int => Value::Int(array.as_primitive_opt::<Int64Type>()?.value(row)),
        Ty::Time => Value::Time(array.as_primitive_opt::<TimestampMicrosecondType>()?.value(row)),
        Ty::Str => Value::Str(array.as_string_opt::<i32>()?.value(row).to_owned()),
        Ty::Strs => Value::Strs(strings(&array.as_list_opt::<i32>()?.value(row))?),
        Ty::Columns => {
            let elements = array.as_list_opt::<i32>()?.value(row);
            let elements = elements.as_struct_opt()?;
            let fields: Vec<_> = RESULT_COLUMN
                .iter()
                .map(|name| elements.column_by_name(name)?.as_string_opt::<i32>())
                .collect::<Option<_>>()?;
            let element = |at: usize| {
                let mut element: [Option<String>; 7] = Default::default();
                for (place, field) in element.iter_mut().zip(&fields) {
                    *place = field.is_valid(at).then(|| field.value(at).to_owned());
                }
                element
            };
            Value::Columns((0..elements.len()).map(element).collect())
        }
    })
}

fn strings(array: &dyn Array) -> Option<Vec<Option<String>>> {
    Some(array.as_string_opt::<i32>()?.iter().map(|text| text.map(str::to_owned)).collect())
}
