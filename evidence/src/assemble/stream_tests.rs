//! Row streams, whole and cut at every byte: frames, COPY text, COPY CSV, and what does not make sense.

use super::cells::Cells;
use super::stream::RowStream;
use model::{Delimited, RowLayout};

type Row = (Vec<Option<String>>, Option<String>);

/// Feeds the stream in pieces of `size` bytes; all rows, the one that the end cut short included.
fn rows(layout: &RowLayout, bytes: &[u8], size: usize) -> Vec<Row> {
    let (mut stream, mut cells, mut found) = (RowStream::default(), Cells::default(), Vec::new());
    let row = |cells: &Cells, overflow| (cells.iter().map(|cell| cell.map(str::to_owned)).collect(), overflow);
    for piece in bytes.chunks(size) {
        let mut rest = piece;
        while let Some(overflow) = stream.next(layout, &mut rest, &[], &mut cells) {
            found.push(row(&cells, overflow));
        }
        // What a restart between two pieces would carry over.
        let mut carried = Vec::new();
        stream.write(&mut carried);
        stream = RowStream::read(&mut crate::journal::codec::Take(&carried)).unwrap();
    }
    if let Some(overflow) = stream.finish(&[], &mut cells) {
        found.push(row(&cells, overflow));
    }
    found
}

#[track_caller]
fn same_however_cut(layout: &RowLayout, bytes: &[u8], expected: &[&[Option<&str>]]) {
    let expected: Vec<Row> =
        expected.iter().map(|row| (row.iter().map(|cell| cell.map(str::to_owned)).collect(), None)).collect();
    for size in 1..=bytes.len() {
        assert_eq!(rows(layout, bytes, size), expected, "in pieces of {size}");
    }
}

fn text() -> RowLayout {
    let null = b"\\N".to_vec();
    RowLayout::Delimited(Delimited { csv: false, delimiter: b'\t', quote: 0, escape: 0, null, header: false })
}

fn csv(escape: u8, header: bool) -> RowLayout {
    RowLayout::Delimited(Delimited { csv: true, delimiter: b',', quote: b'"', escape, null: Vec::new(), header })
}

#[test]
fn frames() {
    let mut bytes = crate::support::data_row(&[Some("a"), None, Some("")]);
    bytes.extend(crate::support::data_row(&[]));
    bytes.extend(crate::support::data_row(&[Some("é")]));
    same_however_cut(&RowLayout::Framed, &bytes, &[&[Some("a"), None, Some("")], &[], &[Some("é")]]);
}

#[test]
fn copy_text_with_escapes_nulls_and_empty_cells() {
    let bytes = b"1\t\\N\ta\\tb\\\\\n\\\\N\t\tline\\nfeed\n";
    same_however_cut(
        &text(),
        bytes,
        &[&[Some("1"), None, Some("a\tb\\")], &[Some("\\N"), Some(""), Some("line\nfeed")]],
    );
}

#[test]
fn copy_csv_with_quotes_line_feeds_nulls_and_a_header() {
    let bytes = b"id,note\r\n1,\"a, \"\"b\"\"\nc\"\r\n2,\n3,\"\"\n";
    same_however_cut(
        &csv(b'"', true),
        bytes,
        &[&[Some("1"), Some("a, \"b\"\nc")], &[Some("2"), None], &[Some("3"), Some("")]],
    );
    same_however_cut(&csv(b'\\', false), b"\"a\\\"\nb\",x\n", &[&[Some("a\"\nb"), Some("x")]]);
}

#[test]
fn a_stream_that_ends_within_a_row_keeps_what_is_there_and_says_so() {
    let whole = crate::support::data_row(&[Some("first"), Some("second")]);
    let found = rows(&RowLayout::Framed, &whole[..whole.len() - 3], 7);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0[0].as_deref(), Some("first"));
    assert!(found[0].1.as_deref().unwrap().contains("cut short"), "{found:?}");
    let found = rows(&text(), b"1\ta\n2\tb", 3);
    assert_eq!(found.len(), 2);
    assert!(found[0].1.is_none() && found[1].1.is_some(), "{found:?}");
}

#[test]
fn a_stream_that_makes_no_sense_is_given_up_once() {
    let mut bytes = crate::support::data_row(&[Some("good")]);
    bytes.extend_from_slice(b"E\0\0\0\x10garbage");
    bytes.extend(crate::support::data_row(&[Some("never seen")]));
    for size in [1, 5, bytes.len()] {
        let found = rows(&RowLayout::Framed, &bytes, size);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].1.as_deref().unwrap().contains("could not be taken apart"), "{found:?}");
    }
    // A length that lies: the cell claims more than the frame has.
    let mut row = crate::support::data_row(&[Some("abc")]);
    row[10] = 200;
    let found = rows(&RowLayout::Framed, &row, row.len());
    assert!(found[0].1.as_deref().unwrap().contains("within a cell"), "{found:?}");
}

#[test]
fn a_row_beyond_the_limit_keeps_its_front() {
    let big = "x".repeat(17 << 20);
    let mut bytes = crate::support::data_row(&[Some("key"), Some(&big)]);
    bytes.extend(crate::support::data_row(&[Some("next")]));
    let found = rows(&RowLayout::Framed, &bytes, 1 << 20);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].0[0].as_deref(), Some("key"));
    assert!(found[0].1.as_deref().unwrap().contains("are not kept"), "{:?}", found[0].1);
    assert_eq!(found[1], (vec![Some("next".to_owned())], None));
}
