//! Reads the record back: batches of columns, or whole records.

use super::{RESULT_COLUMN, Record, Table, Ty, Value};
use crate::error::StoreError;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::Schema;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The `parquet` crate asserts some things about a file instead of checking them; a damaged file must not end us. What it
/// was reading is dropped afterwards, so no half-changed state is seen.
fn survive<T>(place: &str, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(StoreError::damaged(place, "its Parquet structure contradicts itself")))
}

/// What is wrong with a file's columns, if something is.
fn schema_problem(table: Table, schema: &Schema) -> Option<String> {
    let expected = table.schema();
    let same = schema.fields().len() == expected.fields().len()
        && schema
            .fields()
            .iter()
            .zip(expected.fields())
            .all(|(have, want)| have.name() == want.name() && have.data_type() == want.data_type());
    (!same).then(|| format!("its columns are not those of the table {}", table.name()))
}

/// The batches of a file.
pub(crate) struct Batches {
    /// `None` after damage was found: there is nothing to go on with.
    reader: Option<ParquetRecordBatchReader>,
    place: String,
}

impl Batches {
    /// Opens a file or a file's bytes; `place` is for messages. `key` opens an encrypted one.
    pub(crate) fn open<R: ChunkReader + 'static>(
        table: Table,
        source: R,
        place: &str,
        key: Option<&[u8]>,
        choose: impl FnOnce(&ParquetRecordBatchReaderBuilder<R>) -> Option<Vec<usize>>,
    ) -> Result<Self, StoreError> {
        survive(place, || Self::opened(table, source, place, key, choose))
    }

    fn opened<R: ChunkReader + 'static>(
        table: Table,
        source: R,
        place: &str,
        key: Option<&[u8]>,
        choose: impl FnOnce(&ParquetRecordBatchReaderBuilder<R>) -> Option<Vec<usize>>,
    ) -> Result<Self, StoreError> {
        let damaged = |error: ParquetError| StoreError::damaged(place, error);
        let mut options = ArrowReaderOptions::new();
        if let Some(key) = key {
            let decryption = FileDecryptionProperties::builder(key.to_vec()).build().map_err(damaged)?;
            options = options.with_file_decryption_properties(decryption);
        }
        let mut builder = ParquetRecordBatchReaderBuilder::try_new_with_options(source, options)
            .map_err(damaged)?
            .with_batch_size(8192);
        if let Some(problem) = schema_problem(table, builder.schema()) {
            return Err(StoreError::damaged(place, problem));
        }
        if let Some(groups) = choose(&builder) {
            builder = builder.with_row_groups(groups);
        }
        Ok(Self { reader: Some(builder.build().map_err(damaged)?), place: place.to_owned() })
    }

    /// Gives every record to `each`.
    pub(crate) fn records(
        self,
        table: Table,
        each: &mut dyn FnMut(Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let place = self.place.clone();
        for batch in self {
            records(table, &batch?, &place, each)?;
        }
        Ok(())
    }

    /// Where the batches come from.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = self.reader.take()?;
        let place = &self.place;
        let read = survive(place, || {
            let batch = reader.next().transpose().map_err(|error| StoreError::damaged(place, error))?;
            Ok((batch, reader))
        });
        match read {
            Ok((batch, reader)) => {
                self.reader = Some(reader);
                batch.map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Gives every record of a batch to `each`.
fn records(
    table: Table,
    batch: &RecordBatch,
    place: &str,
    each: &mut dyn FnMut(Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut columns = Vec::new();
    for column in table.columns() {
        let array = batch
            .column_by_name(column.name)
            .ok_or_else(|| StoreError::damaged(place, format!("the column {} is missing", column.name)))?;
        columns.push((column.ty, array));
    }
    for row in 0..batch.num_rows() {
        let values = columns.iter().map(|(ty, array)| value(*ty, array.as_ref(), row)).collect::<Option<Vec<_>>>();
        let values = values.ok_or_else(|| StoreError::damaged(place, "a column has another type"))?;
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
