//! Reads the record back: batches of columns, or whole records.

use super::{RESULT_COLUMN, Record, SCHEMA_VERSION, Table, Ty, Value, data_type, result_column_width};
use crate::error::StoreError;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The `parquet` crate asserts some things about a file instead of checking them; a damaged file must not end us. What it
/// was reading is dropped afterwards, so no half-changed state is seen.
fn survive<T>(place: &str, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(StoreError::damaged(place, "its Parquet structure contradicts itself")))
}

/// The version of a file's columns: one that this program knows, or one above them for columns that begin with the newest
/// it knows and go on. Anything else is damage.
fn version_of(table: Table, schema: &Schema) -> Result<i64, String> {
    let begins_with = |version: i64| {
        let mut have = schema.fields().iter();
        table.columns_of(version).all(|want| {
            have.next().is_some_and(|have| have.name() == want.name && fits(have.data_type(), want.ty, version))
        })
    };
    let count = schema.fields().len();
    let known =
        (1..=SCHEMA_VERSION).rev().find(|version| table.columns_of(*version).count() == count && begins_with(*version));
    let newer = || (begins_with(SCHEMA_VERSION) || begins_with(SCHEMA_VERSION + 1)).then_some(SCHEMA_VERSION + 1);
    known.or_else(newer).ok_or_else(|| format!("its columns are not those of the table {}", table.name()))
}

/// Whether a column has the type that a version gives it. Structs of later versions may have more fields.
fn fits(have: &DataType, ty: Ty, version: i64) -> bool {
    let (Ty::Columns, DataType::List(element)) = (ty, have) else { return *have == data_type(ty) };
    let DataType::Struct(fields) = element.data_type() else { return false };
    let width = result_column_width(version);
    let named = fields.iter().zip(RESULT_COLUMN).take(width).all(|(field, name)| field.name() == name);
    let texts = fields.iter().all(|field| *field.data_type() == DataType::Utf8);
    named && texts && (fields.len() == width || (version > SCHEMA_VERSION && fields.len() > width))
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
        let metadata = ArrowReaderMetadata::load(&source, options).map_err(damaged)?;
        // An encrypted file is its writer's own, or it does not open.
        let batch = match key {
            Some(_) => Ok(8192),
            None => super::bounds::batch_size(&source, metadata.metadata()),
        };
        let batch = batch.map_err(|what| StoreError::damaged(place, what))?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(source, metadata).with_batch_size(batch);
        version_of(table, builder.schema()).map_err(|problem| StoreError::damaged(place, problem))?;
        if let Some(groups) = choose(&builder) {
            builder = builder.with_row_groups(groups);
        }
        Ok(Self { reader: Some(builder.build().map_err(damaged)?), place: place.to_owned() })
    }

    /// Opens a file's bytes for some of its columns: the others are not decoded.
    pub(crate) fn narrow(
        table: Table,
        source: bytes::Bytes,
        place: &str,
        columns: &[&str],
    ) -> Result<(Self, i64), StoreError> {
        survive(place, || {
            let damaged = |error: ParquetError| StoreError::damaged(place, error);
            let metadata = ArrowReaderMetadata::load(&source, ArrowReaderOptions::new()).map_err(damaged)?;
            let batch = super::bounds::batch_size(&source, metadata.metadata());
            let batch = batch.map_err(|what| StoreError::damaged(place, what))?;
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(source, metadata).with_batch_size(batch);
            version_of(table, builder.schema()).map_err(|problem| StoreError::damaged(place, problem))?;
            let rows = builder.metadata().file_metadata().num_rows();
            let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
            let reader = builder.with_projection(mask).build().map_err(damaged)?;
            Ok((Self { reader: Some(reader), place: place.to_owned() }, rows))
        })
    }

    /// Gives every record to `each`, with the columns that are there; the others are NULL.
    pub(crate) fn narrow_records(
        self,
        table: Table,
        each: &mut dyn FnMut(Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let place = self.place.clone();
        for batch in self {
            let batch = batch?;
            let columns: Vec<_> =
                table.columns().map(|column| (column.ty, batch.column_by_name(column.name))).collect();
            for row in 0..batch.num_rows() {
                let cell = |(ty, array): &(Ty, Option<&Arc<dyn Array>>)| {
                    array.map_or(Some(Value::Null), |array| value(*ty, array.as_ref(), row))
                };
                let values = columns.iter().map(cell).collect::<Option<Vec<_>>>();
                let values = values.ok_or_else(|| StoreError::damaged(&place, "a column has another type"))?;
                each(Record { table, values })?;
            }
        }
        Ok(())
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
    let version = version_of(table, &batch.schema()).map_err(|problem| StoreError::damaged(place, problem))?;
    let mut columns = Vec::new();
    for column in table.columns() {
        let array = batch.column_by_name(column.name);
        if array.is_none() && column.since <= version {
            return Err(StoreError::damaged(place, format!("the column {} is missing", column.name)));
        }
        columns.push((column.ty, array));
    }
    // What a newer version has beside them is kept, for it is hashed.
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(batch.columns());
    for (field, array) in fields.filter(|(field, _)| table.index(field.name()).is_none()) {
        let ty = ty_of(field.data_type()).ok_or_else(|| {
            StoreError::damaged(
                place,
                format!("the column {} has a type that this version does not know", field.name()),
            )
        })?;
        columns.push((ty, Some(array)));
    }
    for row in 0..batch.num_rows() {
        let cell = |(ty, array): &(Ty, Option<&Arc<dyn Array>>)| match array {
            Some(array) => value(*ty, array.as_ref(), row),
            None => Some(Value::Null),
        };
        let values = columns.iter().map(cell).collect::<Option<Vec<_>>>();
        let values = values.ok_or_else(|| StoreError::damaged(place, "a column has another type"))?;
        let record = Record { table, values };
        let stated = record.int("schema_version");
        // A version that added nothing to this table has the columns of the one before.
        let fits = match version > SCHEMA_VERSION {
            true => stated > SCHEMA_VERSION,
            false => stated > 0 && table.columns_of(stated).count() == table.columns_of(version).count(),
        };
        if !fits {
            let what = format!("a record of schema version {stated} among the columns of another");
            return Err(StoreError::damaged(place, what));
        }
        each(record)?;
    }
    Ok(())
}

/// Our type for an Arrow type, if there is one.
fn ty_of(have: &DataType) -> Option<Ty> {
    let simple = [Ty::Int, Ty::Time, Ty::Str, Ty::Strs].into_iter().find(|ty| *have == data_type(*ty));
    simple.or_else(|| match have {
        DataType::List(element) => matches!(element.data_type(), DataType::Struct(_)).then_some(Ty::Columns),
        _ => None,
    })
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
            let fields: Vec<_> =
                elements.columns().iter().map(|field| field.as_string_opt::<i32>()).collect::<Option<_>>()?;
            let element =
                |at: usize| fields.iter().map(|field| field.is_valid(at).then(|| field.value(at).to_owned())).collect();
            Value::Columns((0..elements.len()).map(element).collect())
        }
    })
}

fn strings(array: &dyn Array) -> Option<Vec<Option<String>>> {
    Some(array.as_string_opt::<i32>()?.iter().map(|text| text.map(str::to_owned)).collect())
}
