//! Row streams: how the rows that a client got lie in the journal, before sealing turns them into text.
//!
//! A stream is the concatenation of the bytes journaled for one result of one statement. Chunks need not end at a row's
//! end; only the whole stream does (unless the statement was cut short).

/// How to take a row stream apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowLayout {
    /// Frames of `u8 tag 'D' · u32 length (itself and what follows, big endian) · u16 cells · (i32 length or -1 for NULL,
    /// bytes) per cell`. This is PostgreSQL's DataRow, byte for byte, so its rows are journaled by a copy; other
    /// adapters write the same form.
    Framed,
    /// Lines of `COPY … TO STDOUT` in text or CSV, as the client gets them, without protocol headers.
    Delimited(Delimited),
}

/// The options of a delimited row stream, as in PostgreSQL's COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delimited {
    /// CSV quoting (true) or backslash escapes (false).
    pub csv: bool,
    /// Between cells.
    pub delimiter: u8,
    /// Around CSV cells.
    pub quote: u8,
    /// Before a quote inside a CSV cell.
    pub escape: u8,
    /// What stands for NULL (text default `\N`, CSV default empty and unquoted).
    pub null: Vec<u8>,
    /// Whether the first line names the columns.
    pub header: bool,
}
