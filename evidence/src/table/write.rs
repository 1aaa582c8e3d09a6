//! Writes one Parquet file of a table.
//!
//! zstd, dictionaries except for hashes, page index, sorted by lsn, bloom filters on the columns that searches ask for.

use super::{Col, Record, Table, Ty, Value, result_column_fields};
use crate::assemble::Row;
use crate::error::{At, StoreError};
use arrow_array::builder::{
    ArrayBuilder, Int64Builder, ListBuilder, StringBuilder, StructBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records that are turned into columns at once.
const BATCH: usize = 8192;
/// Rows of a row group: what a search can skip at once.
const ROW_GROUP: usize = 65_536;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) rows: u64,
    pub(crate) first_ts: i64,
    pub(crate) last_ts: i64,
}

/// One file that is being written.
pub(crate) struct PartWriter {
    table: Table,
    path: PathBuf,
    writer: ArrowWriter<File>,
    columns: Vec<Column>,
    buffered: usize,
    written: Written,
}

enum Column {
    Int(Int64Builder),
    Time(TimestampMicrosecondBuilder),
    Str(StringBuilder),
    Strs(ListBuilder<StringBuilder>),
    Columns(ListBuilder<StructBuilder>),
}

impl Column {
    fn new(column: &Col) -> Self {
        match column.ty {
            Ty::Int => Self::Int(Int64Builder::new()),
            Ty::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Ty::Str => Self::Str(StringBuilder::new()),
            Ty::Strs => Self::Strs(ListBuilder::new(StringBuilder::new()).with_field(Field::new(
                "element",
                DataType::Utf8,
                true,
            ))),
            Ty::Columns => {
                let fields = result_column_fields();
                let builders = fields.iter().map(|_| Box::new(StringBuilder::new()) as Box<dyn ArrayBuilder>);
                let element = StructBuilder::new(fields.clone(), builders.collect());
                let field = Field::new("element", DataType::Struct(fields), true);
                Self::Columns(ListBuilder::new(element).with_field(field))
            }
        }
    }

    fn push(&mut self, value: &Value) {
        match (self, value) {
            (Self::Int(builder), Value::Int(value)) => builder.append_value(*value),
            (Self::Time(builder), Value::Time(value)) => builder.append_value(*value),
            (Self::Str(builder), Value::Str(value)) => builder.append_value(value),
            (Self::Strs(builder), Value::Strs(values)) => {
                values.iter().for_each(|value| builder.values().append_option(value.as_deref()));
                builder.append(true);
            }
            (Self::Columns(builder), Value::Columns(columns)) => {
                for column in columns {
                    for (at, field) in column.iter().enumerate() {
                        if let Some(text) = builder.values().field_builder::<StringBuilder>(at) {
                            text.append_option(field.as_deref());
                        }
                    }
                    builder.values().append(true);
                }
                builder.append(true);
            }
            (column, _) => column.null(),
        }
    }

    fn null(&mut self) {
        match self {
            Self::Int(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Str(builder) => builder.append_null(),
            Self::Strs(builder) => builder.append(false),
            Self::Columns(builder) => builder.append(false),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Str(builder) => Arc::new(builder.finish()),
            Self::Strs(builder) => Arc::new(builder.finish()),
            Self::Columns(builder) => Arc::new(builder.finish()),
        }
    }
}

fn leaf(column: &Col) -> ColumnPath {
    match column.ty {
        Ty::Strs => ColumnPath::new(vec![column.name.into(), "list".into(), "element".into()]),
        _ => ColumnPath::from(column.name),
    }
}

pub(super) fn properties(table: Table, key: Option<&[u8]>) -> Result<WriterProperties, StoreError> {
    // Rows are most of the bytes and mostly do not repeat: the fastest level takes two thirds of the time for a few per cent more.
    let level = if table == Table::Rows { 1 } else { 3 };
    let level = ZstdLevel::try_new(level).map_err(|error| StoreError::Config(error.to_string()))?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by(concat!("affidavit evidence ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 1, descending: false, nulls_first: false }]));
    for column in table.columns() {
        if column.plain {
            properties = properties
                .set_column_dictionary_enabled(leaf(column), false)
                .set_column_statistics_enabled(leaf(column), EnabledStatistics::None);
        }
        if table == Table::Rows && column.ty == Ty::Strs {
            // Nobody searches for the least and the greatest cell of a page, and comparing them all is not free.
            properties = properties.set_column_statistics_enabled(leaf(column), EnabledStatistics::None);
        }
        if column.bloom {
            properties = properties
                .set_column_bloom_filter_enabled(leaf(column), true)
                .set_column_bloom_filter_fpp(leaf(column), 0.01)
                .set_column_bloom_filter_max_ndv(leaf(column), ROW_GROUP as u64);
        }
    }
    if let Some(key) = key {
        let encryption = FileEncryptionProperties::builder(key.to_vec())
            .build()
            .map_err(|error| StoreError::Config(format!("the key for statement_bodies: {error}")))?;
        properties = properties.with_file_encryption_properties(encryption);
    }
    Ok(properties.build())
}

impl PartWriter {
    /// Makes the file, replacing one that an interrupted sealing left.
    /// With a key (16 or 32 bytes) the whole file is encrypted: uniform Parquet encryption, AES-GCM.
    pub(crate) fn create(table: Table, path: &Path, key: Option<&[u8]>) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).at(folder, "making a partition's folder")?;
        }
        // Until it is whole it has a name that no glob for Parquet files finds.
        let draft = draft_of(path);
        let file = File::create(&draft).at(&draft, "making a Parquet file")?;
        let writer = ArrowWriter::try_new(file, table.schema(), Some(properties(table, key)?))
            .map_err(|error| StoreError::damaged(path.display(), error))?;
        let columns = table.columns().map(Column::new).collect();
        let written = Written { rows: 0, first_ts: i64::MAX, last_ts: i64::MIN };
        Ok(Self { table, path: path.to_path_buf(), writer, columns, buffered: 0, written })
    }

