//! COPY in both directions.

use super::*;

const IN: &str = "COPY patients FROM STDIN";
const OUT: &str = "COPY patients (id, ssn) TO STDOUT";

fn line(text: &str) -> Vec<u8> {
    m(b'd', text.as_bytes())
}

fn begin_in() -> Vec<u8> {
    m(b'G', b"\0\0\x03\0\0\0\0\0\0")
}

fn begin_out(binary: bool) -> Vec<u8> {
    let f = u8::from(binary);
    m(b'H', &[f, 0, 2, 0, f, 0, f])
}

#[test]
fn data_is_handed_on_even_in_pieces() {
    let mut script = Script::new();
    script.client(&[q(IN)]);
    script.upstream(&[begin_in()]);
    script.sent();
    let data = [line("1\tann\tx\n"), line("2\tbob\ty\n")].concat();
    for piece in data.chunks(3) {
        script.client(&[piece.to_vec()]);
    }
    script.client(&[s(), m(b'H', b""), m(b'c', b"")]);
    assert_eq!(script.to_upstream, [data, m(b'c', b"")].concat(), "Sync and Flush mean nothing here");
    script.upstream(&[c("COPY 2"), z(b'I')]);
    assert!(script.logged().ends_with("1 done completed COPY 2"));
}

#[test]
fn data_after_an_error_is_dropped() {
    let mut script = Script::new();
    script.client(&[q(IN)]);
    script.upstream(&[begin_in()]);
    script.client(&[line("1\tann\n")]);
    script.upstream(&[error("22P04"), z(b'I')]);
    script.sent();
    script.client(&[line("2\tbob\n"), m(b'c', b""), m(b'f', b"why\0"), q("SELECT 1")]);
    assert_eq!(script.sent(), "Q(SELECT 1)");
}

#[test]
fn a_sync_that_the_copy_swallows_gets_no_answer() {
    let mut script = Script::new();
    // libpq sends Sync with the Execute, and another after the data.
    script.client(&[p("", IN), b("", "", false), e("", 0), s()]);
    script.upstream(&[m(b'1', b""), m(b'2', b""), begin_in()]);
    script.client(&[line("1\ta\tb\n"), m(b'c', b""), s()]);
    script.upstream(&[c("COPY 1"), z(b'I')]);
    assert!(script.logged().ends_with("2 done completed COPY 1"));
    script.told();
    script.client(&[q("SELECT 1")]);
    script.upstream(&[t(&["a"]), c("SELECT 0"), z(b'I')]);
    assert!(script.logged().ends_with("3 done completed SELECT 0"));
}

#[test]
fn an_error_in_an_extended_copy() {
    let mut script = Script::new();
    script.client(&[p("", IN), b("", "", false), e("", 0), s()]);
    script.upstream(&[m(b'1', b""), m(b'2', b""), begin_in()]);
    script.client(&[line("1\n")]);
    script.upstream(&[error("22P04")]);
    script.sent();
    script.client(&[line("2\n"), m(b'c', b""), s()]);
    assert_eq!(script.sent(), "S");
    script.upstream(&[z(b'I')]);
    script.client(&[q("SELECT 1")]);
    assert_eq!(script.sent(), "Q(SELECT 1)");
}

#[test]
fn data_that_does_not_wait_for_the_upstream() {
    let mut script = Script::new();
    script.client(&[q(IN), line("1\ta\tb\n"), m(b'c', b"")]);
    assert_eq!(script.to_upstream.len(), q(IN).len() + line("1\ta\tb\n").len() + 5);
    script.upstream(&[begin_in(), c("COPY 1"), z(b'I')]);
    script.sent();
    script.client(&[q("SELECT 1")]);
    script.upstream(&[t(&["a"]), c("SELECT 0"), z(b'I')]);
    assert!(script.logged().ends_with("2 done completed SELECT 0"));
    // It is not refused when the copy fails before it begins either.
    script.client(&[q(IN), line("1\ta\tb\n"), m(b'c', b""), q("SELECT 2")]);
    script.upstream(&[error("42501"), z(b'I'), t(&["a"]), c("SELECT 0"), z(b'I')]);
    assert!(script.logged().ends_with("4 done completed SELECT 0"));
}

#[test]
fn a_statement_within_the_data_ends_the_session() {
    let mut script = Script::new();
    script.client(&[q(IN)]);
    script.upstream(&[begin_in()]);
    assert!(script.try_client(&q("SELECT 1")).is_err());
}

