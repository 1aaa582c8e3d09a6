//! Queries of our own, over a connection that no client shares: the catalog, settings, KILL.

use crate::link::{Link, LinkError};
use crate::message::capability::Capabilities;
use crate::message::error::ErrorPacket;
use crate::message::ok::Ok as OkPacket;
use crate::message::packet::LONGEST;
use crate::message::{command, lenenc};
use wire::Cursor;

/// The longest packet of an answer: a view's definition is at most this long.
const LONGEST_PACKET: usize = 64 * 1024 * 1024;
/// Bytes of all rows of an answer.
const MOST_BYTES: usize = 512 * 1024 * 1024;

/// A row of an answer, as text.
pub(crate) type TextRow = Vec<Option<String>>;

/// Why a query of ours failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    /// The server said no.
    #[error("error {0}: {1}")]
    Server(u16, String),
    /// The connection or the protocol broke.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Runs one statement over a connection with these capabilities; its rows, or none if it has no result. Bytes that are
/// not UTF-8 are replaced.
pub(crate) async fn run(link: &mut Link, sql: &str, capabilities: Capabilities) -> Result<Vec<TextRow>, QueryError> {
    let deprecate_eof = capabilities.has(Capabilities::DEPRECATE_EOF);
    link.restart_sequence();
    let mut payload = vec![command::QUERY];
    if capabilities.has(Capabilities::QUERY_ATTRIBUTES) {
        // No attributes, in one set.
        payload.extend_from_slice(&[0, 1]);
    }
    payload.extend_from_slice(sql.as_bytes());
    link.write(&payload).await?;
    let first = link.read(LONGEST_PACKET).await?;
    let columns = match first.first() {
        Some(0x00) => return Ok(Vec::new()),
        Some(0xFF) => return Err(server_error(&first)),
        _ => lenenc::int(&mut Cursor::new(&first)).map_err(|_| violation("column count"))?,
    };
    if columns == 0 || columns > 65_535 {
        return Err(violation("column count"));
    }
    for _ in 0..columns {
        link.read(LONGEST_PACKET).await?;
    }
    if !deprecate_eof {
        link.read(LONGEST_PACKET).await?;
    }
    let mut rows = Vec::new();
    let mut bytes = 0_usize;
    loop {
        let payload = link.read(LONGEST_PACKET).await?;
        match payload.first() {
            Some(0xFF) => return Err(server_error(&payload)),
            Some(0xFE) if payload.len() < LONGEST => {
                OkPacket::decode_end(&payload, deprecate_eof).map_err(LinkError::from)?;
                return Ok(rows);
            }
            _ => {}
        }
        bytes = bytes.saturating_add(payload.len());
        if bytes > MOST_BYTES {
            return Err(violation("an answer without end"));
        }
        let mut cursor = Cursor::new(&payload);
        let mut row = TextRow::new();
        while !cursor.is_empty() {
            let cell = lenenc::cell(&mut cursor).map_err(|_| violation("row"))?;
            row.push(cell.map(|cell| String::from_utf8_lossy(cell).into_owned()));
        }
        rows.push(row);
    }
}

fn server_error(payload: &[u8]) -> QueryError {
    match ErrorPacket::decode(payload) {
        Ok(error) => QueryError::Server(error.code, String::from_utf8_lossy(error.message).into_owned()),
        Err(malformed) => QueryError::Link(malformed.into()),
    }
}

fn violation(what: &str) -> QueryError {
    QueryError::Link(LinkError::Violation(format!("malformed {what}")))
}
