//! Messages of both sides, for scripts.

use crate::message::extended::{Target, put_execute, put_parse, put_query, put_target};
use crate::message::{put, put_cstr};
use wire::Violation;

pub(super) fn q(sql: &str) -> Vec<u8> {
    built(|out| put_query(sql.as_bytes(), out))
}
pub(super) fn p(name: &str, sql: &str) -> Vec<u8> {
    built(|out| put_parse(name.as_bytes(), sql.as_bytes(), out))
}
/// A Bind whose result columns are binary when `binary`.
pub(super) fn b(portal: &str, statement: &str, binary: bool) -> Vec<u8> {
    built(|out| {
        put(out, b'B', |out| {
            put_cstr(out, portal.as_bytes());
            put_cstr(out, statement.as_bytes());
            out.extend_from_slice(&[0, 0, 0, 0]);
            out.extend_from_slice(if binary { &[0, 1, 0, 1] } else { &[0, 0] });
        })
    })
}
pub(super) fn e(portal: &str, rows: i32) -> Vec<u8> {
    built(|out| put_execute(portal.as_bytes(), rows, out))
}
pub(super) fn ds(name: &str) -> Vec<u8> {
    built(|out| put_target(b'D', Target::Statement(name.as_bytes()), out))
}
pub(super) fn dp(name: &str) -> Vec<u8> {
    built(|out| put_target(b'D', Target::Portal(name.as_bytes()), out))
}
pub(super) fn cs(name: &str) -> Vec<u8> {
    built(|out| put_target(b'C', Target::Statement(name.as_bytes()), out))
}
pub(super) fn cp(name: &str) -> Vec<u8> {
    built(|out| put_target(b'C', Target::Portal(name.as_bytes()), out))
}
/// A message with a body as it is.
pub(super) fn m(tag: u8, body: &[u8]) -> Vec<u8> {
    built(|out| put(out, tag, |out| out.extend_from_slice(body)))
}
pub(super) fn s() -> Vec<u8> {
    m(b'S', b"")
}
pub(super) fn z(state: u8) -> Vec<u8> {
    m(b'Z', &[state])
}
pub(super) fn c(tag: &str) -> Vec<u8> {
    m(b'C', format!("{tag}\0").as_bytes())
}
pub(super) fn error(code: &str) -> Vec<u8> {
    m(b'E', format!("SERROR\0VERROR\0C{code}\0Mfailed\0Rx\0\0").as_bytes())
}
/// A RowDescription of text columns; `ssn` is `patients.ssn`.
pub(super) fn t(columns: &[&str]) -> Vec<u8> {
    let mut body = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for column in columns {
        body.extend_from_slice(column.as_bytes());
        let (table, number) = if *column == "ssn" { (16_385_u32, 3_u16) } else { (0, 0) };
        body.push(0);
        body.extend_from_slice(&table.to_be_bytes());
        body.extend_from_slice(&number.to_be_bytes());
        body.extend_from_slice(&[0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
    }
    m(b'T', &body)
}
pub(super) fn d(cells: &[&str]) -> Vec<u8> {
    let mut body = u16::try_from(cells.len()).unwrap().to_be_bytes().to_vec();
    for cell in cells {
        body.extend_from_slice(&u32::try_from(cell.len()).unwrap().to_be_bytes());
        body.extend_from_slice(cell.as_bytes());
    }
    m(b'D', &body)
}

/// Our own question for the settings, as scripts see it.
pub(super) const ASKED: &str =
    "P(~,SHOW search_path) B(~,~) E(~) C(P ~) C(S ~) P(~,SHOW role) B(~,~) E(~) C(P ~) C(S ~) S";

/// The upstream's answer to it.
pub(super) fn shown(path: &str, state: u8) -> Vec<u8> {
    let one = |value| [m(b'1', b""), m(b'2', b""), d(&[value]), c("SHOW"), m(b'3', b""), m(b'3', b"")].concat();
    [one(path), one("none"), z(state)].concat()
}

fn built(write: impl FnOnce(&mut Vec<u8>) -> Result<(), Violation>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    out
}
