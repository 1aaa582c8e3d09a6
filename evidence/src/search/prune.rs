//! Which row groups of a file can hold what is asked for: by statistics, then by bloom filters.

use super::filter::{Condition, Query};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::statistics::Statistics;
use std::collections::BTreeSet;

/// Values for which bloom filters are asked at most; beyond it nearly every filter would say yes.
const MOST_VALUES: usize = 64;

pub(super) fn row_groups<R: ChunkReader + 'static>(
    query: &Query,
    builder: &ParquetRecordBatchReaderBuilder<R>,
) -> Vec<usize> {
    let metadata = builder.metadata();
    let all = 0..metadata.num_row_groups();
    all.filter(|group| {
        let Some(group_metadata) = metadata.row_groups().get(*group) else { return true };
        in_time(query, group_metadata)
            && query.conditions.iter().all(|condition| possible(condition, *group, group_metadata, builder))
    })
    .collect()
}

fn column(group: &RowGroupMetaData, name: &str) -> Option<usize> {
    group.columns().iter().position(|column| column.column_path().parts() == [name])
}

fn int_range(group: &RowGroupMetaData, name: &str) -> Option<(i64, i64)> {
    match group.columns().get(column(group, name)?)?.statistics()? {
        Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    }
}

fn in_time(query: &Query, group: &RowGroupMetaData) -> bool {
    int_range(group, "ts").is_none_or(|(first, last)| query.overlaps(first, last))
}

fn possible<R: ChunkReader + 'static>(
    condition: &Condition,
    number: usize,
    group: &RowGroupMetaData,
    builder: &ParquetRecordBatchReaderBuilder<R>,
) -> bool {
    match condition {
        Condition::Test(_) => true,
        Condition::Int(name, value) => {
            int_range(group, name).is_none_or(|(least, most)| least <= *value && *value <= most)
        }
        Condition::In(name, values) => has(name, values, number, group, builder),
        Condition::Either(names, value) => {
            let value = BTreeSet::from([value.clone()]);
            names.iter().any(|name| has(name, &value, number, group, builder))
        }
    }
}

fn has<R: ChunkReader + 'static>(
    name: &str,
    values: &BTreeSet<String>,
    number: usize,
    group: &RowGroupMetaData,
    builder: &ParquetRecordBatchReaderBuilder<R>,
) -> bool {
    let Some(at) = column(group, name) else { return true };
    in_statistics(group, at, values) && in_bloom_filter(builder, number, at, values)
}

fn in_statistics(group: &RowGroupMetaData, column: usize, values: &BTreeSet<String>) -> bool {
    let Some(Statistics::ByteArray(range)) = group.columns().get(column).and_then(|c| c.statistics()) else {
        return true;
    };
    // Bounds may be cut short; the upper one is then rounded up, so both still hold.
    let (Some(least), Some(most)) = (range.min_opt(), range.max_opt()) else { return true };
    values.iter().any(|value| least.data() <= value.as_bytes() && value.as_bytes() <= most.data())
}

fn in_bloom_filter<R: ChunkReader + 'static>(
    builder: &ParquetRecordBatchReaderBuilder<R>,
    group: usize,
    column: usize,
    values: &BTreeSet<String>,
) -> bool {
    if values.len() > MOST_VALUES {
        return true;
    }
    match builder.get_row_group_column_bloom_filter(group, column) {
        Ok(Some(filter)) => values.iter().any(|value| filter.check(&value.as_str())),
        Ok(None) | Err(_) => true,
    }
}
