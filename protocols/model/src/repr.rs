//! How the bytes of a cell represent its value: the kind of value and the encoding on the wire.
//!
//! The encodings are those of the engines' published protocols; naming them here lets policies transform a cell and
//! evidence render it without either knowing an engine.

/// The wire encoding of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// PostgreSQL's text format (format code 0): the type's output function.
    PostgresText,
    /// PostgreSQL's binary format (format code 1): the type's send function, network byte order.
    PostgresBinary,
    /// MySQL's text result set row.
    MysqlText,
    /// MySQL's binary result set row, without the length prefix of length-encoded values.
    MysqlBinary,
}

/// The kind of value in a cell, engine-neutral.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Truth value.
    Bool,
    /// Integer of `bytes` bytes (1, 2, 3, 4 or 8).
    Int {
        /// Width in bytes.
        bytes: u8,
        /// Whether negative values exist.
        signed: bool,
    },
    /// IEEE 754 of `bytes` bytes (4 or 8).
    Float {
        /// Width in bytes.
        bytes: u8,
    },
    /// Exact decimal (`numeric`, `DECIMAL`).
    Decimal,
    /// Calendar date.
    Date,
    /// Date and time without a zone (`timestamp`, `DATETIME`, MySQL `TIMESTAMP`).
    Timestamp,
    /// Date and time with a zone (`timestamptz`).
    TimestampTz,
    /// Time of day; for MySQL also a duration of up to 838 hours.
    Time,
    /// Time of day with a zone (`timetz`).
    TimeTz,
    /// Time span (`interval`).
    Interval,
    /// Year alone (MySQL `YEAR`).
    Year,
    /// UUID.
    Uuid,
    /// Blank-padded text of a fixed number of characters (`char(n)`).
    Char,
    /// Text of any length.
    Text,
    /// One of a set of labels, in the engine's order.
    Enum {
        /// The labels that exist.
        labels: Vec<String>,
    },
    /// JSON held as text (`json`, MySQL `JSON`).
    Json,
    /// JSON in PostgreSQL's `jsonb`: in binary a version byte, then the text.
    Jsonb,
    /// Bytes (`bytea`, `BLOB`, charset 63).
    Bytes,
    /// An array of one kind (PostgreSQL).
    Array {
        /// Kind of the elements.
        element: Box<Kind>,
        /// The element type's OID, needed to write the binary header.
        element_oid: u32,
    },
    /// A row value (PostgreSQL composite or record).
    Composite,
    /// Bit string (`bit`, `varbit`, MySQL `BIT`).
    Bit,
    /// Network address (`inet`, `cidr`, `macaddr`).
    Network,
    /// A type Affidavit does not know. It can be recorded; it can be masked only as NULL.
    Unknown,
}

/// Kind and encoding of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repr {
    /// What it is.
    pub kind: Kind,
    /// How it is written.
    pub encoding: Encoding,
}