#[test]
fn masked_text_however_it_is_framed() {
    let stream = "1\t123\n2\t\\N\n3\ta\\tb\n";
    let expected = "1\t***\n2\t\\N\n3\t***\n";
    for size in 1..=stream.len() {
        let mut script = Script::new();
        script.client(&[q(OUT)]);
        let frames: Vec<_> = stream.as_bytes().chunks(size).map(|chunk| m(b'd', chunk)).collect();
        script.upstream(&[begin_out(false), frames.concat(), m(b'c', b""), c("COPY 3"), z(b'I')]);
        assert_eq!(String::from_utf8_lossy(&script.journal), expected, "frames of {size}");
        let mut out = Vec::new();
        let told = std::mem::take(&mut script.to_client);
        let mut rest = told.as_slice();
        while let Ok(Step::Got { consumed, item }) = frame(rest, 1000) {
            if item.tag == b'd' {
                out.extend_from_slice(item.body);
            }
            rest = &rest[consumed..];
        }
        assert_eq!(String::from_utf8_lossy(&out), expected, "frames of {size}");
        assert!(script.logged().contains("1 columns 0 id,ssn; 1 rows 0 3; 1 done completed COPY 3"));
    }
}

#[test]
fn masked_csv_with_a_header_and_newlines_in_cells() {
    let mut script = Script::new();
    script.client(&[q("COPY patients (id, ssn) TO STDOUT (FORMAT csv, HEADER)")]);
    let rows = [line("id,ssn\n"), line("1,\"a\n\"\"b\"\n"), line("2,\n")];
    script.upstream(&[begin_out(false), rows.concat(), m(b'c', b""), c("COPY 2"), z(b'I')]);
    assert_eq!(String::from_utf8_lossy(&script.journal), "id,ssn\n1,\"***\"\n2,\n");
    assert!(script.logged().contains("1 rows 0 2"));
}

#[test]
fn masked_binary() {
    let tuple = |cell: &[u8]| [b"\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x03", cell].concat();
    let header = [&b"PGCOPY\n\xff\r\n\0"[..], &[0; 8]].concat();
    let frames = [m(b'd', &[header.clone(), tuple(b"123")].concat()), m(b'd', &tuple(b"456")), m(b'd', &[0xff, 0xff])];
    let mut script = Script::new();
    script.client(&[q("COPY patients (id, ssn) TO STDOUT (FORMAT binary)")]);
    script.upstream(&[begin_out(true), frames.concat(), m(b'c', b""), c("COPY 2"), z(b'I')]);
    let expected =
        [m(b'd', &[header, tuple(b"***")].concat()), m(b'd', &tuple(b"***")), m(b'd', &[0xff, 0xff])].concat();
    let told = script.to_client.clone();
    assert!(told.windows(expected.len()).any(|window| window == expected), "{:?}", told.escape_ascii().to_string());
    assert_eq!(script.journal, [m(b'D', &tuple(b"***")), m(b'D', &tuple(b"***"))].concat());
}

#[test]
fn an_unmasked_copy_is_cut_through() {
    let mut script = Script::new();
    script.client(&[q("COPY patients (id, name) TO STDOUT")]);
    script.upstream(&[begin_out(false), line("1\tann\n")]);
    let row = line("2\ta long name that comes in pieces\n");
    let before = script.to_client.len();
    script.upstream(&[row[..20].to_vec()]);
    assert_eq!(script.to_client.len() - before, 20, "nothing waits for the row's end");
    script.upstream(&[row[20..].to_vec(), m(b'c', b""), c("COPY 2"), z(b'I')]);
    assert_eq!(String::from_utf8_lossy(&script.journal), "1\tann\n2\ta long name that comes in pieces\n");
    assert!(script.logged().contains("1 rows 0 2"));
}

#[test]
fn options_that_cannot_be_read_make_a_text_not_understood() {
    let mut script = Script::new();
    let input = q("COPY patients (ssn) TO STDOUT (FORMAT csv, ENCODING 'SJIS')");
    let Ok(Step::Got { item: Request::Statement(statement), .. }) = script.conversation.request(&input) else {
        panic!("no statement");
    };
    assert!(statement.facts.unparsed.as_ref().is_some_and(|why| why.contains("COPY")), "{:?}", statement.facts);
}

/// A delimiter may be half of a character there, whatever alias the encoding was asked for by.
#[test]
fn in_an_encoding_that_hides_delimiters_copy_is_not_understood() {
    let mut script = Script::new();
    script.upstream(&[m(b'S', b"client_encoding\0SJIS\0")]);
    for (sql, understood) in [
        ("COPY patients (ssn) TO STDOUT (DELIMITER '|')", false),
        ("COPY patients (ssn) TO STDOUT (DELIMITER '|', ENCODING 'UTF8')", true),
        ("COPY patients (ssn) TO STDOUT (FORMAT binary)", true),
    ] {
        let Ok(Step::Got { item: Request::Statement(statement), .. }) = script.conversation.request(&q(sql)) else {
            panic!("no statement");
        };
        assert_eq!(statement.facts.unparsed.is_none(), understood, "{sql}: {:?}", statement.facts.unparsed);
    }
}

#[test]
fn a_replication_stream_is_refused() {
    let mut script = Script::new();
    script.client(&[q("SELECT 1")]);
    assert!(script.try_upstream(&m(b'W', b"\0\0\0")).is_err());
}