    /// Adds a record. `ts` is its time.
    pub(crate) fn push(&mut self, record: &Record, ts: i64) -> Result<(), StoreError> {
        debug_assert_eq!(record.table, self.table, "a record of another table");
        for (column, value) in self.columns.iter_mut().zip(&record.values) {
            column.push(value);
        }
        self.pushed(ts)
    }

    /// Adds a row of a result, without building a record for it.
    pub(crate) fn push_row(&mut self, row: &Row<'_>, writer: &str) -> Result<(), StoreError> {
        let [common @ .., session, statement, result, index, columns, values, over, shown, user, datasource] =
            self.columns.as_mut_slice()
        else {
            return Err(StoreError::damaged(self.path.display(), "this is not the rows table"));
        };
        let [version, lsn, ts, writer_, hash, prev] = common else {
            return Err(StoreError::damaged(self.path.display(), "this is not the rows table"));
        };
        int(version, super::SCHEMA_VERSION);
        int(lsn, i64::try_from(row.lsn).unwrap_or(i64::MAX));
        if let Column::Time(builder) = ts {
            builder.append_value(row.ts);
        }
        text(writer_, Some(writer));
        text(hash, None);
        text(prev, None);
        text(session, Some(row.of.session));
        int(statement, row.of.statement);
        int(result, row.result_set);
        int(index, row.row_index);
        list(columns, row.columns.iter().map(|name| Some(name.as_str())));
        list(values, row.values.iter());
        text(over, row.overflow);
        match row.shown() {
            Some(flags) => list(shown, flags),
            None => shown.null(),
        }
        text(user, row.of.user_id);
        text(datasource, row.of.datasource);
        self.pushed(row.ts)
    }

    fn pushed(&mut self, ts: i64) -> Result<(), StoreError> {
        self.buffered += 1;
        self.written.rows += 1;
        self.written.first_ts = self.written.first_ts.min(ts);
        self.written.last_ts = self.written.last_ts.max(ts);
        if self.buffered >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.buffered == 0 {
            return Ok(());
        }
        self.buffered = 0;
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        RecordBatch::try_new(self.table.schema(), arrays)
            .map_err(|error| error.to_string())
            .and_then(|batch| self.writer.write(&batch).map_err(|error| error.to_string()))
            .map_err(|error| StoreError::damaged(self.path.display(), error))
    }

    /// Writes the rest and makes the file durable.
    pub(crate) fn finish(mut self) -> Result<Written, StoreError> {
        self.flush()?;
        let file = self.writer.into_inner().map_err(|error| StoreError::damaged(self.path.display(), error))?;
        let draft = draft_of(&self.path);
        file.sync_all().at(&draft, "syncing a Parquet file")?;
        std::fs::rename(&draft, &self.path).at(&self.path, "putting a Parquet file in its place")?;
        if let Some(folder) = self.path.parent() {
            crate::store::sync_folder(folder)?;
        }
        crate::faults::point();
        Ok(self.written)
    }
}

/// The name of a file that is being written.
fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.draft"))
}

fn int(column: &mut Column, value: i64) {
    if let Column::Int(builder) = column {
        builder.append_value(value);
    }
}

fn text(column: &mut Column, value: Option<&str>) {
    if let Column::Str(builder) = column {
        builder.append_option(value);
    }
}

fn list<'a>(column: &mut Column, values: impl Iterator<Item = Option<&'a str>>) {
    if let Column::Strs(builder) = column {
        values.for_each(|value| builder.values().append_option(value));
        builder.append(true);
    }
}
