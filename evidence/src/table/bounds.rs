//! What taking a Parquet file apart will cost, known before it is: a small file may be made to fill the memory.
//!
//! The footer's sizes are its maker's word; the headers of the pages are what a reader allocates by, so they are walked. The
//! headers are Thrift's compact protocol: <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;

/// Rows of a batch, where nothing speaks against it.
const BATCH: u64 = 8192;
/// Rows of a row group that our writer makes.
const GROUP: i64 = 65_536;
/// What the largest pages of a row group's columns may take together, and about what a batch may.
const MEMORY: u64 = 512 << 20;
/// Bytes of a page's header at most.
const HEADER: usize = 16 << 10;

/// What a page's header says.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    dictionary: bool,
    unpacked: u64,
    packed: u64,
    header: u64,
}

/// Rows that a batch may have, or why the file is not taken apart.
pub(super) fn batch_size<R: ChunkReader>(source: &R, metadata: &ParquetMetaData) -> Result<usize, String> {
    let mut batch = BATCH;
    for group in metadata.row_groups() {
        if group.num_rows() > GROUP {
            return Err(format!("a row group of {} rows; none has more than {GROUP}", group.num_rows()));
        }
        let (mut largest, mut plain, mut dictionaries) = (0, 0_u64, 0);
        for column in group.columns() {
            let (mut at, length) = column.byte_range();
            let end =
                at.checked_add(length).filter(|end| *end <= source.len()).ok_or("a column lies outside of the file")?;
            let mut most = 0;
            while at < end {
                let rest = usize::try_from(end - at).unwrap_or(usize::MAX).min(HEADER);
                let bytes = source.get_bytes(at, rest).map_err(|error| error.to_string())?;
                let page = page(&bytes).ok_or("a page's header does not read")?;
                at = at.saturating_add(page.header).saturating_add(page.packed);
                most = most.max(page.unpacked);
                let sum = if page.dictionary { &mut dictionaries } else { &mut plain };
                *sum += page.unpacked;
            }
            largest += most;
        }
        if largest > MEMORY {
            return Err(format!(
                "its pages unpack to {largest} bytes and more at once; it was made to fill the memory"
            ));
        }
        let rows = u64::try_from(group.num_rows()).unwrap_or(1).clamp(1, BATCH);
        // A value of a dictionary may be meant by every row; what is not in one is there once.
        batch = batch.min((MEMORY / dictionaries.max(1)).max(16)).min((rows * MEMORY / plain.max(1)).max(16));
    }
    usize::try_from(batch).map_err(|error| error.to_string())
}

/// The header at the front of `bytes`: its first three fields, and how long it is.
fn page(bytes: &[u8]) -> Option<Page> {
    let mut rest = bytes;
    let (mut kind, mut sizes) = (None, [None; 2]);
    let mut id = 0;
    loop {
        let (next, ty) = field(&mut rest, id)?;
        if ty == 0 {
            break;
        }
        id = next;
        match (id, ty) {
            (1, 5) => kind = Some(varint(&mut rest)?),
            (2, 5) => sizes[0] = Some(varint(&mut rest)?),
            (3, 5) => sizes[1] = Some(varint(&mut rest)?),
            _ => skip(&mut rest, ty, 0)?,
        }
    }
    // Zigzag: an odd one is negative.
    let size = |size: Option<u64>| size.filter(|size| size % 2 == 0).map(|size| size / 2);
    let header = (bytes.len() - rest.len()) as u64;
    Some(Page { dictionary: size(kind)? == 2, unpacked: size(sizes[0])?, packed: size(sizes[1])?, header })
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    Some(*first)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let next = byte(rest)?;
        value |= u64::from(next & 127) << shift;
        if next < 128 {
            return Some(value);
        }
    }
    None
}

/// Number and type of the next field; type 0 ends a struct.
fn field(rest: &mut &[u8], before: u64) -> Option<(u64, u8)> {
    let head = byte(rest)?;
    let id = if head == 0 || head >> 4 != 0 { before + u64::from(head >> 4) } else { varint(rest)? / 2 };
    Some((id, head & 15))
}

fn skip(rest: &mut &[u8], ty: u8, depth: u8) -> Option<()> {
    if depth > 8 {
        return None;
    }
    match ty {
        // A boolean is in the field's type.
        1 | 2 => {}
        3 => drop(byte(rest)?),
        4..=6 => drop(varint(rest)?),
        7 => drop(take(rest, 8)?),
        8 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            take(rest, length)?;
        }
        9 | 10 => {
            let head = byte(rest)?;
            let count = if head >> 4 == 15 { varint(rest)? } else { u64::from(head >> 4) };
            for _ in 0..count {
                // In a list a boolean is a byte.
                let ty = if matches!(head & 15, 1 | 2) { 3 } else { head & 15 };
                skip(rest, ty, depth + 1)?;
            }
        }
        12 => {
            let mut id = 0;
            loop {
                let (next, ty) = field(rest, id)?;
                if ty == 0 {
                    break;
                }
                id = next;
                skip(rest, ty, depth + 1)?;
            }
        }
        _ => return None,
    }
    Some(())
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(taken)
}

/// A table of one column of huge and equal texts, in pages of that size.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) fn bomb(page: usize) -> bytes::Bytes {
    use arrow_array::{RecordBatch, StringArray};
    use arrow_schema::{DataType, Field, Schema};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::file::properties::WriterProperties;
    use std::sync::Arc;
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap()))
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(page)
        .build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, Arc::clone(&schema), Some(properties)).unwrap();
    let text = "A".repeat(1 << 20);
    let column = StringArray::from_iter_values(std::iter::repeat_n(text.as_str(), 700));
    writer.write(&RecordBatch::try_new(schema, vec![Arc::new(column)]).unwrap()).unwrap();
    writer.close().unwrap();
    file.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Batches, Table};

    #[test]
    fn a_page_header_reads_and_a_cut_one_does_not() {
        // type 0, 100 bytes unpacked, 60 packed, then a data header {5: {1: 3, 2: 0, 3: 3, 4: 3}}.
        let bytes = [0x15, 0, 0x15, 0xc8, 1, 0x15, 0x78, 0x2c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0, 0xff];
        let read = page(&bytes).unwrap();
        assert_eq!(read, Page { dictionary: false, unpacked: 100, packed: 60, header: 18 });
        for length in 0..18 {
            assert_eq!(page(&bytes[..length]), None, "length {length}");
        }
    }

    #[test]
    fn a_file_that_would_fill_the_memory_is_not_taken_apart() {
        let file = bomb(usize::MAX);
        assert!(file.len() < 1 << 20, "{} bytes", file.len());
        let opened = |file: &bytes::Bytes| {
            let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
            batch_size(file, builder.metadata())
        };
        let refused = opened(&file).unwrap_err();
        assert!(refused.contains("made to fill the memory"), "{refused}");
        // In small pages it is only read more slowly.
        assert!(opened(&bomb(1 << 20)).unwrap() < 700);
        assert!(Batches::open(Table::Sessions, file, "a", None, |_| None).is_err());
    }
}
